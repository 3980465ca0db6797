"""학습의 배관: 끊긴 학습을 이어 가는 `Checkpoint`, 한 자리에서 바뀌는 진행 표시 `Progress`."""

import contextlib
import hashlib
import json
import math
import os
import time
import zipfile
from pathlib import Path

import keras
import numpy as np

from course_utils.errors import CourseError
from course_utils.progress import Spot


class Checkpoint(keras.callbacks.Callback):
    """에폭이 끝날 때 학습의 모든 상태를 파일 하나에 남기고, 다시 만들면 거기서 이어 가요.

    가중치, 최적화기, 난수의 상태, 지금까지의 기록을 함께 담아요. 데이터의 순서가 에폭 번호로 정해지면
    (`data.batches`) 이어서 한 학습과 끊기지 않은 학습의 결과가 비트까지 같아요. 학습을 마치면 파일을 지워요.

    Attributes:
        epoch: 이미 끝낸 에폭의 수. `fit(initial_epoch=…)`과 `data.batches(first_epoch=…)`에 넘겨요.
        history: {이름: 에폭마다의 값}. 끊기기 전의 에폭도 들어 있어요.
    """

    def __init__(self, model, run, name, settings=None, seeds=(), folder="checkpoints", seconds=5):
        """
        Args:
            model: build와 compile을 마친 Keras 모델. 최적화기가 여럿이면 모두 build되어 있어야 해요.
            run: `course_utils.start`가 준 실행.
            name: 레슨 안에서 이 학습을 부르는 이름.
            settings: 결과를 바꾸는 값들의 사전. 하나라도 다르면 다른 학습으로 봐요.
            seeds: 모델 밖에 있는 `keras.random.SeedGenerator`들.
            folder: 파일을 둘 곳.
            seconds: 이보다 자주 저장하지 않아요.
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
        identity = [run.profile, str(run.dataset), run.seed, settings, [str(v.shape) for v in self._variables]]
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:12]
        self._path = Path(folder, f"{name}-{digest}.npz")
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
        except OSError as error:  # 저장하지 못해도 학습은 계속해요
            with contextlib.suppress(OSError):
                partial.unlink()
            self._seconds = float("inf")
            print(
                f"⚠️ 학습 상태를 저장하지 못했어요({error.strerror}). 학습은 계속하지만, 끊기면 처음부터 다시 해야 해요."
            )

    def _restore(self):
        try:
            with np.load(self._path, allow_pickle=False) as saved:
                values = [saved[f"arr_{i}"] for i in range(len(self._variables))]
                progress = json.loads(str(saved["progress"]))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise CourseError(
                f"저장된 학습 상태를 읽지 못했어요: {self._path}({type(error).__name__}). "
                "그 파일을 지우고 다시 실행하면 처음부터 학습해요."
            ) from error
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
        self.epoch, self.history = progress["epoch"], progress["history"]
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


def _losses(logs):
    return ", ".join(f"{name} {float(value):.4g}" for name, value in (logs or {}).items())
