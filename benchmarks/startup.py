"""시작하는 데 걸리는 시간: 커널을 켜고 import를 마칠 때까지, 첫 학습 스텝까지의 초.

    python -m benchmarks.startup [레슨 …]

노트북을 위에서부터 그대로 실행하다가 첫 학습 스텝이 끝나는 때에 멈춰요(quick, 저장소의 digits).
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

import nbformat

from benchmarks.speed import machine, table
from course_utils import lessons

ROUNDS = 3  # 재는 횟수. 중앙값을 적어요

# import 셀 뒤에서 실행해요: `fit`에 콜백을 하나 보태 첫 스텝 뒤에 멈춰요
HOOK = """
import sys
if keras := sys.modules.get("keras"):
    class FirstStep(Exception): pass
    def _stop(batch, logs): raise FirstStep
    def _fit(*args, _fit=keras.Model.fit, callbacks=None, **options):
        return _fit(*args, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=_stop), *(callbacks or ())], **options)
    keras.Model.fit = _fit
"""


def first_step(notebook):
    """노트북 하나를 실행해 (커널이 켜진 초, import 셀까지의 초, 첫 학습 스텝까지의 초나 None)를 재요.

    Args:
        notebook: nbformat의 노트북. import 셀에 `imports` 태그가 있어야 해요. `fit`으로 배우지 않으면 끝까지 실행해요.
    Returns:
        (초, 초, 초나 None), 모두 커널을 켜기 시작한 때부터.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    new, code = nbformat.v4.new_code_cell, [cell for cell in notebook.cells if cell.cell_type == "code"]
    imports = next(i for i, cell in enumerate(code, start=1) if "imports" in cell.metadata.get("tags", ()))
    notebook.cells = [new("pass"), *code[:imports], new(HOOK), *code[imports:]]
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, resources={"metadata": {"path": folder}}, timeout=600)
        began, times = time.monotonic(), []
        with client.setup_kernel(stderr=subprocess.DEVNULL):  # 커널의 경고가 표에 섞이지 않게
            for number, cell in enumerate(notebook.cells):
                try:
                    client.execute_cell(cell, number)
                except CellExecutionError as error:
                    if error.ename != "FirstStep":
                        raise
                    return times[0], times[imports], time.monotonic() - began
                times.append(time.monotonic() - began)
        return times[0], times[imports], None


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", metavar="레슨", help="노트북의 이름. 기본은 모두")
    chosen = parser.parse_args(arguments).lessons
    os.environ |= {"COURSE_PROFILE": "quick", "COURSE_DATASET": "digits", "TF_CPP_MIN_LOG_LEVEL": "3"}
    print(machine(), flush=True)
    for statement in ("import course_utils", "import matplotlib.pyplot", "import tensorflow", "import keras"):
        times = []
        for _ in range(ROUNDS):
            began = time.monotonic()
            subprocess.run([sys.executable, "-c", statement], check=True, capture_output=True)
            times.append(time.monotonic() - began)
        print(f"{statement}: {statistics.median(times):.2f}초", flush=True)
    print("\n" + table(["레슨", "커널(초)", "import까지(초)", "첫 스텝까지(초)"], []), flush=True)
    for path in sorted(lessons.NOTEBOOKS.glob("*.ipynb")):
        if not chosen or path.stem in chosen:
            columns = zip(*(first_step(lessons.read(path).notebook) for _ in range(ROUNDS)), strict=True)
            cells = ["학습 없음" if None in column else f"{statistics.median(column):.1f}" for column in columns]
            print(f"|{'|'.join([path.stem, *cells])}|", flush=True)


if __name__ == "__main__":
    main()
