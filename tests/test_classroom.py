"""교실에서 생기는 일: 잘못 적은 매개변수, Colab의 빈 폴더, 포크, 나쁜 컴퓨터."""

import ast
import base64
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from colab_rehearsal import REPOSITORY, STUB, environment, repository
from helpers import NOTEBOOKS, ROOT
from PIL import Image

from course_utils import CourseError, publish
from course_utils.batch import worker
from course_utils.runtime import METRICS_MIME

NUMBERS = ("3", 1.5, 0, -1, 10**9, 10**400, 10**5000, float("nan"), float("inf"), True, [1], {}, b"1", 1j)
BAD = {
    "profile": ("fast", "", 3, None, [], 10**5000),
    "dataset": ("cifar", "", 3, None, [], {}, 10**5000),
    "seed": ("1", 1.5, -1, 2**32, 10**5000, True, None, [], float("nan")),
    "held_out": ("0", 1, -1, 10, 10**5000, True, False, 0.0, None, [0]),
    "pretrained": ("no", "False", 0, 1, None, []),
    "checkpoints": ("", " ", "\0", 3, None, [], True),
}


def run_until_settings(path, **parameters):
    """매개변수 셀과 설정 셀만 실행한 이름 공간. 학습은 아직이에요."""
    cells = nbformat.read(path, as_version=4).cells
    scope = {"__name__": "__main__"}
    exec(cells[2].source, scope)
    assert set(parameters) <= set(scope)
    exec(cells[3].source, scope | parameters)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_bad_parameters_are_refused_in_korean_before_training(path, monkeypatch):
    monkeypatch.setattr("course_utils.plots.use_course_style", lambda: None)  # 그림의 준비는 빼고
    cell = nbformat.read(path, as_version=4).cells[2].source
    names = [node.targets[0].id for node in ast.parse(cell).body]
    run_until_settings(path)
    for name in names:
        limit = re.search(rf"^{name} = .*\((\d+) 이상", cell, re.M)  # 주석에 적은 규칙도 지켜요
        for value in (*BAD.get(name, NUMBERS), *([int(limit[1]) - 1] if limit else [])):
            with pytest.raises(CourseError) as caught:
                run_until_settings(path, **{name: value})
            message = str(caught.value)
            assert message.startswith(f"{name}=") and re.search("여야 해요|쓸 수 있는 값|적어 주세요", message), message
            assert len(message) < 300


# 설치된 course_utils를 감춰요: Colab에도, zip만 받은 학생에게도 없어요
HIDE = f"""import sys
sys.meta_path = [f for f in sys.meta_path if not getattr(f, "__module__", "").startswith("__editable__")]
sys.path = [path for path in sys.path if path != {str(ROOT)!r}]
"""
SETUP = nbformat.read(NOTEBOOKS[0], as_version=4).cells[1].source
WHERE = "\nimport course_utils\nprint(course_utils.__file__)"


def set_up(cwd, env, colab=True):
    """환경 준비 셀을 새 프로세스에서 실행해, course_utils를 어디서 찾았는지와 화면의 글을 돌려줘요."""
    code = HIDE + (STUB if colab else "") + SETUP + WHERE
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True)
    assert (done.returncode == 0) == ("SetupError" not in done.stderr), done.stderr
    return Path(done.stdout.split("\n")[-2]) if done.returncode == 0 else None, done.stdout + done.stderr


@pytest.fixture
def colab(tmp_path):
    """Colab의 환경과, 저장소의 복사본, 빈 /content."""
    (tmp_path / "content").mkdir()
    address = repository(tmp_path / "repository")
    return tmp_path / "content", environment(tmp_path, address), tmp_path / "repository"


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
    assert found is None and "가져오지 못했어요" in said and "인터넷을 확인하고" in said and os.listdir(content) == []
    away.rename(source)
    assert set_up(content, env)[0]


def test_zip_without_git_works_and_a_lone_notebook_says_what_is_missing(colab):
    content, env, source = colab
    course = source.rename(content / "내 강의 (1)")
    shutil.rmtree(course / ".git")
    assert set_up(course / "notebooks", env, colab=False)[0] == course / "course_utils/__init__.py"
    found, said = set_up(content, env, colab=False)
    assert found is None and "notebooks/ 안에서 노트북을 열어" in said
    course.rename(content / "generative-models-ko")  # Colab에 올려 푼 zip
    assert set_up(content, env | {"PATH": ""})[0]


def test_publish_stamps_every_badge_and_setup_cell(tmp_path):
    for path in (ROOT / "README.md", ROOT / "pyproject.toml", *NOTEBOOKS):
        copied = tmp_path / path.relative_to(ROOT)
        copied.parent.mkdir(exist_ok=True)
        shutil.copy(path, copied)
    old, new = REPOSITORY.removeprefix("https://github.com/"), "my-school/gen.course_2"
    assert len(publish.publish(tmp_path, new)) == len(NOTEBOOKS) + 2
    for path in tmp_path.rglob("*.*"):
        assert old not in path.read_text("utf-8") and new in path.read_text("utf-8"), path
    publish.publish(tmp_path, old)
    assert all((tmp_path / path.relative_to(ROOT)).read_bytes() == path.read_bytes() for path in NOTEBOOKS)
    for wrong in ("", "course", "a/b/c", "a b/c", "https://github.com/a/b"):
        with pytest.raises(CourseError, match="이름/저장소"):
            publish.publish(tmp_path, wrong)


def test_readme_badges_agree_with_the_project():
    badges = re.findall(
        r"\(notebooks/(\S+)\) \| .*?\]\((https://colab[^)\s]+ipynb)\)", (ROOT / "README.md").read_text("utf-8")
    )
    slug = REPOSITORY.removeprefix("https://github.com/")
    github = f"https://colab.research.google.com/github/{slug}/blob/main/notebooks/"
    assert badges == [(path.name, github + path.name) for path in NOTEBOOKS]


UNSAFE = re.compile(
    r"allow_pickle\s*=\s*True|safe_mode\s*=\s*False|enable_unsafe|\bpickle\b|shell\s*=\s*True|os\.(system|popen)|"
    r"\beval\(|extractall|unpack_archive|http://|yaml\.(unsafe_|full_)?load\((?!.*_Loader\))|verify\s*=\s*False"
)


def test_no_unsafe_call_in_the_package_or_the_lessons():
    sources = {
        path: path.read_text("utf-8") for folder in ("course_utils", "data") for path in (ROOT / folder).rglob("*.py")
    }
    for path in NOTEBOOKS:
        sources[path] = "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code")
    for path, source in sources.items():
        assert not (found := UNSAFE.search(source)), f"{path.name}: {found.group()}"
        for call in re.findall(r"np\.load\(.*", source):
            assert "allow_pickle=False" in call, f"{path.name}: {call}"


def bomb():
    """몇 킬로바이트인데 풀면 3기가바이트인 PNG."""
    import zlib

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


FIGURES = [
    *(base64.b64encode(made).decode() for made in (bomb(), jpeg())),
    "그림이 아님",
    3,
    None,
    {"a": 1},
    ["iVBO", 3],
]


@pytest.mark.parametrize("picture", FIGURES, ids=range(len(FIGURES)))
@pytest.mark.parametrize(
    "metrics", [None, "글", [1], {"a": 1, "b": "<script>", "c": 10**400, "d": [1], "e": float("nan")}], ids=range(4)
)
def test_report_trusts_nothing_in_a_notebook_output(picture, metrics):
    output = {"output_type": "display_data", "metadata": {}, "data": {"image/png": picture, METRICS_MIME: metrics}}
    cell = {"cell_type": "code", "source": "", "metadata": {}, "outputs": [output]}
    notebook = nbformat.from_dict({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    assert worker._figure(notebook) is None
    assert worker._metrics(notebook) in ({}, {"a": 1, "c": None, "e": None})
