"""경기장: 선수(견주는 방법)마다 오래 사는 프로세스 하나. 차례로 불러 조금씩 달리게 하고 시간을 재요.

선수는 `train(tick)`으로 배우면서, 걸음을 마칠 때마다 `tick(본 그림의 수)`를 불러요. `tick`은 차례가 아니면
거기서 기다려요. 그래서 누구의 학습 고리든 고치지 않고 번갈아 잴 수 있어요.
"""

import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # TensorFlow를 쓰는 선수 모두에게. 우리는 `start`가 켜요
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


class Stop(Exception):
    """학습 고리를 끝내요."""


class Failed(Exception):
    """선수의 프로세스에서 난 오류."""


class Contestant:
    """다른 프로세스에서 달리는 선수. `with`로 써요.

    Attributes:
        info: 선수의 `info` 사전에 import_seconds(라이브러리를 불러온 초)를 더한 것.
        first_seconds: 프로세스가 시작되어 첫 걸음을 마칠 때까지의 초. `run`을 처음 부른 뒤에 정해져요.
    """

    def __init__(self, module, **options):
        """
        Args:
            module: `benchmarks` 안의 모듈 이름. `Player(**options)`가 있어야 해요.
            **options: 그 클래스에 넘길 값들. 다른 프로세스로 보낼 수 있는 것만.
        Raises:
            Failed: 선수를 만들지 못했을 때.
        """
        self._pipe, theirs = multiprocessing.Pipe()
        began = time.monotonic()
        self._process = multiprocessing.get_context("spawn").Process(
            target=_live, args=(theirs, module, options), daemon=True
        )
        self._process.start()
        theirs.close()
        try:
            self.info = self._answer()
        except Failed:
            self._process.join()
            raise
        self._ready_seconds, self.first_seconds = time.monotonic() - began, None

    def run(self, seconds):
        """적어도 seconds초, 적어도 한 걸음 배우게 하고 (본 그림의 수, 걸린 초)를 돌려줘요. 다 배웠으면 그림이 0장이에요."""
        began = time.monotonic()
        self._pipe.send(seconds)
        images, took, first = self._answer()
        if self.first_seconds is None:
            self.first_seconds = self._ready_seconds + first - began
        return images, took

    def ask(self, what, *arguments):
        """멈춰 있는 선수의 메서드(또는 "peak_memory")를 불러요. 시간에 들어가지 않아요."""
        self._pipe.send((what, arguments))
        return self._answer()

    def _answer(self):
        try:
            kind, value = self._pipe.recv()
        except EOFError:
            raise Failed(f"선수의 프로세스가 죽었어요(종료 코드 {self._process.exitcode}).") from None
        if kind == "error":
            raise Failed(value)
        return value

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self._process.join(10)
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _live(pipe, module, options):
    """선수의 프로세스. 학습과 라이브러리가 화면에 쓰는 것은 버리고, 학습 상태는 임시 폴더에 둬요."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            began = time.monotonic()
            player_class = import_module(f"benchmarks.{module}").Player
            imported = time.monotonic() - began
            player = player_class(**options)
            pipe.send(("ok", player.info | {"import_seconds": imported}))
            with contextlib.suppress(Stop):
                tick = _Tick(pipe, player)
                player.train(tick)
                tick.end()
        except (EOFError, BrokenPipeError, KeyboardInterrupt):
            pass
        except BaseException:
            pipe.send(("error", traceback.format_exc()))
        finally:
            os.chdir(home)


class _Tick:
    """학습 고리가 걸음마다 부르는 것. 첫 걸음 전에는 부르지 않으므로, 만들 때 첫 명령을 기다려요."""

    def __init__(self, pipe, player):
        self._pipe, self._player = pipe, player
        self._wait()

    def __call__(self, images):
        self._images += images
        now = time.monotonic()
        self._first = self._first or now
        if now - self._began >= self._seconds:
            self._pipe.send(("ok", (self._images, now - self._began, self._first)))
            self._wait()

    def end(self):
        """다 배웠어요. 이제 부르면 그림이 0장이에요."""
        while True:
            self._pipe.send(("ok", (self._images, time.monotonic() - self._began, self._first)))
            self._wait()

    def _wait(self):
        while isinstance(command := self._pipe.recv(), tuple):
            what, arguments = command
            method = peak_memory if what == "peak_memory" else getattr(self._player, what)
            self._pipe.send(("ok", method(*arguments)))
        if command is None:
            raise Stop
        self._seconds, self._images, self._first = command, 0, None
        self._began = time.monotonic()


def peak_memory():
    """이 프로세스가 가장 많이 쓴 메모리, MB."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def save_weights(path, networks):
    """{망 이름: 배열 목록}을 .npz 하나로."""
    np.savez(path, **{f"{name}/{i}": array for name, arrays in networks.items() for i, array in enumerate(arrays)})


def read_weights(path):
    """`save_weights`의 반대."""
    networks = {}
    with np.load(path) as saved:
        for key in saved.files:
            networks.setdefault(key.split("/")[0], []).append(saved[key])
    return networks
