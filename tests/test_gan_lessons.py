"""06–09의 노트북에 적힌 함수들: 누가 움직이는지, 값이 닫힌 식과 같은지, 이어 한 학습이 끊기지 않은 것과 같은지."""

import itertools

import numpy as np
import pytest
from resuming import resumes_exactly
from scipy import optimize, stats

from course_utils import data, metrics, samples, training
from course_utils.backend import keras, tf
from course_utils.lessons import load_cells

SGD = keras.optimizers.SGD


@pytest.fixture(scope="module")
def names_06():
    return load_cells("06_gan", "optimal", "networks", "gan", "steady", "toy")


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


@pytest.mark.parametrize("seed", [42, 1, 2])
def test_toy_gan_finds_the_real_distribution_and_minimax_starts_late(names_06, seed):
    names_06["seed"] = seed
    game, slow = names_06["toy_gan"](600), names_06["toy_gan"](600, loss="미니맥스")
    assert np.allclose(game[-100:, :2].mean(axis=0), (1, 0.8), atol=0.05)
    arrive = [np.argmax(abs(path[:, 0] - 1) < 0.1) for path in (game, slow)]
    assert 0 < 4 * arrive[0] < arrive[1]
    assert (slow[:, 0] < game[:, 0])[1:30].all()


def small_gan(kind):
    names = load_cells("06_gan", "networks", "gan", "steady")
    keras.utils.set_random_seed(0)
    return names[kind](names["dense_generator"](5), names["dense_discriminator"](), 5)


def opinionated(kind):
    """마지막 층이 0이면 생성자에게 갈 기울기도 0이니, 벌써 조금 배운 판별자로 시작해요."""
    model = small_gan(kind)
    last = model.discriminator.layers[-1].kernel
    last.assign(0.1 * keras.random.normal(last.shape, seed=0))
    return model


def test_untrained_gan_starts_from_log_2(names_06):
    """마지막 층이 0에서 시작하니 처음 대답은 정확히 ½이에요."""
    model = small_gan("GAN")
    model.compile(SGD(0.0), SGD(0.0))
    logs = model.train_step(tf.constant(images(16)))
    assert np.allclose([logs["d_loss"], logs["g_loss"]], [2 * np.log(2), np.log(2)])


def test_label_noise_stays_within_a_tenth_and_the_average_follows_slowly():
    model = small_gan("SteadyGAN")
    real_label, fake_label = (np.asarray(label) for label in model.labels(1_000))
    assert real_label.shape == (1_000, 1) and 0.9 <= real_label.min() < 0.91 and 0.99 < real_label.max() <= 1
    assert 0 <= fake_label.min() < 0.01 and 0.09 < fake_label.max() <= 0.1
    model.compile(SGD(0.1), SGD(0.1))
    model.train_step(tf.constant(images(16)))
    before = [np.asarray(weight) for weight in model.average.weights]
    model.train_step(tf.constant(images(16)))
    for old, now, slow in zip(before, model.generator.weights, model.average.weights, strict=True):
        np.testing.assert_allclose(slow, 0.998 * old + 0.002 * np.asarray(now), atol=1e-6)


def small_dcgan():
    names = load_cells("08_dcgan", "networks", "gan")
    keras.utils.set_random_seed(0)
    return names["DCGAN"](names["generator"](8), names["discriminator"](), 8)


def small_wgan():
    names = load_cells("09_wgan", "networks", "penalty", "wgan")
    keras.utils.set_random_seed(0)
    return names["WGANGP"](names["generator"](8), names["critic"](), 8)


MODELS = {
    "06": lambda: opinionated("GAN"), "06-ema": lambda: opinionated("SteadyGAN"), "08": small_dcgan, "09": small_wgan,
}


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
    """08의 8절: 두 설정은 어느 시드끼리 견줘도 나쁘지만, 시드를 하나씩만 뽑으면 얼마나 나쁜지는 알 수 없어요."""
    plain, leaky, no_norm = (np.array(row) for row in samples.load("08_seeds", "digits").facts["times_floor"])
    assert min(leaky.min(), no_norm.min()) > plain.max()
    for other in (leaky, no_norm):  # 같은 시드끼리 뺀 차이의 시드 구간이 0을 벗어나요
        difference = other - plain
        assert difference.mean() > 2.78 * difference.std(ddof=1) / np.sqrt(5)
    ratio = leaky[:, None] / plain
    assert ratio.min() < 1.1 and ratio.max() > 1.6


# 07 -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def names_07():
    return load_cells("07_transposed_conv_batchnorm", "ladder", "matrix", "batchnorm")


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

    if kernel >= stride:  # 행렬의 전치로 키운 것 = 도장으로 키운 것
        one = rng.normal(size=(5, 5))
        grown = names_07["transposed_conv"](one[..., None], weights[..., None, None], stride, padding)[..., 0]
        matrix = names_07["convolution_matrix"](weights, len(grown), stride, padding)
        assert np.allclose(matrix.T @ one.ravel(), grown.ravel())


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
    mine = names_07["batchnorm_forward"](x, gamma, beta)
    assert np.allclose(mine, y, atol=1e-5)
    for own, theirs in zip(names_07["batchnorm_backward"](upstream, x, gamma), gradients, strict=True):
        assert np.allclose(own, theirs, atol=1e-4)


def test_ladder_is_the_generator_of_08(names_07):
    """07의 사다리는 08의 생성자와 층과 가중치의 모양이 같고, 같은 가중치로 같은 그림을 그려요."""
    keras.utils.set_random_seed(0)
    generator = load_cells("08_dcgan", "networks")["generator"](32)
    ladder = names_07["ladder"]()
    ladder.set_weights(generator.get_weights())
    z = np.random.default_rng(0).normal(size=(3, 32)).astype("float32")
    expected = (generator.predict(z, verbose=0) + 1) / 2
    assert np.allclose(names_07["pictures"](ladder, z), expected, atol=1e-5)


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
    """λ가 10이면 W₁보다 크고, 많아야 거리 t에서 t/2λ의 몫만큼(여기서는 5%) 커요."""
    names = load_cells("09_wgan", "penalty", "teach", "critic-only")
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    real, fake = (rng.normal(*cloud, (5_000, 1)).astype("float32") for cloud in (real, fake))
    critic = names["small_critic"]()
    names["teach"](critic, names["one_sided_loss"], real, fake, 1_000, batch=256)
    ratio = names["score_gap"](critic, real, fake) / stats.wasserstein_distance(real[:, 0], fake[:, 0])
    assert 1.0 < ratio < 1.08


def test_clipping_keeps_every_weight_inside():
    names = load_cells("09_wgan", "penalty", "teach", "critic-only", "clipping")
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    real, fake = rng.normal([[[1.0]], [[0.0]]], 0.3, (2, 500, 1)).astype("float32")
    critic = names["small_critic"]()
    names["clip_weights"](critic, 0.1)
    names["teach"](critic, names["clipped_loss"], real, fake, 20)
    assert max(np.abs(w).max() for w in critic.get_weights()) <= 0.1 + 1e-7


def test_fresh_judges_see_nothing_between_equal_samples_and_everything_between_distant_ones():
    """새 판별자의 JSD는 멀면 log 2이고, 같은 분포에서 처음 보는 그림이면 0 근처예요. 점수 차는 거리를 따라가요."""
    names = load_cells("09_wgan", "networks", "penalty", "teach", "judges")
    rng = np.random.default_rng(0)
    real, twin = rng.uniform(-0.3, 0.3, (2, 120, 28, 28, 1)).astype("float32")
    found = {}
    for shift in (0.0, 0.1, 0.3):
        keras.utils.set_random_seed(0)
        critic, discriminator = names["critic"](), names["critic"]()
        fake = (twin + shift).astype("float32")
        names["teach"](critic, names["strict_critic_loss"], real[:80], fake[:80], 60)
        names["teach"](discriminator, names["discriminator_loss"], real[:80], fake[:80], 60)
        gap = float(np.mean(critic(real[80:])) - np.mean(critic(fake[80:])))
        jsd = np.log(2) - float(names["discriminator_loss"](discriminator, real[80:], fake[80:])) / 2
        found[shift] = gap, jsd
    assert abs(found[0.0][0]) < 0.5 and found[0.0][1] < 0.1
    assert found[0.1][1] > 0.65 and found[0.3][1] > 0.65  # 멀면 둘 다 log 2
    assert 0.5 < found[0.1][0] / (0.1 * 28) < 1.1 and 0.5 < found[0.3][0] / (0.3 * 28) < 1.1  # ‖옮긴 것‖ = 28 · shift
    assert found[0.3][0] > 2 * found[0.1][0]


def test_batch_norm_mixes_samples_in_the_penalty_and_layer_norm_does_not():
    names = load_cells("09_wgan", "normalized")
    points = np.random.default_rng(0).uniform(-2, 2, (6, 2)).astype("float32")
    for layer, mixes in ((keras.layers.BatchNormalization, True), (keras.layers.LayerNormalization, False)):
        keras.utils.set_random_seed(0)
        lengths = np.linalg.norm(names["influence"](names["normalized_critic"](layer), points), axis=-1)
        off_diagonal = lengths[~np.eye(6, dtype=bool)]
        assert (off_diagonal.max() > 0.01) == mixes and (mixes or off_diagonal.max() < 1e-6)


def test_dual_price_equals_transport_cost():
    names = load_cells("09_wgan", "distances", "transport", "dual")
    places = np.array([0.0, 0.5, 1.7, 4.0])
    distance = np.abs(places[:, None] - places)
    for p, q in np.random.default_rng(0).dirichlet(np.ones(4), (10, 2)):
        cost, plan = names["transport_plan"](p, q, distance)
        assert np.allclose(plan.sum(axis=1), p) and np.allclose(plan.sum(axis=0), q)
        assert np.isclose(cost, names["w1_on_line"](places, p, q))
        assert np.isclose(cost, names["best_critic"](p, q, distance)[0])


# 이어 하기 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lesson", MODELS)
def test_interrupted_gan_resumes_exactly(lesson, tmp_path, capsys, monkeypatch):
    """다시 실행하면 끊기지 않은 학습과 최대 차이 0. 프로세스를 죽이는 것은 test_training에서 봐요."""
    pictures = data.load("digits").x_train[:96]

    def train(run, stop):
        model = MODELS[lesson]()
        model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), jit_compile=False)
        return model, training.fit(
            model, pictures, 32, 4, run=run, name="gan", prepare=lambda x: 2 * x - 1, callbacks=[stop]
        )

    resumes_exactly(train, tmp_path, capsys, monkeypatch)
