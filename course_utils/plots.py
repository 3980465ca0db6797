"""그림: 한글 글꼴과 강의의 모양, 이미지 격자, 커널 없이도 움직이는 애니메이션."""

import importlib.util
import logging
import os
import re
import warnings
from hashlib import sha256
from pathlib import Path

from course_utils.errors import CourseError, shown

# 색각 이상이 있어도 구별되는 Okabe–Ito 색. 이름으로 쓰고, 순서는 그래프가 기본으로 쓰는 순서예요.
COLORS = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#009E73",
    "pink": "#CC79A7",
    "yellow": "#E69F00",
    "sky": "#56B4E9",
    "gray": "#7F7F7F",
    "black": "#000000",
}
# 숫자 0–9의 색. 어느 레슨에서나 같은 숫자는 같은 색이에요(Okabe–Ito 여덟 색에 Tol의 두 색).
DIGIT_COLORS = (*COLORS.values(), "#882255", "#999933")
# 한글 글꼴을 찾는 순서
FONTS = (
    "NanumGothic",  # Colab(koreanize-matplotlib), 리눅스
    "Noto Sans KR",
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",  # 여러 나라의 글꼴을 묶은 파일의 첫 글꼴. 한글도 들어 있어요
    "Malgun Gothic",  # 윈도우
    "Apple SD Gothic Neo",  # macOS
    "AppleGothic",
)


def use_course_style():
    """한글 글꼴과 강의의 그림 모양(700픽셀 폭, 색, 글자 크기)을 정해요. `start`가 불러요.

    Returns:
        쓰는 한글 글꼴의 이름. 없으면 한 번 알리고 None.
    Raises:
        CourseError: 환경 변수 COURSE_FONT의 글꼴을 쓸 수 없을 때.
    """
    import matplotlib as mpl
    from cycler import cycler

    font = _korean_font()
    if font is None:
        print(
            "⚠️ 한글 글꼴이 없어 그림의 한글이 네모로 보여요. 터미널에서 `pip install --no-deps koreanize-matplotlib`을 "
            "실행한 다음 이 셀부터 다시 실행해 주세요."
        )
        warnings.filterwarnings("ignore", "Glyph")  # 글자마다 나오는 영어 경고는 같은 말이에요
        logging.getLogger("matplotlib.mathtext").setLevel(logging.ERROR)
    mpl.rcParams.update(
        {
            # 목록으로 주면 앞 글꼴에 없는 글자(−, ℝ, ✓)만 뒤 글꼴에서 가져와요
            "font.family": [name for name in (font, "DejaVu Sans") if name],
            "mathtext.fontset": "dejavusans",
            "font.size": 11,
            "axes.titlesize": 12,
            "axes.labelpad": 6,
            "axes.prop_cycle": cycler(color=list(COLORS.values())),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "image.cmap": "viridis",
            "image.interpolation": "nearest",  # 픽셀을 픽셀로: 흐려 보이지 않고, 파일도 작아요
            "figure.figsize": (7, 3.6),
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "legend.frameon": False,
            "animation.embed_limit": 1.2,  # MB: 노트북 하나는 1.5 MB보다 작아요
        }
    )
    _draw_log_ticks_in_math_font()
    return font


def image_grid(images, columns=10, title=None):
    """이미지를 격자로 그려요.

    Args:
        images: (N, 높이, 너비) 또는 (N, 높이, 너비, 1). 검정–흰색의 범위는 이미지 전체의 최소–최대.
        columns: 한 줄에 놓을 장수.
        title: 그림 전체의 제목.
    Returns:
        `matplotlib.figure.Figure`.
    """
    import matplotlib.pyplot as plt
    import numpy as np

    images = np.asarray(images)
    images = images.reshape(images.shape[:3])
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height = 0.75 * rows * 9 / columns + (0.4 if title else 0)
    figure, axes = plt.subplots(rows, columns, figsize=(7, height), squeeze=False)
    low, high = images.min(), images.max()
    for axis in axes.flat:
        axis.axis("off")
    for image, axis in zip(images, axes.flat, strict=False):  # 마지막 줄에는 빈 칸이 남을 수 있어요
        axis.imshow(image, cmap="gray", vmin=low, vmax=high)
    if title:
        figure.suptitle(title, fontsize=12)
    return figure


def play(animation):
    """matplotlib 애니메이션을 커널 없이도 재생되는 HTML로 바꿔요. 같은 내용이면 늘 같은 HTML이에요.

    Args:
        animation: `matplotlib.animation.FuncAnimation`.
    Returns:
        `IPython.display.HTML`.
    """
    import matplotlib.pyplot as plt
    from IPython.display import HTML

    html = animation.to_jshtml(default_mode="once")
    random_id = re.search(r'id="_anim_img([0-9a-f]{32})"', html).group(1)
    stable_id = sha256(html.replace(random_id, "").encode()).hexdigest()[:32]
    plt.close(animation._fig)
    return HTML(html.replace(random_id, stable_id))


def _draw_log_ticks_in_math_font():
    """로그축의 눈금(10⁻³)을 수식 글꼴로 바꿔요. 기본값은 본문 글꼴인데, 나눔글꼴에는 음수 부호 −가 없어요."""
    from matplotlib import ticker

    call = ticker.LogFormatterMathtext.__call__
    if call.__name__ != "in_math_font":

        def in_math_font(self, x, pos=None):
            return call(self, x, pos).replace(r"\mathdefault", r"\mathrm")

        ticker.LogFormatterMathtext.__call__ = in_math_font


def _korean_font():
    """쓸 한글 글꼴의 이름: COURSE_FONT, 설치된 FONTS, koreanize-matplotlib에 든 나눔고딕 순서로 찾아요. 없으면 None."""
    from matplotlib import font_manager

    def installed():
        return {font.name: font.fname for font in font_manager.fontManager.ttflist if Path(font.fname).exists()}

    chosen = os.environ.get("COURSE_FONT")
    wanted = [chosen] if chosen else FONTS
    if not installed().keys() & set(wanted):
        # import 하지 않고 글꼴 파일만 찾아요: 0.1.1은 Python 3.12에 없는 distutils를 불러와요
        spec = importlib.util.find_spec("koreanize_matplotlib")
        for folder in spec.submodule_search_locations if spec else ():
            for file in sorted(Path(folder, "fonts").glob("*.ttf")):
                font_manager.fontManager.addfont(file)
    if chosen:
        return _chosen_font(chosen, installed())
    return next((name for name in FONTS if name in installed()), None)


def _chosen_font(chosen, installed):
    """COURSE_FONT에 적은 글꼴 파일이나 설치된 글꼴(installed: {이름: 파일})의 이름."""
    from matplotlib import font_manager, ft2font

    file = installed.get(chosen) or os.path.expanduser(chosen)
    try:
        font = ft2font.FT2Font(file)
    except Exception as error:  # 없는 이름, 폴더, 글꼴이 아닌 파일
        raise CourseError(
            f"COURSE_FONT={shown(chosen)}을(를) 글꼴로 쓸 수 없어요. 글꼴 파일(.ttf, .otf)의 경로나 설치된 글꼴의 이름을 "
            "적거나, 이 환경 변수를 지워 주세요. 예: NanumGothic"
        ) from error
    if not font.get_char_index(ord("가")):
        raise CourseError(f"COURSE_FONT={shown(chosen)}에는 한글이 없어요. 한글 글꼴을 적어 주세요. 예: NanumGothic")
    if chosen in installed:
        return chosen
    font_manager.fontManager.addfont(file)
    return font.family_name
