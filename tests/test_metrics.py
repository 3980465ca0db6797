"""지표: 답을 아는 모델에서 닫힌 식과 견줘요."""

import os

import numpy as np
import pytest
from scipy import linalg, stats

from course_utils import CourseError, data, metrics

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
    found = metrics.elbo(model(lambda x: 0 * x + 0.2, sd), x, samples=50, batch_size=50_000).mean()
    s2, gap = POSTERIOR_VARIANCE, 0.2 - exact(1.3)
    kl = 0.5 * (sd**2 / s2 + gap**2 / s2 - 1 - np.log(sd**2 / s2))
    assert found + kl == pytest.approx(LOG_P(1.3), abs=0.02)


def test_iwae_climbs_to_log_p_and_stays_below():
    x = np.full(3_000, 1.3)
    weights = model(lambda x: 0 * x, 1.0)
    found = [metrics.iwae_bound(weights, x, samples, batch_size=100_000).mean() for samples in (1, 5, 50, 500)]
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


def rng_features(count, mean, covariance, seed):
    return np.random.default_rng(seed).multivariate_normal(mean, covariance, count)


def test_frechet_distance_of_gaussians_is_the_closed_form():
    """대각 공분산이면 Σ(m₁−m₂)² + Σ(σ₁−σ₂)². 돌려놓아도 거리는 같아요(회전에 변하지 않음)."""
    m1, m2, s1, s2 = np.array([0.0, 1, 2]), np.array([1.0, 1, 0]), np.array([1.0, 2, 0.5]), np.array([2.0, 1, 0.5])
    rotation = stats.special_ortho_group.rvs(3, random_state=0)
    a = rng_features(200_000, m1, np.diag(s1**2), 0) @ rotation
    b = rng_features(200_000, m2, np.diag(s2**2), 1) @ rotation
    expected = np.sum((m1 - m2) ** 2) + np.sum((s1 - s2) ** 2)
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=0.01)
    assert metrics.frechet_distance(a, b) == pytest.approx(metrics.frechet_distance(b, a))


def test_frechet_distance_agrees_with_an_independent_square_root():
    """서로 교환되지 않는 공분산에서, 일반 행렬 제곱근(SciPy)으로 쓴 식과 같아요."""
    rng = np.random.default_rng(2)
    a, b = (rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=6) for _ in range(2))
    s1, s2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    trace = np.trace(s1 + s2 - 2 * linalg.sqrtm(s1 @ s2).real)
    assert metrics.frechet_distance(a, b) == pytest.approx(np.sum((a.mean(0) - b.mean(0)) ** 2) + trace)


def test_frechet_distance_survives_singular_covariances():
    a = np.random.default_rng(3).normal(size=(1000, 2)) @ np.ones((2, 5))  # 계수 1
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert metrics.frechet_distance(a, a + 1) == pytest.approx(5)


def test_frechet_distance_warns_and_refuses(capsys):
    small = np.random.default_rng(0).normal(size=(50, 8))
    metrics.frechet_distance(small, small)
    assert "적어요" in capsys.readouterr().out
    with pytest.raises(CourseError, match="NaN"):
        metrics.frechet_distance(small, np.full((50, 8), np.nan))
    with pytest.raises(CourseError, match="모양"):
        metrics.frechet_distance(small, small[:, :3])


def test_precision_and_recall_tell_quality_from_coverage():
    rng = np.random.default_rng(0)
    real = np.concatenate([rng.normal(size=(500, 2)), rng.normal(size=(500, 2)) + 50])
    collapsed = rng.normal(size=(1000, 2))  # 봉우리 하나만: 진짜답지만 절반을 놓쳐요
    spread = np.concatenate([real[:500] + 0.01, rng.normal(size=(500, 2)) + 500])
    precision, recall = metrics.precision_recall(real, collapsed)
    assert precision > 0.9 and recall == pytest.approx(0.5, abs=0.05)
    precision, recall = metrics.precision_recall(real, spread)
    assert precision == pytest.approx(0.5, abs=0.05)
    assert metrics.precision_recall(real, real) == (1, 1)


def test_nearest_finds_the_copied_image():
    references = data.load("digits").x_train[:200] / 255
    distances, index = metrics.nearest(references[[17, 3]], references)
    assert list(index) == [17, 3] and list(distances) == [0, 0]
    distances, index = metrics.nearest(references[:5], references[5:50])
    by_hand = np.linalg.norm(references[0] - references[5:50], axis=(1, 2))
    assert distances[0] == pytest.approx(by_hand.min(), rel=1e-4) and index[0] == by_hand.argmin()


def test_digit_classifier_knows_digits(capsys):
    digits = data.load("digits")
    features, probabilities = metrics.digit_features(digits.x_test)
    assert features.shape == (300, 64) and np.allclose(probabilities.sum(axis=1), 1, atol=1e-4)
    assert (probabilities.argmax(axis=1) == digits.y_test).mean() > 0.97
    assert np.array_equal(metrics.digit_features(digits.x_test[..., None] / 255)[1].argmax(1), probabilities.argmax(1))
    for bad in (digits.x_test[0], digits.x_test * 2.0 - 1, np.full((2, 28, 28), np.nan), np.zeros((0, 28, 28))):
        with pytest.raises(CourseError):
            metrics.digit_features(bad)


@pytest.mark.skipif("COURSE_MNIST" not in os.environ, reason="COURSE_MNIST에 진짜 MNIST가 있을 때만")
def test_digit_classifier_on_mnist():
    mnist = data.load("mnist")
    _, probabilities = metrics.digit_features(mnist.x_test)
    assert (probabilities.argmax(axis=1) == mnist.y_test).mean() >= 0.99


def test_sample_evaluator_ranks_samples():
    digits = data.load("digits")
    evaluator = metrics.SampleEvaluator(np.concatenate([digits.x_train, digits.x_test]))
    rng = np.random.default_rng(0)
    real = digits.x_train[rng.permutation(len(digits.x_train))[: evaluator.count]] / 255
    noisy = np.clip(real + 0.3 * rng.normal(size=real.shape), 0, 1)
    only_ones = digits.x_train[rng.choice(np.flatnonzero(digits.y_train == 1), evaluator.count)]
    good, bad, collapsed = evaluator(real), evaluator(noisy), evaluator(only_ones)
    assert good["times_floor"] < 2 and good["classes"] == 10 and good["confident"] > 0.9
    assert good["entropy"] == pytest.approx(np.log(10), abs=0.05)
    assert bad["fid"] > 5 * good["fid"] and bad["precision"] < good["precision"]
    assert collapsed["classes"] == 1 and collapsed["entropy"] < 0.2 and collapsed["recall"] < 0.3
    with pytest.raises(CourseError, match="898장"):
        evaluator(real[:100])
