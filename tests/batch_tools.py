"""묶음 시험들이 함께 쓰는 것: 몇 초 만에 도는 작은 노트북과, 진짜 프로세스로 부르는 명령."""

import json
import os
import signal
import subprocess
import sys

import nbformat
import psutil

from course_utils.runtime import METRICS_MIME

PARAMETERS = """profile = "auto"  # 프로파일
dataset = "auto"  # 데이터
seed = 1  # 시드
latent_dim = None  # 잠재 차원. None이면 프로파일대로
n_data = None  # 자료의 수(2 이상). None이면 프로파일대로
digit = 0  # 숨길 숫자
rate = 0.1  # 배우는 빠르기
title = "그림"  # 제목
fast = False  # 빠르게
"""
SETTINGS = """run = course_utils.start(profile, dataset, seed, minutes=(0.5, 2, 10))
table = {"latent_dim": (2, 4, 8), "n_data": (3, 4, 5), "width": (0.5, 1.0, 2.0)}
cfg = run.settings(table, at_least={"n_data": 2}, latent_dim=latent_dim, n_data=n_data)
run.one_of("digit", digit, (0, *range(2, 10)))
"""


def lesson(folder, name, *cells, metrics="answer=seed * 10 + (latent_dim or 0)", parameters=PARAMETERS, settings="",
           kernel="python3"):
    """작은 레슨을 쓰고 그 경로를 돌려줘요. 셀들은 매개변수와 settings 다음, 지표를 남기는 셀 앞에 놓여요.

    Args:
        cells: 셀의 코드나 (코드, 태그).
        settings: settings 셀의 코드. 없으면 그림과 글꼴의 준비가 없어 1초쯤 빨라요.
        kernel: 노트북에 적힌 커널의 이름.
    """
    finish = (
        "from IPython.display import display\n"
        f"display({{{METRICS_MIME!r}: dict({metrics}), 'text/plain': '끝'}}, metadata={{{METRICS_MIME!r}: {{'answer': '답'}}}}, raw=True)"
    )
    head = [(parameters, "parameters"), *([("import course_utils", "imports"), (settings, "settings")] if settings else [])]
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": kernel, "display_name": kernel, "language": "python"}
    for cell in (*head, *cells, finish):
        source, tag = (cell, None) if isinstance(cell, str) else cell
        notebook.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": [tag]} if tag else {}))
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")
    return str(folder / f"{name}.ipynb")


def begin(*arguments, **environment):
    """명령을 새 프로세스(와 새 프로세스 묶음)로 시작해요."""
    return subprocess.Popen(
        [sys.executable, "-m", "course_utils.batch", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # 뒤에서(&) 도는 시험도 Ctrl-C를 받게
        env=os.environ | {"PYTHONUTF8": "1", "COURSE_DATASET": "digits", "COURSE_PROFILE": "smoke"} | environment,
    )


def batch(*arguments, **environment):
    """명령을 끝까지 실행해 (종료 코드, 화면에 나온 글)을 돌려줘요."""
    process = begin(*arguments, **environment)
    text, _ = process.communicate(timeout=300)
    return process.returncode, text


def records(out):
    """{일의 id에서 내용의 이름을 뺀 것: 기록}."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted((out / "jobs").glob("*.json"))]
    return {record["id"].rpartition("__")[0]: record for record in found}


def descendants(pid, kind):
    """프로세스가 낳은 "kernel"이나 "worker"들."""
    mark = {"kernel": "ipykernel_launcher", "worker": "spawn_main"}[kind]
    found = []
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
    for child in children:
        try:
            if mark in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found
