"""학생용 판: 해답만 빠지고, 나머지는 그대로 돌아가요."""

import os
import subprocess
import sys
import zipfile

import nbformat
import pytest
from helpers import NOTEBOOKS, ROOT

from course_utils import lessons
from tools import edition


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """zip만 받아 푼 학생의 폴더."""
    folder = tmp_path_factory.mktemp("edition")
    assert edition.main([str(folder / "학생용")]) == 0
    with zipfile.ZipFile(folder / "학생용.zip") as archive:
        archive.extractall(folder / "받은 것")
    return folder / "받은 것" / "학생용"


def test_only_the_solutions_are_gone(whole):
    for path in NOTEBOOKS:
        full, empty = nbformat.read(path, as_version=4), nbformat.read(whole / "notebooks" / path.name, as_version=4)
        kept = [cell.id for cell in full.cells if "solution" not in cell.metadata.get("tags", ())]
        assert [cell.id for cell in empty.cells] == kept and len(kept) < len(full.cells)
        assert not any("해답" in cell.source for cell in empty.cells if cell.cell_type == "markdown")
        changed = [new for old in full.cells for new in empty.cells if new.id == old.id and new != old]
        assert all(cell.cell_type == "markdown" for cell in changed) and len(changed) <= 1
        assert lessons.tagged(empty, "exercise")


def test_a_lesson_of_it_passes_its_own_checks_without_the_repository(whole):
    probe = "import course_utils; print(course_utils.__file__)"
    env = os.environ | {"PYTHONPATH": str(whole), "GIT_DIR": "/없음"}
    found = subprocess.run([sys.executable, "-c", probe], cwd=whole, env=env, capture_output=True, text=True).stdout
    assert str(whole) in found
    line = ["-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env"]
    rules = ["-c", "/dev/null", "--rootdir", whole, "--nbval-sanitize-with", ROOT / "tests/nbval_sanitize.cfg"]
    done = subprocess.run(
        [sys.executable, *line, *rules, "notebooks/00_introduction.ipynb"], cwd=whole, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0 and "passed" in done.stdout, done.stdout[-2000:]


def test_nothing_of_anyone_is_overwritten(tmp_path, capsys):
    (tmp_path / "과제").mkdir()
    (tmp_path / "과제" / "내 글.txt").write_text("남의 것", "utf-8")
    lesson = str(NOTEBOOKS[0])
    assert "이미 있어요" in edition.main([str(tmp_path / "과제"), lesson])
    assert (tmp_path / "과제" / "내 글.txt").read_text("utf-8") == "남의 것"
    broken = tmp_path / "05_깨짐.ipynb"
    broken.write_text("{", "utf-8")
    assert "05_깨짐" in edition.main([str(tmp_path / "새것"), lesson, str(broken)])
    assert "강의 자료의 폴더 안" in edition.main([str(ROOT / "data/학생용"), lesson])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["05_깨짐.ipynb", "과제"]
