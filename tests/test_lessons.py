"""노트북에 적힌 함수들이 옳은지, 학생이 읽는 그 코드로 확인해요."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from course_utils.exercises import find
from course_utils.lessons import load_cells

probability = st.floats(0.001, 0.999)


@pytest.fixture(scope="module")
def names_01():
    return load_cells("01_probability", "bayes", "moments", "counting", "share", "draw", "recognise")


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
    pixels = itertools.product(range(10), range(n))  # 숫자마다 픽셀마다 하나, 그리고 p(z)
    assert names_01["n_parameters"]("by_digit", n) == len(list(pixels)) + 10 - 1


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=2, max_size=20))
def test_covariance_agrees_with_numpy(names_01, pairs):
    first, second = np.array(pairs).T
    assert np.isclose(names_01["covariance"](first, second), np.cov(first, second, ddof=0)[0, 1], atol=1e-9)


@settings(deadline=None)
@given(data=st.data(), n=st.integers(1, 4), digits=st.integers(2, 4))
def test_the_digit_posterior_is_the_joint_table_divided_by_its_sum(names_01, data, n, digits):
    """모든 그림을 늘어놓은 표로: 사후 확률과, 가려진 픽셀을 주변화한 것이 빼기만 한 것과 같아요."""
    p_on = np.array(
        data.draw(st.lists(st.lists(probability, min_size=n, max_size=n), min_size=digits, max_size=digits))
    )
    prior = np.array(data.draw(st.lists(probability, min_size=digits, max_size=digits)))
    prior /= prior.sum()
    images = np.array(list(itertools.product((0, 1), repeat=n)))
    table = prior[:, None] * np.prod(np.where(images, p_on[:, None], 1 - p_on[:, None]), axis=2)  # (숫자, 그림)
    assert np.isclose(table.sum(), 1)
    for x, joint in zip(images, table.T, strict=True):
        assert np.allclose(names_01["digit_posterior"](x, prior, p_on), joint / joint.sum())
        same = table[:, images[:, 0] == x[0]].sum(axis=1)  # 첫 픽셀만 보일 때
        assert np.allclose(names_01["digit_posterior"](x[:1], prior, p_on[:, :1]), same / same.sum())


def test_the_digit_posterior_survives_784_small_probabilities(names_01):
    belief = names_01["digit_posterior"](np.ones(784), np.array([0.5, 0.5]), np.full((2, 784), 0.01))
    assert np.allclose(belief, 0.5)


def test_a_pixel_never_seen_is_not_impossible(names_01):
    share = names_01["share_on"](np.zeros((9, 3), bool))
    assert np.allclose(share, 0.05) and names_01["share_on"](np.ones(0, bool)) == 0.5


def test_the_three_models_draw_what_they_assume():
    """뽑은 그림의 켜질 확률과 공분산이 식과 같아요(독립: 0, 마르코프: 이웃, 숫자를 먼저: 전체 공분산의 법칙)."""
    names = load_cells("01_probability", "draw")
    rng, n = np.random.default_rng(0), 10_000
    p_on = rng.uniform(0.2, 0.8, 784)
    names |= {"p_on": p_on, "after_off": np.full(784, 0.2), "after_on": np.full(784, 0.7)}
    names |= {"p_z": np.full(10, 0.1), "p_on_given_z": rng.uniform(0.1, 0.9, (10, 784))}
    alone, chain = names["draw_independent"](n, rng), names["draw_markov"](n, rng)
    painted, z = names["draw_by_digit"](n, rng)
    assert np.allclose(alone.mean(axis=0), p_on, atol=0.02) and abs(np.cov(alone[:, 5], alone[:, 6])[0, 1]) < 0.01
    assert np.isclose(chain[chain[:, 99], 100].mean(), 0.7, atol=0.02)
    assert np.isclose(chain[~chain[:, 99], 100].mean(), 0.2, atol=0.02)
    given = names["p_on_given_z"]
    assert np.allclose(np.bincount(z) / n, 0.1, atol=0.02) and np.allclose(
        painted[z == 3].mean(axis=0), given[3], atol=0.06
    )
    between = np.cov(given[:, 0], given[:, 700], ddof=0)[0, 1]  # 숫자를 알면 독립이니 평균의 공분산만 남아요
    assert np.isclose(np.cov(painted[:, 0], painted[:, 700])[0, 1], between, atol=0.01)


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


@settings(deadline=None)
@given(data=st.lists(st.tuples(st.booleans(), probability), min_size=1, max_size=12))
def test_nats_per_image_is_the_sum_over_pixels(names_02, data):
    x, p = np.array([pixel for pixel, _ in data]), np.array([chance for _, chance in data])
    assert np.isclose(names_02["nats_per_image"](x[None], p)[0], -stats.bernoulli(p).logpmf(x).sum())
    with np.errstate(divide="ignore"):  # 확률이 0인 픽셀이 켜지면 무한대, 꺼져 있으면 0나트
        assert names_02["nats_per_image"](np.array([[True], [False]]), np.zeros(1)).tolist() == [np.inf, 0]


@pytest.mark.parametrize(
    "labels, rate, from_logits, first, last",
    [((0, 1), 1.0, True, 0.693, 0.336), ((0, 1), 0.0, True, 0.693, 0.693),
     ((0, 1), 1.0, False, 8.33, 8.33), ((-1, 1), 1.0, True, 0.693, -89)],
)
def test_the_four_runs_to_diagnose_in_02(labels, rate, from_logits, first, last):
    """문제 02-3의 표: 7절의 모델을 네 가지로 학습시킨 처음과 끝의 손실."""
    rng = np.random.default_rng(3)
    extra = rng.uniform(-5, 5, 60)
    passed = np.where(rng.random(60) < 1 / (1 + np.exp(-extra)), labels[1], labels[0]).astype(float)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    loss = keras.losses.BinaryCrossentropy(from_logits=from_logits)
    model.compile(optimizer=keras.optimizers.SGD(learning_rate=rate), loss=loss)
    inputs = extra.reshape(-1, 1)
    assert np.isclose(model.evaluate(inputs, passed, verbose=0), first, rtol=2e-3)
    model.fit(inputs, passed, batch_size=60, epochs=100, verbose=0)
    assert np.isclose(model.evaluate(inputs, passed, verbose=0), last, rtol=2e-3)
    if from_logits and labels == (0, 1):  # 문제 02-2의 답을 100번 반복하면 fit과 같아요
        w = 0.0, 0.0
        for _ in range(100):
            w = find("02-2").answer(*w, extra, passed, 1 / (1 + np.exp(-w[0] - w[1] * extra)), rate)
        assert np.allclose(w, [model.get_weights()[1][0], model.get_weights()[0][0, 0]], atol=1e-4)


@pytest.fixture(scope="module")
def names_03():
    return load_cells("03_autoencoder", "scale", "mlp", "pair", "roc", "linear-ae", "nearest", "conv", "conditional")


scores = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=12).map(np.array)


@settings(deadline=None)
@given(normal=scores, anomaly=scores)
def test_area_under_the_roc_is_the_share_of_winning_pairs(names_03, normal, anomaly):
    false_alarms, found = names_03["roc"](normal, anomaly)
    gap = np.subtract.outer(anomaly, normal)
    assert np.isclose(np.trapezoid(found, false_alarms), np.mean(gap > 0) + np.mean(gap == 0) / 2)
    assert false_alarms[-1] == found[-1] == 1


@pytest.mark.parametrize(("code_size", "discarded"), [(1, 1.25), (2, 0.25)])
def test_gradient_descent_reaches_the_discarded_eigenvalues(names_03, code_size, discarded):
    turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))
    covariance = turn @ np.diag([4, 1, 0.25]) @ turn.T
    a, b, _ = names_03["descend"](covariance, code_size, np.random.default_rng(0))
    assert np.isclose(names_03["linear_loss"](a, b, covariance), discarded, atol=1e-4)


def test_scaled_digits_come_back_and_are_their_own_targets(names_03):
    images = np.arange(2 * 784).reshape(2, 28, 28).astype("uint8")
    x = names_03["scale"](images)
    assert x.min() >= -1 and x.max() <= 1 and np.allclose(names_03["unscale"](x) * 255, images, atol=1e-3)
    given, target = names_03["to_pair"](images[..., None] / np.float32(255))
    assert given is target and np.allclose(given, x, atol=1e-6)


def test_autoencoders_share_their_halves(names_03):
    """오토인코더를 학습시키면 인코더와 디코더가 학습돼요: 이어 붙인 것과 차례로 부른 것이 같아요."""
    x = np.random.default_rng(0).uniform(-1, 1, (3, 784)).astype("float32")
    for build, code_size in ((names_03["build_autoencoder"], 3), (names_03["build_conv_autoencoder"], 16)):
        encoder, decoder, whole = build()
        z = encoder(x)
        assert z.shape == (3, code_size) and np.allclose(decoder(z), whole(x), atol=1e-6)
    assert names_03["build_autoencoder"]()[2].count_params() == 219_891
    encoder, decoder, whole = names_03["build_conditional"]()
    label = np.eye(10, dtype="float32")[:3]
    z = encoder(np.hstack([x, label]))
    assert np.allclose(decoder(np.hstack([z, label])), whole([x, label]), atol=1e-6)


def test_nearest_agrees_with_sorting_all_distances(names_03):
    queries, base = np.random.default_rng(0).standard_normal((2, 20, 3))
    distance = np.linalg.norm(queries[:, None] - base, axis=2)
    assert np.array_equal(names_03["nearest"](queries, base, 5), np.argsort(distance, axis=1)[:, :5])


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


@pytest.fixture(scope="module")
def names_04():
    return load_cells("04_variational_inference", "kl", "linear-gaussian", "bounds", "climb", "gradients")


small = st.floats(-3, 3)
scale = st.floats(0.2, 3)


@settings(deadline=None, max_examples=50)
@given(mu0=small, sigma0=scale, mu1=small, sigma1=scale)
def test_gaussian_kl_is_the_integral(names_04, mu0, sigma0, mu1, sigma1):
    q, p = stats.norm(mu0, sigma0), stats.norm(mu1, sigma1)
    x = np.linspace(mu0 - 12 * sigma0, mu0 + 12 * sigma0, 20_001)
    integral = np.trapezoid(q.pdf(x) * (q.logpdf(x) - p.logpdf(x)), x)
    assert np.isclose(np.sum(names_04["kl_gaussians"](mu0, sigma0, mu1, sigma1)), integral, atol=1e-6)
    standard = names_04["kl_standard"](np.array([mu0]), np.array([2 * np.log(sigma0)]))
    assert np.isclose(standard, np.sum(names_04["kl_gaussians"](mu0, sigma0, 0.0, 1.0)))


@settings(deadline=None)
@given(x=small, m=small, s=scale, w=scale, noise=scale)
def test_elbo_plus_kl_is_the_log_evidence(names_04, x, m, s, w, noise):
    mean, sd = names_04["exact_posterior"](x, w, noise)
    gap = np.sum(names_04["kl_gaussians"](m, s, mean, sd))
    log_p = stats.norm(0, np.hypot(w, noise)).logpdf(x)
    assert np.isclose(names_04["log_evidence"](x, w, noise), log_p)
    assert np.isclose(names_04["elbo"](x, m, s, w, noise) + gap, log_p, atol=1e-6)


def test_log_mean_exp_survives_underflow(names_04):
    assert np.isclose(names_04["log_mean_exp"](np.array([-5000.0, -5000.0])), -5000)


@pytest.mark.parametrize("seed", [0, 1, 2, 42])
def test_one_sample_gradients_lead_q_to_the_posterior(names_04, seed):
    """사후 분포를 모르는 채 ELBO만 키워도, 어느 시드에서나 멀리서 출발해 사후 분포에 이르러요."""
    path = names_04["climb"](np.random.default_rng(seed).standard_normal(400))
    mean, sd = names_04["exact_posterior"](1.0, 1.0, 0.5)
    gaps = names_04["kl_gaussians"](path[:, 0], path[:, 1], mean, sd)
    assert gaps[0] > 9 and gaps[-1] < 0.07
    assert np.allclose(path[-1], (mean, sd), atol=0.1)


def test_both_gradient_estimators_are_unbiased_but_one_is_noisier(names_04):
    eps = np.random.default_rng(0).standard_normal(400_000)
    mu, sigma, step = 0.2, 0.7, 1e-4
    exact = [
        (names_04["reconstruction"](1.0, *high, 1.0, 0.5) - names_04["reconstruction"](1.0, *low, 1.0, 0.5)) / (2 * step)
        for high, low in (((mu + step, sigma), (mu - step, sigma)), ((mu, sigma + step), (mu, sigma - step)))
    ]
    spread = {}
    for name in ("reparameterized", "score_function"):
        found = np.array(names_04[name](mu, sigma, eps))
        spread[name] = found.std(axis=1)
        assert np.all(abs(found.mean(axis=1) - exact) < 5 * spread[name] / np.sqrt(len(eps)))
    assert np.all(spread["score_function"] > 1.5 * spread["reparameterized"])


def test_more_samples_tighten_the_bound(names_04):
    """ELBO ≤ IWAE ≤ log p(x): 도착지의 영화가 출발하는 q에서."""
    rng = np.random.default_rng(0)
    bounds = []
    for k in (1, 10, 100):
        z = rng.normal(-1, 1, (20_000, k))
        weights = stats.norm.logpdf(z) + stats.norm.logpdf(1, z, 0.5) - stats.norm.logpdf(z, -1, 1)
        bounds.append(names_04["iwae"](weights))
    assert np.isclose(bounds[0], names_04["elbo"](1.0, -1.0, 1.0, 1.0, 0.5), atol=0.3)
    assert bounds[0] + 1 < bounds[1] < bounds[2] < names_04["log_evidence"](1.0, 1.0, 0.5)


@pytest.fixture(scope="module")
def names_05():
    return load_cells("05_vae", "sampling", "conv", "loss", "vae", "dense", "weights", "gaussian")


def test_sampling_has_the_promised_spread_and_fresh_noise(names_05):
    shape, noise = (200_000, 1), keras.random.SeedGenerator(0)
    first, second = (
        np.asarray(names_05["sampling"]([np.full(shape, 0.7, "f4"), np.full(shape, -2.0, "f4")], noise)) for _ in "ab"
    )
    assert abs(first.mean() - 0.7) < 0.005 and abs(first.var() - np.exp(-2)) < 0.002  # 분산을 곱했다면 0.018
    assert not np.array_equal(first, second)


def test_dense_vae_has_the_published_size(names_05):
    assert names_05["dense_encoder"](20).count_params() + names_05["dense_decoder"](20).count_params() == 652_824


def test_losses_are_nats_per_image(names_05):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (3, 28, 28, 1)).astype("float32")
    p = rng.uniform(0.05, 0.95, x.shape).astype("float32")
    nats = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=(1, 2, 3))
    assert np.allclose(names_05["bernoulli_nll"](x, p), nats, rtol=1e-4)
    normal = -stats.norm(p, 0.3).logpdf(x).sum(axis=(1, 2, 3))
    assert np.allclose(names_05["gaussian_nll"](0.3)(x, p), normal, rtol=1e-4)
    mu, log_var = rng.normal(size=(2, 4, 6)).astype("float32")
    closed = 0.5 * (mu**2 + np.exp(log_var) - log_var - 1).sum(axis=1)
    assert np.allclose(names_05["kl_divergence"](mu, log_var), closed, rtol=1e-5)
    z = mu + np.exp(log_var / 2) * rng.standard_normal((200_000, 4, 6))
    ratio = stats.norm(mu, np.exp(log_var / 2)).logpdf(z) - stats.norm.logpdf(z)
    assert np.allclose(ratio.sum(axis=2).mean(axis=0), closed, atol=0.05)


def test_the_loss_is_both_terms_and_reaches_the_encoder(names_05):
    tf = names_05["tf"]
    keras.utils.set_random_seed(0)
    encoder, decoder = names_05["dense_encoder"](3, 16), names_05["dense_decoder"](3, 16)
    vae = names_05["VAE"](encoder, decoder, beta=2.0)
    x = tf.constant(np.random.default_rng(0).random((8, 28, 28, 1)), "float32")
    with tf.GradientTape() as tape:
        mu, log_var, p = vae(x)
        loss = vae.compute_loss(x=x, y_pred=(mu, log_var, p))
    parts = np.mean(names_05["bernoulli_nll"](x, p)), np.mean(names_05["kl_divergence"](mu, log_var))
    assert np.isclose(loss, parts[0] + 2 * parts[1])
    assert all(np.any(slope) for slope in tape.gradient(loss, encoder.trainable_variables))


def test_plain_fit_lowers_the_loss_and_reports_the_kl(names_05):
    keras.utils.set_random_seed(0)
    vae = names_05["VAE"](names_05["conv_encoder"](2), names_05["conv_decoder"](2))
    vae.compile(optimizer="adam", jit_compile=False)
    x = (np.random.default_rng(0).random((60, 28, 28, 1)) > 0.9).astype("float32")
    history = vae.fit(x, batch_size=20, epochs=3, verbose=0).history
    assert set(history) == {"kl", "loss"} and history["loss"][-1] < history["loss"][0] < 784 * np.log(2) + 1


def test_bounds_of_the_vae_stay_below_log_p(names_05):
    """잠재 변수가 하나면 log p(x)를 구적법으로 정확히 알 수 있어요."""
    from course_utils import metrics

    keras.utils.set_random_seed(0)
    encoder, decoder = names_05["dense_encoder"](1, 16), names_05["dense_decoder"](1, 16)
    decoder.set_weights([5 * w for w in decoder.get_weights()])  # z에 따라 그림이 크게 달라지게
    x = np.random.default_rng(0).integers(0, 2, (6, 28, 28, 1)).astype("float32")
    z = np.linspace(-8, 8, 4001, dtype="float32")
    p = np.clip(decoder.predict(z[:, None], verbose=0).reshape(len(z), 1, 784), 1e-7, 1 - 1e-7)
    flat = x.reshape(1, 6, 784)
    joint = (flat * np.log(p) + (1 - flat) * np.log1p(-p)).sum(axis=2) + stats.norm.logpdf(z)[:, None]
    log_p = np.logaddexp.reduce(joint, axis=0) + np.log(z[1] - z[0])
    weights = names_05["log_weights"](encoder, decoder)
    elbo = metrics.elbo(weights, x, samples=2_000, batch_size=4_000)
    bound = metrics.iwae_bound(weights, x, samples=20_000, batch_size=20_000)
    assert (elbo < log_p + 0.02).all() and (bound < log_p + 0.3).all()
    assert np.allclose(bound, log_p, atol=0.5) and (elbo < bound).all()
