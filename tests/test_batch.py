"""강사의 묶음: 시작하기 전에 모두 검사하고, 남은 것만 실행하고, 실패를 있는 그대로 말해요."""

import ast
import errno
import gc
import json
import os
import shlex
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import quote

import nbformat
import pytest
from batch_tools import PARAMETERS, SETTINGS, batch, lesson, records
from helpers import NOTEBOOKS, ROOT

from course_utils import runtime
from course_utils.batch import plan, run
from course_utils.batch.__main__ import main
from course_utils.batch.folder import Folder
from course_utils.errors import CourseError

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="  # 점 하나
SECRET = "https://user:s3cret@host/x.npz"


def build(*paths, skip_inapplicable=False, parameters=None, grid=None, seeds=()):
    """profile을 적지 않으면 smoke로 세운 계획."""
    default = {"parameters": [("profile", "smoke")], "grid": []}
    typed = {"parameters": (parameters or {}).items(), "grid": [*(grid or {}).items(), *(("seed", s) for s in [seeds] if s)]}
    spec = {"lessons": list(paths), "skip_inapplicable": skip_inapplicable}
    return plan.build(spec | plan.chosen(default, typed))


@pytest.fixture
def command(capsys):
    """명령을 이 프로세스에서 실행해 (종료 코드, 화면에 나온 글)을 돌려주는 함수."""

    def command(*arguments):
        capsys.readouterr()
        gc.collect()  # 앞에서 닫히지 못한 Dask의 Client. 다음 것이 자물쇠를 쥔 동안 치워지면 영영 멈춰요(distributed의 LoopRunner)
        code = main(list(map(str, arguments)))
        return code, "".join(capsys.readouterr())

    return command


@pytest.fixture
def small(tmp_path):
    return lesson(tmp_path / "lessons", "01_a", settings=SETTINGS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("8", 8), ("1_000", 1000), ("-3", -3), ("true", True), ("[1, 2]", [1, 2]), ("'8'", "8"), ("None", None),
        ("no", "no"), ("yes", "yes"), ("True", "True"), ("010", "010"), (".5", ".5"), ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"), ("C:\\data\\x.npz", "C:\\data\\x.npz"), ("a: b", "a: b"), ("[", "["), ("한글 값", "한글 값"),
        ("1, 2", "1, 2"), ("1 # 글", "1 # 글"), ("1]\nx = [2", "1]\nx = [2"), ("{a = 1}", "{a = 1}"), ("", ""), ("a\"b'c", "a\"b'c"),
    ],
)
def test_values_keep_their_type(text, value):
    parsed = plan.parse_value(text)
    assert parsed == value and type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("2,8", [2, 8]), ("0.1, 1e-4", [0.1, 1e-4]), ("a,b", ["a", "b"]), ("bce,1", ["bce", 1]), ("None,2", [None, 2]),
        ("a,\"b\"", ["a", "b"]), ("'a,b','c'", ["a,b", "c"]), ("[1, 2],[3]", [[1, 2], [3]]), ("true", [True]),
    ],
)
def test_grids_keep_their_types(text, values):
    assert plan.parse_grid(f"axis={text}") == ("axis", values)


@pytest.mark.parametrize("text", ["'a,b',c", "\"x,y\",2024-01-01", "[1,2],x"])
def test_a_grid_value_is_never_cut_in_two(text):
    with pytest.raises(CourseError, match="모두 따옴표로"):
        plan.parse_grid(f"axis={text}")


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [("0..4", [0, 1, 2, 3, 4]), ("1,3,7", [1, 3, 7]), ("0..1, 5", [0, 1, 5]), (42, [42]), ([1, 2], [1, 2])],
)
def test_seeds(seeds, expected):
    assert plan.parse_seeds(seeds) == expected


@pytest.mark.parametrize("seeds", ["", "4..0", "a", "1.5", "-1", "0..99999999999", "1,,2", [True], [], "٣"])
def test_wrong_seeds_are_named(seeds):
    with pytest.raises(CourseError, match=r"0\.\.4"):
        plan.parse_seeds(seeds)


def test_grid_times_seeds(small):
    jobs = build(small, grid={"latent_dim": [2, 8], "rate": [1e-4]}, seeds=[0, 1]).jobs
    assert [job.id.rpartition("__")[0] for job in jobs] == [
        f"01_a__latent_dim={dim}__rate=0.0001__seed={seed}" for dim in (2, 8) for seed in (0, 1)
    ]
    assert jobs[0].parameters == {"profile": "smoke", "dataset": "digits", "latent_dim": 2, "rate": 1e-4, "seed": 0}


def test_duplicates_collapse(small):
    assert len(build(small, small, grid={"rate": [1, 1.0, 2.0]}, seeds=[3, 3]).jobs) == 2


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("latent_dim", 0, "1 이상"), ("latent_dim", 2.0, "정수"), ("latent_dim", "2", "정수"), ("latent_dim", True, "정수"),
        ("n_data", 1, "2 이상"), ("digit", 1, "쓸 수 있는 값"), ("digit", 10, "쓸 수 있는 값"), ("digit", "0", "정수여야"),
        ("rate", float("nan"), "수여야"), ("rate", "1e-4", "수여야"), ("rate", 10**400, "수여야"), ("title", 3, "글"),
        ("title", "\udc80", "글"), ("fast", "no", "참거짓"), ("fast", None, "참거짓"), ("seed", -1, "2³"), ("seed", True, "2³"),
        ("profile", "fast", "smoke"), ("dataset", "cifar", "digits"), ("dataset", "없는.npz", "파일이 없어요"),
        ("dataset", [1], "digits"), ("n_data", [float("inf")], "유한한"),
    ],
)
def test_wrong_values_are_refused_before_anything_starts(small, name, value, words):
    for spec in ({"parameters": {name: value}}, {"grid": {name: [value]}}):
        with pytest.raises(CourseError, match=f"01_a: {name}=") as error:
            build(small, **spec)
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"), [("latent_dim", None), ("rate", 1), ("digit", 9), ("title", "no"), ("fast", True)]
)
def test_right_values_are_taken(small, name, value):
    (job,) = build(small, parameters={name: value}).jobs
    assert job.parameters[name] == value


def test_the_second_value_of_a_grid_is_asked_too(small):
    with pytest.raises(CourseError, match=r"01_a: n_data=1은.*2 이상"):
        build(small, grid={"digit": [0, 2], "n_data": [5, 1]})


def test_a_value_that_breaks_the_settings_cell_does_not_hide_the_next(tmp_path):
    path = lesson(tmp_path / "lessons", "01_a", settings="1 / digit\n" + SETTINGS)
    with pytest.raises(CourseError, match="digit=1"):
        build(path, grid={"digit": [0, 1]})


@pytest.mark.parametrize("settings", ["raise SystemExit", "import 없는_모듈", "1 / 0", "x = (", "start()", "%pip"])
def test_a_settings_cell_that_fails_for_another_reason_is_left_to_the_job(tmp_path, settings):
    path = lesson(tmp_path / "lessons", "01_a", settings=settings)
    assert len(build(path, parameters={"latent_dim": 0}).jobs) == 1


def test_asking_the_lesson_leaves_no_trace(small):
    import random

    before = random.getstate(), dict(os.environ)
    build(small, seeds=[*range(10)])
    assert (random.getstate(), dict(os.environ)) == before


@pytest.mark.parametrize("given", [[], ["-p", "dataset", "mnist"]])
def test_a_mistyped_mnist_is_refused_before_anything_starts(command, monkeypatch, tmp_path, small, given):
    monkeypatch.delenv("COURSE_DATASET", raising=False)
    monkeypatch.setenv("COURSE_MNIST", str(tmp_path / "오타.npz"))
    arguments = ["run", small, "--profile", "smoke", "--out", tmp_path / "out", "--dry-run"]
    code, said = command(*arguments, *given)
    assert code == 2 and "COURSE_MNIST" in said and "오타.npz" in said
    (tmp_path / "오타.npz").touch()
    code, said = command(*arguments, *given)
    assert code == 0 and ("auto로 정한 것: dataset=mnist" in said) == (not given)


@pytest.mark.parametrize("cell", ["seed = 7", "for seed in range(3):\n    pass", "%%time\nseed = 7"])
def test_a_value_that_a_later_cell_replaces_is_refused(tmp_path, cell):
    path = lesson(tmp_path / "lessons", "01_a", "x = 1", cell)
    with pytest.raises(CourseError, match=r"01_a: 매개변수 seed의 값을 3번째 셀\(.*다시 정해서"):
        build(path, seeds=[3])
    assert len(build(path).jobs) == 1  # 주지 않은 값은 노트북의 것이에요


def test_a_profile_that_the_notebook_cannot_take_is_refused(tmp_path):
    path = lesson(tmp_path / "lessons", "01_a", parameters="seed = 1")
    with pytest.raises(CourseError, match="01_a에는 매개변수 profile이"):
        build(path, parameters={"profile": "smoke"})
    assert build(path, parameters={"profile": "auto"}).jobs[0].parameters == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ["-p", "digit", 0, "-p", "digit", 2], ["--grid", "digit=0", "--grid", "digit=2"], ["--seeds", 0, "--seeds", 1],
        ["--seeds", 0, "-p", "seed", 1], ["--profile", "smoke", "--profile", "quick"], ["--profile", "smoke", "-p", "profile", "quick"],
    ],
)
def test_a_value_given_twice_is_refused(command, tmp_path, small, arguments):
    code, said = command("run", small, *arguments, "--out", tmp_path / "out")
    assert code == 2 and "두 번 적었어요" in said


def test_unknown_parameter_is_an_error_or_skips_the_lesson(tmp_path, small):
    other = lesson(tmp_path / "lessons", "02_b", parameters=PARAMETERS + "beta = 1.0  # 무게\n")
    with pytest.raises(CourseError, match=r"01_a.*beta.*latent_dim.*--skip-inapplicable"):
        build(small, other, grid={"beta": [1.0]})
    built = build(small, other, grid={"beta": [1.0]}, skip_inapplicable=True)
    assert built.skipped == {"01_a": ["beta"]} and [job.lesson for job in built.jobs] == ["02_b"]
    with pytest.raises(CourseError, match="할 일이 없어요"):
        build(small, grid={"beta": [1.0]}, skip_inapplicable=True)


def test_a_skipped_lesson_is_said(command, monkeypatch, tmp_path, small):
    other = lesson(tmp_path / "lessons", "02_b", parameters=PARAMETERS + "beta = 1.0  # 무게\n")
    monkeypatch.setattr(run, "execute", lambda *_: None)
    arguments = ["run", small, other, "-p", "beta", "2.0", "--skip-inapplicable", "--out", tmp_path / "out"]
    for dry in ([], ["--dry-run"]):
        assert "건너뜀 01_a: beta" in command(*arguments, *dry)[1]


def test_plan_file_says_the_same_as_the_command_line(command, tmp_path, small):
    path = tmp_path / "plan.toml"
    path.write_text(
        f"""
        lessons = ['{small}']
        profile = "smoke"
        seeds = "0..1"
        [parameters]
        rate = 1e-4
        title = "no"
        [grid]
        latent_dim = [2, 8]
        """,
        "utf-8",
    )
    written = plan.read_plan(path)
    jobs = plan.build(written | plan.chosen(written)).jobs
    assert jobs == build(small, parameters={"rate": 1e-4, "title": "no"}, grid={"latent_dim": [2, 8]}, seeds=[0, 1]).jobs
    out = ["--out", tmp_path / "out", "--dry-run"]
    code, said = command("run", path, "--seeds", 5, "-p", "latent_dim", 3, *out)  # 명령줄이 먼저예요
    assert code == 0 and said.count("01_a__") == 1 and "seed=5" in said and "latent_dim" not in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lessons = []", "lessons"), ("lessons = ['a.ipynb']\nseed = 3", "seed"), ("[", "TOML"), ("lessons = [3]", "lessons"),
        ("lessons = 'a.ipynb'", "lessons"), ("lessons = ['a.ipynb']\ngrid = {a = 3}", "목록"), ("overrides = {}", "모르는 이름"),
        ("lessons = ['a.ipynb']\nseeds = 'x'", "0..4"), ("lessons = ['a.ipynb']\nparameters = [1]", "parameters"),
        ("lessons = ['a.ipynb']\nskip_inapplicable = 'no'", "skip_inapplicable"), ("lessons = ['없는.ipynb']", "없는.ipynb"),
        ("lessons = ['{small}']\n[parameters]\ntitle = 2024-01-01", "글이어야"),
        ("lessons = ['{small}']\nseeds = 1\n[parameters]\nseed = 3", "두 번"),
        ("lessons = ['a.ipynb']\nprofile = 3", "profile"), ("x = " + "[" * 5000, "TOML"),
    ],
)
def test_wrong_plan_files_are_named(command, tmp_path, small, text, words):
    (tmp_path / "plan.toml").write_text(text.replace("{small}", small), "utf-8")
    code, said = command("run", tmp_path / "plan.toml", "--out", tmp_path / "out")
    assert code == 2 and words in said and said.startswith("⚠️")


def test_plan_files_that_cannot_be_read_are_named(command, tmp_path, small):
    path, out = tmp_path / "plan.toml", ["--dry-run", "--out", tmp_path / "out"]
    text = f"lessons = ['{small}']\nprofile = 'smoke'  # 작게"

    def assert_refused(words):
        code, said = command("run", path, *out)
        assert code == 2 and words in said and str(path) in said and "TOML" not in said

    assert_refused("그런 파일이나 폴더가 없어요")
    path.write_text(text, "cp949")
    assert_refused("UTF-8로 다시 저장")
    path.write_text(text, "utf-8-sig")  # Windows의 메모장
    assert command("run", path, *out)[0] == 0
    path.unlink()
    path.mkdir()
    assert_refused("파일이 아니라 폴더예요")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["없는.ipynb"], "없는.ipynb"), (["{small}", "--jobs", "0"], "1 이상"), (["{small}", "--retries", "-1"], "retries"),
        (["{small}", "--grid", "latent_dim"], "이름=값"), (["{small}", "--grid", "latent_dim="], "이름=값"),
        (["{small}", "--timeout", "1.5"], "timeout 1.5"), (["{small}", "--retries", "00000000009999999999"], "--retries 0000"), (["{small}", "--seeds", "4..0"], "0..4"),
        (["{small}", "--profile", "fast"], "smoke"), (["{small}", "--resource", "GPU"], "GPU=1"),
        *((["{small}", "--resource", f"GPU={n}"], f"GPU={n}은(는) 쓸 수 없어요") for n in ("-1", "0", "nan", "inf", "a")),
        (["{small}", "--resource", "GPU=1", "--resource", "GPU=2"], "한 번만"), (["{small}", "--resource", "GPU=1"], "자원 GPU=1"), (["{small}", "--scheduler", "tcp://127.0.0.1:1"], "연결하지 못했어요"),
        (["{small}", "--scheduler", "foo://user:s3cret@x:1"], "foo://…@x:1"), (["{small}", "--jobs", "3"], "GPU가 2개"),
        ([], "쓰는 법: python -m course_utils.batch run 노트북…"), (["{small}", "--no"], "모르는 말이 있어요: --no"),
        (["{small}", "--jobs"], "쓰는 법"), (["{small}", "-p", "title", SECRET], "…@host/x.npz'에 비밀번호"),
        (["{small}", "-p", "dataset", SECRET], "…@host/x.npz"),
    ],
)
def test_wrong_commands_are_refused_in_korean(command, monkeypatch, tmp_path, small, arguments, words):
    monkeypatch.setattr(run, "ANSWER_SECONDS", 1)
    monkeypatch.setattr(runtime, "gpu_name", lambda: "GPU" if "3" in arguments else None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    given = [argument.format(small=small) for argument in arguments]
    code, said = command("run", *given, "--out", tmp_path / "out")
    assert code == 2 and words in said and "s3cret" not in said


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9, bytes(range(255, 0, -1)) * 9])
def test_a_port_that_is_no_scheduler_is_refused_soon(command, monkeypatch, tmp_path, small, answer):
    """받기만 하고 답하지 않거나 쓰레기로 답하는 포트."""
    assert 2 * run.ANSWER_SECONDS <= 60
    monkeypatch.setattr(run, "ANSWER_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            kept = []
            while True:
                try:
                    kept.append(server.accept()[0])
                    kept[-1].sendall(answer)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        began = time.monotonic()
        code, said = command("run", small, "--profile", "smoke", "--scheduler", address, "--out", tmp_path / "out")
    assert code == 2 and f"{address}에 연결하지 못했어요" in said and time.monotonic() - began < 15


def test_only_the_gpus_that_tensorflow_sees_count(command, monkeypatch, tmp_path, small):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4,5,6")
    arguments = ["run", small, "--profile", "smoke", "--seeds", "0..9", "--dry-run", "--out", tmp_path / "out"]
    for seen in (None, "GPU"):
        monkeypatch.setattr(runtime, "gpu_name", lambda seen=seen: seen)
        assert ("동시에 7개씩" in command(*arguments)[1]) == bool(seen)
    assert "걸릴 시간" not in command(*arguments, "--scheduler", "tcp://127.0.0.1:1")[1]  # 그쪽의 워커는 아직 몰라요


def test_no_batch_is_shorter_than_its_longest_job(command, monkeypatch, tmp_path, small):
    other = lesson(tmp_path / "lessons", "02_b", settings=SETTINGS.replace("0.5, 2, 10", "5, 5, 5"))
    monkeypatch.setattr(runtime, "gpu_name", lambda: None)
    arguments = ["--profile", "smoke", "--jobs", 4, "--dry-run", "--out", tmp_path / "out"]
    assert "약 30초(동시에 1개씩" in command("run", small, *arguments)[1]
    assert "약 5분(동시에 2개씩" in command("run", small, other, *arguments)[1]
    assert "약 2분(동시에 4개씩" in command("run", small, "--seeds", "0..15", *arguments)[1]


@pytest.mark.parametrize(("cores", "at_once"), [(1, 1), (2, 2), (3, 2), (4, 2), (16, 8)])
def test_without_a_gpu_half_of_the_cores_but_two_at_least(monkeypatch, cores, at_once):
    import dask.system

    monkeypatch.setattr(runtime, "gpu_name", lambda: None)
    monkeypatch.setattr(dask.system, "CPU_COUNT", cores)
    assert run.default_jobs(None) == at_once and run.default_jobs(5) == 5


def test_each_gpu_gets_one_job(command, monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "gpu_name", lambda: "GPU")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    tell = "import os, time\ntime.sleep(1)\ngpu = int(os.environ['CUDA_VISIBLE_DEVICES'])"
    path = lesson(tmp_path / "lessons", "01_a", tell, metrics="gpu=gpu")
    code, said = command("run", path, "--profile", "smoke", "--seeds", "0..1", "--out", tmp_path / "out")
    assert code == 0 and {record["metrics"]["gpu"] for record in records(tmp_path / "out").values()} == {4, 7}, said


def test_folders_that_cannot_be_used_are_named(command, tmp_path, small):
    (tmp_path / "file").touch()
    code, said = command("run", small, "--out", tmp_path / "file" / "below")
    assert code == 2 and "만들 수 없어요" in said
    for name in ("status", "report", "retry"):
        code, said = command(name, tmp_path / "없는 폴더")
        assert code == 2 and "run을 먼저" in said
    for arguments in (["run", small, "--out", ""], ["grade", small, "--out", ""], ["report", "/"]):
        code, said = command(*arguments)
        assert code == 2 and "폴더의 이름을 적어" in said
    code, said = command("status", "gs://user:s3cret@곳/x")
    assert code == 2 and "gs://…@곳/x" in said and "s3cret" not in said


def test_a_plan_that_cannot_be_retried_says_what_to_do(command, tmp_path):
    (tmp_path / "plan.json").write_text('{"spec": {}, "titles": {}, "jobs": []}', "utf-8")
    code, said = command("retry", tmp_path)
    assert code == 2 and "run을 한 번 다시" in said


@pytest.mark.parametrize("content", ["{}", "[]", '"x"', "{", "계획".encode("cp949"), "{}".encode("utf-16"), None])
def test_a_folder_with_a_strange_plan_says_what_to_do(command, tmp_path, content):
    path = tmp_path / "plan.json"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for name in ("status", "report", "retry"):
        code, said = command(name, tmp_path)
        assert code == 2 and ("run을 먼저" if path.is_file() else "읽지 못했어요") in said and str(tmp_path) in said


def test_a_folder_that_cannot_be_opened_is_named(command, monkeypatch, tmp_path):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)  # 관리자(root)는 권한이 없는 폴더도 열어요
    code, said = command("status", tmp_path)
    assert code == 2 and f"{tmp_path}을(를) 읽지 못했어요(권한이 없어요)" in said


def test_status_only_looks(command, tmp_path):
    (tmp_path / "plan.json").write_text('{"spec": {}, "titles": {}, "jobs": []}', "utf-8")
    (tmp_path / ".lock").mkdir()  # 쓸 수 없는 잠금. 관리자(root)에게도요
    (tmp_path / ".쓰는 중.part").touch()
    assert command("status", tmp_path)[1].strip() == "완료 0개" and (tmp_path / ".쓰는 중.part").exists()


def test_a_storage_that_does_not_answer_is_not_a_job_left(command):
    from papermill.iorw import papermill_io

    class Slow:
        def listdir(self, path):
            return ["a.json"] if path.endswith("jobs") else ["plan.json"]

        def read(self, path):
            if path.endswith("plan.json"):
                return '{"spec": {}, "titles": {}, "jobs": [{"id": "a", "digest": "x"}]}'
            raise TimeoutError("답이 없어요")

    papermill_io.register("slow://", Slow())
    code, said = command("status", "slow://out")
    assert code == 2 and "읽지 못했어요(답이 없어요)" in said


def test_identity_follows_content_not_outputs(tmp_path, small):
    (first,) = build(small).jobs
    notebook = nbformat.read(small, as_version=4)
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="출력")]
    notebook.cells[1].execution_count = 3
    nbformat.write(notebook, small)
    assert build(small).jobs == [first]
    notebook.cells[1].source += "\n# 고침"
    nbformat.write(notebook, small)
    (second,) = build(small).jobs
    assert second.digest != first.digest and first.id != second.id
    data = tmp_path / "나의.npz"
    found = set()
    for content in (b"1", b"2"):
        data.write_bytes(content)
        found.add(build(small, parameters={"dataset": str(data)}).jobs[0].digest)
    assert len(found) == 2


def test_line_endings_do_not_change_an_identity(tmp_path):
    for name, text in (("a", b"x = 1\ny = 2\n"), ("b", b"x = 1\r\ny = 2\r\n"), ("c", b"x = 1\ny = 3\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "code.py").write_bytes(text)
        (tmp_path / name / "data.npz").write_bytes(text)
    code, data = ([plan._hash_files([tmp_path / n / file]) for n in "abc"] for file in ("code.py", "data.npz"))
    assert code[0] == code[1] != code[2] and len(set(data)) == 3


def test_strange_values_make_plain_file_names(small):
    (job,) = build(small, grid={"title": ["../../a b/<script>" + "가" * 300]}).jobs
    assert "/" not in job.id and "<" not in job.id and len(job.id.encode()) < 170


def test_the_plan_of_the_whole_course_is_made_without_loading_the_engines(tmp_path):
    code = (
        "import sys; from course_utils.batch.__main__ import main; main(sys.argv[1:]);"
        "assert not {'tensorflow', 'keras', 'matplotlib.pyplot', 'distributed', 'papermill'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, "run", *map(str, NOTEBOOKS), "--profile", "quick", "--dry-run"]
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert said.returncode == 0, said.stderr
    assert f"일 {len(NOTEBOOKS)}개" in said.stdout and "걸릴 시간: 약" in said.stdout and "?" not in said.stdout


@pytest.mark.parametrize(
    ("number", "name", "value"), [("02", "n_data", 1), ("03", "held_out", 1), ("03", "steps", 0), ("05", "conv_steps", 1.5)]
)
def test_the_lessons_own_rules_hold(number, name, value):
    (path,) = (str(path) for path in NOTEBOOKS if path.stem.startswith(number))
    with pytest.raises(CourseError, match=f"{name}="):
        build(path, parameters={name: value})


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """한 묶음에 잘되는 레슨과 여러 가지로 실패하는 레슨을 섞어 진짜 LocalCluster에서 실행한 결과."""
    folder = tmp_path_factory.mktemp("mixed")
    picture = f"from IPython.display import Image\nimport base64\nImage(base64.b64decode({DOT!r}))"
    probe = (
        "import os\nseen = {k: os.environ.get(k) for k in ('OMP_NUM_THREADS', 'TF_NUM_INTRAOP_THREADS', 'COURSE_STATIC',"
        " 'MPLBACKEND', 'MALLOC_TRIM_THRESHOLD_')}\nprint(seen)"
    )
    paths = [
        lesson(folder / "lessons", "01_good", (picture, "report-figure"), probe, kernel="conda-env-mine"),
        lesson(folder / "lessons", "02_wrong", picture, "raise OSError('값 3은 – 안 돼요: https://user:s3cret@host/x?token=s3cret')"),
        lesson(folder / "lessons", "03_exit", "import sys\nsys.exit(0)"),
        lesson(folder / "lessons", "04_slow", "import time\ntime.sleep(60)"),
        lesson(folder / "lessons", "05_dies", "import os\nos._exit(9)"),
    ]
    out = folder / "결과"
    arguments = ["run", *paths, "--seeds", 1, "--jobs", 2, "--timeout", 6, "--retries", 1, "--out", out]
    kernel = folder / "jupyter" / "kernels" / "python3"  # 이름만 같은 남의 커널
    kernel.mkdir(parents=True)
    spec = {"argv": ["false"], "display_name": "남의 것", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec), "utf-8")
    code, said = batch(*arguments, MPLBACKEND="agg", SECRET_OF_MINE="비밀번호", JUPYTER_DATA_DIR=str(folder / "jupyter"))
    return out, code, said, arguments


def test_failures_are_records_and_the_rest_goes_on(mixed):
    out, code, said, _ = mixed
    found = records(out)
    assert code == 1 and "완료 1개 · 실패 3개 · 끊김 1개" in said and "report.html" in said and "Traceback" not in said
    assert found["01_good__seed=1"]["metrics"] == {"answer": 10} and found["01_good__seed=1"]["status"] == "완료"
    for name, status, words in (
        ("02_wrong", "실패", "값 3은 – 안 돼요"), ("03_exit", "실패", "sys.exit"), ("04_slow", "실패", "셀의 제한 시간 6초"),
        ("05_dies", "끊김", "커널이 죽었어요"),
    ):
        record = found[f"{name}__seed=1"]
        assert record["status"] == status and words in record["error"]["message"], record
    assert found["03_exit__seed=1"]["error"]["cell"] == 3  # 멈춘 셀의 다음
    assert found["02_wrong__seed=1"]["error"]["cell"] == 3 and "raise" in found["02_wrong__seed=1"]["error"]["source"]


def test_every_job_leaves_notebook_record_and_log(mixed):
    out = mixed[0]
    kinds = {path.suffix for path in (out / "jobs").glob("01_good__seed=1__*")}
    assert kinds == {".ipynb", ".json", ".log"} and not list(out.rglob("*.part"))
    assert len(list((out / "jobs").glob("*.log"))) == 5
    (log,) = (out / "jobs").glob("02_wrong__seed=1__*.log")
    assert "코드 셀 [3]" in log.read_text("utf-8") and "값 3은" in log.read_text("utf-8")
    (partial,) = (out / "jobs").glob("05_dies__seed=1__*.ipynb")
    assert quote(f"jobs/{partial.name}") in (out / "report.html").read_text("utf-8")
    (log,) = (out / "jobs").glob("05_dies__seed=1__*.log")
    assert "커널이 죽었어요" in log.read_text("utf-8")


def test_kernels_get_their_share_of_cores_and_a_static_course(mixed):
    (executed,) = (mixed[0] / "jobs").glob("01_good__seed=1__*.ipynb")
    cells = nbformat.read(executed, as_version=4).cells
    printed = next(o.text for cell in cells for o in cell.get("outputs", ()) if o.get("text", "").startswith("{'OMP"))
    from dask.system import CPU_COUNT

    share = str(max(1, CPU_COUNT // 2))
    assert ast.literal_eval(printed) == {
        "OMP_NUM_THREADS": share, "TF_NUM_INTRAOP_THREADS": share, "COURSE_STATIC": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline", "MALLOC_TRIM_THRESHOLD_": None,
    }


def test_the_figure_and_the_chief_metric_are_what_the_notebook_says(mixed):
    good, untagged = (records(mixed[0])[f"{name}__seed=1"] for name in ("01_good", "02_wrong"))
    assert good["figure"].startswith("data:image/webp;base64,") and untagged["figure"] is None
    assert good["chief"] == ["answer", "답"] and untagged["chief"] is None
    assert "답</span> <b>10" in (mixed[0] / "report.html").read_text("utf-8")


def test_nothing_of_the_machine_leaks_into_the_report(mixed):
    page = (mixed[0] / "report.html").read_text("utf-8")
    assert "비밀번호" not in page and "SECRET_OF_MINE" not in page and str(mixed[0].parent) not in page


def test_secrets_in_addresses_are_masked_everywhere(mixed):
    out, _, said, _ = mixed
    files = [path for path in out.rglob("*") if path.suffix in (".json", ".log", ".html", ".csv")]
    assert len(files) == 5 * 2 + 3 and "…@host/x?token=…" in said and "s3cret" not in said
    assert all("s3cret" not in path.read_text("utf-8") for path in files)


def test_rerun_does_only_what_died_and_retry_the_failed(mixed, command):
    out, _, _, arguments = mixed
    before = {path: path.read_bytes() for path in (out / "jobs").glob("0[1-4]*")}
    code, said = command("status", out)
    assert code == 1 and "완료 1개 · 실패 3개 · 끊김 1개" in said and "커널이 죽었어요" in said
    code, said = batch(*arguments)
    assert code == 1 and "이미 끝난 일 4개 · 할 일 1개" in said
    assert {path: path.read_bytes() for path in before} == before
    code, said = batch("retry", out, "--timeout", 5, "--retries", 0)
    assert code == 1 and "이미 끝난 일 1개 · 할 일 4개" in said and "셀의 제한 시간 5초" in said
    code, said = command(*arguments, "--dry-run")
    assert code == 0 and "완료" in said and "할 일 1개" in said


def test_a_job_has_its_own_time_limit(tmp_path):
    path = lesson(tmp_path / "lessons", "01_long", *["import time\ntime.sleep(2)"] * 4)
    code, _ = batch("run", path, "--job-timeout", 4, "--timeout", 60, "--out", tmp_path / "out")
    (record,) = records(tmp_path / "out").values()
    assert code == 1 and "일 하나의 제한 시간 4초" in record["error"]["message"]


def test_retry_in_another_folder_says_where_to_go(command, monkeypatch, tmp_path, small):
    monkeypatch.setattr(run, "execute", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    command("run", "lessons/*.ipynb", "--out", tmp_path / "out")
    assert command("retry", tmp_path / "out")[0] == 1
    monkeypatch.chdir(tmp_path / "out")
    code, said = command("retry", tmp_path / "out")
    assert code == 2 and "lessons/*.ipynb" in said and "run을 했던 폴더에서" in said


def test_the_command_that_is_shown_can_be_pasted(command, monkeypatch, tmp_path, small):
    monkeypatch.setattr(run, "execute", lambda *_: None)
    out = tmp_path / "결과" / "나쁜 #1"
    _, said = command("run", small, "--out", out)
    (line,) = [line for line in said.splitlines() if " retry " in line]
    code, said = command(*shlex.split(line.partition("course_utils.batch ")[2]))
    assert code == 1 and "할 일 1개" in said


def test_retry_keeps_the_options_of_the_run(command, monkeypatch, tmp_path, small):
    asked = []
    monkeypatch.setattr(run, "execute", lambda plan, todo, folder, options: asked.append(options))
    out, given = tmp_path / "out", ["--timeout", 6, "--job-timeout", 60, "--jobs", 1, "--retries", 0]
    command("run", small, *given, "--out", out)
    command("retry", out)
    command("retry", out, "--timeout", 9)
    first, same, other = asked
    assert same == first == run.Options(1, 6, 60, 0) and other == run.Options(1, 9, 60, 0)


def test_one_folder_belongs_to_one_batch(command, tmp_path, small):
    folder = Folder(tmp_path / "out")
    with folder.lock():
        code, said = command("run", small, "--out", tmp_path / "out")
        assert folder.busy()
    assert code == 2 and "다른 묶음이" in said and not (tmp_path / "out" / "plan.json").exists()
    assert not folder.busy()


def test_broken_records_count_as_left(tmp_path, small):
    (job,) = [vars(job) for job in build(small).jobs]
    folder = Folder(tmp_path / "out")
    with folder.lock():
        folder.save(job | {"status": "완료", "seconds": 1.0, "metrics": {}, "error": None}, "{}", "로그")
    path = tmp_path / "out" / "jobs" / f"{job['id']}.json"

    def status(job):
        (record,) = folder.records([job])
        return record["status"]

    assert status(job) == "완료" and status(job | {"digest": "다른 내용"}) == "남음"
    (tmp_path / "out" / "jobs" / f"{job['id']}.ipynb").rename(tmp_path / "moved")
    assert status(job) == "남음"
    for broken in (path.read_text("utf-8")[:20], "[]", json.dumps({"digest": job["digest"]})):
        path.write_text(broken, "utf-8")
        assert status(job) == "남음"


def test_the_time_left_is_what_is_written_corrected_by_what_is_done(small):
    built = build(small, seeds=[*range(4)])
    assert [built.seconds(job) for job in built.jobs] == [30] * 4
    screen = run._Display({job.id: built.seconds(job) for job in built.jobs})

    def left():
        screen.refresh(built.jobs[1:], [], room=2)
        return screen._progress.tasks[0].fields["note"]

    assert left() == "실패 0 · 45초 남았어요"
    screen.finished(screen.started("1"), {"id": built.jobs[0].id, "status": "완료", "seconds": 60, "error": None})
    assert left() == "실패 0 · 2분 남았어요"


@pytest.mark.parametrize(
    ("locale", "commands"),
    [
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ("run", "status", "--help")),
        ({"PYTHONIOENCODING": "cp949", "PYTHONUTF8": "0"}, ("run",)),
    ],
)
def test_output_that_cannot_be_encoded_stops_nothing(tmp_path, locale, commands):
    """한글도 모르는 로캘과, "–"를 모르는 로캘. 경로는 한글 그대로예요."""
    path, out = lesson(tmp_path / "강의", "01_가", "raise ValueError('1–2')"), tmp_path / "결과"
    given = {"run": [path, "-p", "title", "제목", "--out", out], "status": [out], "--help": []}
    for command in commands:
        line = [sys.executable, "-m", "course_utils.batch", command, *map(str, given[command])]
        done = subprocess.run(line, capture_output=True, env=os.environ | {"COURSE_PROFILE": "smoke"} | locale)
        assert done.returncode == (command != "--help") and len(done.stdout) > 30 and not done.stderr, done.stderr
    (record,) = records(out).values()
    assert record["error"]["message"] == "ValueError: 1–2" and record["parameters"]["title"] == "제목"
    assert (out / "report.html").exists()


def test_remote_folder_on_a_loopback_s3_server(command, monkeypatch, tmp_path):
    pytest.importorskip("boto3", reason="S3 시험에는 papermill[s3]와 moto가 필요해요")
    server = pytest.importorskip("moto.server", reason="S3 시험에는 papermill[s3]와 moto가 필요해요")
    import boto3

    path = lesson(tmp_path / "lessons", "01_a")
    loopback = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    loopback.start()
    host, port = loopback.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    environment = keys | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    try:
        client = boto3.client(
            "s3", endpoint_url=environment["AWS_ENDPOINT_URL"], aws_access_key_id="x", aws_secret_access_key="x",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket="course")
        out = "s3://course/가을/vae"
        code, said = batch("run", path, "--seeds", 0, "--out", out, **environment)
        assert code == 0 and f"보고서: {out}/report.html" in said, said
        code, said = batch("run", path, "--seeds", "0..1", "--out", out, **environment)
        assert code == 0 and "이미 끝난 일 1개 · 할 일 1개" in said, said
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert command("status", out)[1].strip() == "완료 2개"
        names = {found["Key"] for found in client.list_objects_v2(Bucket="course")["Contents"]}
        assert {"가을/vae/plan.json", "가을/vae/report.html", "가을/vae/results.csv"} < names and len(names) == 3 + 6
        code, said = command("status", "s3://없는-통/x")
        assert code == 2 and "⚠️" in said
    finally:
        loopback.stop()
