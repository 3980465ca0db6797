"""시험들이 함께 쓰는 것: 노트북의 목록과, 노트북의 셀을 태그로 꺼내는 `load_cells`."""

import ast
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def load_cells(name, *tags):
    """그 태그의 셀과 모든 import를 실행한 이름 공간. 학생이 읽는 바로 그 코드를 시험해요."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found = {tag for cell in code for tag in cell.metadata.get("tags", ())}
    assert set(tags) <= found, f"{name}에 태그 {set(tags) - found}인 셀이 없어요"
    namespace = {}
    for cell in code:
        if set(tags) & set(cell.metadata.get("tags", ())):
            exec(compile(cell.source, f"{name}[{cell.id}]", "exec"), namespace)
        elif not cell.source.startswith("# @title"):
            imports = [node for node in ast.parse(cell.source).body if isinstance(node, ast.Import | ast.ImportFrom)]
            exec(compile(ast.Module(imports, []), f"{name}[{cell.id}]", "exec"), namespace)
    return namespace
