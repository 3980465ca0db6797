"""학습의 배관: 끊겼다가 이은 학습이 끊기지 않은 학습과 똑같고, 모델은 받은 그대로이고, 저장이 실패해도 학습은 계속해요."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from course_utils import CourseError, batches, callbacks, data, fast, training
from course_utils.backend import keras, tf
from course_utils.identity import identity
from course_utils.runtime import Run

BATCH = 10


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (70, 28, 28), dtype=np.uint8)


@pytest.fixture(autouse=True)
def save_every_epoch(monkeypatch):
    monkeypatch.setattr(callbacks, "SAVE_EVERY", 0)


def build(rate=1e-2, rule=keras.optimizers.Adam, jit=False, seed=3):
    """난수를 쓰는 층(Dropout, 층에 붙여 둔 발생기)과 상태가 있는 최적화기가 든 작은 오토인코더."""
    keras.utils.set_random_seed(seed)
    noise = keras.random.SeedGenerator(5)
    jitter = keras.layers.Lambda(lambda x: x + 0.1 * keras.random.normal(keras.ops.shape(x), seed=noise))
    jitter.noise = noise
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Flatten(),
            layers.Dense(8, "relu"),
            layers.Dropout(0.3),
            jitter,
            layers.BatchNormalization(),
            layers.Dense(784, "sigmoid"),
            layers.Reshape((28, 28, 1)),
        ]
    )
    model.compile(rule(rate), "mse", jit_compile=jit)
    return model


def pair(x):
    return x, x


def fit(folder, images, *others, model=None, seed=42, epochs=6, draw=None, **changes):
    model = model or build(**changes)
    run = Run("smoke", "digits", seed, folder)
    history = training.fit(
        model, images, BATCH, epochs, run=run, name="ae", prepare=pair, augment=True, callbacks=others, draw=draw
    )
    return model, history


class Stop(keras.callbacks.Callback):
    """epoch번째 에폭이 끝난 바로 다음에(last=True면 학습을 마치는 순간에) Ctrl-C."""

    def __init__(self, epoch, last=False):
        super().__init__()
        self._epoch, self._last = epoch, last  # 밑줄: 학습의 결과를 바꾸지 않아요

    def on_train_batch_begin(self, batch, logs=None):
        if self._now == self._epoch:
            raise KeyboardInterrupt

    def on_epoch_begin(self, epoch, logs=None):
        self._now = epoch

    def on_train_end(self, logs=None):
        if self._last:
            raise KeyboardInterrupt


class Gather(keras.callbacks.Callback):
    """에폭마다 그림 한 장과 수 하나를 모으는 콜백. 레슨의 앨범 같은 것이에요."""

    def on_epoch_end(self, epoch, logs=None):
        logs["picture"] = np.asarray(self.model(np.ones((1, 28, 28, 1), "float32")))[0]
        if epoch % 2:
            logs["norm"] = float(np.linalg.norm(logs["picture"]))


def difference(one, other):
    return max(np.abs(a - b).max() for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(("jit", "last"), [(False, False), (True, True)])  # 넷째 에폭에서, 다 마치는 순간에
def test_resumed_equals_uninterrupted_in_everything(tmp_path, images, capsys, jit, last):
    whole, record = fit(tmp_path / "a", images, Gather(), Stop(99), jit=jit)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "b", images, Gather(), Stop(99 if last else 3, last), jit=jit)
    drawn = []
    resumed, again = fit(tmp_path / "b", images, Gather(), Stop(99), jit=jit, draw=lambda: drawn.append(1) or "그림")
    said = capsys.readouterr().out
    assert f"{6 if last else 3}에폭 다음부터" in said
    assert said.splitlines()[-1].startswith("학습 끝: 6에폭 · loss 0.") and drawn  # 더 할 것이 없어도 끝의 그림은 보여요
    assert difference(whole, resumed) == 0
    assert same(record, again) and record["loss"].shape == (6,) and record["norm"].shape == (3,)
    assert list((tmp_path / "b/resume").iterdir()) == []  # 마친 학습의 파일은 남지 않아요


def test_killed_process_resumes(tmp_path):
    """학습하는 프로세스를 kill -9로 죽이고 같은 코드를 다시 실행해요."""
    code = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        sys.path.insert(0, "tests")
        import numpy as np
        import test_training as t
        t.callbacks.SAVE_EVERY = 0
        images = np.random.default_rng(0).integers(0, 256, (70, 28, 28), dtype=np.uint8)
        class Die(t.keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if epoch == 3 and sys.argv[2] == "die":
                    os.kill(os.getpid(), signal.SIGKILL)
        model, _ = t.fit(Path(sys.argv[1]), images, Die())
        print("sum", repr(float(sum(np.abs(w).sum() for w in model.get_weights()))))
    """)

    def start(mode):
        return subprocess.run([sys.executable, "-c", code, str(tmp_path / "b"), mode], capture_output=True, text=True)

    assert start("die").returncode == -signal.SIGKILL
    resumed = start("live").stdout
    assert "3에폭 다음부터" in resumed
    whole, _ = fit(tmp_path / "a", np.random.default_rng(0).integers(0, 256, (70, 28, 28), dtype=np.uint8))
    assert resumed.splitlines()[-1] == f"sum {float(sum(np.abs(w).sum() for w in whole.get_weights()))!r}"


def test_another_starting_point_is_another_training(tmp_path, images, capsys):
    """다 배운 모델을 한 번 더 배우다 끊겼어도, 새로 시작한 학습은 처음부터예요."""
    first, _ = fit(tmp_path, images)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, images, Stop(3), model=first)
    again, _ = fit(tmp_path, images, Stop(99))
    assert "다음부터" not in capsys.readouterr().out
    assert difference(again, fit(tmp_path / "fresh", images, Stop(99))[0]) == 0


def test_other_settings_never_use_the_file(tmp_path, images):
    """학습률, 시드, 에폭, 최적화기, 데이터, 콜백 가운데 하나라도 다르면 다른 파일이에요."""

    def file(*others, pictures=images, **changes):
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path, pictures, *others, Stop(1), **changes)
        return max((tmp_path / "resume").iterdir(), key=os.path.getmtime).name

    names = [file(), file(rate=1e-3), file(seed=7), file(epochs=7), file(rule=keras.optimizers.SGD), file(Gather())]
    names.append(file(pictures=images[::-1]))
    assert len(set(names)) == len(names) == len(list((tmp_path / "resume").iterdir()))


def test_another_table_of_chances_is_another_training():
    """합이 1인 표들은 합만으로는 구별되지 않아요. 마지막 자리의 차이는 같은 학습이에요."""
    table = np.array([[0.0, 0.7, 0.3], [0.5, 0.0, 0.5]])
    others = [table[:, [0, 2, 1]], np.array([[0.0, 0.6, 0.4], [0.5, 0.0, 0.5]]), table[::-1]]
    model = build()
    assert len({identity(model, other) for other in (table, *others)}) == 4
    assert identity(model, table) == identity(model, table * (1 + 1e-9))


def test_the_model_is_left_as_it_was(tmp_path, images):
    """`training.fit` 다음의 평범한 `model.fit(x, y)`는 Keras의 것 그대로예요."""
    learned, _ = fit(tmp_path, images, rule=keras.optimizers.SGD, epochs=1)
    x = images[..., None] / np.float32(255)
    fresh = build(rule=keras.optimizers.SGD)
    for mine, theirs in zip(fresh.variables, learned.variables, strict=True):
        mine.assign(theirs)
    losses = [model.fit(x, x, batch_size=14, verbose=0, shuffle=False).history["loss"] for model in (learned, fresh)]
    assert losses[0] == losses[1] and difference(learned, fresh) == 0


LESSON = """
from functools import partial
from types import SimpleNamespace

import keras

RATE, OPTIONS = (2.0, 1.0), SimpleNamespace(shift=0.25)

def scale(x):
    return RATE[0] * x  # 두 배

def moved(x, by):
    return x + by + OPTIONS.shift

def error(y, p):
    return keras.ops.mean((y - scale(p)) ** 2)

class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.core = keras.Sequential([keras.layers.Dense(3, "relu"), keras.layers.Lambda(lambda x: x + 1.0)])
        self.weight, self.move = {"a": 0.5}, partial(moved, by=0.75)

    def call(self, x):
        return self.core(scale(x))

class Warm(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.weight["a"] = 7.0

def make():
    keras.utils.set_random_seed(0)
    net = Net()
    net(keras.ops.zeros((1, 2)))
    net.compile(keras.optimizers.Adam(1e-3), error)
    return net, Warm()
"""


def test_other_code_is_another_training_but_comments_and_names_are_not():
    def digest(source):
        scope = {"__name__": "lesson"}
        exec(compile(source, f"<cell {id(source)}>", "exec"), scope)
        return identity(*scope["make"]())

    first = digest(LESSON)
    for old, new in (
        ("  # 두 배", ""),
        ("\ndef scale", "\n\n\ndef scale"),
        ("def make", "def unused():\n    pass\n\ndef make"),
    ):
        assert old in LESSON and digest(LESSON.replace(old, new)) == first, new
    changes = (
        ("2.0", "3.0"), ("** 2", "** 4"), ("relu", "tanh"), ("x + 1.0", "x - 1.0"), ("1e-3", "1e-2"), ("= 7.0", "= 8.0"),
        (": 0.5", ": 0.6"), ("by=0.75", "by=0.7"), ("shift=0.25", "shift=0.2"), ("self.core(scale(x))", "self.core(x)"), ("random_seed(0)", "random_seed(1)"),
    )
    names = {digest(LESSON.replace(old, new)) for old, new in changes if old in LESSON}
    assert len(names | {first}) == len(changes) + 1


def test_only_what_we_surely_wrote_is_deleted(tmp_path, images, monkeypatch):
    monkeypatch.setattr(callbacks, "KEPT_FILES", 2)
    for rate in (1e-3, 2e-3, 3e-3, 4e-3):  # 끊긴 학습 넷
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path, images, Stop(2), rate=rate)
    kept = list((tmp_path / "resume").iterdir())
    assert len(kept) == 2
    theirs = [tmp_path / "data-202511281230.npz", tmp_path / "resume/data-202511281230.npz", tmp_path / "resume/내 글.txt"]
    for path in theirs:  # 이름이 닮았어도 우리가 쓴 것이 아니면 그대로
        path.write_bytes(bytes(100))
        os.utime(path, (0, 0))
    (tmp_path / f"resume/.{kept[0].name}.123.part").write_bytes(kept[0].read_bytes()[:100])  # 죽은 프로세스의 조각
    monkeypatch.setattr(callbacks, "KEPT_BYTES", 10)
    fit(tmp_path, images)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(theirs)


def test_damaged_file_is_named_and_kept(tmp_path, images):
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, images, Stop(2))
    (file,) = (tmp_path / "resume").iterdir()
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(CourseError, match="지우고 다시 실행"):
        fit(tmp_path, images, Stop(99))
    assert file.exists()


def test_disconnected_drive_is_explained(tmp_path, images, monkeypatch):
    def gone(*_, **__):
        raise OSError(107, "Transport endpoint is not connected")

    monkeypatch.setattr(callbacks.np, "load", gone)
    with pytest.raises(CourseError, match=r"연결이 끊겼어요.*checkpoints"):
        fit(tmp_path, images)


def test_unwritable_folder_does_not_stop_training(tmp_path, images, capsys):
    (tmp_path / "file").touch()
    _, history = fit(tmp_path / "file" / "below", images)
    assert len(history["loss"]) == 6
    assert capsys.readouterr().out.count("저장하지 못했어요") == 1


def test_progress_ends_with_the_same_line_every_time(tmp_path, images, capsys):
    drawn = []
    fit(tmp_path, images, epochs=25, draw=lambda: drawn.append(1) or "그림")
    lines = [line for line in capsys.readouterr().out.splitlines() if line != "그림"]
    assert lines[-1].startswith("학습 끝: 25에폭 · loss 0.") and "초" not in lines[-1]
    assert "초 남았어요" in lines[0]
    assert len(drawn) == 13  # 2, 4, …, 24에폭과 마지막


def test_divergence_stops_with_a_reason_and_is_not_saved(tmp_path, images, capsys):
    class Break(keras.callbacks.Callback):
        _when = 2

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == self._when:
                self.model.layers[-2].kernel.assign(self.model.layers[-2].kernel * np.nan)

    breaking = Break()
    with pytest.raises(CourseError, match="3번째 에폭에서 loss이"):
        fit(tmp_path, images, breaking)
    Break._when = None
    model, _ = fit(tmp_path, images, breaking)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_batch_larger_than_the_data_is_explained(tmp_path, images):
    with pytest.raises(CourseError, match="배치 하나가 10장인데 이미지는 3장뿐"):
        fit(tmp_path, images[:3])


@pytest.mark.parametrize("pack", [25, 1])  # 한 에폭 7스텝을 한 번에, 하나씩
@pytest.mark.parametrize("augment", [False, True])
def test_fit_equals_one_step_at_a_time(tmp_path, images, augment, pack, monkeypatch):
    monkeypatch.setattr(training, "STEPS_TOGETHER", pack)
    plain, model = (build(rule=keras.optimizers.SGD) for _ in range(2))  # Adam은 반올림의 차이를 키워요
    stream = iter(batches.shuffled(images, 10, 42, augment=augment))
    for _ in range(3):
        plain.reset_metrics()
        for _ in range(7):
            logs = plain.train_step(pair(next(stream)))
    run = Run("smoke", "digits", 42, tmp_path)
    history = training.fit(model, images, 10, 3, run=run, name="ae", prepare=pair, augment=augment)
    for one, other in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert history["loss"].shape == (3,) and history["loss"][-1] == pytest.approx(float(logs["loss"]), abs=1e-5)


def test_xla_program_learns_the_same_as_single_steps(tmp_path, images):
    """난수가 없는 망이면 XLA로 묶어 간 여러 스텝도 한 스텝씩 간 것과 1e-5 안에서 같아요."""
    found = []
    for jit in (False, True):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=jit)
        run = Run("smoke", "digits", 42, tmp_path)
        history = training.fit(
            model, images, 10, 2, run=run, name="line", prepare=lambda x: (x, tf.reduce_mean(x, (1, 2)))
        )
        found.append([history["loss"], *model.get_weights()])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_batches_cover_every_image_once_and_reshuffle(images):
    images[:, 0, 0] = np.arange(70)  # 이미지마다 이름표
    stream = iter(batches.shuffled(images, 10, seed=1).map(lambda x: x[:, 0, 0, 0]))
    epochs = [np.concatenate([next(stream).numpy() for _ in range(7)]) * 255 for _ in range(2)]
    for epoch in epochs:
        assert sorted(epoch.round()) == list(range(70))
    assert list(epochs[0]) != list(epochs[1])


@pytest.mark.parametrize("pack", [None, 3])
def test_batches_from_a_later_step_are_the_same(images, pack):
    labels = np.arange(70)
    whole = iter(batches.shuffled(images, 16, 1, labels=labels, augment=True))
    for _ in range(6):  # 둘째 바퀴의 한가운데
        next(whole)
    later = batches.shuffled(images, 16, 1, first_step=6, labels=labels, augment=True, pack=pack)
    later = iter(later.unbatch() if pack else later)
    for _ in range(4):
        (x, y), (x2, y2) = next(whole), next(later)
        assert np.array_equal(x, x2) and np.array_equal(y, y2)


def test_augmentation_moves_a_little_and_keeps_the_range():
    digits = data.load("digits")
    plain = next(iter(batches.shuffled(digits.x_train, 200, 0))).numpy()
    moved = next(iter(batches.shuffled(digits.x_train, 200, 0, augment=True))).numpy()
    assert moved.min() >= 0 and moved.max() <= 1 and not np.array_equal(plain, moved)
    assert abs(moved.mean() / plain.mean() - 1) < 0.05  # 획이 잘려 나가지 않아요
    rows = np.arange(28)
    centers = [(x.sum(axis=(2, 3)) * rows).sum(axis=1) / x.sum(axis=(1, 2, 3)) for x in (plain, moved)]
    assert 0.3 < np.abs(centers[0] - centers[1]).mean() < 2.5


@pytest.mark.parametrize("shape", [(6, 5, 4, 3), (1, 2, 1, 3), (4, 3)])
def test_fast_batch_normalization_equals_keras(shape):
    rng = np.random.default_rng(0)
    x, weight = (rng.normal(1, 3, shape).astype("float32") for _ in range(2))
    found = []
    for make in (keras.layers.BatchNormalization, fast.BatchNormalization):
        layer = make(momentum=0.8, beta_initializer="ones", gamma_initializer="random_normal")
        layer.build(shape)
        layer.gamma.assign(np.linspace(0.5, 2, shape[-1]))
        given = tf.Variable(x)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(weight * layer(given, training=True) ** 2)
        gradients = tape.gradient(loss, [given, *layer.trainable_variables])
        found.append([loss, *gradients, *layer.non_trainable_variables, layer(given, training=False)])
    for keras_value, ours in zip(*found, strict=True):
        scale = np.abs(keras_value).max() + 1e-6
        np.testing.assert_allclose(np.asarray(ours) / scale, np.asarray(keras_value) / scale, atol=1e-5)


def test_fast_batch_normalization_is_saved_and_cloned(tmp_path):
    model = keras.Sequential([keras.Input((4, 4, 2)), fast.BatchNormalization(momentum=0.9)])
    model.save(tmp_path / "model.keras")
    for other in (keras.models.load_model(tmp_path / "model.keras"), keras.models.clone_model(model)):
        assert type(other.layers[0]) is fast.BatchNormalization and other.layers[0].momentum == 0.9
