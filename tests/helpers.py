"""시험들이 함께 쓰는 경로와, 출력까지 든 노트북."""

from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def notebook(path):
    """저장된 그대로의 노트북. 출력이 필요 없다면 `course_utils.lessons.read`를 써요."""
    return nbformat.read(path, as_version=4)
