"""묶음의 덤: 아주 작은 노트북 여러 개를 papermill만으로 차례로 할 때와 견줘요.

    python -m tools.bench_batch 200

papermill 반복, 묶음(동시에 1개, 2개)의 일 하나당 초와, 묶음을 시작한 프로세스의 가장 큰 메모리를 적어요.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import papermill
import psutil

from tests.batch_tools import begin, lesson


def bare(path, folder, count):
    """papermill만으로 차례로. 일 하나당 (초, CPU 초)."""
    began, used = time.monotonic(), spent()
    for seed in range(count):
        papermill.execute_notebook(
            path, folder / f"{seed}.ipynb", parameters={"seed": seed}, progress_bar=False,
            extra_arguments=["--log-level=CRITICAL"],
        )
    return (time.monotonic() - began) / count, (spent() - used) / count


def batched(path, folder, count, jobs):
    """묶음으로. 일 하나당 (초, CPU 초)와, 시작한 프로세스의 가장 큰 메모리(MB)."""
    began, used, peak = time.monotonic(), spent(), 0
    process = begin("run", path, "--seeds", f"0..{count - 1}", "--jobs", jobs, "--out", folder / f"{jobs}-{count}")
    client = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            peak = max(peak, client.memory_info().rss)
        except psutil.Error:
            break
        time.sleep(0.2)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return (time.monotonic() - began) / count, (spent() - used) / count, peak / 2**20


def spent():
    """이 프로세스와 끝난 자식들이 쓴 CPU 초. 다른 프로그램이 바빠도 흔들리지 않아요."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = lesson(folder / "lessons", "01_a")
        alone, cpu = bare(path, folder, count)
        print(f"papermill 반복 {count}개: 일 하나에 {alone:.2f}초(CPU {cpu:.2f}초)", flush=True)
        for number, jobs in ((20, 1), (count, 1), (count, 2)):
            seconds, used, peak = batched(path, folder, number, jobs)
            print(
                f"묶음 {number}개, 동시에 {jobs}개: 일 하나에 {seconds:.2f}초(CPU {used:.2f}초), "
                f"papermill보다 {seconds - alone:+.2f}초(CPU {used - cpu:+.2f}초), 메모리 {peak:.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
