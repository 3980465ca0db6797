"""노트북의 꼴: 모든 레슨이 같은 틀을 지키는지. 실패하면 노트북과 셀과 규칙을 말해요."""

import ast
import itertools
import json
import re
from importlib import import_module
from types import SimpleNamespace

import nbformat
import pytest
from helpers import NOTEBOOKS, ROOT, notebook

from course_utils.lessons import tagged
from course_utils.runtime import METRICS_MIME
from tools.stamp import stamped

HEAD_TAGS = ("parameters", "imports", "settings")
TAGS = {*HEAD_TAGS, "report-figure", "exercise", "solution", "nbval-check-output"}
NOT_BOLD = re.compile(r"\*\*[^*\n]*[)\].,!?%”’»\"'`]\*\*(?=[가-힣])")
OLD_API = re.compile(r"\bK\.\w+\(|\btf\.keras\b|allow_pickle\s*=\s*True|\bkeras\.backend\b")
WORDS = {  # 강의에서 쓰지 않기로 한 말: 대신 쓰는 말
    "훈련": "학습", "되살리": "재구성", "그물": "신경망", "라벨": "레이블", "띠폭": "대역폭", "헛경보": "거짓 양성",
    "가운데값": "중앙값", "평균본": "EMA 생성자", "특이값": "특잇값", "바둑판무늬": "바둑판 무늬", "젠센": "옌센",
    "초기값": "초깃값", "미리 배운": "미리 학습해 둔",
}
MACHINE = re.compile(r"/root/|/home/|/tmp/|/work/|/Users/|C:\\\\")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def lesson(request):
    nb = notebook(request.param)
    return SimpleNamespace(
        path=request.param,
        number=request.param.stem[:2],
        notebook=nb,
        cells=nb.cells,
        code=[cell for cell in nb.cells if cell.cell_type == "code"],
        text=[cell for cell in nb.cells if cell.cell_type == "markdown"],
    )


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


def test_setup_cells_heads_and_tables_are_stamped():
    """환경 준비 셀, 배지, 실행 시간, README와 00의 표가 모두 원본과 같아요."""
    assert not (changed := [path.name for path in stamped(ROOT)]), f"make stamp를 실행하세요: {changed}"


def test_header(lesson):
    titles = [line for cell in lesson.text for line in cell.source.splitlines() if line.startswith("# ")]
    assert len(titles) == 1 and titles[0].startswith(f"# {lesson.number}. "), f"큰 제목(#)은 하나여야 해요: {titles}"
    for part in ("이 레슨이 답하는 질문", "학습 목표", "선수 레슨"):
        assert part in lesson.cells[0].source, f"첫 셀에 '{part}'가 없어요"


def test_setup_parameters_imports_and_settings_stand_first(lesson):
    for cell, tag in zip(lesson.code[1:], HEAD_TAGS, strict=False):
        assert tagged(lesson.notebook, tag) == [cell], f"'{tag}' 태그는 환경 준비 다음의 제자리에 하나여야 해요"
    for cell in lesson.code[1:]:
        found = [node for node in ast.parse(cell.source).body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not found or cell in tagged(lesson.notebook, "imports"), f"import는 'imports' 셀에 모아요: {where(cell)}"


def test_parameters_are_literals_with_a_comment(lesson):
    (cell,) = tagged(lesson.notebook, "parameters")
    for node in ast.parse(cell.source).body:
        assert isinstance(node, ast.Assign), where(cell)
        ast.literal_eval(node.value)
    for line in cell.source.splitlines():
        assert re.search(r"#.*[가-힣]", line), f"한국어 설명이 없어요: {line}"
    names = [node.targets[0].id for node in ast.parse(cell.source).body]
    assert names[:3] == ["profile", "dataset", "seed"]


def test_finishes_with_metrics(lesson):
    last = lesson.code[-1]
    assert re.search(r"^run\.finish\(.*\)$", last.source.rstrip().splitlines()[-1]), where(last)
    recorded = [output.data[METRICS_MIME] for output in last.outputs if METRICS_MIME in output.get("data", {})]
    assert recorded and recorded[0], "마지막 셀이 지표를 남기지 않았어요"


def test_one_figure_for_the_report(lesson):
    """강사가 보고서에서 볼 그림 하나."""
    (cell,) = tagged(lesson.notebook, "report-figure")
    assert any("image/png" in output.get("data", {}) for output in cell.outputs), f"그림이 없어요: {where(cell)}"


def test_tags_are_known(lesson):
    """모르는 태그는 `load_cells`로 꺼내 쓸 함수와 클래스의 셀에만 달아요. 나머지는 잘못 적은 태그예요."""
    for cell in lesson.code:
        unknown = set(cell.metadata.get("tags", ())) - TAGS
        defines = any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.parse(cell.source).body)
        assert not unknown or defines, f"함수도 클래스도 없는 셀의 모르는 태그 {unknown}: {where(cell)}"


def test_korean_markdown_renders(lesson):
    for cell in lesson.text:
        assert not (found := NOT_BOLD.search(cell.source)), f"굵게 되지 않아요 {found.group()!r}: {where(cell)}"
        assert cell.source.count("$$") % 2 == 0, f"닫히지 않은 수식: {where(cell)}"


def test_one_word_for_one_thing(lesson):
    problems = ROOT / f"course_utils/exercises/lesson_{lesson.number}.py"
    for where_, text in [(where(cell), cell.source) for cell in lesson.cells] + [("연습문제", problems.read_text("utf-8"))]:
        found = {word: instead for word, instead in WORDS.items() if word in text}
        assert not found, f"쓰지 않기로 한 말 {found}: {where_}"


def test_code_is_current_and_safe(lesson):
    for cell in lesson.code:
        code = "\n".join(
            line for line in cell.source.splitlines() if not line.startswith("attempt(")
        )  # 일부러 부른 옛 API
        assert not (found := OLD_API.search(code)), f"옛 API나 위험한 옵션 {found.group()!r}: {where(cell)}"


def test_outputs_are_clean_and_in_order(lesson):
    for number, cell in enumerate(lesson.code, start=1):
        hidden = "solution" in cell.metadata.get("tags", ())  # 해답의 출력은 저장하지 않아요
        assert cell.execution_count == (None if hidden else number), f"make notebooks를 실행하세요: {where(cell)}"
    for cell in lesson.code:
        for output in cell.outputs:
            assert output.output_type != "error", f"오류 출력: {where(cell)}"
            widget = "application/vnd.jupyter.widget-view+json" in output.get("data", {})
            assert not widget, f"커널이 있어야 보이는 위젯이 저장됐어요: {where(cell)}: make notebooks"
            assert output.get("name") != "stderr", f"경고 출력 {output.text[:80]!r}: {where(cell)}"
        assert not (found := MACHINE.search(output_text(cell))), f"이 컴퓨터의 경로 {found.group()!r}: {where(cell)}"


def test_exercises_and_solutions_pair_up(lesson):
    problems = import_module(f"course_utils.exercises.lesson_{lesson.number}").PROBLEMS
    seen = []
    for stub, solution in zip(tagged(lesson.notebook, "exercise"), tagged(lesson.notebook, "solution"), strict=True):
        (number,) = re.findall(r'check\("(\d\d-\d)"', stub.source)
        seen.append(number)
        assert f'check("{number}"' in solution.source, where(solution)
        assert "..." in stub.source and f"✏️ {number}" in output_text(stub), where(stub)
        assert "nbval-check-output" not in solution.metadata.tags, where(solution)
        assert not solution.outputs, f"해답의 출력이 저장됐어요: make notebooks: {where(solution)}"
        assert solution.source.startswith("# @title") and solution.metadata.get("cellView") == "form", where(solution)
        assert any(f"**{number}.**" in cell.source for cell in lesson.text), f"{number}의 문제 글이 없어요"
        assert "nbval-check-output" in stub.metadata.tags, where(stub)
    assert seen == list(problems), "노트북과 exercises/의 문제가 달라요"


def test_links_between_lessons_exist(lesson):
    for cell in lesson.text:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", cell.source):
            assert (lesson.path.parent / target).exists(), f"없는 곳으로 가는 링크 {target}: {where(cell)}"


def test_neighbours_are_linked():
    for earlier, later in itertools.pairwise(NOTEBOOKS):
        for path, other in ((earlier, later), (later, earlier)):
            tail = [cell for cell in notebook(path).cells if cell.cell_type == "markdown"][-1].source
            assert f"]({other.name})" in tail, f"{path.name}의 끝에서 {other.name}으로 가는 링크가 없어요"
