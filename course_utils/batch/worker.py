"""일 하나: 워커 프로세스에서 papermill로 노트북을 실행해 (기록, 실행된 노트북, 로그)를 돌려줘요.

아무 파일도 쓰지 않고 모두 돌려주므로, 클러스터의 컴퓨터들이 디스크를 함께 쓰지 않아도 돼요.
"""

import base64
import io
import json
import math
import os
import re
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

from course_utils.batch.folder import DIED, FAILED, OK, new_record
from course_utils.batch.plan import fingerprint
from course_utils.errors import CourseError, hide_secrets
from course_utils.runtime import METRICS_MIME

TOPIC = "course-batch"
FIGURE_TAG = "report-figure"
FIGURE_WIDTH = 800
SAME_EVERYWHERE = "모든 컴퓨터에 같은 저장소와 같은 requirements.txt를 준비해 주세요."
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS",
           "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
SOMEONES_HOME = re.compile(r"(?:/home|/Users|[A-Za-z]:\\Users)[/\\][^/\\\s'\"]+|/root(?=/)")


class KernelDied(Exception):
    """레슨 탓이 아니라서 Dask가 다시 해 볼 만한 일. args는 `run_job`이 돌려주는 것과 같아요."""

    def __str__(self):
        return self.args[0]["error"]["message"]

    __repr__ = __str__


def differences(expected):
    """이 워커의 도우미·데이터·버전 가운데 묶음을 시작한 컴퓨터와 다른 것(글). 같으면 빈 글."""
    here = fingerprint()
    return ", ".join(f"{name}({here[name]} ≠ {value})" for name, value in expected.items() if here[name] != value)


def hide_homes(value):
    """글에 든 임시 폴더와, 누구의 것이든 집 폴더를 가려요. 글이 아니거나 그림의 자료면 그대로예요."""
    if type(value) is not str or value.startswith("data:"):
        return value
    hidden = value.replace(tempfile.gettempdir() + os.sep, "(임시 폴더)" + os.sep)
    home = os.path.expanduser("~")
    if len(home) > 1:  # 집 폴더가 없는 컴퓨터에서는 ~ 그대로예요
        hidden = re.sub(re.escape(home) + r"(?=[/\\\s'\"]|$)", "~", hidden)
    return SOMEONES_HOME.sub("~", hidden)


def be_quiet():
    """이 컴퓨터의 워커로 자리 잡기: 화면도 Ctrl-C도 묶음을 시작한 프로세스의 것이에요.

    커널이 닫히며 내는 영어 안내문은 버려요. 레슨의 오류는 기록과 로그에 있어요.
    """
    signal.signal(signal.SIGINT, lambda *_: None)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def run_job(job, notebook, cell_seconds, job_seconds, peers, gpus, expected):
    """노트북을 끝까지 실행해요. 레슨의 오류는 예외가 아니라 기록이 돼요.

    Args:
        job: id, lesson, parameters, digest가 든 dict.
        notebook: 출력이 없는 nbformat의 노트북.
        cell_seconds, job_seconds: 셀 하나와 일 전체의 제한 시간(초)이나 None.
        peers: {컴퓨터: 거기 있는 워커의 수}. 코어를 나눠 써요.
        gpus: 이 컴퓨터의 GPU 이름들. 워커의 번호대로 하나씩 써요. 클러스터에서는 워커를 띄운 사람이 정해요.
        expected: 묶음을 시작한 컴퓨터의 `fingerprint()`.
    Returns:
        (기록 dict, 실행된 노트북의 글, 로그의 글).
    Raises:
        KernelDied: 커널이 죽었거나 켜지지 않았을 때.
        CourseError: 이 워커의 도우미나 버전이 다를 때.
    """
    import nbformat
    import papermill
    from dask.system import CPU_COUNT
    from distributed import get_worker

    worker = get_worker()
    if different := differences(expected):
        raise CourseError(f"워커 {worker.address}의 {different}이(가) 달라요. {SAME_EVERYWHERE}")
    threads = max(1, CPU_COUNT // peers.get(urlsplit(worker.address).hostname, 1))
    _prepare_environment(threads, gpus[int(worker.name)] if gpus else None)
    began, started = time.monotonic(), datetime.now(UTC)
    watch = _Watch(worker, job["id"], began, cell_seconds, job_seconds)
    status, error = OK, ()
    source = nbformat.from_dict(notebook)
    try:
        papermill.execute_notebook(
            source, None, parameters=job["parameters"], progress_bar=False, kernel_name="python3", language="python",
            on_notebook_start=watch.notebook_started, on_cell_start=watch.cell_started, timeout_func=watch.time_left,
            extra_arguments=["--log-level=CRITICAL"],
        )
    except Exception as caught:
        status, *error = watch.explain(caught)
    executed = watch.notebook or source
    if status == OK and (stopped := _not_executed(executed)):
        status = FAILED
        error = f"{stopped}번째 코드 셀부터 실행되지 않았어요. 앞의 셀이 sys.exit()로 멈췄을 수 있어요.", stopped
    record = new_record(
        job, status, *error, started=started.isoformat(timespec="seconds"), seconds=round(time.monotonic() - began, 2),
        threads=threads, metrics=_metrics(executed), chief=_chief(executed), figure=_figure(executed),
    )
    watch.tell(f"{record['status']} · {record['seconds']}초")
    result = record, json.dumps(executed, ensure_ascii=False, indent=1), "\n".join(watch.lines) + "\n"
    if status == DIED:
        raise KernelDied(*result)
    return result


class _Watch:
    """실행을 지켜보며 어디까지 왔는지 알리고, 제한 시간을 셀마다 나눠 줘요."""

    def __init__(self, worker, job_id, began, cell_seconds, job_seconds):
        self.notebook, self.lines = None, []
        self._worker, self._id, self._cell, self._source, self._part = worker, job_id, 0, "", (0, None)
        self._cell_seconds = cell_seconds or math.inf
        self._job_seconds, self._deadline = job_seconds, began + (job_seconds or math.inf)

    def tell(self, text):
        """로그에 한 줄 적고, 묶음을 시작한 프로세스에도 알려요."""
        line = f"{datetime.now():%H:%M:%S} {text}"
        self.lines.append(line)
        self._worker.log_event(TOPIC, {"id": self._id, "part": self._part, "line": line})

    def notebook_started(self, notebook):
        self.notebook = notebook

    def cell_started(self, cell, cell_index):
        if not _counts(cell):
            return
        self._cell, self._source = self._cell + 1, hide_secrets(cell["source"])
        self._part = (cell_index + 1, len(self.notebook.cells))
        self.tell(f"코드 셀 [{self._cell}] {self._source.strip().splitlines()[0][:80]}")

    def time_left(self, cell):
        left = min(self._cell_seconds, self._deadline - time.monotonic())
        return None if left == math.inf else max(1, math.ceil(left))

    def explain(self, error):
        """예외를 (상태, 까닭, 셀의 번호, 셀의 코드)로. 끊김은 다시 해 볼 만한 것, 실패는 레슨 탓이에요."""
        kind, status = type(error).__name__, FAILED
        if hasattr(error, "ename"):
            self.lines += hide_secrets(ANSI.sub("", "\n".join(error.traceback))).splitlines()
            message = ANSI.sub("", f"{error.ename}: {error.evalue}").removeprefix("CourseError: ")
        elif kind == "CellTimeoutError":
            whole = time.monotonic() >= self._deadline - 1
            limit = f"일 하나의 제한 시간 {self._job_seconds}초" if whole else f"셀의 제한 시간 {self._cell_seconds}초"
            message = f"{limit}를 넘겼어요. --timeout이나 --job-timeout을 늘려 보세요."
        elif kind == "DeadKernelError" or "Kernel died" in str(error):
            status = DIED
            message = "커널이 죽었어요. 메모리가 모자랐을 수 있어요. 다른 프로그램을 닫거나 --jobs를 줄여 보세요."
        else:
            status, message = DIED, f"노트북을 실행하지 못했어요({kind}: {ANSI.sub('', str(error))[:500]})."
        message = hide_homes(hide_secrets(message))
        self.tell(message)
        return status, message[:2000], self._cell or None, self._source[:2000]


def _counts(cell):
    """강사의 노트북에서 실행하면 번호가 붙을 셀인지. papermill이 매개변수를 끼운 셀은 거기에 없어요."""
    return cell.cell_type == "code" and cell.source.strip() and "injected-parameters" not in cell.metadata.get("tags", ())


def _prepare_environment(threads, gpu):
    """커널이 물려받을 환경. 워커는 한 번에 일 하나만 하므로 프로세스의 환경을 바꿔도 돼요."""
    os.environ |= dict.fromkeys(THREADS, str(threads)) | {"COURSE_STATIC": "1", "PYTHONUTF8": "1"}
    os.environ["JUPYTER_PATH"] = os.path.join(sys.prefix, "share", "jupyter")  # 늘 이 파이썬의 커널
    os.environ.pop("MPLBACKEND", None)  # 있으면 커널이 그림을 출력에 남기지 않아요
    os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)  # Dask가 켜요. 텐서를 버릴 때마다 메모리를 돌려줘서 학습이 느려져요
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu


def _not_executed(notebook):
    """실행되지 않은 첫 코드 셀의 번호나 None."""
    code = filter(_counts, notebook.cells)
    skipped = (cell.execution_count is None and "skip-execution" not in cell.metadata.get("tags", ()) for cell in code)
    return next((number for number, yes in enumerate(skipped, start=1) if yes), None)


def _metrics(notebook):
    """`run.finish`가 남긴 지표. 숫자와 None(발산)만 믿어요."""
    numeric = {str(name): v for name, v in _finish(notebook, "data").items() if v is None or type(v) in (int, float)}
    return {name: v if v is not None and abs(v) < sys.float_info.max else None for name, v in numeric.items()}


def _chief(notebook):
    """`run.finish`에 적은 으뜸 지표의 [이름, 우리말 이름]이나 None."""
    names = _finish(notebook, "metadata").items()
    return next(([name, label] for name, label in names if name in _metrics(notebook) and isinstance(label, str)), None)


def _finish(notebook, part):
    """`run.finish`의 출력에서 data(지표)나 metadata(으뜸 지표의 이름)."""
    found = {}
    for output in _outputs(notebook.cells):
        written = output.get(part, {}).get(METRICS_MIME)
        found |= written if isinstance(written, dict) else {}
    return found


def _figure(notebook):
    """보고서에 보일 그림(data: 주소): 태그 report-figure가 붙은 셀의 마지막 그림. 없으면 None."""
    cells = [cell for cell in notebook.cells if FIGURE_TAG in cell.metadata.get("tags", ())]
    pictures = [o["data"]["image/png"] for o in _outputs(cells) if "image/png" in o.get("data", {})]
    return _shrunk(pictures[-1]) if pictures else None


def _shrunk(png):
    from PIL import Image

    try:
        raw = io.BytesIO(base64.b64decode("".join(png)))
        picture = Image.open(raw, formats=("PNG",)).convert("RGB")  # 다른 형식의 디코더는 건드리지 않아요
    except Exception:  # 그림이 아니거나, 깨졌거나, 풀면 엄청나게 커요
        return None
    picture.thumbnail((FIGURE_WIDTH, FIGURE_WIDTH))
    file = io.BytesIO()
    picture.save(file, "webp", quality=80)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def _outputs(cells):
    return [output for cell in cells for output in cell.get("outputs", ())]
