"""지표: 답을 아는 모델에서 닫힌 식과 견줘요."""

import numpy as np
import pytest
from scipy import stats

from course_utils import CourseError, metrics

W, NOISE = 1.5, 0.8  # z ~ N(0, 1), x | z ~ N(W z, NOISE²)
LOG_P = stats.norm(0, np.hypot(W, NOISE)).logpdf
POSTERIOR_VARIANCE = 1 / (1 + W**2 / NOISE**2)


def model(mean_of, sd, seed=0):
    """q(z | x) = N(mean_of(x), sd²)일 때의 log w."""
    rng = np.random.default_rng(seed)

    def log_weights(x, samples):
        q = stats.norm(mean_of(x), sd)
        z = q.mean() + sd * rng.standard_normal((samples, len(x)))
        return stats.norm(W * z, NOISE).logpdf(x) + stats.norm.logpdf(z) - q.logpdf(z)

    return log_weights


def exact(x):
    return W / NOISE**2 * POSTERIOR_VARIANCE * x


def test_bounds_are_exact_when_q_is_the_posterior():
    x = np.linspace(-4, 4, 37)
    for samples in (1, 7):
        weights = model(exact, POSTERIOR_VARIANCE**0.5)
        assert np.allclose(metrics.elbo(weights, x, samples, batch_size=10), LOG_P(x))
        assert np.allclose(metrics.iwae_bound(weights, x, samples, batch_size=10), LOG_P(x))


def test_elbo_plus_kl_is_log_p():
    x, sd = np.full(4_000, 1.3), 0.9
    found = metrics.elbo(model(lambda x: 0 * x + 0.2, sd), x, samples=50).mean()
    s2, gap = POSTERIOR_VARIANCE, 0.2 - exact(1.3)
    kl = 0.5 * (sd**2 / s2 + gap**2 / s2 - 1 - np.log(sd**2 / s2))
    assert found + kl == pytest.approx(LOG_P(1.3), abs=0.02)


def test_iwae_climbs_to_log_p_and_stays_below():
    x = np.full(3_000, 1.3)
    weights = model(lambda x: 0 * x, 1.0)
    found = [metrics.iwae_bound(weights, x, samples).mean() for samples in (1, 5, 50, 500)]
    assert found == sorted(found) and found[-1] < LOG_P(1.3) + 0.005
    assert found[-1] == pytest.approx(LOG_P(1.3), abs=0.02)
    assert found[0] == pytest.approx(metrics.elbo(weights, x).mean(), abs=0.2)


def test_huge_negative_weights_do_not_underflow():
    found = metrics.iwae_bound(lambda x, k: np.full((k, len(x)), -5000.0), np.zeros(3), 50)
    assert np.allclose(found, -5000)


def test_wrong_arguments_are_named():
    with pytest.raises(CourseError, match="samples=0"):
        metrics.elbo(model(exact, 1.0), np.zeros(3), samples=0)
    with pytest.raises(CourseError, match=r"\(3, 5\)"):
        metrics.iwae_bound(lambda x, k: np.zeros((len(x), k)), np.zeros(3), 5)
