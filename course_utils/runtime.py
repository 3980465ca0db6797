"""레슨의 시작과 끝: 프로파일, 시드, 한글 글꼴, 한 줄 안내, 지표 기록."""

import functools
import math
import os
import random
import shutil
import subprocess
import sys
from numbers import Integral, Real
from pathlib import Path
from types import SimpleNamespace

from course_utils import data
from course_utils.errors import CourseError, explain_missing_names, shown

PROFILES = ("smoke", "quick", "full")
METRICS_MIME = "application/vnd.course.metrics+json"
LAST_SEED = 2**31  # 레슨이 seed + k로 만드는 시드도 NumPy의 범위(2³²) 안이에요
MOST = 10  # 매개변수는 full 프로파일의 이 배수까지
DRIVE = Path("/content/drive/MyDrive")  # Colab에서 연결한 구글 드라이브


class Run:
    """한 번의 레슨 실행. `start`가 만들어 돌려줘요.

    Attributes:
        profile: "smoke" | "quick" | "full" 가운데 실제로 쓰는 것.
        dataset: `data.load`에 넘길 이름이나 경로.
        seed: 시드(0 이상 2³¹ 미만).
        checkpoints: 끊긴 학습을 이어 갈 파일을 두는 폴더.
        metrics: `record`로 모은 지표. 이름 → 숫자(유한하지 않으면 None).
    """

    def __init__(self, profile, dataset, seed, checkpoints="checkpoints"):
        self.profile, self.dataset, self.seed, self.checkpoints = profile, dataset, seed, Path(checkpoints)
        self.metrics = {}

    def settings(self, table, at_least=None, **overrides):
        """이 프로파일의 숫자를 표에서 골라요. 매개변수가 `None`이 아니면 표보다 먼저예요.

        Args:
            table: {이름: (smoke, quick, full)}. 값은 양의 정수나 양의 실수.
            at_least: {이름: 1보다 큰 가장 작은 값}.
            **overrides: 매개변수 셀의 값들. 이름은 표에 있어야 해요.
        Returns:
            이름마다 값이 하나인 `SimpleNamespace`.
        Raises:
            CourseError: 표와 형이 다르거나, 양수가 아니거나, `at_least`보다 작거나, full의 `MOST`배가 넘는 값.
        """
        column = PROFILES.index(self.profile)
        chosen = {name: row[column] for name, row in table.items()}
        for name, value in overrides.items():
            if value is not None:
                chosen[name] = _number(name, value, chosen[name], (at_least or {}).get(name, 1), MOST * table[name][2])
        return SimpleNamespace(**chosen)

    def one_of(self, name, value, allowed):
        """매개변수가 고를 수 있는 값 가운데 하나인지 봐요. 형까지 같아야 하고, 아니면 `CourseError`."""
        if not any(type(value) is type(other) and value == other for other in allowed):
            choices = ", ".join(map(repr, allowed))
            raise CourseError(f"{name}={shown(value)}은(는) 쓸 수 없어요. 쓸 수 있는 값: {choices}.")

    def record(self, **metrics):
        """이 실행의 지표를 적어요. `finish`가 보여 주고, 여러 실행을 모으는 도구가 읽어 가요."""
        for name, value in metrics.items():
            if isinstance(value, bool) or not isinstance(value, Real):
                raise CourseError(f"지표 {name}={shown(value)}은(는) 숫자가 아니에요. float(...)로 바꿔 기록해 주세요.")
            plain = int(value) if isinstance(value, Integral) else float(value)
            self.metrics[name] = plain if math.isfinite(plain) else None

    def finish(self, **chief):
        """모은 지표를 노트북 출력에 남겨요(사람에게는 글, 도구에게는 JSON).

        Args:
            **chief: 으뜸 지표 하나와 그 우리말 이름. 묶음 보고서의 첫 표에 보여요. 예: fid="FID".
        """
        if unknown := set(chief) - set(self.metrics):
            raise CourseError(f"{', '.join(unknown)}은(는) 기록하지 않은 지표예요. 있는 것: {', '.join(self.metrics)}.")
        lines = [f"  {name} = {format_metric(value)}" for name, value in self.metrics.items()]
        text = "\n".join(["✅ 레슨을 끝까지 실행했어요. 기록한 지표:", *lines])
        if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
            from IPython.display import display

            data = {METRICS_MIME: self.metrics, "text/plain": text}
            display(data, metadata={METRICS_MIME: chief} if chief else None, raw=True)
        else:
            print(text)


def start(profile="auto", dataset="auto", seed=42, *, minutes, checkpoints="auto"):
    """레슨을 시작해요: 값 검사, 시드 고정, 한글 글꼴, 한 줄 안내.

    Args:
        profile: "auto" | "smoke" | "quick" | "full".
            auto는 환경 변수 COURSE_PROFILE, 없으면 GPU가 있을 때 full, 아니면 quick.
        dataset: "auto" | "digits" | "mnist" | .npz 경로. auto는 환경 변수 COURSE_DATASET이 있으면 그것.
        seed: 0 이상 2³¹ 미만의 정수.
        minutes: (smoke, quick, full)에서 걸리는 분. 안내에 보여 줘요.
        checkpoints: 끊긴 학습을 이어 갈 파일의 폴더. "auto"면 연결된 구글 드라이브, 없으면 지금 폴더의 checkpoints.
    Returns:
        `Run`.
    Raises:
        CourseError: 쓸 수 없는 profile, dataset, seed, checkpoints.
    """
    gpu = gpu_name()
    profile = resolve_profile(profile, gpu)
    dataset = data.resolve_name(dataset)
    check_seed(seed)
    checkpoints = resolve_checkpoints(checkpoints)
    _set_seeds(int(seed))
    explain_missing_names()

    from course_utils import plots

    plots.use_course_style()
    device = f"GPU {gpu}" if gpu else f"CPU {os.cpu_count()}코어"
    wait = f"약 {minutes[PROFILES.index(profile)]:g}분"
    print(f"프로파일 {profile} · 데이터 {dataset} · 장치 {device} · 시드 {seed} · {wait}")
    if checkpoints.is_relative_to(DRIVE):
        print(f"끊긴 학습을 이어 갈 파일은 구글 드라이브에 둬요: {checkpoints}")
    return Run(profile, dataset, int(seed), checkpoints)


def format_metric(value):
    """지표 하나를 사람이 읽을 글로: 유효 숫자 4자리, 유한하지 않으면 "발산"."""
    if value is None:
        return "발산"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def resolve_profile(profile, gpu):
    """이름을 검사하고 "auto"를 환경 변수 COURSE_PROFILE, 없으면 GPU(이름이나 None)에 따라 정해요."""
    source, value = "profile", profile
    if value == "auto":
        source, value = "환경 변수 COURSE_PROFILE", os.environ.get("COURSE_PROFILE") or "auto"
    if value == "auto":
        return "full" if gpu else "quick"
    if value not in PROFILES:
        raise CourseError(f"{source}={shown(value)}은(는) 없는 값이에요. 쓸 수 있는 값: auto, {', '.join(PROFILES)}.")
    return value


@functools.cache
def gpu_name():
    """TensorFlow가 보는 GPU의 이름이나 None. TensorFlow를 아직 불러오지 않았으면 다른 프로세스에서 물어봐요."""
    if "tensorflow" in sys.modules:
        config = sys.modules["tensorflow"].config
        gpus = config.list_physical_devices("GPU")
        return config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else None
    if not shutil.which("nvidia-smi"):  # 없으면 물어볼 것도 없어요
        return None
    question = "import tensorflow; from course_utils.runtime import gpu_name; print(gpu_name() or '')"
    search = os.pathsep.join([str(Path(__file__).resolve().parent.parent), os.environ.get("PYTHONPATH", "")])
    command, environment = [sys.executable, "-c", question], os.environ | {"PYTHONPATH": search}
    try:
        asked = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    except subprocess.TimeoutExpired:  # 드라이버가 답하지 않아요
        return None
    return asked.stdout.strip() or None


def check_seed(seed):
    """쓸 수 없는 시드면 `CourseError`."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < LAST_SEED:
        raise CourseError(f"seed={shown(seed)}은(는) 쓸 수 없어요. 0 이상 2³¹ 미만의 정수여야 해요. 예: seed = 42")


def resolve_checkpoints(folder):
    """끊긴 학습을 이어 갈 파일을 둘 폴더. "auto"면 연결된 구글 드라이브, 없으면 지금 폴더의 checkpoints."""
    if folder == "auto":
        return DRIVE / "generative-models-ko/checkpoints" if os.path.isdir(DRIVE) else Path("checkpoints")
    if not isinstance(folder, (str, Path)) or not str(folder).strip() or "\0" in str(folder):
        raise CourseError(
            f'checkpoints={shown(folder)}은(는) 쓸 수 없어요. auto나 폴더의 경로를 적어 주세요. 예: checkpoints = "checkpoints"'
        )
    return data.user_path(folder)


def _set_seeds(seed):
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(seed)


def _number(name, value, like, least, most):
    """표의 값(like)과 같은 형의 수: 정수는 least 이상 most 이하, 실수는 0 초과 most 이하."""
    whole = isinstance(like, Integral)
    fits = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if not fits or not (least <= value if whole else value > 0) or not value <= most:  # NaN도 걸러요
        word = f"{least:,} 이상 {most:,} 이하의 정수여야" if whole else f"0보다 크고 {most:,} 이하인 수여야"
        raise CourseError(f"{name}={shown(value)}은(는) 쓸 수 없어요. {word} 해요. 예: {name} = {like!r}")
    return int(value) if whole else float(value)
