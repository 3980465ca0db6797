"""교실에서 생기는 일: 잘못 적은 매개변수, Colab의 빈 폴더, 포크, 나쁜 컴퓨터."""

import base64
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import zlib
from pathlib import Path

import nbformat
import pytest
from helpers import NOTEBOOKS, ROOT, notebook
from PIL import Image

import course_utils
from course_utils import CourseError, lessons
from course_utils.batch import worker
from course_utils.runtime import METRICS_MIME
from tools.colab_rehearsal import REPOSITORY, STUB, environment, repository
from tools.publish import publish
from tools.stamp import stamped

NUMBERS = ("3", 1.5, 0, -1, 10**9, 10**400, 10**5000, float("nan"), float("inf"), True, [1], {}, b"1", 1j)
BAD = {
    "profile": ("fast", "", 3, None, [], 10**5000),
    "dataset": ("cifar", "", "없는 파일.npz", 3, None, [], {}, 10**5000),
    "seed": ("1", 1.5, -1, 2**31, 2**32, 10**5000, True, None, [], float("nan")),
    "held_out": ("0", 1, -1, 10, 10**5000, True, False, 0.0, None, [0]),
    "pretrained": ("no", "False", 0, 1, None, []),
    "sketch": ("line", "", "Mosaic", 3, None, [], True),
    "prior": ("gauss", "", "Ring", 3, None, [], True),
    "checkpoints": ("", " ", "\0", 3, None, [], True),
    "n_samples": (*NUMBERS, 29),  # 00: 세 모델을 견주려면 서른은 있어야 해요
    "n_data": (*NUMBERS, 1),  # 02: 하나로는 분산을 잴 수 없어요
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_bad_parameters_are_refused_in_korean_before_training(path, monkeypatch):
    """설정 셀만 실행해요. 거기에는 course_utils와 매개변수만 있으면 돼요."""
    monkeypatch.setattr("course_utils.plots.use_course_style", lambda: None)  # 그림의 준비는 빼고
    lesson = lessons.read(path)
    (settings,) = lessons.tagged(lesson.notebook, "settings")
    exec(settings.source, {"course_utils": course_utils} | lesson.parameters)
    for name in lesson.parameters:
        for value in BAD.get(name, NUMBERS):
            with pytest.raises(CourseError) as caught:
                exec(settings.source, {"course_utils": course_utils} | lesson.parameters | {name: value})
            message = str(caught.value)
            assert message.startswith(f"{name}="), message
            assert re.search("여야 해요|쓸 수 있는 값|적어 주세요|없어요", message) and len(message) < 300, message


# 설치된 course_utils를 감춰요: Colab에도, zip만 받은 학생에게도 없어요
HIDE = f"""import sys
sys.meta_path = [f for f in sys.meta_path if not getattr(f, "__module__", "").startswith("__editable__")]
sys.path = [path for path in sys.path if path != {str(ROOT)!r}]
"""
SETUP = (ROOT / "tools/setup_cell.py").read_text("utf-8")
WHERE = "\nimport course_utils\nprint(course_utils.__file__)"


def set_up(cwd, env, colab=True, setup=SETUP):
    """환경 준비 셀을 새 프로세스에서 실행해, course_utils를 어디서 찾았는지와 화면의 글을 돌려줘요."""
    code = HIDE + (STUB if colab else "") + setup + WHERE
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True)
    assert (done.returncode == 0) == ("SetupError" not in done.stderr), done.stderr
    return Path(done.stdout.split("\n")[-2]) if done.returncode == 0 else None, done.stdout + done.stderr


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("committed")
    repository(folder)
    return folder


@pytest.fixture
def colab(tmp_path, committed):
    """빈 /content와, Colab의 환경과, 저장소의 복사본."""
    (tmp_path / "content").mkdir()
    source = shutil.copytree(committed, tmp_path / "repository")
    return tmp_path / "content", environment(tmp_path, source.as_uri()), source


def test_colab_setup_clones_once_into_an_empty_folder(colab):
    content, env, source = colab
    found, said = set_up(content, env)
    assert found == content / "generative-models-ko/course_utils/__init__.py" and "⚠" not in said
    assert (content / "generative-models-ko/data/digits.npz").read_bytes() == (ROOT / "data/digits.npz").read_bytes()
    shutil.rmtree(source)  # 다시 실행하면 아무것도 가져오지 않아요
    assert set_up(content, env)[0] == found and os.listdir(content) == ["generative-models-ko"]


def test_colab_setup_without_network_says_so_and_leaves_nothing(colab):
    content, env, source = colab
    away = source.rename(source.with_name("away"))
    found, said = set_up(content, env)
    assert found is None and "인터넷을 확인하고 이 셀을 다시" in said and os.listdir(content) == []
    away.rename(source)
    assert set_up(content, env)[0]


def test_colab_setup_works_in_the_same_kernel_once_the_network_is_back(colab):
    """실패한 적이 있는 커널에서 첫 셀만 다시 실행해요."""
    content, env, source = colab
    away = source.with_name("away")
    again = f"""import os
cell = {SETUP!r}
os.rename({str(source)!r}, {str(away)!r})
try:
    exec(cell)
except Exception as error:
    assert type(error).__name__ == "SetupError", error
else:
    raise AssertionError("네트워크가 없는데 성공했어요")
os.rename({str(away)!r}, {str(source)!r})
exec(cell)
"""
    assert set_up(content, env, setup=again)[0] == content / "generative-models-ko/course_utils/__init__.py"


def test_colab_setup_gives_up_on_a_silent_server_and_leaves_nothing(colab):
    content, env, _ = colab
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = f"http://127.0.0.1:{server.getsockname()[1]}/course"
        assert SETUP.count(REPOSITORY) == 1 and SETUP.count('"60"') == 2
        found, said = set_up(content, env, setup=SETUP.replace(REPOSITORY, silent).replace('"60"', '"1"'))
    assert found is None and "인터넷을 확인하고 이 셀을 다시" in said and os.listdir(content) == []


def test_zip_without_git_works_and_a_lone_notebook_says_what_is_missing(colab):
    content, env, source = colab
    course = source.rename(content / "내 강의 (1)")
    shutil.rmtree(course / ".git")
    assert set_up(course / "notebooks", env, colab=False)[0] == course / "course_utils/__init__.py"
    found, said = set_up(content, env, colab=False)
    assert found is None and "notebooks/ 안에서 노트북을 열어" in said
    course.rename(content / "generative-models-ko")  # Colab에 올려 푼 zip
    assert set_up(content, env | {"PATH": ""})[0]


@pytest.fixture
def copies(tmp_path):
    """주소와 환경 준비 셀과 표가 적힌 파일들의 복사본: {복사본: 원본}."""
    originals = (ROOT / "README.md", ROOT / "pyproject.toml", ROOT / "tools/setup_cell.py", *NOTEBOOKS)
    made = {tmp_path / path.relative_to(ROOT): path for path in originals}
    for copied, path in made.items():
        copied.parent.mkdir(exist_ok=True)
        shutil.copy(path, copied)
    return made


def test_publish_changes_every_badge_and_setup_cell(tmp_path, copies):
    old, new = REPOSITORY.removeprefix("https://github.com/"), "my-school/gen.course_2"
    assert len(publish(tmp_path, new)) == len(copies)
    for path in copies:
        assert old not in path.read_text("utf-8") and new in path.read_text("utf-8"), path
    assert not stamped(tmp_path)
    publish(tmp_path, old)
    assert all(copied.read_bytes() == path.read_bytes() for copied, path in copies.items())
    for wrong in ("", "course", "a/b/c", "a b/c", "https://github.com/a/b"):
        with pytest.raises(ValueError, match="이름/저장소"):
            publish(tmp_path, wrong)


def test_stamp_mends_setup_cells_badges_times_and_tables(tmp_path, copies):
    damage = {
        "README.md": (r"\| \[07\..*\n", ""),
        "notebooks/00_introduction.ipynb": (r"(?<=01_probability\.ipynb\) \| )\d+분", "6분"),
        "notebooks/03_autoencoder.ipynb": (r"CPU\(quick\) \d+분", "CPU(quick) 9분"),
        "notebooks/05_vae.ipynb": (r"main/notebooks/05_vae\.ipynb", "main/notebooks/06_gan.ipynb"),
        "notebooks/08_dcgan.ipynb": (r"from importlib\.util import find_spec", "import os"),
    }
    for name, (pattern, new) in damage.items():
        text, count = re.subn(pattern, new, (tmp_path / name).read_text("utf-8"), count=1)
        (tmp_path / name).write_text(text, "utf-8")
        assert count == 1, name
    mended = stamped(tmp_path)
    assert mended == {tmp_path / name: (ROOT / name).read_text("utf-8") for name in damage}


def test_stamp_says_what_a_first_cell_lacks(tmp_path, copies):
    path = tmp_path / "notebooks/01_probability.ipynb"
    path.write_text(path.read_text("utf-8").replace("| 마치면 |", "| 끝나면 |"), "utf-8")
    with pytest.raises(CourseError, match=r"01_probability\.ipynb: '\| 마치면"):
        stamped(tmp_path)


UNSAFE = re.compile(
    r"allow_pickle\s*=\s*True|safe_mode\s*=\s*False|enable_unsafe|\bpickle\b|shell\s*=\s*True|os\.(system|popen)|"
    r"\beval\(|extractall|unpack_archive|http://|\byaml\.(\w+_)?load|verify\s*=\s*False"
)


def test_no_unsafe_call_in_the_package_or_the_lessons():
    sources = {
        path: path.read_text("utf-8") for folder in ("course_utils", "tools") for path in (ROOT / folder).rglob("*.py")
    }
    for path in NOTEBOOKS:
        sources[path] = "\n".join(cell.source for cell in notebook(path).cells if cell.cell_type == "code")
    for path, source in sources.items():
        assert not (found := UNSAFE.search(source)), f"{path.name}: {found.group()}"
        for call in re.findall(r"np\.load\(.*", source):
            assert "allow_pickle=False" in call, f"{path.name}: {call}"


def bomb():
    """몇 킬로바이트인데 풀면 3기가바이트인 PNG."""
    def chunk(kind, content):
        whole = kind + content
        return len(content).to_bytes(4, "big") + whole + zlib.crc32(whole).to_bytes(4, "big")

    head = (50_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    )


def jpeg():
    """PNG라고 적혀 온 JPEG. 다른 형식의 디코더에 닿으면 안 돼요."""
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "jpeg")
    return file.getvalue()


PICTURES = (*(base64.b64encode(made).decode() for made in (bomb(), jpeg())), "그림이 아님", 3, None, {"a": 1}, ["iVBO", 3])
METRICS = [None, "글", [1], {"a": 1, "b": "<script>", "c": 10**400, "d": [1], "e": float("nan")}]


def test_report_trusts_nothing_in_a_notebook_output():
    for picture in PICTURES:
        assert worker._figure(executed({"image/png": picture})) is None
    told = [worker._metrics(executed({METRICS_MIME: metrics})) for metrics in METRICS]
    assert told == [{}, {}, {}, {"a": 1, "c": None, "e": None}]


def executed(data):
    """출력 하나가 든, 보고서에 그림을 보일 셀의 노트북."""
    output = {"output_type": "display_data", "metadata": {}, "data": data}
    cell = {"cell_type": "code", "source": "", "metadata": {"tags": ["report-figure"]}, "outputs": [output]}
    return nbformat.from_dict({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
