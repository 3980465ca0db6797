"""이 기계의 fp32(그리고 bf16) 행렬 곱의 속도: 다른 선수들과 번갈아 재는, 학습하지 않는 선수."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

SIZE = 2048


class Player:
    """`tick`에 그림의 수 대신 셈의 수를 알려 줘요."""

    def __init__(self, dtype="float32"):
        self._matrices = [tf.cast(tf.random.normal((SIZE, SIZE)), dtype) for _ in range(2)]
        self.info = {}

    def train(self, tick):
        multiply = tf.function(tf.matmul)
        while True:
            multiply(*self._matrices).numpy()
            tick(2 * SIZE**3)
