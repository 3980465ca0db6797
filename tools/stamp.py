"""레슨마다 되풀이되는 것을 한 곳에서 찍어요: `make stamp`(`make notebooks`에도 들어 있어요).

| 찍는 것 | 어디에서 오나요 |
|---|---|
| 환경 준비 셀 | tools/setup_cell.py |
| 첫 셀의 Colab 배지 | pyproject.toml의 저장소 주소와 파일의 이름 |
| 첫 셀의 걸리는 시간 | 핵심과 더 깊이는 tools/reading_time.py, 실행은 레슨의 start(minutes=...)를 1분 단위로 올려요 |
| README와 00의 레슨 표 | 첫 셀의 제목, 걸리는 시간, '마치면' |
"""

import math
import re
import sys
import tomllib
from pathlib import Path

import nbformat

from course_utils import CourseError, lessons
from tools.reading_time import reading_minutes

ROOT = Path(__file__).resolve().parent.parent
BUTTON = "https://colab.research.google.com/assets/colab-badge.svg"
SETUP = "# @title 환경 준비"
PLACES = {
    "Colab 배지": lessons.BADGE,
    "| 걸리는 시간 | … |": r"(?<=^\| 걸리는 시간 \| ).+(?= \|$)",
    "| 마치면 | … |": r"(?<=^\| 마치면 \| ).+(?= \|$)",
    "레슨 표": r"(?:^\| \[\d\d\. .*\n)+",
}


def stamped(root):
    """찍으면 달라지는 파일들.

    Args:
        root: 저장소의 뿌리.
    Returns:
        {경로: 새 글}. 모두 이미 그대로면 비어 있어요.
    Raises:
        CourseError: 첫 셀이나 README에서 찍을 자리를 찾지 못했을 때.
    """
    address = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
    colab = address.replace("github.com", "colab.research.google.com/github") + "/blob/main/notebooks/"
    setup = (root / "tools/setup_cell.py").read_text("utf-8").rstrip()
    notebooks = {path: nbformat.read(path, as_version=4) for path in sorted(root.glob("notebooks/*.ipynb"))}
    in_readme, in_00 = "", ""
    for path, notebook in notebooks.items():
        head, second = notebook.cells[:2]
        lesson = lessons.read(path)
        if lesson.minutes is None or not second.source.startswith(SETUP):
            raise CourseError(f"{path.name}: '{SETUP}' 셀이나 start(minutes=(…))가 없어요. 다른 레슨의 앞 셀들을 보세요.")
        _, quick, full = (f"{math.ceil(minutes)}분" for minutes in lesson.minutes)
        title = lesson.title.split(" — ")[0]
        badge = f"({BUTTON})]({colab}{path.name})"
        can = _place("| 마치면 | … |", head.source, path)[0]
        core, deep = reading_minutes(notebook)
        head.source = _put("Colab 배지", f"[![Colab에서 열기]{badge}", head.source, path)
        times = f"핵심 {core}분 · 더 깊이 {deep}분 · 실행 CPU(quick) {quick}, GPU(full) {full}"
        head.source = _put("| 걸리는 시간 | … |", times, head.source, path)
        second.source = setup
        second.metadata = {"cellView": "form", "jupyter": {"source_hidden": True}}
        in_readme += f"| [{title}](notebooks/{path.name}) | [![Colab]{badge} | {core}분 | {deep}분 | {quick} | {can} |\n"
        in_00 += f"| [{title}]({path.name}) | {core}분 | {deep}분 | {can} |\n"
    first, readme = min(notebooks), root / "README.md"
    (course_map,) = (cell for cell in notebooks[first].cells if cell.source.startswith("| 레슨 |"))
    course_map.source = _put("레슨 표", in_00, course_map.source, first)
    new = {path: nbformat.writes(notebook) + "\n" for path, notebook in notebooks.items()}
    new[readme] = _put("레슨 표", in_readme, readme.read_text("utf-8"), readme)
    return {path: text for path, text in new.items() if text != path.read_text("utf-8")}


def _place(what, text, path):
    found = re.search(PLACES[what], text, re.M)
    if found is None:
        raise CourseError(f"{path.name}: '{what}'을(를) 찾지 못했어요. 다른 레슨의 첫 셀과 같은 꼴로 적어 주세요.")
    return found


def _put(what, new, text, path):
    found = _place(what, text, path)
    return text[: found.start()] + new + text[found.end() :]


if __name__ == "__main__":
    try:
        for path, text in stamped(ROOT).items():
            path.write_bytes(text.encode())
            print(f"찍었어요: {path.relative_to(ROOT)}")
    except CourseError as error:
        sys.exit(f"⚠️ {error}")
