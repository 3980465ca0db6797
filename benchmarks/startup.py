"""시작하는 데 걸리는 시간: 커널을 켜고 첫 학습 걸음까지의 초, 라이브러리를 불러오는 초.

    python -m benchmarks.startup

노트북을 위에서부터 그대로 실행하다가 첫 학습 걸음이 끝나는 때에 멈춰요(quick, 저장소의 digits).
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import nbformat

from benchmarks.speed import machine
from course_utils.lessons import NOTEBOOKS

# 첫 코드 셀 앞에서 실행해요: keras가 들어오면 fit에 콜백을 하나 보태 첫 걸음 뒤에 커널을 멈춰요
HOOK = """
import builtins, os, sys, time
def _watch(name, *args, _import=builtins.__import__, _modules=sys.modules, **kwargs):
    module = _import(name, *args, **kwargs)
    keras = _modules.get("keras")
    if keras and hasattr(keras, "Model") and hasattr(keras, "callbacks") and not hasattr(keras, "_watched"):
        keras._watched, fit = True, keras.Model.fit
        class First(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                open(os.environ["COURSE_FIRST_STEP"], "w").write(str(time.time()))
                os._exit(0)
        def watched(self, *args, **kwargs):
            kwargs["callbacks"] = [First(), *(kwargs.get("callbacks") or [])]
            return fit(self, *args, **kwargs)
        keras.Model.fit = watched
    return module
builtins.__import__ = _watch
"""


def first_step(path):
    """노트북 하나를 실행해 (커널이 켜진 초, 환경 준비와 import 셀까지의 초, 첫 학습 걸음까지의 초나 None).

    Args:
        path: 노트북의 경로. `fit`으로 배우지 않는 레슨은 끝까지 실행해요.
    Returns:
        (초, 초, 초나 None), 모두 커널을 켜기 시작한 때부터.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells = [nbformat.v4.new_code_cell(HOOK), *code]
    with tempfile.TemporaryDirectory() as folder:
        stamp = Path(folder, "first")
        os.environ["COURSE_FIRST_STEP"] = str(stamp)
        client = NotebookClient(notebook, resources={"metadata": {"path": folder}}, timeout=600)
        began, times = time.time(), []
        with client.setup_kernel(stderr=subprocess.DEVNULL):  # 커널의 경고가 표에 섞이지 않게
            try:
                for number, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, number)
                    times.append(time.time() - began)
            except DeadKernelError:
                pass
        return times[0], times[3], float(stamp.read_text()) - began if stamp.exists() else None


def imports(statement):
    """`python -c statement`이 걸리는 초와, 그 가운데 꾸러미마다의 몫(초). 큰 것부터."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", statement], capture_output=True, text=True)
    took, share = time.monotonic() - began, Counter()
    for line in done.stderr.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[0].strip().isdigit():
            share[parts[2].strip().split(".")[0]] += int(parts[0]) / 1e6
    return took, share.most_common(8)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", metavar="레슨", help="노트북의 이름. 기본은 모두")
    parser.add_argument("--rounds", type=int, default=3, help="재는 횟수. 가운데값을 적어요")
    chosen = parser.parse_args(arguments)
    os.environ |= {"COURSE_PROFILE": "quick", "COURSE_DATASET": "digits", "TF_CPP_MIN_LOG_LEVEL": "3"}
    print(machine(), flush=True)
    for statement in ("import course_utils", "import matplotlib.pyplot", "import tensorflow", "import keras"):
        runs = [imports(statement) for _ in range(chosen.rounds)]
        share = ", ".join(f"{name} {seconds:.2f}" for name, seconds in runs[0][1])
        print(f"{statement}: {statistics.median(run[0] for run in runs):.2f}초 ({share})", flush=True)
    print("\n|레슨|커널(초)|import까지(초)|첫 걸음까지(초)|\n|---|---:|---:|---:|", flush=True)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if chosen.lessons and path.stem not in chosen.lessons:
            continue
        columns = zip(*(first_step(path) for _ in range(chosen.rounds)), strict=True)
        cells = ["학습 없음" if None in column else f"{statistics.median(column):.1f}" for column in columns]
        print("|".join(["", path.stem, *cells, ""]), flush=True)


if __name__ == "__main__":
    main()
