"""레슨을 읽고 푸는 데 걸리는 시간: 핵심과 '더 깊이'. `make stamp`가 첫 셀에 찍어요.

글은 1분에 250자(빈칸 빼고), 보이는 코드는 1분에 20줄, 그림 하나에 45초, 문제 하나에 4분으로 셈해요.
접어 둔 셀(# @title …), 매개변수, 해답은 코드로 세지 않아요. '## 더 깊이'부터 '## 요약' 앞까지가 더 깊이예요.
"""

import re


def reading_minutes(notebook):
    """(핵심, 더 깊이), 5분 단위의 정수. notebook: nbformat v4의 노트북."""
    minutes, part = {"core": 0.0, "deep": 0.0}, "core"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            if re.search(r"^## 더 깊이", cell.source, re.M):
                part = "deep"
            elif re.search(r"^## (요약|용어|참고문헌)", cell.source, re.M):
                part = "core"
            text = re.sub(r"!\[[^]]*\]\([^)]*\)|\]\([^)]*\)", "", cell.source)  # 링크의 주소는 읽지 않아요
            minutes[part] += len(re.sub(r"\s", "", text)) / 250
            continue
        tags = cell.metadata.get("tags", ())
        if {"parameters", "solution"} & set(tags):
            continue
        if not cell.source.startswith("# @title"):
            minutes[part] += sum(bool(line.strip()) for line in cell.source.splitlines()) / 20
        minutes[part] += 0.75 * sum(_is_picture(output) for output in cell.outputs) + 4 * ("exercise" in tags)
    return tuple(5 * round(minutes[part] / 5) for part in ("core", "deep"))


def _is_picture(output):
    data = output.get("data", {})
    return "image/png" in data or "_anim_img" in "".join(data.get("text/html", ""))
