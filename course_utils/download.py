"""MNIST 내려받기: pooch가 받고 해시를 확인한 다음에만 제자리에 둬요. 어떤 네트워크에서도 끝없이 기다리지 않아요."""

import tempfile
import threading
import time
from pathlib import Path

from course_utils.errors import CourseError, reason
from course_utils.files import whole
from course_utils.status import Spot

MNIST_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
MNIST_FILE_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"  # 파일의 해시(Keras와 같아요)
STALL_SECONDS = 10  # 이름 풀이부터 마지막 조각까지, 이만큼 한 글자도 오지 않으면 그만둬요
MAX_BYTES = 64 * 2**20


def mnist(target, limit=None):
    """MNIST를 받아 `target`에 둬요. 파일은 통째로 생기거나 전혀 생기지 않아요.

    Args:
        target: 둘 자리(`Path`).
        limit: 이 초 안에 끝나지 않으면 그만둬요. None이면 조금씩이라도 오는 동안은 기다려요.
    Raises:
        CourseError: 받지 못했거나, 내용이 MNIST가 아니거나, 쓸 수 없을 때.
    """
    try:
        content = _content(limit)
        with whole(target) as file:
            file.write(content)
    except OSError as error:
        why = str(error) if isinstance(error, TimeoutError | ConnectionError) else f"{target}: {reason(error)}"
        raise CourseError(
            f"MNIST를 내려받지 못했어요({why}). 인터넷과 디스크를 확인하거나, dataset='digits'를 쓰거나, "
            "가지고 있는 mnist.npz의 경로를 환경 변수 COURSE_MNIST에 적어 주세요."
        ) from error


class _Progress:
    """pooch가 조각을 받을 때마다 부르는 진행 표시. 내려받는 스레드와 기다리는 쪽이 함께 봐요."""

    total, received, given_up = 0, 0, False

    def __init__(self):
        self.moved = time.monotonic()

    def update(self, size):
        self.received, self.moved = self.received + size, time.monotonic()
        if self.given_up or self.received > MAX_BYTES:
            raise CourseError("받은 내용이 MNIST보다 훨씬 커요")

    def reset(self):
        self.received = 0

    def close(self):
        pass


def _content(limit):
    """받아서 확인한 파일의 내용. 이름 풀이(DNS)에는 제한 시간을 둘 수 없어서, 다른 스레드에서 받고 여기서 지켜봐요."""
    progress, spot, answer, began = _Progress(), Spot(), [], time.monotonic()
    thread = threading.Thread(target=lambda: answer.append(_retrieve(progress)), daemon=True)
    spot.show("MNIST를 내려받아요." + (f" {limit}초 안에 받지 못할 것 같으면 그만둬요." if limit else ""))
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
        now, shown = time.monotonic(), progress.received // 2**20
        if shown:
            spot.show(f"MNIST 내려받기: {shown}/{progress.total // 2**20} MB")
        silent, slow = now - progress.moved > STALL_SECONDS, limit and now - began > limit
        if thread.is_alive() and (silent or slow):
            progress.given_up = True
            why = f"{STALL_SECONDS}초 동안 응답이 없어요" if silent else f"너무 느려서 {limit}초 안에 끝나지 않아요"
            raise TimeoutError(why)
    if isinstance(answer[0], Exception):
        raise ConnectionError(_why(answer[0])) from answer[0]
    return answer[0]


def _retrieve(progress):
    """파일의 내용이나, 받다가 난 예외."""
    try:
        import pooch

        pooch.get_logger().setLevel("ERROR")
        with tempfile.TemporaryDirectory() as folder:
            downloader = pooch.HTTPDownloader(progressbar=progress, timeout=2 * STALL_SECONDS)  # 지켜보는 쪽이 먼저 포기해요
            return Path(pooch.retrieve(MNIST_URL, MNIST_FILE_SHA256, "mnist.npz", folder, downloader=downloader)).read_bytes()
    except Exception as error:
        return error


def _why(error):
    if isinstance(error, CourseError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name}이(가) 없어요. 터미널에서 pip install {error.name}을 실행해 주세요"
    if isinstance(error, ValueError) and "hash" in str(error):
        return "받은 내용이 MNIST가 아니에요. 로그인이 필요한 네트워크일 수 있어요"
    code = getattr(getattr(error, "response", None), "status_code", None)
    return f"서버의 답이 {code}이에요" if code else "연결하지 못했거나 끊겼어요"
