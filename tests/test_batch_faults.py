"""묶음이 견디는 사고: kill -9(워커·커널·클라이언트·스케줄러), Ctrl-C, 가득 찬 디스크. 진짜 프로세스로 일으켜요.

무작위로 죽이는 횟수는 환경 변수 COURSE_KILLS(기본 3)예요.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from batch_tools import batch, begin, descendants, lesson, records

import course_utils
from course_utils.batch.__main__ import main

KILLS = int(os.environ.get("COURSE_KILLS", "3"))
NAP = "import time\ntime.sleep(0.2)"


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """방해받지 않은 묶음의 (명령, 결과)."""
    folder = tmp_path_factory.mktemp("calm")
    paths = [lesson(folder / "lessons", name, NAP) for name in ("01_a", "02_b")]
    command = ["run", *paths, "--jobs", 2, "--seeds", "0..1"]
    code, said = batch(*command, "--out", folder / "out")
    assert code == 0, said
    return command, results(folder / "out")


@pytest.fixture(scope="module")
def half(calm):
    """그 가운데 시드 0의 두 일."""
    command, expected = calm
    return [*command[:-1], 0], {name: result for name, result in expected.items() if name.endswith("seed=0")}


def results(out):
    return {name: (record["digest"], record["metrics"]) for name, record in records(out).items()}


def wait_for(found, seconds=60):
    """found()가 참이 될 때까지 기다려 그 값을 돌려줘요."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError("기다리던 일이 일어나지 않았어요")


def status_is_true(out):
    """status가 말하는 완료의 수와 온전한 기록의 수가 같고, 조각이 끝난 일로 보이지 않아요."""
    _, said = batch("status", out)
    whole = [record for record in records(out).values() if record["status"] == "완료"]
    assert f"완료 {len(whole)}개" in said and "Traceback" not in said, said


@pytest.mark.parametrize("number", range(KILLS))
def test_kill_9_at_a_random_moment_then_resume(half, tmp_path, number):
    chance = random.Random(number)
    kind = ("worker", "kernel", "client")[number % 3]
    command, expected = half
    out = tmp_path / "out"
    process = begin(*command, "--out", out)
    if kind == "client":
        wait_for(lambda: (out / "plan.json").exists())
        time.sleep(chance.uniform(0, 6))
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
    else:
        wait_for(lambda: descendants(process.pid, kind))
        time.sleep(chance.uniform(0, 3))
        children = []
        for victim in descendants(process.pid, kind)[:1]:
            victim.kill()
    said, _ = process.communicate(timeout=120)
    assert not psutil.wait_procs(children, timeout=20)[1], "주인 없는 프로세스가 남았어요"
    if kind != "client":
        assert process.returncode == 0, said
    status_is_true(out)
    code, said = batch(*command, "--out", out)
    assert code == 0 and results(out) == expected, said
    assert not list(out.rglob("*.part"))


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path):
    naps = {"01_a": NAP, "02_b": NAP.replace("0.2", "5")}  # 둘째가 자는 동안 멈춰요
    command = ["run", *(lesson(tmp_path / "lessons", name, nap) for name, nap in naps.items())]
    out = tmp_path / "out"
    process = begin(*command, "--jobs", 1, "--out", out)
    wait_for(lambda: list((out / "jobs").glob("*.json")))
    for _ in range(3):  # 닫는 동안 또 눌러도
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.5)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "같은 명령을 다시" in said and "Traceback" not in said, said
    assert f"course_utils.batch report {out}" in said and batch("report", out)[0] == 0
    status_is_true(out)
    code, said = batch(*command, "--out", out)
    assert code == 0 and "이미 끝난 일 1개" in said and len(results(out)) == 2, said


def test_ctrl_c_while_the_workers_start_is_quiet(tmp_path):
    out = tmp_path / "out"
    process = begin("run", lesson(tmp_path / "lessons", "01_a", "import time\ntime.sleep(30)"), "--out", out)
    wait_for(lambda: descendants(process.pid, "worker"))
    while process.poll() is None:  # 워커가 켜지는 동안에도, 켜진 다음에도
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.3)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "같은 명령을 다시" in said and "Traceback" not in said, said


def test_a_closed_pipe_stops_nothing(tmp_path):
    command = ["run", lesson(tmp_path / "lessons", "01_a"), "--seeds", "0..1", "--jobs", 1, "--out", tmp_path / "out"]
    process = begin(*command)
    assert process.stdout.readline()
    process.stdout.close()  # | head -1
    assert process.wait(timeout=120) == 0 and len(results(tmp_path / "out")) == 2
    assert (tmp_path / "out" / "report.html").exists()


@pytest.fixture
def small_disk(tmp_path):
    """가득 차기 쉬운 디스크(tmpfs). 만들 수 없으면 건너뛰어요."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=60k", "tmpfs", disk], capture_output=True
    )
    if not made or made.returncode:
        pytest.skip("작은 디스크(tmpfs)를 붙이려면 관리자 권한이 필요해요")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_full_disk_stops_and_the_rest_comes_later(calm, small_disk):
    command, expected = calm
    out = small_disk / "out"
    code, said = batch(*command, "--out", out)
    assert code == 2 and "디스크가 가득 찼어요" in said and "Traceback" not in said, said
    status_is_true(out)
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    code, said = batch(*command, "--out", out)
    assert code == 0 and "이미 끝난 일 0개" not in said and results(out) == expected, said


class Cluster:
    """이 컴퓨터 안의 진짜 클러스터: dask scheduler와 dask worker 프로세스들."""

    def __init__(self, folder):
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address, self.processes = f"tcp://127.0.0.1:{self.port}", []
        self.start_scheduler()

    def start_scheduler(self):
        self.scheduler = self._dask("scheduler", "--host", "127.0.0.1", "--port", self.port, "--no-dashboard")

    def start_worker(self, *options, **environment):
        return self._dask(
            "worker", self.address, "--nthreads", 1, "--no-nanny", "--no-dashboard", *options, **environment
        )

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()

    def _dask(self, *arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *map(str, arguments)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | environment,
            cwd=self._folder,
        )
        self.processes.append(process)
        return process


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


def workers_of(cluster, count):
    """워커가 count개 모일 때까지 기다려요."""
    from distributed import Client

    with Client(cluster.address, timeout=30) as client:
        client.wait_for_workers(count, timeout=60)


def test_a_real_cluster_loses_a_worker_and_its_scheduler(calm, tmp_path, cluster):
    command, expected = calm
    workers = [cluster.start_worker() for _ in range(2)]
    workers_of(cluster, 2)
    out = tmp_path / "out"
    arguments = [*command, "--scheduler", cluster.address, "--out", out]

    process = begin(*arguments)
    wait_for(lambda: descendants(workers[0].pid, "kernel"))
    workers[0].kill()
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0 and results(out) == expected, said

    shutil.rmtree(out)
    workers.append(cluster.start_worker())
    workers_of(cluster, 2)
    process = begin(*arguments)
    wait_for(lambda: list((out / "jobs").glob("*.json")))
    cluster.scheduler.kill()
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2 and "연결이 끊겼어요" in said and "Traceback" not in said, said
    status_is_true(out)
    cluster.start_scheduler()
    for _ in range(2):
        cluster.start_worker()
    workers_of(cluster, 2)
    code, said = batch(*arguments, "--jobs", 1)
    assert code == 0 and "이미 끝난 일 0개" not in said and results(out) == expected, said
    from dask.system import CPU_COUNT

    last = max(records(out).values(), key=lambda record: record["started"])
    assert last["threads"] == CPU_COUNT  # 쉬는 워커에게는 코어를 나눠 주지 않아요


def test_unfit_clusters_are_refused_at_once(half, tmp_path, cluster, capsys):
    command = [*map(str, half[0]), "--scheduler", cluster.address, "--out", str(tmp_path / "out")]

    def assert_refused(words, *options):
        began = time.monotonic()
        assert main([*command, *options]) == 2 and words in "".join(capsys.readouterr())
        assert time.monotonic() - began < 20

    assert_refused("워커가 없어요")
    wide = cluster.start_worker("--nthreads", 2)
    workers_of(cluster, 1)
    assert_refused("스레드가 1개가 아니에요")
    wide.kill()
    wide.wait()
    stale = tmp_path / "stale" / "course_utils"
    shutil.copytree(Path(course_utils.__file__).parent, stale)
    (stale / "errors.py").write_text((stale / "errors.py").read_text("utf-8") + "\n# 다른 판\n", "utf-8")
    old = cluster.start_worker(PYTHONPATH=str(stale.parent))
    workers_of(cluster, 1)
    assert_refused("course_utils(")
    old.kill()
    old.wait()
    cluster.start_worker("--resources", "GPU=1")
    workers_of(cluster, 1)
    assert_refused("자원 GPU=2", "--resource", "GPU=2")
    code, said = batch(*command, "--resource", "GPU=1")
    assert code == 0, said
