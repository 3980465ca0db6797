"""notebooks/images/overview.png, README의 첫 그림을 만들어요: 잠재 지도와, 다섯 모델이 그린 숫자(`data/samples`).

실행: python -m tools.build_overview
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from course_utils import data, plots, samples

PICTURE = Path(__file__).resolve().parent.parent / "notebooks/images/overview.png"
MODELS = {"VAE": "05_vae", "GAN": "06_gan", "DCGAN": "08_dcgan", "WGAN-GP": "09_wgan", "흐름 정합": "17_flow_matching"}


def draw():
    """왼쪽은 05의 잠재 지도, 오른쪽은 사람과 모델이 쓴 숫자 여덟 장씩(고르지 않은 처음 여덟 장)."""
    plots.use_course_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), width_ratios=(1, 1.1))
    atlas = samples.load("05_vae_map", "digits").images.reshape(15, 15, 28, 28)
    left.imshow(atlas.transpose(0, 2, 1, 3).reshape(420, 420), cmap="gray")
    left.set_title("두 값으로 그린 숫자의 지도(VAE)")
    rows = [data.load("digits").x_train[:8]] + [samples.load(file, "digits").images[:8] for file in MODELS.values()]
    right.imshow(np.concatenate([np.concatenate(list(row), axis=1) for row in rows]), cmap="gray")
    right.set_title("첫 줄만 사람이 썼어요")
    right.set_yticks([28 * k + 14 for k in range(len(rows))], labels=["사람", *MODELS])
    for axis in (left, right):
        axis.set(xticks=[], frame_on=False)
        axis.grid(False)
    left.set_yticks([])
    right.tick_params(length=0)
    return figure


if __name__ == "__main__":
    draw().savefig(PICTURE, dpi=100)
    print(f"{PICTURE.name}: {PICTURE.stat().st_size:,}바이트")
