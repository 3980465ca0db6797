"""저장소의 주소를 한 번에 바꿔요. 배지와 환경 준비 셀이 포크한 저장소를 열게요: `make publish REPO=이름/저장소`."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def publish(root, slug):
    """pyproject.toml에 적힌 주소를 README와 환경 준비 셀과 모든 노트북에서 새 주소로 바꿔요. 출력과 다른 글은 그대로예요.

    Args:
        root: 저장소의 뿌리.
        slug: GitHub의 "이름/저장소".
    Returns:
        바뀐 파일들의 경로.
    Raises:
        ValueError: "이름/저장소" 꼴이 아닐 때.
    """
    if not re.fullmatch(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+", slug):
        raise ValueError(
            f"REPO={slug[:80]!r}은(는) 쓸 수 없어요. GitHub의 이름/저장소 꼴로 적어 주세요. 예: REPO=my-school/course"
        )
    project = root / "pyproject.toml"
    address = tomllib.loads(project.read_text("utf-8"))["project"]["urls"]["Repository"]
    old = re.compile(rf"(?<=github[./])((?:com/)?){re.escape(address.removeprefix('https://github.com/'))}(?![\w.-])")
    paths = (project, root / "README.md", root / "tools/setup_cell.py", *root.glob("notebooks/*.ipynb"))
    texts = {path: path.read_bytes().decode() for path in paths}
    changed = {path: new for path, text in texts.items() if (new := old.sub(rf"\g<1>{slug}", text)) != text}
    for path, text in changed.items():
        path.write_bytes(text.encode())
    return sorted(changed)


if __name__ == "__main__":  # 설치 없이 아무 파이썬 3.11로 할 수 있게, course_utils를 부르지 않아요
    try:
        print(f"주소를 바꾼 파일 {len(publish(ROOT, ' '.join(sys.argv[1:])))}개. git diff로 보고 commit 해 주세요.")
    except ValueError as error:
        sys.exit(f"⚠️ {error}")
