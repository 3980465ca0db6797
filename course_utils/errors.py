"""학생과 강사에게 보이는 오류."""


class CourseError(ValueError):
    """무엇이(값), 무엇이어야 하고, 어떻게 고치는지를 한국어로 말하는 오류. 노트북에서는 그 말만 보여요."""

    def _render_traceback_(self):  # IPython이 영어 traceback 대신 부르는 함수
        return [f"⚠️ {self}"]


def shown(value):
    """오류의 말에 넣을 값: 너무 길면 줄이고, 보여 줄 수 없는 값이면 자료형만."""
    try:
        text = repr(value)
    except Exception:  # 자릿수가 너무 많은 정수, 잘못 만든 클래스
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:60]}…"
