"""이 기계의 fp32 행렬 곱의 속도: 다른 선수들과 번갈아 재는, 학습하지 않는 선수. `tick`에 셈의 수를 알려 줘요."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from benchmarks import arena

SIZE = 2048


class Player(arena.Player):
    def __init__(self, **_):
        """다른 선수들과 같은 값을 받지만 쓰지 않아요."""

    def train(self, tick):
        multiply, (a, b) = tf.function(tf.matmul), tf.random.normal((2, SIZE, SIZE))
        while True:
            multiply(a, b).numpy()
            tick(2 * SIZE**3)
