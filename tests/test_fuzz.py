"""무작위로 망가뜨린 파일과 글: 읽는 코드는 옳게 읽거나, 무엇이 잘못됐는지 한국어로 말해요. 다른 예외는 없어요."""

import contextlib
import io
import json

import keras
import nbformat
import numpy as np
import pytest
from helpers import NOTEBOOKS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from course_utils import CourseError, data, lessons, weights
from course_utils.batch import plan
from course_utils.runtime import Run
from course_utils.training import Checkpoint

often = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
kinds = st.one_of(arrays.scalar_dtypes(), arrays.unicode_string_dtypes(max_len=3))
anything = arrays.arrays(kinds, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def saved(**named):
    file = io.BytesIO()
    np.savez(file, **named)
    return file.getvalue()


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


def refused_or_read(path, content, read):
    """파일을 쓰고 읽어 봐요. CourseError만 괜찮고, 파일은 그대로예요."""
    path.write_bytes(content)
    with contextlib.suppress(CourseError):
        read()
    assert path.read_bytes() == content


PICTURES = {
    f"{x}_{part}": np.ones((4, 28, 28) if x == "x" else 4, np.uint8) for x in "xy" for part in ("train", "test")
}


@often
@given(content=damaged(saved(**PICTURES)))
def test_damaged_data(tmp_path, content):
    refused_or_read(tmp_path / "my.npz", content, lambda: data._read(tmp_path / "my.npz"))


@often
@given(parts=st.fixed_dictionaries({}, optional={key: anything for key in data.KEYS}))
def test_any_arrays_as_data(tmp_path, parts):
    content = saved(**PICTURES | parts)
    refused_or_read(tmp_path / "my.npz", content, lambda: data._read(tmp_path / "my.npz"))


@pytest.fixture
def network(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    weights.save(model, "net", {"loss": [1.0]})
    return model


WEIGHTS = {"arr_0": np.ones((3, 2), np.int8), "scale_0": np.ones((1, 2), np.float32), "arr_1": np.zeros(2, np.float32),
           "count": np.array(2), "history": np.array('{"loss": [1.0]}')}  # fmt: skip


@often
@given(content=damaged(saved(**WEIGHTS)))
def test_damaged_weights(network, tmp_path, content):
    refused_or_read(tmp_path / "net.npz", content, lambda: weights.load(network, "net"))


@often
@given(parts=st.fixed_dictionaries({}, optional={key: anything for key in WEIGHTS}), history=plain)
def test_any_arrays_as_weights(network, tmp_path, parts, history):
    content = saved(**WEIGHTS | {"history": np.array(json.dumps(history))} | parts)
    refused_or_read(tmp_path / "net.npz", content, lambda: weights.load(network, "net"))


@pytest.fixture
def resume(tmp_path):
    """학습 상태의 경로와, 거기서 이어 가는 함수. 읽지 못한 상태는 모델을 조금도 바꾸지 않아요."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")

    def again():
        return Checkpoint(model, Run("smoke", "digits", 0, tmp_path), "net")

    def read():
        before = model.get_weights()
        try:
            again()
        except CourseError:
            assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
            raise

    first = again()
    first.epoch, first.history = 1, {"loss": [0.5]}
    first._save()
    return first._path, read, list(map(keras.ops.convert_to_numpy, first._variables))


@often
@given(draw=st.data())
def test_damaged_checkpoints(resume, draw):
    path, read, states = resume
    whole = saved(**{f"arr_{i}": v for i, v in enumerate(states)}, progress=np.array('{"epoch": 1, "history": {}}'))
    refused_or_read(path, draw.draw(damaged(whole)), read)


@often
@given(progress=plain, parts=st.fixed_dictionaries({}, optional={f"arr_{i}": anything for i in range(5)}))
def test_any_arrays_as_checkpoints(resume, progress, parts):
    path, read, states = resume
    whole = {f"arr_{i}": value for i, value in enumerate(states)} | {"progress": np.array(json.dumps(progress))}
    refused_or_read(path, saved(**whole | parts), read)


@often
@given(text=st.text(max_size=30) | st.from_regex(r"[\d.,: -]{0,30}"))
def test_any_text_on_the_command_line(text):
    plan.parse_value(text)
    for parse in (plan.parse_grid, plan.parse_seeds):
        with contextlib.suppress(CourseError):
            parse(text)


names = st.sampled_from(["profile", "dataset", "seed", "n_samples", "없는 이름"])
values = st.dictionaries(
    names, plain | st.lists(st.integers(-1, 3) | st.sampled_from(["auto", "smoke", "digits"]), max_size=3)
)
part = st.fixed_dictionaries({}, optional={"parameters": values | plain, "grid": values | plain, "seeds": plain})
spec = st.builds(
    lambda rest, part: {"lessons": [str(NOTEBOOKS[0])]} | rest | part,
    st.dictionaries(st.sampled_from(plan.PLAN_KEYS) | st.text(max_size=5), plain, max_size=2),
    st.builds(lambda part, inner: part | {"overrides": {NOTEBOOKS[0].stem: inner}}, part, part) | part,
)
yaml_text = st.text(max_size=60) | st.builds(json.dumps, spec) | st.builds(json.dumps, plain)


@often
@given(content=st.binary(max_size=60) | yaml_text.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_plan_file(tmp_path, content):
    (tmp_path / "plan.yaml").write_bytes(content)
    with contextlib.suppress(CourseError):
        plan.build(plan.settled(plan.read_plan(tmp_path / "plan.yaml")))


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
    (tmp_path / "mine.ipynb").write_text(content, "utf-8", errors="surrogatepass")
    with contextlib.suppress(CourseError):
        plan.read_lesson(tmp_path / "mine.ipynb")
    with contextlib.suppress(CourseError):
        lessons.load_cells("mine", "없는 태그")


@often
@given(
    sources=st.lists(
        st.text(max_size=30) | st.sampled_from(["!pip install x", "%time 1", "def f(:", "x\0"]), max_size=4
    )
)
def test_unfinished_cells_do_not_spoil_the_others(tmp_path, monkeypatch, sources):
    monkeypatch.setattr(lessons, "NOTEBOOKS", tmp_path)
    cells = [nbformat.v4.new_code_cell(source) for source in (*sources, "def f():\n    return 1")]
    cells[-1].metadata.tags = ["mine"]
    page = json.dumps(nbformat.v4.new_notebook(cells=cells))
    (tmp_path / "mine.ipynb").write_text(page, "utf-8")
    assert lessons.load_cells("mine", "mine")["f"]() == 1
