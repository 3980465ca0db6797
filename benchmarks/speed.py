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
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import TASKS
from benchmarks.arena import CORES, Contestant, Failed
from course_utils import data
from course_utils.errors import CourseError

OURS, GEMM = "우리(노트북)", "GEMM"


class Entry(NamedTuple):
    """title: 표에 적는 이름. module, options: `Contestant`에 넘기는 것."""

    title: str
    module: str
    options: dict


def entries(key):
    """모델 하나를 두고 겨루는 선수들. 첫째가 우리예요."""
    conv = TASKS[key].conv
    found = [
        Entry(OURS, "ours", {}),
        Entry("PyTorch, fused Adam", "torch_peers", {}),
        Entry("PyTorch, foreach Adam", "torch_peers", {"optimizer": "foreach"}),
        Entry("PyTorch, torch.compile", "torch_peers", {"compiled": True}),
        Entry("train_on_batch", "classic", {}),
    ]
    if conv:
        found.insert(3, Entry("PyTorch, channels_last 없이", "torch_peers", {"channels_last": False}))
    if key in ("gan", "dcgan"):
        found.append(Entry("train_on_batch + predict", "classic", {"predict": True}))
    if conv and has_bf16():
        found += [Entry("우리, bf16", "ours", {"bf16": True}), Entry("PyTorch, bf16", "torch_peers", {"bf16": True})]
    return found


class Result(NamedTuple):
    """rates: 바퀴마다의 images/s. first: 프로세스가 시작되어 첫 스텝(묶음)까지의 초. memory: MB."""

    rates: list
    first: float
    memory: float


def compete(key, images, rounds, seconds, contestants):
    """한 모델의 선수들을 번갈아 재요. 첫 바퀴는 버려요.

    Args:
        key: `TASKS`의 이름. images: uint8 (N, 28, 28).
        rounds: 재는 바퀴의 수. seconds: 한 번에 적어도 달리는 초.
        contestants: `Entry`들. 첫째가 우리예요.
    Returns:
        ({이름: `Result`}, 그림 한 장의 셈이나 None). 행렬 곱의 속도(FLOP/s)는 `GEMM`. 시작하지 못한 상대는 알리고 빠져요.
    Raises:
        CourseError: 매개변수의 수나 첫 손실이 우리와 다를 때.
        Failed: 우리가 시작하지 못했거나, 누구든 달리다 멈췄을 때.
    """
    start, players, first = None, {}, {}
    with ExitStack() as stack:
        for title, module, options in [*contestants, Entry(GEMM, "gemm", {})]:
            given = {} if module == "ours" else {"start": start}
            began = time.monotonic()
            try:
                player = stack.enter_context(Contestant(module, key=key, images=images, **given, **options))
                told = None if title == GEMM or "bf16" in title else player.ask("start")
                player.run(0)
                first[title] = time.monotonic() - began
                player.run(seconds)
            except Failed as error:
                if not players:
                    raise
                reason = str(error).strip().splitlines()[-1][:150]
                print(f"  {title}: 이 기계에서는 돌지 않아요({reason})", flush=True)
                continue
            players[title], start = player, start or told
            print(f"  {title}: 준비됐어요(첫 스텝까지 {first[title]:.1f}초)", flush=True)
            if told:
                check_same(title, told["checks"], start["checks"])

        rates = {title: [] for title in players}
        for number in range(rounds):
            for title, player in players.items():
                done, took = player.run(seconds)
                rates[title].append(done / took)
            print(f"  {number + 1}/{rounds}바퀴: " + ", ".join(f"{t} {r[-1]:,.0f}" for t, r in rates.items() if t != GEMM), flush=True)
        counter = next((player for title, player in players.items() if title.startswith("PyTorch, f")), None)
        results = {t: Result(rates[t], first[t], player.ask("peak_memory")) for t, player in players.items()}
        return results, counter and counter.ask("flops")


def check_same(title, theirs, ours):
    """같은 신경망을 같은 가중치에서 시작했는지."""
    if theirs["parameters"] != ours["parameters"]:
        raise CourseError(f"{title}의 매개변수 {theirs['parameters']}이(가) 우리의 {ours['parameters']}와 달라요.")
    if not np.allclose(theirs["start_loss"], ours["start_loss"], rtol=1e-4, atol=1e-4):
        raise CourseError(f"{title}의 첫 손실 {theirs['start_loss']}이(가) 우리의 {ours['start_loss']}와 달라요.")


def has_bf16():
    """CPU가 bfloat16을 스스로 곱할 수 있나(리눅스에서만 알아봐요)."""
    info = Path("/proc/cpuinfo")
    return info.exists() and bool({"avx512_bf16", "amx_bf16"} & set(info.read_text().split()))


HEAD = ["", "images/s", "최소–최대", "÷ PyTorch", "최소–최대", "첫 스텝(초)", "메모리(MB)", "GEMM 대비"]


def rows(results, flops=None):
    """표의 줄들. `÷ PyTorch`는 같은 바퀴끼리 나눈 비의 중앙값이고, 상대는 같은 정밀도의 가장 빠른 PyTorch예요."""
    median = {title: statistics.median(result.rates) for title, result in results.items() if title != GEMM}
    rivals = {}
    for bf16 in (False, True):
        peers = [t for t in median if t.startswith("PyTorch") and ("bf16" in t) == bf16]
        rivals[bf16] = max(peers, key=median.get, default=None)
    table = []
    for title, middle in median.items():
        result, rival = results[title], rivals["bf16" in title]
        ratio = spread = share = ""
        if rival and not title.startswith("PyTorch"):
            each = [a / b for a, b in zip(result.rates, results[rival].rates, strict=True)]
            ratio, spread = f"{statistics.median(each):.2f}", f"{min(each):.2f}–{max(each):.2f}"
        if flops:
            share = f"{middle * flops / max(results[GEMM].rates):.0%}"
        table.append([
            title + " ←" * (title == rival), f"{middle:,.0f}", f"{min(result.rates):,.0f}–{max(result.rates):,.0f}",
            ratio, spread, f"{result.first:.1f}", f"{result.memory:,.0f}", share,
        ])
    return table


def machine():
    """기계를 한 줄로."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    versions = ", ".join(f"{package} {version(package)}" for package in ("tensorflow", "keras", "torch"))
    return f"{name}, {CORES}코어, Python {platform.python_version()}, {versions}"


def table(head, lines):
    """마크다운 표. 첫 칸은 왼쪽으로, 나머지는 오른쪽으로 맞춰요."""
    return "\n".join(f"|{'|'.join(line)}|" for line in (head, ["---", *["---:"] * (len(head) - 1)], *lines))


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
    record = {"machine": machine(), "models": {}}
    for key in chosen.models or TASKS:
        print(TASKS[key].title, flush=True)
        results, flops = compete(key, images, chosen.rounds, chosen.seconds, entries(key))
        work = f" · 그림 한 장에 {flops / 1e6:.1f} MFLOP" if flops else ""
        peak = max(results[GEMM].rates) / 1e9
        print(f"\n**{TASKS[key].title}{work} · GEMM {peak:.0f} GFLOP/s**\n\n{table(HEAD, rows(results, flops))}\n", flush=True)
        record["models"][key] = {name: result._asdict() for name, result in results.items()}
        if chosen.json:
            chosen.json.write_text(json.dumps(record, ensure_ascii=False, indent=1), "utf-8")


if __name__ == "__main__":
    main()
