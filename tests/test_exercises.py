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


@pytest.mark.parametrize("number", PROBLEMS)
@pytest.mark.parametrize("answer", [
    None, "1/18", [], {}, object(), np.nan, np.inf, [1, 2, 3], np.zeros(10**6), range(10**12), lambda: 1,
    lambda *a: None, lambda *a: 1 / 0, lambda *a: "x", 1e300, 10**400, 1j, b"1", np.array([None]), print,
])  # fmt: skip
def test_any_answer_gets_a_message(number, answer):
    status, message = evaluate(number, answer)
    assert status in (UNREADABLE, WRONG) and len(message) > 10


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


@pytest.mark.parametrize("number", ["01-9", "99-1", "1", "../x", None, "os-1"])
def test_unknown_problem_is_named(number):
    with pytest.raises(CourseError, match="문제는 없어요"):
        check(number, 1)
