"""연습문제: 해답은 통과하고, 흔한 오답에는 저마다의 힌트가 나오고, 읽지 못한 답에는 까닭을 말해요."""

import importlib
from decimal import Decimal
from fractions import Fraction

import keras
import numpy as np
import pytest
from helpers import ROOT

from course_utils import CourseError, exercises
from course_utils.exercises import RIGHT, UNREADABLE, UNTOUCHED, WRONG, check, evaluate

PROBLEMS = {
    number: problem
    for file in sorted((ROOT / "course_utils/exercises").glob("lesson_*.py"))
    for number, problem in importlib.import_module(f"course_utils.exercises.{file.stem}").PROBLEMS.items()
}


@pytest.mark.parametrize("number", PROBLEMS)
def test_the_solution_passes_and_each_mistake_gets_its_own_hint(number):
    problem = PROBLEMS[number]
    assert evaluate(number, problem.answer) == (RIGHT, f"맞아요! {problem.why}")
    for wrong, hint in problem.mistakes:
        assert evaluate(number, wrong) == (WRONG, hint)


class Broken:
    def __array__(self, *arguments, **options):
        raise RuntimeError


UNREADABLES = {
    "글": ("두 개", "따옴표"),
    "0으로 나눈 글": ("1/0", "1/36"),
    "없음": (None, "return"),
    "부르지 않은 함수": (abs, "괄호"),
    "자료형": (float, "괄호"),
    "모델": (keras.Sequential(), "괄호"),
    "NaN": (np.nan, "NaN"),
    "무한대": ([np.inf], "무한대"),
    "복소수": (1j, "complex"),
    "복소수 배열": (np.array([1j]), "ndarray"),
    "글의 목록": (["가"], "list"),
    "들쭉날쭉한 목록": ([[1], [2, 3]], "list"),
    "사전": ({"x": 1}, "dict"),
    "집합": ({1}, "set"),
    "생성기": ((i for i in range(3)), "generator"),
    "큰 정수": (10**400, "int"),
    "값이 없는 텐서": (keras.Input((3,)), "KerasTensor"),
    "읽으면 오류가 나는 값": (Broken(), "Broken"),
}


@pytest.mark.parametrize("value, word", UNREADABLES.values(), ids=UNREADABLES)
def test_what_cannot_be_read_is_said_kindly(value, word):
    for number, answer in (("01-1", value), ("01-3", lambda *given: value)):
        mark, message = evaluate(number, answer)
        assert mark == UNREADABLE and word in message and PROBLEMS[number].form in message


@pytest.mark.parametrize("value, size", [([1, 2, 3], 3), ([], 0), (range(5), 5), (np.zeros(10**6), 10**6)])
def test_a_wrong_count_is_said(value, size):
    mark, message = evaluate("01-1", value)
    assert mark == UNREADABLE and f"값이 {size}개예요" in message
    assert evaluate("01-3", lambda *given: value)[0] == WRONG


@pytest.mark.parametrize(
    "function, words",
    [
        (lambda *given: given[99], "IndexError"),
        (lambda x: 1, "TypeError"),
        (lambda *given: 1 / 0, "ZeroDivisionError"),
        (lambda *given: exit(), "SystemExit"),
        (0.25, "함수가 아니에요"),
    ],
)
def test_a_function_that_fails_shows_its_error(function, words):
    mark, message = evaluate("01-3", function)
    assert mark == UNREADABLE and words in message


def test_functions_that_change_their_inputs_change_nothing():
    def spoil(*arguments):
        for argument in arguments:
            if isinstance(argument, list):
                argument.clear()
            if isinstance(argument, np.ndarray):
                argument[...] = 0
        return 0.0

    for number, problem in PROBLEMS.items():
        if problem.inputs:
            evaluate(number, spoil)
            assert evaluate(number, problem.answer)[0] == RIGHT


@pytest.mark.parametrize("text", ["2/11", " 2 / 11 ", "0.181818", "0,181818", ".181818", "18.1818%", "1.81818e-1", "+2/11"])
def test_numbers_may_be_spelled(text):
    assert evaluate("01-1", text)[0] == RIGHT


def test_a_comma_for_the_decimal_point_is_explained():
    mark, message = evaluate("01-1", (0, 18))  # answer = 0,18
    assert mark == UNREADABLE and "0.5" in message


def test_thousands_and_minus_signs_are_read():
    assert exercises._spelled("3,025") == 3025 and exercises._spelled("−0,5") == -0.5


@pytest.mark.parametrize("number", PROBLEMS)
def test_who_is_stuck_gets_the_first_step(number, capsys):
    check(number, hint=True)
    assert capsys.readouterr().out == f"💡 {number}: {PROBLEMS[number].nudge}\n"


def test_untouched_answers_say_so(capsys):
    check("01-1")
    assert "✏️ 01-1: 아직 답이 없어요" in capsys.readouterr().out
    assert evaluate("01-1", ...)[0] == UNTOUCHED
    assert evaluate("01-1", [..., 1])[0] == UNTOUCHED
    assert evaluate("01-3", lambda *given: ...)[0] == UNTOUCHED
    assert evaluate("01-3", lambda x, *others: ... + x.sum())[0] == UNTOUCHED  # 빈칸 하나를 남겼어요


@pytest.mark.parametrize("form", [float, Fraction, Decimal, np.float32, keras.ops.convert_to_tensor])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: np.array([[x]])])
def test_answers_may_be_any_kind_of_number_alone_or_in_a_list(form, wrap):
    assert evaluate("01-1", wrap(form(2 / 11)))[0] == RIGHT


@pytest.mark.parametrize("number", ["01-9", "98-1", "1", "", None, 1, ["01-1"]])
def test_unknown_problem_is_named(number):
    with pytest.raises(CourseError, match="문제는 없어요"):
        check(number, 1)
