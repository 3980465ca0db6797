"""노트북을 읽는 한 곳(course_utils.lessons): 어떤 판의 노트북이든, 망가진 노트북이면 한국어로."""

import json

import nbformat
import pytest
from batch_tools import PARAMETERS, SETTINGS, lesson

from course_utils import CourseError, lessons


@pytest.fixture
def path(tmp_path):
    cells = [("import math", "imports"), ("def area(r):\n    return math.pi * r**2", "circle")]
    return lesson(tmp_path, "01_a", *cells, settings=SETTINGS)


def test_everything_the_others_need_is_read_without_running(path):
    found = lessons.read(path)
    assert (found.name, found.title, found.minutes) == ("01_a", "01_a", (0.5, 2, 10))
    assert found.parameters == {
        "profile": "auto", "dataset": "auto", "seed": 1, "latent_dim": None, "n_data": None, "digit": 0, "rate": 0.1,
        "title": "그림", "fast": False,
    }
    assert found.table == {"latent_dim": (2, 4, 8), "n_data": (3, 4, 5), "width": (0.5, 1.0, 2.0)}


@pytest.mark.parametrize("minor", [0, 4, 5])
def test_notebooks_of_every_4_x_are_read(path, minor, monkeypatch, tmp_path):
    with open(path, encoding="utf-8") as file:
        page = json.load(file)
    page["nbformat_minor"] = minor
    for cell in page["cells"]:
        cell["source"] = cell["source"].splitlines(True) if isinstance(cell["source"], str) else cell["source"]
        if minor < 5:
            del cell["id"]  # Colab이 저장한 노트북
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["출력"]}]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(page, file)
    found = lessons.read(path)
    nbformat.validate(found.notebook)
    assert len(found.parameters) == 9 and all(cell.outputs == [] and cell.id for cell in found.notebook.cells)
    monkeypatch.setattr(lessons, "NOTEBOOKS", tmp_path)
    assert lessons.load_cells("01_a", "circle")["area"](1) > 3


def test_load_cells_runs_imports_and_the_tagged_cells_only(path, monkeypatch, tmp_path):
    monkeypatch.setattr(lessons, "NOTEBOOKS", tmp_path)
    names = lessons.load_cells("01_a", "circle")
    assert names["area"](1) > 3 and "course_utils" in names and "run" not in names and "seed" not in names
    with pytest.raises(CourseError, match="없는 태그"):
        lessons.load_cells("01_a", "circle", "없는 태그")


def notebook(path, *cells, nbformat_=4):
    """(코드, 태그, 셀의 종류)들로 노트북을 써요."""
    page = {"nbformat": nbformat_, "nbformat_minor": 5, "metadata": {}, "cells": []}
    for source, tag, kind in cells:
        cell = {"cell_type": kind, "source": source, "metadata": {"tags": [tag]} if tag else {}, "id": f"x{len(page['cells'])}"}
        page["cells"].append(cell | ({"outputs": [], "execution_count": None} if kind == "code" else {}))
    path.write_text(json.dumps(page), "utf-8")
    return path


SEED = ("seed = 1", "parameters", "code")


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([SEED, ("x = 1", None, "code"), ("seed = 2", "parameters", "code")], r"2개예요: 1번째 셀\(seed = 1\), 3번째 셀"),
        ([("# 글", "parameters", "markdown"), SEED], "2개예요"),
        ([("# 글", "parameters", "markdown")], "이름 = 값"),
        ([SEED, ("seed = 3", "injected-parameters", "code")], "이미 실행한 결과"),
        *(([(source, "parameters", "code")], "이름 = 값") for source in (
            "%matplotlib inline\nseed = 1", "seed = 2 ** 3", "seed, digit = 1, 2", "seed = digit = 1", "seed = 1\nprint(seed)",
            "if True:\n    seed = 1", "seed = (", "seed += 1", "import os", "seed: int",
        )),
    ],
)
def test_parameters_that_cannot_be_placed_are_refused(tmp_path, cells, words):
    with pytest.raises(CourseError, match=words):
        lessons.read(notebook(tmp_path / "a.ipynb", *cells))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("seed = 7", {"seed"}), ("seed: int = 7", {"seed"}), ("seed += 1", {"seed"}), ("for seed in (1, 2):\n    pass", {"seed"}),
        ("if True:\n    seed = 1", {"seed"}), ("a, (b, *seed) = x", {"a", "b", "seed"}), ("import x as seed", {"seed"}),
        ("def seed():\n    pass", {"seed"}), ("with x as seed:\n    pass", {"seed"}), ("print(seed := 3)", {"seed"}),
        ("def f():\n    global seed\n    seed = 1", {"f", "seed"}), ("%%time\nseed = 7", {"seed"}), ("!ls\nseed = 7", {"seed"}),
        ("def f(seed):\n    seed = 2\n    return [seed for seed in x]", {"f"}), ("f(seed=3)", set()), ("x.seed = 3", set()),
        ("seed = (", set()),
    ],
)
def test_names_bound_by_other_cells(tmp_path, source, found):
    read = lessons.read(notebook(tmp_path / "a.ipynb", SEED, (source, None, "code")))
    assert set(lessons.bound_elsewhere(read)) == found


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"nbformat": 4, "cells": [{}]}', '{"nbformat": 3, "cells": []}', "\ud800"])
def test_broken_notebooks_are_named(tmp_path, text):
    (tmp_path / "a.ipynb").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(CourseError, match=r"a\.ipynb.*읽지 못했어요"):
        lessons.read(tmp_path / "a.ipynb")
    with pytest.raises(CourseError, match="읽지 못했어요"):
        lessons.read(tmp_path / "없는.ipynb")


def test_settings_of_another_form_are_simply_unknown(tmp_path):
    odd = lesson(tmp_path, "02_b", parameters=PARAMETERS, settings="table = [1]\nstart(minutes=3)\ntable = {'a': (1, 2)}")
    assert (lessons.read(odd).table, lessons.read(odd).minutes) == ({}, None)
