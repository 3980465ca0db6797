"""레슨의 시작과 끝: 프로파일, 시드, 설정, 지표."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from course_utils import CourseError, start
from course_utils.errors import hide_secrets
from course_utils.runtime import Run, format_metric

MINUTES = (0.1, 1, 2)


@pytest.mark.parametrize("environment, profile, expected", [
    ("smoke", "auto", "smoke"),
    ("smoke", "full", "full"),  # 직접 적은 값은 환경 변수가 바꾸지 못해요
    ("", "auto", "quick"),  # 이 시험은 GPU가 없는 것처럼 봐요
])
def test_profile_is_resolved(monkeypatch, capsys, environment, profile, expected):
    monkeypatch.setattr("course_utils.runtime.gpu_name", lambda: None)
    monkeypatch.setenv("COURSE_PROFILE", environment)
    run = start(profile, "digits", 0, minutes=MINUTES)
    assert run.profile == expected
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and expected in line and "digits" in line


def test_gpu_selects_full(monkeypatch):
    monkeypatch.setattr("course_utils.runtime.gpu_name", lambda: "Tesla T4")
    monkeypatch.delenv("COURSE_PROFILE")
    assert start("auto", "digits", 0, minutes=MINUTES).profile == "full"


def test_what_tensorflow_sees_decides(monkeypatch, tmp_path):
    """nvidia-smi가 있어도 TensorFlow가 GPU를 보지 못하면 GPU가 없는 것이에요(TensorFlow를 불러오기 전에도)."""
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\necho 'Tesla T4'\n")
    fake.chmod(0o755)
    code = "import sys\nfrom course_utils.runtime import gpu_name\nprint(gpu_name(), 'tensorflow' in sys.modules)"
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": "-1"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "None False"


def test_drive_that_went_away_is_no_english_error(monkeypatch):
    monkeypatch.setattr("course_utils.runtime.DRIVE", Gone("/content/drive/MyDrive"))
    assert str(start("smoke", "digits", 0, minutes=MINUTES).checkpoints) == "checkpoints"


class Gone(type(Path())):
    """연결이 끊긴 구글 드라이브."""

    def is_dir(self):
        raise OSError(107, "Transport endpoint is not connected")


def test_home_of_checkpoints_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert start("smoke", "digits", 0, minutes=MINUTES, checkpoints="~/course").checkpoints == tmp_path / "course"


@pytest.mark.parametrize("arguments, words", [
    (dict(profile="fast"), ["profile='fast'", "smoke", "quick", "full"]),
    (dict(profile=None), ["profile=None", "auto"]),
    (dict(dataset="cifar"), ["dataset='cifar'", "digits", "mnist"]),
    (dict(dataset=3), ["dataset=3"]),
    (dict(dataset="/없는/파일.npz"), ["dataset='/없는/파일.npz'", "파일이 없어요"]),
    (dict(dataset="https://나:비밀@곳/x.npz"), ["dataset='https://…@곳/x.npz'", "파일이 없어요"]),
    (dict(seed="abc"), ["seed='abc'", "정수"]),
    (dict(seed=-1), ["seed=-1", "0 이상"]),
    (dict(seed=2**31), ["seed=2147483648"]),  # 레슨이 seed + k를 써도 NumPy의 범위 안이게
    (dict(seed=1.5), ["seed=1.5"]),
    (dict(seed=True), ["seed=True"]),
])
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(CourseError) as caught:
        start(**arguments, minutes=MINUTES)
    assert all(word in str(caught.value) for word in words)


def test_bad_environment_profile_is_named(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "turbo")
    with pytest.raises(CourseError, match="COURSE_PROFILE='turbo'"):
        start(minutes=MINUTES)


def test_same_seed_same_numbers():
    def draw():
        start("smoke", "digits", 7, minutes=MINUTES)
        return np.random.rand(3).tolist()

    assert draw() == draw()


def test_settings_choose_the_profile_column_and_overrides_win():
    run = Run("quick", "digits", 0)
    table = {"epochs": (1, 5, 50), "rate": (0.1, 0.2, 0.3)}
    assert vars(run.settings(table, epochs=None, rate=None)) == {"epochs": 5, "rate": 0.2}
    assert run.settings(table, epochs=9).epochs == 9
    assert run.settings(table, rate=1).rate == 1.0


@pytest.mark.parametrize("value", [0, -3, 2.5, "10", True, [1], float("nan")])
def test_settings_refuse_values_that_are_no_positive_integer(value):
    with pytest.raises(CourseError) as caught:
        Run("smoke", "digits", 0).settings({"latent_dim": (2, 2, 2)}, latent_dim=value)
    assert f"latent_dim={value!r}" in str(caught.value) and "1 이상 20 이하의 정수" in str(caught.value)


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan"), "1e-4"])
def test_settings_refuse_values_that_are_no_positive_number(value):
    with pytest.raises(CourseError, match=r"0보다 크고 .* 이하인 수"):
        Run("smoke", "digits", 0).settings({"rate": (0.1, 0.1, 0.1)}, rate=value)


def test_metrics_are_plain_json_even_when_training_diverged(capsys):
    run = Run("smoke", "digits", 0)
    run.record(loss=np.float32(1.5), steps=np.int64(3), broken=float("nan"))
    assert json.loads(json.dumps(run.metrics, allow_nan=False)) == {"loss": 1.5, "steps": 3, "broken": None}
    run.finish()
    shown = capsys.readouterr().out
    assert "loss = 1.5" in shown and "broken = 발산" in shown
    with pytest.raises(CourseError, match="fid은"):
        run.finish(fid="FID")
    with pytest.raises(CourseError, match="지표 name='x'"):
        run.record(name="x")


def test_metric_text():
    assert [format_metric(v) for v in (None, 12345, 0.123456, 98765.4)] == ["발산", "12,345", "0.1235", "9.877e+04"]


def test_import_is_light():
    """`import course_utils`만으로는 무거운 것을 불러오지 않아요."""
    code = "import course_utils, sys; print([m for m in ('numpy', 'matplotlib', 'tensorflow', 'keras') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


def test_keras_is_loaded_quietly_with_what_the_course_relies_on(tmp_path):
    """~/.keras/keras.json이 무엇을 정해 두었든."""
    (tmp_path / "keras.json").write_text('{"floatx": "float64", "image_data_format": "channels_first"}')
    code = "import course_utils\nfrom course_utils import training\nimport keras, os\n"
    code += "print(keras.config.floatx(), keras.config.image_data_format(), os.environ['TF_ENABLE_ONEDNN_OPTS'])\n"
    code += "print(keras.layers.Dense(1).compute_dtype)"
    environment = {key: value for key, value in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"}
    environment |= {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "jax"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["float32", "channels_last", "1", "float32"] and done.stderr == ""


def test_old_keras_is_named(monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.15.0")
    monkeypatch.delitem(sys.modules, "course_utils.backend", raising=False)
    with pytest.raises(CourseError, match=r"Keras 2\.15\.0.*Keras 3"):
        import course_utils.backend  # noqa: F401


@pytest.mark.parametrize("text, hidden", [
    ("tcp://나:비밀@10.0.0.1:8786에", "tcp://…@10.0.0.1:8786에"),
    ("s3://통/폴더?X-Amz-Signature=abc&x=1", "s3://통/폴더?X-Amz-Signature=…&x=1"),
    ("https://곳/x?token=abc", "https://곳/x?token=…"),
    ("https://곳/x?api_key=abc&keyword=고양이&design=3", "https://곳/x?api_key=…&keyword=고양이&design=3"),
    ("메일은 a@b.c, 주소는 https://b.c/@d", "메일은 a@b.c, 주소는 https://b.c/@d"),
])
def test_secrets_in_addresses_are_hidden(text, hidden):
    assert hide_secrets(text) == hidden and str(CourseError(text)) == hidden


@pytest.mark.parametrize("code, told", [("없는_이름 + 1", True), ("(lambda: [x, x := 1])()", False)])
def test_a_missing_name_in_a_notebook_says_to_run_from_the_top(code, told):
    setup = "from course_utils.errors import explain_missing_names; explain_missing_names(); "
    command = [sys.executable, "-m", "IPython", "--colors=NoColor", "-c", setup + code]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent).stdout
    assert "Error" in shown and ("위에서부터 실행" in shown) == told


def test_a_kernel_started_again_says_it_too(tmp_path):
    def python(code):
        place = f"import sys, types; sys.prefix = {str(tmp_path)!r}; import IPython; "
        command = [sys.executable, "-c", place + f"IPython.start_ipython(['--colors=NoColor', '-c', {code!r}])"]
        return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent).stdout

    assert "위에서부터" not in python("np.zeros(3)")
    colab = "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab'); "
    python(colab + "from course_utils.errors import explain_missing_names; explain_missing_names()")
    shown = python("np.zeros(3)")  # 다시 켠 커널에서 가운데 셀부터
    assert "NameError" in shown and "위에서부터 실행" in shown
    assert "NameError" in python("course")  # 학생의 이름을 더럽히지 않아요
