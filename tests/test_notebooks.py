"""노트북의 꼴: 모든 레슨이 같은 틀을 지키는지. 실패하면 노트북과 셀과 규칙을 말해요."""

import ast
import itertools
import json
import re
import tomllib
from types import SimpleNamespace

import nbformat
import pytest
from helpers import NOTEBOOKS, ROOT

from course_utils.exercises import _MARKS, RIGHT, UNTOUCHED
from course_utils.runtime import METRICS_MIME

REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
TAGS = {"parameters", "exercise", "solution", "nbval-check-output", "nbval-skip"}
SECTIONS = ("상호작용", "일부러 망가뜨리기", "연습문제", "요약", "용어", "참고문헌")
NOT_BOLD = re.compile(r"\*\*[^*\n]*[)\].,!?%”’»\"'`]\*\*(?=[가-힣])")
OLD_API = re.compile(r"\bK\.\w+\(|\btf\.keras\b|allow_pickle\s*=\s*True|\bkeras\.backend\b")
MACHINE = re.compile(r"/root/|/home/|/tmp/|/work/|/Users/|C:\\\\")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def lesson(request):
    notebook = nbformat.read(request.param, as_version=4)
    return SimpleNamespace(
        path=request.param,
        number=request.param.stem[:2],
        notebook=notebook,
        cells=notebook.cells,
        code=[cell for cell in notebook.cells if cell.cell_type == "code"],
        text=[cell for cell in notebook.cells if cell.cell_type == "markdown"],
    )


def has_tag(cell, tag):
    return tag in cell.metadata.get("tags", ())


def where(cell):
    return f"셀 {cell.id}: {cell.source[:60]!r}"


def output_text(cell):
    return "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in cell.outputs)


def test_notebook_is_valid_and_small(lesson):
    nbformat.validate(lesson.notebook)
    assert lesson.path.stat().st_size < 1.5e6, "노트북은 1.5 MB보다 작아야 해요"
    assert lesson.notebook.metadata.kernelspec.name == "python3"
    raw = json.loads(lesson.path.read_text("utf-8"))
    assert set(raw["metadata"]) <= {"kernelspec"}, "실행 흔적이 남았어요: make notebooks"


def test_header_tells_what_and_where(lesson):
    head = lesson.cells[0]
    assert head.cell_type == "markdown" and re.match(rf"# {lesson.number}\. \S", head.source), where(head)
    titles = [line for cell in lesson.text for line in cell.source.splitlines() if line.startswith("# ")]
    assert len(titles) == 1, f"큰 제목(#)은 하나여야 해요: {titles}"
    for part in ("이 레슨이 답하는 질문", "학습 목표", "선수 레슨", "걸리는 시간"):
        assert part in head.source, f"첫 셀에 '{part}'가 없어요"
    slug = REPOSITORY.removeprefix("https://github.com/")
    badge = f"https://colab.research.google.com/github/{slug}/blob/main/notebooks/{lesson.path.name}"
    assert f"]({badge})" in head.source, f"Colab 배지의 주소는 {badge}여야 해요"


def test_setup_cell_is_the_same_everywhere(lesson):
    setup = lesson.cells[1]
    first = nbformat.read(NOTEBOOKS[0], as_version=4).cells[1]
    assert setup.source == first.source, "환경 준비 셀은 모든 레슨에서 같아야 해요"
    assert REPOSITORY in setup.source
    assert setup.source.startswith("# @title") and setup.metadata.get("cellView") == "form"


def test_parameters_are_literals_with_a_comment(lesson):
    cell = lesson.cells[2]
    assert has_tag(cell, "parameters") and sum(has_tag(c, "parameters") for c in lesson.cells) == 1
    for node in ast.parse(cell.source).body:
        assert isinstance(node, ast.Assign), where(cell)
        ast.literal_eval(node.value)
    for line in cell.source.splitlines():
        assert re.search(r"#.*[가-힣]", line), f"한국어 설명이 없어요: {line}"
    names = [node.targets[0].id for node in ast.parse(cell.source).body]
    assert names[:3] == ["profile", "dataset", "seed"]


def test_starts_and_finishes(lesson):
    assert "run = course_utils.start(profile, dataset, seed" in lesson.cells[3].source
    last = lesson.code[-1]
    assert last.source.rstrip().endswith("run.finish()")
    recorded = [output.data[METRICS_MIME] for output in last.outputs if METRICS_MIME in output.get("data", {})]
    assert recorded and recorded[0], "마지막 셀이 지표를 남기지 않았어요"


def test_sections(lesson):
    headings = [line for cell in lesson.text for line in cell.source.splitlines() if re.match(r"#{2,3} ", line)]
    for section in SECTIONS:
        assert any(h.removeprefix("## ").startswith(section) for h in headings), f"'## {section}'가 없어요"
    assert any(h.startswith("### 흔한 오해") for h in headings), "'### 흔한 오해'가 없어요"
    assert any(re.match(r"## 1\. ", h) for h in headings), "'## 1. …'이 없어요"
    assert any("widgets." in cell.source for cell in lesson.code), "움직여 보는 그림이 없어요"


def test_cells_are_short_and_explained(lesson):
    for cell in lesson.code:
        assert len(cell.source.splitlines()) <= 40, f"40줄이 넘어요: {where(cell)}"
        unknown = set(cell.metadata.get("tags", ())) - TAGS
        defines = any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.parse(cell.source).body)
        assert not unknown or defines, f"함수도 클래스도 없는 셀의 모르는 태그 {unknown}: {where(cell)}"
    prose = sum(len(cell.source) for cell in lesson.text)
    code = sum(len(cell.source) for cell in lesson.code)
    assert prose >= 0.8 * code, f"글:코드 = {prose / code:.2f}, 0.8 이상이어야 해요"


def test_korean_markdown_renders(lesson):
    for cell in lesson.text:
        assert not (found := NOT_BOLD.search(cell.source)), f"굵게 되지 않아요 {found.group()!r}: {where(cell)}"
        assert cell.source.count("$$") % 2 == 0, f"닫히지 않은 수식: {where(cell)}"


def test_code_is_current_and_safe(lesson):
    for cell in lesson.code:
        code = "\n".join(
            line for line in cell.source.splitlines() if not line.startswith("attempt(")
        )  # 일부러 부른 옛 API
        assert not (found := OLD_API.search(code)), f"옛 API나 위험한 옵션 {found.group()!r}: {where(cell)}"


def test_outputs_are_clean_and_in_order(lesson):
    counts = [cell.execution_count for cell in lesson.code]
    assert counts == list(range(1, len(counts) + 1)), "위에서 아래로 한 번에 실행한 출력이 아니에요: make notebooks"
    for cell in lesson.code:
        for output in cell.outputs:
            assert output.output_type != "error", f"오류 출력: {where(cell)}"
            widget = "application/vnd.jupyter.widget-view+json" in output.get("data", {})
            assert not widget, f"커널이 있어야 보이는 위젯이 저장됐어요: {where(cell)}: make notebooks"
            assert output.get("name") != "stderr", f"경고 출력 {output.text[:80]!r}: {where(cell)}"
        assert not (found := MACHINE.search(output_text(cell))), f"이 컴퓨터의 경로 {found.group()!r}: {where(cell)}"


def test_exercises_and_solutions_pair_up(lesson):
    problems = __import__(f"course_utils.exercises.lesson_{lesson.number}", fromlist=["PROBLEMS"]).PROBLEMS
    pairs = zip(
        [cell for cell in lesson.code if has_tag(cell, "exercise")],
        [cell for cell in lesson.code if has_tag(cell, "solution")],
        strict=True,
    )
    seen = []
    for stub, solution in pairs:
        (number,) = re.findall(r'check\("(\d\d-\d)"', stub.source)
        seen.append(number)
        assert f'check("{number}"' in solution.source, where(solution)
        assert "..." in stub.source and f"{_MARKS[UNTOUCHED]} {number}" in output_text(stub), where(stub)
        assert f"{_MARKS[RIGHT]} {number}" in output_text(solution), f"해답이 통과하지 못해요: {where(solution)}"
        assert solution.source.startswith("# @title") and solution.metadata.get("cellView") == "form", where(solution)
        assert any(f"**{number}.**" in cell.source for cell in lesson.text), f"{number}의 문제 글이 없어요"
        for cell in (stub, solution):  # nbval이 다시 실행해 같은 출력인지 봐요
            assert has_tag(cell, "nbval-check-output"), where(cell)
    assert seen == list(problems) and 2 <= len(seen) <= 4


def test_links_between_lessons_exist(lesson):
    for cell in lesson.text:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", cell.source):
            assert (lesson.path.parent / target).exists(), f"없는 곳으로 가는 링크 {target}: {where(cell)}"


def test_neighbours_are_linked():
    for earlier, later in itertools.pairwise(NOTEBOOKS):
        for path, other in ((earlier, later), (later, earlier)):
            tail = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"][-1].source
            assert f"]({other.name})" in tail, f"{path.name}의 끝에서 {other.name}으로 가는 링크가 없어요"


def test_reading_times_agree(lesson):
    """레슨의 머리말과 README의 표와 00의 표가 같은 시간을 말해요."""
    minutes = re.search(r"읽고 풀기 (\d+)분", lesson.text[0].source).group(1)
    readme = (lesson.path.parent.parent / "README.md").read_text("utf-8")
    assert re.search(rf"\(notebooks/{lesson.path.name}\) \|.*\| {minutes}분 \|", readme), "README의 표"
    first = "\n".join(c.source for c in nbformat.read(NOTEBOOKS[0], as_version=4).cells if c.cell_type == "markdown")
    assert re.search(rf"^\| \[?{lesson.number} .*\| {minutes}분 \|", first, re.M), "00의 표"
