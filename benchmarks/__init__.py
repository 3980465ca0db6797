"""강의의 학습이 다른 방법보다 얼마나 빠른지 같은 기계, 같은 신경망, 같은 배치, 같은 데이터로 견줘요. 쓰는 법은 README.md."""

from typing import NamedTuple


class Task(NamedTuple):
    """title: 표에 적는 이름. conv: 합성곱 신경망인가."""

    title: str
    conv: bool


TASKS = {
    "ae": Task("03 MLP AE", False),
    "conv_vae": Task("05 합성곱 VAE", True),
    "dense_vae": Task("05 dense VAE", False),
    "gan": Task("06 GAN", False),
    "dcgan": Task("08 DCGAN", True),
    "wgan": Task("09 WGAN-GP", True),
}


def rates_at(recipe, step):
    """배우는 법(`ours.OurModel.recipe`)에서 그 스텝의 학습률들, 최적화기마다 하나. 다 배운 뒤에는 마지막 값이에요."""
    points = len(recipe["optimizers"][0]["rates"])
    now = min(points * step // recipe["steps"], points - 1)
    return [optimizer["rates"][now] for optimizer in recipe["optimizers"]]
