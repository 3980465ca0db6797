"""답을 기다리는 시간에는 끝이 있어요."""

import concurrent.futures
import threading


def within(seconds, call):
    """call()의 답. 그 시간 안에 답이 없으면 `TimeoutError`이고, 더는 기다리지 않아요."""
    answer = concurrent.futures.Future()

    def ask():
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError as error:
        raise TimeoutError(str(error) or f"{seconds}초 동안 답이 없어요") from error
