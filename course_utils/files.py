"""파일은 통째로 있거나 없어요."""

import contextlib
import os


@contextlib.contextmanager
def whole(path):
    """다 쓴 다음에만 `path`에 나타나는 파일. 쓰다 멈추면 있던 것이 그대로 남아요.

    Args:
        path: 둘 자리(`Path`). 없는 폴더는 만들어요.
    Yields:
        바이트를 쓰는 파일.
    Raises:
        OSError: 쓸 수 없을 때.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            yield file
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
