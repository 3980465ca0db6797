"""연습문제: 해답은 통과하고, 흔한 오답에는 저마다의 힌트가 나오고, 무엇을 넣어도 멈추지 않아요."""

import importlib

import numpy as np
import pytest
from helpers import ROOT

from course_utils import CourseError
from course_utils.exercises import RIGHT, UNREADABLE, UNTOUCHED, WRONG, check, evaluate

PROBLEMS = {
    number: problem
    for file in sorted((ROOT / "course_utils/exercises").glob("lesson_*.py"))
    for number, problem in importlib.import_module(f"course_utils.exercises.{file.stem}").PROBLEMS.items()
}
MISTAKES = [(number, i) for number, problem in PROBLEMS.items() for i in range(len(problem.mistakes))]


@pytest.mark.parametrize("number", PROBLEMS)
def test_problem_is_complete(number):
    problem = PROBLEMS[number]
    assert evaluate(number, problem.answer) == (RIGHT, f"맞아요! {problem.why}")
    assert len(problem.mistakes) >= 2, "흔한 오답이 둘은 있어야 해요"
    hints = [hint for _, hint in problem.mistakes]
    assert len(set(hints)) == len(hints)


@pytest.mark.parametrize("number, i", MISTAKES)
def test_mistake_gets_its_own_hint(number, i):
    wrong, hint = PROBLEMS[number].mistakes[i]
    assert evaluate(number, wrong) == (WRONG, hint)


class Nasty:
    """무엇을 물어도 예외를 내는 값."""

    def _fail(self, *arguments):
        raise RuntimeError("심술")

    __class__ = property(_fail)
    __eq__ = __array__ = __len__ = __repr__ = __str__ = __float__ = __iter__ = __bool__ = __hash__ = _fail


class Endless:
    """끝없이 깊은 열."""

    def __len__(self):
        return 2

    def __getitem__(self, i):
        return self


class BadError(Exception):
    __str__ = __repr__ = Nasty._fail


def raising(error):
    def answer(*arguments):
        raise error

    return answer


def cycle():
    knot = []
    knot.append(knot)
    return knot


def doubled():
    tree = [1.0]
    for _ in range(40):
        tree = [tree, tree]
    return tree


def tensors():
    """TensorFlow의 값들. 계산 그래프 안의 텐서도."""
    import keras
    import tensorflow as tf

    caught = []
    tf.function(lambda: caught.append(tf.ones(3)))()
    return [
        keras.Input((3,)),
        keras.ops.ones((2, 2)),
        keras.Variable(1.0),
        *caught,
        keras.Sequential(),
        tf.ragged.constant([[1], []]),
    ]


VALUES = {
    "None": None, "글": "1/18", "bytes": b"1", "dict": {}, "set": {1}, "object": object(), "nan": np.nan, "inf": np.inf,
    "빈 목록": [], "[1, 2, 3]": [1, 2, 3], "들쭉날쭉": [[1], [2, 3]], "object 배열": np.array([None]), "글의 배열": np.array(["가"]),
    "시각": np.datetime64("2026-01-01"), "복소수": 1j, "1e300": 1e300, "10**400": 10**400, "자릿수": 10**5000, "생성기": (i for i in "가나"),
    "함수": print, "클래스": int, "100만 개": np.zeros(10**6), "range": range(10**12), "겹친 목록": [[0.0] * 10**4] * 10**5,
    "펼친 배열": np.broadcast_to(0.0, (1, 10**10)), "매듭": cycle(), "나무": doubled(), "깊은 열": Endless(), "심술": Nasty(), "심술들": [Nasty()],
    "예외": BadError(), "모듈": np,
}  # fmt: skip


@pytest.mark.parametrize("number", PROBLEMS)
def test_any_answer_gets_a_message_and_never_the_solution(number):
    problem = PROBLEMS[number]
    errors = (
        raising(error) for error in (BadError(), SystemExit("끝"), RecursionError(), Nasty, MemoryError("x" * 10**6))
    )
    functions = [*errors, *((lambda *a, v=value: v) for value in VALUES.values()), lambda: 1, lambda *a: 1 / 0]
    for answer in (*VALUES.values(), *functions):
        status, message = evaluate(number, answer)
        assert status in (UNREADABLE, WRONG) and 10 < len(message) < 700
        assert problem.why not in message
        if isinstance(problem.answer, float):  # 답의 수가 그대로 보이지 않아요
            assert f"{problem.answer:.4g}" not in message


@pytest.mark.parametrize("number", ["01-1", "01-3", "03-3"])
def test_tensors_are_read_or_refused(number):
    for value in tensors():
        for answer in (value, lambda *a, v=value: v):
            assert evaluate(number, answer)[0] in (UNREADABLE, WRONG)


def test_functions_that_change_their_inputs_change_nothing():
    for number, problem in PROBLEMS.items():
        if problem.inputs:

            def spoil(*arguments):
                for argument in arguments:
                    if isinstance(argument, list):
                        argument.clear()
                    if isinstance(argument, np.ndarray):
                        argument[...] = 0
                return 0.0

            evaluate(number, spoil)
            assert evaluate(number, problem.answer)[0] == RIGHT
            assert evaluate(number, problem.mistakes[0][0])[0] == WRONG


def test_untouched_answers_say_so(capsys):
    check("01-1")
    assert "✏️ 01-1: 아직 답이 없어요" in capsys.readouterr().out
    assert evaluate("01-1", ...)[0] == UNTOUCHED
    assert evaluate("01-3", lambda values, probabilities: ...)[0] == UNTOUCHED


def test_a_function_that_fails_shows_its_error():
    status, message = evaluate("01-3", lambda values, probabilities: values[99])
    assert status == UNREADABLE and "IndexError" in message


def test_answers_may_be_fractions_arrays_or_one_element_lists():
    from fractions import Fraction

    for answer in (Fraction(2, 11), np.float32(2 / 11), [2 / 11], np.array([[2 / 11]])):
        assert evaluate("01-1", answer)[0] == RIGHT


UNKNOWN = ["01-9", "99-1", "1", "../x", None, "os-1", [1], {}, 10**5000, np.ones(3), "가" * 10**6]


@pytest.mark.parametrize("number", UNKNOWN, ids=range(len(UNKNOWN)))
def test_unknown_problem_is_named(number):
    with pytest.raises(CourseError, match="문제는 없어요"):
        check(number, 1)
