"""움직여 보는 그림: 슬라이더를 움직이면 다시 그려요. 위젯이 없어도 그림 한 장은 늘 보여요."""

import os


def explore(draw, **controls):
    """`draw`를 처음 값으로 한 번 그리고, 그 아래 슬라이더로 다시 그려 비교하게 해요.

    Args:
        draw: 값들을 이름 인자로 받아 matplotlib Figure를 돌려주는 함수.
        **controls: 이름 = (설명, 최소, 최대, 간격, 처음 값) 또는 (설명, [고를 값들], 처음 값).
            간격과 처음 값이 모두 정수면 정수 슬라이더예요.
    Returns:
        {이름: ipywidgets 위젯}. ipywidgets가 없거나, 커널 없이 볼 노트북을 만드는 중
        (환경 변수 COURSE_STATIC)이면 빈 사전.
    """
    from IPython.display import display

    _show(draw(**{name: spec[-1] for name, spec in controls.items()}))
    if os.environ.get("COURSE_STATIC"):
        print("👆 이 셀을 실행하면 슬라이더가 나타나요.")
        return {}
    try:
        import ipywidgets
    except ImportError:
        print("슬라이더를 보려면 ipywidgets가 필요해요: pip install ipywidgets")
        return {}

    sliders = {name: _control(ipywidgets, *spec) for name, spec in controls.items()}
    output = ipywidgets.Output()

    def redraw(_change):
        with output:
            output.clear_output(wait=True)
            _show(draw(**{name: slider.value for name, slider in sliders.items()}))

    for slider in sliders.values():
        slider.observe(redraw, names="value")
    note = ipywidgets.HTML("👆 위는 처음 값의 그림이에요. 값을 바꾸면 아래에 새 그림이 나타나요.")
    display(ipywidgets.VBox([note, *sliders.values(), output]))
    return sliders


def _control(ipywidgets, label, *spec):
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
    import matplotlib.pyplot as plt
    from IPython.display import display

    display(figure)
    plt.close(figure)
