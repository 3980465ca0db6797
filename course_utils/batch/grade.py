"""제출물 채점: 학생 × 연습문제의 표(grades.csv, grades.html).

저장된 출력은 믿지 않아요. 답의 셀을 강의의 셀 다음에, 제한 시간과 메모리가 있는 프로세스에서 다시 실행해요.
"""

import ast
import csv
import glob
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from course_utils import exercises, lessons
from course_utils.batch import report
from course_utils.batch.worker import THREADS
from course_utils.errors import CourseError, reason

RIGHT, WRONG, UNTOUCHED, UNREADABLE, FAILED, MISSING = "맞음", "틀림", "안 풂", "읽을 수 없음", "오류", "셀 없음"
STATES = {
    exercises.RIGHT: RIGHT, exercises.WRONG: WRONG, exercises.UNTOUCHED: UNTOUCHED, exercises.UNREADABLE: UNREADABLE,
}
TINTS = {RIGHT: "good", WRONG: "bad", UNTOUCHED: "soft", UNREADABLE: "died", FAILED: "died", MISSING: "soft"}  # 판정마다의 빛깔
TIMED_OUT = 75  # 채점하는 프로세스가 제한 시간을 넘겨 스스로 끝낼 때의 종료 코드
START_SECONDS = 180  # 강의의 셀을 smoke로 실행하는 데 넉넉한 시간


@dataclass
class Submission:
    """제출물 하나와 그 채점."""

    student: str  # 폴더를 채점하면 그 폴더에서의 경로, 파일을 채점하면 파일의 이름(겹치면 적은 경로)
    lesson: str | None = None  # "05_vae"처럼. 연습문제를 찾지 못하면 None
    trouble: str = ""  # 제출물 전체를 채점하지 못한 까닭
    cells: dict = field(default_factory=dict)  # 문제의 번호 → 실행할 코드들: 바로 앞에 학생이 더한 셀들과 답의 셀
    twice: set = field(default_factory=set)  # 답의 셀이 여럿인 문제의 번호
    results: dict = field(default_factory=dict)  # 문제의 번호 → (판정, 채점의 말)

    def counts(self):
        return Counter(state for state, _ in self.results.values())


def grade(named, folder, jobs, seconds):
    """제출물들을 채점해 폴더에 grades.csv와 grades.html을 써요. 하나가 잘못돼도 나머지는 해요.

    Args:
        named: {제출된 노트북의 경로: 학생의 이름}. 레슨은 이름이 아니라 문제의 번호로 알아봐요.
        folder: 결과 폴더(`Folder`).
        jobs: 동시에 채점할 수.
        seconds: 문제 하나의 제한 시간(초).
    Returns:
        `Submission`의 목록. 받은 차례예요.
    """
    found = [read(path, name) for path, name in named.items()]
    with folder.lock():
        pool, stop = ThreadPoolExecutor(jobs), threading.Event()
        waiting = {pool.submit(grade_one, submission, seconds, stop): submission for submission in found}
        try:
            for number, done in enumerate(as_completed(waiting), start=1):
                done.result()
                print(f"[{number}/{len(found)}] {_summary(waiting[done])}", flush=True)
        finally:
            stop.set()  # Ctrl-C면 채점하던 프로세스들도 끝내요
            pool.shutdown(cancel_futures=True)
        folder.write("grades.csv", _csv(found))  # 다 채점한 다음에만. Ctrl-C로 멈추면 앞의 표가 그대로 남아요
        folder.write("grades.html", _page(found, folder))
    return found


def find(patterns):
    """적은 경로들의 제출물: {경로: 학생의 이름}. *도 되고, 같은 파일은 한 번만이에요.

    폴더를 적으면 그 안의 모든 파일(숨은 것은 빼고)이고, 이름은 그 폴더에서의 경로예요. 파일을 적으면 파일의 이름이에요.
    이름이 겹치면 적은 경로 그대로예요.
    """
    paths = {}
    for pattern in patterns:
        if os.path.isdir(pattern):
            inside = ((path, path.relative_to(pattern)) for path in sorted(Path(pattern).rglob("*")) if path.is_file())
            found = [(path, Path(pattern)) for path, name in inside if not any(part.startswith(".") for part in name.parts)]
        else:  # 이름에 [ ]가 든 파일은 그대로
            files = map(Path, [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern)))
            found = [(path, path.parent) for path in files]
        if not found:
            raise CourseError(
                f"제출물을 찾지 못했어요: {pattern}(지금 폴더를 기준으로 찾았어요). 노트북이나 노트북이 든 폴더를 적어 주세요."
            )
        for path, folder in found:
            paths.setdefault(path.resolve(), (path, _plain(path.relative_to(folder))))
    twice = Counter(name for _, name in paths.values())
    names = {path: name if twice[name] == 1 else _plain(path) for path, name in paths.values()}
    return {path: unicodedata.normalize("NFC", name) for path, name in names.items()}  # 맥의 파일 이름은 자모가 풀려 있어요


def _is_notebook(path):
    return path.suffix.lower() == ".ipynb"


def _plain(path):
    """확장자 .ipynb를 뺀 경로. 다른 확장자는 그대로 둬요."""
    return (path.with_suffix("") if _is_notebook(path) else path).as_posix()


def read(path, name):
    """제출된 노트북에서 답의 셀을 찾아요. 읽을 수 없으면 그렇다고 적힌 `Submission`."""
    submission, path = Submission(name), Path(path)
    if not _is_notebook(path):
        submission.trouble = "노트북(.ipynb)이 아니에요. 압축 파일이면 풀어서 넣고, 아니면 학생에게 .ipynb로 다시 내 달라고 하세요."
        return submission
    try:
        if path.stat().st_size > 50e6:
            submission.trouble = "파일이 50 MB를 넘어요. 출력을 지우고 다시 내 달라고 하세요."
            return submission
        notebook = lessons.opened(path)  # 매개변수의 셀은 어떻게 고쳤든 상관없어요
    except (OSError, CourseError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, OSError):
            submission.trouble = f"파일을 열지 못했어요({reason(cause)})."
        else:
            submission.trouble = "노트북 파일이 아니거나 깨졌어요. 학생에게 다시 내 달라고 하세요."
        return submission
    sources = [c.source for c in notebook.cells if c.cell_type == "code" and "solution" not in c.metadata.get("tags", ())]
    asked = [problem for source in sources for problem in _checked(source)]
    having = Counter(problem[:2] for problem in asked if problem in exercises.problems(problem[:2]))
    if not having:
        submission.trouble = "연습문제의 셀(check를 부르는 셀)을 찾지 못했어요."
        return submission
    number = having.most_common(1)[0][0]
    taught = sorted(lessons.NOTEBOOKS.glob(f"{number}_*.ipynb"), key=lambda path: len(path.name))
    if not taught:
        submission.trouble = f"강의 폴더의 notebooks/에 {number}번 레슨이 없어요. 그 노트북을 되돌려 놓고 다시 채점하세요."
        return submission
    lesson = taught[0]  # 05_vae-Copy1.ipynb 같은 사본은 이름이 더 길어요
    submission.lesson = lesson.stem
    given = {_same(cell.source) for cell in lessons.opened(lesson).cells}  # 강의의 셀들
    added = []  # 답의 셀 바로 앞에 학생이 더한 셀들
    for source in sources:
        problems = [problem for problem in _checked(source) if problem in exercises.problems(number)]
        for problem in problems:
            if problem in submission.cells:
                submission.twice.add(problem)
            if problem not in submission.cells or _same(source) not in given:  # 답한 셀 뒤에 빈 셀이 있으면 답한 셀을 봐요
                submission.cells[problem] = [*added, source]
        added = [] if problems or _same(source) in given else [*added, source]
    return submission


def _same(source):
    """주석과 빈 줄만 다른 셀이면 같은 글."""
    try:
        return ast.unparse(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source


def grade_one(submission, seconds, stop):
    """제출물의 문제들을 채점해 `results`를 채워요. 프로세스가 죽거나 멈추면, 그 문제만 빼고 이어서 해요.

    stop: 켜지면 채점하던 프로세스를 끝내고 돌아오는 `threading.Event`.
    """
    if submission.lesson is None:
        return
    problems = exercises.problems(submission.lesson[:2])
    for problem in problems:
        if problem not in submission.cells:
            submission.results[problem] = MISSING, "이 문제의 셀(check를 부르는 셀)이 없어요. 지웠거나 다른 판의 노트북이에요."
    while left := [problem for problem in submission.cells if problem not in submission.results]:
        given = {"lesson": submission.lesson, "cells": [[p, submission.cells[p]] for p in left], "seconds": seconds}
        why = _run(given, submission.results, START_SECONDS + seconds * len(left), stop)
        if stop.is_set():
            return
        broken = next((problem for problem in left if problem not in submission.results), None)
        if broken:
            submission.results[broken] = FAILED, why
    for problem in submission.twice:
        state, words = submission.results[problem]
        submission.results[problem] = state, f"{words} (이 문제의 셀이 여럿이라, 답한 것 가운데 마지막을 봤어요.)"
    submission.results = {problem: submission.results[problem] for problem in problems}


def _run(given, results, limit, stop):
    """답들을 새 프로세스에서 실행해 results를 채우고, 다 채우지 못한 까닭을 돌려줘요."""
    environment = os.environ | dict.fromkeys(THREADS, "1") | {
        "COURSE_PROFILE": "smoke", "COURSE_DATASET": "digits", "COURSE_STATIC": "1", "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": str(lessons.NOTEBOOKS.parent), "PYTHONUTF8": "1", "MPLBACKEND": "agg",
    }
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty,  # 학생의 코드가 여는 "파일.txt"는 여기예요
        tempfile.TemporaryFile("w+", encoding="utf-8") as asked,
        tempfile.TemporaryFile("w+", encoding="utf-8") as said,  # 관(pipe)이면 학생의 코드가 낳은 프로세스까지 기다려요
    ):
        json.dump(given, asked)
        asked.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-m", "course_utils.batch.examine"], cwd=empty, env=environment,
            stdin=asked, stdout=said, stderr=subprocess.DEVNULL, start_new_session=True,
        )
        deadline = time.monotonic() + limit
        while process.poll() is None and not stop.is_set() and time.monotonic() < deadline:
            time.sleep(0.02)
        late = process.poll() is None
        _kill(process)
        process.wait()
        said.seek(0)
        lines = said.read().splitlines()
    for line in lines:
        problem, *result = json.loads(line)
        results[problem] = tuple(result)
    if late or process.returncode == TIMED_OUT:
        return f"{given['seconds']}초 안에 끝나지 않았어요."
    return f"채점하는 프로세스가 죽었어요(종료 코드 {process.returncode}). 답의 셀이 파이썬을 끝냈거나 메모리가 모자랐어요."


def _kill(process):
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass


def _checked(source):
    """셀이 `check`로 답을 확인하는 문제의 번호들. 문법이 틀린 셀에서도 찾아요."""
    return re.findall(r"""^\s*check\s*\(\s*["'](\d\d-\d+)["'](?!\s*,\s*hint\s*=)""", source, re.M)


def _summary(submission):
    counts = submission.counts()
    return f"{submission.student}: " + (
        submission.trouble or " · ".join(f"{state} {counts[state]}" for state in TINTS if counts[state]) or "채점하지 않았어요"
    )


def _csv(submissions):
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["학생", "레슨", "문제", "판정", "채점의 말"])
    for one in submissions:
        graded = [(f"{problem}번", *result) for problem, result in one.results.items()]  # "05-1"이면 Excel이 날짜로 읽어요
        rows = graded or [("", UNREADABLE, one.trouble)]
        writer.writerows(map(report.safe, [one.student, one.lesson or "", *row]) for row in rows)
    return "\ufeff" + file.getvalue()  # 앞의 표시가 있어야 Excel이 한글을 바로 읽어요


def _page(submissions, folder):
    done = [one for one in submissions if one.results]
    titles = {name: lessons.read(lessons.NOTEBOOKS / f"{name}.ipynb").title for name in sorted({one.lesson for one in done})}
    return report.environment().get_template("grades.html").render(
        title=re.split(r"[/\\]", folder.shown)[-1],
        made=f"{datetime.now():%Y-%m-%d %H:%M}",
        kinds=TINTS,
        counts=sum((one.counts() for one in submissions), Counter()),
        right=RIGHT,
        unread=[one for one in submissions if not one.results],
        lessons=[
            (title, list(exercises.problems(name[:2])), [one for one in done if one.lesson == name])
            for name, title in titles.items()
        ],
    )
