"""잘 알려진 저장소들의 옛 Keras 고리: NumPy 배치를 `train_on_batch`에 하나씩. 망은 노트북의 것 그대로예요.

GAN은 판별자를 가르치고, 얼린 판별자를 이은 모델로 생성자를 가르치기를 번갈아 해요. `predict=True`면 그 저장소들처럼
가짜를 `predict`로 그려요. 합성곱 망은 XLA를 꺼요(켜진 채 두면 CPU에서 몇 배 느려요).
"""

import keras
import numpy as np

from benchmarks import ours
from benchmarks.arena import read_weights
from benchmarks.tasks import TASKS, probe


def batches(images, size, seed=0):
    """섞은 NumPy 배치를 끝없이."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(images))
        for start in range(0, len(images) - size + 1, size):
            yield images[order[start : start + size]]


def supervised(lesson, images, options, loss, rate):
    model = lesson.model
    model.compile(keras.optimizers.Adam(rate), loss=loss, **options)
    for x in batches(images, lesson.batch):
        model.train_on_batch(x, x)
        yield lesson.batch


def adversarial(generator, judge, latent, images, batch, rates, beta_1, options, predict=False):
    """판별자와, 얼린 판별자를 이은 모델을 번갈아."""
    ones, zeros = np.ones((batch, 1), "float32"), np.zeros((batch, 1), "float32")
    draw, rng = (generator.predict if predict else generator.predict_on_batch), np.random.default_rng(0)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    judge.compile(keras.optimizers.Adam(rates[1], beta_1=beta_1), loss=loss, **options)
    judge.train_on_batch(images[:batch], ones)  # Keras 3에서는 얼리기 전에 한 번 불러 두어야 판별자가 배워요
    judge.trainable = False
    z = keras.Input((latent,))
    both = keras.Model(z, judge(generator(z)))
    both.compile(keras.optimizers.Adam(rates[0], beta_1=beta_1), loss=loss, **options)
    quiet = {"verbose": 0} if predict else {}
    for real in batches(images, batch):
        fake = draw(rng.normal(size=(batch, latent)).astype("float32"), **quiet)
        judge.train_on_batch(real, ones)
        judge.train_on_batch(fake, zeros)
        both.train_on_batch(rng.normal(size=(batch, latent)).astype("float32"), ones)
        yield batch


def custom_step(model, images, batch):
    """노트북의 `train_step`을 `train_on_batch`로(벌점이 있는 WGAN은 얼린 판별자로 배울 수 없어요)."""
    step = model.train_step
    model.train_step = lambda data: step(data[0])  # train_on_batch는 (그림, 정답, 무게)를 넘겨요
    model.compile(*(keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.9) for _ in range(2)), jit_compile=False)
    for real in batches(images, batch):
        model.train_on_batch(real)
        yield batch


class Player:
    """경기장의 선수(`arena.Contestant`)."""

    def __init__(self, key, images, weights, predict=False):
        """
        Args:
            key: `TASKS`의 이름. images: uint8 (N, 28, 28). weights: 첫 가중치(.npz).
            predict: 가짜를 `predict`로 그릴까(GAN만).
        """
        lesson = self.lesson = ours.LESSONS[key](images, 0)
        for name, arrays in read_weights(weights).items():
            lesson.networks[name].set_weights(arrays)
        self.info = {
            "parameters": {name: ours.count_trainable(network) for name, network in lesson.networks.items()},
            "start_loss": lesson.start_loss(probe(key, images)),
        }
        options = {"jit_compile": False} if TASKS[key].conv else {}
        unit = images[..., None] / np.float32(255)
        if key == "ae":
            self._steps = supervised(lesson, unit.reshape(-1, 784) * 2 - 1, options, "mse", 3e-3)
        elif key in ("conv_vae", "dense_vae"):
            self._steps = supervised(lesson, unit, options, lesson.cells["bernoulli_nll"], 1e-3)
        elif key in ("gan", "dcgan"):
            rates, beta_1 = ((1e-3, 1e-3), 0.0) if key == "gan" else ((2e-3, 1e-3), 0.5)
            self._steps = adversarial(
                lesson.model.generator, lesson.judge, TASKS[key].latent, 2 * unit - 1, lesson.batch, rates, beta_1,
                options, predict,
            )  # fmt: skip
        else:
            self._steps = custom_step(lesson.model, 2 * unit - 1, lesson.batch)

    def train(self, tick):
        for images in self._steps:
            tick(images)
