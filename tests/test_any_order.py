"""학생은 셀을 아무 차례로나 다시 실행해요: 모두 실행한 다음, 어느 셀을 다시 실행해도 출력이 같아야 해요."""

import re

import nbclient
import pytest
from helpers import NOTEBOOKS, notebook

SECONDS = re.compile(r"\d[\d,.]* ?(초|밀리초|마이크로초)|초당 \d[\d,.]*")
RUNNING = re.compile(r"(학습 끝|끊긴 학습을|.*: 끝났어요).*\n?")  # 진행 표시


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_run_again_says_the_same(path, tmp_path):
    nb = notebook(path)
    changed = []
    client = nbclient.NotebookClient(nb, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    setup = nb.cells[1]
    setup.source = f"import sys; sys.path.insert(0, {str(path.parent.parent)!r})"
    with client.setup_kernel():
        for index, cell in enumerate(nb.cells):
            if cell.cell_type == "code":
                client.execute_cell(cell, index)
        first = [shown(cell) for cell in nb.cells]
        for index, cell in enumerate(nb.cells):
            if cell.cell_type == "code":
                client.execute_cell(cell, index)
                if shown(cell) != first[index]:
                    changed.append(f"[{index}] {cell.source[:60]!r}\n{first[index]}\n→ {shown(cell)}")
    for cell in nb.cells:
        if "solution" in cell.metadata.get("tags", ()):
            assert "✅" in shown(cell)[0], f"해답이 통과하지 못해요: {cell.source}"
    assert not changed, "다시 실행하니 출력이 달라진 셀:\n" + "\n\n".join(changed)


def shown(cell):
    """셀의 출력: 글(걸린 시간과 진행 표시는 빼고)과 그림들."""
    text, pictures = "", []
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if "image/png" in data:
            pictures.append(hash(data["image/png"]))
        elif "application/vnd.jupyter.widget-view+json" not in data and "text/html" not in data:
            text += output.get("text", "") or data.get("text/plain", "")
    return SECONDS.sub("", RUNNING.sub("", text)), pictures
