"""11의 노트북에 적힌 함수들: MMD, KL의 나눔, WAE의 항등식, AAE의 차례, 이어 하기."""

from itertools import permutations

import numpy as np
import pytest
from resuming import resumes_exactly
from scipy import optimize, special, stats

from course_utils import data, training
from course_utils.backend import keras, tf
from course_utils.lessons import load_cells

TAGS = ("prior", "networks", "vae", "learn", "split", "aae", "wae", "rulers", "identity", "random-decoder")


@pytest.fixture(scope="module")
def names():
    return load_cells("11_aae_wae", *TAGS)


def points(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


# 사전 분포 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["normal", "ring", "swiss"])
def test_prior_density_integrates_to_one_and_matches_its_samples(names, key):
    centers, sigma = names["make_prior"](key)
    side = np.linspace(-6, 6, 601)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2).astype("float32")
    density = np.concatenate([np.exp(names["log_prior"](centers, sigma, part)) for part in np.split(grid, 601)])
    assert np.isclose(density.sum() * (side[1] - side[0]) ** 2, 1, atol=1e-3)
    drawn = np.asarray(names["draw_prior"](centers, sigma, 20_000, 3))
    assert np.allclose(drawn.mean(axis=0), density @ grid / density.sum(), atol=0.03)
    assert np.isclose(np.square(drawn).sum(axis=1).mean(), density @ np.square(grid).sum(axis=1) / density.sum(), rtol=0.03)


# MMD ------------------------------------------------------------------------------------------------


def test_mmd_of_equal_samples_is_zero_on_average_and_often_negative(names):
    values = np.array([float(names["mmd2"](points(60, 2, seed=k), points(60, 2, seed=10_000 + k))) for k in range(60)])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(200)
    assert 0.3 < np.mean(values < 0) < 0.7
    shifted = float(names["mmd2"](points(60, 2), points(60, 2, seed=1) + 1))
    assert shifted > values.max()


def test_mmd_equals_the_mean_over_distinct_pairs(names):
    a, b, scale = points(5, 2), points(4, 2, seed=1), 0.7

    def k(x, y):
        return scale / (scale + np.sum((x - y) ** 2))

    expected = np.mean([k(x, y) for x, y in permutations(a, 2)]) + np.mean([k(x, y) for x, y in permutations(b, 2)])
    expected -= 2 * np.mean([k(x, y) for x in a for y in b])
    assert np.isclose(names["mmd2"](a, b, (scale,)), expected, atol=1e-5)


# VAE의 KL -------------------------------------------------------------------------------------------


def test_split_kl_recovers_information_and_mismatch(names):
    """q(z|x) = N(ρx, 1 − ρ²)이면 정보량은 −½ log(1 − ρ²)이고(두 차원이니 두 배), 어긋남은 0이에요."""
    x = stats.norm.ppf((np.arange(24) + 0.5) / 24)
    mu = 0.8 * np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)
    kl, information, mismatch = names["split_kl"](mu, np.full(mu.shape, np.log(0.36)), *names["make_prior"]("normal"))
    assert np.isclose(kl, information + mismatch)
    assert np.isclose(information, -np.log(0.36), atol=0.05) and abs(mismatch) < 0.03


def test_penalty_of_the_vae_is_the_closed_form_kl(names):
    keras.utils.set_random_seed(0)
    model = names["VAE"](names["make_prior"]("normal"), 0.08)
    mu, log_var = np.full((40_000, 2), 0.7, "float32"), np.full((40_000, 2), -1.2, "float32")
    z = mu + np.exp(log_var / 2) * points(40_000, 2)
    closed = -0.5 * np.sum(1 + log_var - mu**2 - np.exp(log_var), axis=1).mean()
    assert np.isclose(model.penalty([mu, log_var, z]), closed, rtol=0.02)


# WAE의 항등식 -----------------------------------------------------------------------------------------


def test_cheapest_encoder_with_the_right_aggregate_costs_the_transport(names):
    """하나씩 짝짓는 인코더를 모두 늘어놓은 최소 = 선형 계획으로 푼 최적 운송 = 크기순 짝짓기. 조건이 없으면 더 작거나 같아요."""
    rng = np.random.default_rng(0)
    for _ in range(10):
        x, g = rng.normal(size=(2, 5))
        cheapest = names["all_costs"](x, g).min()
        cost = (x[:, None] - g) ** 2
        marginals = np.vstack([np.kron(np.eye(5), np.ones(5)), np.kron(np.ones(5), np.eye(5))])
        plan = optimize.linprog(cost.ravel(), A_eq=marginals, b_eq=np.full(10, 0.2))  # 확률적인 인코더까지
        assert np.isclose(cheapest, plan.fun) and np.isclose(cheapest, names["w2_squared"](x, g))
        assert names["free_cost"](x, g) <= cheapest + 1e-12
    assert len(names["all_costs"](x, g)) == 120


def test_random_decoder_gives_only_an_upper_bound(names):
    """잡음이 있는 디코더: 재구성의 최소는 W₂²보다 작지 않고, 잡음이 클수록 벌어져요."""
    x, g = np.array([0.0, 2.0]), np.array([0.3, 1.7])
    bell, gaps = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000), []
    for sigma in (0.0, 0.3, 1.0):
        drawn = np.sort(np.concatenate([g[0] + sigma * bell, g[1] + sigma * bell])).reshape(2, -1)
        transport = np.mean((drawn - x[:, None]) ** 2)
        gaps.append(names["noisy_costs"](x, g, sigma).min() - transport)
    assert abs(gaps[0]) < 1e-9 and -1e-4 < gaps[1] < gaps[2] and gaps[2] > 0.3


# 자 --------------------------------------------------------------------------------------------------


def test_sliced_w1_of_a_shift_is_its_mean_projection(names):
    """u만큼 옮기면 방향마다 |u·방향|이고, 고른 방향으로 평균 내면 2‖u‖/π예요."""
    a = points(500, 2)
    assert np.isclose(names["sliced_w1"](a + np.array([3, 4]), a), 5 * 2 / np.pi, rtol=5e-3)
    assert names["sliced_w1"](a, a) < 0.01


def test_lump_shares_of_the_ring_itself(names):
    prior = names["make_prior"]("ring")
    inside, shares = names["lump_shares"](np.asarray(names["draw_prior"](*prior, 20_000, 1)), *prior)
    assert np.isclose(inside, special.gammainc(1, 4.5), atol=0.003)  # 1 − e^(−4.5)
    assert np.allclose(shares, inside / 10, atol=0.01)


# 세 모델 ---------------------------------------------------------------------------------------------


def small(names, kind):
    keras.utils.set_random_seed(0)
    model = names[kind](names["make_prior"]("ring"), names["WEIGHTS"][kind])
    model(np.zeros((1, 28, 28, 1), "float32"))
    return model


@pytest.mark.parametrize("whose", ["autoencoder", "judge"])
def test_latent_discriminator_moves_in_its_own_step_only(names, whose):
    model = small(names, "AAE")
    sgd = keras.optimizers.SGD
    model.compile(sgd(0.01 * (whose == "autoencoder")), sgd(0.01 * (whose == "judge")), jit_compile=False)
    parts = {"autoencoder": (model.encoder, model.decoder), "judge": (model.discriminator,)}
    before = {name: [v.numpy() for part in group for v in part.trainable_variables] for name, group in parts.items()}
    pictures = np.random.default_rng(0).uniform(size=(64, 28, 28, 1)).astype("float32")
    logs = model.train_step(tf.constant(pictures))
    assert np.isclose(logs["d_loss"], 2 * np.log(2), atol=0.2)
    for name, group in parts.items():
        now = [v.numpy() for part in group for v in part.trainable_variables]
        change = max(np.abs(old - new).max() for old, new in zip(before[name], now, strict=True))
        assert (change > 0) == (name == whose)


@pytest.mark.parametrize("kind", ["VAE", "AAE", "WAE"])
def test_interrupted_training_resumes_exactly(names, kind, tmp_path, capsys, monkeypatch):
    pictures = data.load("digits").x_train[:96]

    def train(run, stop):
        model = small(names, kind)
        adam = keras.optimizers.Adam
        model.compile(*([adam(1e-3), adam(1e-3)] if kind == "AAE" else [adam(1e-3)]), jit_compile=False)
        watch = names["Footprints"](pictures[:4, ..., None] / np.float32(255), [1, 2, 3, 4])
        return model, training.fit(model, pictures, 32, 4, run=run, name="ruled", callbacks=[watch, stop])

    record = resumes_exactly(train, tmp_path, capsys, monkeypatch)
    assert record["codes"].shape == (4, 4, 2)
