"""17의 노트북에 적힌 함수들: 뒤집기와 log|det J|, 소음의 공식, ELBO의 항, 답을 아는 정규분포에서의 소음 맞히기와 그리기, 이어 한 학습."""

import numpy as np
import pytest
from resuming import resumes_exactly

from course_utils import data, training
from course_utils.backend import keras, tf
from course_utils.lessons import load_cells

NAME = "17_flow_diffusion"
TAGS = (
    "coupling", "cosine", "posterior", "toy-network", "denoiser", "walk", "flow-matching", "picture-network", "painter", "train",
    "ddpm-painter", "digit-flow", "minus-elbo",
)
ops = keras.ops


@pytest.fixture(scope="module")
def cells():
    return load_cells(NAME, *TAGS)


@pytest.fixture
def small(cells, monkeypatch):
    """그림의 신경망을 작은 것으로 바꿔요: 여기서 보는 것은 신경망이 아니에요."""
    layers = keras.layers

    def network():
        x, angle, digit = keras.Input((28, 28, 1)), keras.Input((1,)), keras.Input((), dtype="int32")
        told = layers.Dense(1)(cells["Waves"]()(angle)) + layers.Embedding(11, 1)(digit)
        return keras.Model([x, angle, digit], layers.Conv2D(1, 3, padding="same")(x) + layers.Reshape((1, 1, 1))(told))

    monkeypatch.setitem(cells, "picture_network", network)


def shake(model, scale=0.3):
    """0에서 시작한 마지막 층까지 흔들어 아무 일도 하지 않는 모델이 아니게 해요."""
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(variable + scale * rng.normal(size=variable.shape) / np.sqrt(max(1, np.prod(variable.shape[:-1]))))
    return model


def jacobian_log_det(call, x):
    """자동 미분으로 구한, 점마다의 log|det ∂z/∂x|."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        z = tf.reshape(call(x), (len(x), -1))
    size = int(np.prod(x.shape[1:]))
    return np.linalg.slogdet(np.reshape(tape.batch_jacobian(z, x), (len(x), size, size)))[1]


def way_of(cells, name):
    return cells[name], lambda t: tuple(float(value) for value in cells[name](t))


def test_coupling_flow_goes_back_and_its_log_det_is_autograds(cells):
    flow, x = cells["CouplingFlow"](), np.random.default_rng(1).normal(size=(100, 2))
    flow(x)
    shake(flow)
    z, log_det = flow(x)
    assert np.abs(z - x).max() > 0.1 and np.abs(log_det).max() > 0.1
    assert np.allclose(flow.inverse(z), x, atol=1e-5)
    assert np.allclose(jacobian_log_det(lambda x: flow(x)[0], x), log_det, atol=1e-5)
    wanted = -0.5 * np.sum(np.square(z), axis=1) - np.log(2 * np.pi) + np.asarray(log_det)
    assert np.allclose(flow.log_density(x), wanted)


def test_fitting_a_gaussian_by_a_flow_finds_its_entropy(cells, eager):
    """상관이 있는 정규분포: 정답인 두 층(늘리기와 밀기)의 −log p는 엔트로피와 같아요."""
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(size=50_000), 0.5 * rng.normal(size=50_000)], axis=1)
    flow = cells["CouplingFlow"](1)
    flow(x[:1])
    last = flow.couplings[0].network.layers[-1]
    last.bias.assign([2 * np.arctanh(np.log(2) / 2), 0.0])  # s = log 2: 둘째 좌표를 두 배로
    entropy = np.log(2 * np.pi * np.e) + np.log(0.5)
    assert np.isclose(-np.mean(flow.log_density(x)), entropy, atol=0.02)


def test_conv_coupling_goes_back_and_its_log_det_is_autograds(cells):
    layer = cells["ConvCoupling"]((3, 3, 4), [2, 0, 3, 1], 8, 3)
    x = np.random.default_rng(2).normal(size=(5, 3, 3, 4)).astype("float32")
    layer(x)
    shake(layer)
    z, log_det = layer(x)
    kept = np.asarray(z)[..., [2, 0]]
    assert np.array_equal(kept, x[..., [2, 0]]) and np.abs(log_det).max() > 0.1
    assert np.allclose(layer.inverse(z), x, atol=1e-5)
    assert np.allclose(jacobian_log_det(lambda x: layer(x)[0], x), log_det, atol=1e-4)


def test_digit_flow_goes_back_and_uniform_bytes_cost_eight_bits(cells):
    images = data.load("digits").x_train[:40]
    flow = cells["DigitFlow"](images, count=2)
    x = np.float32(images[:4, ..., None]) + np.random.default_rng(0).uniform(size=(4, 28, 28, 1)).astype("float32")
    z, log_det = flow(x)
    assert z.shape == (4, 7, 7, 16) and np.abs(flow.inverse(z) - x).max() < 0.05
    _, slope = flow.to_logit(tf.constant(x))
    p = 0.05 + 0.9 * x / 256
    assert np.allclose(slope, np.log(0.9 / 256 / (p * (1 - p))), atol=1e-4)
    wanted = np.sum(np.asarray(slope) - np.log(flow.size), axis=(1, 2, 3))  # 커플링이 아직 0이라 로짓과 눈금만
    assert np.allclose(log_det, wanted, rtol=1e-4)


@pytest.mark.parametrize("name", ["cosine", "straight"])
def test_ways_start_at_the_picture_and_end_at_noise(cells, name):
    way = way_of(cells, name)[1]
    assert np.allclose(way(0.0), (1, 0), atol=1e-6) and np.allclose(way(1.0), (0, 1), atol=1e-6)
    a, b = way(0.3)
    assert np.isclose(a**2 + b**2 if name == "cosine" else a + b, 1, atol=1e-6)


def test_closed_form_has_the_moments_of_the_chain(cells):
    """하나하나 더한 소음: 평균 a·x₀, 분산 b². 식으로 끝까지 셈해 견줘요."""
    way = way_of(cells, "cosine")[1]
    mean, variance = 1.5, 0.0
    for k in range(1, 51):
        (a, _), (before, _) = way(k / 50), way((k - 1) / 50)
        mean, variance = mean * a / before, (a / before) ** 2 * variance + 1 - (a / before) ** 2
        assert np.isclose(mean, a * 1.5, atol=1e-5) and np.isclose(variance, way(k / 50)[1] ** 2, atol=1e-5)


def test_posterior_is_the_conditional_of_the_joint_gaussian(cells):
    """(x_s, x_t)의 결합 정규분포에서 조건부 평균과 분산을 공식으로."""
    rng = np.random.default_rng(0)
    for name in ("cosine", "straight"):
        way = way_of(cells, name)[1]
        for _ in range(20):
            s, t = np.sort(rng.uniform(0.05, 1, 2))
            x_t, x_0 = rng.normal(size=2)
            (a_s, b_s), (a_t, b_t) = way(s), way(t)
            cross = a_t / a_s * b_s**2
            mean, variance = cells["posterior"](x_t, x_0, a_t, b_t, a_s, b_s)
            assert np.isclose(mean, a_s * x_0 + cross / b_t**2 * (x_t - a_t * x_0), atol=1e-4)
            assert np.isclose(variance, b_s**2 - cross**2 / b_t**2, atol=1e-5)


def test_elbo_term_is_the_drop_in_snr_and_the_weighted_noise_error(cells):
    rng = np.random.default_rng(1)
    for _ in range(20):
        s, t = np.sort(rng.uniform(0.1, 0.9, 2))
        (a_s, b_s), (a_t, b_t) = ((np.cos(np.pi * u / 2), np.sin(np.pi * u / 2)) for u in (s, t))
        x_0, guess, noise = rng.normal(size=3)
        x_t = a_t * x_0 + b_t * noise
        (mean, variance), (other, _) = (cells["posterior"](x_t, x, a_t, b_t, a_s, b_s) for x in (x_0, guess))
        kl = (mean - other) ** 2 / (2 * variance)
        snr_s, snr_t = a_s**2 / b_s**2, a_t**2 / b_t**2
        noise_guess = (x_t - a_t * guess) / b_t
        assert np.isclose(kl, 0.5 * (snr_s - snr_t) * (x_0 - guess) ** 2)
        assert np.isclose(kl, 0.5 * (snr_s / snr_t - 1) * (noise - noise_guess) ** 2)


class Nothing(keras.Model):
    """F = w·y + c. w = c = 0이면 데이터가 N(0, 1)일 때의 정답이에요."""

    def __init__(self):
        super().__init__()
        self.w, self.c = (self.add_weight(shape=(), initializer="zeros", name=name) for name in "wc")

    def call(self, inputs):
        return self.w * inputs[0] + self.c


@pytest.mark.parametrize(("kind", "name"), [("Denoiser", "cosine"), ("FlowMatching", "straight")])
def test_loss_is_smallest_at_the_known_answer_of_a_gaussian(cells, kind, name):
    """N(0, 1)의 데이터: E[x₀ | y] = cosφ·y, E[ε | y] = sinφ·y가 나오고, 손실은 거기서 가장 작아요."""
    model, rng = cells[kind](Nothing(), cells[name]), np.random.default_rng(0)
    x0, noise = rng.normal(size=(2, 200_000, 1)).astype("float32")
    a, b = (np.broadcast_to(np.asarray(part), x0.shape) for part in cells[name](rng.uniform(0.02, 1, x0.shape).astype("float32")))
    x = a * x0 + b * noise
    guesses = model.solve(x, a, b)
    assert np.allclose(guesses[0], a * x / (a**2 + b**2), atol=1e-5) and np.allclose(guesses[1], b * x / (a**2 + b**2), atol=1e-5)

    def loss(w, c):
        model.network.w.assign(w)
        model.network.c.assign(c)
        return float(ops.mean(model.error(x0, noise, *model.solve(x, a, b)) ** 2))

    best = loss(0.0, 0.0)
    assert all(loss(w, c) > best for w, c in ((0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1)))


def gaussian_solve(scale, shift):
    """데이터가 N(shift, scale²)일 때의 정답인 짐작 둘."""

    def solve(x, a, b):
        x0 = shift + a * scale**2 / (a**2 * scale**2 + b**2) * (x - a * shift)
        return x0, (x - a * x0) / tf.maximum(b, 1e-9)

    return solve


@pytest.mark.parametrize("name", ["cosine", "straight"])
@pytest.mark.parametrize("fresh", [False, True])
def test_samplers_reproduce_a_gaussian_with_a_known_answer(cells, name, fresh):
    noise = np.random.default_rng(0).normal(size=(20_000, 1))
    generator = np.random.default_rng(1) if fresh else None
    drawn = cells["walk"](gaussian_solve(0.4, -1.3), cells[name], noise, np.linspace(1, 0, 301), generator)[-1]
    assert np.isclose(drawn.mean(), -1.3, atol=0.02) and np.isclose(drawn.std(), 0.4, rtol=0.04)


def test_one_step_from_any_noise_is_the_mean_of_the_data(cells):
    points = np.array([[-1.0, 0.0], [3.0, 1.0], [3.0, 1.0], [3.0, -2.0]])

    def solve(x, a, b):
        weight = tf.nn.softmax(-tf.reduce_sum((x[:, None] - a[:, None] * points) ** 2, axis=-1) / (2 * b**2))
        x0 = tf.cast(weight, "float64") @ points
        return x0, (x - a * x0) / b

    noise = np.random.default_rng(0).normal(size=(50, 2))
    path = cells["walk"](lambda x, a, b: solve(x.astype("float64"), tf.cast(a, "float64"), tf.cast(b, "float64")), cells["straight"],
                         noise, np.linspace(1, 0, 2))
    assert np.allclose(path[-1], points.mean(axis=0), atol=1e-5)


def test_eulers_step_on_the_straight_way_is_ddims(cells):
    keras.utils.set_random_seed(0)
    model = cells["FlowMatching"](cells["toy_network"](), cells["straight"])
    x = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
    path = cells["walk"](model.solve, cells["straight"], x, [0.8, 0.5])
    x0, noise = model.solve(x, tf.fill((20, 1), 0.2), tf.fill((20, 1), 0.8))
    assert np.allclose(path[-1], x - 0.3 * (noise - x0), atol=1e-5)


def test_elbo_of_the_exact_model_is_the_entropy(cells):
    """N(0, I)의 데이터와 정답인 모델: −ELBO는 2차원의 엔트로피예요."""
    model = cells["Denoiser"](Nothing(), cells["cosine"])
    x0 = np.random.default_rng(0).normal(size=(300_000, 2)).astype("float32")
    nats = cells["minus_elbo"](model.solve, x0, np.random.default_rng(1))
    assert np.isclose(nats, np.log(2 * np.pi * np.e), atol=0.04)


def test_grid_walks_from_noise_to_picture_and_denser_at_noise(cells):
    for n in (1, 2, 15):
        times = cells["draw_grid"](n)
        assert len(times) == n + 1 and times[0] == 1 and times[-1] == 0 and (np.diff(times) < 0).all()
    assert cells["draw_grid"](10)[1] > 0.9 and np.allclose(cells["draw_grid"](4, shift=1.0), np.linspace(1, 0, 5))


def test_painters_draw_times_inside_and_as_often_as_told(cells, small):
    keras.utils.set_random_seed(0)
    for kind, name, middle in (("Painter", "straight", 0.668), ("DDPMPainter", "cosine", 0.707)):
        times = np.asarray(cells[kind](cells[name]).draw_times(20_000)).ravel()
        assert times.min() >= 0 and times.max() <= 1 and np.isclose(np.median(times), middle, atol=0.02)


def test_interrupted_training_resumes_exactly(cells, small, tmp_path, capsys, monkeypatch, eager):
    digits = data.load("digits")

    def train(run, stop):
        keras.utils.set_random_seed(0)
        cells.update(x_train=digits.x_train[:64], y_train=digits.y_train[:64])
        model = cells["Painter"](cells["straight"])
        optimizer = keras.optimizers.Adam(1e-3)
        optimizer.build(model.network.trainable_variables)
        model.compile(optimizer, jit_compile=False)
        numbers = np.arange(64, dtype="float32")
        return model, training.fit(model, numbers, 4, 4, run=run, name="p", steps_per_epoch=1, prepare=cells["with_digit"], callbacks=[stop])

    resumes_exactly(train, tmp_path, capsys, monkeypatch)


def test_picture_network_starts_at_the_gaussian_answer_and_takes_every_label(cells):
    """마지막 층이 0에서 시작하니 F = 0: 데이터가 N(0, I)일 때의 정답에서 출발해요."""
    model = cells["Painter"](cells["straight"])
    x, digit = np.random.default_rng(0).normal(size=(11, 28, 28, 1)).astype("float32"), tf.range(11)
    a, b = tf.fill((11, 1, 1, 1), 0.4), tf.fill((11, 1, 1, 1), 0.6)
    x0, noise = model.solve(x, a, b, digit)
    assert np.allclose(x0, 0.4 * x / 0.52, atol=1e-5) and np.allclose(noise, 0.6 * x / 0.52, atol=1e-5)
    assert np.allclose(0.4 * x0 + 0.6 * noise, x, atol=1e-5)
