"""레슨의 시작과 끝: 프로파일, 시드, 설정, 지표."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from course_utils import CourseError, start
from course_utils.runtime import Run, format_metric

MINUTES = (0.1, 1, 2)


@pytest.mark.parametrize("environment, profile, expected", [
    ("smoke", "auto", "smoke"),
    ("smoke", "full", "full"),  # 직접 적은 값은 환경 변수가 바꾸지 못해요
    ("", "auto", "quick"),  # 이 시험은 GPU가 없는 것처럼 봐요
])  # fmt: skip
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


@pytest.mark.parametrize("arguments, words", [
    (dict(profile="fast"), ["profile='fast'", "smoke", "quick", "full"]),
    (dict(profile=None), ["profile=None", "auto"]),
    (dict(dataset="cifar"), ["dataset='cifar'", "digits", "mnist"]),
    (dict(dataset=3), ["dataset=3"]),
    (dict(seed="abc"), ["seed='abc'", "정수"]),
    (dict(seed=-1), ["seed=-1", "0 이상"]),
    (dict(seed=2**32), ["seed=4294967296"]),
    (dict(seed=1.5), ["seed=1.5"]),
    (dict(seed=True), ["seed=True"]),
])  # fmt: skip
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
        run = start("smoke", "digits", 7, minutes=MINUTES)
        return run.rng.random(3).tolist() + np.random.rand(3).tolist()

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
    with pytest.raises(CourseError, match="지표 name='x'"):
        run.record(name="x")


def test_metric_text():
    assert [format_metric(v) for v in (None, 12345, 0.123456, 98765.4)] == ["발산", "12,345", "0.1235", "9.877e+04"]


def test_import_is_light():
    """`import course_utils`만으로는 무거운 것을 불러오지 않아요."""
    code = "import course_utils, sys; print([m for m in ('numpy', 'matplotlib', 'tensorflow', 'keras') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


def test_keras_lessons_turn_on_onednn_unless_told_otherwise():
    code = "import course_utils; run = course_utils.start('smoke', 'digits', 1, minutes=(1, 1, 1), keras=True)\n"
    code += "import os; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    environment = {key: value for key, value in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"}
    for given, expected in (({}, "1"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0")):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment | given, capture_output=True, text=True, check=True)
        assert done.stdout.split()[-1] == expected and done.stderr == ""
