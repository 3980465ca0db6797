"""10의 자기회귀 모델: 확률의 합은 1, 미래는 새지 않고, 남겨 두고 그린 로짓은 전체를 계산한 것과 같고, 이어 하기는 정확해요."""

import os
from itertools import product

import numpy as np
import pytest
from resuming import resumes_exactly

from course_utils import data, samples, training, weights
from course_utils.backend import keras, tf
from course_utils.lessons import load_cells

MODELS = {"NADE": 30, "MADE": 40, "PixelCNN": 4}  # 이름: 은닉 유닛이나 채널의 수
BITS = (np.random.default_rng(0).uniform(size=(4, 784)) < 0.3).astype("float32")


@pytest.fixture(scope="module")
def names():
    return load_cells(
        "10_autoregressive", "counting", "tiny", "base", "nade", "train", "made", "pixelcnn", "gradients", "naive",
        "painter",
    )


def opinionated(names, kind):
    """아무렇게나 고른 가중치: 갓 만든 모델은 출력의 가중치가 0이라 아무것도 보지 않아요."""
    keras.utils.set_random_seed(0)
    model = names["built"](names[kind](np.zeros(784), MODELS[kind]))
    for k, weight in enumerate(model.trainable_variables):
        weight.assign(0.1 * keras.random.normal(weight.shape, seed=k))
    return model


def test_probabilities_of_all_512_states_sum_to_one(names):
    every = np.array(list(product((0, 1), repeat=9)), dtype=float)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        weights = [rng.normal(size=shape) for shape in ((9, 5), (5,), (9, 5), (9,))]
        assert sum(w.size for w in weights) == 104
        assert np.isclose(np.exp(-names["nade_nats"](every, *weights)).sum(), 1, atol=1e-12)

        see, use, direct = names["made_masks"](9, 16)
        W, c, V, b, A = (rng.normal(size=shape) for shape in ((9, 16), (16,), (16, 9), (9,), (9, 9)))

        def total(use, direct, see=see, W=W, c=c, V=V, b=b, A=A):
            logits = np.maximum(every @ (W * see) + c, 0) @ (V * use) + every @ (A * direct) + b
            return np.exp(-names["nats_of_chances"](every, names["sigmoid"](logits))).sum()

        assert np.isclose(total(use, direct), 1, atol=1e-12)
        assert not np.isclose(total(use, direct + np.eye(9)), 1, atol=1e-3)  # 자기 답을 보면 확률이 아니에요


def test_drawn_images_follow_the_probabilities(names):
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in ((3, 5), (5,), (3, 5), (3,))]
    every = np.array(list(product((0, 1), repeat=3)), dtype=float)
    drawn = names["nade_draw"](40_000, *weights, rng) @ (4, 2, 1)
    share = np.bincount(drawn.astype(int), minlength=8) / 40_000
    np.testing.assert_allclose(share, np.exp(-names["nade_nats"](every, *weights)), atol=0.01)


def test_counted_table_is_the_share_of_on(names):
    bits = np.tile(BITS, (50, 1))
    chances = names["count_table"](bits, (1,))
    cells = names["cell_numbers"](bits, (1,))
    usual = (bits.sum(axis=0) + 0.5) / (len(bits) + 1)
    for i in (1, 28, 500):
        for before in (0, 1):
            those = bits[bits[:, i - 1] == before, i]
            assert np.isclose(chances[2 * i + before], (those.sum() + usual[i]) / (len(those) + 1))
    assert cells[:, 0].max() == 0


def test_keras_nade_equals_the_loop(names):
    """한 줄씩 묻는 코드와 점화식의 반복문이 같은 나트를 내고, 한 줄씩 물은 손실의 기댓값이 그것이에요."""
    model = opinionated(names, "NADE")
    loop = names["nade_nats"](BITS, *(w.numpy().astype(float) for w in (model.W, model.c, model.V, model.b)))
    np.testing.assert_allclose(names["test_nats"](model, BITS), loop, rtol=1e-5)
    answers, logits = model.ask(tf.constant(np.tile(BITS, (28, 1))))  # 묶음마다 같은 그림
    assert np.isclose(model.compute_loss(y_pred=(answers, logits)), loop.mean(), rtol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_untrained_model_is_the_independent_one(names, kind):
    start = np.random.default_rng(0).normal(size=784)
    model = names["built"](names[kind](start, MODELS[kind]))
    expected = names["nats_of_chances"](BITS, names["sigmoid"](start))
    np.testing.assert_allclose(names["test_nats"](model, BITS), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_no_gradient_comes_from_the_future(names, kind):
    model = opinionated(names, kind)
    for i in (0, 1, 27, 28, 400, 783):
        size = names["gradient_map"](model, BITS, i).ravel()
        assert (size[i:] == 0).all()
        assert i == 0 or size[i - (1 if i % 28 else 28)] > 0  # 왼쪽 픽셀은(왼쪽 끝이라면 위의 픽셀은) 봐요


def test_blind_spot_is_the_wedge_of_the_theory(names):
    """7×7 A와 3×3 B 여섯 층: u줄 위에서 왼쪽으로 9칸, 오른쪽으로 min(2 + u, 9)칸까지."""
    model = names["all_paths"](names["PixelCNN"](np.zeros(784), 1, dilations=(1,) * 6))
    seen = names["gradient_map"](model, BITS[:1], 20 * 28 + 12) > 0
    for up in range(10):
        row = np.zeros(28, bool)
        row[12 - 9 : 12 + (min(2 + up, 9) + 1 if up else 0)] = True
        assert (seen[20 - up] == row).all(), up
    assert not seen[:11].any() and not seen[21:].any()


def test_cached_logits_equal_the_whole_network(names):
    model = opinionated(names, "PixelCNN")
    paint = names["painter"](model, 6)
    rng = np.random.default_rng(0)
    bits, logits = names["draw"](paint, rng, count=6)
    np.testing.assert_allclose(logits, model.logits(bits), atol=1e-4)
    assert set(np.unique(bits)) == {0, 1}
    known = np.tile(np.arange(784) < 392, (6, 1))
    given = np.repeat(BITS[:1], 6, axis=0)
    filled, logits = names["draw"](paint, rng, known, given, temperature=0.5, count=6)
    assert (filled[known] == given[known]).all() and len(np.unique(filled, axis=0)) == 6
    np.testing.assert_allclose(logits, model.logits(filled), atol=1e-4)


def test_same_coins_give_the_same_picture_with_and_without_the_cache(names):
    model = opinionated(names, "PixelCNN")
    naive = names["naive_draw"](model, 2, np.random.default_rng(3))  # 픽셀마다 count개의 동전을 차례로
    cached, _ = names["draw"](names["painter"](model, 2), np.random.default_rng(3), count=2)
    assert (naive == cached).all()


@pytest.mark.parametrize("kind", MODELS)
def test_interrupted_training_resumes_exactly(names, kind, tmp_path, capsys, monkeypatch):
    pictures = data.load("digits").x_train[:112]

    def train(run, stop):
        model = opinionated(names, kind)
        model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
        return model, training.fit(model, pictures, 56, 4, run=run, name="10", callbacks=[stop])

    resumes_exactly(train, tmp_path, capsys, monkeypatch)


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
def test_shipped_orders_say_what_the_lesson_says(dataset):
    """래스터와 거꾸로는 비슷하고, 섞은 순서는 더 나빠요. 위를 채운 것은 아래를 건드리지 않아요."""
    found = samples.load("10_orders", dataset)
    raster, backward, mixed = found.facts["nats"]
    assert abs(raster - backward) < 1.5 and mixed > max(raster, backward) + 1
    pages = found.images.reshape(-1, 10, 28, 28)
    assert all((page[:, 14:] == pages[0][:, 14:]).all() for page in pages[2:])


@pytest.mark.parametrize(("kind", "size", "on_mnist", "on_digits"), [
    ("NADE", 500, 91, 100), ("MADE", 500, 90, 104), ("PixelCNN", 32, 89, 91),
])
def test_pretrained_models_reach_their_nats(names, kind, size, on_mnist, on_digits):
    """저장소의 가중치: MNIST의 시험 이미지에서 89.2, 88.2, 86.8나트, digits의 첫 100장에서 97.6, 101.2, 88.7나트였어요."""
    real = "COURSE_MNIST" in os.environ
    images = data.load("mnist" if real else "digits").x_test[:: 10 if real else 1][: 1_000 if real else 100]
    model = names["built"](names[kind](np.zeros(784), size))
    weights.load(model, f"10_{kind.lower()}")
    bits = (np.random.default_rng(0).uniform(size=(len(images), 784)) < images.reshape(-1, 784) / 255).astype("float32")
    assert names["test_nats"](model, bits).mean() < (on_mnist if real else on_digits)
