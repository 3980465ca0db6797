"""학생과 강사에게 보이는 오류."""

import contextlib
import errno
import re
import sys
from pathlib import Path

LOGIN = re.compile(r"(?<=://)[^/\s@'\"]+@")
SECRET = re.compile(  # ?access_token=…, &X-Amz-Signature=…, ?apikey=…
    r"(?i)([?&;](?:[\w.-]*[-_.]|api|access|auth)?(?:token|key|secret|password|signature|sig)=)[^&\s'\"]+"
)


class CourseError(ValueError):
    """무엇이(값), 무엇이어야 하고, 어떻게 고치는지를 한국어로 말하는 오류. 노트북에서는 그 말만 보여요."""

    def __init__(self, message):
        super().__init__(hide_secrets(message))

    def _render_traceback_(self):  # IPython이 영어 traceback 대신 부르는 함수
        return [f"⚠️ {self}"]


def hide_secrets(text):
    """글에 든 주소의 아이디·비밀번호(https://나:비밀@곳)와 열쇠(?token=…)를 가려요."""
    return SECRET.sub(r"\1…", LOGIN.sub("…@", text))


def shown(value):
    """오류의 말에 넣을 값: 너무 길면 줄이고, 보여 줄 수 없는 값이면 자료형만."""
    try:
        text = repr(value)
    except Exception:  # 자릿수가 너무 많은 정수, 잘못 만든 클래스
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:60]}…"


def reason(error):
    """OSError의 까닭: 디스크가 가득 찼거나, 연결이 끊겼거나, 시스템이 알려 준 말."""
    known = {
        errno.ENOSPC: "디스크가 가득 찼어요",
        errno.ENOTCONN: "드라이브와 연결이 끊겼어요",
        errno.EACCES: "권한이 없어요",
        errno.ENOENT: "그런 파일이나 폴더가 없어요",
        errno.EEXIST: "같은 이름의 파일이나 폴더가 이미 있어요",
        errno.ENOTDIR: "경로 가운데에 폴더가 아닌 것이 있어요",
        errno.EISDIR: "파일이 아니라 폴더예요",
        errno.EROFS: "읽을 수만 있는 곳이에요",
    }
    return known.get(error.errno, error.strerror or type(error).__name__)


def explain_missing_names():
    """노트북에서 이름이 없다는 영어 오류(NameError)에, 무엇을 할지 우리말로 덧붙이게 해요. 다시 켠 커널에서도요.

    다시 켠 커널은 강의를 몰라요. 그래서 강의만의 파이썬(강의 폴더의 가상 환경, Colab)이면, 커널이 켜질 때마다
    IPython이 실행하는 파일을 그 파이썬의 etc/ipython/startup에 남겨 둬요.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return
    shell.set_custom_exc((NameError,), _explain)
    here, python = Path(__file__).resolve(), Path(sys.prefix).resolve()
    if "google.colab" in sys.modules or python.is_relative_to(here.parent.parent):
        file, text = python / "etc/ipython/startup/course.py", AT_START.format(path=str(here))
        with contextlib.suppress(OSError):  # 쓸 수 없는 곳이면 다시 켠 커널에서만 영어 오류예요
            if not file.exists() or file.read_text("utf-8") != text:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, "utf-8")


AT_START = """# 생성 모델 교실: 커널을 다시 켜고 가운데 셀부터 실행하면, 위에서부터 실행하라고 알려 줘요
def course(path={path!r}):
    scope = {{"__name__": "course", "__file__": path}}
    try:
        with open(path, encoding="utf-8") as file:
            exec(file.read(), scope)
    except OSError:  # 강의 폴더를 옮겼거나 지웠어요
        return
    scope["explain_missing_names"]()


course()
del course
"""


def _explain(shell, kind, error, traceback, tb_offset=None):
    shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
    if error.name is None:  # 함수 안의 지역 변수(UnboundLocalError)나 직접 낸 오류. 건너뛴 셀의 탓이 아니에요
        return
    print(
        f"⚠️ {error.name}이라는 이름이 아직 없어요. 위의 셀을 건너뛰었거나 커널을 다시 켰다면 위에서부터 실행해 주세요"
        "(Colab: 런타임 → 이전 셀 실행). 방금 적은 이름이라면 철자를 확인해 보세요."
    )
