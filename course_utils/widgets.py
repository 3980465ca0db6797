"""움직여 보는 그림: 슬라이더를 움직이면 그 자리에 다시 그려요. 저장된 노트북에는 그림 한 장이 남아 있어요."""

import base64
import html
import io
import os

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML, display


def explore(draw, **controls):
    """`draw`를 처음 값으로 그리고, 슬라이더를 움직이면 같은 자리에 다시 그려요.

    Args:
        draw: 값들을 이름 인자로 받아 matplotlib Figure를 돌려주는 함수.
        **controls: 이름 = (설명, 최소, 최대, 간격, 처음 값) 또는 (설명, [고를 값들], 처음 값).
            간격과 처음 값이 모두 정수면 정수 슬라이더예요.
    Returns:
        {이름: ipywidgets 위젯}. 커널 없이 볼 노트북을 만드는 중(환경 변수 COURSE_STATIC)이면 그림만 남기고 빈 사전.
    """
    if os.environ.get("COURSE_STATIC"):
        _show(draw(**{name: spec[-1] for name, spec in controls.items()}))
        print("👆 이 셀을 실행하면 슬라이더가 나타나요.")
        return {}

    sliders = {name: _control(*spec) for name, spec in controls.items()}
    output = ipywidgets.Output()

    def redraw(_change=None):
        with output:
            output.clear_output(wait=True)
            _show(draw(**{name: slider.value for name, slider in sliders.items()}))

    for slider in sliders.values():
        slider.observe(redraw, names="value")
    display(ipywidgets.VBox([*sliders.values(), output]))
    redraw()
    return sliders


def sprite(images, note):
    """이미지 격자 위를 마우스나 손가락으로 훑으면 그 칸을 크게 보여 주는 HTML. 커널도 인터넷도 필요 없어요.

    Args:
        images: (행, 열, 높이, 너비), 0–1.
        note: 격자 아래에 보여 줄 글.
    Returns:
        `IPython.display.HTML`.
    """
    rows, columns, height, width = images.shape
    sheet = np.transpose(images, (0, 2, 1, 3)).reshape(rows * height, columns * width)
    file = io.BytesIO()
    plt.imsave(file, sheet, cmap="gray", vmin=0, vmax=1, format="png")
    source = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    big = 196
    zoom = f"background-size:{columns * big}px {rows * big}px;image-rendering:pixelated"
    move = (
        "var r=this.getBoundingClientRect(),p=event.touches?event.touches[0]:event,"
        f"c=Math.min({columns - 1},Math.max(0,Math.floor((p.clientX-r.left)/r.width*{columns}))),"
        f"l=Math.min({rows - 1},Math.max(0,Math.floor((p.clientY-r.top)/r.height*{rows})));"
        "s=this.nextElementSibling.style;s.backgroundImage='url('+this.src+')';"
        f"s.backgroundPosition=(-c*{big})+'px '+(-l*{big})+'px'"
    )
    return HTML(
        f'<div style="display:flex;flex-wrap:wrap;gap:16px;align-items:center">'
        f'<img src="{source}" alt="{html.escape(note)}" width="420" style="touch-action:none;cursor:crosshair" '
        f'onmousemove="{move}" ontouchmove="{move}"><div style="width:{big}px;height:{big}px;{zoom}"></div></div>'
        f"<p>{note}</p>"
    )


def _control(label, *spec):
    shared = {"description": label, "style": {"description_width": "auto"}}
    if len(spec) == 2:
        options, value = spec
        return ipywidgets.Dropdown(options=options, value=value, **shared)
    low, high, step, value = spec
    whole = isinstance(step, int) and isinstance(value, int)
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    layout = ipywidgets.Layout(width="min(480px, 95%)")
    return kind(min=low, max=high, step=step, value=value, continuous_update=False, layout=layout, **shared)


def _show(figure):
    display(figure)
    plt.close(figure)
