"""제출물 채점: 진짜 프로세스에서, 맞은 것도 틀린 것도 못된 것도. 하나가 잘못돼도 나머지는 채점해요."""

import csv
import re
import shutil
import threading
import time

import nbformat
import pytest
from helpers import NOTEBOOKS

from course_utils import lessons
from course_utils.batch import grade
from course_utils.batch.__main__ import main
from tools.edition import without_solutions

VAE = ("05-1", "05-2", "05-3", "05-4", "05-5")


def notebook(number):
    (path,) = (path for path in NOTEBOOKS if path.stem.startswith(number))
    return nbformat.read(path, as_version=4)


def solutions(number):
    """{문제: 강의의 해답 셀}."""
    cells = (c.source for c in notebook(number).cells if "solution" in c.metadata.get("tags", ()))
    return {re.search(r'check\("(\d\d-\d+)"', source)[1]: source for source in cells}


@pytest.fixture
def submit(tmp_path):
    """학생이 받은 판의 답 셀들을 바꿔 낸 노트북을 쓰는 함수."""
    (tmp_path / "제출").mkdir()

    def submit(name, number, cells, drop=()):
        handed = without_solutions(notebook(number))
        handed.cells = [c for c in handed.cells if c.cell_type != "code" or not any(f'check("{p}"' in c.source for p in drop)]
        for cell in handed.cells:
            if "exercise" in cell.metadata.get("tags", ()):
                problem = re.search(r'check\("(\d\d-\d+)"', cell.source)[1]
                cell.source = cells.get(problem, cell.source)
        path = tmp_path / "제출" / f"{name}.ipynb"
        nbformat.write(handed, path)
        return str(path)

    return submit


def table(out):
    """{(학생, 문제): (판정, 채점의 말)}."""
    with (out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        return {(row["학생"], row["문제"].removesuffix("번")): (row["판정"], row["채점의 말"]) for row in csv.DictReader(file)}


def test_a_class_with_every_kind_of_submission(submit, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(grade, "START_SECONDS", 60)
    cell = 'check("05-1", 1)'
    paths = [
        submit("다 맞음", "05", solutions("05")),
        submit("레슨의 이름을 씀", "01", solutions("01")),
        submit("안 풂", "05", {}),
        submit("틀림", "05", {"05-1": 'check("05-1", -999)', "05-2": "def f(x, p, mu, log_var):\n    return 1 / 0\ncheck('05-2', f)"}),
        submit("안 끝남", "05", {"05-1": f"while True:\n    pass\n{cell}", "05-3": solutions("05")["05-3"]}),
        submit("죽임", "05", {"05-2": "import os\nos._exit(0)\ncheck('05-2', 1)", "05-3": solutions("05")["05-3"]}),
        submit("빼먹음", "05", {"05-1": f"answer = (\n{cell}", "05-4": "check = print\ncheck('05-4', 1)"}, drop=["05-5"]),
        submit("=식", "05", {"05-1": f"open('낙서.txt', 'w').write('나')\nprint('가' * 10_000_000)\n{cell}"}),
        submit("큰 것", "05", {"05-1": f"x = bytearray(50_000_000_000)\n{cell}"}),
    ]
    for name, text in {"깨짐": "{", "빈 파일": "", "남의 노트북": nbformat.writes(nbformat.v4.new_notebook())}.items():
        (tmp_path / "제출" / f"{name}.ipynb").write_text(text, "utf-8")
    out = tmp_path / "채점"
    code = main(["grade", str(tmp_path / "제출" / "*.ipynb"), "--out", str(out), "--timeout", "3"])
    said, found = capsys.readouterr().out, table(out)
    assert code == 1 and f"[{len(paths) + 3}/{len(paths) + 3}]" in said and "grades.html" in said
    states = {key: state for key, (state, _) in found.items()}
    assert all(states["다 맞음", problem] == "맞음" for problem in VAE)
    assert all(state == "맞음" for (student, _), state in states.items() if student == "레슨의 이름을 씀")
    assert all(states["안 풂", problem] == "안 풂" for problem in VAE)
    assert states["틀림", "05-1"] == "틀림" and found["틀림", "05-2"][0] == "읽을 수 없음" and "division" in found["틀림", "05-2"][1]
    assert found["안 끝남", "05-1"] == ("오류", "3초 안에 끝나지 않았어요.") and states["안 끝남", "05-3"] == "맞음"
    assert "죽었어요" in found["죽임", "05-2"][1] and states["죽임", "05-3"] == "맞음"
    assert states["빼먹음", "05-5"] == "셀 없음" and "SyntaxError" in found["빼먹음", "05-1"][1]
    assert "부르지 않았어요" in found["빼먹음", "05-4"][1]
    assert states["'=식", "05-1"] == "틀림" and not list(tmp_path.rglob("낙서.txt"))
    assert "MemoryError" in found["큰 것", "05-1"][1]
    for student in ("깨짐", "빈 파일", "남의 노트북"):
        assert states[student, ""] == "읽을 수 없음" and student in said
    page = (out / "grades.html").read_text("utf-8")
    assert "채점하지 못한 제출물 3개" in page and "05. 변분 오토인코더" in page and "http" not in page.replace("http-equiv", "")


def test_stored_outputs_and_old_answers_are_not_believed(submit):
    path = submit("베낌", "05", {})
    handed = nbformat.read(path, as_version=4)
    for cell in handed.cells:
        if "exercise" in cell.metadata.get("tags", ()):
            cell.outputs = [nbformat.v4.new_output("stream", text="✅ 05-1: 맞아요!")]
    nbformat.write(handed, path)
    submission = grade.read(path, "베낌")
    grade.grade_one(submission, 5, threading.Event())
    assert {state for state, _ in submission.results.values()} == {"안 풂"} and tuple(submission.results) == VAE


def test_hints_and_solutions_are_not_answers(submit):
    handed = nbformat.read(submit("힌트", "05", {}), as_version=4)
    solved = [cell for cell in notebook("05").cells if "solution" in cell.metadata.get("tags", ())]
    handed.cells += [nbformat.v4.new_code_cell('check("05-1", hint=True)'), *solved]
    path = submit("힌트", "05", {})
    nbformat.write(handed, path)
    cells = grade.read(path, "힌트").cells
    assert len(solved) == len(VAE) and tuple(cells) == VAE and all("..." in sources[-1] for sources in cells.values())


def test_answers_may_use_cells_added_just_before_and_the_last_answered_copy_counts(submit):
    path = submit("더함", "05", {"05-2": solutions("05")["05-2"]})
    handed = nbformat.read(path, as_version=4)
    (at,) = (k for k, cell in enumerate(handed.cells) if 'check("05-2"' in cell.source)
    answered = handed.cells[at].source.replace("np.", "계산.")
    blank = next(cell for cell in without_solutions(notebook("05")).cells if 'check("05-2"' in cell.source)
    new = nbformat.v4.new_code_cell
    handed.cells[at : at + 1] = [new("끼적임 ="), new("import numpy as 계산"), new(answered), new(blank.source)]
    nbformat.write(handed, path)
    submission = grade.read(path, "더함")
    grade.grade_one(submission, 5, threading.Event())
    state, words = submission.results["05-2"]
    assert "계산." in answered and state == "맞음" and "여럿" in words


def test_a_folder_two_of_one_name_and_nothing(tmp_path, submit, capsys):
    first = submit("과제", "05", {})
    (tmp_path / "제출" / "김[1]").mkdir()
    second = tmp_path / "제출" / "김[1]" / "과제.ipynb"
    shutil.copy(first, second)
    (tmp_path / "제출" / "숙제.zip").write_bytes(b"PK")
    (tmp_path / "제출" / "._과제.ipynb").write_bytes(b"")
    found = grade.find([str(tmp_path / "제출"), str(second), first])
    assert sorted(found.values()) == ["과제", "김[1]/과제", "숙제.zip"]
    assert sorted(grade.find([first, str(second)]).values()) == [first.removesuffix(".ipynb"), str(second.with_suffix(""))]
    for student in ("가", "나"):  # LMS가 준 폴더들을 *로
        (tmp_path / "LMS" / student / "hw").mkdir(parents=True)
        shutil.copy(first, tmp_path / "LMS" / student / "hw" / "01.ipynb")
    assert sorted(grade.find([str(tmp_path / "LMS")]).values()) == ["가/hw/01", "나/hw/01"]
    assert len(set(grade.find([str(tmp_path / "LMS/*/hw/*.ipynb")]).values())) == 2
    assert ".ipynb" in grade.read(tmp_path / "제출" / "숙제.zip", "숙제.zip").trouble
    assert main(["grade", str(tmp_path / "없음"), "--out", str(tmp_path / "채점")]) == 2
    assert "제출물을 찾지 못했어요" in capsys.readouterr().err


def test_touched_parameters_comments_everywhere_and_hints_with_an_answer_are_graded(submit):
    path = submit("고침", "01", solutions("01"))
    handed = nbformat.read(path, as_version=4)
    for cell in handed.cells:
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source += "\nimport os\nseed = -(-7)\nprint(seed)"
        elif cell.cell_type == "code":
            cell.source += "\n# 메모"
        if 'check("01-1"' in cell.source:
            cell.source = re.sub(r'(check\("01-1", .*)\)', r"\1, hint=True)", cell.source)
    nbformat.write(handed, path)
    submission = grade.read(path, "고침")
    grade.grade_one(submission, 10, threading.Event())
    assert {state for state, _ in submission.results.values()} == {"맞음"}


def test_stopping_keeps_the_old_table(tmp_path, submit, monkeypatch, capsys):
    out = tmp_path / "채점"
    out.mkdir()
    (out / "grades.csv").write_text("앞의 표", "utf-8")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(grade, "grade_one", stop)
    assert main(["grade", submit("과제", "05", {}), "--out", str(out)]) == 130
    assert (out / "grades.csv").read_text("utf-8") == "앞의 표" and "다시 실행하면" in capsys.readouterr().err


def test_stopping_ends_the_students_process(submit):
    submission = grade.read(submit("안 끝남", "05", {"05-1": "while True:\n    pass\ncheck('05-1', 1)"}), "안 끝남")
    stop = threading.Event()
    threading.Timer(2, stop.set).start()
    began = time.monotonic()
    grade.grade_one(submission, 300, stop)
    assert time.monotonic() - began < 60 and "05-1" not in submission.results


def test_the_lesson_is_found_beside_its_copy_and_missed_when_gone(submit, tmp_path, monkeypatch):
    path = submit("학생", "01", {})
    (original,) = (path for path in NOTEBOOKS if path.stem.startswith("01"))
    monkeypatch.setattr(lessons, "NOTEBOOKS", tmp_path / "강의")
    lessons.NOTEBOOKS.mkdir()
    for name in ("01_probability-Copy1.ipynb", original.name):
        shutil.copy(original, lessons.NOTEBOOKS / name)
    assert grade.read(path, "학생").lesson == original.stem
    for copy in lessons.NOTEBOOKS.iterdir():
        copy.unlink()
    submission = grade.read(path, "학생")
    assert submission.lesson is None and "01번 레슨이 없어요" in submission.trouble
