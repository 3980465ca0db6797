"""제출물 하나의 답을 채점하는 프로세스: 강의의 셀 다음에 학생의 답 셀만 실행해요.

표준 입력으로 {"lesson", "cells": [[문제의 번호, [코드, …]], …], "seconds"}를 받아, 문제마다 [번호, 판정, 말]을 한 줄씩
표준 출력에 적어요. 학생의 코드가 화면에 쓰는 것은 버려요. 한 문제가 제한 시간을 넘기면 프로세스가 끝나고, 나머지는 grade.py가 이어서 해요.
"""

import ast
import builtins
import contextlib
import json
import os
import sys
import threading
from pathlib import Path

import numpy as np

from course_utils import exercises, lessons
from course_utils.batch.grade import FAILED, STATES, TIMED_OUT
from course_utils.errors import CourseError, hide_secrets

FILE_BYTES = 64 * 2**20
MORE_MEMORY = 2 * 2**30


def main():
    """표준 입력의 제출물을 채점해 표준 출력에 적어요."""
    given = json.load(sys.stdin)
    results = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    names = definitions(given["lesson"], [source for _, sources in given["cells"] for source in sources])
    limit_resources()
    for problem, sources in given["cells"]:
        state, words = judge(problem, sources, dict(names), given["seconds"])
        results.write(json.dumps([problem, state, hide_secrets(words)]) + "\n")
    results.flush()
    os._exit(0)  # 학생의 코드가 남긴 스레드를 기다리지 않아요


def definitions(lesson, sources):
    """답의 셀들이 쓰는 강의의 이름들: {이름: 값}.

    내장 함수와 np만으로 충분하면 아무것도 실행하지 않아요. 아니면 설정과 함수·클래스·import의 셀을, 그래도 모자라면
    레슨의 모든 셀을 smoke로 실행해요.

    Args:
        lesson: 레슨의 이름. 예: "05_vae".
        sources: 답의 셀들의 코드.
    """
    names, needed = {"np": np}, set().union(*map(_read, sources)) - set(dir(builtins)) - {"check"}
    cells = [
        (cell.source, set(cell.metadata.get("tags", ())))
        for cell in lessons.read(lessons.NOTEBOOKS / f"{lesson}.ipynb").notebook.cells
        if cell.cell_type == "code" and not {"exercise", "solution"} & set(cell.metadata.get("tags", ()))
    ]
    plain = [source for source, tags in cells if tags & {"parameters", "imports", "settings"} or _only_defines(source)]
    for level in (plain, [source for source, _ in cells]):
        if needed <= set(names):
            break
        for source in level:
            with contextlib.suppress(Exception):  # 한 셀이 안 되어도 나머지 이름은 써요
                exec(source, names)
    return names


def judge(problem, sources, names, seconds):
    """학생이 앞에 더한 셀들과 답의 셀을 실행해, 마지막 `check(문제, 답)`의 (판정, 말)."""
    found = {}

    def check(problem_id, answer=..., hint=False):
        if not hint or answer is not ...:
            found[problem_id] = exercises.evaluate(problem_id, answer)

    names["check"] = exercises.check = check  # 셀에서 다시 import해도요
    watch = threading.Timer(seconds, os._exit, [TIMED_OUT])  # 학생의 코드가 막을 수 없게, 프로세스를 통째로
    watch.start()
    *added, answer = sources
    try:
        for source in added:
            with contextlib.suppress(Exception):  # 끼적인 셀이 틀렸어도 답의 셀은 봐요
                exec(source, names)
        exec(compile(answer, f"<{problem}>", "exec"), names)
    except NameError as error:
        return FAILED, f"{error.name}을(를) 모르겠어요. 답에 쓰는 것은 답의 셀이나 바로 앞의 셀에 있어야 해요."
    except BaseException as error:  # sys.exit, 메모리 부족까지
        return FAILED, f"셀에서 오류가 났어요({type(error).__name__}: {str(error)[:200]})."
    finally:
        watch.cancel()
    if problem not in found:
        return FAILED, f'check("{problem}", 답)을 부르지 않았어요.'
    mark, words = found[problem]
    return STATES[mark], words


def limit_resources():
    """메모리는 지금보다 2 GB 더, 파일 하나는 64 MB까지(리눅스). 다른 시스템에서는 시간만 재요."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MORE_MEMORY,) * 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES,) * 2)


def _read(source):
    """코드가 읽지만 스스로 정하지 않는 이름들. 읽을 수 없는 코드면 없어요."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    stored |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    stored |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    stored |= {alias.asname or alias.name for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)} - stored


def _only_defines(source):
    try:
        body = ast.parse(source).body
    except SyntaxError:  # %명령
        return False
    return bool(body) and all(
        isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom) for node in body
    )


if __name__ == "__main__":
    try:
        main()
    except CourseError as error:
        sys.exit(str(error))
