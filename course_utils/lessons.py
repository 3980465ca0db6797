"""노트북의 코드를 태그로 꺼내요. 시험과 벤치마크와 빌드 스크립트가 학생이 읽는 바로 그 코드를 쓰게요."""

import ast
import linecache
from pathlib import Path

from course_utils.errors import CourseError

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def load_cells(name, *tags):
    """그 태그의 셀들과 노트북의 모든 import를 차례로 실행한 이름 공간.

    Args:
        name: 노트북의 이름(확장자 없이). 예: "05_vae".
        *tags: 실행할 셀의 태그. 함수와 클래스만 든 셀이어야 해요.
    Returns:
        {이름: 값} 사전. 값을 더 넣거나 바꾸면 꺼낸 함수들이 그것을 써요.
    Raises:
        CourseError: 노트북을 읽을 수 없거나 그 태그의 셀이 없을 때.
    """
    import nbformat

    path = NOTEBOOKS / f"{name}.ipynb"
    try:
        notebook = nbformat.read(path, as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        missing = set(tags) - {tag for cell in code for tag in cell.metadata.get("tags", ())}
    except Exception as error:  # 고치다 망가진 노트북이 낼 수 있는 오류는 다 적을 수 없어요
        raise CourseError(
            f"이 레슨이 쓰는 노트북 {path}을(를) 읽지 못했어요({type(error).__name__}). 강의 자료를 다시 내려받아 주세요."
        ) from error
    if missing:
        raise CourseError(
            f"{path.name}에 태그 {', '.join(sorted(missing))}인 셀이 없어요. 셀을 지웠다면 강의 자료를 다시 내려받아 주세요."
        )
    namespace = {"__name__": __name__}
    for cell in code:
        source = cell.source
        if not set(tags) & set(cell.metadata.get("tags", ())):
            source = _imports(source)
        label = f"<{name}[{cell.id}]>"
        linecache.cache[label] = (len(source), None, source.splitlines(True), label)  # 오류 자리와 autograph가 읽어요
        exec(compile(source, label, "exec"), namespace)
    return namespace


def _imports(source):
    """셀의 import 줄들만. 환경 준비와 해답의 셀, %명령이나 쓰다 만 코드가 든 셀에서는 아무것도."""
    try:
        tree = ast.parse("" if source.startswith("# @title") else source)
    except (SyntaxError, ValueError):
        return ""
    return "\n".join(ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
