"""일이 커질 때의 값: 그림의 수, 배치, 잠재 차원, 함께 도는 학습의 수마다 걸리는 초와 메모리.

    COURSE_MNIST=/경로/mnist.npz python -m benchmarks.growth      # 두 코어에서 10분쯤

05의 20차원 VAE를 노트북의 셀로 세 에폭 배워, 한 에폭의 가운데값을 적어요. 점마다 새 프로세스이고, 첫 걸음의 준비는 시간에서 빼요.
잰 값은 benchmarks/growth.json, 그림은 benchmarks/images/growth.png.
"""

import argparse
import json
import statistics
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.arena import Contestant
from benchmarks.speed import machine
from course_utils import data, plots

FOLDER = Path(__file__).resolve().parent
REPEATS = 3  # 점마다 배우는 에폭의 수. 가운데값을 적어요
AXES = {
    "그림의 수": ("images", (1_000, 3_000, 10_000, 30_000, 60_000)),
    "배치의 장수": ("batch", (16, 64, 128, 512, 2_048)),
    "잠재 차원": ("latent", (2, 8, 20, 64, 256)),
    "함께 도는 학습의 수": ("jobs", (1, 2, 4)),
}


def epoch(source, images=60_000, batch=128, latent=20, jobs=1):
    """한 에폭의 (초, 프로세스마다의 메모리를 더한 MB). 함께 도는 것들은 같은 때에 시작해요.

    Args:
        source: uint8 (N, 28, 28). 모자라면 되풀이해 써요.
        images, batch, latent, jobs: 그림의 수, 배치의 장수, 잠재 차원, 함께 도는 학습의 수.
    Returns:
        (초, MB). 초는 가장 늦게 끝난 것의 것.
    """
    options = {"key": "dense_vae", "images": np.resize(source, (images, 28, 28)), "latent": latent, "batch": batch}

    def run(player):
        times = []
        for _ in range(REPEATS):
            seen, spent = 0, 0.0
            while seen < images // batch * batch:
                more, took = player.run(0)
                seen, spent = seen + more, spent + took
            times.append(spent)
        return statistics.median(times)

    with ExitStack() as stack, ThreadPoolExecutor(jobs) as pool:
        players = [stack.enter_context(Contestant("ours", **options)) for _ in range(jobs)]
        for player in players:
            player.run(0)
        return max(pool.map(run, players)), sum(player.ask("peak_memory") for player in players)


def draw(record):
    """{축 이름: [(값, 초, MB), …]} → 칸마다 초(왼쪽 눈금)와 메모리(오른쪽 눈금)."""
    import matplotlib.pyplot as plt

    plots.use_course_style()
    figure, axes = plt.subplots(1, len(record), figsize=(3 * len(record), 3), squeeze=False, sharey=True)
    most = max(memory for points in record.values() for *_, memory in points)
    for axis, (name, points) in zip(axes[0], record.items(), strict=True):
        values, seconds, memory = zip(*points, strict=True)
        axis.plot(values, seconds, "o-", color=plots.COLORS["blue"])
        axis.set(xscale="log", yscale="log", xlabel=name, title=f"{name}에 따라")  # 비례하면 직선
        axis.set_xticks(values, [f"{value:,}" for value in values], rotation=45)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.minorticks_off()
        other = axis.twinx()
        other.plot(values, memory, "s--", color=plots.COLORS["orange"])
        other.set_ylim(0, 1.15 * most)
        other.grid(False)
    axes[0, 0].set_ylabel("한 에폭(초, 파란 실선)")
    other.set_ylabel("메모리(MB, 주황 점선)")
    return figure


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=60_000, help="가장 많은 그림의 수")
    parser.add_argument("--out", type=Path, default=FOLDER, help="growth.json과 images/growth.png을 둘 폴더")
    chosen = parser.parse_args(arguments)
    source, record = data.load("auto").x_train, {}
    print(machine(), flush=True)
    for name, (option, values) in AXES.items():
        print(f"\n|{name}|한 에폭(초)|메모리(MB)|\n|---:|---:|---:|", flush=True)
        record[name] = []
        for value in values:
            if option == "images" and value > chosen.largest:
                continue
            seconds, memory = epoch(source, **{"images": chosen.largest} | {option: value})
            record[name].append((value, round(seconds, 3), round(memory)))
            print(f"|{value:,}|{seconds:.2f}|{memory:,.0f}|", flush=True)
    (chosen.out / "images").mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": machine(), "points": record}, ensure_ascii=False, indent=1)
    (chosen.out / "growth.json").write_text(text, "utf-8")
    draw(record).savefig(chosen.out / "images" / "growth.png", dpi=110)


if __name__ == "__main__":
    main()
