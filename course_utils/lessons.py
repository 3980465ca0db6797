"""노트북을 읽는 한 곳: 제목, 매개변수, 프로파일의 표, 걸리는 시간, 태그가 붙은 셀의 코드.

묶음, 시험, 벤치마크, 도구가 학생이 읽는 바로 그 노트북에서 가져가요.
"""

import ast
import linecache
import symtable
from dataclasses import dataclass
from pathlib import Path

from course_utils.errors import CourseError, reason

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
BADGE = r"^\[!\[Colab에서 열기\].*"  # 첫 셀에서 Colab을 여는 줄(re.M)


@dataclass(frozen=True)
class Lesson:
    """노트북 하나에서 읽은 것."""

    name: str
    title: str
    notebook: dict  # nbformat v4의 노트북. 출력은 빼고, 셀마다 id가 있어요
    parameters: dict  # 태그 parameters인 셀의 이름 → 기본값
    table: dict  # 태그 settings인 셀에 적힌 이름 → (smoke, quick, full)의 값
    minutes: tuple | None  # 같은 셀에 적힌, (smoke, quick, full)에서 걸리는 분


def read(path):
    """노트북을 읽어요. 아무것도 실행하지 않아요.

    Raises:
        CourseError: 읽을 수 없는 파일이거나, 매개변수를 바꿔 넣을 자리가 분명하지 않은 노트북.
    """
    path = Path(path)
    notebook = opened(path)
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    titles = (text[2:].split("\n")[0] for text in texts if text.startswith("# "))
    table, minutes = _table(tagged(notebook, "settings"))
    return Lesson(path.stem, next(titles, path.stem), notebook, _parameters(path, notebook), table, minutes)


def load_cells(name, *tags):
    """태그 imports인 셀과 그 태그의 셀들을 노트북의 차례대로 실행한 이름 공간.

    Args:
        name: 노트북의 이름(확장자 없이). 예: "05_vae".
        *tags: 실행할 셀의 태그. 함수와 클래스만 든 셀이어야 해요.
    Returns:
        {이름: 값} 사전. 값을 더 넣거나 바꾸면 꺼낸 함수들이 그것을 써요.
    Raises:
        CourseError: 노트북을 읽을 수 없거나 그 태그의 셀이 없을 때.
    """
    notebook = opened(NOTEBOOKS / f"{name}.ipynb")
    missing = [tag for tag in tags if not tagged(notebook, tag)]
    if missing:
        raise CourseError(
            f"{name}.ipynb에 태그 {', '.join(missing)}인 셀이 없어요. 셀을 지웠다면 강의 자료를 다시 내려받아 주세요."
        )
    namespace = {"__name__": "lesson"}  # 노트북의 코드예요. 도우미의 것이 아니라
    for cell in tagged(notebook, "imports", *tags):
        label = f"<{name}[{cell.id}]>"
        lines = cell.source.splitlines(True)
        linecache.cache[label] = (len(cell.source), None, lines, label)  # 오류 자리와 autograph가 읽어요
        exec(compile(cell.source, label, "exec"), namespace)
    return namespace


def tagged(notebook, *tags):
    """그 태그들 가운데 하나라도 붙은 코드 셀들."""
    return [c for c in notebook.cells if c.cell_type == "code" and set(tags) & set(c.metadata.get("tags", ()))]


def bound_elsewhere(lesson):
    """매개변수 셀이 아닌 셀이 값을 정하는 이름들: {이름: 어느 셀인지}. 거기서 정하면 바꿔 넣은 값이 사라져요."""
    found = {}
    for number, cell in enumerate(lesson.notebook.cells):
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", ()):
            found |= dict.fromkeys(_bound(cell.source), _where(number, cell))
    return found


def opened(path):
    """노트북(nbformat v4). 출력은 빼고, 셀마다 id가 있어요. 매개변수의 셀은 살피지 않아요(`read`가 살펴요).

    Raises:
        CourseError: 읽을 수 없는 파일일 때.
    """
    import nbformat

    try:
        notebook = nbformat.v4.reads(path.read_text("utf-8"))
        if notebook.nbformat != 4:
            raise ValueError
        for number, cell in enumerate(notebook.cells):
            cell.source = cell.source.replace("\r\n", "\n")
            set(cell.metadata.get("tags", ()))
            cell.setdefault("id", f"cell-{number}")  # nbformat 4.4까지의 노트북(Colab)에는 없어요
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        notebook.nbformat_minor = max(notebook.nbformat_minor, 5)
    except Exception as error:  # 망가진 노트북이 낼 수 있는 오류는 다 적을 수 없어요
        why = reason(error) if isinstance(error, OSError) else type(error).__name__
        raise CourseError(
            f"노트북 {path}을(를) 읽지 못했어요({why}). 파일이 온전한지 보고, 강의 자료라면 다시 내려받아 주세요."
        ) from error
    return notebook


def _parameters(path, notebook):
    """태그 parameters인 단 하나의 셀에 적힌 {이름: 기본값}. papermill은 이 셀 바로 다음에 새 값을 넣어요."""
    cells = [(n, c) for n, c in enumerate(notebook.cells) if "parameters" in c.metadata.get("tags", ())]
    if any("injected-parameters" in cell.metadata.get("tags", ()) for cell in notebook.cells):
        raise CourseError(f"{path}: 이미 실행한 결과 노트북이에요(태그 injected-parameters). 원래의 노트북을 쓰세요.")
    if not cells:
        return {}
    places = ", ".join(_where(*found) for found in cells)
    if len(cells) > 1:
        raise CourseError(f"{path}: 태그 parameters인 셀이 {len(cells)}개예요: {places}. 하나에만 남겨 주세요.")
    (_, cell), parameters = cells[0], {}
    try:
        if cell.cell_type != "code":
            raise ValueError
        for node in ast.parse(cell.source).body:
            (target,) = node.targets if isinstance(node, ast.Assign) else [node.target]
            if not isinstance(target, ast.Name) or isinstance(node, ast.AugAssign):
                raise ValueError
            parameters[target.id] = ast.literal_eval(node.value)
    except (SyntaxError, ValueError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        raise CourseError(
            f"{path}: 태그 parameters인 {places}에서 매개변수를 읽지 못했어요. "
            "이 코드 셀에는 '이름 = 값'만, 값은 수·글·참거짓·None·목록으로 적어 주세요. 나머지는 다음 셀로 옮기세요."
        ) from error
    return parameters


def _table(cells):
    """settings 셀의 `table = {…}`과 `start(minutes=(…))`."""
    table, minutes = {}, None
    for node in (node for cell in cells for node in ast.walk(_parsed(cell.source))):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "table":
            found = _literal(node.value)
            table = {name: row for name, row in found.items() if _is_row(row)} if isinstance(found, dict) else {}
        if isinstance(node, ast.keyword) and node.arg == "minutes":
            row = _literal(node.value)
            minutes = row if _is_row(row) else None
    return table, minutes


def _literal(node):
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None


def _is_row(value):
    return isinstance(value, tuple) and len(value) == 3 and all(type(item) in (int, float) for item in value)


def _parsed(source):
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.parse("")


def _bound(source):
    """셀이 노트북의 이름 공간에 정하는 이름들: 대입, for, with, import, def, 함수 안의 global까지."""
    try:
        table = symtable.symtable(_plain(source), "", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # 실행할 수 없는 셀은 실행될 때 스스로 말해요
        return set()
    tables, names = [table], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            here = table.get_type() == "module" or symbol.is_declared_global()
            if here and (symbol.is_assigned() or symbol.is_imported()):
                names.add(symbol.get_name())
    return names


def _plain(source):
    """%명령과 !명령이 든 셀을 파이썬 코드로."""
    lines = source.split("\n")
    if not any(line.lstrip().startswith(("%", "!")) for line in lines):
        return source
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell("\n".join(line for line in lines if not line.startswith("%%")))


def _where(number, cell):
    first = next((line.strip() for line in cell.source.split("\n") if line.strip()), "빈 셀")
    return f"{number + 1}번째 셀({first[:40]})"
