# @title 환경 준비
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path


class SetupError(Exception):
    def _render_traceback_(self):  # 영어 traceback 대신 이 말만 보여요
        return [f"⚠️ {self}"]


if not find_spec("course_utils"):
    course = Path("..").resolve()  # 내 컴퓨터: 노트북은 강의 폴더의 notebooks/ 안에 있어요
    if "google.colab" in sys.modules:  # Colab: 강의 코드와 한글 글꼴을 가져와요
        course = Path("generative-models-ko").resolve()
        url = "https://github.com/generative-classroom/generative-models-ko"
        font = ["--no-deps", "--require-hashes", "-r", course / "requirements-colab.txt"]
        if not course.exists():
            subprocess.run(["timeout", "60", "git", "clone", "--depth=1", url, course], capture_output=True)
        if not find_spec("koreanize_matplotlib"):
            subprocess.run(["timeout", "60", sys.executable, "-m", "pip", "install", *font], capture_output=True)
    if not (course / "course_utils").exists():
        raise SetupError(
            "강의 코드를 찾지 못했어요. Colab이면 인터넷을 확인하고 이 셀을 다시 실행하고, "
            "내 컴퓨터라면 강의 폴더의 notebooks/ 안에서 노트북을 열어 주세요."
        )
    sys.path.insert(0, str(course))
