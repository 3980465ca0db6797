"""학생용 판: 해답과, 해답이 든 저장소로 가는 배지를 뺀 강의 한 벌과 그 zip. git 없이도 돌아가요.

README와 Makefile은 tools/student의 것이에요.

실행: python -m tools.edition runs/학생용                         # 폴더 runs/학생용 과 runs/학생용.zip
      python -m tools.edition runs/과제 notebooks/05_vae.ipynb    # 그 레슨만
"""

import argparse
import glob
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat

from course_utils import CourseError, lessons
from course_utils.errors import reason

ROOT = Path(__file__).resolve().parent.parent
COURSE = (
    "course_utils", "data", "LICENSE", "LICENSE-CC-BY-4.0.md", "pyproject.toml", "requirements.txt", "requirements-colab.txt",
)
LINK = re.compile(r"\[([^\[\]]+)\]\(([^()/]+\.ipynb)\)")
TRACES = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", ".DS_Store")


def write(target, notebooks):
    """학생용 판을 만들어요. 다 만든 다음에야 제자리에 놓아서, 만들다 멈춰도 반쪽이 남지 않아요.

    Args:
        target: 만들 폴더. 옆에 같은 이름의 zip도 만들어요.
        notebooks: 담을 노트북들의 경로.
    Returns:
        (zip의 경로, 뺀 해답의 수).
    Raises:
        CourseError: 그 이름의 폴더나 zip이 이미 있거나, 강의 자료의 폴더 안이거나, 노트북을 읽을 수 없거나, 연습문제에 답이
            적혀 있거나, 쓸 수 없을 때.
    """
    target = Path(target).expanduser().resolve()
    archive = target.with_name(f"{target.name}.zip")
    for path in (target, archive):
        if path.exists():
            raise CourseError(f"{path}이(가) 이미 있어요. 다른 이름을 주거나, 지운 다음 다시 실행해 주세요.")
    if any(target.is_relative_to(ROOT / name) for name in (*COURSE, "notebooks", "tools")):
        raise CourseError(f"{target}은(는) 강의 자료의 폴더 안이에요. 그 밖의 곳을 골라 주세요.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            made = Path(folder) / target.name
            names = {Path(path).name for path in notebooks}
            removed = sum(_write_lesson(Path(path), made / "notebooks", names) for path in notebooks)
            shutil.copytree(ROOT / "notebooks/images", made / "notebooks/images")
            shutil.copytree(ROOT / "tools/student", made, dirs_exist_ok=True)
            for name in COURSE:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, made / name, ignore=TRACES)
                else:
                    shutil.copy(ROOT / name, made / name)
            Path(shutil.make_archive(f"{made}", "zip", folder, made.name)).rename(archive)
            made.rename(target)
    except OSError as error:
        raise CourseError(f"학생용 판을 {target}에 쓰지 못했어요({reason(error)}). 다른 곳을 골라 주세요.") from error
    return archive, removed


def without_solutions(notebook):
    """해답의 셀과, 해답이 있다는 말을 뺀 노트북. 받은 것을 고쳐요."""
    notebook.cells = [cell for cell in notebook.cells if "solution" not in cell.metadata.get("tags", ())]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace(" 해답은 접혀 있어요.", "")
    return notebook


def without_ways_out(notebook, names):
    """해답이 든 저장소를 여는 배지와, 함께 나눠 주지 않는 레슨(names에 없는 것)으로 가는 링크를 뺀 노트북. 받은 것을 고쳐요."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(lessons.BADGE + r"\n+", "", cell.source, flags=re.M)
            cell.source = LINK.sub(lambda link: link[0] if link[2] in names else link[1], text)
    return notebook


def _write_lesson(path, folder, names):
    lessons.read(path)  # 읽을 수 없으면 우리말로 알려 줘요
    notebook = nbformat.read(path, as_version=4)
    for cell in lessons.tagged(notebook, "exercise"):
        if "..." not in cell.source:
            raise CourseError(
                f"{path.name}의 연습문제 셀에 답이 적혀 있어요({cell.source.splitlines()[0][:40]}). "
                "`...`로 되돌린 다음 다시 실행해 주세요."
            )
    before = len(notebook.cells)
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(without_ways_out(without_solutions(notebook), names), folder / path.name)
    return before - len(notebook.cells)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.edition", description="해답을 뺀 학생용 판과 그 zip을 만들어요.")
    parser.add_argument("target", help="만들 폴더")
    parser.add_argument("notebooks", nargs="*", help="담을 노트북들(*도 돼요). 없으면 강의의 노트북 모두")
    options = parser.parse_args(arguments)
    try:
        asked = [path for name in options.notebooks for path in sorted(glob.glob(name)) or [name]]  # 윈도우는 *를 펴 주지 않아요
        lessons_here = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
        notebooks = asked or [path for path in lessons_here if "-Copy" not in path.name]  # 곁에 둔 내 노트북은 빼고
        archive, removed = write(options.target, notebooks)
    except CourseError as error:
        return f"⚠️ {error}"
    print(f"레슨 {len(notebooks)}개에서 해답 {removed}개를 뺐어요: {options.target} · {archive} ({archive.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
