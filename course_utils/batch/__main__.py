"""명령줄: run(실행) · status(지금 어디까지) · report(보고서) · retry(실패한 것만 다시) · grade(제출물 채점)."""

import argparse
import dataclasses
import glob
import io
import json
import math
import os
import re
import shlex
import signal
import subprocess
import sys
from collections import Counter

from course_utils.batch import grade, report, run
from course_utils.batch import plan as planning
from course_utils.batch.folder import DIED, FAILED, LEFT, OK, PLAN, Folder
from course_utils.errors import CourseError

PROG = "python -m course_utils.batch"
KEPT = ("jobs", "timeout", "job_timeout", "retries")  # 계획에 남겨 retry가 이어받는 선택


class _Parser(argparse.ArgumentParser):
    def error(self, message):  # argparse의 영어 까닭 대신 쓰는 법을 보여 줘요
        raise CourseError(f"명령을 읽지 못했어요. 쓰는 법: {self.usage} (자세히: --help)")


def main(arguments=None):
    """명령줄을 실행해요.

    Returns:
        0(모두 완료) · 1(실패하거나 남은 일이 있음) · 2(쓸 수 없는 명령이나 환경) · 130(Ctrl-C).
    """
    try:
        options, unknown = _parser().parse_known_args(arguments)
        if unknown:
            raise CourseError(f"모르는 말이 있어요: {' '.join(unknown)}. 쓸 수 있는 것은 {PROG} {options.name} --help로 봐요.")
        return options.command(options)
    except CourseError as error:
        print(f"⚠️ {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\n멈췄어요. 같은 명령을 다시 실행하면 돼요.", file=sys.stderr)
        return 130


def _parser():
    parser = _Parser(prog=PROG, usage=f"{PROG} run | status | report | retry | grade …", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="명령")
    how = argparse.ArgumentParser(add_help=False)
    how.add_argument("--jobs", metavar="수", help="동시에 실행할 수(기본: GPU의 수, 없으면 코어의 절반, 적어도 2)")
    how.add_argument("--timeout", metavar="초", help="셀 하나의 제한 시간")
    how.add_argument("--job-timeout", metavar="초", help="일 하나의 제한 시간")
    how.add_argument("--retries", metavar="수", help="워커나 커널이 죽었을 때 다시 할 횟수(기본 2)")
    how.add_argument("--scheduler", metavar="주소", help="Dask 스케줄러(기본: 이 컴퓨터). 예: tcp://10.0.0.1:8786")
    how.add_argument("--resource", action="append", default=[], metavar="이름=수",
                     help="일 하나에 필요한 Dask 자원. 예: GPU=1")

    usage = f"{PROG} run 노트북… [--out 폴더] [--profile 이름] [-p 이름 값] [--grid 이름=값,값] [--seeds 0..4] [선택…]"
    command = commands.add_parser("run", parents=[how], usage=usage, help="빠졌거나 바뀐 일을 실행해요")
    command.add_argument("lessons", nargs="+", help="노트북들(* 가능) 또는 plan.toml 하나")
    command.add_argument("--out", default="runs/batch", help="결과 폴더나 s3:// 같은 주소(기본 runs/batch)")
    command.add_argument("--profile", action="append", default=[], help="auto | smoke | quick | full")
    command.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("이름", "값"),
                         help="모든 레슨에 줄 매개변수")
    command.add_argument("--grid", action="append", default=[], metavar="이름=값,값",
                         help="값마다 한 번씩. 여러 번 쓰면 모든 조합")
    command.add_argument("--seeds", action="append", default=[], help="0..4나 1,3,7")
    command.add_argument("--skip-inapplicable", action="store_true", help="그 매개변수가 없는 레슨은 건너뛰어요")
    command.add_argument("--dry-run", action="store_true", help="할 일과 걸릴 시간만 보여 줘요")
    command.set_defaults(command=_run, name="run")

    for name, function, parents, text in (
        ("status", _status, [], "어디까지 했는지 보여 줘요"),
        ("report", _report, [], "report.html과 results.csv를 새로 만들어요"),
        ("retry", _retry, [how], "마지막 run의 계획에서 실패한 일과 남은 일을 해요"),
    ):
        command = commands.add_parser(name, parents=parents, usage=f"{PROG} {name} 결과폴더", help=text)
        command.add_argument("out", help="결과 폴더")
        command.set_defaults(command=function, name=name)

    command = commands.add_parser("grade", usage=f"{PROG} grade 제출물/*.ipynb [--out 폴더]", help="제출물을 채점해 표를 만들어요")
    command.add_argument("submissions", nargs="+", help="학생들이 낸 노트북들이나 폴더. 학생들의 코드를 이 컴퓨터에서 실행해요")
    command.add_argument("--out", default="runs/grades", help="결과 폴더(기본 runs/grades). 앞의 표가 있으면 덮어써요")
    command.add_argument("--jobs", metavar="수", help="동시에 채점할 수(기본: 코어의 수)")
    command.add_argument("--timeout", metavar="초", default="10", help="문제 하나의 제한 시간(기본 10)")
    command.set_defaults(command=_grade, name="grade")
    return parser


def _run(options):
    return _do(_spec(options), Folder(options.out), options, again=(DIED,), dry=options.dry_run)


def _retry(options):
    folder = Folder(options.out)
    plan = folder.plan()
    spec, kept = plan["spec"], plan.get("options", {})
    if "auto" not in spec:  # 손으로 고쳤거나 다른 판이 쓴 것
        raise CourseError(f"{options.out}의 계획을 알아볼 수 없어요. 같은 run을 한 번 다시 실행해 주세요.")
    if lost := [path for path in spec["lessons"] if not glob.glob(path) and not os.path.exists(path)]:
        raise CourseError(
            f"계획의 노트북 {lost[0]}이(가) 지금 폴더({os.getcwd()})에서는 보이지 않아요. run을 했던 폴더에서 retry를 하거나, "
            "노트북을 옮겼다면 run을 새로 해 주세요."
        )
    for name in KEPT:
        if getattr(options, name) is None:
            setattr(options, name, kept.get(name))
    return _do(spec, folder, options, again=(DIED, FAILED), dry=False)


def _do(spec, folder, options, again, dry):
    how = _how(options)
    plan = planning.build(spec)
    jobs = [dataclasses.asdict(job) for job in plan.jobs]
    if spec["auto"]:
        print(f"auto로 정한 것: {', '.join(f'{name}={value}' for name, value in spec['auto'].items())}")
    for lesson, missing in plan.skipped.items():
        print(f"건너뜀 {lesson}: {', '.join(missing)}이(가) 없어요")
    if dry:
        _print_plan(plan, _states(folder, jobs), how)
        return 0
    with folder.lock():
        titles = {lesson.name: lesson.title for lesson in plan.lessons.values()}
        kept = {name: getattr(options, name) for name in KEPT}
        content = {"spec": spec, "options": kept, "titles": titles, "jobs": jobs}
        folder.write(PLAN, json.dumps(content, ensure_ascii=False, indent=1))
        states = _states(folder, jobs)
        todo = [job for job in plan.jobs if states[job.id] in (LEFT, *again)]
        print(f"일 {len(jobs)}개 · 이미 끝난 일 {len(jobs) - len(todo)}개 · 할 일 {len(todo)}개", flush=True)
        if todo:
            try:
                run.execute(plan, todo, folder, how)
            except KeyboardInterrupt:
                print(
                    "\n멈췄어요. 끝난 일은 남아 있고, 같은 명령을 다시 실행하면 나머지를 해요. "
                    f"지금까지의 결과를 보려면: {_command('report', folder)}", file=sys.stderr,
                )
                return 130
    states = Counter(_states(folder, jobs).values())
    report.write(folder)
    print(f"\n{_counts(states)}")
    if states[OK] < len(jobs):
        print(f"실패한 일을 다시 하려면: {_command('retry', folder)}")
    print(f"보고서: {folder.shown}/report.html")
    return int(states[OK] < len(jobs))


def _status(options):
    folder = Folder(options.out)
    states = Counter()
    for record in folder.records(folder.plan()["jobs"]):
        states[record["status"]] += 1
        if record["error"]:
            print(f"{record['status']} {record['id']}: {record['error']['message']}")
    print(_counts(states) + (" · 지금 실행하고 있어요" if folder.busy() else ""))
    return int(states[OK] < states.total())


def _report(options):
    folder = Folder(options.out)
    report.write(folder)
    print(f"보고서: {folder.shown}/report.html")
    return 0


def _grade(options):
    folder, seconds = Folder(options.out), _whole("--timeout", options.timeout, 1)
    jobs = _whole("--jobs", options.jobs, 1) or os.cpu_count()
    try:
        graded = grade.grade(grade.find(options.submissions), folder, jobs, seconds)
    except KeyboardInterrupt:
        print("\n멈췄어요. 다시 실행하면 처음부터 채점해요. 앞서 만든 표가 있다면 그대로예요.", file=sys.stderr)
        return 130
    print(f"채점표: {folder.shown}/grades.html · {folder.shown}/grades.csv")
    return int(any(not submission.results for submission in graded))


def _spec(options):
    """명령줄을 `plan.build`의 dict로. plan.toml이 있으면 그 위에 명령줄의 값을 덮어요."""
    parameters = [(name, planning.parse_value(value)) for name, value in options.parameters]
    typed = {
        "lessons": options.lessons,
        "skip_inapplicable": options.skip_inapplicable,
        "parameters": [*parameters, *(("profile", profile) for profile in options.profile)],
        "grid": [*map(planning.parse_grid, options.grid), *(("seed", planning.parse_seeds(s)) for s in options.seeds)],
    }
    written = [typed]
    if len(options.lessons) == 1 and options.lessons[0].endswith(".toml"):
        written.insert(0, planning.read_plan(options.lessons[0]))
    spec = planning.chosen(*written)
    if options.scheduler and "profile" in spec["auto"] and os.environ.get("COURSE_PROFILE", "auto") == "auto":
        raise CourseError("클러스터에서는 워커의 GPU를 미리 알 수 없어요. --profile quick이나 full을 적어 주세요.")
    skip = any(part["skip_inapplicable"] for part in written)
    return spec | {"lessons": written[0]["lessons"], "skip_inapplicable": skip}


def _how(options):
    """실행하는 방법. 쓸 수 없는 수는 `CourseError`."""
    return run.Options(
        jobs=_whole("--jobs", options.jobs, 1),
        cell_seconds=_whole("--timeout", options.timeout, 1),
        job_seconds=_whole("--job-timeout", options.job_timeout, 1),
        retries=_whole("--retries", "2" if options.retries is None else options.retries, 0),
        scheduler=options.scheduler,
        resources=_resources(options.resource),
    )


def _whole(name, text, least):
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) < least:
        raise CourseError(f"{name} {text}은(는) 쓸 수 없어요. {least} 이상의 정수를 적어 주세요.")
    return int(text)


def _resources(texts):
    found = {}
    for text in texts:
        name, _, amount = text.partition("=")
        try:
            number = float(amount)
        except ValueError:
            number = 0
        if not name or name in found or not 0 < number < math.inf:
            raise CourseError(f"--resource {text}은(는) 쓸 수 없어요. 0보다 큰 수를 GPU=1처럼, 이름마다 한 번만 적어 주세요.")
        found[name] = number
    return found


def _command(name, folder):
    """그대로 붙여 넣어 실행할 수 있는 명령."""
    path = subprocess.list2cmdline([folder.shown]) if os.name == "nt" else shlex.quote(folder.shown)
    return f"{PROG} {name} {path}"


def _states(folder, jobs):
    return {record["id"]: record["status"] for record in folder.records(jobs)}


def _print_plan(plan, states, how):
    for job in plan.jobs:
        print(f"{states[job.id]}  {run.duration(plan.seconds(job)):>8}  {job.id}")
    left = [plan.seconds(job) for job in plan.jobs if states[job.id] in (LEFT, DIED)]
    print(f"\n일 {len(plan.jobs)}개 · 할 일 {len(left)}개")
    if left and not how.scheduler:  # 클러스터에서 동시에 몇 개를 할지는 연결해 봐야 알아요
        at_once = min(run.default_jobs(how.jobs), len(left))
        print(f"걸릴 시간: 약 {run.duration(max(*left, sum(left) / at_once))}(동시에 {at_once}개씩, 노트북에 적힌 시간으로 어림)")


def _counts(states):
    return " · ".join(
        f"{state} {states[state]}개" for state in (OK, FAILED, DIED, LEFT) if states[state] or state == OK
    )


def _stop_once(*_):
    """Ctrl-C는 한 번이면 돼요. 닫는 동안 또 누르면 닫다 만 것이 영어 오류를 내니 듣지 않아요."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _speak_korean():
    """화면이 쓸 수 없는 글자나 닫힌 파이프 때문에 멈추지 않게. 한글 경로를 모르는 로캘(C)이면 UTF-8로 다시 시작해요."""
    try:
        "한글".encode(sys.getfilesystemencoding())
    except UnicodeEncodeError:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", "-m", "course_utils.batch", *sys.argv[1:]])
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream.isatty():
            stream.reconfigure(errors="replace")
        else:
            raw = io.BufferedWriter(_Pipe(stream.fileno(), "w", closefd=False))
            setattr(sys, name, io.TextIOWrapper(raw, stream.encoding, "replace", line_buffering=True))


class _Pipe(io.FileIO):
    """읽는 쪽이 먼저 닫아도(| head) 하던 일을 멈추지 않게, 갈 곳이 없는 말은 버려요."""

    def write(self, data):
        try:
            return super().write(data)
        except BrokenPipeError:
            return len(data)


if __name__ == "__main__":
    _speak_korean()
    signal.signal(signal.SIGINT, _stop_once)
    sys.exit(main())
