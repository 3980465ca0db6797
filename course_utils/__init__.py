"""생성 모델 교실의 노트북이 함께 쓰는 작은 도우미. 모델·손실·학습 단계는 여기가 아니라 노트북에 있어요."""

from course_utils.errors import CourseError
from course_utils.runtime import start

__all__ = ["CourseError", "start"]
