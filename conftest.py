"""tests와 notebooks의 모든 시험이 쓰는 환경: 몇 초짜리 프로파일과 저장소의 데이터, 노트북의 커널까지."""

import os

import matplotlib

os.environ.setdefault("COURSE_PROFILE", "smoke")
os.environ.setdefault("COURSE_DATASET", "digits")
os.environ.setdefault("PYTHONUTF8", "1")
os.environ.setdefault("PYTHONWARNINGS", "error:Glyph")  # 한글이 네모로 깨지면 오류
for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(name, "1")  # 프로세스 여럿이 코어를 나눠 쓰니, 저마다 하나씩이 덜 다퉈요
matplotlib.use("agg")  # 환경 변수로 정하면 커널도 그림을 그리지 않게 돼요
