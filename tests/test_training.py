"""학습의 배관: 끊겼다가 이은 학습이 끊기지 않은 학습과 똑같고, 저장이 실패해도 학습은 계속해요."""

import os
import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from course_utils import CourseError, data, training
from course_utils.runtime import Run
from course_utils.training import Checkpoint, Progress

EPOCHS, BATCH = 6, 16


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (70, 28, 28), dtype=np.uint8)


def build():
    """난수를 쓰는 층(모델 안의 Dropout, 모델 밖의 발생기)과 상태가 있는 최적화기가 든 작은 오토인코더."""
    keras.utils.set_random_seed(3)
    noise = keras.random.SeedGenerator(5)

    def jitter(x):
        return x + 0.1 * keras.random.normal(keras.ops.shape(x), seed=noise)

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Flatten(),
            layers.Dense(8, "relu"),
            layers.Dropout(0.3),
            layers.Lambda(jitter),
            layers.BatchNormalization(),
            layers.Dense(784, "sigmoid"),
            layers.Reshape((28, 28, 1)),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    return model, noise


def begin(folder, seed=42, rate=1e-2):
    model, noise = build()
    return model, Checkpoint(model, Run("smoke", "digits", seed, folder), "ae", {"rate": rate}, [noise], seconds=0)


def train(folder, images, stop_after=None):
    model, saved = begin(folder)

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if stop_after is not None and self.params["epochs"] and saved.epoch == stop_after and batch == 1:
                raise KeyboardInterrupt

    steps = len(images) // BATCH
    batches = data.batches(images, BATCH, 42, saved.epoch * steps, augment=True).map(lambda x: (x, x))
    model.fit(
        batches,
        epochs=EPOCHS,
        steps_per_epoch=steps,
        initial_epoch=saved.epoch,
        verbose=0,
        shuffle=False,
        callbacks=[saved, Stop()],
    )
    return model, saved


def test_resumed_equals_uninterrupted(tmp_path, images, capsys):
    whole, record = train(tmp_path / "a", images)
    with pytest.raises(KeyboardInterrupt):  # 넷째 에폭의 한가운데
        train(tmp_path / "b", images, stop_after=3)
    resumed, again = train(tmp_path / "b", images)
    assert "3에폭 다음부터" in capsys.readouterr().out
    difference = max(np.abs(a - b).max() for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True))
    assert difference == 0
    assert again.history == record.history and len(again.history["loss"]) == EPOCHS
    assert list((tmp_path / "b").iterdir()) == []  # 마친 학습의 파일은 남지 않아요


def test_killed_process_resumes(tmp_path):
    """학습하는 프로세스를 kill -9로 죽이고 같은 코드를 다시 실행해요."""
    code = textwrap.dedent("""
        import os, signal, sys
        sys.path.insert(0, "tests")
        import numpy as np
        import test_training as t
        images = np.random.default_rng(0).integers(0, 256, (70, 28, 28), dtype=np.uint8)
        if sys.argv[2] == "die":
            on_epoch_end = t.Checkpoint.on_epoch_end
            def then_die(self, epoch, logs=None):
                on_epoch_end(self, epoch, logs)
                if epoch == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
            t.Checkpoint.on_epoch_end = then_die
        model, saved = t.train(sys.argv[1], images)
        print("sum", repr(float(sum(np.abs(w).sum() for w in model.get_weights()))))
    """)

    def start(folder, mode):
        return subprocess.run([sys.executable, "-c", code, str(folder), mode], capture_output=True, text=True)

    assert start(tmp_path / "b", "die").returncode == -signal.SIGKILL
    resumed = start(tmp_path / "b", "live").stdout
    assert "3에폭 다음부터" in resumed
    assert resumed.splitlines()[-1] == start(tmp_path / "a", "live").stdout.splitlines()[-1]


def test_other_settings_never_use_the_file(tmp_path, images):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, images, stop_after=2)
    assert begin(tmp_path, rate=1e-3)[1].epoch == 0 and begin(tmp_path, seed=7)[1].epoch == 0
    assert begin(tmp_path)[1].epoch == 2


LESSON = """
import keras
from course_utils.training import Checkpoint

def scale(x):
    return 2.0 * x  # 두 배

def error(y, p):
    return keras.ops.mean((y - scale(p)) ** 2)

class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.core = keras.Sequential([keras.layers.Dense(3, "relu"), keras.layers.Lambda(lambda x: x + 1.0)])

    def call(self, x):
        return self.core(scale(x))

def name_of_file(run, batch_size=8):
    net = Net()
    net(keras.ops.zeros((1, 2)))
    net.compile(keras.optimizers.Adam(1e-3), error)
    return Checkpoint(net, run, "net")._path.name
"""


def test_other_code_is_another_training_but_comments_and_names_are_not(tmp_path):
    def name(source):
        scope = {"__name__": "lesson"}
        exec(compile(source, f"<cell {id(source)}>", "exec"), scope)
        return scope["name_of_file"](Run("smoke", "digits", 42, tmp_path))

    first = name(LESSON)
    for old, new in (
        ("  # 두 배", ""),
        ("\ndef scale", "\n\n\ndef scale"),
        ("def name_of", "def unused():\n    pass\n\ndef name_of"),
    ):
        assert old in LESSON and name(LESSON.replace(old, new)) == first, new
    changes = ("2.0 *", "3.0 *"), ("** 2", "** 4"), ("relu", "tanh"), ("x + 1.0", "x - 1.0"), ("1e-3", "1e-2"), \
        ("self.core(scale(x))", "self.core(x)")  # fmt: skip
    names = {name(LESSON.replace(old, new)) for old, new in changes if old in LESSON}
    assert len(names | {first}) == len(changes) + 1


def test_old_files_are_forgotten_and_others_are_kept(tmp_path, images, monkeypatch):
    monkeypatch.setattr(training, "MAX_FILES", 3)
    (tmp_path / "내 파일.npz").touch()
    ours = [tmp_path / f"net-{i:012x}.npz" for i in range(4)] + [tmp_path / f".net-{0:012x}.npz.123"]
    for age, path in enumerate(ours):
        path.write_bytes(bytes(100))
        os.utime(path, (1_000 - age, 1_000 - age))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, images, stop_after=2)
    mine = {path.name for path in tmp_path.iterdir() if path.name.startswith("ae-")}
    assert {path.name for path in tmp_path.iterdir()} == {"내 파일.npz", *mine, ours[0].name, ours[1].name}
    monkeypatch.setattr(training, "MAX_BYTES", 10)
    train(tmp_path, images, stop_after=None)
    assert [path.name for path in tmp_path.iterdir()] == ["내 파일.npz"]


def test_damaged_file_is_named_and_kept(tmp_path, images):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, images, stop_after=2)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(CourseError, match="지우고 다시 실행"):
        train(tmp_path, images)
    assert file.exists()


def test_steps_per_execution_must_divide_the_epoch(tmp_path, images):
    model, noise = build()
    model.compile("adam", "mse", steps_per_execution=3)
    saved = Checkpoint(model, Run("smoke", "digits", 42, tmp_path), "ae", seeds=[noise])
    with pytest.raises(CourseError, match="steps_per_execution=3"):
        model.fit(images / 255.0, images / 255.0, batch_size=10, epochs=1, verbose=0, callbacks=[saved])


def test_unwritable_folder_does_not_stop_training(tmp_path, images, capsys):
    (tmp_path / "file").touch()
    _, saved = train(tmp_path / "file" / "below", images)
    assert saved.epoch == EPOCHS
    assert capsys.readouterr().out.count("저장하지 못했어요") == 1


def test_progress_ends_with_the_same_line_every_time(images, capsys):
    model, _ = build()
    drawn = []
    batches = data.batches(images, BATCH, 0).map(lambda x: (x, x))
    progress = Progress(lambda: drawn.append(1), every=2)
    model.fit(batches, epochs=5, steps_per_epoch=4, verbose=0, shuffle=False, callbacks=[progress])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("학습 끝: 5에폭 · loss 0.") and "초" not in lines[-1]
    assert "초 남았어요" in lines[0]
    assert len(drawn) == 3  # 2, 4에폭과 마지막


def test_divergence_stops_with_a_reason_and_is_not_saved(tmp_path, images):
    model, saved = begin(tmp_path)

    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.layers[-2].kernel.assign(self.model.layers[-2].kernel * np.nan)

    batches = data.batches(images, BATCH, 0).map(lambda x: (x, x))
    with pytest.raises(CourseError, match="3번째 에폭에서 loss이"):
        model.fit(batches, epochs=5, steps_per_epoch=4, verbose=0, shuffle=False,
                  callbacks=[Break(), saved, Progress()])  # fmt: skip
    again, saved = begin(tmp_path)
    assert saved.epoch == 2
    assert all(np.isfinite(weight).all() for weight in again.get_weights())


def step_by_step(images, labels, augment):
    """`training.fit`이 하는 일을 파이썬으로 한 걸음씩."""
    model, _ = build()
    model.compile(keras.optimizers.SGD(1e-2), "mse")
    stream = iter(data.batches(images, 10, 42, labels=labels, augment=augment))
    for _ in range(3):
        model.reset_metrics()
        for _ in range(7):
            logs = model.train_step(pair(*(next(stream) if labels is not None else [next(stream)])))
    return model, float(logs["loss"])


def pair(x, y=None):
    return x, x if y is None else x * tf.cast(y[:, None, None, None], tf.float32)


def fit(folder, images, labels=None, augment=False, jit=False, stop=None, rule=keras.optimizers.Adam):
    model, noise = build()
    model.compile(rule(1e-2), "mse", jit_compile=jit)
    made = training.fit(
        model, Run("smoke", "digits", 42, folder), "ae", images, 10, 3,
        prepare=pair, labels=labels, augment=augment, seeds=[noise], callbacks=[stop] if stop else [],
    )  # fmt: skip
    return model, made


@pytest.mark.parametrize("at_once", [25, 5])  # 한 에폭 7걸음을 한 번에, 다섯과 둘로
@pytest.mark.parametrize(("labelled", "augment"), [(False, False), (True, False), (True, True)])
def test_fit_equals_one_step_at_a_time(tmp_path, images, labelled, augment, at_once, monkeypatch):
    monkeypatch.setattr(training, "AT_ONCE", at_once)
    labels = np.arange(70) % 3 if labelled else None
    plain, loss = step_by_step(images, labels, augment)
    model, history = fit(tmp_path, images, labels, augment, rule=keras.optimizers.SGD)  # Adam은 반올림의 차이를 키워요
    for one, other in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert history["loss"].shape == (3,) and history["loss"][-1] == pytest.approx(loss, abs=1e-5)


def test_xla_program_learns_the_same_as_single_steps(tmp_path, images):
    """난수가 없는 망이면 XLA로 묶어 간 여러 걸음도 한 걸음씩 간 것과 1e-5 안에서 같아요."""
    found = []
    for jit in (False, True):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=jit)
        run = Run("smoke", "digits", 42, tmp_path)
        history = training.fit(model, run, "line", images, 10, 2, prepare=lambda x: (x, tf.reduce_mean(x, (1, 2))))
        found.append([history["loss"], *model.get_weights()])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("jit", [False, True])
def test_interrupted_fit_resumes_exactly(tmp_path, images, capsys, monkeypatch, jit):
    monkeypatch.setattr(training, "AT_ONCE", 2)  # 한 에폭 7걸음을 둘, 둘, 둘, 하나로
    monkeypatch.setattr(Checkpoint.__init__, "__defaults__", (None, (), 0, None))  # 에폭마다 저장

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.epoch == 2 and batch == 3:
                raise KeyboardInterrupt

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

    whole, record = fit(tmp_path / "a", images, jit=jit)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "b", images, jit=jit, stop=Stop())
    resumed, again = fit(tmp_path / "b", images, jit=jit)
    assert "2에폭 다음부터" in capsys.readouterr().out
    assert max(np.abs(a - b).max() for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True)) == 0
    assert list(record["loss"]) == list(again["loss"])


def test_normal_equals_keras_and_is_normal_inside_xla():
    ours, theirs, compiled = (keras.random.SeedGenerator(7) for _ in range(3))
    draw = tf.function(lambda: training.normal((200, 500), compiled), jit_compile=True)
    for _ in range(2):
        assert np.array_equal(training.normal((3, 4), ours), keras.random.normal((3, 4), seed=theirs))
    first, second = np.ravel(draw()), np.ravel(draw())
    assert stats.kstest(first, "norm").pvalue > 1e-3 and abs(np.corrcoef(first, second)[0, 1]) < 0.01


def test_batches_cover_every_image_once_and_reshuffle(images):
    images[:, 0, 0] = np.arange(70)  # 이미지마다 이름표
    stream = iter(data.batches(images, 10, seed=1).map(lambda x: x[:, 0, 0, 0]))
    epochs = [np.concatenate([next(stream).numpy() for _ in range(7)]) * 255 for _ in range(2)]
    for epoch in epochs:
        assert sorted(epoch.round()) == list(range(70))
    assert list(epochs[0]) != list(epochs[1])


def test_batches_leave_no_tuning_thread(images):
    """스스로 조절하는 tf.data의 스레드는 반복자를 지울 때 몇십 초까지 놓아주지 않아요."""
    assert data.batches(images, 10, 0, at_once=5, per_epoch=7).options().autotune.enabled is False


def test_batches_from_a_later_step_are_the_same(images):
    labels = np.arange(70)
    whole = iter(data.batches(images, 16, 1, labels=labels, augment=True))
    for _ in range(6):  # 둘째 바퀴의 한가운데
        next(whole)
    later = iter(data.batches(images, 16, 1, first_step=6, labels=labels, augment=True))
    for _ in range(4):
        (x, y), (x2, y2) = next(whole), next(later)
        assert np.array_equal(x, x2) and np.array_equal(y, y2)


def test_augmentation_moves_a_little_and_keeps_the_range():
    digits = data.load("digits")
    plain = next(iter(data.batches(digits.x_train, 200, 0))).numpy()
    moved = next(iter(data.batches(digits.x_train, 200, 0, augment=True))).numpy()
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
    for make in (keras.layers.BatchNormalization, training.BatchNormalization):
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
    model = keras.Sequential([keras.Input((4, 4, 2)), training.BatchNormalization(momentum=0.9)])
    model.save(tmp_path / "model.keras")
    for other in (keras.models.load_model(tmp_path / "model.keras"), keras.models.clone_model(model)):
        assert type(other.layers[0]) is training.BatchNormalization and other.layers[0].momentum == 0.9
