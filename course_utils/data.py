"""숫자 손글씨 데이터: 저장소에 든 digits, 진짜 MNIST, 또는 내 .npz 파일."""

import hashlib
import os
import queue
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from course_utils.errors import CourseError, shown
from course_utils.progress import Spot

KEYS = ("x_train", "y_train", "x_test", "y_test")
DIGITS_FILE = Path(__file__).resolve().parent.parent / "data" / "digits.npz"
DIGITS_SHA256 = "ed8dcb7ba3114c70fb96bc2ddf10f70449037d1f11ecb828690781a58be5371e"
MNIST_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
MNIST_SHA256 = "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16"
STALL_SECONDS = 8  # 이만큼 한 글자도 오지 않으면 끊긴 것으로 봐요
QUICK_SECONDS = 30  # dataset="auto"가 내려받기를 기다려 주는 시간
MAX_DOWNLOAD = 64 * 2**20


class Dataset(NamedTuple):
    """x_*: uint8 (N, 28, 28), 0(검정)–255(흰색). y_*: uint8 (N,), 0–9."""

    name: str
    x_train: "numpy.ndarray"  # noqa: F821
    y_train: "numpy.ndarray"  # noqa: F821
    x_test: "numpy.ndarray"  # noqa: F821
    y_test: "numpy.ndarray"  # noqa: F821


def load(dataset="auto", at_least=1):
    """데이터를 불러와 무엇을 불러왔는지 한 줄로 알려요.

    Args:
        dataset: "digits"(저장소에 든 1,797장) | "mnist" | "auto"(MNIST가 있거나 금방 받아지면 MNIST, 아니면 digits)
            | `x_train, y_train, x_test, y_test`가 든 .npz 경로.
        at_least: 학습과 시험 집합에 각각 있어야 하는 장수(보통 배치 크기).
    Returns:
        `Dataset`.
    Raises:
        CourseError: 모르는 이름, 없는 파일, 읽을 수 없거나 내용이 다른 파일, 모자란 장수.
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
        result = Dataset(Path(dataset).stem, **_read(Path(dataset)))

    fewest = min(len(result.x_train), len(result.x_test))
    if fewest < at_least:
        raise CourseError(
            f"데이터 {result.name}에는 학습 {len(result.x_train)}장, 시험 {len(result.x_test)}장뿐인데 "
            f"한 번에 {at_least}장이 필요해요. 배치 크기를 {max(fewest, 1)} 이하로 줄이거나 더 큰 데이터를 쓰세요."
        )
    print(f"데이터 {result.name}: 학습 {len(result.x_train):,}장 · 시험 {len(result.x_test):,}장")
    return result


def batches(images, batch_size, seed, first_step=0, labels=None, augment=False, at_once=None, per_epoch=None):
    """섞은 배치를 끝없이 내는 `tf.data.Dataset`. 순서와 변형은 시드와 걸음의 번호만으로 정해져요.

    그래서 끊긴 학습을 `first_step`부터 이어도 끊기지 않은 것과 똑같은 배치가 나와요. 데이터를 한 바퀴 도는 데
    `len(images) // batch_size`걸음이고, 남는 이미지는 다음 바퀴에 다시 섞여요.

    Args:
        images: uint8 (N, 28, 28).
        batch_size: 배치의 장수, N 이하.
        seed: 0 이상의 정수.
        first_step: 몇 번째 걸음의 배치부터 시작할지.
        labels: (N,). 주면 (이미지, 정답) 쌍을 내요.
        augment: True면 ±8도, ±8%, ±1.5픽셀 안에서 조금씩 돌리고 키우고 옮겨요(digits처럼 적은 데이터를 위해).
        at_once: 정수면 배치를 이만큼씩 쌓아 (at_once, batch_size, …)로 내요. 변형하지 않은 이미지는 그때
            uint8 그대로예요. `as_unit`으로 바꾸세요.
        per_epoch: at_once를 줄 때, 쌓기를 새로 시작하는 걸음의 수. 나누어떨어지지 않으면 마지막 묶음이 짧아요.
    Returns:
        float32 (batch_size, 28, 28, 1), 0–1의 이미지를 내는 `tf.data.Dataset`.
    """
    import tensorflow as tf

    per_lap = len(images) // batch_size
    pictures = tf.constant(images)[..., None]  # 원본은 uint8로 메모리에 한 번만
    labels = None if labels is None else tf.constant(labels)

    def shuffled(lap):
        order = tf.random.experimental.stateless_shuffle(tf.range(len(images)), seed=[seed, lap])
        return tf.data.Dataset.from_tensor_slices(tf.reshape(order[: per_lap * batch_size], (per_lap, batch_size)))

    def orders(start):
        laps = tf.data.Dataset.range(start // per_lap, 2**31)
        return laps.flat_map(shuffled).skip(start % per_lap).enumerate(start)

    def fetch(step, index):
        batch = as_unit(tf.gather(pictures, index))
        if augment:
            batch = _jitter(batch, [seed, step])
        return batch if labels is None else (batch, tf.gather(labels, index))

    def fetch_stack(steps, indices):
        if augment:
            kinds = tf.float32 if labels is None else (tf.float32, labels.dtype)
            return tf.map_fn(lambda pair: fetch(*pair), (steps, indices), fn_output_signature=kinds)
        stack = tf.gather(pictures, indices)  # 골라내기는 여러 배치를 한꺼번에 하는 편이 싸요
        return stack if labels is None else (stack, tf.gather(labels, indices))

    if at_once:
        span = per_epoch if per_epoch % at_once else 2**62  # 나누어떨어지면 새로 시작하지 않아도 경계가 맞아요
        starts = tf.data.Dataset.range(first_step, 2**62, span)
        stacks = starts.flat_map(lambda start: orders(start).take(span).batch(at_once))
        made = stacks.map(fetch_stack, tf.data.AUTOTUNE)
    else:
        made = orders(first_step).map(fetch, tf.data.AUTOTUNE)
    # 스스로 조절하는 스레드는 지울 때 깨우는 신호를 놓치곤 해서, 학습이 끝난 다음 몇십 초를 더 기다리게 해요
    options = tf.data.Options()
    options.autotune.enabled = False
    return made.prefetch(tf.data.AUTOTUNE).with_options(options)


def as_unit(images):
    """uint8, 0–255 → float32, 0–1. 이미 실수인 이미지는 그대로. 텐서의 모양은 무엇이든."""
    import tensorflow as tf

    return images if images.dtype.is_floating else tf.cast(images, tf.float32) / 255.0


def _jitter(batch, seed):
    """이미지마다 작은 회전·확대·이동. batch: float32 (B, 28, 28, 1)."""
    import tensorflow as tf

    count = tf.shape(batch)[0]
    angle, scale, right, down = tf.unstack(
        tf.random.stateless_uniform((4, count), seed, -1, 1) * tf.constant([[0.14], [0.08], [1.5], [1.5]])
    )
    cosine, sine, center = tf.cos(angle) * (1 + scale), tf.sin(angle) * (1 + scale), 13.5
    zero = tf.zeros(count)
    rows = [
        cosine, -sine, center - center * cosine + center * sine + right,
        sine, cosine, center - center * sine - center * cosine + down,
        zero, zero,
    ]  # fmt: skip
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=batch, transforms=tf.stack(rows, axis=1), output_shape=[28, 28], fill_value=0.0,
        interpolation="BILINEAR", fill_mode="CONSTANT",
    )  # fmt: skip


def resolve_name(dataset):
    """이름을 검사하고 "auto"를 환경 변수 COURSE_DATASET으로 바꿔요. 파일은 아직 열지 않아요."""
    source, value = "dataset", dataset
    if value == "auto":
        source, value = "환경 변수 COURSE_DATASET", os.environ.get("COURSE_DATASET") or "auto"
    if isinstance(value, (str, Path)) and (value in ("auto", "digits", "mnist") or str(value).endswith(".npz")):
        return value
    raise CourseError(
        f"{source}={shown(value)}은(는) 없는 데이터예요. 쓸 수 있는 값: auto, digits, mnist, 또는 .npz 파일 경로."
    )


def _load_digits():
    return Dataset("digits", **_read(DIGITS_FILE, DIGITS_SHA256))


def mnist_path():
    """MNIST가 있거나 내려받을 자리: 환경 변수 COURSE_MNIST, 없으면 Keras의 캐시."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return Path(os.environ.get("COURSE_MNIST") or home / "datasets" / "mnist.npz")


def _load_mnist(limit=None):
    path = mnist_path()
    if not os.environ.get("COURSE_MNIST") and not path.exists():
        _download_mnist(path, limit)
    return Dataset("mnist", **_read(path, MNIST_SHA256))


def _read(path, sha256=None):
    """.npz 하나를 읽고 검사해 {이름: 배열}로 돌려줘요. 파일은 고치거나 지우지 않아요."""
    import numpy as np

    if not os.path.exists(path):  # Path.exists는 너무 긴 이름에서 예외를 내요
        raise CourseError(f"파일이 없어요: {path}. 경로를 확인하거나 dataset='digits'로 바꿔 보세요.")
    if path.is_dir():
        raise CourseError(f"파일이 아니라 폴더예요: {path}. 폴더 안의 .npz 파일 경로를 적어 주세요.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in KEYS if key not in getattr(archive, "files", ())]
            if missing:
                raise CourseError(f"{path}에 {', '.join(missing)}이(가) 없어요. 배열 {', '.join(KEYS)}이 필요해요.")
            arrays = {key: np.asarray(archive[key]) for key in KEYS}
    except CourseError:
        raise
    except PermissionError as error:
        raise CourseError(f"{path}를 읽을 권한이 없어요. 파일 권한을 확인해 주세요.") from error
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
                f"{path}의 {name} 자료형이 {values.dtype}이에요. 0–{top}의 정수여야 해요. "
                "0–1 실수 그림이라면 (x * 255).round().astype('uint8')로 바꿔 저장해 주세요."
            )
        if values.size and (values.min() < 0 or values.max() > top):
            raise CourseError(f"{path}의 {name} 값이 {values.min()}–{values.max()}이에요. 0–{top} 안이어야 해요.")
    return images.astype(np.uint8), labels.astype(np.uint8)


def _content_hash(arrays):
    """압축 방식과 상관없이, 배열 내용만의 SHA-256."""
    digest = hashlib.sha256()
    for key in KEYS:
        digest.update(arrays[key].tobytes())
    return digest.hexdigest()


def _download_mnist(target, limit):
    """MNIST를 임시 파일로 받아 내용을 확인한 다음에만 `target`에 둬요. limit: 기다릴 최대 초(None이면 끝까지)."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".mnist-", suffix=".npz", delete=False) as file:
            partial = Path(file.name)
            try:
                for chunk in _stream(MNIST_URL, limit):
                    file.write(chunk)
                file.close()
                _check_download(partial)
                os.replace(partial, target)
            finally:
                file.close()
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise CourseError(
            f"MNIST를 내려받지 못했어요({error}). 인터넷과 디스크를 확인하거나, dataset='digits'를 쓰거나, "
            "가지고 있는 mnist.npz의 경로를 환경 변수 COURSE_MNIST에 적어 주세요."
        ) from error


def _check_download(partial):
    try:
        _read(partial, MNIST_SHA256)
    except CourseError as error:
        raise OSError("받은 내용이 MNIST가 아니에요. 로그인이 필요한 네트워크일 수 있어요") from error


def _stream(url, limit):
    """url의 내용을 조각으로. 이름 풀이(DNS)까지 멈춘 네트워크에서도 STALL_SECONDS 안에 포기해요."""
    parts = queue.Queue(maxsize=16)
    threading.Thread(target=_fetch, args=(url, parts), daemon=True).start()
    began, spot, total, received = time.monotonic(), Spot(), 0, 0
    spot.show("MNIST를 내려받아요." + (f" {limit}초 안에 받지 못할 것 같으면 그만둬요." if limit else ""))
    while True:
        try:
            part = parts.get(timeout=STALL_SECONDS)
        except queue.Empty:
            raise TimeoutError(f"{STALL_SECONDS}초 동안 응답이 없어요") from None
        if isinstance(part, Exception):
            code = getattr(part, "code", None)
            raise OSError(f"서버의 답이 {code}이에요" if code else "연결하지 못했거나 끊겼어요") from part
        if isinstance(part, int):
            total = part
        elif part:
            yield part
            shown, received = received, received + len(part)
            if received > MAX_DOWNLOAD:
                raise OSError("받은 내용이 MNIST보다 훨씬 커요")
            if received // 2**20 > shown // 2**20:
                spot.show(f"MNIST 내려받기: {received / 2**20:.0f}/{total / 2**20:.0f} MB")
        elif received < total:
            raise OSError(f"{received / 2**20:.0f}/{total / 2**20:.0f} MB에서 끊겼어요")
        else:
            return
        waited = time.monotonic() - began
        if limit and (waited > limit or (waited > STALL_SECONDS and received * limit < total * waited)):
            raise TimeoutError(f"너무 느려서 {limit}초 안에 끝나지 않아요")


def _fetch(url, parts):
    """작업 스레드: 전체 크기(int), 내용 조각(bytes…), 끝(b"") 또는 예외를 차례로 넣어요."""
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=2 * STALL_SECONDS) as response:  # 기다리는 쪽이 먼저 포기해요
            if response.url.partition(":")[0] != url.partition(":")[0]:
                raise OSError("https가 아닌 곳으로 보내졌어요")
            parts.put(int(response.headers.get("Content-Length") or 0))
            while chunk := response.read1(1 << 16):
                parts.put(chunk)
        parts.put(b"")
    except Exception as error:  # 어떤 실패든 기다리는 쪽에 전해요
        parts.put(error)
