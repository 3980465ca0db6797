"""경기장: 선수(견주는 방법)마다 오래 사는 프로세스 하나. 차례로 불러 조금씩 달리게 하고 시간을 재요.

선수는 `train(tick)`으로 배우면서, 스텝(우리는 한 묶음)을 마칠 때마다 `tick(본 그림의 수)`를 불러요. `tick`은 차례가
아니면 거기서 기다려요. 더 간단한 길도 있지만 모자라요. 선수마다 따로 끝까지 달리게 하면 기계가 잠깐 느려진 때를
한 선수만 떠안고, 프로세스를 신호로 멈추면 묶음 한가운데에서 멈춰 그림의 수를 셀 수 없고, 학습을 제너레이터로 쓰면
Keras의 `fit`이 들어오지 못해요. 파이프로 기다리면 누구의 학습 고리든 고치지 않고 번갈아 잴 수 있어요.
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

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # TensorFlow를 쓰는 선수 모두에게
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


class Stop(Exception):
    """학습 고리를 끝내요."""


class Failed(Exception):
    """선수의 프로세스에서 난 오류."""


class Player:
    """선수의 바탕. `train(tick)`을 채워요."""

    def peak_memory(self):
        """이 프로세스가 가장 많이 쓴 메모리, MB."""
        status = Path("/proc/self/status")
        if status.exists():  # 리눅스의 ru_maxrss는 부모의 것까지 물려받아요
            return next(int(line.split()[1]) / 1024 for line in status.open() if line.startswith("VmHWM"))
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


class Contestant:
    """다른 프로세스에서 달리는 선수. `with`로 써요."""

    def __init__(self, module, **options):
        """
        Args:
            module: `benchmarks` 안의 모듈 이름. `Player(**options)`가 있어야 해요.
            **options: 그 클래스에 넘길 값들. 다른 프로세스로 보낼 수 있는 것만.
        Raises:
            Failed: 선수를 만들지 못했을 때.
        """
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(
            target=_live, args=(theirs, module, options), daemon=True
        )
        self._process.start()
        theirs.close()
        try:
            self._answer()
        except Failed:
            self._process.join()
            raise

    def run(self, seconds):
        """적어도 seconds초, 적어도 한 스텝 배우게 하고 (본 그림의 수, 걸린 초)를 돌려줘요. 다 배웠으면 그림이 0장이에요."""
        self._pipe.send(seconds)
        return self._answer()

    def ask(self, method, *arguments):
        """멈춰 있는 선수의 메서드를 불러요. 시간에 들어가지 않아요."""
        self._pipe.send((method, arguments))
        return self._answer()

    def _answer(self):
        try:
            fine, value = self._pipe.recv()
        except EOFError:
            raise Failed(f"선수의 프로세스가 죽었어요(종료 코드 {self._process.exitcode}).") from None
        if not fine:
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
    """선수의 프로세스. 화면에 쓰는 것은 버리고, 학습 상태는 임시 폴더에 둬요."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            player = import_module(f"benchmarks.{module}").Player(**options)
            pipe.send((True, None))
            with contextlib.suppress(Stop):
                tick = _Tick(pipe, player)
                player.train(tick)
                while True:  # 다 배웠어요. 이제 부르면 그림이 0장이에요
                    tick.finish()
        except (EOFError, BrokenPipeError, KeyboardInterrupt):
            pass
        except BaseException:
            pipe.send((False, traceback.format_exc()))
        finally:
            os.chdir(home)


class _Tick:
    """학습 고리가 스텝마다 부르는 것. 만들 때와 차례가 끝날 때마다 다음 명령을 기다려요."""

    def __init__(self, pipe, player):
        self._pipe, self._player = pipe, player
        self._wait()

    def __call__(self, images):
        self._images += images
        if time.monotonic() - self._began >= self._seconds:
            self.finish()

    def finish(self):
        """차례를 마쳐요."""
        self._pipe.send((True, (self._images, time.monotonic() - self._began)))
        self._wait()

    def _wait(self):
        while isinstance(command := self._pipe.recv(), tuple):
            method, arguments = command
            self._pipe.send((True, getattr(self._player, method)(*arguments)))
        if command is None:
            raise Stop
        self._seconds, self._images, self._began = command, 0, time.monotonic()
