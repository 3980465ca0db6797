"""그림: 한글이 깨지지 않고, 애니메이션의 HTML이 실행할 때마다 바뀌지 않아요."""

import importlib.util
import io
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.animation import FuncAnimation

from course_utils import CourseError, plots, widgets


@pytest.fixture(autouse=True)
def style(monkeypatch):
    monkeypatch.delenv("COURSE_FONT", raising=False)
    with plt.rc_context():
        plots.use_course_style()
        yield
    plt.close("all")


def render(figure):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")
        figure.savefig(io.BytesIO())


def test_korean_minus_and_symbols_are_drawn(caplog):
    figure, axes = plt.subplots(1, 2)
    axes[0].plot([-2, -1], [-1, 0])
    axes[0].set(title="가능도 ℝ ✓ − ± 뷁", xlabel="음수 −1.5", ylabel=r"밀도 $\mu \in \mathbb{R}$")
    axes[1].loglog([1e-5, 1e3], [1e-5, 1e3])  # 눈금 10⁻⁵
    render(figure)
    assert not caplog.records  # 수식의 빠진 글자는 경고가 아니라 로그로 나와요


@pytest.fixture
def only_dejavu(monkeypatch):
    """한글 글꼴이 하나도 설치되지 않은 컴퓨터처럼."""
    fonts = [font for font in font_manager.fontManager.ttflist if font.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", fonts)


NANUM = Path(importlib.util.find_spec("koreanize_matplotlib").origin).with_name("fonts") / "NanumGothic.ttf"


@pytest.mark.parametrize("chosen", ["", "NanumGothic", str(NANUM)])
def test_font_comes_from_the_package_a_name_or_a_file(only_dejavu, monkeypatch, chosen):
    monkeypatch.setenv("COURSE_FONT", chosen)
    assert plots.use_course_style() == "NanumGothic"
    assert "koreanize_matplotlib" in font_manager.findfont("NanumGothic")


@pytest.mark.parametrize("chosen, words", [
    ("NanumGotik", "설치된 글꼴의 이름"), ("/없는/글꼴.ttf", "글꼴 파일"), (__file__, "글꼴 파일"), ("/", "글꼴 파일"),
    ("DejaVu Sans", "한글이 없어요"),
])
def test_a_font_that_cannot_be_used_is_named(monkeypatch, chosen, words):
    monkeypatch.setenv("COURSE_FONT", chosen)
    with pytest.raises(CourseError, match=words) as caught:
        plots.use_course_style()
    assert f"COURSE_FONT={chosen!r}" in str(caught.value) and "예: NanumGothic" in str(caught.value)


def test_no_font_is_said_once_without_a_warning_for_every_letter(only_dejavu, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # koreanize-matplotlib도 없어요
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert plots.use_course_style() is None
        figure, axes = plt.subplots()
        axes.set_title("가능도")
        figure.savefig(io.BytesIO())
    assert "pip install --no-deps koreanize-matplotlib" in capsys.readouterr().out and not caught


@pytest.mark.parametrize("shape", [(1, 28, 28), (7, 28, 28), (12, 28, 28, 1)])
def test_image_grid_shows_every_image(shape):
    images = np.random.default_rng(0).random(shape)
    figure = plots.image_grid(images, columns=5, title="손글씨")
    shown = [axis for axis in figure.axes if axis.images]
    assert len(shown) == shape[0]
    assert np.array_equal(shown[-1].images[0].get_array(), images[-1].reshape(28, 28))
    render(figure)


def test_image_rows_names_every_row():
    rng = np.random.default_rng(0)
    figure = plots.image_rows({"진짜": rng.random((8, 28, 28)), "되살린 것\n(VAE)": rng.random((6, 28, 28, 1))}, title="견주기")
    assert [axis.get_ylabel() for axis in figure.axes] == ["진짜", "되살린 것\n(VAE)"]
    assert [axis.images[0].get_array().shape for axis in figure.axes] == [(28, 8 * 28), (28, 6 * 28)]
    render(figure)


def test_spread_parts_overlapping_names_and_leaves_the_rest():
    gap = np.array([1.0, 2.0])
    places = plots.spread([(0, 0), (0, 0), (0.3, 0.2), (50, 50)], gap)
    apart = np.abs(places[:, None] - places[None]) / gap
    assert (apart.max(axis=2) > 0.99)[~np.eye(4, dtype=bool)].all()
    assert (places[3] == 50).all()


def test_diagram_boxes_hold_their_text_and_arrows_join_them():
    diagram = plots.Diagram(2, "그림 → 코드")
    picture = diagram.image(1, 1, np.zeros((28, 28), "uint8"), "진짜 $x$")
    box = diagram.box(4, 1, "인코더\n28×28 → 2", "blue")
    diagram.arrow(picture, box, "784")
    diagram.arrow(box, picture, backward=True, color="orange", bend=0.3)
    (text,) = (text for text in diagram.figure.axes[0].texts if "인코더" in text.get_text())
    outside, inside = box[0].get_window_extent(), text.get_window_extent()
    assert outside.x0 < inside.x0 and inside.x1 < outside.x1
    render(diagram.figure)


def test_animation_html_is_stable_and_needs_no_kernel():
    def build():
        figure, axis = plt.subplots(figsize=(2, 1), dpi=40)
        (line,) = axis.plot([0, 1], [0, 0])
        return plots.play(FuncAnimation(figure, lambda i: line.set_ydata([0, i]), frames=3)).data

    assert build() == build()
    page = build()
    assert "data:image/png;base64" in page and "http" not in page and "fa-" not in page  # 인터넷이 없어도
    for english in ("Once", "Loop", "Reflect", "Repetition", "frame\"", "speed\"", "Play\"", "Pause\""):
        assert english not in page, english


def draw(mu, kind):
    figure, axis = plt.subplots()
    axis.set_title(f"{kind} {mu}")
    draw.calls.append((mu, kind))
    return figure


def test_explore_draws_first_and_redraws_when_moved():
    draw.calls = []
    controls = widgets.explore(draw, mu=("평균", -1.0, 1.0, 0.5, 0.0), kind=("분포", ["정규", "균등"], "정규"))
    assert draw.calls == [(0.0, "정규")]
    controls["mu"].value = 0.5
    controls["kind"].value = "균등"
    assert draw.calls[1:] == [(0.5, "정규"), (0.5, "균등")]
    assert not plt.get_fignums()


def test_explore_saves_only_the_figure_when_static(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_STATIC", "1")
    draw.calls = []
    assert widgets.explore(draw, mu=("평균", 0, 3, 1, 2), kind=("분포", ["정규"], "정규")) == {}
    assert draw.calls == [(2, "정규")] and "실행하면" in capsys.readouterr().out
