"""학습의 배관: Keras의 `fit`에 이어 하기와 진행 표시와 빠르기를 더한 `fit`, 빠른 `BatchNormalization`."""

import contextlib
import hashlib
import inspect
import json
import math
import os
import re
import time
import types
import zlib

import keras
import numpy as np
import tensorflow as tf

from course_utils import data
from course_utils.errors import CourseError
from course_utils.progress import Spot

AT_ONCE = 25  # 파이썬으로 돌아오지 않고 잇달아 가는 걸음의 수는 이것까지
MAX_FILES, MAX_BYTES = 20, 2**30  # 폴더 하나에 남겨 두는 파일들의 수와 크기
LIBRARIES = ("builtins", "keras", "numpy", "tensorflow")
OURS = re.compile(r"\.?[^/\\]+-[0-9a-f]{12}\.npz(\.\d+)?")


def fit(
    model, run, name, images, batch_size, epochs, steps_per_epoch=None, *,
    prepare=None, labels=None, augment=False, settings=None, seeds=(), callbacks=(), draw=None,
):  # fmt: skip
    """`model.fit`에 섞은 배치(`data.batches`), 이어 하기(`Checkpoint`), 진행 표시(`Progress`)를 붙인 것.

    여러 걸음(`AT_ONCE`까지)을 그래프 하나로, `compile(jit_compile=True)`면 XLA 프로그램 하나로 이어 가요. 결과는
    걸음마다 `model.train_step`을 부른 것과 같고(시험이 확인해요), 작은 완전 연결망은 `fit`의
    `steps_per_execution`보다 두 배쯤 빨라요. 콜백의 `batch`는 걸음이 아니라 이 묶음의 번호예요.

    Args:
        model: build와 compile을 마친 Keras 모델. `train_step`은 `model.metrics`에 있는 값들을 이름으로 내놓아요.
        run: `course_utils.start`가 준 실행. 시드와 학습 상태의 폴더를 써요.
        name: 레슨 안에서 이 학습을 부르는 이름.
        images: uint8 (N, 28, 28).
        batch_size: 한 걸음에 보는 이미지의 수, N 이하.
        epochs: 기록하고 저장하는 마디의 수.
        steps_per_epoch: 마디 하나의 걸음 수. None이면 데이터 한 바퀴.
        prepare: float32 (batch_size, 28, 28, 1), 0–1을(labels가 있으면 정답까지 둘을) 받아 `train_step`이 받을
            것을 돌려주는 함수. None이면 그대로.
        labels, augment: `data.batches`와 같아요.
        settings, seeds: `Checkpoint`와 같아요.
        callbacks: 저장과 진행 표시보다 먼저 부를 Keras 콜백들.
        draw: `Progress`에 넘길, 지금 모델의 그림을 그리는 함수.
    Returns:
        {이름: 에폭마다의 값, (epochs,)}.
    """
    steps = steps_per_epoch or len(images) // batch_size
    at_once = _at_once(steps)
    checksum = zlib.crc32(np.ascontiguousarray(images))
    plan = {"batch_size": batch_size, "steps": steps, "augment": augment, "images": checksum} | (settings or {})
    saved = Checkpoint(model, run, name, plan, seeds, maker=inspect.currentframe().f_back)
    model.train_function = _several_steps(model, prepare)
    model.fit(
        data.batches(images, batch_size, run.seed, saved.epoch * steps, labels, augment, at_once, steps),
        epochs=epochs,
        initial_epoch=saved.epoch,
        steps_per_epoch=math.ceil(steps / at_once),
        shuffle=False,
        verbose=0,
        callbacks=[*callbacks, saved, Progress(draw, every=max(1, epochs // 10))],
    )
    return {key: np.array(values) for key, values in saved.history.items()}


def _at_once(steps):
    """한 에폭의 steps걸음을 묶는 수. 마땅한 약수가 없으면 마지막 묶음이 짧고, 그 그래프를 하나 더 만들어요."""
    most = min(AT_ONCE, steps)
    return next((n for n in range(most, most // 2, -1) if steps % n == 0), most)


def _several_steps(model, prepare):
    """쌓인 배치의 수만큼 걸음을 가는, Keras의 `train_function`."""
    shown = []  # train_step이 내놓는 지표의 이름들

    @tf.function(jit_compile=model.jit_compile, autograph=False)
    def run(images, *labels):
        def step(i):
            batch = data.as_unit(images[i]), *(values[i] for values in labels)
            batch = prepare(*batch) if prepare else batch if labels else batch[0]
            shown[:] = model.train_step(batch)
            return [i + 1]

        tf.while_loop(lambda i: i < images.shape[0], step, [0])
        values = model.get_metrics_result()
        return {name: values[name] for name in shown}

    def train_function(iterator):
        stacked = next(iterator)
        return run(*stacked) if isinstance(stacked, tuple) else run(stacked)

    return train_function


class Checkpoint(keras.callbacks.Callback):
    """에폭이 끝날 때 학습의 모든 상태를 파일 하나에 남기고, 다시 만들면 거기서 이어 가요.

    가중치, 최적화기, 난수의 상태, 지금까지의 기록을 함께 담아요. 데이터의 순서가 걸음의 번호로 정해지면
    (`data.batches`) 이어서 한 학습과 끊기지 않은 학습의 결과가 비트까지 같아요. 학습을 마치면 파일을 지우고,
    끝내지 않은 학습의 파일은 폴더마다 최근의 `MAX_FILES`개, `MAX_BYTES`바이트까지만 둬요.
    설정이나 코드(모델, 손실, `Checkpoint`를 만든 함수와 거기서 부르는 함수)가 다르면 다른 학습으로 봐요.

    Attributes:
        epoch: 이미 끝낸 에폭의 수.
        history: {이름: 에폭마다의 값}. 끊기기 전의 에폭도 들어 있어요.
    """

    def __init__(self, model, run, name, settings=None, seeds=(), seconds=5, maker=None):
        """
        Args:
            model: build와 compile을 마친 Keras 모델. 최적화기가 여럿이면 모두 build되어 있어야 해요.
            run: `course_utils.start`가 준 실행. 파일은 `run.checkpoints`에 둬요.
            name: 레슨 안에서 이 학습을 부르는 이름.
            settings: 결과를 바꾸는 값들의 사전. 하나라도 다르면 다른 학습으로 봐요.
            seeds: 모델 밖에 있는 `keras.random.SeedGenerator`들.
            seconds: 이보다 자주 저장하지 않아요.
            maker: 코드를 견줄 함수나 셀의 프레임. None이면 이것을 만든 곳.
        """
        super().__init__()
        optimizers = [value for value in vars(model).values() if isinstance(value, keras.optimizers.Optimizer)]
        for optimizer in optimizers:
            if not optimizer.built and optimizer is model.optimizer:
                optimizer.build(model.trainable_variables)
        self._variables = [
            *model.variables,
            *(variable for optimizer in optimizers for variable in optimizer.variables),
            *(generator.state for generator in seeds),
        ]
        maker = maker or inspect.currentframe().f_back
        identity = [
            *(run.profile, str(run.dataset), run.seed, settings, [tuple(v.shape) for v in self._variables]),
            *(_layers(model), list(map(_config, optimizers)), getattr(model, "loss", None), maker.f_code),
        ]
        digest = hashlib.sha256(_source(identity, maker.f_globals, set()).encode()).hexdigest()[:12]
        self._path = run.checkpoints / f"{name}-{digest}.npz"
        self._seconds, self._saved_at = seconds, time.monotonic()
        self.epoch, self.history = 0, {}
        if self._path.exists():
            self._restore()

    def on_train_begin(self, logs=None):
        steps, at_once = self.params["steps"], getattr(self.model, "steps_per_execution", 1)
        if steps % at_once:  # Keras는 모자란 만큼 걸음을 더 가서, 에폭의 경계와 배치의 순서가 어긋나요
            raise CourseError(
                f"steps_per_execution={at_once}이 한 에폭의 {steps}걸음을 나누지 못해요. 약수로 바꿔 주세요."
            )

    def on_epoch_end(self, epoch, logs=None):
        self.epoch = epoch + 1
        for key, value in (logs or {}).items():
            self.history.setdefault(key, []).append(float(value))
        if time.monotonic() - self._saved_at >= self._seconds:
            self._save()
            self._saved_at = time.monotonic()

    def on_train_end(self, logs=None):
        with contextlib.suppress(OSError):  # 저장한 적이 없으면 지울 것도 없어요
            self._path.unlink()

    def _save(self):
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        progress = json.dumps({"epoch": self.epoch, "history": self.history})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                np.savez(file, *map(keras.ops.convert_to_numpy, self._variables), progress=np.array(progress))
            os.replace(partial, self._path)
            with contextlib.suppress(OSError):  # 다른 커널이 먼저 지웠을 수 있어요
                self._forget_old()
        except OSError as error:  # 저장하지 못해도 학습은 계속해요
            with contextlib.suppress(OSError):
                partial.unlink()
            self._seconds = float("inf")
            print(
                f"⚠️ 학습 상태를 저장하지 못했어요({error.strerror}). 학습은 계속하지만, 끊기면 처음부터 다시 해야 해요."
            )

    def _forget_old(self):
        """이 폴더의 오래된 파일(끝내지 않은 학습과 죽은 프로세스의 조각)부터 지워 수와 크기를 지켜요."""
        files = [path for path in self._path.parent.iterdir() if OURS.fullmatch(path.name) and path != self._path]
        files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        total = self._path.stat().st_size
        for number, path in enumerate(files, start=1):
            total += path.stat().st_size
            if number >= MAX_FILES or total > MAX_BYTES:
                path.unlink()

    def _restore(self):
        try:
            with np.load(self._path, allow_pickle=False) as saved:
                states = [saved[f"arr_{i}"] for i in range(len(self._variables))]
                progress = json.loads(str(saved["progress"]))
            epoch = int(progress["epoch"])
            history = {key: list(map(float, values)) for key, values in progress["history"].items()}
            kinds = [(tuple(variable.shape), np.dtype(variable.dtype)) for variable in self._variables]
            if epoch < 0 or [(value.shape, value.dtype) for value in states] != kinds:
                raise ValueError("이 모델의 상태가 아니에요")
        except Exception as error:  # 망가진 파일이 낼 수 있는 오류는 다 적을 수 없어요
            raise CourseError(
                f"저장된 학습 상태를 읽지 못했어요: {self._path}({type(error).__name__}). "
                "그 파일을 지우고 다시 실행하면 처음부터 학습해요."
            ) from error
        for variable, value in zip(self._variables, states, strict=True):
            variable.assign(value)
        self.epoch, self.history = epoch, history
        print(f"끊긴 학습을 {self.epoch}에폭 다음부터 이어 가요.")


class Progress(keras.callbacks.Callback):
    """학습이 어디까지 왔는지 글 한 줄과 그림 한 장으로, 늘 같은 자리에서 새로 보여 줘요.

    `fit(verbose=0)`과 함께 써요. 다 끝나면 마지막 손실과 그림만 남아서, 다시 실행해도 출력이 같아요.
    손실이 NaN이나 무한대가 되면 `CourseError`로 멈춰요. 그 상태는 저장되지 않아요.
    """

    def __init__(self, draw=None, every=1):
        """
        Args:
            draw: 인자 없이 불러 지금 모델의 그림(matplotlib Figure)을 얻는 함수. None이면 글만 보여 줘요.
            every: 그림을 새로 그리는 에폭 간격.
        """
        super().__init__()
        self._draw, self._every = draw, every

    def on_train_begin(self, logs=None):
        self._line, self._picture = Spot(), Spot()
        self._began = self._shown = time.monotonic()
        self._first = None

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        if self._first is None:
            self._first = epoch

    def on_train_batch_end(self, batch, logs=None):
        broken = [name for name, value in (logs or {}).items() if not math.isfinite(float(value))]
        if broken:
            raise CourseError(
                f"{self._epoch + 1}번째 에폭에서 {', '.join(broken)}이(가) 유한하지 않은 값이 됐어요(발산). "
                "학습을 멈췄어요. 학습률을 10분의 1로 줄여 보고, 손실에 log(0)이나 0으로 나누기가 없는지 확인해 주세요."
            )
        if time.monotonic() - self._shown > 0.5:
            self._shown = time.monotonic()
            self._show(self._epoch + (batch + 1) / (self.params["steps"] or batch + 1), logs)

    def on_epoch_end(self, epoch, logs=None):
        self._show(epoch + 1, logs)
        if self._draw and (epoch + 1 == self.params["epochs"] or (epoch + 1) % self._every == 0):
            self._picture.show(self._draw())

    def on_train_end(self, logs=None):
        self._line.show(f"학습 끝: {self.params['epochs']}에폭 · {_losses(logs)}")

    def _show(self, done, logs):
        total = self.params["epochs"]
        bar = "█" * int(20 * done / total)
        left = (time.monotonic() - self._began) / max(done - self._first, 1e-9) * (total - done)
        self._line.show(f"{bar:░<20} {done:.1f}/{total} 에폭 · {_losses(logs)} · {left:.0f}초 남았어요")


def normal(shape, seed):
    """표준 정규 난수. `keras.random.normal(shape, seed=seed)`와 같은 수예요(XLA 안에서는 다른 수).

    XLA 안에서도 빨라요. 방식을 정하지 않으면 TensorFlow가 CPU의 XLA에서 열 배쯤 느린 길로 가서, Philox라고 콕 집어 줘요.
    Salmon 외 (2011), Parallel random numbers: as easy as 1, 2, 3.

    Args:
        shape: 모양. 그래프 안의 텐서도 돼요.
        seed: `keras.random.SeedGenerator`. 부를 때마다 상태가 한 칸 나아가요.
    Returns:
        float32 텐서.
    """
    return tf.random.stateless_normal(shape, tf.cast(seed.next(), "int32"), alg="philox")


@keras.saving.register_keras_serializable("course")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras의 배치 정규화와 같은 셈을, 그림을 배울 때만 TensorFlow의 합친 연산 하나로 해요.

    출력과 기울기와 이동 통계는 Keras의 것과 1e-5 안에서 같고(시험이 확인해요), CPU에서 합성곱 GAN의 걸음이 10%쯤 빨라요.
    Ioffe와 Szegedy (2015), arXiv:1502.03167.
    """

    def call(self, inputs, training=None, mask=None):
        """inputs: (배치, 높이, 너비, 채널)이 아니면 Keras의 것을 써요."""
        if not (training and self.trainable) or len(inputs.shape) != 4:
            return super().call(inputs, training=training, mask=mask)
        images = keras.ops.cast(inputs, "float32")
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(images, self.gamma, self.beta, epsilon=self.epsilon)
        count = tf.cast(tf.size(images) / images.shape[-1], "float32")
        variance *= (count - 1) / count  # 이 연산은 N − 1로 나눈 분산을 내놓아요
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return keras.ops.cast(outputs, self.compute_dtype)


def _losses(logs):
    return ", ".join(f"{name} {float(value):.4g}" for name, value in (logs or {}).items())


def _layers(layer):
    """모델의 층마다의 클래스와 설정."""
    if inner := getattr(layer, "layers", ()):
        return [type(layer), *map(_layers, inner)]
    return [type(layer), getattr(layer, "function", None), _config(layer)]


def _config(thing):
    """층이나 최적화기의 설정. 만들 때마다 달라지는 이름과, 따로 보는 Lambda의 함수는 빼요."""
    with contextlib.suppress(Exception):  # get_config를 쓰지 않았거나 잘못 쓴 층
        return {key: value for key, value in thing.get_config().items() if key not in ("name", "function")}


def _source(thing, scope, seen):
    """결과를 정하는 값들의 글. 함수는 코드와, 그것이 부르는 같은 이름 공간(scope)의 함수와 클래스까지.

    주석, 줄의 자리, 자동으로 붙는 이름은 넣지 않아서, 커널을 다시 켜도 같은 코드면 같은 글이에요.
    """
    thing = inspect.unwrap(thing)
    if isinstance(thing, property):
        thing = thing.fget
    if isinstance(thing, types.CodeType | types.FunctionType | type):
        if thing in seen or getattr(thing, "__module__", "").partition(".")[0] in LIBRARIES:
            return getattr(thing, "__qualname__", "")
        seen.add(thing)
    if isinstance(thing, types.CodeType):
        called = [value for name in thing.co_names if _defined_here(value := scope.get(name), scope)]
        parts = [thing.co_code.hex(), *thing.co_names, *thing.co_varnames, *thing.co_consts, *called]
    elif isinstance(thing, types.FunctionType):
        scope = thing.__globals__
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        parts = [thing.__code__, thing.__defaults__, thing.__kwdefaults__, *cells]
    elif isinstance(thing, type):
        own = vars(thing).items()
        parts = [*thing.__bases__, *(v for key, v in own if inspect.isroutine(v) or not key.startswith("__"))]
    elif isinstance(thing, dict):
        parts = thing.items()
    elif isinstance(thing, list | tuple):
        parts = thing
    elif isinstance(thing, frozenset):
        return str(sorted(map(repr, thing)))
    else:
        return repr(thing) if isinstance(thing, int | float | str | bytes | np.generic | None) else type(thing).__name__
    return f"({','.join(_source(part, scope, seen) for part in parts)})"


def _defined_here(thing, scope):
    if isinstance(thing, type):
        return thing.__module__ == scope.get("__name__")
    return isinstance(thing, types.FunctionType) and thing.__globals__ is scope
