"""노트북의 코드를 태그로 꺼내요. 시험과 벤치마크와 빌드 스크립트가 학생이 읽는 바로 그 코드를 쓰게요."""

import ast
import linecache
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def load_cells(name, *tags):
    """그 태그의 셀들과 노트북의 모든 import를 차례로 실행한 이름 공간.

    Args:
        name: 노트북의 이름(확장자 없이). 예: "05_vae".
        *tags: 실행할 셀의 태그. 함수와 클래스만 든 셀이어야 해요.
    Returns:
        {이름: 값} 사전. 값을 더 넣거나 바꾸면 꺼낸 함수들이 그것을 써요.
    Raises:
        KeyError: 그 태그의 셀이 없을 때.
    """
    import nbformat

    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    missing = set(tags) - {tag for cell in code for tag in cell.metadata.get("tags", ())}
    if missing:
        raise KeyError(f"{name}에 태그 {', '.join(sorted(missing))}인 셀이 없어요")
    namespace = {"__name__": __name__}
    for cell in code:
        source = cell.source
        if not set(tags) & set(cell.metadata.get("tags", ())):
            imports = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
            source = "\n".join(map(ast.unparse, imports)) if not source.startswith("# @title") else ""
        label = f"<{name}[{cell.id}]>"
        linecache.cache[label] = (len(source), None, source.splitlines(True), label)  # 오류 자리와 autograph가 읽어요
        exec(compile(source, label, "exec"), namespace)
    return namespace
