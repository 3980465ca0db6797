"""학생용 판: 해답과 해답으로 가는 길만 빠지고, 나머지는 그대로 돌아가요."""

import os
import re
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
        assert all(cell.cell_type == "markdown" for cell in changed) and len(changed) <= 2  # 배지, 해답은 접혀 있어요
        assert lessons.tagged(empty, "exercise")


def _cells(folder, kind):
    return [cell for path in sorted(folder.glob("*.ipynb")) for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


def test_nothing_shows_the_solutions(whole):
    code = "\n\n".join(cell.source for cell in _cells(whole / "notebooks", "code"))
    for cell in _cells(ROOT / "notebooks", "code"):
        if "solution" in cell.metadata.get("tags", ()):
            assert cell.source.partition("\n")[2] not in code, cell.source
    for path in [whole / "README.md", *whole.glob("notebooks/*.ipynb")]:
        assert "colab-badge" not in path.read_text("utf-8") and "/blob/" not in path.read_text("utf-8"), path.name


def test_readme_is_for_students_and_its_commands_work(whole):
    text = (whole / "README.md").read_text("utf-8")
    targets = set(re.findall(r"make (\w+)", text))
    assert targets == {"lab"} and "tools" not in text and "batch" not in text
    done = subprocess.run(["make", "-n", *targets], cwd=whole, capture_output=True, text=True)
    assert done.returncode == 0 and "jupyter lab --notebook-dir=notebooks" in done.stdout, done.stderr
    for name in re.findall(r"`([\w./-]+/|[\w./-]*(?:LICENSE|\.md)[\w.-]*)`|-r ([\w.]+)", text):
        assert (whole / "".join(name)).exists(), name


def test_links_lead_only_to_lessons_handed_out(whole, tmp_path):
    assert edition.main([str(tmp_path / "과제"), *map(str, NOTEBOOKS[4:6])]) == 0
    for folder in (whole / "notebooks", tmp_path / "과제/notebooks"):
        text = "\n".join(cell.source for cell in _cells(folder, "markdown"))
        assert set(re.findall(r"\]\((?!https?:)([^()]+\.ipynb)", text)) == {path.name for path in folder.glob("*.ipynb")}
    assert "03. 오토인코더" in text  # 글은 남아요


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


def test_an_answer_left_in_an_exercise_is_not_handed_out(tmp_path):
    solved = nbformat.read(NOTEBOOKS[0], as_version=4)
    cell = lessons.tagged(solved, "exercise")[0]
    cell.source = cell.source.replace("...", "3")
    nbformat.write(solved, tmp_path / NOTEBOOKS[0].name)
    assert "답이 적혀 있어요" in edition.main([str(tmp_path / "과제"), str(tmp_path / "0*.ipynb")])
    assert not (tmp_path / "과제").exists()


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
