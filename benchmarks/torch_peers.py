"""견줄 상대: PyTorch로 쓴 같은 망, 같은 손실, 같은 최적화기. 우리의 첫 가중치를 옮겨 받아 같은 손실에서 시작해요.

Keras의 `same` 합성곱은 짝이 맞지 않는 한 줄을 아래와 오른쪽에, PyTorch의 `padding`은 위와 왼쪽에 둬요. 그래서
합성곱 망은 모든 것(그림, 커널, 납작하게 편 자리)을 180도 돌린 채 배워요. 같은 함수이고, PyTorch에 덤이 들지 않아요.
"""

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.arena import CORES, read_weights
from benchmarks.tasks import TASKS, probe

torch.set_num_threads(CORES)


class Flat(nn.Module):
    """(B, C, H, W) → (B, H·W·C), Keras와 같은 차례. channels_last에서는 복사가 없어요."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class Spread(nn.Module):
    """(B, H·W·C) → (B, C, H, W)."""

    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.unflatten(1, self.shape).permute(0, 3, 1, 2)


def dense(inputs, outputs, bias=True, rows=None, columns=None):
    """nn.Linear. rows, columns: 입력이나 출력이 편 그림일 때 그 모양 (H, W, C). 가중치를 돌려 담을 때 써요."""
    layer = nn.Linear(inputs, outputs, bias)
    layer.rows, layer.columns = rows, columns
    return layer


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.1)  # Keras의 momentum 0.9


def relu():
    return nn.ReLU(inplace=True)


def leaky():
    return nn.LeakyReLU(0.2, inplace=True)


def mlp(*widths, activation=relu, output=()):
    pairs = list(itertools.pairwise(widths))
    hidden = [part for pair in pairs[:-1] for part in (dense(*pair), activation())]
    return nn.Sequential(*hidden, dense(*pairs[-1]), *output)


class TwoHeads(nn.Module):
    """몸통 뒤에 μ와 log σ²를 내는 Dense 둘."""

    def __init__(self, body, width, latent):
        super().__init__()
        self.body, self.mu, self.log_var = body, dense(width, latent), dense(width, latent)

    def forward(self, x):
        x = self.body(x)
        return self.mu(x), self.log_var(x)


def conv_encoder():
    convolutions = [
        part
        for a, b, stride in ((1, 32, 1), (32, 64, 2), (64, 64, 1), (64, 64, 1))
        for part in (nn.Conv2d(a, b, 3, stride, 1), relu())
    ]
    size = (14, 14, 64)
    return TwoHeads(nn.Sequential(*convolutions, Flat(), dense(14 * 14 * 64, 32, rows=size), relu()), 32, 2)


def conv_decoder():
    """마지막은 로짓. 시그모이드는 손실 안에 있어요."""
    return nn.Sequential(
        dense(2, 14 * 14 * 64, columns=(14, 14, 64)), relu(), Spread(14, 14, 64),
        nn.ConvTranspose2d(64, 32, 3, 2, 1, 1), relu(), nn.Conv2d(32, 1, 3, 1, 1),
    )  # fmt: skip


def dense_encoder(activation):
    return TwoHeads(nn.Sequential(nn.Flatten(), dense(784, 400), activation()), 400, 20)


def dense_generator():
    return nn.Sequential(
        dense(64, 128), leaky(), dense(128, 256), leaky(), dense(256, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28))
    )


def dense_judge():
    hidden = [part for a, b in ((784, 256), (256, 128)) for part in (dense(a, b), leaky(), nn.Dropout(0.1))]
    return nn.Sequential(nn.Flatten(), *hidden, dense(128, 1))


def conv_generator():
    return nn.Sequential(
        dense(32, 7 * 7 * 64, bias=False, columns=(7, 7, 64)), Spread(7, 7, 64), norm(64), relu(),
        nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), norm(32), relu(),
        nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), norm(16), relu(),
        nn.Conv2d(16, 1, 3, 1, 1), nn.Tanh(),
    )  # fmt: skip


def conv_judge(first, normalize):
    """08의 판별자(normalize, LeakyReLU)나 09의 비평가(SiLU)."""
    bend = leaky if normalize else nn.SiLU
    parts = [nn.Conv2d(1, first, 4, 2, 1), bend()]
    for a, b, padding in ((first, 2 * first, 1), (2 * first, 4 * first, 2)):
        parts += [nn.Conv2d(a, b, 4, 2, padding, bias=not normalize), *([norm(b)] if normalize else []), bend()]
    return nn.Sequential(*parts, Flat(), dense(4 * 4 * 4 * first, 1, rows=(4, 4, 4 * first)))


def turn(array):
    """앞의 두 축을 180도."""
    return array[::-1, ::-1]


def copy_weights(network, arrays):
    """Keras의 `get_weights()`를 같은 PyTorch 망에 옮겨 담아요. 합성곱은 180도 돌려요."""
    arrays, values = iter(arrays), []
    for part in network.modules():
        if isinstance(part, nn.Linear):
            kernel, bias = next(arrays), next(arrays) if part.bias is not None else None
            if part.rows:
                kernel = turn(kernel.reshape(*part.rows, -1)).reshape(kernel.shape)
            kernel = kernel.T
            if part.columns:
                kernel = turn(kernel.reshape(*part.columns, -1)).reshape(kernel.shape)
                bias = None if bias is None else turn(bias.reshape(part.columns)).reshape(-1)
            values += [(part.weight, kernel), (part.bias, bias)]
        elif isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            kernel, bias = next(arrays), next(arrays) if part.bias is not None else None
            values += [(part.weight, turn(kernel).transpose(3, 2, 0, 1)), (part.bias, bias)]
        elif isinstance(part, nn.BatchNorm2d):
            values += [(x, next(arrays)) for x in (part.weight, part.bias, part.running_mean, part.running_var)]
    with torch.no_grad():
        for tensor, value in values:
            if tensor is not None:
                tensor.copy_(torch.from_numpy(np.ascontiguousarray(value)).reshape(tensor.shape))


def textbook_generator():
    return nn.Sequential(
        nn.Linear(100, 7 * 7 * 128, bias=False), nn.Unflatten(1, (128, 7, 7)), nn.BatchNorm2d(128), relu(),
        nn.ConvTranspose2d(128, 64, 5, 2, 2, 1, bias=False), nn.BatchNorm2d(64), relu(),
        nn.ConvTranspose2d(64, 1, 5, 2, 2, 1), nn.Tanh(),
    )  # fmt: skip


def textbook_judge(normalize):
    return nn.Sequential(
        nn.Conv2d(1, 64, 5, 2, 2), leaky(),
        nn.Conv2d(64, 128, 5, 2, 2, bias=not normalize), *([nn.BatchNorm2d(128)] if normalize else []), leaky(),
        nn.Flatten(), nn.Linear(7 * 7 * 128, 1),
    )  # fmt: skip


def small_normal(network):
    """DCGAN 논문의 초기화: 평균 0, 표준편차 0.02."""
    for part in network.modules():
        if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(part.weight, 0.0, 0.02)
    return network


class Supervised:
    """오토인코더들: 최적화기 하나."""

    rate, clip = 1e-3, None

    def prepare(self, adam, wrap):
        self.weights = [p for network in self.networks.values() for p in network.parameters()]
        self.adam, self.loss = adam(self.weights, self.rate, (0.9, 0.999)), wrap(self.loss)

    def step(self, x):
        loss = self.loss(x, torch.randn(len(x), self.latent))
        self.adam.zero_grad()
        loss.backward()
        if self.clip:
            nn.utils.clip_grad_norm_(self.weights, self.clip, foreach=True)
        self.adam.step()


class Autoencoder(Supervised):
    batch, rate, latent = 128, 3e-3, 3

    def __init__(self):
        widths = (784, 128, 64, 12, 3)
        self.networks = {"encoder": mlp(*widths), "decoder": mlp(*widths[::-1], output=[nn.Tanh()])}

    def loss(self, x, _):
        x = x.flatten(1) * 2 - 1
        return F.mse_loss(self.networks["decoder"](self.networks["encoder"](x)), x)

    def start_loss(self, x, z, uniform):
        return [self.loss(x, z)]


class VAE(Supervised):
    clip = 30.0

    def __init__(self, kind, activation="silu"):
        self.activation = activation
        if kind == "conv":
            self.networks, self.batch, self.latent = {"encoder": conv_encoder(), "decoder": conv_decoder()}, 60, 2
        else:
            hidden = {"silu": nn.SiLU, "relu": relu}[activation]
            encoder, decoder = dense_encoder(hidden), mlp(20, 400, 784, activation=hidden)
            decoder.append(nn.Unflatten(1, (1, 28, 28)))
            self.networks, self.batch, self.latent = {"encoder": encoder, "decoder": decoder}, 128, 20

    def parts(self, x, epsilon):
        mu, log_var = self.networks["encoder"](x)
        logits = self.networks["decoder"](mu + torch.exp(0.5 * log_var) * epsilon)
        rebuilt = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
        kl = -0.5 * torch.sum(1 + log_var - mu.square() - log_var.exp()) / len(x)
        return rebuilt, kl

    def loss(self, x, epsilon):
        return sum(self.parts(x, epsilon))

    def start_loss(self, x, z, uniform):
        return self.parts(x, z)

    def snapshot(self, count):
        return self.activation, [
            [t.numpy(force=True).T for part in network.modules() if isinstance(part, nn.Linear)
             for t in (part.weight, part.bias)]
            for network in self.networks.values()
        ]  # fmt: skip


class TextbookVAE(VAE):
    """같은 크기의 784-400-20 망을 ReLU로, Adam 1e-3만으로."""

    clip = None

    def __init__(self):
        super().__init__("dense", "relu")


class Adversarial:
    """생성자와 판별자, 생성자의 이동 평균."""

    rates, betas = (1e-3, 1e-3), (0.0, 0.999)

    def __init__(self, generator, judge, latent, batch):
        self.generator, self.judge, self.latent, self.batch = generator, judge, latent, batch
        self.networks = {"generator": generator, "judge": judge}

    def prepare(self, adam, wrap):
        self.fast = [t for t in (*self.generator.parameters(), *self.generator.buffers()) if t.is_floating_point()]
        self.slow, self.steps = [t.detach().clone() for t in self.fast], 0
        self.optimizers = [
            adam(list(network.parameters()), rate, self.betas)
            for network, rate in zip((self.generator, self.judge), self.rates, strict=True)
        ]
        self.generator, self.judge_loss, self.generator_loss = map(
            wrap, (self.generator, self.judge_loss, self.generator_loss)
        )

    def paint(self, count):
        return self.generator(torch.randn(count, self.latent))

    def improve(self, who, loss):
        network, optimizer = tuple(self.networks.values())[who], self.optimizers[who]
        optimizer.zero_grad()
        loss.backward(inputs=list(network.parameters()))
        optimizer.step()

    def follow(self):
        self.steps += 1
        decay = min(0.995, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            torch._foreach_lerp_(self.slow, self.fast, 1 - decay)

    def generator_loss(self, fake):
        return F.softplus(-self.judge(fake)).mean()  # −log D(G(z))

    def snapshot(self, count):
        generator = self.networks["generator"].eval()
        with torch.no_grad():
            images = torch.cat([generator(torch.randn(500, self.latent)) for _ in range(-(-count // 500))])[:count]
        generator.train()
        return ((images.permute(0, 2, 3, 1) + 1) / 2).clamp(0, 1).numpy()


class DenseGAN(Adversarial):
    def __init__(self):
        super().__init__(dense_generator(), dense_judge(), 64, 64)

    def judge_loss(self, real, fake, uniform):
        targets = 1 - 0.1 * uniform[0], 0.1 * uniform[1]
        logits = self.judge(real), self.judge(fake)
        return sum(map(F.binary_cross_entropy_with_logits, logits, targets))

    def step(self, x):
        with torch.no_grad():
            fake = self.paint(len(x))
        self.improve(1, self.judge_loss(2 * x - 1, fake, torch.rand(2, len(x), 1)))
        self.improve(0, self.generator_loss(self.paint(len(x))))
        self.follow()

    def start_loss(self, x, z, uniform):
        self.judge.eval()  # 드롭아웃을 끄고
        fake = self.generator(z)
        values = [self.judge_loss(2 * x - 1, fake, uniform), self.generator_loss(fake)]
        self.judge.train()
        return values


class DCGAN(Adversarial):
    rates, betas = (3e-3, 1e-3), (0.0, 0.9)

    def __init__(self):
        super().__init__(conv_generator(), conv_judge(24, normalize=True), 32, 60)

    def judge_loss(self, real, fake):
        return F.softplus(-self.judge(real)).mean() + F.softplus(self.judge(fake)).mean()

    def step(self, x):
        fake = self.paint(len(x))
        self.improve(1, self.judge_loss(2 * x - 1, fake.detach()))
        self.improve(0, self.generator_loss(fake))
        self.follow()

    def start_loss(self, x, z, uniform):
        fake = self.generator(z)
        return [self.judge_loss(2 * x - 1, fake), self.generator_loss(fake)]


class WGAN(Adversarial):
    rates, betas = (1e-3, 2e-3), (0.0, 0.9)
    n_critic, penalized = 1, 4  # 벌점은 넷 가운데 하나에서만

    def __init__(self):
        super().__init__(conv_generator(), conv_judge(16, normalize=False), 32, 32 * self.n_critic)

    def parts(self, real, fake, epsilon):
        gap = self.judge(real).mean() - self.judge(fake).mean()
        few = len(epsilon)
        between = (epsilon * real[:few] + (1 - epsilon) * fake[:few]).requires_grad_()
        (slope,) = torch.autograd.grad(self.judge(between).sum(), between, create_graph=True)
        lengths = torch.sqrt(slope.square().sum((1, 2, 3)) + 1e-12)
        return gap, (lengths - 1).square().mean()

    def judge_loss(self, real, fake, epsilon):
        gap, penalty = self.parts(real, fake, epsilon)
        return 10.0 * penalty - gap

    def generator_loss(self, fake):
        return -self.judge(fake).mean()

    def step(self, x):
        *parts, last = (2 * x - 1).chunk(self.n_critic)
        for real in parts:
            with torch.no_grad():
                fake = self.paint(len(real))
            self.criticize(real, fake)
        fake = self.paint(len(last))
        self.criticize(last, fake.detach())
        self.improve(0, self.generator_loss(fake))
        self.follow()

    def criticize(self, real, fake):
        self.improve(1, self.judge_loss(real, fake, torch.rand(len(real) // self.penalized, 1, 1, 1)))

    def start_loss(self, x, z, uniform):
        epsilon = uniform[0, : len(x) // self.penalized, :, None, None]
        with torch.no_grad():
            fake = self.generator(z)
        return self.parts(2 * x - 1, fake, epsilon)


class Plain:
    """이동 평균 없이."""

    def follow(self):
        pass


class TextbookDCGAN(Plain, DCGAN):
    """교과서의 설정: 배치 64, 학습률 2e-4, β₁ 0.5."""

    rates, betas = (2e-4, 2e-4), (0.5, 0.999)

    def __init__(self):
        networks = small_normal(textbook_generator()), small_normal(textbook_judge(normalize=True))
        Adversarial.__init__(self, *networks, 100, 64)


class TextbookWGAN(Plain, WGAN):
    """논문의 설정: 학습률 1e-4, 비평가 다섯 번, 벌점은 모든 그림에서."""

    rates, n_critic, penalized = (1e-4, 1e-4), 5, 1

    def __init__(self):
        Adversarial.__init__(self, textbook_generator(), textbook_judge(normalize=False), 100, 64 * self.n_critic)


TEXTBOOKS = {"dense_vae": TextbookVAE, "dcgan": TextbookDCGAN, "wgan": TextbookWGAN}
PEERS = {
    "ae": Autoencoder,
    "conv_vae": lambda: VAE("conv"),
    "dense_vae": lambda: VAE("dense"),
    "gan": DenseGAN,
    "dcgan": DCGAN,
    "wgan": WGAN,
}


class Player:
    """경기장의 선수(`arena.Contestant`)."""

    def __init__(self, key, images, weights=None, optimizer="fused", channels_last=True, compiled=False, bf16=False):
        """
        Args:
            key: `TASKS`의 이름. images: uint8 (N, 28, 28).
            weights: 우리의 첫 가중치(.npz). None이면 교과서의 망을 처음부터 배워요(`TEXTBOOKS`에 있는 것만).
            optimizer: Adam의 구현, "fused" | "foreach".
            channels_last: 합성곱 망의 메모리 배치. compiled: `torch.compile`을 쓸까. bf16: autocast로 bfloat16을 쓸까.
        """
        self.peer, self.bf16 = (PEERS if weights else TEXTBOOKS)[key](), bf16
        self.info = {"batch": self.peer.batch}
        if weights:
            images = images[:, ::-1, ::-1] if TASKS[key].conv else images
            for name, arrays in read_weights(weights).items():
                copy_weights(self.peer.networks[name], arrays)
            self.info |= self.start(probe(key, images))
        layout = torch.channels_last if TASKS[key].conv and channels_last else torch.contiguous_format
        for network in self.peer.networks.values():
            network.to(memory_format=layout)
        self.peer.prepare(
            lambda weights, rate, betas: torch.optim.Adam(
                weights, rate, betas, eps=1e-7, fused=optimizer == "fused", foreach=optimizer == "foreach"
            ),
            torch.compile if compiled else lambda function: function,
        )
        self.pictures = torch.from_numpy(np.ascontiguousarray(images))[:, None]

    def start(self, given):
        images = torch.from_numpy(np.ascontiguousarray(given.images)).permute(0, 3, 1, 2)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            values = self.peer.start_loss(images, *map(torch.from_numpy, given[1:]))
        return {
            "parameters": {name: sum(p.numel() for p in net.parameters()) for name, net in self.peer.networks.items()},
            "start_loss": [value.item() for value in values],
        }

    def train(self, tick):
        size = self.peer.batch
        while True:
            order = torch.randperm(len(self.pictures))
            for start in range(0, len(order) - size + 1, size):
                x = self.pictures[order[start : start + size]].float().div_(255)
                with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                    self.peer.step(x)
                tick(size)

    def snapshot(self, count):
        """`ours.Player.snapshot`과 같은 것을 교과서의 망에서."""
        return self.peer.snapshot(count)
