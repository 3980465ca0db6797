"""초당 그림의 수를 나란히: 노트북의 셀, PyTorch, 옛 Keras 고리.

    python -m benchmarks.speed                       # 여섯 모델 모두(두 코어에서 30분쯤)
    python -m benchmarks.speed dcgan wgan --rounds 9 --seconds 3

한 모델의 선수들을 모두 켜 두고 차례로 조금씩 달리게 해요. 그래서 기계가 잠깐 느려져도 모두가 같이 느려져요.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.arena import CORES, Contestant, Failed
from benchmarks.tasks import TASKS
from course_utils import data
from course_utils.errors import CourseError

WARM_UP = 1  # 버리는 바퀴


class Entry(NamedTuple):
    """title: 표에 적는 이름. module, options: `Contestant`에 넘기는 것. peer: "fp32" | "bf16"이면 견줄 PyTorch."""

    title: str
    module: str
    options: dict
    peer: str | None = None


def entries(key):
    """모델 하나를 두고 겨루는 선수들. 첫째가 우리예요."""
    conv = TASKS[key].conv
    found = [
        Entry("우리(노트북)", "ours", {}),
        Entry("PyTorch, fused Adam", "torch_peers", {}, "fp32"),
        Entry("PyTorch, foreach Adam", "torch_peers", {"optimizer": "foreach"}, "fp32"),
        Entry("PyTorch, torch.compile", "torch_peers", {"compiled": True}, "fp32"),
        Entry("train_on_batch", "classic", {}),
    ]
    if conv:
        found.insert(3, Entry("PyTorch, channels_last 없이", "torch_peers", {"channels_last": False}, "fp32"))
    if key in ("gan", "dcgan"):
        found.append(Entry("train_on_batch + predict", "classic", {"predict": True}))
    if conv and has_bf16():
        found += [
            Entry("우리, bf16", "ours", {"bf16": True}),
            Entry("PyTorch, bf16", "torch_peers", {"bf16": True}, "bf16"),
        ]
    return found


class Result(NamedTuple):
    """rates: 바퀴마다의 images/s. first: 프로세스가 시작되어 첫 걸음까지의 초. memory: MB. info: 선수의 info."""

    rates: list
    first: float
    memory: float
    info: dict


def compete(key, images, rounds, seconds, contestants):
    """한 모델의 선수들을 번갈아 재요.

    Args:
        key: `TASKS`의 이름. images: uint8 (N, 28, 28).
        rounds: 재는 바퀴의 수. seconds: 한 번에 적어도 달리는 초.
        contestants: `Entry`들. 첫째가 우리예요.
    Returns:
        {이름: `Result`}. 행렬 곱의 속도(FLOP/s)는 "GEMM". 시작하지 못한 상대는 까닭을 알리고 빠져요.
    Raises:
        CourseError: 매개변수의 수나 첫 손실이 우리와 다를 때.
        Failed: 우리가 시작하지 못했거나, 누구든 달리다 멈췄을 때.
    """
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        weights, players = str(Path(folder, "start.npz")), {}
        for entry in contestants:
            try:
                options = {"key": key, "images": images, "weights": weights} | entry.options
                if entry.module == "ours" and players:
                    options["weights"] = None
                player = stack.enter_context(Contestant(entry.module, **options))
                for _ in range(WARM_UP + 1):
                    player.run(0 if player.first_seconds is None else seconds)
            except Failed as error:
                if not players:
                    raise
                reason = str(error).strip().splitlines()[-1][:150]
                print(f"  {entry.title}: 이 기계에서는 돌지 않아요({reason})", flush=True)
                continue
            players[entry.title] = player
            print(f"  {entry.title}: 준비됐어요(첫 걸음까지 {player.first_seconds:.1f}초)", flush=True)
            if "bf16" not in entry.title:
                check_same(entry.title, player.info, players[contestants[0].title].info)
        players["GEMM"] = stack.enter_context(Contestant("gemm"))
        players["GEMM"].run(seconds / 2)

        rates = {title: [] for title in players}
        for number in range(rounds):
            for title, player in players.items():
                done, took = player.run(seconds / 2 if title == "GEMM" else seconds)
                rates[title].append(done / took)
            print(f"  {number + 1}/{rounds}바퀴: " + ", ".join(f"{t} {r[-1]:,.0f}" for t, r in rates.items() if t != "GEMM"), flush=True)  # fmt: skip
        return {
            title: Result(rates[title], player.first_seconds, player.ask("peak_memory"), player.info)
            for title, player in players.items()
        }


def check_same(title, theirs, ours):
    """같은 망을 같은 가중치에서 시작했는지."""
    if theirs["parameters"] != ours["parameters"]:
        raise CourseError(f"{title}의 매개변수 {theirs['parameters']}이(가) 우리의 {ours['parameters']}와 달라요.")
    if not np.allclose(theirs["start_loss"], ours["start_loss"], rtol=1e-4, atol=1e-4):
        raise CourseError(f"{title}의 첫 손실 {theirs['start_loss']}이(가) 우리의 {ours['start_loss']}와 달라요.")
    if theirs.get("batch", ours["batch"]) != ours["batch"]:
        raise CourseError(f"{title}의 배치 {theirs['batch']}장이 우리의 {ours['batch']}장과 달라요.")


def has_bf16():
    """CPU가 bfloat16을 스스로 곱할 수 있나(리눅스에서만 알아봐요)."""
    info = Path("/proc/cpuinfo")
    return info.exists() and bool({"avx512_bf16", "amx_bf16"} & set(info.read_text().split()))


def rows(contestants, results):
    """표의 줄들: [이름, images/s, 최소–최대, 우리 ÷ PyTorch, 그 최소–최대, 첫 걸음, 메모리, GEMM의 몇 %]."""
    peak = max(results["GEMM"].rates)
    work = results[contestants[0].title].info["flops"]
    median = {title: statistics.median(result.rates) for title, result in results.items()}
    best = {
        kind: max((e.title for e in contestants if e.peer == kind and e.title in results), key=median.get, default=None)
        for kind in ("fp32", "bf16")
    }
    table = []
    for entry in contestants:
        if entry.title not in results:
            continue
        result, rival = results[entry.title], best["bf16" if "bf16" in entry.title else "fp32"]
        ratio, spread = "", ""
        if rival and entry.peer is None:
            each = [a / b for a, b in zip(result.rates, results[rival].rates, strict=True)]
            ratio, spread = f"{statistics.median(each):.2f}", f"{min(each):.2f}–{max(each):.2f}"
        mark = " ←" if entry.title in best.values() else ""
        table.append([
            entry.title + mark, f"{median[entry.title]:,.0f}", f"{min(result.rates):,.0f}–{max(result.rates):,.0f}",
            ratio, spread, f"{result.first:.1f}", f"{result.memory:,.0f}", f"{median[entry.title] * work / peak:.0%}",
        ])  # fmt: skip
    return table


def machine():
    """기계를 한 줄로."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []  # fmt: skip
    versions = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras", "torch"))
    return f"{(names or [platform.processor()])[0]}, {CORES}코어, Python {platform.python_version()}, {versions}"


HEAD = [
    "", "images/s", "최소–최대", "÷ PyTorch", "최소–최대", "첫 걸음(초)", "메모리(MB)", "GEMM 대비",
]  # fmt: skip


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="모델", help=f"기본은 모두: {', '.join(TASKS)}")
    parser.add_argument("--rounds", type=int, default=7, help="재는 바퀴의 수")
    parser.add_argument("--seconds", type=float, default=3.0, help="한 번에 달리는 초")
    parser.add_argument("--json", type=Path, help="잰 값을 모두 적을 파일")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.models) - set(TASKS):
        parser.error(f"모르는 모델 {', '.join(sorted(unknown))}. 쓸 수 있는 것: {', '.join(TASKS)}")

    images = data.load("auto").x_train
    print(machine(), flush=True)
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > CORES / 4:
        print("⚠️ 다른 프로그램이 CPU를 쓰고 있어요. 특히 PyTorch의 값이 실제보다 훨씬 작게 나와요.", flush=True)
    tables, record = [], {"machine": machine(), "models": {}}
    for key in chosen.models or TASKS:
        print(f"{TASKS[key].title}", flush=True)
        results = compete(key, images, chosen.rounds, chosen.seconds, contestants := entries(key))
        peak = max(results["GEMM"].rates)
        work = results[contestants[0].title].info["flops"]
        title = f"{TASKS[key].title} · 그림 한 장에 {work / 1e6:.1f} MFLOP · GEMM {peak / 1e9:.0f} GFLOP/s"
        lines = ["|".join(["", *line, ""]) for line in (HEAD, ["---", *["---:"] * 7], *rows(contestants, results))]
        tables.append("\n".join([f"**{title}**", "", *lines]))
        print("\n" + tables[-1] + "\n", flush=True)
        record["models"][key] = {name: result._asdict() for name, result in results.items()}
        if chosen.json:
            chosen.json.write_text(json.dumps(record, ensure_ascii=False, indent=1))
    print("\n".join(["=" * 60, machine(), "", *("\n\n".join(tables).splitlines())]))


if __name__ == "__main__":
    main()
