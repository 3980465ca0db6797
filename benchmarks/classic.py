"""잘 알려진 저장소들의 옛 Keras 고리: NumPy 배치를 `train_on_batch`에 하나씩. 신경망과 배우는 법은 노트북의 것 그대로예요.

GAN은 판별자를 가르치고, 얼린 판별자를 이은 모델로 생성자를 가르치기를 번갈아 해요. `predict=True`면 그 저장소들처럼
가짜를 `predict`로 그려요. 합성곱 신경망은 XLA를 꺼요(켜진 채 두면 CPU에서 몇 배 느려요).
"""

import numpy as np

from benchmarks import TASKS, arena, ours, rates_at
from benchmarks.ours import keras


def batches(images, size):
    """섞은 NumPy 배치를 끝없이."""
    rng = np.random.default_rng(0)
    while True:
        order = rng.permutation(len(images))
        for start in range(0, len(images) - size + 1, size):
            yield images[order[start : start + size]]


class Player(arena.Player):
    """경기장의 선수(`arena.Contestant`)."""

    def __init__(self, key, images, start, predict=False):
        """
        Args:
            key: `TASKS`의 이름. images: uint8 (N, 28, 28).
            start: `ours.Player.start()`가 준 것. 첫 가중치와 배우는 법이 들어 있어요.
            predict: 가짜를 `predict`로 그릴까(GAN만).
        """
        self.ours, self.predict = ours.MODELS[key](images), predict
        for name, layers in start["networks"].items():
            self.ours.networks[name].set_weights([array for layer in layers for array in layer["weights"]])
        self.checks = ours.checks(self.ours, images)
        self.adams = [
            keras.optimizers.Adam(v["rates"][0], *v["betas"], epsilon=v["epsilon"], global_clipnorm=v["clip"])
            for v in start["recipe"]["optimizers"]
        ]
        self.recipe, self.options = start["recipe"], {"jit_compile": False} if TASKS[key].conv else {}
        unit = images[..., None] / np.float32(255)
        self.images = unit.reshape(-1, 784) * 2 - 1 if key == "ae" else unit if key.endswith("vae") else 2 * unit - 1
        self.loop = self.penalized if key == "wgan" else self.alternate if "gan" in key else self.supervised

    def start(self):
        return {"checks": self.checks}

    def train(self, tick):
        rates = rates_at(self.recipe, 0)
        for done, _ in enumerate(self.loop(), start=1):
            tick(self.recipe["batch"])
            before, rates = rates, rates_at(self.recipe, done)
            if rates != before:
                for adam, rate in zip(self.adams, rates, strict=True):
                    adam.learning_rate = rate

    def supervised(self):
        model = self.ours.model
        model.compile(*self.adams, loss=model.loss, **self.options)
        for x in batches(self.images, self.recipe["batch"]):
            yield model.train_on_batch(x, x)

    def alternate(self):
        """판별자와, 얼린 판별자를 이은 모델을 번갈아."""
        (generator, judge), batch = self.ours.networks.values(), self.recipe["batch"]
        latent, rng = generator.input_shape[1], np.random.default_rng(0)
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        ones, zeros = np.ones((batch, 1), "float32"), np.zeros((batch, 1), "float32")
        judge.compile(self.adams[1], loss=loss, **self.options)
        judge.train_on_batch(self.images[:batch], ones)  # Keras 3에서는 얼리기 전에 한 번 불러 두어야 판별자가 배워요
        judge.trainable = False
        z = keras.Input((latent,))
        both = keras.Model(z, judge(generator(z)))
        both.compile(self.adams[0], loss=loss, **self.options)
        for real in batches(self.images, batch):
            noise = rng.normal(size=(2, batch, latent)).astype("float32")
            fake = generator.predict(noise[0], verbose=0) if self.predict else generator.predict_on_batch(noise[0])
            judge.train_on_batch(real, ones)
            judge.train_on_batch(fake, zeros)
            yield both.train_on_batch(noise[1], ones)

    def penalized(self):
        """노트북의 `train_step`을 `train_on_batch`로(벌점이 있는 WGAN은 얼린 판별자로 배울 수 없어요)."""
        model, step = self.ours.model, self.ours.model.train_step
        model.train_step = lambda data: step(data[0])  # train_on_batch는 (그림, 정답, 무게)를 넘겨요
        model.compile(*self.adams, **self.options)
        for real in batches(self.images, self.recipe["batch"]):
            yield model.train_on_batch(real)
