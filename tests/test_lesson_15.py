"""15의 노트북에 적힌 함수들: α의 두 끝, 세 가지 손질의 식, 자라는 순서, 누가 움직이는지, 단계를 넘어 이어 한 학습."""

import numpy as np
import pytest
from resuming import resumes_exactly

from course_utils import data, fast, metrics, samples, training, weights
from course_utils.backend import keras, tf
from course_utils.lessons import load_cells

NAME = "15_progressive_gan"
TAGS = ("sizes", "fade", "parts", "equalized", "networks", "from-08", "gan", "grow", "train", "grade", "cost", "stale", "sharp")
ops = keras.ops


@pytest.fixture(scope="module")
def cells():
    return load_cells(NAME, *TAGS)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits").x_train[:64]


def gan(cells, starts=(0, 2, 4), fades=(0, 2, 2), kind="ProgressiveGAN", **options):
    keras.utils.set_random_seed(0)
    return cells[kind](starts, fades, **options)


def tanh(images):
    return np.float32(images[..., None]) / 127.5 - 1


@pytest.mark.parametrize("stage", [1, 2])
def test_at_both_ends_of_alpha_the_networks_are_the_old_and_the_new(cells, stage):
    """α = 0이면 옛 신경망, 1이면 새 신경망과 한 치도 다르지 않아요. G, D, 진짜 모두."""
    model = gan(cells)
    z = np.random.default_rng(0).normal(size=(4, 32)).astype("float32")
    small, big = (model.generator(z, stage=k) for k in (stage - 1, stage))
    assert small.shape[1] == 7 * 2 ** (stage - 1) and big.shape[1] == 2 * small.shape[1]
    for alpha, wanted in ((0.0, cells["enlarge"](small)), (1.0, big)):
        assert np.array_equal(model.generator(z, stage=stage, alpha=ops.convert_to_tensor(alpha)), wanted)
    old, new = model.discriminator(cells["shrink"](big), stage=stage - 1), model.discriminator(big, stage=stage)
    for alpha, wanted in ((0.0, old), (1.0, new)):
        assert np.array_equal(model.discriminator(big, stage=stage, alpha=ops.convert_to_tensor(alpha)), wanted)
    half = model.generator(z, stage=stage, alpha=0.5)
    assert np.allclose(half, (cells["enlarge"](small) + big) / 2, atol=1e-6)


def test_real_images_are_mixed_with_the_same_alpha(cells, digits):
    """진짜: α = 0이면 2×2칸이 모두 같고, 1이면 지금 크기의 진짜 그대로이고, 칸의 평균은 늘 같아요."""
    model, real = gan(cells), tanh(digits)
    for stage, factor in ((1, 2), (2, 1)):
        model.stage = stage
        here = real.reshape(len(real), 28 // factor, factor, 28 // factor, factor).mean(axis=(2, 4))[..., None]
        assert np.allclose(model.real_at(real, 1.0), here, atol=1e-6)
        blocky = np.asarray(model.real_at(real, 0.0))[..., 0]
        assert np.array_equal(blocky[:, ::2, ::2], blocky[:, 1::2, 1::2]) and not np.allclose(blocky[..., None], here)
        assert np.allclose(cells["shrink"](model.real_at(real, 0.3)), cells["shrink"](here), atol=1e-6)
    model.stage = 0
    assert model.real_at(real, None).shape[1:3] == (7, 7)


def test_sharp_reals_are_mixed_by_nobody(cells, digits):
    """진짜만 섞지 않는 대조: 진짜는 지금 크기의 진짜 그대로예요."""
    model, real = gan(cells, kind="SharpReals"), tanh(digits)
    model.stage = 2
    assert np.array_equal(model.real_at(real, 0.25), real)
    model.stage = 1
    assert np.array_equal(model.real_at(real, 0.25), cells["shrink"](real))


def test_the_pretrained_generator_draws_every_digit(cells):
    """저장소의 가중치를 레슨의 G에 담으면 열 가지 숫자를 모두 그려요. 분류망이 확신하는 비율은 저장한 날 0.74예요."""
    network = cells["Generator"]()
    weights.load(network, "15_progressive")
    _, chances = metrics.digit_features(cells["paint"](network, np.random.default_rng(0).normal(size=(500, 32))))
    sure = chances[chances.max(axis=1) > 0.9]
    assert len(sure) > 0.65 * 500 and set(sure.argmax(axis=1)) == set(range(10))


def test_pixelnorm_makes_every_vector_root_n_long_and_keeps_its_direction(cells):
    x = np.random.default_rng(0).normal(size=(3, 2, 2, 64)).astype("float32") * [[[[0.01]]], [[[1]]], [[[50]]]]
    y = np.asarray(cells["PixelNorm"]()(np.float32(x)))
    assert np.allclose(np.linalg.norm(y, axis=-1), 8, atol=1e-3) and np.allclose((y**2).mean(axis=-1), 1, atol=1e-3)
    assert np.allclose((x * y).sum(axis=-1), np.linalg.norm(x, axis=-1) * 8, rtol=1e-3)


def test_minibatch_stddev_is_numpys_and_zero_for_copies_and_differentiable(cells, digits):
    layer, x = cells["MinibatchStddev"](), np.random.default_rng(0).normal(size=(6, 7, 7, 5)).astype("float32")
    y = np.asarray(layer(x))
    assert y.shape == (6, 7, 7, 6) and np.array_equal(y[..., :5], x)
    assert np.allclose(y[..., 5], x.std(axis=0).mean(), atol=1e-5)
    copies = tf.constant(np.repeat(x[:1], 6, axis=0))
    with tf.GradientTape() as tape:
        tape.watch(copies)
        s = layer(copies)[0, 0, 0, 5]
    assert abs(float(s)) < 1e-3 and np.isfinite(tape.gradient(s, copies)).all()


def test_equalized_layers_start_like_he_and_adam_moves_all_by_the_same_share(cells):
    """출력의 크기는 He 초기화와 같고, Adam의 첫 스텝이 가중치의 크기에서 차지하는 몫은 어느 층이나 학습률이에요."""
    share = {}
    for on in (True, False):
        for inputs in (4, 900):
            keras.utils.set_random_seed(0)
            layer = cells["Equalized"](keras.layers.Dense(500), inputs, on)
            x = keras.random.normal((200, inputs))
            with tf.GradientTape() as tape:
                y = layer(x)
                loss = ops.sum((y - 1) ** 2)
            assert np.isclose(np.std(y), np.sqrt(2), rtol=0.1)  # 분산 2: ReLU가 절반을 지우면 1
            kernel, c = layer.layer.kernel, np.sqrt(2 / inputs)
            assert np.isclose(np.std(kernel), 1 if on else c, rtol=0.05)
            before = kernel.numpy()
            keras.optimizers.Adam(0.01).apply(tape.gradient(loss, [kernel]), [kernel])
            share[on, inputs] = np.abs(kernel.numpy() - before).mean() / before.std()
    assert np.isclose(share[True, 4], 0.01, rtol=0.05) and np.isclose(share[True, 900], 0.01, rtol=0.05)
    assert np.isclose(share[False, 900] / share[False, 4], 15, rtol=0.1)  # √(900 / 4)


def test_scaling_the_input_is_scaling_the_weights(cells):
    layer = cells["Equalized"](keras.layers.Conv2D(3, 3, padding="same"), 9 * 2)
    x = np.random.default_rng(0).normal(size=(2, 7, 7, 2)).astype("float32")
    y = layer(x)
    plain = keras.layers.Conv2D(3, 3, padding="same")
    plain.build(x.shape)
    plain.set_weights([layer.c * layer.layer.kernel.numpy(), layer.layer.bias.numpy()])
    assert np.allclose(plain(x), y, atol=1e-5)


@pytest.mark.parametrize("trick", ["pixelnorm", "stddev", "equalized"])
def test_each_trick_can_be_switched_off(cells, trick):
    """끈 손질의 층이나 배율만 사라져요."""
    model = gan(cells, tricks=tuple(other for other in cells["TRICKS"] if other != trick))
    parts = [p for net in (model.generator, model.discriminator) for p in net._flatten_layers()]
    assert any(isinstance(p, cells["PixelNorm"]) for p in parts) == (trick != "pixelnorm")
    assert any(isinstance(p, cells["MinibatchStddev"]) for p in parts) == (trick != "stddev")
    assert all((p.c != 1) == (trick != "equalized") for p in parts if isinstance(p, cells["Equalized"]))


def test_old_layers_keep_learning_and_absent_layers_rest(cells, digits, eager):
    """단계마다: 있는 층은 모두 움직이고, 아직 없는 층은 그대로. 다 섞으면 옛 to_gray도 쉬어요."""
    model = gan(cells, starts=(0, 1, 2), fades=(0, 2, 2))
    model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), jit_compile=False)
    real = ops.convert_to_tensor(tanh(digits[:8]))
    for stage in range(3):
        model.stage = stage
        if stage:
            model.g_optimizer.iterations.assign(model.starts[stage] + 1)  # α = ½
        parts = [*model.generator.blocks, *model.discriminator.blocks, *model.generator.to_gray, *model.discriminator.from_gray]
        before = [[v.numpy() for v in part.trainable_variables] for part in parts]
        model.train_step(real)
        moved = [any((v.numpy() != old).any() for v, old in zip(part.trainable_variables, olds, strict=True))
                 for part, olds in zip(parts, before, strict=True)]
        here = [k <= stage for k in range(3)]
        gray = [k in (stage - 1, stage) for k in range(3)]
        assert moved == here + here + gray + gray


def test_grow_follows_the_plan_and_alpha_rises_from_zero_to_one(cells, digits, tmp_path, eager):
    """크기와 α가 계획대로이고, EMA는 단계마다 새로 시작해요."""
    model, seen = gan(cells, starts=(0, 1, 2), fades=(0, 1, 2)), []

    class Spy(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            alpha = model.alpha()
            seen.append((model.stage, None if alpha is None else float(alpha), float(model.steps_here())))

    cells |= {"x_train": digits, "run": type("Run", (), {"seed": 0, "checkpoints": tmp_path})()}
    cells["train"](model, "t", 1, 4, [Spy()])
    assert seen == [(0, None, 1), (1, 1, 1), (2, 0.5, 1), (2, 1, 2)]
    for steps in (1, 10, 57, 1_800):
        per_epoch, epochs, starts, fades = cells["plan"](steps)
        ends = [*starts[1:], per_epoch * epochs]
        assert starts[0] == 0 and starts[2] < ends[2] and fades[0] == 0 and abs(per_epoch * epochs - steps) <= per_epoch
        assert all(start <= end and start + mix <= end for start, mix, end in zip(starts, fades, ends, strict=True))


def test_a_fresh_layer_is_forgotten_only_when_the_average_restarts(cells):
    """새 층이 붙고 100스텝 뒤, EMA에 남은 처음 값: 새로 시작하면 거의 0, 이어 가면 절반 넘게."""
    left = {}
    for kind in ("ProgressiveGAN", "StaleEMA"):
        model = gan(cells, starts=(0, 1_000, 2_000), kind=kind)
        model.compile(keras.optimizers.Adam(), keras.optimizers.Adam())
        model.stage = 2
        for weight in model.average.weights:
            weight.assign(ops.ones_like(weight))
        for weight in model.generator.weights:
            weight.assign(ops.zeros_like(weight))
        follow = tf.function(model.follow, autograph=False)
        for step in range(100):
            model.g_optimizer.iterations.assign(2_000 + step)
            follow()
        left[kind] = float(ops.max(model.average.weights[0]))
    assert left["ProgressiveGAN"] < 1e-3 and left["StaleEMA"] > 0.5


@pytest.mark.parametrize("beta_2", [0.99, 0.9])
def test_adam_carried_on_takes_a_long_first_step_in_a_fresh_layer(beta_2):
    """오래 쓴 Adam에 처음 오는 기울기의 스텝은 학습률의 1/√(1 − β₂)배예요."""
    weight, adam = keras.Variable(np.zeros(3, "float32")), keras.optimizers.Adam(0.01, beta_1=0.0, beta_2=beta_2)
    adam.build([weight])
    adam.iterations.assign(1_000)
    adam.apply([ops.convert_to_tensor([1.0, -2.0, 0.5])], [weight])
    assert np.allclose(np.abs(weight.numpy()), 0.01 / np.sqrt(1 - beta_2), rtol=1e-3)


def test_each_network_moves_only_in_its_own_turn(cells, digits, eager):
    for g_rate, d_rate in ((0.0, 0.1), (0.1, 0.0)):
        model = gan(cells, starts=(0, 0, 0), fades=(0, 0, 0))
        model.stage = 2
        model.compile(keras.optimizers.SGD(g_rate), keras.optimizers.SGD(d_rate), jit_compile=False)
        nets = (model.generator, model.discriminator)
        before = [[v.numpy() for v in net.trainable_variables] for net in nets]
        model.train_step(ops.convert_to_tensor(tanh(digits[:8])))
        moved = [any((v.numpy() != old).any() for v, old in zip(net.trainable_variables, olds, strict=True))
                 for net, olds in zip(nets, before, strict=True)]
        assert moved == [g_rate > 0, d_rate > 0]


def test_multiplications_are_those_of_the_layers(cells):
    """그림의 곱셈 수가 Keras 층의 모양에서 센 것과 같아요."""
    model = gan(cells)
    for stage in range(3):
        nets = [*model.generator.blocks[: stage + 1], model.generator.to_gray[stage],
                *model.discriminator.blocks[: stage + 1], model.discriminator.from_gray[stage]]
        total = 0
        for equalized in (layer for net in nets for layer in net.layers if isinstance(layer, cells["Equalized"])):
            layer = equalized.layer
            pixels = np.prod(equalized.output.shape[1:-1]) / (4 if isinstance(layer, keras.layers.Conv2DTranspose) else 1)
            total += layer.kernel.numpy().size * pixels
        assert total == cells["ours"](stage)
    assert 1 < cells["paper"](8) / np.mean([cells["paper"](k) for k in range(9)]) < 6


def test_interrupted_training_resumes_exactly_through_a_stage_change(cells, digits, tmp_path, capsys, monkeypatch, eager):
    """2에폭 다음에 끊겨요. 그때 14×14로 자라고, 3에폭 다음에 28×28로 자라요."""

    def train(run, stop):
        model = gan(cells, starts=(0, 2, 3), fades=(0, 1, 1))
        model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), jit_compile=False)
        return model, training.fit(
            model, digits, 4, 4, run=run, name="gan", steps_per_epoch=1, prepare=cells["to_tanh"],
            callbacks=[cells["Grow"](1), cells["Album"](np.ones((2, 32)), [1, 3], 1), stop],
        )

    record = resumes_exactly(train, tmp_path, capsys, monkeypatch)
    assert record["caption"][:, 0].tolist() == [7, 14]


def test_growing_swaps_the_program_that_fit_runs(cells):
    """Grow가 바꿔 끼우는 것은 fast의 여러 스텝 함수예요."""
    model = gan(cells)
    model.compile(keras.optimizers.Adam(), keras.optimizers.Adam(), jit_compile=False)
    grow = cells["Grow"](1)
    grow.set_model(model)
    model.train_function = first = fast.several_steps(model, cells["to_tanh"])
    grow.on_epoch_begin(0)
    assert model.train_function is first
    grow.on_epoch_begin(4)
    assert model.stage == 2 and model.train_function is not first


def test_signal_is_measured_before_the_norm(cells):
    """특징 맵의 크기는 정규화하기 전의 것이라 1이 아닐 수 있어요."""
    model = gan(cells)
    z = np.random.default_rng(0).normal(size=(20, 32))
    before = cells["signal"](model.generator, z)
    model.generator.blocks[2].layers[0].layer.kernel.assign(3 * model.generator.blocks[2].layers[0].layer.kernel)
    after = cells["signal"](model.generator, z)
    assert len(before) == 3 and np.isclose(after[2] / before[2], 3, rtol=0.05) and after[:2] == before[:2]


def test_stored_rivals_say_what_the_lesson_says():
    """저장해 둔 성적(시드 셋)이 글과 같아요: 6절의 digits와 MNIST, 더 깊이 D의 페이드인."""
    rows = samples.load("15_rivals", "digits").facts["rows"]
    grown, direct, control = (rows[name]["times_floor"] for name in list(rows)[:3])
    assert min(grown) < max(direct) and min(direct) < max(grown) and np.all(np.array(control) > grown)
    assert min(rows["섞지 않고 붙임"]["times_floor"]) > max(grown)
    assert np.all(np.array(rows["진짜만 섞지 않음"]["times_floor"]) > grown)
    rows = samples.load("15_rivals", "mnist").facts["rows"]
    grown, direct, control = (rows[name] for name in list(rows)[:3])
    assert max(direct["times_floor"]) < min(grown["times_floor"]) and np.mean(direct["seconds"]) < np.mean(grown["seconds"])
    assert np.sum(np.array(control["times_floor"]) > grown["times_floor"]) == 1
