"""학생과 강사에게 보이는 오류."""


class CourseError(ValueError):
    """무엇이(값), 무엇이어야 하고, 어떻게 고치는지를 한국어로 말하는 오류. 노트북에서는 그 말만 보여요."""

    def _render_traceback_(self):  # IPython이 영어 traceback 대신 부르는 함수
        return [f"⚠️ {self}"]
