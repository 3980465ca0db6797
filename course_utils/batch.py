"""레슨들을 papermill로 차례로 실행하고 요약을 남겨요. 끝난 일은 다시 하지 않아요.

    python -m course_utils.batch notebooks/*.ipynb --profile quick --dataset digits --out runs/course

결과 폴더에는 레슨마다 실행된 노트북(.ipynb)과 기록(.json), 그리고 전체의 summary.md가 생겨요.
기록은 노트북·매개변수·course_utils의 내용이 그대로일 때만 "끝난 일"로 인정해요.
"""

import argparse
import contextlib
import glob
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from course_utils.errors import CourseError
from course_utils.runtime import METRICS_MIME, PROFILES, format_metric

OK, FAILED = "완료", "실패"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def main(arguments=None):
    """명령줄. 모든 레슨이 끝까지 돌았으면 0, 하나라도 실패하면 1, 중단하면 130을 돌려줘요."""
    parser = argparse.ArgumentParser(prog="python -m course_utils.batch", description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="+", help="노트북 경로(여러 개, * 가능)")
    parser.add_argument("--profile", default="auto", choices=["auto", *PROFILES])
    parser.add_argument("--dataset", default="auto", help="auto, digits, mnist 또는 .npz 경로")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, default=Path("runs/course"), help="결과 폴더")
    options = parser.parse_args(arguments)
    os.environ["COURSE_STATIC"] = "1"  # 결과 노트북은 커널 없이 보니, 슬라이더 대신 그림만
    parameters = {"profile": options.profile, "dataset": options.dataset, "seed": options.seed}
    try:
        records = run_all(_expand(options.notebooks), parameters, options.out)
    except CourseError as error:
        print(f"⚠️ {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\n멈췄어요. 끝난 레슨은 남아 있고, 같은 명령을 다시 실행하면 나머지부터 이어서 해요.", file=sys.stderr)
        return 130
    return int(any(record["status"] == FAILED for record in records))


def run_all(notebooks, parameters, out):
    """노트북들을 차례로 실행해 기록(dict)의 목록을 돌려줘요. 실패한 레슨이 있어도 나머지를 계속해요."""
    _make_folder(out)
    records = []
    for position, notebook in enumerate(notebooks, start=1):
        progress = f"[{position}/{len(notebooks)}] {notebook.stem}"
        job = _job_hash(notebook, parameters)
        record = _finished(out, notebook.stem, job)
        if record:
            print(f"{progress}: 이미 끝났어요({record['seconds']:.0f}초 걸렸던 일)")
        else:
            record = _run_one(notebook, parameters, out, job, progress)
            print(f"{progress}: {record['status']}({record['seconds']:.0f}초) {record.get('error', '')}", flush=True)
        records.append(record)
        _write(out / "summary.md", _summary(records, parameters))
    print(f"\n{_summary(records, parameters)}\n실행된 노트북과 요약: {out}")
    return records


def _run_one(notebook, parameters, out, job, progress):
    import papermill

    began = time.monotonic()
    record = {"lesson": notebook.stem, "job": job, "parameters": parameters, "status": OK}
    with tempfile.TemporaryDirectory(dir=out, prefix=".running-") as folder:
        executed = Path(folder, notebook.name)
        try:
            papermill.execute_notebook(
                notebook,
                executed,
                parameters=parameters,
                progress_bar={"desc": progress, "unit": "셀", "disable": None, "leave": False},
                extra_arguments=["--log-level=ERROR"],  # 커널의 영어 안내문을 줄여요
            )
        except OSError as error:  # 디스크가 찼거나 폴더를 쓸 수 없으면 다음 레슨도 마찬가지예요
            raise CourseError(f"{out}에 쓰지 못했어요({error}). 디스크 공간과 권한을 확인해 주세요.") from error
        except Exception as error:  # 레슨의 오류, 죽은 커널, 시간 초과: 기록하고 다음 레슨으로
            record |= {"status": FAILED, "error": _reason(error)}
        record["seconds"] = round(time.monotonic() - began, 1)
        if executed.exists():
            record["metrics"] = _metrics(executed)
            os.replace(executed, out / notebook.name)
    _write(out / f"{notebook.stem}.json", json.dumps(record, ensure_ascii=False, indent=1))  # 마지막: 끝났다는 표시
    return record


def _reason(error):
    if hasattr(error, "ename"):
        return ANSI.sub("", f"{error.exec_count or '?'}번째 셀: {error.ename}: {error.evalue}")
    if type(error).__name__ == "DeadKernelError":
        return "커널이 죽었어요. 메모리가 모자랐을 수 있어요. 다른 프로그램을 닫고 다시 실행해 보세요."
    return f"{type(error).__name__}: {str(error)[:300]}"


def _metrics(executed):
    found = {}
    for cell in json.loads(executed.read_text("utf-8"))["cells"]:
        for output in cell.get("outputs", ()):
            found |= output.get("data", {}).get(METRICS_MIME, {})
    return found


def _finished(out, lesson, job):
    """같은 일을 이미 끝냈으면 그 기록, 아니면 None."""
    try:
        record = json.loads((out / f"{lesson}.json").read_text("utf-8"))
        if (record["job"], record["status"]) == (job, OK) and (out / f"{lesson}.ipynb").exists():
            return record
    except (OSError, ValueError, KeyError):
        pass
    return None


def _job_hash(notebook, parameters):
    """노트북의 코드와 글, 매개변수, course_utils의 코드로 정해지는 이름. 출력만 다른 노트북은 같은 일이에요."""
    cells = [[cell["cell_type"], cell["source"]] for cell in json.loads(notebook.read_text("utf-8"))["cells"]]
    package = [path.read_text("utf-8") for path in sorted(Path(__file__).parent.rglob("*.py"))]
    content = json.dumps([cells, parameters, package], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _summary(records, parameters):
    lines = [
        f"# 실행 요약: {', '.join(f'{name} = {value}' for name, value in parameters.items())}",
        "",
        "| 레슨 | 상태 | 초 | 지표 |",
        "|---|---|---:|---|",
    ]
    for record in records:
        shown = ", ".join(f"{name} {format_metric(value)}" for name, value in record.get("metrics", {}).items())
        note = " · ".join(part for part in (record.get("error"), shown) if part)
        note = note.replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {record['lesson']} | {record['status']} | {record['seconds']:.0f} | {note} |")
    return "\n".join(lines) + "\n"


def _expand(patterns):
    """*가 든 경로를 펼쳐요(셸이 펼쳐 주지 않는 Windows에서도 같게)."""
    paths = [Path(match) for pattern in patterns for match in sorted(glob.glob(pattern)) or [pattern]]
    for path in paths:
        if not path.is_file() or path.suffix != ".ipynb":
            raise CourseError(f"노트북이 아니에요: {path}. notebooks/*.ipynb처럼 있는 노트북을 적어 주세요.")
    return paths


def _make_folder(out):
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror
        raise CourseError(f"결과 폴더 {out}을(를) 만들 수 없어요({reason}). --out을 바꿔 주세요.") from error


def _write(path, text):
    """파일을 통째로 쓰거나 전혀 쓰지 않아요."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, "utf-8")
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise CourseError(f"{path}에 쓰지 못했어요({error.strerror}). 디스크 공간과 권한을 확인해 주세요.") from error


if __name__ == "__main__":
    sys.exit(main())
