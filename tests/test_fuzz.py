"""무작위로 망가뜨린 파일과 글: 읽는 코드는 옳게 읽거나, 무엇이 잘못됐는지 한국어로 말해요. 다른 예외는 없어요."""

import contextlib
import io
import json

import keras
import numpy as np
import pytest
from helpers import NOTEBOOKS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from course_utils import CourseError, callbacks, data, lessons, weights
from course_utils.batch.__main__ import main
from course_utils.exercises import check

often = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
kinds = st.one_of(arrays.scalar_dtypes(), arrays.unicode_string_dtypes(max_len=3))
any_array = arrays.arrays(kinds, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def damaged(draw, whole):
    """멀쩡한 파일을 자르고, 바이트를 바꾸고, 조각을 옮기고, 쓰레기를 끼운 것. 또는 처음부터 쓰레기."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        at, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        part = draw(st.sampled_from([b"", bytes(content[at:end]), draw(st.binary(max_size=20))]))
        where = draw(st.sampled_from([at, end]))
        content[at if part == b"" else where : end] = part
    return bytes(content) if draw(st.integers(0, 9)) else draw(st.binary(max_size=200))


@st.composite
def swapped(draw, whole):
    """멀쩡한 .npz에서 배열 몇 개를 아무 배열이나 아무 JSON으로 바꾸거나 뺀 것."""
    with np.load(io.BytesIO(whole)) as saved:
        parts = dict(saved)
    for key in draw(st.sets(st.sampled_from(sorted(parts)), min_size=1)):
        parts[key] = draw(any_array | plain.map(json.dumps).map(np.array) | st.none())
    file = io.BytesIO()
    np.savez(file, **{key: value for key, value in parts.items() if value is not None})
    return file.getvalue()


def model():
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    made.compile("sgd", "mse")
    return made


@pytest.fixture(params=["data", "weights", "training"])
def file(request, tmp_path, monkeypatch):
    """멀쩡한 .npz 하나와, 그것을 읽는 함수. 읽지 못했다면 모델은 조금도 바뀌지 않아요."""
    path, network = tmp_path / "my.npz", model()
    if request.param == "data":
        pictures, digits = np.random.default_rng(0).integers(0, 9, (4, 28, 28)), np.arange(4)
        np.savez(path, x_train=pictures, y_train=digits, x_test=pictures, y_test=digits)
        return path, lambda: data.load(str(path))
    if request.param == "weights":
        monkeypatch.setattr(weights, "FOLDER", tmp_path)
        weights.save(network, "my", {"loss": [1.0]})
        return path, lambda: unchanged_if_refused(network, lambda: weights.load(network, "my"))
    monkeypatch.setattr(callbacks, "SAVE_EVERY", 0)
    halt = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: 1 / (1 - epoch))
    with pytest.raises(ZeroDivisionError):  # 한 에폭을 마치고 끊긴 학습
        network.fit(np.ones((4, 3)), np.ones((4, 2)), epochs=2, verbose=0, callbacks=[callbacks.Resume(path), halt])
    return path, lambda: unchanged_if_refused(network, lambda: callbacks.Resume(path).restore(network))


def unchanged_if_refused(network, read):
    before = network.get_weights()
    try:
        read()
    except CourseError:
        assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))
        raise


@often
@given(drawn=st.data())
@pytest.mark.parametrize("harm", [damaged, swapped])
def test_any_file_is_read_or_refused(file, harm, drawn):
    path, read = file
    if not (whole := path.with_suffix(".whole")).exists():
        read()
        whole.write_bytes(path.read_bytes())
    content = drawn.draw(harm(whole.read_bytes()))
    path.write_bytes(content)
    with contextlib.suppress(CourseError):
        read()
    assert path.read_bytes() == content


@often
@given(answer=plain | any_array | st.complex_numbers() | st.fractions() | st.decimals())
@pytest.mark.parametrize("number", ["01-1", "01-3", "07-3"])
def test_any_answer_gets_a_verdict(number, answer):
    check(number, answer)
    check(number, lambda *arguments: answer)


@often
@given(text=st.text(max_size=30) | st.from_regex(r"[\d.,: -]{0,30}"), option=st.sampled_from(["grid", "seeds"]))
def test_any_text_on_the_command_line(tmp_path, option, text):
    command = ["run", str(NOTEBOOKS[0]), "--dry-run", "--out", str(tmp_path / "out")]
    assert main([*command, "-p", "seed", text.lstrip("-")]) in (0, 2)
    assert main([*command, f"--{option}={text}"]) in (0, 2)


keys = st.sampled_from(["profile", "seeds", "grid.seed", "parameters.n_samples", '"없는 이름"'])
toml = st.lists(st.tuples(keys, plain.map(json.dumps)), max_size=3, unique_by=lambda pair: pair[0])
lines = toml.map(
    lambda pairs: "\n".join([f"lessons = ['{NOTEBOOKS[0]}']", *(f"{key} = {value}" for key, value in pairs)])
)


@often
@given(content=st.binary(max_size=60) | lines.map(str.encode))
def test_any_plan_file(tmp_path, content):
    (tmp_path / "plan.toml").write_bytes(content)
    assert main(["run", str(tmp_path / "plan.toml"), "--dry-run", "--out", str(tmp_path / "out")]) in (0, 2)


cell = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown"]) | plain, "source": st.text(max_size=20) | plain},
    optional={"metadata": st.just({"tags": ["parameters"]}) | plain, "id": plain},
)
notebook = st.fixed_dictionaries(
    {"cells": st.lists(cell, max_size=3) | plain, "nbformat": st.just(4)}, optional={"metadata": plain}
)


@often
@given(content=st.builds(json.dumps, notebook | plain) | st.text(max_size=40))
def test_any_notebook(tmp_path, monkeypatch, content):
    monkeypatch.setattr(lessons, "NOTEBOOKS", tmp_path)
    (tmp_path / "mine.ipynb").write_text(content, "utf-8")
    with contextlib.suppress(CourseError):
        lessons.read(tmp_path / "mine.ipynb")
    with contextlib.suppress(CourseError):
        lessons.load_cells("mine", "없는 태그")
