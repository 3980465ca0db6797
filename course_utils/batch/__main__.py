"""명령줄: run(실행) · status(지금 어디까지) · report(보고서) · retry(실패한 것만 다시)."""

import argparse
import dataclasses
import json
import os
import re
import sys
from collections import Counter

from course_utils.batch import plan as planning
from course_utils.batch import report, run
from course_utils.batch.folder import DIED, FAILED, LEFT, OK, PLAN, Folder
from course_utils.errors import CourseError

KOREAN = {  # argparse의 말 → 우리말
    r"the following arguments are required: (.*)": r"\1이(가) 빠졌어요",
    r"unrecognized arguments: (.*)": r"모르는 말이 있어요: \1",
    r"argument (\S+): expected .*": r"\1 다음에 값이 필요해요",
    r"argument \S+: invalid choice: (\S+) .*": r"\1은(는) 없는 명령이에요",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        for pattern, korean in KOREAN.items():
            message = re.sub(pattern, korean, message)
        raise CourseError(f"명령을 읽지 못했어요: {message}. 쓰는 법: {self.prog} --help")


def main(arguments=None):
    """명령줄을 실행해요.

    Returns:
        0(모두 완료) · 1(실패하거나 남은 일이 있음) · 2(쓸 수 없는 명령이나 환경) · 130(Ctrl-C).
    """
    try:
        options = _parser().parse_args(arguments)
        return options.command(options)
    except CourseError as error:
        print(f"⚠️ {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\n멈췄어요. 끝난 일은 남아 있고, 같은 명령을 다시 실행하면 나머지를 해요.", file=sys.stderr)
        return 130


def _parser():
    parser = _Parser(prog="python -m course_utils.batch", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="명령")
    how = argparse.ArgumentParser(add_help=False)
    how.add_argument("--jobs", type=_positive, help="동시에 실행할 수(기본: GPU의 수, 없으면 코어의 절반)")
    how.add_argument("--timeout", type=_positive, metavar="초", help="셀 하나의 제한 시간")
    how.add_argument("--job-timeout", type=_positive, metavar="초", help="일 하나의 제한 시간")
    how.add_argument("--retries", type=_count, default=2, help="워커나 커널이 죽었을 때 다시 할 횟수(기본 2)")
    how.add_argument("--scheduler", help="Dask 스케줄러의 주소(기본: 이 컴퓨터). 예: tcp://10.0.0.1:8786")
    how.add_argument("--resource", type=_resource, action="append", default=[], metavar="이름=수",
                     help="일 하나에 필요한 Dask 자원. 예: GPU=1")  # fmt: skip

    command = commands.add_parser("run", parents=[how], help="빠졌거나 바뀐 일을 실행해요")
    command.add_argument("lessons", nargs="+", help="노트북들(* 가능) 또는 plan.yaml 하나")
    command.add_argument("--out", default="runs/batch", help="결과 폴더나 s3:// 같은 주소(기본 runs/batch)")
    command.add_argument("--profile", help="auto | smoke | quick | full")
    command.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("이름", "값"),
                         help="모든 레슨에 줄 매개변수")  # fmt: skip
    command.add_argument("--grid", type=_grid, action="append", default=[], metavar="이름=값,값",
                         help="값마다 한 번씩. 여러 번 쓰면 모든 조합")  # fmt: skip
    command.add_argument("--seeds", type=_seeds, help="0..4나 1,3,7")
    command.add_argument("--skip-inapplicable", action="store_true", help="그 매개변수가 없는 레슨은 건너뛰어요")
    command.add_argument("--dry-run", action="store_true", help="할 일과 걸릴 시간만 보여 줘요")
    command.set_defaults(command=_run)

    for name, function, text in (
        ("status", _status, "어디까지 했는지 보여 줘요"),
        ("report", _report, "report.html과 results.csv를 새로 만들어요"),
        ("retry", _retry, "마지막 run의 계획에서 실패한 일과 남은 일을 해요"),
    ):
        command = commands.add_parser(name, parents=[how] if name == "retry" else [], help=text)
        command.add_argument("out", help="결과 폴더")
        command.set_defaults(command=function)
    return parser


def _run(options):
    spec = _spec(options)
    plan, folder = planning.build(spec), Folder(options.out)
    return _do(plan, spec, folder, options, again=(DIED,), dry=options.dry_run)


def _retry(options):
    folder = Folder(options.out)
    spec = folder.plan()["spec"]
    return _do(planning.build(spec), spec, folder, options, again=(DIED, FAILED), dry=False)


def _do(plan, spec, folder, options, again, dry):
    jobs = [dataclasses.asdict(job) for job in plan.jobs]
    seconds = planning.estimate(plan, folder.finished())
    if dry:
        _print_plan(plan, dict(_states(folder, jobs)), seconds, run.default_jobs(options.jobs))
        return 0
    how = run.Options(
        options.jobs, options.timeout, options.job_timeout, options.retries, options.scheduler, dict(options.resource)
    )
    with folder.lock():
        titles = {lesson.name: lesson.title for lesson in plan.lessons.values()}
        folder.write(PLAN, json.dumps({"spec": spec, "titles": titles, "jobs": jobs}, ensure_ascii=False, indent=1))
        states = dict(_states(folder, jobs))
        todo = [job for job in plan.jobs if states[job.id] in (LEFT, *again)]
        print(f"일 {len(jobs)}개 · 이미 끝난 일 {len(jobs) - len(todo)}개 · 할 일 {len(todo)}개", flush=True)
        if todo:
            run.execute(plan, todo, folder, how, seconds)
    states = Counter(state for _, state in _states(folder, jobs))
    path = report.write(folder)
    print(f"\n{_counts(states)}")
    if states[OK] < len(jobs):
        print(f"실패한 일을 다시 하려면: python -m course_utils.batch retry {folder.path}")
    print(f"보고서: {path}")
    return int(states[OK] < len(jobs))


def _status(options):
    folder = Folder(options.out)
    states = Counter()
    for job, record in folder.records(folder.plan()["jobs"]):
        states[record["status"] if record else LEFT] += 1
        if record and record["status"] != OK:
            print(f"{record['status']} {job['id']}: {record['error']['message']}")
    print(_counts(states) + (" · 지금 실행하고 있어요" if folder.busy() else ""))
    return int(states[OK] < states.total())


def _report(options):
    print(f"보고서: {report.write(Folder(options.out))}")
    return 0


def _spec(options):
    """명령줄을 `plan.build`의 dict로. plan.yaml이 있으면 그 위에 명령줄의 값을 덮어요."""
    if [path.rpartition(".")[2] for path in options.lessons] in (["yaml"], ["yml"]):
        spec = planning.read_plan(options.lessons[0])
    else:
        spec = {"lessons": options.lessons}
    for key, given in (("profile", options.profile), ("seeds", options.seeds)):
        if given is not None:
            spec[key] = given
    given = {name: planning.parse_value(value) for name, value in options.parameters}
    spec["parameters"] = spec.get("parameters", {}) | given
    spec["grid"] = spec.get("grid", {}) | dict(options.grid)
    spec["skip_inapplicable"] = options.skip_inapplicable or bool(spec.get("skip_inapplicable"))
    chosen = spec.get("profile", "auto") != "auto" or os.environ.get("COURSE_PROFILE")
    if options.scheduler and not chosen:
        raise CourseError("클러스터에서는 워커의 GPU를 미리 알 수 없어요. --profile quick이나 full을 적어 주세요.")
    return planning.settled(spec)


def _states(folder, jobs):
    for job, record in folder.records(jobs):
        yield job["id"], record["status"] if record else LEFT


def _print_plan(plan, states, seconds, at_once):
    for job in plan.jobs:
        expected = "?" if seconds[job.id] is None else run.duration(seconds[job.id])
        print(f"{states[job.id]}  {expected:>8}  {job.id}")
    for lesson, missing in plan.skipped.items():
        print(f"건너뜀  {lesson}: {', '.join(missing)}이(가) 없어요")
    left = [seconds[job.id] for job in plan.jobs if states[job.id] in (LEFT, DIED)]
    known = [s for s in left if s is not None]
    print(f"\n일 {len(plan.jobs)}개(겹쳐서 뺀 것 {plan.duplicates}개) · 할 일 {len(left)}개")
    if known:
        total = sum(known) / len(known) * len(left)
        print(
            f"걸릴 시간: 약 {run.duration(total / at_once)}(동시에 {at_once}개씩, 앞선 실행이나 노트북에 적힌 시간으로)"
        )


def _counts(states):
    return " · ".join(
        f"{state} {states[state]}개" for state in (OK, FAILED, DIED, LEFT) if states[state] or state == OK
    )


def _positive(text):
    value = _count(text)
    if value == 0:
        raise argparse.ArgumentTypeError("0은 쓸 수 없어요. 1 이상의 정수를 적어 주세요")
    return value


def _count(text):
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text}은(는) 쓸 수 없어요. 0 이상의 정수를 적어 주세요")
    return int(text)


def _resource(text):
    name, _, amount = text.partition("=")
    try:
        return name, float(amount)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}은(는) 쓸 수 없어요. GPU=1처럼 적어 주세요") from None


def _grid(text):
    return _korean(planning.parse_grid, text)


def _seeds(text):
    return _korean(planning.parse_seeds, text)


def _korean(parse, text):
    try:
        return parse(text)
    except CourseError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
