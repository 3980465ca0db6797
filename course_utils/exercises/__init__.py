"""연습문제의 답을 그 자리에서 확인하는 `check`. 문제들은 이 폴더의 `lesson_01.py`처럼 레슨마다 한 파일에 있어요."""

import contextlib
import copy
import importlib
import io
import math
import numbers
import re
from dataclasses import dataclass, field
from typing import Any

from course_utils.errors import CourseError, shown

UNTOUCHED, RIGHT, WRONG, UNREADABLE = "untouched", "right", "wrong", "unreadable"
_MARKS = {UNTOUCHED: "✏️", RIGHT: "✅", WRONG: "❌", UNREADABLE: "⚠️"}
MAX_SIZE = 10_000  # 답의 원소는 이보다 적어요


@dataclass(frozen=True)
class Problem:
    """문제 하나. 답은 수(또는 수의 배열)이거나 함수예요.

    Attributes:
        form: 어떤 모양의 답을 적어야 하는지("숫자 하나" 등). 읽을 수 없는 답에 보여 줘요.
        answer: 정답. 함수 문제라면 `inputs`에 같은 값을 돌려주는 함수.
        why: 맞았을 때 보여 줄 설명.
        mistakes: (오답, 힌트) 쌍들. 오답은 정답과 같은 꼴이고, 위에서부터 처음 맞는 힌트를 보여 줘요.
        nudge: 어느 오답과도 다른 답에 보여 줄 첫걸음.
        inputs: 함수 문제에서 학생의 함수를 불러 볼 인자 묶음들.
        rtol: 허용하는 상대 오차.
    """

    form: str
    answer: Any
    why: str
    mistakes: list = field(default_factory=list)
    nudge: str = "식을 한 줄씩 다시 계산해 보세요."
    inputs: tuple = ()
    rtol: float = 1e-3


def check(problem_id, answer=...):
    """답을 확인해 맞았는지, 틀렸다면 무엇을 다시 볼지 출력해요.

    Args:
        problem_id: "01-1"처럼 레슨과 문제의 번호.
        answer: 내 답. `...`이면 아직 풀지 않은 것으로 봐요.
    Raises:
        CourseError: 없는 문제 번호.
    """
    status, message = evaluate(problem_id, answer)
    print(f"{_MARKS[status]} {problem_id}: {message}")


def evaluate(problem_id, answer):
    """`check`의 판정. (상태, 메시지)를 돌려줘요. 학생이 무엇을 넣어도 예외를 내지 않아요."""
    problem = find(problem_id)
    try:
        given = _read(problem, answer)
    except _Untouched:
        return UNTOUCHED, "아직 답이 없어요. `...` 자리에 답을 적고 셀을 다시 실행해 보세요."
    except _Unreadable as error:
        return UNREADABLE, f"답을 읽지 못했어요. {error} 여기에 적을 답: {problem.form}."
    expected = _read(problem, problem.answer)
    if not problem.inputs and given.shape != expected.shape:
        return UNREADABLE, f"값이 {given.size}개예요. 여기에 적을 답: {problem.form}."
    if _same(given, expected, problem.rtol):
        return RIGHT, f"맞아요! {problem.why}"
    for mistake, hint in problem.mistakes:
        if _same(given, _read(problem, mistake), problem.rtol):
            return WRONG, hint
    return WRONG, f"아직 아니에요. {problem.nudge}"


def find(problem_id):
    """번호로 `Problem`을 찾아요."""
    known = {}
    named = isinstance(problem_id, str) and re.fullmatch(r"\d\d-\d", problem_id)
    if named:
        with contextlib.suppress(ModuleNotFoundError):
            known = importlib.import_module(f"course_utils.exercises.lesson_{problem_id[:2]}").PROBLEMS
    if not named or problem_id not in known:
        having = f" 이 레슨의 문제: {', '.join(known)}." if known else " 번호는 '01-1'처럼 적어요."
        raise CourseError(f"{shown(problem_id)}번 문제는 없어요.{having}")
    return known[problem_id]


class _Untouched(Exception):
    pass


class _Unreadable(Exception):
    pass


def _read(problem, answer):
    """답을 float 배열 하나로. 함수라면 `inputs`에 대한 값들을 모아요."""
    if answer is ...:
        raise _Untouched
    if not problem.inputs:
        return _numbers(answer)
    if not callable(answer):
        raise _Unreadable("함수가 아니에요.")
    values = []
    for arguments in problem.inputs:
        given = copy.deepcopy(arguments)  # 학생의 함수가 인자를 고쳐도 문제는 그대로예요
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                value = answer(*given)
        except (Exception, SystemExit) as error:
            inputs = ", ".join(map(shown, arguments))
            raise _Unreadable(f"함수에 ({inputs})을 넣으니 오류가 났어요: {shown(error)}.") from error
        if value is ...:
            raise _Untouched
        if value is None:
            raise _Unreadable("함수가 값을 돌려주지 않아요. return을 확인해 보세요.")
        values.append(_numbers(value))
    return values


def _numbers(value):
    import numpy as np

    try:
        if isinstance(value, str):
            raise _Unreadable("따옴표로 묶은 글이에요.")
        if callable(value):
            raise _Unreadable("함수예요. 괄호를 붙여 불렀는지 확인해 보세요.")
        count = _count(value)
        array = np.squeeze(np.asarray(value if count <= MAX_SIZE else 0.0))
        if max(count, array.size) > MAX_SIZE:
            raise _Unreadable(f"수가 {MAX_SIZE:,}개보다 많아요.")
        if np.iscomplexobj(array):
            raise TypeError("복소수")
        array = array.astype(float)
    except _Unreadable:
        raise
    except (Exception, SystemExit) as error:  # 학생이 넣을 수 있는 모든 것
        raise _Unreadable("숫자로 바꿀 수 없는 값이에요.") from error
    if not np.isfinite(array).all():
        raise _Unreadable("NaN이나 무한대가 들어 있어요.")
    return array


def _count(value):
    """배열로 바꾸기 전에 수의 개수를 세요. `MAX_SIZE`를 넘으면 그만 세고, 수가 아닌 것이 있으면 TypeError."""
    if hasattr(value, "__array__"):
        return math.prod(getattr(value, "shape", ()))
    if isinstance(value, numbers.Number):
        return 1
    if not isinstance(value, list | tuple | range):
        raise TypeError(type(value).__name__)
    total = 0
    for part in value:
        total += _count(part)
        if total > MAX_SIZE:
            break
    return total


def _same(given, expected, rtol):
    import numpy as np

    if isinstance(expected, list):
        return all(_same(a, b, rtol) for a, b in zip(given, expected, strict=True))
    return given.shape == expected.shape and bool(np.allclose(given, expected, rtol=rtol, atol=1e-12))
