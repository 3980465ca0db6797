"""보고서: 기록들을 모아 파일 하나짜리 report.html과 results.csv를 만들어요. 인터넷도 다른 파일도 필요 없어요."""

import base64
import csv
import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from course_utils import plots
from course_utils.batch.folder import DIED, FAILED, JOBS, LEFT, OK
from course_utils.batch.worker import hide_homes
from course_utils.runtime import format_metric

ORDER = {FAILED: 0, DIED: 1, LEFT: 2, OK: 3}
LINES = tuple(plots.COLORS)[:6]  # 계열이 이보다 많으면 한 색으로 모아요
TINTS = {OK: "good", FAILED: "bad", DIED: "died", LEFT: "soft"}  # 상태마다의 빛깔


@dataclass(frozen=True)
class Column:
    """표와 results.csv의 열 하나. 이름이 None이면 그쪽에는 없어요."""

    title: str | None  # 표의 머리
    csv: str | None  # results.csv의 머리
    value: Callable  # 줄 → 정렬하고 csv에 적을 값
    text: Callable | None = None  # 줄 → 표에 보일 글
    kind: str = "number"  # 표에서의 모양: number | state | figure | files, 첫 표에서는 title | counts | chief도


def columns(parameters, metrics):
    """일마다의 표와 results.csv의 열. 이름과 차례와 내용은 여기에만 있어요."""
    return [
        Column(None, "lesson", lambda row: row["lesson"]),
        Column("상태", "status", lambda row: row["status"], kind="state"),
        *map(_parameter, parameters),
        Column("초", "seconds", lambda row: row["seconds"], _seconds),
        *map(_metric, metrics),
        Column("그림", None, lambda row: row["figure"], kind="figure"),
        Column("파일", "notebook", lambda row: row["notebook"], kind="files"),
        Column(None, "error_cell", lambda row: row["error"] and row["error"]["cell"]),
        Column(None, "error", lambda row: row["error"] and row["error"]["message"]),
    ]


OVERVIEW = (  # 레슨마다 한 줄인 첫 표의 열
    Column("레슨", None, lambda lesson: lesson["title"], kind="title"),
    Column("상태", None, lambda lesson: lesson["counts"], kind="counts"),
    Column("분", None, lambda lesson: lesson["seconds"] / 60, lambda lesson: f"{lesson['seconds'] / 60:.1f}"),
    Column("지표", None, lambda lesson: lesson["chief"], kind="chief"),
    Column("그림", None, lambda lesson: lesson["figure"], kind="figure"),
)


def _parameter(name):
    return Column(name, name, lambda row: row["parameters"].get(name), lambda row: _text(row["parameters"].get(name)))


def _metric(name):
    def text(row):
        return format_metric(row["metrics"][name]) if name in row["metrics"] else ""

    return Column(name, name, lambda row: row["metrics"].get(name), text)


def _seconds(row):
    return "" if row["seconds"] is None else f"{row['seconds']:,.1f}"


def write(folder):
    """폴더의 마지막 계획으로 report.html과 results.csv를 새로 써요.

    Raises:
        CourseError: 계획이 없거나 폴더에 쓸 수 없을 때.
    """
    plan = folder.plan()
    files = folder.names(JOBS)
    rows = [_row(record, files) for record in folder.records(plan["jobs"])]
    failures = {}  # 까닭이 같은 것끼리
    for row in sorted((row for row in rows if row["error"]), key=lambda row: ORDER[row["status"]]):
        failures.setdefault((row["lesson"], row["error"]["cell"], row["error"]["message"]), []).append(row)
    names = list(dict.fromkeys(row["lesson"] for row in rows))
    page = environment().get_template("report.html").render(
        title=re.split(r"[/\\]", folder.shown)[-1],
        made=f"{datetime.now():%Y-%m-%d %H:%M}",
        done=OK,
        order=ORDER,
        kinds=TINTS,
        counts=_counts(rows),
        seconds=sum(row["seconds"] or 0 for row in rows),
        failures=list(failures.values()),
        titles=plan["titles"],
        overview=OVERVIEW,
        lessons=[_lesson(name, plan["titles"][name], [row for row in rows if row["lesson"] == name]) for name in names],
    )
    folder.write("results.csv", _csv(rows))
    folder.write("report.html", page)


def environment():
    """보고서와 채점표의 틀을 읽는 Jinja 환경. 글은 모두 이스케이프하고 집 폴더는 가려요."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True, finalize=hide_homes, trim_blocks=True, lstrip_blocks=True,
    )


def _row(record, files):
    """기록에, 남아 있는 파일의 경로를 더해요. 끊긴 일에도 멈춘 데까지의 노트북이 있을 수 있어요."""
    paths = {"notebook": f"{record['id']}.ipynb", "log": f"{record['id']}.log"}
    ended = record["status"] != LEFT
    return record | {kind: f"{JOBS}/{name}" if ended and name in files else None for kind, name in paths.items()}


def _lesson(name, title, rows):
    """레슨 하나: 첫 표의 한 줄과, 일마다의 표. 모든 일이 같은 매개변수는 열이 아니라 표 위의 글로 가요."""
    parameters, metrics = _names(rows, "parameters"), _names(rows, "metrics")
    values = {key: [row["parameters"].get(key) for row in rows] for key in parameters}
    varied = [key for key in parameters if any(value != values[key][0] for value in values[key])]
    done = [row for row in rows if row["status"] == OK]
    shown = [column for column in columns(varied, metrics) if column.title]
    figures = [row["figure"] for row in rows if row["figure"]]
    for row in rows:
        row["label"] = ", ".join(f"{key}={_text(row['parameters'].get(key))}" for key in varied) or name
    return {
        "name": name,
        "title": title,
        "counts": _counts(rows),
        "seconds": sum(row["seconds"] or 0 for row in rows),
        "chief": _chief(done),
        "figure": next(iter(figures), None),
        "same": {key: values[key][0] for key in parameters if key not in varied},
        "columns": [column for column in shown if figures or column.kind != "figure"],
        "rows": sorted(rows, key=lambda row: ORDER[row["status"]]),
        "charts": _charts(done, [key for key in varied if key != "seed"] or varied, metrics),
    }


def _chief(rows):
    """으뜸 지표의 (우리말 이름, 글)이나 None: `run.finish`가 이름을 붙인 것, 없으면 맨 먼저 기록한 것."""
    if not any(row["metrics"] for row in rows):
        return None
    first = next(row for row in rows if row["metrics"])
    name, label = first["chief"] or [next(iter(first["metrics"]))] * 2
    values = [row["metrics"][name] for row in rows if row["metrics"].get(name) is not None]
    if not values:
        return label, format_metric(None)
    mean, low, high = map(format_metric, (sum(values) / len(values), min(values), max(values)))
    return label, mean if low == high else f"{mean} ({low} ~ {high})"


def _counts(rows):
    return {state: sum(row["status"] == state for row in rows) for state in (OK, FAILED, DIED, LEFT)}


def _names(rows, part):
    return list(dict.fromkeys(key for row in rows for key in row[part]))


def _charts(rows, axes, metrics):
    """지표 × 매개변수의 작은 그림들: (설명, data: 주소). 시드는 점의 흩어짐과 띠로 보여요."""
    charts = []
    for metric in metrics:
        points = [row for row in rows if isinstance(row["metrics"].get(metric), int | float)]
        if len({format_metric(row["metrics"][metric]) for row in points}) < 2:  # 늘 같아 보이는 값은 표로 충분해요
            continue
        for axis in axes:
            others = [name for name in axes if name != axis]
            series = {}
            for row in points:
                key = ", ".join(f"{name}={_text(row['parameters'].get(name))}" for name in others)
                x = row["parameters"].get(axis)
                series.setdefault(key, []).append((str(x) if isinstance(x, list) else x, row["metrics"][metric]))
            if len(series) > len(LINES):
                series = {"": [point for group in series.values() for point in group]}
            charts.append((f"{metric}: {axis}에 따라", _chart(metric, axis, series)))
    return charts


def _chart(metric, axis, series):
    """지표 × 매개변수의 SVG. 가로축이 수면 수의 자리에, 아니면 차례대로 놓아요."""
    from matplotlib.figure import Figure

    plots.use_course_style()
    figure = Figure(figsize=(3.2, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.set_title(metric, fontsize=10, parse_math=False)
    axes.tick_params(labelsize=8)
    axes.locator_params(axis="x", nbins=6)
    every = list(dict.fromkeys(x for points in series.values() for x, _ in points))
    numeric = all(type(x) in (int, float) for x in every)
    places = {x: x if numeric else i for i, x in enumerate(every)}
    for color, (label, points) in zip(LINES, series.items(), strict=False):
        spots = sorted({places[x] for x, _ in points})
        groups = [[y for x, y in points if axis == "seed" or places[x] == spot] for spot in spots]  # 시드는 모두 한 무리
        style = {"color": plots.COLORS[color]}
        axes.plot([places[x] for x, _ in points], [y for _, y in points], "o", alpha=0.45, markersize=4, **style)
        axes.plot(spots, [sum(ys) / len(ys) for ys in groups], label=label, **style)
        axes.fill_between(spots, [min(ys) for ys in groups], [max(ys) for ys in groups], alpha=0.15, lw=0, **style)
    if numeric and min(every) > 0 and max(every) / min(every) >= 50:
        axes.set_xscale("log")
    if numeric and len(every) <= 6:
        axes.set_xticks(every, [format_metric(x) for x in every])
        axes.minorticks_off()
    if not numeric:
        axes.set_xticks(range(len(every)), [_text(x)[:14] for x in every], parse_math=False)
        axes.set_xlim(-0.5, len(every) - 0.5)
    axes.set_xlabel(axis, fontsize=9, parse_math=False)
    if len(series) > 1:
        for text in axes.legend(fontsize=7).get_texts():
            text.set_parse_math(False)
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()


def _csv(rows):
    kept = [column for column in columns(_names(rows, "parameters"), _names(rows, "metrics")) if column.csv]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(safe(column.csv) for column in kept)
    writer.writerows([safe(column.value(row)) for column in kept] for row in rows)
    return "\ufeff" + file.getvalue()  # 앞의 표시가 있어야 Excel이 한글을 바로 읽어요


def safe(value):
    """집 폴더를 가리고, 스프레드시트가 식으로 읽을 글 앞에 작은따옴표를 붙여요."""
    value = hide_homes(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _text(value):
    return f"{value:g}" if type(value) is float and math.isfinite(value) else str(value)
