"""연습문제의 답을 그 자리에서 확인하는 `check`. 문제들은 이 폴더의 `lesson_01.py`처럼 레슨마다 한 파일에 있어요."""

import contextlib
import copy
import importlib
import io
import re
from dataclasses import dataclass, field
from typing import Any

from course_utils.errors import CourseError, shown

UNTOUCHED, RIGHT, WRONG, UNREADABLE, HINT = "✏️", "✅", "❌", "⚠️", "💡"
NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"


@dataclass(frozen=True)
class Problem:
    """문제 하나. 답은 수(또는 수의 배열)이거나 함수예요.

    Attributes:
        form: 어떤 모양의 답을 적어야 하는지("값 하나" 등). 읽을 수 없는 답에 보여 줘요.
        answer: 정답. 함수 문제라면 `inputs`에 같은 값을 돌려주는 함수.
        why: 맞았을 때 보여 줄 설명.
        mistakes: (오답, 힌트) 쌍들. 오답은 정답과 같은 꼴이고, 위에서부터 처음 맞는 힌트를 보여 줘요.
        nudge: 첫걸음. `check(…, hint=True)`와, 어느 오답과도 다른 답에 보여 줘요.
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


def check(problem_id, answer=..., hint=False):
    """답을 확인해 맞았는지, 틀렸다면 무엇을 다시 볼지 출력해요.

    Args:
        problem_id: "01-1"처럼 레슨과 문제의 번호.
        answer: 내 답. `...`이면 아직 풀지 않은 것으로 봐요. 수는 "1/36"처럼 글로 적어도 읽어요.
        hint: True면 답을 보는 대신 첫걸음을 알려 줘요.
    Raises:
        CourseError: 없는 문제 번호.
    """
    mark, message = (HINT, find(problem_id).nudge) if hint else evaluate(problem_id, answer)
    print(f"{mark} {problem_id}: {message}")


def evaluate(problem_id, answer):
    """`check`의 판정. (표시, 메시지)를 돌려줘요. 학생이 무엇을 넣어도 예외를 내지 않아요."""
    problem = find(problem_id)
    try:
        given = _read(problem, answer)
    except _Untouched:
        return UNTOUCHED, f'아직 답이 없어요. `...` 자리에 답을 적고 셀을 다시 실행해 보세요. 막히면 check("{problem_id}", hint=True).'
    except _Unreadable as error:
        return UNREADABLE, f"답을 읽지 못했어요. {error} 여기에 적을 답: {problem.form}."
    expected = _read(problem, problem.answer)
    if not problem.inputs and given[0].shape != expected[0].shape:
        comma = " 소수점은 쉼표가 아니라 점이에요(0,5가 아니라 0.5)." if isinstance(answer, tuple) else ""
        return UNREADABLE, f"값이 {given[0].size}개예요.{comma} 여기에 적을 답: {problem.form}."
    if _same(given, expected, problem.rtol):
        return RIGHT, f"맞아요! {problem.why}"
    for mistake, hint in problem.mistakes:
        if _same(given, _read(problem, mistake), problem.rtol):
            return WRONG, hint
    return WRONG, f"아직 아니에요. {problem.nudge}"


def find(problem_id):
    """번호로 `Problem`을 찾아요."""
    known = problems(problem_id[:2]) if isinstance(problem_id, str) else {}
    if not known or problem_id not in known:
        having = f" 이 레슨의 문제: {', '.join(known)}." if known else " 번호는 '01-1'처럼 적어요."
        raise CourseError(f"{shown(problem_id)}번 문제는 없어요.{having}")
    return known[problem_id]


def problems(number):
    """레슨의 문제들: {"05-1": `Problem`, …}. 그런 레슨이 없으면 비어 있어요.

    Args:
        number: 레슨의 번호. 예: "05".
    """
    with contextlib.suppress(ModuleNotFoundError):
        return importlib.import_module(f"course_utils.exercises.lesson_{number}").PROBLEMS
    return {}


class _Untouched(Exception):
    pass


class _Unreadable(Exception):
    pass


def _read(problem, answer):
    """답을 float 배열들로: 수라면 하나, 함수라면 `inputs`마다 하나."""
    if _untouched(answer):
        raise _Untouched
    if not problem.inputs:
        return [_numbers(answer)]
    if not callable(answer):
        raise _Unreadable("함수가 아니에요.")
    return [_numbers(_call(answer, arguments)) for arguments in problem.inputs]


def _call(function, arguments):
    given = copy.deepcopy(arguments)  # 학생의 함수가 인자를 고쳐도 문제는 그대로예요
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            value = function(*given)
    except (Exception, SystemExit) as error:
        if "ellipsis" in str(error):  # 빈칸의 ...을 아직 채우지 않고 계산했어요
            raise _Untouched from error
        inputs = ", ".join(map(shown, arguments))
        raise _Unreadable(f"함수를 불러 보니 오류가 났어요: {shown(error)}. 넣은 값: ({inputs}).") from error
    if _untouched(value):
        raise _Untouched
    return value


def _untouched(value):
    """빈칸 `...`이 남아 있나요? 목록이면 그 안도 봐요."""
    return value is ... or (isinstance(value, list | tuple) and any(item is ... for item in value))


def _numbers(value):
    import numpy as np

    if value is None:
        raise _Unreadable("값이 없어요(None). 함수라면 return을 확인해 보세요.")
    if isinstance(value, str):
        return np.array(_spelled(value))
    if callable(value):
        raise _Unreadable("함수예요. 괄호를 붙여 불렀는지 확인해 보세요.")
    try:
        array = np.squeeze(np.asarray(value))
        if np.iscomplexobj(array):
            raise TypeError("복소수")
        array = array.astype(float)
    except Exception as error:  # 사전, 들쭉날쭉한 목록, 계산 그래프의 텐서, float보다 큰 정수…
        raise _Unreadable(f"실수로 바꿀 수 없는 값이에요({type(value).__name__}).") from error
    if not np.isfinite(array).all():
        raise _Unreadable("NaN이나 무한대가 들어 있어요.")
    return array


def _spelled(text):
    """글로 적은 수: "1/36", "0.5", "0,5", "3,025", "50%", "−1"."""
    plain = text.replace(" ", "").replace("−", "-")
    if re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?", plain):  # 천의 자리마다 찍은 쉼표
        plain = plain.replace(",", "")
    plain = re.sub(r"^([+-]?\d+),(\d+)$", r"\1.\2", plain)  # 소수점으로 찍은 쉼표
    if found := re.fullmatch(f"({NUMBER})(?:/({NUMBER}))?(%?)", plain):
        top, bottom, percent = found.groups()
        with contextlib.suppress(ZeroDivisionError):
            return float(top) / float(bottom or 1) / (100 if percent else 1)
    raise _Unreadable(f"{shown(text)}은(는) 수로 읽을 수 없는 글이에요. 따옴표 없이 식으로 적어도 돼요(예: 1/36).")


def _same(given, expected, rtol):
    import numpy as np

    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=rtol, atol=1e-12) for a, b in zip(given, expected, strict=True)
    )
