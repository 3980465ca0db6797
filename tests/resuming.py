"""레슨마다 하는 같은 시험: 끊겼다 이어 한 학습이 끊기지 않은 것과 같은지."""

import numpy as np
import pytest

from course_utils import callbacks
from course_utils.backend import keras
from course_utils.runtime import Run


class Stop(keras.callbacks.Callback):
    """2번째 에폭이 시작될 때 Ctrl-C."""

    def __init__(self, on):
        super().__init__()
        self._on = on  # 밑줄: 학습의 결과를 바꾸지 않아요

    def on_epoch_begin(self, epoch, logs=None):
        if self._on and epoch == 2:
            raise KeyboardInterrupt


def resumes_exactly(train, folder, capsys, monkeypatch):
    """끊지 않은 학습과 끊었다 이어 한 학습의 가중치와 기록이 최대 차이 0이에요. 기록을 돌려줘요.

    Args:
        train: (Run, 콜백)을 받아 새 모델을 4에폭 학습시키고 (모델, 기록)을 돌려주는 함수.
    """
    monkeypatch.setattr(callbacks, "SAVE_EVERY", 0)

    def once(name, stop):
        model, history = train(Run("smoke", "digits", 42, folder / name), Stop(stop))
        return [variable.numpy().copy() for variable in model.variables], history

    whole, record = once("a", stop=False)
    with pytest.raises(KeyboardInterrupt):
        once("b", stop=True)
    rest, again = once("b", stop=False)
    assert "2에폭 다음부터" in capsys.readouterr().out
    assert all(np.array_equal(one, other) for one, other in zip(whole, rest, strict=True))
    assert record.keys() == again.keys() and all(np.array_equal(record[key], again[key]) for key in record)
    return record
