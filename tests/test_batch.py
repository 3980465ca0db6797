"""레슨 묶음 실행: 끝난 것은 다시 하지 않고, 실패해도 나머지를 계속하고, 잃는 것이 없어요."""

import json

import nbformat
import pytest

from course_utils import batch

PARAMETERS = 'profile = "auto"\ndataset = "auto"\nseed = 1\n'
START = "import course_utils\nrun = course_utils.start(profile, dataset, seed, minutes=(1, 1, 1))\n"
FINISH = "run.record(answer=seed * 2)\nrun.finish()"


@pytest.fixture
def make(tmp_path):
    def write(name, *cells):
        notebook = nbformat.v4.new_notebook()
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook.cells = [nbformat.v4.new_code_cell(source) for source in (PARAMETERS, START, *cells, FINISH)]
        notebook.cells[0].metadata.tags = ["parameters"]
        path = tmp_path / "lessons" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(notebook, path)
        return str(path)

    return write


@pytest.fixture
def out(tmp_path):
    return tmp_path / "결과"


def run(out, *notebooks, seed=21):
    options = ["--profile", "smoke", "--dataset", "digits", "--seed", str(seed), "--out", str(out)]
    return batch.main([*notebooks, *options])


def test_failure_is_reported_and_the_rest_goes_on(make, out, capsys):
    bad = make("01_bad", 'course_utils.start("fast", minutes=(1, 1, 1))')
    assert run(out, bad, make("02_good")) == 1
    record = json.loads((out / "01_bad.json").read_text("utf-8"))
    assert record["status"] == "실패" and "profile='fast'" in record["error"]
    assert json.loads((out / "02_good.json").read_text("utf-8"))["metrics"] == {"answer": 42}
    summary = (out / "summary.md").read_text("utf-8")
    assert "| 01_bad | 실패 |" in summary and "answer 42" in summary and "profile='fast'" in summary
    assert (out / "01_bad.ipynb").exists() and (out / "02_good.ipynb").exists()
    assert "Traceback" not in capsys.readouterr().out


def test_done_work_is_not_redone_but_changed_work_is(make, out, capsys):
    path = make("01_a")
    assert run(out, path) == 0
    first = (out / "01_a.json").read_text("utf-8")
    assert run(out, path) == 0
    assert "이미 끝났어요" in capsys.readouterr().out and (out / "01_a.json").read_text("utf-8") == first
    make("01_a", "changed = True")
    run(out, path)
    assert json.loads((out / "01_a.json").read_text("utf-8"))["job"] != json.loads(first)["job"]
    run(out, path, seed=3)
    assert json.loads((out / "01_a.json").read_text("utf-8"))["metrics"] == {"answer": 6}


def test_failed_work_is_tried_again(make, out):
    marker = out.parent / "there"
    path = make("01_a", f"open({str(marker)!r}).close()")
    assert run(out, path) == 1
    marker.touch()
    assert run(out, path) == 0


def test_dead_kernel_is_a_failure(make, out):
    assert run(out, make("01_a", "import os\nos._exit(9)")) == 1
    assert "커널이 죽었어요" in json.loads((out / "01_a.json").read_text("utf-8"))["error"]


def test_interrupt_keeps_finished_lessons(make, out, monkeypatch, capsys):
    import papermill

    real, paths = papermill.execute_notebook, [make("01_a"), make("02_b")]

    def interrupted(notebook, *rest, **more):
        if "02_b" in str(notebook):
            raise KeyboardInterrupt
        return real(notebook, *rest, **more)

    monkeypatch.setattr(papermill, "execute_notebook", interrupted)
    assert run(out, *paths) == 130
    assert "이어서" in capsys.readouterr().err
    assert sorted(p.name for p in out.iterdir()) == ["01_a.ipynb", "01_a.json", "summary.md"]
    monkeypatch.setattr(papermill, "execute_notebook", real)
    assert run(out, *paths) == 0
    assert "이미 끝났어요" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["없는.ipynb", "notes.txt"])
def test_wrong_paths_are_named(tmp_path, out, name, capsys):
    (tmp_path / "notes.txt").touch()
    assert run(out, str(tmp_path / name)) == 2
    assert name in capsys.readouterr().err


def test_unwritable_folder_is_named(make, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run(tmp_path / "file" / "below", make("01_a")) == 2
    assert "만들 수 없어요" in capsys.readouterr().err
