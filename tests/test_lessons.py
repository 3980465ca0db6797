"""노트북에 적힌 함수들이 옳은지, 학생이 읽는 그 코드로 확인해요."""

import itertools

import numpy as np
import pytest
from helpers import load_cells
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


@pytest.fixture(scope="module")
def names_02():
    return load_cells("02_likelihood", "likelihood")


numbers = st.floats(-50, 50)
positive = st.floats(0.05, 20)


@settings(deadline=None)
@given(x=st.lists(numbers, min_size=1, max_size=20), mu=numbers, sigma=positive)
def test_normal_log_likelihood_agrees_with_scipy(names_02, x, mu, sigma):
    x = np.array(x)
    assert np.isclose(names_02["normal_log_likelihood"](x, mu, sigma), stats.norm(mu, sigma).logpdf(x).sum())


@settings(deadline=None)
@given(x=st.lists(numbers, min_size=3, max_size=20), mu=numbers, sigma=positive)
def test_no_normal_beats_the_closed_form_mle(names_02, x, mu, sigma):
    x = np.array(x)
    best = names_02["normal_mle"](x)
    if best[1] > 1e-3:  # 모두 같은 데이터에는 꼭대기가 없어요
        likelihood = names_02["normal_log_likelihood"]
        assert likelihood(x, *best) >= likelihood(x, mu, sigma) - 1e-9


@settings(deadline=None)
@given(weights=st.lists(st.tuples(positive, positive), min_size=2, max_size=9))
def test_cross_entropy_is_entropy_plus_kl(names_02, weights):
    p, q = np.array(weights).T
    p, q = p / p.sum(), q / q.sum()
    kl = names_02["kl_divergence"](p, q)
    assert kl >= -1e-12 and np.isclose(kl, stats.entropy(p, q))
    assert np.isclose(names_02["cross_entropy"](p, q), stats.entropy(p) + kl)


@settings(deadline=None)
@given(p=probability, y=st.sampled_from([0, 1]))
def test_binary_cross_entropy_is_the_bernoulli_likelihood(names_02, p, y):
    loss = names_02["binary_cross_entropy"](np.array([y]), np.array([p]))
    assert np.isclose(np.mean(loss), -stats.bernoulli(p).logpmf(y))


@pytest.fixture(scope="module")
def names_00():
    return load_cells("00_introduction", "world", "models", "em")


def test_densities_of_lesson_00_integrate_to_one(names_00):
    visitors = names_00["visit"](300, np.random.default_rng(0))
    grid = np.linspace(-20, 50, 7_001)
    models = [names_00["KDE"](visitors[:50], 0.3), names_00["Mixture"](*np.array([[0.3, 0.7], [10, 20], [1, 2]]))]
    for density in (names_00["true_density"], *(model.density for model in models)):
        assert np.isclose(np.trapezoid(density(grid), grid), 1, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), center=st.tuples(st.floats(8, 14), st.floats(15, 22)))
def test_em_never_lowers_the_likelihood(names_00, seed, center):
    x = names_00["visit"](80, np.random.default_rng(seed))
    guess = (np.array([0.5, 0.5]), np.array(center), np.array([2.0, 2.0]))
    before = -np.inf
    for _ in range(8):
        now = np.log(names_00["Mixture"](*guess).density(x)).mean()
        assert now >= before - 1e-9
        before, guess = now, names_00["em_step"](x, *guess)
