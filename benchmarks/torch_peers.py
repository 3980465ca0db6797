"""견줄 상대: PyTorch로 옮긴 같은 신경망, 같은 손실, 같은 최적화기. 우리의 첫 가중치를 받아 같은 손실에서 시작해요.

Keras의 `same` 합성곱은 짝이 맞지 않는 한 줄을 아래와 오른쪽에, PyTorch의 `padding`은 위와 왼쪽에 둬요. 그래서
합성곱 신경망은 모든 것(그림, 커널, 납작하게 편 자리)을 180도 돌린 채 배워요. 같은 함수이고, PyTorch에 덤이 들지 않아요.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks import TASKS, arena, rates_at

torch.set_num_threads(arena.CORES)

ACTIVATIONS = {
    "relu": lambda: nn.ReLU(inplace=True),
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Identity,  # 손실이 로짓을 받아요
}


class Flat(nn.Module):
    """(B, C, H, W) → (B, H·W·C), Keras와 같은 차례. channels_last에서는 복사가 없어요."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class Spread(nn.Module):
    """(B, H·W·C) → (B, C, H, W)."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.unflatten(1, self.shape).permute(0, 3, 1, 2)


class TwoHeads(nn.Module):
    """몸통 뒤에 μ와 log σ²를 내는 Dense 둘."""

    def __init__(self, body, mu, log_var):
        super().__init__()
        self.body, self.mu, self.log_var = body, mu, log_var

    def forward(self, x):
        x = self.body(x)
        return self.mu(x), self.log_var(x)


def turned(tensor, channels):
    """납작하게 편 그림 (H·W·C, …)을 180도."""
    return tensor.reshape(-1, channels, *tensor.shape[1:]).flip(0).reshape(tensor.shape)


def translated(layers, turn):
    """같은 가중치의 PyTorch 신경망.

    Args:
        layers: `ours.described`의 신경망 하나.
        turn: 180도 돌릴까.
    """
    parts, flat, dense = [], None, None  # flat: 앞에서 편 그림의 채널 수
    for layer in layers:
        kind, config, (inputs, outputs) = layer["kind"], layer["config"], layer["sizes"]
        tensors = [torch.from_numpy(np.array(array)) for array in layer["weights"]]
        if kind == "Flatten":
            parts.append(Flat())
            flat = inputs[-1] if turn else None
        elif kind == "Reshape":
            if turn:
                for tensor in dense.parameters():
                    tensor.data = turned(tensor.data, outputs[-1])
            parts.append(Spread(outputs))
        elif kind == "Dense":
            kernel = turned(tensors[0], flat) if flat else tensors[0]
            dense, flat = filled(nn.Linear(*kernel.shape, bias=len(tensors) == 2), kernel.T, *tensors[1:]), None
            parts.append(dense)
        elif kind in ("Conv2D", "Conv2DTranspose"):
            (size, _), (stride, _), bias = config["kernel_size"], config["strides"], len(tensors) == 2
            kernel = tensors[0].flip(0, 1).permute(3, 2, 0, 1)
            if kind == "Conv2D":
                padding = -(-((outputs[0] - 1) * stride + size - inputs[0]) // 2)
                part = nn.Conv2d(inputs[-1], outputs[-1], size, stride, padding, bias=bias)
            else:
                padding = -(-(size - stride) // 2)
                extra = 2 * padding - (size - stride)
                part = nn.ConvTranspose2d(inputs[-1], outputs[-1], size, stride, padding, extra, bias=bias)
            parts.append(filled(part, kernel, *tensors[1:]))
        elif kind == "BatchNormalization":
            part = nn.BatchNorm2d(inputs[-1], config["epsilon"], 1 - config["momentum"])
            part.running_mean, part.running_var = tensors[2:]
            parts.append(filled(part, *tensors[:2]))
        elif kind == "ReLU":
            parts.append(nn.ReLU(inplace=True))
        elif kind == "LeakyReLU":
            parts.append(nn.LeakyReLU(config["negative_slope"], inplace=True))
        elif kind == "Dropout":
            parts.append(nn.Dropout(config["rate"]))
        elif kind != "Activation":
            raise KeyError(f"{kind} 층을 PyTorch로 옮기는 법을 몰라요")
        if config.get("activation", "linear") != "linear":
            parts.append(ACTIVATIONS[config["activation"]]())
    if layers[-1]["config"]["name"] == "log_var":
        return TwoHeads(nn.Sequential(*parts[:-2]), *parts[-2:])
    return nn.Sequential(*parts)


def filled(part, weight, bias=None):
    """가중치를 담은 층."""
    with torch.no_grad():
        part.weight.copy_(weight)
        if bias is not None:
            part.bias.copy_(bias)
    return part


class Peer:
    """신경망(networks, 이름마다의 속성으로도)과 배우는 법(recipe: `ours.OurModel.recipe`). 최적화기는 turns()마다 하나예요."""

    def __init__(self, networks, recipe):
        vars(self).update(networks)
        self.networks, self.recipe, self.done = networks, recipe, 0

    def prepare(self, kind, wrap):
        """kind: Adam의 구현, "fused" | "foreach". wrap: 자주 부르는 함수를 감싸는 것(`torch.compile`)."""
        self.rates = rates_at(self.recipe, 0)
        self.players = [
            (
                weights,
                torch.optim.Adam(weights, rate, values["betas"], values["epsilon"], **{kind: True}),
                values["clip"],
            )
            for weights, rate, values in zip(self.turns(), self.rates, self.recipe["optimizers"], strict=True)
        ]
        for name in self.wrapped:
            setattr(self, name, wrap(getattr(self, name)))

    def learn(self, x):
        """한 스텝. 학습률의 마디가 바뀌면 따라가요."""
        if (rates := rates_at(self.recipe, self.done)) != self.rates:
            self.rates = rates
            for (_, optimizer, _), rate in zip(self.players, rates, strict=True):
                optimizer.param_groups[0]["lr"] = rate
        self.step(x)
        self.done += 1

    def improve(self, who, loss):
        weights, optimizer, clip = self.players[who]
        optimizer.zero_grad()
        loss.backward(inputs=weights)
        if clip:
            nn.utils.clip_grad_norm_(weights, clip, foreach=True)
        optimizer.step()

    def random(self, count):
        return torch.randn(count, self.recipe["latent"])


class Supervised(Peer):
    """인코더와 디코더, 최적화기 하나."""

    wrapped = ("loss",)

    def turns(self):
        return [[*self.encoder.parameters(), *self.decoder.parameters()]]

    def loss(self, x, epsilon):
        return sum(self.start_loss(x, epsilon))

    def step(self, x):
        self.improve(0, self.loss(x, self.random(len(x))))


class Autoencoder(Supervised):
    def start_loss(self, x, *_):
        x = x.flatten(1) * 2 - 1
        return [F.mse_loss(self.decoder(self.encoder(x)), x)]


class VAE(Supervised):
    def start_loss(self, x, epsilon, *_):
        mu, log_var = self.encoder(x)
        logits = self.decoder(mu + torch.exp(0.5 * log_var) * epsilon)
        rebuilt = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
        kl = -0.5 * torch.sum(1 + log_var - mu.square() - log_var.exp()) / len(x)
        return rebuilt, kl

    def snapshot(self, count):
        """`ours.VAE.snapshot`과 같은 것을."""
        halves = [[part for part in half.modules() if isinstance(part, nn.Linear)] for half in self.networks.values()]
        return [[t.numpy(force=True).T for part in half for t in (part.weight, part.bias)] for half in halves]


class Adversarial(Peer):
    """생성자와 판별자, 생성자의 이동 평균."""

    wrapped = ("generator", "judge_loss", "generator_loss")

    def turns(self):
        return [list(self.generator.parameters()), list(self.judge.parameters())]

    def prepare(self, kind, wrap):
        self.fast = [t for t in self.generator.state_dict().values() if t.is_floating_point()]
        self.slow = [t.clone() for t in self.fast]
        super().prepare(kind, wrap)

    def paint(self, count):
        return self.generator(self.random(count))

    def follow(self):
        if self.recipe.get("average", True):  # 교과서의 설정에는 없어요
            decay = min(0.995, (2 + self.done) / (11 + self.done))
            with torch.no_grad():
                torch._foreach_lerp_(self.slow, self.fast, 1 - decay)

    def generator_loss(self, fake):
        return F.softplus(-self.judge(fake)).mean()  # −log D(G(z))

    def snapshot(self, count):
        """`ours.Adversarial.snapshot`과 같은 것을, 배우고 있는 신경망에서."""
        network = self.networks["generator"].eval()
        with torch.no_grad():
            images = torch.cat([network(self.random(500)) for _ in range(-(-count // 500))])[:count]
        network.train()
        return ((images.permute(0, 2, 3, 1).flip(1, 2) + 1) / 2).clamp(0, 1).numpy()


class DenseGAN(Adversarial):
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
        self.judge.eval()  # 드롭아웃 없이
        fake = self.generator(z)
        values = [self.judge_loss(2 * x - 1, fake, uniform), self.generator_loss(fake)]
        self.judge.train()
        return values


class DCGAN(Adversarial):
    def judge_loss(self, real, fake):
        return F.softplus(-self.judge(real)).mean() + F.softplus(self.judge(fake)).mean()

    def step(self, x):
        with torch.no_grad():
            fake = self.paint(len(x))
        self.improve(1, self.judge_loss(2 * x - 1, fake))
        self.improve(0, self.generator_loss(self.paint(len(x))))
        self.follow()

    def start_loss(self, x, z, uniform):
        fake = self.generator(z)
        return [self.judge_loss(2 * x - 1, fake), self.generator_loss(fake)]


class WGAN(Adversarial):
    def parts(self, real, fake, epsilon):
        gap = self.judge(real).mean() - self.judge(fake).mean()
        between = (epsilon * real + (1 - epsilon) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(self.judge(between).sum(), between, create_graph=True)
        lengths = torch.sqrt(slope.square().sum((1, 2, 3)) + 1e-12)
        return gap, (lengths - 1).square().mean()

    def judge_loss(self, real, fake, epsilon):
        gap, penalty = self.parts(real, fake, epsilon)
        return 10.0 * penalty - gap

    def generator_loss(self, fake):
        return -self.judge(fake).mean()

    def step(self, x):
        for real in (2 * x - 1).chunk(self.recipe["n_critic"]):  # 우리는 하나, 교과서의 설정은 다섯
            with torch.no_grad():
                fake = self.paint(len(real))
            self.improve(1, self.judge_loss(real, fake, torch.rand(len(real), 1, 1, 1)))
        self.improve(0, self.generator_loss(self.paint(len(real))))
        self.follow()

    def start_loss(self, x, z, uniform):
        with torch.no_grad():
            fake = self.generator(z)
        return self.parts(2 * x - 1, fake, uniform[0, :, :, None, None])


PEERS = {"ae": Autoencoder, "conv_vae": VAE, "dense_vae": VAE, "gan": DenseGAN, "dcgan": DCGAN, "wgan": WGAN}


class FlopCounter(TorchDispatchMode):
    """이 안에서 한 셈을 모두 세요(PyTorch의 `FlopCounterMode`는 09의 `autograd.grad`를 만나면 멈춰요)."""

    total = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if formula := flop_registry.get(function._overloadpacket):
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


class Player(arena.Player):
    """경기장의 선수(`arena.Contestant`)."""

    def __init__(self, key, images, start, optimizer="fused", channels_last=True, compiled=False, bf16=False):
        """
        Args:
            key: `TASKS`의 이름. images: uint8 (N, 28, 28).
            start: `ours.Player.start()`가 준 것. probe가 없으면 첫 손실을 재지 않아요.
            optimizer: Adam의 구현, "fused" | "foreach".
            channels_last: 합성곱 신경망의 메모리 배치. compiled: `torch.compile`을 쓸까. bf16: autocast로 bfloat16을 쓸까.
        """
        self.conv, self.bf16, self.size = TASKS[key].conv, bf16, start["recipe"]["batch"]
        networks = {name: translated(layers, self.conv) for name, layers in start["networks"].items()}
        self.peer = PEERS[key](networks, start["recipe"])
        self.checks = self.check(*start["probe"]) if "probe" in start else None
        layout = torch.channels_last if self.conv and channels_last else torch.contiguous_format
        for network in networks.values():
            network.to(memory_format=layout)
        self.peer.prepare(optimizer, torch.compile if compiled else lambda function: function)
        self.pictures = self.tensor(images)[:, None]

    def tensor(self, images):
        """그림 (N, 28, 28, …)을, 합성곱 신경망이면 180도 돌려서."""
        return torch.from_numpy(np.ascontiguousarray(images[:, ::-1, ::-1] if self.conv else images))

    def check(self, images, z, uniform):
        images, others = self.tensor(images).permute(0, 3, 1, 2), map(torch.from_numpy, (z, uniform))
        with self.cast():
            values = self.peer.start_loss(images, *others)
        return {
            "parameters": {name: sum(p.numel() for p in net.parameters()) for name, net in self.peer.networks.items()},
            "start_loss": [value.item() for value in values],
        }

    def start(self):
        return {"checks": self.checks}

    def cast(self):
        return torch.autocast("cpu", torch.bfloat16, enabled=self.bf16)

    def learn(self, chosen):
        with self.cast():
            self.peer.learn(self.pictures[chosen].float().div_(255))

    def train(self, tick):
        while True:
            order = torch.randperm(len(self.pictures))
            for start in range(0, len(order) - self.size + 1, self.size):
                self.learn(order[start : start + self.size])
                tick(self.size)

    def flops(self):
        """그림 한 장의 셈(행렬 곱과 합성곱만, 곱하고 더하기 = 2)."""
        with FlopCounter() as counter:
            self.learn(torch.arange(self.size))
        return counter.total / self.size

    def snapshot(self, count):
        return self.peer.snapshot(count)
