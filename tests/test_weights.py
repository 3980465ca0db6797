"""미리 학습해 둔 가중치: 줄여 저장해도 거의 같고, 다른 모델이나 망가진 파일은 한국어로 거절해요."""

import os

import numpy as np
import pytest
from keras import Input, Sequential, layers

from course_utils import CourseError, data, metrics, weights
from course_utils.lessons import load_cells


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    return tmp_path


def network(units=5):
    return Sequential([Input((8, 8, 1)), layers.Conv2D(3, 3), layers.BatchNormalization(), layers.Flatten(),
                       layers.Dense(units)])


def test_saved_weights_come_back_within_a_step_of_the_scale(folder):
    model, other = network(), network()
    size = weights.save(model, "net", {"loss": [0.51234567, 0.25]})
    assert weights.load(other, "net") == {"loss": [0.51235, 0.25]}
    for before, after in zip(model.get_weights(), other.get_weights(), strict=True):
        step = np.abs(before).max(axis=tuple(range(before.ndim - 1))) / 127
        assert np.all(np.abs(before - after) <= step / 2 + 1e-7 if before.ndim > 1 else before == after)
    assert size < 4 * model.count_params() + 2000  # 작은 망이라 파일의 머리말이 커요
    assert [path.name for path in folder.iterdir()] == ["net.npz"]


def test_half_precision_loses_almost_nothing(folder):
    model, other = network(), network()
    weights.save(model, "net", {}, half=True)
    weights.load(other, "net")
    for before, after in zip(model.get_weights(), other.get_weights(), strict=True):
        assert after.dtype == np.float32 and np.allclose(before, after, rtol=1e-3, atol=1e-6)


def test_wrong_or_damaged_files_are_refused(folder):
    weights.save(network(), "net", {})
    with pytest.raises(CourseError, match="모양이 달라요"):
        weights.load(network(units=6), "net")
    (folder / "net.npz").write_bytes((folder / "net.npz").read_bytes()[:200])
    with pytest.raises(CourseError, match="읽지 못했어요"):
        weights.load(network(), "net")
    with pytest.raises(CourseError, match="없는이름"):
        weights.load(network(), "없는이름")


@pytest.mark.parametrize(("kind", "sizes", "on_mnist", "on_digits"), [
    ("conv", (2,), -144, -203),
    ("dense", (20, 800), -98, -120),
])
def test_pretrained_vaes_reach_their_bounds(kind, sizes, on_mnist, on_digits):
    """저장소의 가중치를 05의 셀로 만든 모델에 담으면 시험 이미지의 ELBO가 적어 둔 값을 넘어요.

    저장한 날의 값은 MNIST에서 −139와 −94, digits에서 −198과 −117. 가중치에 그 표준편차의 10%만 한 잡음을 섞어도 10나트를 넘게 잃어요.
    """
    names = load_cells("05_vae", "sampling", "conv", "loss", "vae", "dense", "weights")
    real = "COURSE_MNIST" in os.environ
    x = data.load("mnist" if real else "digits").x_test[:300, ..., None] / np.float32(255)
    encoder, decoder = (names[f"{kind}_{half}"](*sizes) for half in ("encoder", "decoder"))
    vae = names["VAE"](encoder, decoder)
    vae(x[:1])
    weights.load(vae, f"05_vae_{kind}")
    assert metrics.elbo(names["log_weights"](encoder, decoder), x).mean() > (on_mnist if real else on_digits)


@pytest.mark.parametrize("name", ["08_dcgan", "09_wgan"])
def test_pretrained_gans_draw_every_digit(name):
    """저장소의 가중치를 08과 09의 셀로 만든 모델에 담으면 열 가지 숫자를 모두 또렷하게 그려요.

    분류망이 확신하는 비율은 잡음의 시드 다섯 개에서 0.83–0.89예요.
    """
    names = load_cells(name, "networks", *(["gan"] if name == "08_dcgan" else []))
    model = average = names["generator"](32)
    if name == "08_dcgan":
        model = names["DCGAN"](model, names["discriminator"](), 32)
        model(np.zeros((1, 32), "float32"))
        average = model.average
    weights.load(model, name)
    z = np.random.default_rng(0).normal(size=(500, 32)).astype("float32")
    _, chances = metrics.digit_features(np.clip((average.predict(z, verbose=0) + 1) / 2, 0, 1))
    sure = chances[chances.max(axis=1) > 0.9]
    assert len(sure) > 0.8 * len(z) and set(sure.argmax(axis=1)) == set(range(10))


@pytest.mark.parametrize(("kind", "mse", "distance"), [("VAE", 0.039, 0.8), ("AAE", 0.040, 0.2), ("WAE", 0.040, 0.08)])
def test_pretrained_planes_draw_digits_from_the_ring(kind, mse, distance):
    """저장소의 가중치를 11의 셀로 만든 모델에 담고 고리에서 뽑아 그리면 숫자가 나와요. MNIST가 있으면 재구성과 거리도 봐요.

    저장한 날의 MSE는 0.036, 0.038, 0.037, 방향 평균 W₁은 0.66, 0.15, 0.05예요.
    """
    names = load_cells("11_aae_wae", "prior", "networks", "vae", "learn", "aae", "wae", "rulers")
    prior = names["make_prior"]("ring")
    model = names[kind](prior, names["WEIGHTS"][kind])
    model(np.zeros((1, 28, 28, 1), "float32"))
    weights.load(model, f"11_{kind.lower()}")
    many = np.asarray(names["draw_prior"](*prior, 20_000, 0))
    _, chances = metrics.digit_features(model.decoder.predict(many[:500], verbose=0))
    sure = chances[chances.max(axis=1) > 0.9]
    assert len(sure) > 0.5 * 500 and len(set(sure.argmax(axis=1))) >= 8
    if "COURSE_MNIST" in os.environ:
        x = data.load("mnist").x_test[..., None] / np.float32(255)
        codes = names["codes_of"](model, x)
        assert np.mean(np.square(x - model.decoder.predict(codes, batch_size=1_000, verbose=0))) < mse
        assert names["sliced_w1"](codes, many) < distance
