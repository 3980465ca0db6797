"""노트북에 적힌 함수들이 옳은지, 학생이 읽는 그 코드로 확인해요."""

import itertools

import numpy as np
import pytest
from conftest import load_cells
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

probability = st.floats(0.001, 0.999)


@pytest.fixture(scope="module")
def names_01():
    return load_cells("01_probability", "bayes", "moments", "counting")


@settings(deadline=None)
@given(prior=probability, hit=probability, false_alarm=probability)
def test_posterior_equals_the_joint_table(names_01, prior, hit, false_alarm):
    table = np.array([[prior * hit, prior * (1 - hit)], [(1 - prior) * false_alarm, (1 - prior) * (1 - false_alarm)]])
    assert np.isclose(names_01["posterior"](prior, hit, false_alarm), table[0, 0] / table[:, 0].sum())


@settings(deadline=None)
@given(weights=st.lists(st.floats(0.01, 1), min_size=2, max_size=8), shift=st.floats(-50, 50))
def test_moments_agree_with_scipy(names_01, weights, shift):
    p = np.array(weights) / sum(weights)
    values = np.arange(len(p)) + round(shift)
    law = stats.rv_discrete(values=(values, p))
    assert np.allclose(names_01["moments"](values, p), (law.mean(), law.var()), atol=1e-8)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_parameter_counts_by_listing_them(names_01, n):
    """매개변수를 하나하나 늘어놓아 세어 봐요: 자리마다, 그 자리가 보는 과거마다 하나."""
    pasts = {
        "table": lambda i: itertools.product((0, 1), repeat=i),
        "markov": lambda i: itertools.product((0, 1), repeat=min(i, 1)),
        "independent": lambda i: [()],
    }
    for kind, past in pasts.items():
        assert names_01["n_parameters"](kind, n) == sum(len(list(past(i))) for i in range(n))
