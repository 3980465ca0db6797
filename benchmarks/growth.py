"""일이 커질 때의 값: 그림의 수, 배치, 잠재 차원, 함께 도는 학습의 수마다 걸리는 초와 메모리.

    COURSE_MNIST=/경로/mnist.npz python -m benchmarks.growth      # 두 코어에서 10분쯤

05의 20차원 VAE를 노트북의 셀로 세 에폭 배워, 한 에폭의 중앙값을 적어요. 점마다 새 프로세스이고, 첫 스텝의 준비는 시간에서 빼요.
"""

import statistics
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np

from benchmarks.arena import Contestant
from benchmarks.speed import machine, table
from course_utils import data

AXES = {
    "그림의 수": ("count", (1_000, 3_000, 10_000, 30_000, 60_000)),
    "배치의 장수": ("batch", (16, 64, 128, 512, 2_048)),
    "잠재 차원": ("latent", (2, 8, 20, 64, 256)),
    "함께 도는 학습의 수": ("jobs", (1, 2, 4)),
}


def epoch(source, count=60_000, batch=128, latent=20, jobs=1):
    """한 에폭의 (초, 프로세스마다의 메모리를 더한 MB). 함께 도는 것들은 같은 때에 시작해요.

    Args:
        source: uint8 (N, 28, 28). 모자라면 되풀이해 써요.
        count, batch, latent, jobs: 그림의 수, 배치의 장수, 잠재 차원, 함께 도는 학습의 수.
    Returns:
        (초, MB). 초는 가장 늦게 끝난 것의 것.
    """
    options = {"key": "dense_vae", "images": np.resize(source, (count, 28, 28)), "latent": latent, "batch": batch}

    def run(player):
        times = []
        for _ in range(3):
            seen, spent = 0, 0.0
            while seen < count // batch * batch:
                more, took = player.run(0)
                seen, spent = seen + more, spent + took
            times.append(spent)
        return statistics.median(times)

    with ExitStack() as stack, ThreadPoolExecutor(jobs) as pool:
        players = [stack.enter_context(Contestant("ours", **options)) for _ in range(jobs)]
        for player in players:
            player.run(0)
        return max(pool.map(run, players)), sum(player.ask("peak_memory") for player in players)


def main():
    source = data.load("auto").x_train
    print(machine(), flush=True)
    for name, (option, values) in AXES.items():
        points = [(value, *epoch(source, **{option: value})) for value in values]
        lines = [[f"{value:,}", f"{seconds:.2f}", f"{memory:,.0f}"] for value, seconds, memory in points]
        print(f"\n{table([name, '한 에폭(초)', '메모리(MB)'], lines)}", flush=True)


if __name__ == "__main__":
    main()
