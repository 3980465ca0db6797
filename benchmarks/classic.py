"""잘 알려진 저장소들의 옛 Keras 고리: NumPy 배치를 `train_on_batch`에 하나씩. 망은 노트북의 것 그대로예요.

GAN은 판별자를 가르치고, 얼린 판별자를 이은 모델로 생성자를 가르치기를 번갈아 해요. `predict=True`면 그 저장소들처럼
가짜를 `predict`로 그려요. 합성곱 망은 XLA를 꺼요(켜진 채 두면 CPU에서 몇 배 느려요).
"""

import keras
import numpy as np

from benchmarks import ours
from benchmarks.arena import read_weights
from benchmarks.tasks import TASKS, probe
from course_utils import lessons


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


def adversarial(generator, judge, images, batch, rates, betas, options, predict=False):
    """판별자와, 얼린 판별자를 이은 모델을 번갈아."""
    latent = generator.input_shape[1]
    ones, zeros = np.ones((batch, 1), "float32"), np.zeros((batch, 1), "float32")
    draw, rng = (generator.predict if predict else generator.predict_on_batch), np.random.default_rng(0)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    for_generator, for_judge = (keras.optimizers.Adam(rate, *betas) for rate in rates)
    judge.compile(for_judge, loss=loss, **options)
    judge.train_on_batch(images[:batch], ones)  # Keras 3에서는 얼리기 전에 한 번 불러 두어야 판별자가 배워요
    judge.trainable = False
    z = keras.Input((latent,))
    both = keras.Model(z, judge(generator(z)))
    both.compile(for_generator, loss=loss, **options)
    quiet = {"verbose": 0} if predict else {}
    for real in batches(images, batch):
        fake = draw(rng.normal(size=(batch, latent)).astype("float32"), **quiet)
        judge.train_on_batch(real, ones)
        judge.train_on_batch(fake, zeros)
        both.train_on_batch(rng.normal(size=(batch, latent)).astype("float32"), ones)
        yield batch


def custom_step(model, images, batch, rates):
    """노트북의 `train_step`을 `train_on_batch`로(벌점이 있는 WGAN은 얼린 판별자로 배울 수 없어요)."""
    step = model.train_step
    model.train_step = lambda data: step(data[0])  # train_on_batch는 (그림, 정답, 무게)를 넘겨요
    model.compile(*(keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.9) for rate in rates), jit_compile=False)
    for real in batches(images, batch):
        model.train_on_batch(real)
        yield batch


def same_networks(key, lesson, unit, predict):
    """우리의 망과 설정. 걸음마다 본 그림의 수를 내는 흐름."""
    options = {"jit_compile": False} if TASKS[key].conv else {}
    if key == "ae":
        return supervised(lesson, unit.reshape(-1, 784) * 2 - 1, options, "mse", 3e-3)
    if key in ("conv_vae", "dense_vae"):
        return supervised(lesson, unit, options, lesson.cells["bernoulli_nll"], 1e-3)
    if key == "wgan":
        return custom_step(lesson.model, 2 * unit - 1, lesson.batch, (1e-3, 2e-3))
    rates, betas = ((1e-3, 1e-3), (0.0, 0.999)) if key == "gan" else ((3e-3, 1e-3), (0.0, 0.9))
    pair = lesson.networks["generator"], lesson.networks["judge"]
    return adversarial(*pair, 2 * unit - 1, lesson.batch, rates, betas, options, predict)


def textbook(key, lesson, unit):
    """교과서의 망과 설정. lesson.networks를 그 망으로 바꾸고, 흐름을 내요."""
    if key == "dense_vae":
        return supervised(lesson, unit, {}, lesson.cells["bernoulli_nll"], 1e-3)
    cells = lessons.load_cells("08_dcgan", "networks", "textbook")
    if key == "dcgan":
        lesson.networks = {"generator": cells["textbook_generator"](100), "judge": cells["textbook_discriminator"]()}
        options = {"jit_compile": False}
        return adversarial(*lesson.networks.values(), 2 * unit - 1, 64, (2e-4, 2e-4), (0.5, 0.999), options)
    x = image = keras.Input((28, 28, 1))  # 교과서의 판별자에서 정규화를 뺀 비평가
    for filters in (64, 128):
        x = keras.layers.LeakyReLU(negative_slope=0.2)(keras.layers.Conv2D(filters, 5, 2, "same")(x))
    critic = keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(x)))
    lesson.networks = {"generator": cells["textbook_generator"](100), "judge": critic}
    model = lesson.cells["WGANGP"](*lesson.networks.values(), 100, n_critic=5)
    return custom_step(model, 2 * unit - 1, 64 * 5, (1e-4, 1e-4))


class Player:
    """경기장의 선수(`arena.Contestant`)."""

    def __init__(self, key, images, weights=None, predict=False):
        """
        Args:
            key: `TASKS`의 이름. images: uint8 (N, 28, 28).
            weights: 우리의 첫 가중치(.npz). None이면 교과서의 망을 처음부터 배워요(dense_vae, dcgan, wgan만).
            predict: 가짜를 `predict`로 그릴까(GAN만).
        """
        relu = {"activation": "relu"} if weights is None and key == "dense_vae" else {}  # 교과서의 VAE
        lesson = self.lesson = ours.LESSONS[key](images, 0, **relu)
        unit, self.info = images[..., None] / np.float32(255), {}
        if weights is None:
            self._steps = textbook(key, lesson, unit)
            return
        for name, arrays in read_weights(weights).items():
            lesson.networks[name].set_weights(arrays)
        self.info = {
            "parameters": {name: ours.count_trainable(network) for name, network in lesson.networks.items()},
            "start_loss": lesson.start_loss(probe(key, images)),
        }
        self._steps = same_networks(key, lesson, unit, predict)

    def train(self, tick):
        for images in self._steps:
            tick(images)

    def snapshot(self, count):
        """`ours.Player.snapshot`과 같은 것을 배우고 있는 망에서(평균본이 없어요)."""
        generator = self.lesson.networks.get("generator")
        if generator is None:
            return self.lesson.snapshot(count)
        z = np.random.default_rng(0).normal(size=(count, generator.input_shape[1])).astype("float32")
        return np.clip((generator.predict(z, batch_size=500, verbose=0) + 1) / 2, 0, 1)
