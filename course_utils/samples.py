"""미리 만들어 둔 그림: 다 학습시킨 모델들이 그린 그림과 그 성적을 `data/samples`에서 꺼내요.

학습을 기다리지 않고 견주려는 것이에요. 파일은 `tools/build_samples/`가 레슨의 셀을 그대로 실행해 만들어요.
"""

import json
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_utils.errors import CourseError
from course_utils.files import whole

FOLDER = Path(__file__).resolve().parent.parent / "data" / "samples"


class Samples(NamedTuple):
    """한 모델이 그린 그림들.

    Attributes:
        images: uint8 (N, 28, 28), 0–255.
        facts: {이름: 수나 글, 또는 그 목록}. 학습의 길이와 성적.
    """

    images: np.ndarray
    facts: dict


def load(name, dataset):
    """이름의 그림을 꺼내요.

    Args:
        name: `data/samples/DATASET/NAME.npz`의 NAME. 예: "08_dcgan".
        dataset: "digits" | "mnist". 그 밖의 데이터(내 파일)에는 미리 만들어 둔 그림이 없어요.
    Returns:
        `Samples`. 그 데이터로 만든 것이 없으면 None.
    Raises:
        CourseError: 파일이 있는데 읽을 수 없을 때.
    """
    path = FOLDER / Path(dataset).name / f"{name}.npz"
    if dataset not in ("digits", "mnist") or not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as saved:
            return Samples(saved["images"], json.loads(str(saved["facts"])))
    except Exception as error:  # 망가진 파일이 낼 수 있는 오류는 다 적을 수 없어요
        raise CourseError(
            f"미리 만들어 둔 그림을 읽지 못했어요: {path}({type(error).__name__}). 강의 자료를 다시 내려받아 주세요."
        ) from error


def save(name, dataset, images, **facts):
    """그림과 성적을 `load`가 읽는 파일로 남겨요.

    Args:
        images: (N, 28, 28) 또는 (N, 28, 28, 1), 0–1.
        **facts: JSON으로 적을 수 있는 것.
    Returns:
        파일의 크기(바이트).
    """
    pixels = np.round(255 * np.clip(np.reshape(images, (-1, 28, 28)), 0, 1)).astype(np.uint8)
    path = FOLDER / dataset / f"{name}.npz"
    arrays = {"images": pixels, "facts": np.array(json.dumps(facts, ensure_ascii=False))}
    with whole(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as archive:  # savez_compressed보다 5분의 1 작아요
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w") as part:
                np.lib.format.write_array(part, array, allow_pickle=False)
    return path.stat().st_size
