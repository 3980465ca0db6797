"""우리: 노트북의 셀을 그대로 배워요. 학생이 얻는 것(한 번에 여러 스텝, 진행 표시, 저장까지)을 재요.

노트북에서 그 학습을 하는 줄들을 실행하다가 `training.fit`을 부르는 순간을 붙잡아 두고, 잴 때 그대로 불러요.
배치, 최적화기, 스텝의 수는 붙잡은 것에서 읽어 경쟁자에게 건네요. 그래서 레슨에서 고치면 경쟁자도 함께 바뀌어요.
"""

import ast
import inspect
from types import SimpleNamespace

import numpy as np

import course_utils
from benchmarks import arena
from course_utils import lessons, training

import keras  # isort: skip  (`training`이 Keras를 맞춰 불러온 다음에)

FOREVER = 1_000_000  # 재는 동안 끝나지 않을 에폭의 수
POINTS = 100  # 학습률의 일정을 경쟁자에게 건넬 때 나누는 수

# 학습하는 줄에 나오지만 보여 주기만 하는 것들. 그리거나 재지 않게 비워 둬요
SHOWN = dict.fromkeys(("draw_rebuilt", "draw_samples", "page_z", "page_epochs")) | {
    "Album": lambda *_: None, "ruler": keras.callbacks.Callback(),
}


class OurModel:
    """레슨의 모델 하나와, 노트북이 그것을 quick으로 배우는 방법.

    Attributes:
        networks: {이름: Keras 모델}. 가중치를 옮기는 단위예요.
        model: 노트북이 compile을 마친 모델.
        call: 노트북이 `training.fit`에 넘긴 것(`inspect.BoundArguments`).
        batch: 한 스텝에 보는 진짜 그림의 수. steps: quick의 스텝의 수. n_critic: 판별자를 고치는 횟수.
        optimizers: compile된 최적화기들. 선수가 둘이면 생성자의 것이 먼저예요.
    """

    notebook = training_name = None  # 노트북과, 그 안에서 이 학습을 부르는 이름
    tags = ()

    def __init__(self, images, **sizes):
        lesson = lessons.read(lessons.NOTEBOOKS / f"{self.notebook}.ipynb")
        self.sources = [cell.source for cell in lesson.notebook.cells if cell.cell_type == "code"]
        self.cells = lessons.load_cells(self.notebook, *self.tags)
        self.cells |= {
            "run": course_utils.start("quick", "digits", 0, minutes=(1, 1, 1)),
            "cfg": SimpleNamespace(**{name: row[1] for name, row in lesson.table.items()}),
            "digits": SimpleNamespace(name="", x_train=images),  # 적은 데이터라고 흔들어 보지 않게
            "x_train": images,
            "seed": 0,
            "pretrained": False,
        } | SHOWN
        self.build(**sizes)
        self.cells["training"] = SimpleNamespace(**vars(training) | {"fit": self._catch})
        exec(lines_that_train(self.sources, self.training_name), self.cells)
        self.cells["training"] = training
        self.model, self.batch = self.call.arguments["model"], self.call.arguments["batch_size"]
        per_epoch = self.call.arguments.get("steps_per_epoch") or len(images) // self.batch
        self.steps = self.call.arguments["epochs"] * per_epoch
        self.n_critic = getattr(self.model, "n_critic", 1)
        self.optimizers = [v for v in vars(self.model).values() if isinstance(v, keras.optimizers.Optimizer)]
        self.networks = self.parts()
        self.latent = self.networks["decoder" if "decoder" in self.networks else "generator"].input_shape[1]

    def _catch(self, *args, **kwargs):
        self.call = inspect.signature(training.fit).bind(*args, **kwargs)

    def train(self, tick, forever=False, batch=None):
        """노트북이 부른 그대로 배워요. forever면 끝나지 않게, batch면 그 장수로. 묶음마다 `tick(본 그림의 수)`."""
        given, done, size = self.call.arguments, 0, batch or self.batch

        def count(batch, logs):  # 콜백의 batch는 묶음의 번호라, 스텝은 최적화기에게 물어요
            nonlocal done
            before, done = done, int(self.optimizers[0].iterations)
            tick((done - before) * size)

        heard = keras.callbacks.LambdaCallback(on_train_batch_end=count)
        given |= {"callbacks": [*given.get("callbacks", ()), heard], "batch_size": size, "draw": None}
        if forever:
            given["epochs"] = FOREVER
        training.fit(*self.call.args, **self.call.kwargs)

    def recipe(self):
        """경쟁자에게 건네는 배우는 법. 학습률은 quick의 학습을 `POINTS`로 나눈 마디마다의 값이에요."""
        optimizers = []
        for optimizer, updates in zip(self.optimizers, (1, self.n_critic), strict=False):
            config, rates = optimizer.get_config(), []
            for point in range(POINTS):
                optimizer.iterations.assign(int((point + 0.5) / POINTS * self.steps * updates))
                rates.append(float(optimizer.learning_rate))
            optimizer.iterations.assign(0)
            betas = config["beta_1"], config["beta_2"]
            optimizers.append(
                {"rates": rates, "betas": betas, "epsilon": config["epsilon"], "clip": config["global_clipnorm"]}
            )
        told = {name: getattr(self, name) for name in ("batch", "steps", "latent", "n_critic")}
        return told | {"optimizers": optimizers}


def lines_that_train(sources, name):
    """name이라는 학습을 하는 줄들: 그 이름을 넘기는 줄과, 같은 블록에서 그 앞에 있는 줄들.

    Args:
        sources: 노트북의 코드 셀들.
        name: `training.fit`에 넘어가는 학습의 이름. 예: "08-dcgan".
    Returns:
        str.
    """
    for source in sources:
        for node in ast.walk(ast.parse(source)) if repr(name) in source.replace('"', "'") else ():
            for block in (getattr(node, "body", None), getattr(node, "orelse", None)):
                for number, line in enumerate(block if isinstance(block, list) else (), start=1):
                    if isinstance(line, ast.Assign | ast.Expr) and repr(name) in ast.unparse(line):
                        return "\n".join(map(ast.unparse, block[:number]))
    raise KeyError(f"노트북에 {name}이라는 학습이 없어요")


class Autoencoder(OurModel):
    notebook, training_name, tags = "03_autoencoder", "03-mlp", ("scale", "mlp", "pair")

    def build(self):
        self.cells["train_images"] = self.cells["x_train"]  # 모델은 학습하는 셀이 만들어요

    def parts(self):
        encoder, decoder = (layer for layer in self.model.layers if isinstance(layer, keras.Model))
        return {"encoder": encoder, "decoder": decoder}

    def start_loss(self, images, z, uniform):
        x = images.reshape(-1, 784) * 2 - 1
        return [np.mean(self.cells["mse"](x, np.asarray(self.model(x))))]


class VAE(OurModel):
    notebook, tags = "05_vae", ("sampling", "conv", "loss", "vae", "dense", "weights")

    def fill(self, name, kind, *sizes):
        """노트북처럼, 한 번 불러 build를 마친 VAE를 그 이름으로 둬요. kind: "conv" | "dense"."""
        exec(next(source for source in self.sources if "def plan(" in source), self.cells)  # 에폭의 수
        halves = (self.cells[f"{kind}_{half}"](*sizes) for half in ("encoder", "decoder"))
        self.cells[name] = self.cells["VAE"](*halves)
        self.cells[name](np.zeros((1, 28, 28, 1), "float32"))

    def parts(self):
        return {"encoder": self.model.encoder, "decoder": self.model.decoder}

    def start_loss(self, images, z, uniform):
        mu, log_var = (np.asarray(v, "float32") for v in self.networks["encoder"](images))
        decoded = self.networks["decoder"](mu + np.exp(0.5 * log_var) * z)
        parts = self.cells["bernoulli_nll"](images, decoded), self.cells["kl_divergence"](mu, log_var)
        return [np.mean(part) for part in parts]

    def snapshot(self, count):
        """심판이 잴 것: [인코더, 디코더]의 가중치."""
        return [network.get_weights() for network in self.networks.values()]


class ConvVAE(VAE):
    training_name = "05-conv"

    def build(self):
        self.fill("vae", "conv", 2)


class DenseVAE(VAE):
    training_name = "05-dense"

    def build(self, latent=20):
        self.fill("vae20", "dense", latent, self.cells["cfg"].hidden)


class Adversarial(OurModel):
    """생성자와 판별자를 담은 모델 하나."""

    def parts(self):
        judge = getattr(self.model, "critic", None) or self.model.discriminator
        return {"generator": self.model.generator, "judge": judge}

    def fill(self, name, model):
        """노트북처럼, 한 번 불러 build를 마친 모델을 그 이름으로 둬요."""
        model(np.zeros((1, model.latent_dim), "float32"))
        self.cells[name] = model

    def snapshot(self, count):
        """심판이 잴 것: EMA 생성자가 그린 그림 (count, 28, 28, 1), 0–1."""
        z = np.random.default_rng(0).normal(size=(count, self.model.latent_dim)).astype("float32")
        return np.clip((self.model.average.predict(z, batch_size=500, verbose=0) + 1) / 2, 0, 1)


class DenseGAN(Adversarial):
    notebook, training_name, tags = "06_gan", "06-gan", ("networks", "gan", "steady")

    def build(self):
        self.cells |= {"latent_dim": 64, "fixed_z": np.zeros((1, 64), "float32")}  # 모델은 학습하는 셀이 만들어요

    def start_loss(self, images, z, uniform):
        bce, noise, judge = self.cells["bce"], self.model.label_noise * uniform, self.networks["judge"]
        on_real, on_fake = judge(2 * images - 1), judge(self.model.generator(z))  # 드롭아웃 없이
        ones = np.ones(on_real.shape, "float32")
        return [bce(1 - noise[0], on_real) + bce(noise[1], on_fake), bce(ones, on_fake)]


class DCGAN(Adversarial):
    notebook, training_name, tags = "08_dcgan", "08-dcgan", ("networks", "gan", "train")

    def build(self):
        self.fill("dcgan", self.cells["DCGAN"](self.cells["generator"](32), self.cells["discriminator"](), 32))

    def start_loss(self, images, z, uniform):
        fake, bce = self.model.generator(z, training=True), self.model.bce
        on_real, on_fake = (self.networks["judge"](x, training=True) for x in (2 * images - 1, fake))
        ones, zeros = np.ones(on_real.shape, "float32"), np.zeros(on_real.shape, "float32")
        return [bce(ones, on_real) + bce(zeros, on_fake), bce(ones, on_fake)]


class WGAN(Adversarial):
    notebook, training_name, tags = "09_wgan", "09-wgan", ("networks", "penalty", "wgan", "train")

    def build(self):
        pair = self.cells["generator"](32), self.cells["critic"]()
        self.fill("wgan", self.cells["WGANGP"](*pair, 32))

    def start_loss(self, images, z, uniform):
        real, judge = 2 * images - 1, self.networks["judge"]
        fake = self.model.generator(z, training=True)
        penalty = self.cells["gradient_penalty"](judge, real, fake, uniform[0, :, :, None, None])
        return [np.mean(judge(real)) - np.mean(judge(fake)), penalty]


MODELS = {
    "ae": Autoencoder, "conv_vae": ConvVAE, "dense_vae": DenseVAE, "gan": DenseGAN, "dcgan": DCGAN, "wgan": WGAN,
}


def probe(images, latent, batch=32):
    """첫 손실을 맞춰 볼 그림과 잡음. 늘 같아요.

    Args:
        images: uint8 (N, 28, 28). 앞의 batch장을 써요. latent: 잠재 차원.
    Returns:
        (float32 (batch, 28, 28, 1), 0–1 · 정규분포 (batch, 잠재 차원) · 균등분포 (2, batch, 1)).
    """
    rng = np.random.default_rng(0)
    z, uniform = rng.normal(size=(batch, latent)), rng.uniform(size=(2, batch, 1))
    return images[:batch, ..., None] / np.float32(255), z.astype("float32"), uniform.astype("float32")


def described(networks):
    """신경망의 층과 가중치를 TensorFlow 없이 읽을 수 있게. {이름: [층마다의 사전]}"""
    return {
        name: [
            {"kind": type(layer).__name__, "config": layer.get_config(), "weights": layer.get_weights(),
             "sizes": (layer.input.shape[1:], layer.output.shape[1:])}
            for layer in network.layers if not isinstance(layer, keras.layers.InputLayer)
        ]
        for name, network in networks.items()
    }


def checks(ours, images):
    """같은 신경망을 같은 가중치에서 시작했는지 견줄 값들."""
    weights = {name: [v.shape for v in network.trainable_variables] for name, network in ours.networks.items()}
    return {
        "parameters": {name: int(sum(map(np.prod, shapes))) for name, shapes in weights.items()},
        "start_loss": [float(value) for value in ours.start_loss(*probe(images, ours.latent))],
    }


class Player(arena.Player):
    """경기장의 선수(`arena.Contestant`)."""

    def __init__(self, key, images, bf16=False, forever=True, batch=None, **sizes):
        """
        Args:
            key: `TASKS`의 이름. images: uint8 (N, 28, 28).
            bf16: 신경망이 내보내는 층만 빼고 bfloat16으로 곱할까. 손실, 잡음, 가중치는 그대로 float32예요.
            forever: False면 노트북의 quick만큼만 배워요.
            batch: 배치의 장수를 바꿀 때. **sizes: dense_vae의 잠재 차원(latent)을 바꿀 때.
        """
        self.ours, self.images = MODELS[key](images, **sizes), images
        self.options = {"forever": forever, "batch": batch}
        if bf16:
            for network in self.ours.networks.values():
                outputs = getattr(network, "output_names", [network.layers[-1].name])  # Sequential은 마지막 층
                for layer in network.layers:
                    if layer.name not in outputs:
                        layer.dtype_policy = "mixed_bfloat16"

    def start(self):
        """경쟁자에게 건네는 첫 가중치와 배우는 법, 견줄 값들."""
        networks = self.ours.networks
        return {
            "networks": described(networks),
            "recipe": self.ours.recipe(),
            "probe": probe(self.images, self.ours.latent),
            "checks": checks(self.ours, self.images),
        }

    def train(self, tick):
        self.ours.train(tick, **self.options)

    def snapshot(self, count):
        return self.ours.snapshot(count)
