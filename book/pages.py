"""노트북과 README를 책의 쪽으로 고쳐 읽는 법. Sphinx의 확장이에요(conf.py의 extensions)."""

import html
import re
from pathlib import Path

import nbformat

from course_utils import lessons
from course_utils.runtime import METRICS_MIME

TITLES = re.compile(r"""(?:title=|title\(|suptitle\()\s*f?(["'])(.+?)\1""")
COLUMNS = re.compile(r"\S {3,}\S.*\S {3,}\S")  # 칸을 맞춘 글은 줄을 바꾸면 읽을 수 없어요
WORDS = {  # 테마의 단추가 영어로 하거나 잘못 띄어 쓴 말
    "Toggle primary sidebar": "레슨 목록", "Main": "레슨 목록", "Toggle secondary sidebar": "이 쪽의 차례", "Page": "이 쪽의 차례",
    "Launch interactive content": "실행해 보기", "Launch on Colab": "Colab에서 열기", "전체 화면으로보기": "전체 화면으로 보기",
    "Color mode": "화면의 밝기", "Light": "밝게", "Dark": "어둡게", "System Settings": "컴퓨터의 설정대로", "Search...": "검색",
    "previous page": "이전 쪽", "next page": "다음 쪽", "Back to top": "맨 위로", "Skip to main content": "본문으로",
    "Link to this heading": "이 제목의 주소", "Toggle hidden content": "접은 것을 펼치기", "Version warning": "판의 알림",
}
SAID = re.compile(rf"""(="|</i>|"#main-content">)({"|".join(map(re.escape, WORDS))})(?=["<])""")


def lesson(text):
    """노트북의 글을 읽어, 책에서 접을 셀을 접고 그림에 대체 텍스트를 붙인 노트북.

    Args:
        text: .ipynb 파일의 글.
    Returns:
        nbformat v4의 노트북. 출력은 저장된 그대로예요.
    """
    notebook = nbformat.reads(text, as_version=4)
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = without_badges(cell.source)
            heading = [heading, *re.findall(r"^#+ (.+)$", cell.source, re.M)][-1]
        elif cell.metadata.get("jupyter", {}).get("source_hidden"):
            name = re.match("# @title (.+)", cell.source)[1]
            cell.metadata.setdefault("tags", []).append("hide-input")
            cell.metadata["mystnb"] = {"code_prompt_show": f"코드 보기 — {name}", "code_prompt_hide": "코드 접기"}
        if cell.cell_type == "code":
            alt = message(cell.source) or heading
            cell.metadata.setdefault("mystnb", {})["image"] = {"alt": alt}
            for output in cell.outputs:
                if COLUMNS.search(output.get("text", "")):
                    cell.metadata.setdefault("tags", []).append("columns")
                shown = output.get("data", {})
                shown.pop(METRICS_MIME, None)  # 묶음의 보고서가 읽는 것
                if "text/html" in shown:  # 애니메이션
                    shown["text/html"] = shown["text/html"].replace("<img id=", f'<img alt="{html.escape(alt)}" id=')
    return notebook


def message(source):
    """그림을 그리는 코드에서 읽은, 그림이 말하는 것. 제목도 접은 셀의 이름도 없으면 빈 글."""
    titles = [re.sub(r"\{.*?\}|\\n|\$", " ", found[1]) for found in TITLES.findall(source)]
    folded = re.findall(r"^# @title (?:그림: )?(.+)", source)
    return " · ".join(dict.fromkeys(" ".join(title.split()) for title in folded + titles))


def without_badges(text):
    """Colab 배지를 뺀 글. 책에서는 쪽마다 위에 단추가 있어요."""
    text = re.sub(lessons.BADGE + r"\n?", "", text, flags=re.M)
    text = re.sub(r"^\| 레슨 \| 열기 \|(.*)\n\|---\|---", r"| 레슨 |\1\n|---", text, flags=re.M)
    return re.sub(r" \| \[!\[Colab\]\(.*?\)\]\(.*?\) \|", " |", text)


def setup(app):
    app.connect("source-read", add_lessons)
    app.connect("include-read", strip_badges)
    app.connect("build-finished", speak_korean)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_lessons(app, page, content):
    """첫 쪽의 끝에 레슨의 차례를 더해요. 이름은 부제를 뺀 제목이에요."""
    if page == "index":
        paths = sorted(Path(app.srcdir, "notebooks").glob("*.ipynb"))
        entries = [f"{lessons.read(path).title.split(' — ')[0]} <notebooks/{path.stem}>" for path in paths]
        content[0] += "\n```{toctree}\n:hidden:\n\n" + "\n".join(entries) + "\n```\n"


def strip_badges(app, path, page, content):
    """README를 옮겨 올 때."""
    content[0] = without_badges(content[0])


def speak_korean(app, failure):
    """만든 쪽마다, 테마의 단추가 하는 말을 우리말로 바꿔요."""
    for path in Path(app.outdir).rglob("*.html"):
        path.write_text(SAID.sub(lambda said: said[1] + WORDS[said[2]], path.read_text("utf-8")), "utf-8")
