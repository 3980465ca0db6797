"""13의 노트북에 적힌 함수들: 수용 영역, 손실의 기울기, 누가 움직이는지, 손실이 0인 틀린 번역, 판, 이어 한 학습."""

import numpy as np
import pytest
from resuming import resumes_exactly

from course_utils import data, training, weights
from course_utils.backend import keras, tf
from course_utils.lessons import load_cells

NAME = "13_image_translation"
TAGS = ("sketches", "players", "networks", "field", "seen", "game", "pix2pix", "train", "pair-score", "looks", "cycle", "cyclegan",
        "two-way-score", "hidden", "domains", "stargan", "star-score", "drawing")
SGD, ops = keras.optimizers.SGD, keras.ops
KINDS = ("pix2pix", "cyclegan", "stargan")


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def cells(digits):
    names = load_cells(NAME, *TAGS)
    gray = digits.x_train[:64] / np.float32(255)
    names["chalk_train"] = np.uint8(255 * names["chalk"](gray[:32], np.linspace(0, 0.9, 32)))
    names["blue_train"] = np.uint8(255 * names["blueprint"](gray[32:]))
    names["star_domains"] = np.random.default_rng(0).permutation(64) % 4
    names["star_train"] = np.uint8(255 * names["dress"](gray, names["star_domains"]))
    names |= {"sketch": "mosaic", "seed": 0}
    return names


def model(cells, kind, **options):
    """세 모델 가운데 하나와, fit에 줄 배열, 학습할 묶음으로 바꾸는 함수."""
    keras.utils.set_random_seed(0)
    critic, translator = cells["patch_critic"], cells["translator"]
    if kind == "pix2pix":
        images = np.uint8(255 * np.random.default_rng(0).uniform(size=(64, 28, 28)))
        return cells["Pix2Pix"](cells["unet"](), critic(2, norm=True), **options), images, cells["pair"]
    if kind == "cyclegan":
        made = cells["CycleGAN"](translator(), translator(), critic(3), critic(3), **options)
        return made, np.arange(32, dtype="float32"), made.unpaired
    made = cells["StarGAN"](translator(7), cells["star_judge"](4), **options)
    return made, np.arange(64, dtype="float32"), made.with_domains


def batch(x, prepare, count=8):
    images = x[:count, ..., None] / np.float32(255) if x.ndim == 3 else x[:count, None]
    return prepare(tf.constant(images, "float32"))


@pytest.mark.parametrize("kind", KINDS)
def test_each_side_moves_only_in_its_own_turn(cells, kind):
    """G들의 학습률이 0이면 D들만, D들의 학습률이 0이면 G들만 움직이고, 순환의 G와 F는 함께 움직여요."""
    for g_rate, d_rate in ((0.0, 0.1), (0.1, 0.0)):
        game, x, prepare = model(cells, kind)
        game.compile(SGD(g_rate), SGD(d_rate))
        sides = (*game.makers, *game.judges)
        before = [[v.numpy() for v in side.trainable_variables] for side in sides]
        game.train_step(batch(x, prepare))
        moved = [any(np.abs(v.numpy() - old).max() > 0 for v, old in zip(side.trainable_variables, olds, strict=True))
                 for side, olds in zip(sides, before, strict=True)]
        assert moved == [g_rate > 0] * len(game.makers) + [d_rate > 0] * len(game.judges)


@pytest.mark.parametrize("layers_", [((4, 2), (4, 2), (3, 1)), ((3, 1), (3, 2), (5, 1)), ((4, 2), (3, 1))])
def test_the_formula_of_the_receptive_field_equals_the_field_of_the_gradients(cells, layers_):
    x = image = keras.Input((28, 28, 2))
    for kernel, stride in layers_:
        x = keras.layers.Conv2D(1, kernel, stride, padding="same", kernel_initializer="glorot_normal")(x)
    critic, middle = keras.Model(image, x), x.shape[1] // 2
    seen = cells["seen_pixels"](critic, middle, middle)
    wide = cells["receptive_field"](layers_)
    assert seen.any(axis=0).sum() == seen.any(axis=1).sum() == wide
    assert seen.sum() == wide**2


def test_the_receptive_field_of_the_papers_critic_is_seventy(cells):
    assert cells["receptive_field"]([(4, s) for s in (2, 2, 2, 1, 1)]) == 70


def test_gradients_of_the_generators_losses(cells):
    """L1의 기울기는 부호 ÷ 픽셀의 수, 최소제곱 손실의 기울기는 2(점수 − 1) ÷ 점수의 수."""
    game, _, _ = model(cells, "pix2pix")
    rng = np.random.default_rng(0)
    made, real, score = (tf.Variable(rng.normal(size=(2, 3, 3, 1)).astype("float32")) for _ in range(3))
    with tf.GradientTape(persistent=True) as tape:
        distance, fooled, caught = cells["l1"](made, real), game.yes(score), game.no(score)
    assert np.allclose(tape.gradient(distance, made), np.sign(made.numpy() - real.numpy()) / 18, atol=1e-7)
    assert np.allclose(tape.gradient(fooled, score), 2 * (score.numpy() - 1) / 18, atol=1e-7)
    assert np.allclose(tape.gradient(caught, score), 2 * score.numpy() / 18, atol=1e-7)


def test_the_weights_of_the_losses(cells):
    """g_loss = 적대적 + 무게 × L1(또는 순환, 재구성)이고, L1만이면 D의 대답과 상관없어요."""
    for kind, name in (("pix2pix", "closeness"), ("cyclegan", "cycle"), ("stargan", "rebuild")):
        game, x, prepare = model(cells, kind)
        given, weight = batch(x, prepare), getattr(game, name)
        _, whole, distance = game.losses(*given)
        setattr(game, name, 0.0)
        assert np.isclose(whole - game.losses(*given)[1], weight * distance, rtol=1e-3)
    game, x, prepare = model(cells, "pix2pix", realism=0.0)
    with tf.GradientTape() as tape:
        loss = game.losses(*batch(x, prepare))[1]
    assert all(g is None or not np.any(g) for g in tape.gradient(loss, game.d_variables()))
    game, x, prepare = model(cells, "cyclegan", identity=5.0)
    a, b = batch(x, prepare)
    same = float(cells["l1"](game.G(b, training=True), b) + cells["l1"](game.F(a, training=True), a))
    with_identity, game.identity = game.losses(a, b)[1], 0.0
    assert np.isclose(with_identity - game.losses(a, b)[1], 5 * same, rtol=1e-3)


def test_the_discriminators_never_see_a_pair(cells):
    """순환의 D는 그림 한 장(채널 셋)만, pix2pix의 D는 밑그림까지(채널 둘) 봐요. A와 B는 다른 글씨에서 오고, A의 색은 볼 때마다 새로워요."""
    two, x, prepare = model(cells, "cyclegan")
    assert two.judge_a.input_shape == two.judge_b.input_shape == (None, 28, 28, 3)
    assert model(cells, "pix2pix")[0].critic.input_shape == (None, 28, 28, 2)
    (a, _), (again, other) = batch(x, prepare), batch(x, prepare)
    assert not np.allclose(batch(x, prepare)[1], other)  # B는 그때그때 뽑아요
    assert np.allclose(np.max(a, axis=-1), np.max(again, axis=-1), atol=1e-5) and not np.allclose(a, again)  # 글씨는 같아요


def test_a_permutation_and_its_inverse_have_no_loss_but_wrong_digits(cells, digits):
    """밀어 옮기는 G와 F는 순환 손실도 동일성 손실도 0이고 G(A)의 무리가 B와 같지만, 레이블은 하나도 맞지 않아요."""
    first = [np.flatnonzero(digits.y_test == digit)[0] for digit in range(10)]
    gray = digits.x_test[first] / np.float32(255)
    a, b = cells["chalk"](gray, np.linspace(0, 0.9, 10)), cells["blueprint"](gray)
    keys = np.concatenate([a, b])

    def move(images, values):
        return cells["by_table"](images, keys, values)

    G = lambda images: move(images, np.concatenate([np.roll(b, -1, axis=0), b]))  # noqa: E731
    F = lambda images: move(images, np.concatenate([a, np.roll(a, 1, axis=0)]))  # noqa: E731
    assert cells["cycle_loss"](a, b, G, F) == 0 and cells["identity_loss"](a, b, G, F) == 0
    assert cells["same_crowd"](G(a), b) and not cells["same_crowd"](a, b)
    assert all(np.array_equal(made, b[(digit + 1) % 10]) for digit, made in enumerate(G(a)))
    assert cells["cycle_loss"](a, b, G, G) > 0  # 거꾸로가 아니면 0이 아니에요


def test_the_hidden_colour_is_read_and_lost_with_it(cells, digits):
    """색을 그대로 돌려주는 번역은 1, 색을 지우는 번역은 찍기(빨강뿐)예요. 잡음이 숫자를 바꾸지는 않아요."""
    gray, labels = digits.x_test[:60] / np.float32(255), digits.y_test[:60]
    keep, lose = (lambda images: images), (lambda images: cells["chalk"](cells["chalk_gray"](images), np.zeros(len(images))))
    assert cells["hidden_score"](keep, keep, gray, labels, (0.0,))[0.0][0] == 1
    assert np.isclose(cells["hidden_score"](lose, keep, gray, labels, (0.0,))[0.0][0], 1 / 6)
    assert np.array_equal(cells["add_noise"](gray, 0.0), gray)
    assert np.isclose(np.std(cells["add_noise"](np.full((50, 28, 28), 0.5, "float32"), 0.1)), 0.1, atol=2e-3)


def test_the_median_is_best_for_l1_and_the_mean_for_squares(cells):
    rng = np.random.default_rng(0)
    answers = (rng.uniform(size=(5, 28, 28)) < 0.4).astype(float)
    for best, cost in ((np.median(answers, axis=0), np.abs), (answers.mean(axis=0), np.square)):
        least = cost(answers - best).mean()
        assert all(cost(answers - np.clip(best + rng.normal(0, s, best.shape), 0, 1)).mean() >= least for s in (0.01, 0.1, 0.5))


def test_domains_enter_as_planes_and_the_way_back_uses_the_original(cells, monkeypatch):
    """원-핫의 칸마다 판 한 장이고, 재구성은 원래 도메인의 판으로 해요."""
    game, x, prepare = model(cells, "stargan")
    real, source, target = batch(x, prepare)
    assert np.array_equal(source, np.eye(4)[cells["star_domains"][:8]]) and np.allclose(np.asarray(target).sum(axis=1), 1)
    planes = np.asarray(cells["with_planes"](real, target))[..., 3:]
    assert planes.shape == (8, 28, 28, 4) and np.array_equal(planes, np.broadcast_to(np.asarray(target)[:, None, None], planes.shape))
    asked = []
    monkeypatch.setitem(cells, "with_planes", lambda images, domain, kept=cells["with_planes"]: asked.append(np.asarray(domain)) or kept(images, domain))
    game.losses(real, source, target)
    assert len(asked) == 2 and np.array_equal(asked[0], target) and np.array_equal(asked[1], source)


def test_the_ruler_of_paints_reads_what_was_painted(cells, digits):
    gray, domain = digits.x_test[:40] / np.float32(255), np.arange(40) % 4
    found, grays = cells["undress"](cells["dress"](gray, domain))
    assert np.array_equal(found, domain) and np.allclose(grays[domain, np.arange(40)], gray, atol=1e-5)
    assert np.allclose(cells["chalk_gray"](cells["chalk"](gray, np.linspace(0, 1, 40))), gray, atol=1e-5)
    bold = cells["blueprint_gray"](cells["blueprint"](gray))
    assert np.all(bold >= gray - 1e-5) and np.isclose(bold.max(), gray.max(), atol=1e-5)


def test_drawings_are_read_line_by_line(cells):
    drawn = cells["from_text"]("#" * 20 + "\n..#")
    assert drawn.shape == (28, 28) and drawn[0].min() > 0.5 and drawn[3, 4] > 0.3 and drawn[10:].max() == 0
    assert cells["from_text"]("").max() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_interrupted_training_resumes_exactly(cells, kind, tmp_path, capsys, monkeypatch, eager):
    """뽑은 B와 옮길 도메인까지 이어져, 끊기지 않은 학습과 최대 차이 0."""

    def train(run, stop):
        game, x, prepare = model(cells, kind)
        game.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), jit_compile=False)
        return game, training.fit(game, x, 8, 4, run=run, name="game", prepare=prepare, steps_per_epoch=1, callbacks=[stop])

    resumes_exactly(train, tmp_path, capsys, monkeypatch)


def test_pretrained_translators_keep_domains_and_digits(cells, digits):
    """MNIST로 학습한 가중치를 digits의 시험 그림에 써도 도메인과 숫자가 거의 남아요."""
    gray, labels = digits.x_test[:100] / np.float32(255), digits.y_test[:100]
    star = cells["translator"](7)
    weights.load(star, "13_stargan")
    right, kept, _ = cells["star_score"](lambda images, domain: cells["restyle"](star, images, domain), gray, labels)
    assert cells["away"](right) > 0.98 and cells["away"](kept.mean(axis=2)) > 0.85
    two = cells["translator"](), cells["translator"]()
    for network, name in zip(two, ("13_to_blueprint", "13_to_chalk"), strict=True):
        weights.load(network, name)
    go, come = (lambda images, network=network: cells["translate"](network, images) for network in two)
    hues = np.random.default_rng(0).uniform(size=100)
    score = cells["two_way_score"](go, come, cells["chalk"](gray, hues), cells["blueprint"](gray), labels)
    assert score["A→B→A"] > 0.85 and score["순환 L1 A"] < 0.05
    unet = cells["unet"]()
    weights.load(unet, "13_pix2pix")
    grade = cells["pair_score"](unet, digits.x_test[:100], labels)
    assert grade["psnr"] > 12 and grade["digit"] > 0.25  # 모자이크는 데이터를 타서, digits에서는 3분의 1쯤만 읽혀요(찍으면 0.1)
