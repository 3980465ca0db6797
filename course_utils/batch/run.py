"""묶음의 실행: 남은 일을 Dask에 맡기고, 돌아오는 결과를 바로 폴더에 남겨요.

차례와 자원과 다시 하기는 Dask의 일이에요. 쉬는 워커가 있을 만큼만 맡겨요: 워커 하나가 죽으면 Dask는 그 워커에
맡겨 둔 일을 모두 의심하니까, 아직 시작하지 않은 일이 함께 의심받지 않게요.
"""

import contextlib
import dataclasses
import logging
import math
import os
import signal
import subprocess
import time
from collections import Counter, deque
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from course_utils import runtime
from course_utils.batch import worker
from course_utils.batch.folder import DIED, JOBS, OK, new_record
from course_utils.batch.plan import fingerprint
from course_utils.batch.waiting import within
from course_utils.errors import CourseError, hide_secrets

NO_WORKER_SECONDS = 45
ANSWER_SECONDS = 10


@dataclasses.dataclass(frozen=True)
class Options:
    """실행하는 방법. 결과의 내용은 바꾸지 않아요."""

    jobs: int | None = None  # 동시에 실행할 수. None이면 `default_jobs`
    cell_seconds: int | None = None
    job_seconds: int | None = None
    retries: int = 2
    scheduler: str | None = None  # None이면 이 컴퓨터
    resources: dict = dataclasses.field(default_factory=dict)  # 일 하나에 필요한 Dask 자원


def execute(plan, todo, folder, options):
    """일들을 모두 실행해 폴더에 남겨요. 실패한 일이 있어도 나머지를 계속해요.

    Args:
        plan: `plan.Plan`.
        todo: 실행할 `plan.Job`들.
        folder: 잠근 `Folder`.
        options: `Options`.
    Raises:
        CourseError: 쓸 수 있는 워커가 없거나, 버전이 다르거나, 스케줄러와 끊겼거나, 폴더에 쓸 수 없을 때.
    """
    seconds = {job.id: plan.seconds(job) for job in todo}
    with _cluster(options, len(todo)) as (client, resources, gpus), _Display(seconds) as display:
        try:
            _Batch(client, resources, gpus, folder, options, display).run(plan, todo)
        except KeyboardInterrupt:
            display.note("멈추는 중이에요…")  # 커널까지 닫는 데 몇 초 걸려요
            raise


class _Batch:
    def __init__(self, client, resources, gpus, folder, options, display):
        self._client, self._resources, self._gpus = client, resources, gpus
        self._folder, self._options, self._display = folder, options, display
        self._running = {}  # 일의 id → (일, 시작한 시각, 화면의 줄)
        self._peers, self._looked, self._seen = Counter(), -math.inf, time.monotonic()
        client.subscribe_topic(worker.TOPIC, self._hear)

    def run(self, plan, todo):
        from distributed import as_completed

        longest_first = sorted(todo, key=plan.seconds, reverse=True)  # 긴 일이 마지막에 혼자 남지 않게
        waiting, done, most = deque(longest_first), as_completed(), min(len(todo), self._options.jobs or math.inf)
        while waiting or self._running:
            room = min(most, self._capable())
            while waiting and len(self._running) < room:
                job = waiting.popleft()
                self._running[job.id] = job, time.monotonic(), self._display.started(job.id)
                done.add(self._submit(job, plan.lessons[job.lesson].notebook, most))
            self._display.refresh(waiting, self._running.values(), room)
            if not (ended := done.next_batch(block=False)):
                time.sleep(0.2)
            for future in ended:
                job, began, line = self._running.pop(future.key)
                record, notebook, log = self._result(job, future, began)
                self._folder.save(record, notebook, log)
                self._display.finished(line, record)

    def _hear(self, event):
        """워커가 셀을 시작했다는 소식(Dask의 스레드에서 불려요)."""
        _, news = event
        if news["id"] in self._running:
            with contextlib.suppress(KeyError):  # 마침 끝난 일
                self._display.part(self._running[news["id"]][2], news["part"])
            if not self._folder.remote:
                self._folder.append(f"{JOBS}/{news['id']}.log", news["line"])

    def _capable(self):
        """자원을 갖춘 워커의 수. 오래 하나도 없으면 `CourseError`."""
        now = time.monotonic()
        if now - self._looked > 2 and self._client.status == "running":
            with contextlib.suppress(OSError):  # 막 끊겼거나 답하지 않으면 아래에서 알려요
                capable = [a for a, found in _workers(self._client).items() if _has(found["resources"], self._resources)]
                self._peers, self._looked = Counter(urlsplit(address).hostname for address in capable), now
                self._seen = now if capable else self._seen
        lost = None
        if self._client.status != "running":
            lost = "Dask 스케줄러와 연결이 끊겼어요"
        elif now - self._seen > NO_WORKER_SECONDS:
            lost = f"{NO_WORKER_SECONDS}초 동안 쓸 수 있는 워커가 없어요"
        if lost:
            first = "스케줄러와 워커를 다시 켜고" if self._options.scheduler else "메모리가 모자라면 --jobs를 줄이고"
            raise CourseError(f"{lost}. 끝난 일은 남아 있어요. {first} 같은 명령을 실행하면 나머지를 해요.")
        return self._peers.total()

    def _submit(self, job, notebook, most):
        options, peers = self._options, {host: min(count, most) for host, count in self._peers.items()}
        return self._client.submit(
            worker.run_job, dataclasses.asdict(job), notebook, options.cell_seconds, options.job_seconds,
            peers, self._gpus, fingerprint(),
            key=job.id, resources=self._resources or None, retries=options.retries, pure=False,
        )

    def _result(self, job, future, began):
        if future.status == "finished":
            return future.result()
        error = future.exception() if future.status == "error" else None
        if isinstance(error, CourseError):
            raise error
        if isinstance(error, worker.KernelDied):
            return error.args
        if error is None:  # 취소됨: 스케줄러가 사라졌어요. 다음 `_capable`이 알려요
            message = "스케줄러가 이 일을 잃어버렸어요."
        elif type(error).__name__ == "KilledWorker":
            message = "워커가 죽었어요. 메모리가 모자랐을 수 있어요. --jobs를 줄여 보세요."
        else:
            message = hide_secrets(f"워커에서 오류가 났어요({type(error).__name__}: {str(error)[:500]}).")
        seconds = round(time.monotonic() - began, 2)
        return new_record(dataclasses.asdict(job), DIED, message, seconds=seconds), None, None


class _Display:
    """화면: 끝난 수, 실패한 수, 남은 시간, 그리고 지금 도는 일과 셀. 화면이 없으면 끝난 일만 한 줄씩 적어요."""

    def __init__(self, seconds):
        """seconds: {일의 id: 노트북에 적힌, 걸릴 초}."""
        self._seconds, self._failed, self._done = seconds, 0, 0
        self._written, self._took = 0, 0  # 끝난 일들의 적힌 초와 진짜 걸린 초
        console = Console()
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
            console=console, disable=not console.is_terminal, transient=True,
        )
        self._all = self._progress.add_task("묶음", total=len(seconds), note="")

    def __enter__(self):
        self._progress.start()
        return self

    def __exit__(self, *_):
        self._progress.stop()

    def note(self, text):
        self._progress.console.print(escape(text), highlight=False, soft_wrap=True)

    def started(self, job_id):
        return self._progress.add_task(f"  {escape(job_id)}", total=None, note="셀")

    def part(self, line, part):
        self._progress.update(line, completed=part[0], total=part[1])

    def refresh(self, waiting, running, room):
        pace = self._took / self._written if self._written else 1
        left = sum(pace * self._seconds[job.id] for job in waiting)
        left += sum(max(0, pace * self._seconds[job.id] - time.monotonic() + began) for job, began, _ in running)
        time_left = duration(left / max(1, min(room, len(waiting) + len(running))))
        self._progress.update(self._all, note=f"실패 {self._failed} · {time_left} 남았어요")

    def finished(self, line, record):
        self._done += 1
        self._failed += record["status"] != OK
        self._took += record["seconds"]
        self._written += self._seconds[record["id"]]
        self._progress.remove_task(line)
        self._progress.update(self._all, advance=1)
        error = f": {record['error']['message']}" if record["error"] else ""
        self.note(f"[{self._done}/{len(self._seconds)}] {record['status']} {record['id']}({record['seconds']:.0f}초){error}")


def default_jobs(jobs):
    """이 컴퓨터에서 동시에 실행할 수: 정해 준 수, 없으면 GPU의 수, 그것도 없으면 코어의 절반(코어가 2–3개면 2)."""
    from dask.system import CPU_COUNT

    return jobs or len(_gpus()) or max(min(2, CPU_COUNT), CPU_COUNT // 2)


def duration(seconds):
    """초를 사람이 읽는 길이로."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f}초"
    return f"{minutes}분" if minutes < 90 else f"{minutes // 60}시간 {minutes % 60}분"


@contextlib.contextmanager
def _cluster(options, count):
    """(클라이언트, 일 하나에 필요한 자원, 이 컴퓨터의 GPU들). 할 수 없는 묶음은 일을 보내기 전에 거절해요."""
    import dask
    import distributed  # noqa: F401  # 불러올 때 로그를 정하므로 먼저

    for name in ("distributed", "distributed.client", "tornado.application"):  # 워커와 스케줄러의 일은 우리가 알려요
        logging.getLogger(name).setLevel(logging.CRITICAL)
    resources, gpus = options.resources, []
    with dask.config.set({"distributed.scheduler.allowed-failures": options.retries}):
        if options.scheduler:
            client = _connected(options.scheduler)
        else:
            gpus = _gpus()
            if gpus and options.jobs and options.jobs > len(gpus):
                raise CourseError(
                    f"--jobs {options.jobs}는 할 수 없어요. GPU가 {len(gpus)}개이고 GPU 하나에 일 하나씩이에요. "
                    f"--jobs {len(gpus)} 이하로 하거나, CPU로 하려면 CUDA_VISIBLE_DEVICES=-1을 앞에 붙이세요."
                )
            offered = {"GPU": 1} if gpus else {}
            resources = resources or offered
            _check_resources(resources, [offered])
            client = _local(min(default_jobs(options.jobs), count), offered, options.retries)
        with client as client:
            if options.scheduler:
                _check_workers(client, resources, options.scheduler)
            yield client, resources, gpus


def _connected(scheduler):
    from distributed import Client

    try:
        return within(2 * ANSWER_SECONDS, lambda: Client(scheduler, timeout=ANSWER_SECONDS))
    except Exception as error:  # 스케줄러가 아닌 것이 답하면 무엇이든 날 수 있어요
        raise CourseError(
            f"스케줄러 {scheduler}에 연결하지 못했어요({_why(error)}). "
            "주소를 확인하고 dask scheduler를 먼저 켜세요."
        ) from error


@contextlib.contextmanager
def _local(jobs, resources, retries):
    """이 컴퓨터의 LocalCluster. 켜지는 동안 워커가 죽으면 다시 켜 봐요."""
    from distributed import Client, LocalCluster

    for left in reversed(range(retries + 1)):
        heard = signal.signal(signal.SIGINT, signal.SIG_IGN)  # 켜지다 만 워커들이 영어 오류를 쏟지 않게. 몇 초예요
        try:
            cluster = LocalCluster(
                n_workers=jobs, threads_per_worker=1, memory_limit=0, resources=resources, silence_logs=logging.CRITICAL,
                dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},  # 8787번을 남과 다투지 않게
            )
            break
        except RuntimeError as error:
            if not left:
                raise CourseError(
                    f"워커를 켜지 못했어요({error}). 메모리가 모자라면 다른 프로그램을 닫거나 --jobs를 줄여 보세요."
                ) from error
        finally:
            signal.signal(signal.SIGINT, heard)
    with cluster, Client(cluster) as client:
        with contextlib.suppress(OSError):  # 마침 죽은 워커가 있어도, 다시 켜진 워커는 알아서 해요
            client.register_worker_callbacks(worker.be_quiet)
        yield client


def _check_workers(client, resources, scheduler):
    workers = _workers(client)
    if not workers:
        raise CourseError(f"스케줄러 {scheduler}에 워커가 없어요. dask worker {scheduler} --nthreads 1을 먼저 켜세요.")
    wide = [address for address, found in workers.items() if found["nthreads"] != 1]
    if wide:
        raise CourseError(
            f"워커 {', '.join(wide)}의 스레드가 1개가 아니에요. 한 프로세스에 일 하나씩이에요. "
            f"dask worker {scheduler} --nthreads 1 --nworkers N으로 다시 켜세요."
        )
    _check_resources(resources, [found["resources"] for found in workers.values()])

    def ask():
        client.get_versions(check=True, packages=["papermill", "nbclient", "ipykernel"])
        return client.run(worker.differences, fingerprint())

    try:
        different = within(2 * ANSWER_SECONDS, ask)
    except Exception as error:  # 워커에 course_utils가 없거나, Dask의 버전이 다르거나, 워커가 답하지 않아요
        raise CourseError(f"워커를 쓸 수 없어요({_why(error)}). {worker.SAME_EVERYWHERE}") from error
    for address, what in different.items():
        if what:
            raise CourseError(f"워커 {address}의 {what}이(가) 달라요. {worker.SAME_EVERYWHERE}")


def _check_resources(wanted, offered):
    if not any(_has(have, wanted) for have in offered):
        text = ", ".join(f"{name}={amount:g}" for name, amount in wanted.items())
        raise CourseError(
            f"자원 {text}을(를) 가진 워커가 없어요. 기다려도 시작하지 않을 일이라 멈췄어요. "
            f'--resource를 빼거나, dask worker에 --resources "{text}"를 붙여 켜세요.'
        )


def _has(have, wanted):
    return all(have.get(name, 0) >= amount for name, amount in wanted.items())


def _workers(client):
    """{워커의 주소: 스레드의 수와 자원}. 스케줄러가 제때 답하지 않으면 `TimeoutError`(OSError의 하나)."""
    return within(ANSWER_SECONDS, lambda: client.scheduler_info(n_workers=-1))["workers"]


def _why(error):
    return str(error) if isinstance(error, TimeoutError) else f"{type(error).__name__}: {str(error)[:300]}"


def _gpus():
    """이 컴퓨터에서 TensorFlow가 쓸 수 있는 GPU들의 이름. CUDA_VISIBLE_DEVICES를 따라요."""
    if not runtime.gpu_name():
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() not in ("", "-1")]
    try:
        answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line for line in answer.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(lines))] if answer.returncode == 0 else []
