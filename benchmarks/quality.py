"""좋아지는 데 걸리는 시간: 우리 레슨의 망과 교과서의 망, 배우는 초마다의 ELBO와 FID.

    COURSE_MNIST=/경로/mnist.npz python -m benchmarks.quality          # 두 코어에서 한 시간 남짓
    python -m benchmarks.quality dense_vae --limit 120

하나씩 배우고, 재는 동안에는 시계를 멈춰요. 첫 걸음의 준비(그래프, XLA)는 시간에 들어가요. 교과서의 망은 우리가
마지막 목표에 닿은 시간(닿지 못했으면 다 배운 시간)의 PATIENCE배까지만 배워요.
잰 값은 benchmarks/quality.json, 그림은 benchmarks/images/quality.png.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

from benchmarks.arena import Contestant
from benchmarks.speed import machine
from course_utils import data, plots

FOLDER = Path(__file__).resolve().parent
PATIENCE = 4.1  # "네 배 빠르다"를 확인하기에 넉넉한 만큼


class Race(NamedTuple):
    """title: 그림의 제목. measure: `judge.Player`의 메서드. unit: 세로축. goals: 닿는 시간을 적을 값들."""

    title: str
    measure: str
    unit: str
    goals: tuple


RACES = {
    "dense_vae": Race("05 dense VAE(20차원)", "elbo", "시험 ELBO(나트)", (-105.0, -102.0)),
    "dcgan": Race("08 DCGAN", "times_floor", "FID ÷ 진짜끼리의 바닥", (8.0, 4.0)),
    "wgan": Race("09 WGAN-GP", "times_floor", "FID ÷ 진짜끼리의 바닥", (6.0, 3.5)),
}
RUNNERS = {
    "우리(노트북, quick)": ("ours", {"steps": None}),
    "교과서의 망, PyTorch": ("torch_peers", {}),
    "교과서의 망, train_on_batch": ("classic", {}),
}


def climb(module, options, measure, judge, limit):
    """한 선수를 처음부터 limit초까지(또는 다 배울 때까지) 가르치며 잰 점들.

    Args:
        module, options: `Contestant`에 넘기는 것.
        measure: 심판의 메서드 이름.
        judge: 심판인 `Contestant`.
        limit: 가장 오래 배우는 초.
    Returns:
        [(배운 초, 본 그림의 수, 잰 값), …].
    """
    points, spent, images, mark = [], 0.0, 0, 4.0
    with Contestant(module, **options) as player:
        while spent < limit:
            seen, took = player.run(min(mark, limit) - spent)
            spent, images, mark = spent + took, images + seen, mark * 1.1
            value = judge.ask(measure, player.ask("snapshot", judge.info["count"]))
            points.append((round(spent, 2), images, value))
            print(f"  {spent:7.1f}초 {images:10,}장 {value:9.2f}", flush=True)
            if not seen:
                break
            mark = max(mark, spent + 0.1)
    return points


def reach(points, goal):
    """goal에 처음 닿은 초. 닿지 못했으면 None. 음수인 goal(ELBO)은 클수록, 양수(FID)는 작을수록 좋아요."""
    good = (lambda value: value >= goal) if goal < 0 else (lambda value: value <= goal)
    return next((seconds for seconds, _, value in points if good(value)), None)


def draw(record):
    """{모델: {선수: 점들}} → 모델마다 한 칸인 그림."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter

    plots.use_course_style()
    figure, axes = plt.subplots(1, len(record), figsize=(3.4 * len(record), 3.6), squeeze=False)
    for axis, (key, runs) in zip(axes[0], record.items(), strict=True):
        race = RACES[key]
        for (name, points), style in zip(runs.items(), ("o-", "s--", "^:"), strict=False):
            axis.plot([p[0] for p in points], [p[2] for p in points], style, markersize=3, label=name)
        for goal in race.goals:
            axis.axhline(goal, color=plots.COLORS["gray"], linewidth=0.8, linestyle=":")
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
        if race.measure == "elbo":
            axis.set_ylim(max(-160, min(p[2] for points in runs.values() for p in points)), None)
        else:
            axis.set_yscale("log")
        axis.set(title=race.title, xlabel="배운 시간(초)", ylabel=race.unit)
    axes[0, 0].legend(fontsize=8)
    return figure


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="모델", help=f"기본은 모두: {', '.join(RACES)}")
    parser.add_argument("--limit", type=float, default=900.0, help="한 선수가 가장 오래 배우는 초")
    parser.add_argument("--out", type=Path, default=FOLDER, help="quality.json과 images/quality.png을 둘 폴더")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.models) - set(RACES):
        parser.error(f"모르는 모델 {', '.join(sorted(unknown))}. 쓸 수 있는 것: {', '.join(RACES)}")

    images, file = data.load("auto").x_train, chosen.out / "quality.json"
    before = json.loads(file.read_text("utf-8")) if file.exists() else {}
    record = before["models"] if before.get("machine") == machine() else {}  # 같은 기계에서 잰 다른 모델은 남겨요
    print(machine(), flush=True)
    with Contestant("judge") as judge:
        for key in chosen.models or RACES:
            record[key], limit = {}, chosen.limit
            for name, (module, options) in RUNNERS.items():
                print(f"{RACES[key].title}: {name}", flush=True)
                given = {"key": key, "images": images} | options
                record[key][name] = points = climb(module, given, RACES[key].measure, judge, limit)
                if module == "ours":
                    limit = min(limit, PATIENCE * (reach(points, RACES[key].goals[-1]) or points[-1][0]))
                (chosen.out / "images").mkdir(parents=True, exist_ok=True)
                saved = {"machine": machine(), "floor": judge.info["floor"], "models": record}
                file.write_text(json.dumps(saved, ensure_ascii=False, indent=1), "utf-8")
    draw(record).savefig(chosen.out / "images" / "quality.png", dpi=110)
    for key, runs in record.items():
        print(f"\n|{RACES[key].title}|" + "|".join(f"{goal:g}까지(초)" for goal in RACES[key].goals) + "|끝|")
        print("|---|" + "---:|" * (len(RACES[key].goals) + 1))
        for name, points in runs.items():
            reached = [reach(points, goal) for goal in RACES[key].goals]
            cells = ["–" if seconds is None else f"{seconds:.0f}" for seconds in reached]
            print("|".join(["", name, *cells, f"{points[-1][2]:.2f} ({points[-1][0]:.0f}초)", ""]))


if __name__ == "__main__":
    main()
