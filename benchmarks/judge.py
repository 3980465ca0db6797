"""심판: 다른 선수가 멈춰 있는 동안 그 모델을 재는 선수. 배우지 않아요."""

import numpy as np

from benchmarks.ours import LESSONS
from course_utils import data, metrics


class Player:
    """경기장의 선수(`arena.Contestant`). info: 견줄 그림의 수(count)와 바닥(floor)."""

    def __init__(self, dataset="auto"):
        digits = data.load(dataset)
        self.x_test = digits.x_test[..., None] / np.float32(255)
        self.vaes = {}
        for activation in ("silu", "relu"):
            lesson = LESSONS["dense_vae"](digits.x_train, 0, activation=activation)
            pair = lesson.networks.values()
            self.vaes[activation] = pair, lesson.cells["log_weights"](*pair)
        self.evaluator = metrics.SampleEvaluator(np.concatenate([digits.x_train, digits.x_test]))
        self.info = {"count": self.evaluator.count, "floor": self.evaluator.floor}

    def train(self, tick):
        """`tick`이 명령을 받으니, 할 일이 없어요."""

    def elbo(self, model):
        """05의 20차원 VAE의 시험 ELBO, 나트. model: (활성화 함수, [인코더, 디코더]의 Keras 가중치)."""
        activation, weights = model
        pair, log_weights = self.vaes[activation]
        for network, arrays in zip(pair, weights, strict=True):
            network.set_weights(arrays)
        return float(metrics.elbo(log_weights, self.x_test).mean())

    def times_floor(self, images):
        """만든 그림의 FID, 진짜끼리의 바닥의 몇 배. images: (count, 28, 28, 1), 0–1."""
        return float(self.evaluator(images)["times_floor"])
