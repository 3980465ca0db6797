"""숫자 손글씨 데이터: 저장소에 든 digits, 진짜 MNIST, 또는 내 .npz 파일."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from course_utils import download
from course_utils.errors import CourseError, reason, shown

KEYS = ("x_train", "y_train", "x_test", "y_test")
DIGITS_FILE = Path(__file__).resolve().parent.parent / "data" / "digits.npz"
DIGITS_SHA256 = "ed8dcb7ba3114c70fb96bc2ddf10f70449037d1f11ecb828690781a58be5371e"
MNIST_ARRAYS_SHA256 = "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16"
QUICK_SECONDS = 30  # dataset="auto"가 내려받기를 기다려 주는 시간


class Dataset(NamedTuple):
    """x_*: uint8 (N, 28, 28), 0(검정)–255(흰색). y_*: uint8 (N,), 0–9."""

    name: str
    x_train: "numpy.ndarray"  # noqa: F821
    y_train: "numpy.ndarray"  # noqa: F821
    x_test: "numpy.ndarray"  # noqa: F821
    y_test: "numpy.ndarray"  # noqa: F821


def load(dataset="auto", at_least=1, of_each=0):
    """데이터를 불러와 무엇을 불러왔는지 한 줄로 알려요.

    Args:
        dataset: "digits"(저장소에 든 1,797장) | "mnist" | "auto"(MNIST가 있거나 금방 받아지면 MNIST, 아니면 digits)
            | `x_train, y_train, x_test, y_test`가 든 .npz 경로.
        at_least: 이 레슨에 필요한, 학습과 시험 집합 각각의 장수.
        of_each: 이 레슨에 필요한, 숫자 0–9마다의 장수(학습과 시험 각각).
    Returns:
        `Dataset`.
    Raises:
        CourseError: 모르는 이름, 없는 파일, 읽을 수 없거나 내용이 다른 파일, 이 레슨에 모자란 데이터.
    """
    dataset = resolve_name(dataset)
    if dataset == "auto":
        try:
            result = _load_mnist(limit=QUICK_SECONDS)
        except CourseError as error:
            if os.environ.get("COURSE_MNIST"):  # 직접 고른 파일의 잘못은 숨기지 않아요
                raise
            print(f"MNIST 대신 저장소에 든 digits를 써요. ({error})")
            result = _load_digits()
    elif dataset == "mnist":
        result = _load_mnist()
    elif dataset == "digits":
        result = _load_digits()
    else:
        result = Dataset(Path(dataset).stem, **_read(user_path(dataset)))
    _check_enough(result, at_least, of_each)
    print(f"데이터 {result.name}: 학습 {len(result.x_train):,}장 · 시험 {len(result.x_test):,}장")
    return result


def resolve_name(dataset):
    """이름을 검사하고 "auto"를 환경 변수 COURSE_DATASET으로 바꿔요. 경로라면 파일이 있는지까지 봐요."""
    source, value = "dataset", dataset
    if value == "auto":
        source, value = "환경 변수 COURSE_DATASET", os.environ.get("COURSE_DATASET") or "auto"
    if isinstance(value, (str, Path)) and value in ("auto", "digits", "mnist"):
        return value
    if not isinstance(value, (str, Path)) or not str(value).endswith(".npz"):
        raise CourseError(
            f"{source}={shown(value)}은(는) 없는 데이터예요. 쓸 수 있는 값: auto, digits, mnist, 또는 .npz 파일 경로."
        )
    if not os.path.exists(user_path(value)):  # Path.exists는 너무 긴 이름이나 끊긴 드라이브에서 예외를 내요
        raise CourseError(
            f"{source}={shown(str(value))}: 그런 파일이 없어요. 경로를 확인해 주세요. 쓸 수 있는 값: auto, digits, mnist, 또는 .npz 파일 경로."
        )
    return value


def user_path(text):
    """사람이 적은 경로. ~는 집 폴더예요."""
    return Path(os.path.expanduser(text))


def mnist_path():
    """MNIST가 있거나 내려받을 자리: 환경 변수 COURSE_MNIST, 없으면 Keras의 캐시."""
    if os.environ.get("COURSE_MNIST"):
        return user_path(os.environ["COURSE_MNIST"])
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    if home.startswith("~"):  # 집 폴더가 없는 컴퓨터
        home = os.path.join(tempfile.gettempdir(), ".keras")
    return Path(home, "datasets", "mnist.npz")


def _load_digits():
    return Dataset("digits", **_read(DIGITS_FILE, DIGITS_SHA256))


def _load_mnist(limit=None):
    path = mnist_path()
    if not os.environ.get("COURSE_MNIST") and not os.path.exists(path):
        download.mnist(path, limit)
    return Dataset("mnist", **_read(path, MNIST_ARRAYS_SHA256))


def _read(path, sha256=None):
    """.npz 하나를 읽고 검사해 {이름: 배열}로 돌려줘요. 파일은 고치거나 지우지 않아요."""
    import numpy as np

    if os.path.isdir(path):
        raise CourseError(f"파일이 아니라 폴더예요: {path}. 폴더 안의 .npz 파일 경로를 적어 주세요.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = getattr(archive, "files", [])
            missing = [key for key in KEYS if key not in found]
            if missing:
                raise CourseError(
                    f"{path}에 {', '.join(missing)}이(가) 없어요. 든 것: {', '.join(found) or '없음'}. "
                    f"배열 {', '.join(KEYS)}이 필요해요."
                )
            arrays = {key: np.asarray(archive[key]) for key in KEYS}
    except CourseError:
        raise
    except FileNotFoundError as error:
        raise CourseError(f"파일이 없어요: {path}. 경로를 확인하거나 dataset='digits'로 바꿔 보세요.") from error
    except OSError as error:
        raise CourseError(
            f"{path}을(를) 열지 못했어요({reason(error)}). 드라이브라면 다시 연결하고, 파일의 권한을 확인해 주세요."
        ) from error
    except Exception as error:  # 잘못 만든 파일이 낼 수 있는 오류는 다 적을 수 없어요
        raise CourseError(
            f"{path}를 .npz로 읽지 못했어요({type(error).__name__}). 내려받다 끊겼거나 다른 형식일 수 있어요. "
            "파일은 그대로 두었어요. 다른 곳으로 옮긴 뒤 다시 받거나, dataset='digits'로 바꿔 보세요."
        ) from error

    for part in ("train", "test"):
        images, labels = _check_pair(path, part, arrays[f"x_{part}"], arrays[f"y_{part}"])
        arrays[f"x_{part}"], arrays[f"y_{part}"] = images, labels
    if sha256 and _content_hash(arrays) != sha256:
        raise CourseError(
            f"{path}의 내용이 원본과 달라요. 손상됐거나 다른 데이터예요. 파일은 그대로 두었어요. "
            "다른 곳으로 옮긴 뒤 다시 받거나, 내 데이터라면 dataset에 이 경로를 적어 주세요."
        )
    return arrays


def _check_pair(path, part, images, labels):
    """그림과 정답 한 쌍을 검사해 uint8로 돌려줘요."""
    import numpy as np

    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise CourseError(f"{path}의 x_{part} 모양이 {images.shape}이에요. (장수, 28, 28)이어야 해요.")
    if labels.shape != (len(images),):
        raise CourseError(f"{path}의 y_{part} 모양이 {labels.shape}이에요. ({len(images)},)이어야 해요.")
    for name, values, top in ((f"x_{part}", images, 255), (f"y_{part}", labels, 9)):
        if not np.issubdtype(values.dtype, np.integer):
            raise CourseError(
                f"{path}의 {name} 자료형이 {values.dtype}이에요. 0–{top}의 정수여야 해요.{_cure(name, values, top)}"
            )
        if values.size and (values.min() < 0 or values.max() > top):
            raise CourseError(f"{path}의 {name} 값이 {values.min()}–{values.max()}이에요. 0–{top} 안이어야 해요.")
    return images.astype(np.uint8), labels.astype(np.uint8)


def _cure(name, values, top):
    """정수가 아닌 배열을 어떻게 바꿔 저장하면 되는지. 값의 범위를 보고 말해요."""
    import numpy as np

    if not np.issubdtype(values.dtype, np.floating) or not values.size:
        return ""
    if not (values.min() >= 0 and values.max() <= top):  # NaN도 여기서 걸려요
        return f" 값이 {values.min():g}–{values.max():g}이니 먼저 그 범위로 바꿔 주세요."
    scale = " * 255" if top == 255 and values.max() <= 1 else ""
    return f" ({name}{scale}).round().astype('uint8')로 바꿔 저장해 주세요."


def _check_enough(found, at_least, of_each):
    import numpy as np

    for part, images, labels in (("학습", found.x_train, found.y_train), ("시험", found.x_test, found.y_test)):
        counts = np.bincount(labels, minlength=10)
        few = [f"{digit}({counts[digit]}장)" for digit in range(10) if counts[digit] < of_each]
        if len(images) < at_least:
            problem = f"{part} 그림이 {len(images)}장뿐이에요. 이 레슨에는 {at_least}장이 필요해요."
        elif few:
            problem = f"{part} 그림에 숫자 {', '.join(few)}이(가) 모자라요. 이 레슨에는 숫자마다 {of_each}장이 필요해요."
        elif len(images) > 1 and (images == images[0]).all():
            problem = f"{part} 그림 {len(images)}장이 모두 똑같아요."
        else:
            continue
        raise CourseError(f"데이터 {found.name}의 {problem} 그림을 더 넣거나 dataset='digits'로 바꿔 주세요.")


def _content_hash(arrays):
    """압축 방식과 상관없이, 배열 내용만의 SHA-256."""
    digest = hashlib.sha256()
    for key in KEYS:
        digest.update(arrays[key].tobytes())
    return digest.hexdigest()
