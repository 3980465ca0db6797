"""학습에 붙이는 Keras 콜백 둘: 끊긴 학습을 이어 가는 `Resume`, 어디까지 왔는지 보여 주는 `Progress`."""

import contextlib
import json
import math
import re
import time

import numpy as np

from course_utils.backend import keras
from course_utils.errors import CourseError, reason
from course_utils.files import whole
from course_utils.status import Spot

SAVE_EVERY = 5  # 초. 이보다 자주 저장하지 않아요
KEPT_FILES, KEPT_BYTES = 20, 2**30  # 폴더 하나에 남겨 두는 파일들의 수와 크기
OUR_NAME = re.compile(r"\.?[^/\\]+-[0-9a-f]{12}\.npz(\.\d+\.part)?")
OUR_START = b"course_progress.npy"  # 우리가 쓴 .npz의 첫 항목


class Resume(keras.callbacks.Callback):
    """에폭이 끝날 때 학습의 모든 상태를 파일 하나에 남겨요. `restore`를 부르면 거기서 이어 가요.

    가중치, 최적화기, 난수의 상태, 지금까지의 기록을 함께 담아요. 데이터의 순서가 스텝의 번호로 정해지면
    (`batches.shuffled`) 이어서 한 학습과 끊기지 않은 학습의 결과가 비트까지 같아요. Keras의 `BackupAndRestore`는
    가중치와 에폭의 번호만 남겨서, 기록과 모델 밖의 최적화기와 배치의 순서를 잃어요.

    다른 콜백이 `on_epoch_end`에서 `logs`에 넣은 수와 배열도 기록에 남아요. 그래서 그 콜백들을 이것보다 앞에 둬요.
    학습을 마치면 파일을 지우고, 끝내지 않은 학습의 파일은 폴더에 최근의 `KEPT_FILES`개, `KEPT_BYTES`바이트까지만 둬요.

    Attributes:
        history: {이름: 적힌 값들의 목록}. 끊기기 전의 것도 들어 있어요.
    """

    def __init__(self, path):
        """path: 상태를 둘 .npz 파일. 폴더는 이 콜백만 쓰는 곳이어야 해요(오래된 상태를 지워요)."""
        super().__init__()
        self._path, self.history = path, {}

    def restore(self, model):
        """저장해 둔 상태가 있으면 모델에 되살려요.

        Args:
            model: build와 compile을 마친 Keras 모델. 최적화기가 여럿이면 모두 build되어 있어야 해요.
        Returns:
            이미 끝낸 에폭의 수. 저장해 둔 것이 없으면 0.
        Raises:
            CourseError: 파일이 있는데 읽지 못할 때. 모델은 그대로예요.
        """
        variables = state(model)
        try:
            with np.load(self._path, allow_pickle=False) as saved:
                progress = json.loads(str(saved["course_progress"]))
                states = [saved[f"state_{i}"] for i in range(len(variables))]
                history = {name: list(saved[f"history_{i}"]) for i, name in enumerate(progress["history"])}
            epoch = int(progress["epoch"])
            kinds = [(tuple(variable.shape), np.dtype(variable.dtype)) for variable in variables]
            if epoch < 0 or [(value.shape, value.dtype) for value in states] != kinds:
                raise ValueError("이 모델의 상태가 아니에요")
        except (FileNotFoundError, NotADirectoryError):
            return 0
        except OSError as error:
            raise CourseError(
                f"이어 할 학습의 파일 {self._path}을(를) 읽지 못했어요({reason(error)}). "
                "드라이브라면 다시 연결하고, 아니면 매개변수 checkpoints를 다른 폴더로 바꿔 주세요."
            ) from error
        except Exception as error:  # 망가진 파일이 낼 수 있는 오류는 다 적을 수 없어요
            raise CourseError(
                f"저장된 학습 상태를 읽지 못했어요: {self._path}({type(error).__name__}). "
                "그 파일을 지우고 다시 실행하면 처음부터 학습해요."
            ) from error
        for variable, value in zip(variables, states, strict=True):
            variable.assign(value)
        self.history = history
        print(f"끊긴 학습을 {epoch}에폭 다음부터 이어 가요.")
        return epoch

    def on_train_begin(self, logs=None):
        self._can_save, self._saved_at = True, time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(np.asarray(value))
        if self._can_save and time.monotonic() - self._saved_at >= SAVE_EVERY:
            self._save(epoch + 1)
            self._saved_at = time.monotonic()

    def on_train_end(self, logs=None):
        with contextlib.suppress(OSError):  # 저장한 적이 없으면 지울 것도 없어요
            self._path.unlink()

    def _save(self, epoch):
        progress = np.array(json.dumps({"epoch": epoch, "history": list(self.history)}))
        arrays = {f"state_{i}": keras.ops.convert_to_numpy(variable) for i, variable in enumerate(state(self.model))}
        arrays |= {f"history_{i}": np.stack(values) for i, values in enumerate(self.history.values())}
        try:
            with whole(self._path) as file:
                np.savez(file, course_progress=progress, **arrays)
            with contextlib.suppress(OSError):  # 다른 커널이 먼저 지웠을 수 있어요
                self._forget_old()
        except OSError as error:  # 저장하지 못해도 학습은 계속해요
            self._can_save = False
            print(
                f"⚠️ 학습 상태를 {self._path.parent}에 저장하지 못했어요({reason(error)}). 학습은 계속하지만, 끊기면 처음부터 다시 해야 해요."
            )

    def _forget_old(self):
        """오래된 상태(끝내지 않은 학습과 죽은 프로세스의 조각)부터 지워 수와 크기를 지켜요. 우리가 쓴 것만 지워요."""
        files = [path for path in self._path.parent.iterdir() if path != self._path and _is_ours(path)]
        files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        total = self._path.stat().st_size
        for number, path in enumerate(files, start=1):
            total += path.stat().st_size
            if number >= KEPT_FILES or total > KEPT_BYTES:
                path.unlink()


class Progress(keras.callbacks.Callback):
    """학습이 어디까지 왔는지 글 한 줄과 그림 한 장으로, 늘 같은 자리에서 새로 보여 줘요.

    `fit(verbose=0)`과 함께 써요. 다 끝나면 마지막 손실과 그림만 남아서, 다시 실행해도 출력이 같아요.
    손실이 NaN이나 무한대가 되면 `CourseError`로 멈춰요. 그 상태는 저장되지 않아요.
    """

    def __init__(self, draw=None, last_logs=None):
        """
        Args:
            draw: 인자 없이 불러 지금 모델의 그림(matplotlib Figure)을 얻는 함수. None이면 글만 보여 줘요.
            last_logs: 이어 할 에폭이 남지 않았을 때 보여 줄, 마지막 에폭의 {이름: 값}.
        """
        super().__init__()
        self._draw, self._logs = draw, last_logs or {}

    def on_train_begin(self, logs=None):
        self._line, self._picture, self._drawn = Spot(), Spot(), None
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
            self._shown, self._logs = time.monotonic(), logs
            self._show(self._epoch + (batch + 1) / (self.params["steps"] or batch + 1))

    def on_epoch_end(self, epoch, logs=None):
        self._logs = logs
        self._show(epoch + 1)
        if (epoch + 1) % max(1, self.params["epochs"] // 10) == 0:
            self._paint(epoch)

    def on_train_end(self, logs=None):
        self._paint(self.params["epochs"] - 1)
        self._line.show(f"학습 끝: {self.params['epochs']}에폭 · {_losses(self._logs)}")

    def _paint(self, epoch):
        if self._draw and self._drawn != epoch:
            self._picture.show(self._draw())
            self._drawn = epoch

    def _show(self, done):
        total = self.params["epochs"]
        bar = "█" * int(20 * done / total)
        left = (time.monotonic() - self._began) / max(done - self._first, 1e-9) * (total - done)
        self._line.show(f"{bar:░<20} {done:.1f}/{total} 에폭 · {_losses(self._logs)} · {left:.0f}초 남았어요")


def optimizers(model):
    """모델의 속성으로 있는 최적화기들. GAN처럼 여럿일 수 있어요."""
    return [value for value in vars(model).values() if isinstance(value, keras.optimizers.Optimizer)]


def state(model):
    """학습을 이어 가려면 있어야 하는 모든 변수: 모델의 것(난수의 상태도)과 최적화기마다의 것."""
    if model.optimizer and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [*model.variables, *(variable for optimizer in optimizers(model) for variable in optimizer.variables)]


def _is_ours(path):
    if not OUR_NAME.fullmatch(path.name):
        return False
    with path.open("rb") as file:
        return OUR_START in file.read(64)


def _losses(logs):
    return ", ".join(f"{name} {float(value):.4g}" for name, value in logs.items() if np.ndim(value) == 0)
