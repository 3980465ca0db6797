"""06–09의 노트북에 적힌 함수들: 누가 움직이는지, 값이 닫힌 식과 같은지, 이어 한 학습이 끊기지 않은 것과 같은지."""

import itertools

import numpy as np
import pytest
from scipy import optimize, stats

from course_utils import callbacks, data, metrics, samples, training
from course_utils.backend import keras, tf
from course_utils.lessons import load_cells
from course_utils.runtime import Run

SGD = keras.optimizers.SGD


@pytest.fixture(scope="module")
def names_06():
    return load_cells("06_gan", "optimal", "networks", "gan")


def test_optimal_discriminator_beats_every_other(names_06):
    rng = np.random.default_rng(0)
    for p, q in rng.dirichlet(np.ones(4), (20, 2)):
        best = names_06["optimal_discriminator"](p, q)
        for one, a, b in zip(best, p, q, strict=True):  # 칸마다 따로 최적화해도 같은 답
            found = optimize.minimize_scalar(
                lambda d, a=a, b=b: -(a * np.log(d) + b * np.log(1 - d)), bounds=(1e-6, 1 - 1e-6), method="bounded"
            )
            assert np.isclose(one, found.x, atol=1e-4)
        value = names_06["value"](p, q, best)
        assert np.isclose(value, -np.log(4) + 2 * names_06["jsd"](p, q))
        assert value >= names_06["value"](p, q, rng.uniform(0.05, 0.95, 4))


def small_gan(names_06):
    keras.utils.set_random_seed(0)
    return names_06["GAN"](names_06["dense_generator"](5), names_06["dense_discriminator"](), 5)


def small_dcgan():
    names = load_cells("08_dcgan", "networks", "gan")
    keras.utils.set_random_seed(0)
    return names["DCGAN"](names["generator"](8), names["discriminator"](), 8)


def small_wgan():
    names = load_cells("09_wgan", "networks", "penalty", "wgan")
    keras.utils.set_random_seed(0)
    return names["WGANGP"](names["generator"](8), names["critic"](), 8, n_critic=2)


MODELS = {"06": lambda: small_gan(load_cells("06_gan", "networks", "gan")), "08": small_dcgan, "09": small_wgan}


def judge_of(model):
    return model.critic if hasattr(model, "critic") else model.discriminator


def images(count=128):
    return np.random.default_rng(0).uniform(-1, 1, (count, 28, 28, 1)).astype("float32")


def moved(before, network):
    return max(
        np.abs(old - np.asarray(new)).max() for old, new in zip(before, network.trainable_variables, strict=True)
    )


@pytest.mark.parametrize("lesson", MODELS)
@pytest.mark.parametrize("frozen", ["generator", "judge"])
def test_each_step_moves_only_its_own_player(lesson, frozen):
    """한쪽의 학습률을 0으로 두면 그쪽은 꼼짝하지 않고, 다른 쪽은 움직여요."""
    model = MODELS[lesson]()
    rates = {"generator": 0.0 if frozen == "generator" else 0.01, "judge": 0.0 if frozen == "judge" else 0.01}
    model.compile(SGD(rates["generator"]), SGD(rates["judge"]), jit_compile=False)
    players = {"generator": model.generator, "judge": judge_of(model)}
    before = {name: [v.numpy().copy() for v in player.trainable_variables] for name, player in players.items()}
    model.fit(tf.data.Dataset.from_tensors(images()).repeat(2), steps_per_epoch=2, verbose=0, shuffle=False)
    for name, player in players.items():
        assert (moved(before[name], player) == 0) == (name == frozen)


@pytest.mark.parametrize("lesson", MODELS)
def test_samples_are_in_range(lesson):
    model = MODELS[lesson]()
    samples = np.asarray(model.generator(np.random.default_rng(0).normal(size=(16, model.generator.input_shape[1]))))
    assert samples.shape == (16, 28, 28, 1) and np.abs(samples).max() <= 1


def test_averaged_generator_follows_slowly():
    """첫 스텝 뒤의 EMA 생성자 = 2/11 · 앞의 EMA 생성자 + 9/11 · 지금의 생성자."""
    model = small_dcgan()
    model.compile(keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2), jit_compile=False)
    before = [weight.numpy().copy() for weight in model.average.weights]
    model.fit(tf.data.Dataset.from_tensors(images()), steps_per_epoch=1, verbose=0, shuffle=False)
    assert max(np.abs(old - np.asarray(now)).max() for old, now in zip(before, model.generator.weights, strict=True)) > 1e-3
    for old, now, slow in zip(before, model.generator.weights, model.average.weights, strict=True):
        np.testing.assert_allclose(slow, old * 2 / 11 + np.asarray(now) * 9 / 11, atol=1e-6)


# 08 -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def names_08():
    return load_cells("08_dcgan", "networks", "gan", "fid", "precision-recall", "slerp", "attributes", "probe")


def test_networks_keep_the_rules_of_the_paper(names_08):
    """BN은 G의 출력층과 D의 입력층만 빼고, 풀링은 없고, G는 ReLU와 tanh, D는 LeakyReLU 0.2."""
    norm, leaky = keras.layers.BatchNormalization, keras.layers.LeakyReLU
    g, d = names_08["generator"](32).layers, names_08["discriminator"]().layers
    for stack, wide in ((g, keras.layers.Conv2DTranspose), (d, keras.layers.Conv2D)):
        before_norm = [a for a, b in itertools.pairwise(stack) if isinstance(b, norm)]
        assert not any(getattr(layer, "use_bias", False) for layer in before_norm)
        assert all(layer.strides == (2, 2) for layer in stack if type(layer) is wide and layer.kernel_size == (4, 4))
        assert not any("Pooling" in type(layer).__name__ for layer in stack)
    assert isinstance(g[-2], keras.layers.ReLU) and g[-1].activation is keras.activations.tanh
    assert isinstance(d[1], leaky) and sum(isinstance(layer, norm) for layer in d) == 2
    assert all(np.isclose(layer.negative_slope, 0.2) for layer in d if isinstance(layer, leaky))


def test_metrics_written_in_08_equal_the_helpers(names_08):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(400, 8)), 0.7 * rng.normal(size=(300, 8)) + 0.3
    assert np.isclose(names_08["frechet"](a, b), metrics.frechet_distance(a, b))
    assert np.isclose(names_08["frechet"](a[:, :1], b[:, :1]),
                      (a[:, 0].mean() - b[:, 0].mean()) ** 2 + (a[:, 0].std(ddof=1) - b[:, 0].std(ddof=1)) ** 2)
    assert np.allclose(names_08["precision_recall"](a, b), metrics.precision_recall(a, b))


def test_walk_and_arrows_stay_on_the_shell(names_08):
    rng = np.random.default_rng(0)
    a, b, arrow = rng.normal(size=(3, 32))
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    for t in (0.0, 0.3, 1.0):
        assert np.isclose(np.linalg.norm(names_08["slerp"](a, b, t)), np.linalg.norm(a))
    assert np.allclose(names_08["slerp"](a, b, 1.0), b)
    assert np.isclose(np.linalg.norm(names_08["move"](a, arrow)), np.linalg.norm(a))


def test_slant_is_the_lean_of_the_stroke(names_08):
    image = np.zeros((1, 28, 28))
    for row in range(4, 24):
        image[0, row, 20 - row // 2] = 1  # 두 줄 올라가면 오른쪽으로 한 칸
    assert np.isclose(names_08["slant"](image)[0], 0.5, atol=0.02)


def test_probe_separates_what_is_separable(names_08):
    labels = np.arange(200) % 10
    features = np.eye(10)[labels] + 0.05 * np.random.default_rng(0).normal(size=(200, 10))
    assert names_08["probe"](features[:100], labels[:100], features[100:], labels[100:]) == 1


def test_shipped_seeds_show_that_one_run_is_not_enough():
    """08의 8절: BN을 빼면 어느 시드로 견줘도 나쁘고, LeakyReLU의 차이는 시드를 하나씩만 뽑으면 크기를 알 수 없어요."""
    plain, leaky, no_norm = (np.array(row) for row in samples.load("08_seeds", "digits").facts["times_floor"])
    assert no_norm.min() > plain.max()
    for other in (leaky, no_norm):  # 같은 시드끼리 뺀 차이의 시드 구간이 0을 벗어나요
        difference = other - plain
        assert difference.mean() > 2.78 * difference.std(ddof=1) / np.sqrt(5)
    ratio = leaky[:, None] / plain
    assert ratio.min() < 1.1 and ratio.max() > 1.6


# 07 -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def names_07():
    return load_cells("07_transposed_conv_batchnorm", "matrix", "batchnorm")


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_transposed_convolution_equals_the_matrix_and_keras(names_07, kernel, stride, padding):
    rng = np.random.default_rng(kernel * 10 + stride)
    size, weights = 7, rng.normal(size=(kernel, kernel))
    matrix = names_07["convolution_matrix"](weights, size, stride, padding)
    forward = keras.ops.conv(
        rng.normal(size=(1, size, size, 1)), weights[..., None, None], strides=stride, padding=padding
    )
    assert matrix.shape == (np.prod(forward.shape[1:3]), size**2)

    small, channels = rng.normal(size=(5, 5, 2)), rng.normal(size=(kernel, kernel, 3, 2))
    layer = keras.layers.Conv2DTranspose(3, kernel, stride, padding=padding, use_bias=False)
    layer.build((None, 5, 5, 2))
    layer.set_weights([channels])
    by_hand = names_07["transposed_conv"](small, channels, stride, padding)
    assert np.allclose(by_hand, layer(small[None].astype("float32"))[0], atol=1e-5)

    one = rng.normal(size=forward.shape[1:3])  # 행렬의 전치로 키운 것 = 도장으로 키운 것
    grown = (matrix.T @ one.ravel()).reshape(size, size)
    stamped = names_07["transposed_conv"](one, weights, stride, padding)
    common = tuple(slice(min(a, b)) for a, b in zip(grown.shape, stamped.shape, strict=True))
    if padding == "valid":
        assert np.allclose(grown[common], stamped[common])


def test_batchnorm_by_hand_equals_keras_forward_and_backward(names_07):
    rng = np.random.default_rng(0)
    x, upstream = rng.normal(size=(2, 6, 5, 5, 3)).astype("float32")
    gamma, beta = rng.normal(size=(2, 3)).astype("float32")
    layer = keras.layers.BatchNormalization()
    layer.build(x.shape)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    point = tf.Variable(x)
    with tf.GradientTape() as tape:
        y = layer(point, training=True)
    gradients = tape.gradient(y, [point, layer.gamma.value, layer.beta.value], upstream)
    mine, cache = names_07["batchnorm_forward"](x, gamma, beta)
    assert np.allclose(mine, y, atol=1e-5)
    for own, theirs in zip(names_07["batchnorm_backward"](upstream, cache), gradients, strict=True):
        assert np.allclose(own, theirs, atol=1e-4)


# 09 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("slope", "expected"), [(1.0, 0.0), (2.0, 1.0), (0.0, 1.0)])
def test_gradient_penalty_of_a_linear_critic(slope, expected):
    """f(x) = 기울기 · (단위 벡터와의 내적)이면 어디서나 ‖∇f‖ = 기울기."""
    penalty = load_cells("09_wgan", "penalty")["gradient_penalty"]
    direction = np.random.default_rng(0).normal(size=784)
    direction = (slope * direction / np.linalg.norm(direction)).astype("float32")

    def critic(x, training=None):
        return tf.reshape(x, (-1, 784)) @ direction[:, None]

    real, fake = images(8), -images(8)
    epsilon = np.random.default_rng(1).uniform(size=(8, 1, 1, 1)).astype("float32")
    assert np.isclose(penalty(critic, tf.constant(real), tf.constant(fake), epsilon), expected, atol=1e-4)


@pytest.mark.parametrize(("real", "fake"), [((1.0, 0.3), (0.0, 0.3)), ((0.0, 0.3), (0.0, 1.0))])
def test_learned_critic_measures_w1_in_one_dimension(real, fake):
    names = load_cells("09_wgan", "penalty", "critic-only")
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    real, fake = (rng.normal(*cloud, (5_000, 1)).astype("float32") for cloud in (real, fake))
    critic = names["small_critic"]()
    names["train_critic"](critic, real, fake, 1_500, 30.0, penalty=names["one_sided_penalty"])  # 치우침은 W₁/2λ쯤
    gap = np.mean(critic(real)) - np.mean(critic(fake))
    assert gap == pytest.approx(stats.wasserstein_distance(real[:, 0], fake[:, 0]), rel=0.05)


# 이어 하기 -----------------------------------------------------------------------------------------


class Stop(keras.callbacks.Callback):
    """2번째 에폭이 시작될 때 Ctrl-C."""

    def __init__(self, on):
        super().__init__()
        self._on = on  # 밑줄: 학습의 결과를 바꾸지 않아요

    def on_epoch_begin(self, epoch, logs=None):
        if self._on and epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("lesson", MODELS)
def test_interrupted_gan_resumes_exactly(lesson, tmp_path, capsys, monkeypatch):
    """다시 실행하면 끊기지 않은 학습과 최대 차이 0. 프로세스를 죽이는 것은 test_training에서 봐요."""
    monkeypatch.setattr(callbacks, "SAVE_EVERY", 0)
    pictures = data.load("digits").x_train[:96]

    def train(folder, stop=False):
        model = MODELS[lesson]()
        model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), jit_compile=False)
        run = Run("smoke", "digits", 42, tmp_path / folder)
        history = training.fit(
            model, pictures, 32, 4, run=run, name="gan", prepare=lambda x: 2 * x - 1, callbacks=[Stop(stop)]
        )
        return [variable.numpy().copy() for variable in model.variables], history

    whole, record = train("a")
    with pytest.raises(KeyboardInterrupt):
        train("b", stop=True)
    rest, again = train("b")
    assert "2에폭 다음부터" in capsys.readouterr().out
    assert all(np.array_equal(one, other) for one, other in zip(whole, rest, strict=True))
    assert record.keys() == again.keys() and all(np.array_equal(record[key], again[key]) for key in record)
