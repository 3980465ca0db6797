"""우리: 노트북의 셀을 태그로 꺼내 그대로 배워요. 학생이 얻는 것(한 번에 여러 걸음, 진행 표시, 저장까지)을 재요."""

import ast
import inspect
from types import SimpleNamespace

import nbformat
import numpy as np

import course_utils
from benchmarks import flops
from benchmarks.arena import save_weights
from benchmarks.tasks import TASKS, probe
from course_utils import lessons, training

FOREVER = 10_000_000  # 재는 동안 끝나지 않을 걸음의 수


def quick_settings(name):
    """노트북의 프로파일 표에서 quick의 값들. {이름: 값}"""
    notebook = nbformat.read(lessons.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        for node in ast.parse(cell.source).body if cell.cell_type == "code" else ():
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "table":
                return {key: row[1] for key, row in ast.literal_eval(node.value).items()}
    raise KeyError(f"{name}에 프로파일 표가 없어요")


class Lesson:
    """레슨 하나의 모델과 학습.

    Attributes:
        networks: {이름: Keras 모델}. 가중치를 옮기고 매개변수를 세는 단위예요.
        batch: 한 걸음에 보는 진짜 그림의 수.
        steps: quick 프로파일이 배우는 걸음의 수.
        flops: 그림 한 장의 셈.
    """

    def __init__(self, notebook, tags, images, seed):
        self.run = course_utils.start("quick", "digits", seed, minutes=(1, 1, 1), keras=True)
        self.images = images
        self.cells = lessons.load_cells(notebook, *tags)
        self.quick = quick_settings(notebook)
        self.cells.update(run=self.run, cfg=SimpleNamespace(**self.quick), seed=seed, x_train=images)
        self.steps = self.quick.get("steps")

    def train(self, tick, steps):
        """노트북의 `train`을 steps걸음. 걸음을 마칠 때마다 `tick(본 그림의 수)`."""
        batch = self.batch

        class Beat(training.Progress):
            def __init__(self, draw=None, every=1):
                super().__init__()

            def on_train_begin(self, logs=None):
                super().on_train_begin(logs)
                self.optimizer = self.model.optimizer or self.model.g_optimizer
                self.done = int(self.optimizer.iterations)

            def on_train_batch_end(self, index, logs=None):
                super().on_train_batch_end(index, logs)
                before, self.done = self.done, int(self.optimizer.iterations)
                tick((self.done - before) * batch)

        shown, training.Progress = training.Progress, Beat
        try:
            self.learn(steps)
        finally:
            training.Progress = shown


class Autoencoder(Lesson):
    def __init__(self, images, seed):
        super().__init__("03_autoencoder", ("scale", "mlp"), images, seed)
        encoder, decoder, model = self.cells["build_autoencoder"]()
        self.networks = {"encoder": encoder, "decoder": decoder}
        self.model, self.batch = model, self.quick["batch_size"]
        self.flops = flops.supervised(encoder, decoder)

    def start_loss(self, given):
        x = given.images.reshape(-1, 784) * 2 - 1
        return [float(np.mean(self.cells["mse"](x, np.asarray(self.model(x)))))]

    def learn(self, steps):
        """학습이 함수가 아니라 셀 둘이라서, 배치를 만드는 셀과 학습하는 셀을 찾아 그대로 실행해요."""
        self.cells.update(digits=SimpleNamespace(name="", x_train=self.images), autoencoder=self.model)
        self.cells["cfg"].steps = steps
        self.cells["draw_rebuilt"] = None
        for cell in nbformat.read(lessons.NOTEBOOKS / "03_autoencoder.ipynb", as_version=4).cells:
            if "def to_pair(" in cell.source or "autoencoder.compile(" in cell.source:
                exec(cell.source, self.cells)


class VAE(Lesson):
    def __init__(self, images, seed, kind, latent, batch, activation="relu"):
        super().__init__("05_vae", ("sampling", "conv", "loss", "vae", "dense", "train", "weights"), images, seed)
        nadam = self.cells["keras"].optimizers.Nadam
        dense = {"rate": self.quick["dense_rate"], "warm_up": 0.1, "kl_start": 1.0, "adam": nadam, "jit": True}
        self.batch, self.activation, self.recipe = batch, activation, dense if kind == "dense" else {}
        self.steps = max(self.quick[f"{kind}_steps"], self.quick[f"{kind}_epochs"] * (len(images) // batch))
        options = {"activation": activation} if kind == "dense" else {}
        encoder, decoder = (self.cells[f"{kind}_{half}"](latent, **options) for half in ("encoder", "decoder"))
        self.networks = {"encoder": encoder, "decoder": decoder}
        self.model = self.cells["connect"](encoder, decoder)
        self.flops = flops.supervised(encoder, decoder)

    def start_loss(self, given):
        mu, log_var = (np.asarray(v, "float32") for v in self.networks["encoder"](given.images))
        decoded = self.networks["decoder"](mu + np.exp(0.5 * log_var) * given.z)
        loss, kl = self.cells["bernoulli_nll"], self.cells["kl_divergence"]
        return [float(np.mean(loss(given.images, decoded))), float(np.mean(kl(mu, log_var)))]

    def learn(self, steps):
        self.cells["train"](self.model, "bench", steps, self.batch, **self.recipe)

    def snapshot(self, count):
        return self.activation, [network.get_weights() for network in self.networks.values()]


class Adversarial(Lesson):
    """06, 08, 09: 생성자와 판별자를 담은 모델 하나."""

    def start(self, model, judge):
        model(np.zeros((1, model.latent_dim), "float32"))
        self.model, self.judge = model, judge
        self.networks = {"generator": model.generator, "judge": judge}

    def turn(self, images, training):
        return self.judge(images, training=training)

    def snapshot(self, count):
        z = np.random.default_rng(0).normal(size=(count, self.model.latent_dim)).astype("float32")
        return np.clip((self.model.average.predict(z, batch_size=500, verbose=0) + 1) / 2, 0, 1)

    def learn(self, steps):
        self.cells["train"](self.model, "bench", steps)

    def default_batch(self):
        return inspect.signature(self.cells["train"]).parameters["batch_size"].default


class DenseGAN(Adversarial):
    def __init__(self, images, seed):
        super().__init__("06_gan", ("networks", "gan", "train"), images, seed)
        pair, latent = (self.cells["dense_generator"](64), self.cells["dense_discriminator"]()), TASKS["gan"].latent
        self.start(self.cells["GAN"](*pair, latent), pair[1])
        self.batch = self.default_batch()
        self.flops = flops.adversarial(*pair, fakes=2)

    def learn(self, steps):
        self.cells["train"](self.model, "bench", steps, jit=True)

    def start_loss(self, given):
        entropy, noise = self.cells["cross_entropy"], 0.1 * given.uniform
        fake = self.model.generator(given.z)
        on_real, on_fake = self.turn(2 * given.images - 1, False), self.turn(fake, False)  # 드롭아웃을 끄고
        d_loss = entropy(1 - noise[0], on_real) + entropy(noise[1], on_fake)
        return [float(d_loss), float(entropy(1.0, on_fake))]


class DCGAN(Adversarial):
    def __init__(self, images, seed):
        super().__init__("08_dcgan", ("networks", "textbook", "gan", "train"), images, seed)
        pair, latent = (self.cells["generator"](32), self.cells["discriminator"]()), TASKS["dcgan"].latent
        self.start(self.cells["DCGAN"](*pair, latent), pair[1])
        self.batch = self.default_batch()
        self.flops = flops.adversarial(*pair)

    def start_loss(self, given):
        fake = self.model.generator(given.z, training=True)
        on_real, on_fake = self.turn(2 * given.images - 1, True), self.turn(fake, True)
        ones, zeros = np.ones(on_real.shape, "float32"), np.zeros(on_real.shape, "float32")
        bce = self.model.bce
        return [float(bce(ones, on_real) + bce(zeros, on_fake)), float(bce(ones, on_fake))]


class WGAN(Adversarial):
    def __init__(self, images, seed):
        super().__init__("09_wgan", ("networks", "penalty", "wgan", "train"), images, seed)
        pair, latent = (self.cells["generator"](32), self.cells["critic"]()), TASKS["wgan"].latent
        self.n_critic = self.quick["n_critic"]
        self.start(self.cells["WGANGP"](*pair, latent, self.n_critic), pair[1])
        self.batch = 32 * self.n_critic
        self.flops = flops.wasserstein(*pair, self.n_critic, penalized=1 / 4)

    def start_loss(self, given):
        real, few = 2 * given.images - 1, len(given.images) // 4
        fake = self.model.generator(given.z, training=True)
        gap = np.mean(self.turn(real, True)) - np.mean(self.turn(fake, True))
        epsilon = given.uniform[0, :few, :, None, None]
        penalty = self.cells["gradient_penalty"](self.judge, real[:few], fake[:few], epsilon)
        return [float(gap), float(penalty)]

    def learn(self, steps):
        rate = self.cells["RATE"]
        optimizers = self.cells["adam"](rate, steps), self.cells["adam"](2 * rate, steps * self.n_critic)
        self.cells["train"](self.model, "bench", steps, optimizers, self.batch)


LESSONS = {
    "ae": Autoencoder,
    "conv_vae": lambda images, seed: VAE(images, seed, "conv", 2, 60),
    "dense_vae": lambda images, seed, latent=20, batch=128, activation="silu": VAE(
        images, seed, "dense", latent, batch, activation
    ),
    "gan": DenseGAN,
    "dcgan": DCGAN,
    "wgan": WGAN,
}


class Player:
    """경기장의 선수(`arena.Contestant`)."""

    def __init__(self, key, images, weights=None, bf16=False, steps=FOREVER, **sizes):
        """
        Args:
            key: `TASKS`의 이름.
            images: uint8 (N, 28, 28).
            weights: 첫 가중치를 적어 둘 .npz 경로. 다른 선수가 여기서 시작해요.
            bf16: 망이 내보내는 층만 빼고 bfloat16으로 곱할까. 손실, 잡음, 가중치는 그대로 float32예요.
            steps: 배울 걸음의 수. None이면 quick 프로파일대로.
            **sizes: dense_vae의 잠재 차원(latent)과 배치(batch)를 바꿀 때.
        """
        self.lesson = lesson = LESSONS[key](images, 0, **sizes)
        if bf16:
            for network in lesson.networks.values():
                for layer in network.layers:
                    if layer.name not in network.output_names:
                        layer.dtype_policy = "mixed_bfloat16"
        self.steps = steps or lesson.steps
        self.info = {"batch": lesson.batch, "flops": lesson.flops}
        if weights:
            save_weights(weights, {name: network.get_weights() for name, network in lesson.networks.items()})
            self.info["parameters"] = {name: count_trainable(network) for name, network in lesson.networks.items()}
            self.info["start_loss"] = lesson.start_loss(probe(key, images))

    def train(self, tick):
        self.lesson.train(tick, self.steps)

    def snapshot(self, count):
        """지금의 모델: VAE는 (활성화 함수, 가중치 [인코더, 디코더]), GAN은 평균본의 그림 (count, 28, 28, 1), 0–1."""
        return self.lesson.snapshot(count)


def count_trainable(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)
