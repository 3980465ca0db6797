"""견주는 여섯 모델과, 첫 손실을 맞춰 볼 때 모두에게 똑같이 먹이는 수. TensorFlow도 PyTorch도 불러오지 않아요."""

import zlib
from typing import NamedTuple

import numpy as np


class Task(NamedTuple):
    """title: 표에 적는 이름. latent: 잠재 차원. conv: 합성곱 망인가."""

    title: str
    latent: int
    conv: bool


TASKS = {
    "ae": Task("03 MLP AE", 3, False),
    "conv_vae": Task("05 합성곱 VAE", 2, True),
    "dense_vae": Task("05 dense VAE", 20, False),
    "gan": Task("06 GAN", 64, False),
    "dcgan": Task("08 DCGAN", 32, True),
    "wgan": Task("09 WGAN-GP", 32, True),
}


class Probe(NamedTuple):
    """images: float32 (B, 28, 28, 1), 0–1. z: (B, latent), 정규분포. uniform: (2, B, 1), 0–1."""

    images: np.ndarray
    z: np.ndarray
    uniform: np.ndarray


def probe(key, images, batch=32):
    """첫 손실을 맞춰 볼 그림과 잡음. 모델마다 늘 같아요.

    Args:
        key: `TASKS`의 이름.
        images: uint8 (N, 28, 28). 앞의 batch장을 써요.
        batch: 장수.
    Returns:
        `Probe`.
    """
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    z = rng.normal(size=(batch, TASKS[key].latent)).astype("float32")
    uniform = rng.uniform(size=(2, batch, 1)).astype("float32")
    return Probe(images[:batch, ..., None] / np.float32(255), z, uniform)
