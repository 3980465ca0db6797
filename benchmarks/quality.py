"""좋아지는 데 걸리는 시간: 우리 레슨의 신경망과 교과서의 신경망(PyTorch), 배우는 초마다의 ELBO와 FID.

    COURSE_MNIST=/경로/mnist.npz python -m benchmarks.quality          # 두 코어에서 30분쯤
    python -m benchmarks.quality dense_vae --limit 120

하나씩 배우고, 재는 동안에는 시계를 멈춰요. 첫 스텝의 준비(그래프, XLA)는 시간에 들어가요. 교과서의 신경망은 우리가
마지막 목표에 닿은 시간(닿지 못했으면 다 배운 시간)의 PATIENCE배까지만 배워요.
"""

import argparse
from functools import partial

import numpy as np

from benchmarks import TASKS, ours
from benchmarks.arena import Contestant
from benchmarks.speed import machine, table
from course_utils import data, lessons, metrics

PATIENCE = 4.1  # "네 배 빠르다"를 확인하기에 넉넉한 만큼
GOALS = {"dense_vae": (-105.0, -102.0), "dcgan": (8.0, 4.0), "wgan": (6.0, 3.5)}  # 시험 ELBO(나트), FID ÷ 바닥


def textbook(key):
    """교과서의 신경망과 설정을, `ours.Player.start()`가 주는 모양으로.

    05는 같은 크기의 신경망을 ReLU와 Adam 1e-3으로, 08은 노트북의 교과서 신경망을 논문의 학습률 2e-4와 β₁ 0.5로, 09는 그 신경망에서
    판별자의 정규화를 빼고 `n_critic` 5, 학습률 1e-4로.
    """
    if key == "dense_vae":
        cells = lessons.load_cells("05_vae", "dense")
        networks = {"encoder": cells["dense_encoder"](20), "decoder": cells["dense_decoder"](20)}
        recipe, rates, betas = {"batch": 128, "latent": 20}, [1e-3], (0.9, 0.999)
    else:
        cells = lessons.load_cells("08_dcgan", "networks", "textbook")
        networks = {"generator": cells["textbook_generator"](100), "judge": cells["textbook_discriminator"]()}
        recipe, rates, betas = {"batch": 64, "latent": 100}, [2e-4, 2e-4], (0.5, 0.999)
    if key == "wgan":
        layers = cells["layers"]
        convs = [part for f in (64, 128) for part in (layers.Conv2D(f, 5, 2, "same"), layers.LeakyReLU(0.2))]
        networks["judge"] = cells["keras"].Sequential(
            [layers.Input((28, 28, 1)), *convs, layers.Flatten(), layers.Dense(1)]
        )
        recipe, rates, betas = recipe | {"batch": 320, "n_critic": 5}, [1e-4, 1e-4], (0.0, 0.9)
    adams = [{"rates": [rate], "betas": betas, "epsilon": 1e-7, "clip": None} for rate in rates]
    recipe |= {"steps": 1, "average": False, "optimizers": adams}
    return {"networks": ours.described(networks), "recipe": recipe}


class Judge:
    """배우다 멈춘 모델을 재요."""

    def __init__(self, digits):
        self.x_test = digits.x_test[..., None] / np.float32(255)
        self.evaluator = metrics.SampleEvaluator(np.concatenate([digits.x_train, digits.x_test]))
        self.cells, self.vaes = lessons.load_cells("05_vae", "sampling", "loss", "dense", "weights"), {}

    def elbo(self, activation, weights):
        """05의 20차원 VAE의 시험 ELBO, 나트. weights: [인코더, 디코더]의 가중치."""
        if activation not in self.vaes:
            hidden = weights[0][0].shape[1]
            pair = [self.cells[f"dense_{half}"](20, hidden) for half in ("encoder", "decoder")]
            for layer in (layer for network in pair for layer in network.layers):
                if getattr(layer, "units", None) == hidden:  # 교과서의 신경망은 은닉층의 활성화 함수가 달라요
                    layer.activation = self.cells["keras"].activations.get(activation)
            self.vaes[activation] = pair, self.cells["log_weights"](*pair)
        pair, log_weights = self.vaes[activation]
        for network, arrays in zip(pair, weights, strict=True):
            network.set_weights(arrays)
        return float(metrics.elbo(log_weights, self.x_test).mean())

    def times_floor(self, images):
        """만든 그림의 FID, 진짜끼리의 바닥의 몇 배. images: (N, 28, 28, 1), 0–1."""
        return float(self.evaluator(images)["times_floor"])


def climb(player, measure, count, limit):
    """한 선수를 limit초까지(또는 다 배울 때까지) 가르치며 잰 점들 [(배운 초, 잰 값), …].

    Args:
        player: `Contestant`. measure: 그 선수의 snapshot(count)을 재는 함수. count: 그림의 수. limit: 초.
    """
    points, spent, mark = [], 0.0, 4.0
    while spent < limit:
        seen, took = player.run(min(mark, limit) - spent)
        spent += took
        mark = max(1.1 * mark, spent + 0.1)
        points.append((spent, measure(player.ask("snapshot", count))))
        print(f"  {spent:7.1f}초 {points[-1][1]:9.2f}", flush=True)
        if not seen:
            break
    return points


def reach(points, goal):
    """goal에 처음 닿은 초. 닿지 못했으면 None. 음수인 goal(ELBO)은 클수록, 양수(FID)는 작을수록 좋아요."""
    return next((seconds for seconds, value in points if (value >= goal if goal < 0 else value <= goal)), None)


def row(name, points, goals):
    """표의 한 줄: 이름, 목표마다 닿은 초, 끝의 값."""
    reached = [reach(points, goal) for goal in goals]
    cells = ["–" if seconds is None else f"{seconds:.0f}" for seconds in reached]
    return [name, *cells, f"{points[-1][1]:.2f} ({points[-1][0]:.0f}초)"]


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="모델", help=f"기본은 모두: {', '.join(GOALS)}")
    parser.add_argument("--limit", type=float, default=900.0, help="한 선수가 가장 오래 배우는 초")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.models) - set(GOALS):
        parser.error(f"모르는 모델 {', '.join(sorted(unknown))}. 쓸 수 있는 것: {', '.join(GOALS)}")

    digits = data.load("auto")
    judge = Judge(digits)
    print(machine(), flush=True)
    for key in chosen.models or GOALS:
        lines, limit, given = [], chosen.limit, {"key": key, "images": digits.x_train}
        for name, module, options, activation in (
            ("우리(노트북, quick)", "ours", {"forever": False}, "silu"),
            ("교과서의 신경망, PyTorch", "torch_peers", {"start": textbook(key)}, "relu"),
        ):
            print(f"{TASKS[key].title}: {name}", flush=True)
            with Contestant(module, **given, **options) as player:
                measure = partial(judge.elbo, activation) if key == "dense_vae" else judge.times_floor
                points = climb(player, measure, judge.evaluator.count, limit)
            lines.append(row(name, points, GOALS[key]))
            limit = min(limit, PATIENCE * (reach(points, GOALS[key][-1]) or points[-1][0]))
        head = [TASKS[key].title, *(f"{goal:g}까지(초)" for goal in GOALS[key]), "끝"]
        print(f"\n{table(head, lines)}\n", flush=True)


if __name__ == "__main__":
    main()
