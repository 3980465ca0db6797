"""그림: 한글 글꼴과 강의의 모양, 이미지 격자와 이름 붙은 줄, 모델의 그림, 커널 없이도 움직이는 애니메이션."""

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


def image_rows(rows, title=None):
    """이미지를 줄마다 이름을 붙여 그려요. 위아래로 견줄 때 써요.

    Args:
        rows: {줄의 이름: (N, 높이, 너비[, 1])}. 검정–흰색의 범위는 모든 줄을 통틀어 최소–최대.
        title: 그림 전체의 제목.
    Returns:
        `matplotlib.figure.Figure`.
    """
    import matplotlib.pyplot as plt
    import numpy as np

    rows = {name: np.asarray(images) for name, images in rows.items()}
    strips = [np.concatenate(list(images.reshape(images.shape[:3])), axis=1) for images in rows.values()]
    low, high = min(strip.min() for strip in strips), max(strip.max() for strip in strips)
    longest = max(strips, key=lambda strip: strip.shape[1])
    label = 0.13 * max(len(line) for name in rows for line in name.split("\n")) + 0.1  # 인치. 한글 한 글자가 0.13쯤
    height = (7 - label) * longest.shape[0] / longest.shape[1] + 0.06
    figure, axes = plt.subplots(
        len(rows), figsize=(7, height * len(rows) + (0.4 if title else 0)), squeeze=False, sharex=True
    )
    for axis, name, strip in zip(axes.flat, rows, strips, strict=True):
        axis.imshow(strip, cmap="gray", vmin=low, vmax=high)
        axis.set(xlim=(0, longest.shape[1]), xticks=[], yticks=[], frame_on=False)
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
    if title:
        figure.suptitle(title, fontsize=12)
    return figure


def spread(places, gap):
    """겹치는 이름표를 서로 밀어낸 자리 (N, 2).

    places: 놓고 싶은 자리 (N, 2). gap: 두 이름표가 가로나 세로로 떨어져야 할 거리 (가로, 세로), 그래프의 단위로.
    """
    import numpy as np

    places, gap = np.array(places, dtype=float), np.asarray(gap)
    others = np.arange(len(places))
    for _ in range(100):
        for i in others:
            apart = (places[i] - places) / gap + 1e-9 * (i - others)[:, None]  # 같은 자리면 번호대로 갈라져요
            near = (np.abs(apart).max(axis=1) < 1) & (others != i)
            places[i] += 0.1 * gap * np.sign(apart[near]).sum(axis=0)
    return places


class Diagram:
    """모델의 그림: 상자와 진짜 이미지를 놓고 화살표로 이어요.

    자리는 왼쪽 아래에서 잰 인치예요(너비 7). `box`와 `image`가 돌려준 것을 `arrow`로 이어요.
    """

    def __init__(self, height, title):
        """height: 그림의 높이(인치). title: 그림이 말하는 것 한 줄."""
        import matplotlib.pyplot as plt

        self.figure = plt.figure(figsize=(7, height), layout="none")
        self._axis = self.figure.add_axes((0, 0, 1, 1))
        self._axis.axis("off")
        self._axis.set(xlim=(0, 7), ylim=(0, height))
        self.text(3.5, height - 0.2, title, fontsize=12)

    def text(self, x, y, text, **style):
        """가운데가 (x, y)인 글."""
        return self._axis.text(x, y, text, **{"ha": "center", "va": "center", "fontsize": 10} | style)

    def box(self, x, y, text, color="gray"):
        """가운데가 (x, y)인 상자. 크기는 글에 맞춰요. color: COLORS의 이름."""
        from matplotlib.patches import FancyBboxPatch

        extent = self.text(x, y, text, zorder=4).get_window_extent().transformed(self._axis.transData.inverted())
        style = {"boxstyle": "round,pad=0.08", "fc": "white", "ec": COLORS[color], "lw": 1.6, "zorder": 3}
        return self._place(FancyBboxPatch((extent.x0, extent.y0), extent.width, extent.height, **style), x, y)

    def image(self, x, y, image, label="", size=0.7):
        """가운데가 (x, y)인 이미지 (높이, 너비[, 1]), 0–1이나 uint8. label: 그 아래에 적을 글."""
        import numpy as np
        from matplotlib.patches import Rectangle

        half, image = size / 2, np.asarray(image)
        high = 255 if image.dtype == np.uint8 else 1
        place = (x - half, x + half, y - half, y + half)
        self._axis.imshow(np.squeeze(image), cmap="gray", vmin=0, vmax=high, extent=place, zorder=3, aspect="auto")
        self._axis.set(xlim=(0, 7), ylim=(0, self.figure.get_figheight()))
        self.text(x, y - half - 0.05, label, va="top")
        return self._place(Rectangle((x - half, y - half), size, size, fc="none", ec="none"), x, y)

    def arrow(self, start, end, text="", color="gray", backward=False, bend=0.0):
        """상자에서 상자로. backward면 기울기가 돌아오는 길이라 점선이에요. bend: 휘는 정도(−1–1)."""
        from matplotlib.patches import FancyArrowPatch

        (patch_a, a), (patch_b, b) = start, end
        arrow = FancyArrowPatch(
            a, b, patchA=patch_a, patchB=patch_b, shrinkA=2, shrinkB=2, arrowstyle="-|>", mutation_scale=11, zorder=2,
            color=COLORS[color], lw=1.4, ls="--" if backward else "-", connectionstyle=f"arc3,rad={bend}",
        )
        self._axis.add_patch(arrow)
        if text:
            middle_x, middle_y = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
            away_x, away_y = bend / 2 * (b[1] - a[1]), bend / 2 * (a[0] - b[0])
            self.text(middle_x + away_x, middle_y + away_y, text, color=COLORS[color], zorder=5,
                      bbox={"fc": "white", "ec": "none", "pad": 1})

    def _place(self, patch, x, y):
        self._axis.add_patch(patch)
        return patch, (x, y)


PLAYER_BUTTONS = [
    ("Decrease speed", "fa-minus", "느리게", "−"),
    ("First frame", "fa-fast-backward", "처음 장면", "|◀"),
    ("Previous frame", "fa-step-backward", "앞 장면", "‹"),
    ("Play backwards", "fa-play fa-flip-horizontal", "거꾸로 재생", "◀"),
    ("Pause", "fa-pause", "멈춤", "❚❚"),
    ("Play", "fa-play", "재생", "▶"),
    ("Next frame", "fa-step-forward", "다음 장면", "›"),
    ("Last frame", "fa-fast-forward", "마지막 장면", "▶|"),
    ("Increase speed", "fa-plus", "빠르게", "+"),
]


def play(animation):
    """matplotlib 애니메이션을 커널 없이도 재생되는 HTML로 바꿔요. 같은 내용이면 늘 같은 HTML이에요.

    Args:
        animation: `matplotlib.animation.FuncAnimation`.
    Returns:
        `IPython.display.HTML`.
    """
    import matplotlib.pyplot as plt
    from IPython.display import HTML

    html = re.sub(r'<link rel="stylesheet".*?>', "", animation.to_jshtml(default_mode="once"), flags=re.DOTALL)
    for english, icon, korean, sign in PLAYER_BUTTONS:  # 단추를 우리말로, 인터넷에서 가져오던 그림을 글자로
        html = html.replace(f'"{english}"', f'"{korean}"').replace(f'<i class="fa {icon}"></i>', sign)
    for english, korean in (("Repetition mode", "되풀이"), ("Once", "한 번"), ("Loop", "계속"), ("Reflect", "오가며")):
        html = html.replace(f'"{english}"', f'"{korean}"').replace(f">{english}<", f">{korean}<")
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
        if spec:
            for file in sorted(Path(spec.origin).parent.glob("fonts/*.ttf")):
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
