"""Keras를 TensorFlow 백엔드로, 강의가 기대는 설정으로, 조용히 불러와요: `from course_utils.backend import keras, tf`.

TensorFlow가 C++에서 쓰는 영어 안내문은 환경 변수로 다 꺼지지 않아서, 처음 불러오는 동안만 stderr를 막아요.
"""

import contextlib
import os
import sys
from importlib import metadata

from course_utils.errors import CourseError


@contextlib.contextmanager
def _silenced_stderr():
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _load():
    if int(metadata.version("keras").partition(".")[0]) < 3:
        raise CourseError(
            f"Keras {metadata.version('keras')}이(가) 설치되어 있어요. 강의에는 Keras 3가 필요해요. "
            '터미널에서 pip install "keras>=3.13"을 실행하고 커널을 다시 시작해 주세요.'
        )
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow는 새 CPU(AVX-512 VNNI)에서만 oneDNN을 켜요. 옛 CPU에서도 합성곱이 1.3–2배 빨라요
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with _silenced_stderr():
        import keras

        keras.config.set_image_data_format("channels_last")  # ~/.keras/keras.json이 바꿔 두었을 수 있어요
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
        keras.ops.zeros(1)
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")
        # Colab의 TensorFlow 2.20에서 합성곱 GAN의 그래프를 고치다 실패하며 영어 오류를 남겨요. 꺼도 빠르기는 같아요
        tf.config.optimizer.set_experimental_options({"remapping": False})
        tf.function(lambda: tf.zeros(1) + 1, jit_compile=True)()  # XLA의 첫 안내문도 여기서
    if keras.backend.backend() != "tensorflow":
        raise CourseError(
            f"Keras가 이미 {keras.backend.backend()} 백엔드로 불려 있어요. 커널을 다시 시작하고 첫 셀부터 실행해 주세요."
        )
    return keras, tf


keras, tf = _load()
