"""진행 표시: 노트북 출력의 한 자리를 계속 갈아 끼워요. 노트북 밖에서는 글만 한 줄씩 보여 줘요."""

import sys
import time


class Spot:
    """출력의 한 자리. `show`를 부를 때마다 앞의 것을 갈아 끼워요."""

    def __init__(self):
        self._handle = None

    def show(self, thing):
        """글(str)이나 matplotlib Figure를 이 자리에 보여 줘요. Figure는 보여 준 다음 닫아요."""
        text = isinstance(thing, str)
        ipython = sys.modules.get("IPython")
        if ipython is None or ipython.get_ipython() is None:
            if text:
                print(thing)
            return
        content = {"text/plain": thing} if text else thing
        if self._handle is None:
            self._handle = ipython.display.DisplayHandle()
            self._handle.display(content, raw=text)
        else:
            self._handle.update(content, raw=text)
        if not text:
            import matplotlib.pyplot as plt

            plt.close(thing)


def track(items, label):
    """items를 하나씩 내면서, 1초가 넘게 걸리면 어디까지 왔는지 보여 줘요. 끝나면 지워요."""
    spot, began, shown = Spot(), time.monotonic(), None
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - (shown or began + 0.5) > 0.5:
            left = (now - began) / done * (len(items) - done) if done else 0
            spot.show(f"{label}: {done / len(items):.0%} · {left:.0f}초 남았어요")
            shown = now
        yield item
    if shown:
        spot.show(f"{label}: 끝났어요")
