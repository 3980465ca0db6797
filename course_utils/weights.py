"""미리 학습해 둔 가중치: 저장소의 `data/weights`에 든 작은 파일을 모델에 옮겨 담아요. 파일은 `tools/build_weights.py`가 만들어요."""

import json
from itertools import zip_longest
from pathlib import Path

import numpy as np

from course_utils.errors import CourseError
from course_utils.files import whole

FOLDER = Path(__file__).resolve().parent.parent / "data" / "weights"


def load(model, name):
    """이름의 가중치를 모델에 담고, 그것을 배울 때의 기록을 돌려줘요.

    Args:
        model: build를 마친 Keras 모델. 가중치의 모양과 순서가 파일과 같아야 해요.
        name: `data/weights/NAME.npz`의 NAME.
    Returns:
        {이름: 에폭마다의 값 목록}.
    Raises:
        CourseError: 파일이 없거나 읽을 수 없거나, 모델과 모양이 다를 때.
    """
    path = FOLDER / f"{name}.npz"
    try:
        with np.load(path, allow_pickle=False) as saved:
            arrays = [_expand(saved[f"arr_{i}"], saved.get(f"scale_{i}")) for i in range(int(saved["count"]))]
            history = {key: list(map(float, values)) for key, values in json.loads(str(saved["history"])).items()}
    except Exception as error:  # 망가진 파일이 낼 수 있는 오류는 다 적을 수 없어요
        raise CourseError(
            f"미리 학습해 둔 가중치를 읽지 못했어요: {path}({type(error).__name__}). "
            "강의 자료를 다시 내려받아 주세요."
        ) from error
    shapes, wanted = [array.shape for array in arrays], [tuple(variable.shape) for variable in model.weights]
    if shapes != wanted:
        one, other = next((a, b) for a, b in zip_longest(shapes, wanted) if a != b)
        raise CourseError(
            f"{path.name}의 가중치는 이 모델과 모양이 달라요(파일 {one}, 모델 {other}). "
            "모델을 바꿨다면 pretrained = False로 직접 배워 주세요."
        )
    model.set_weights(arrays)
    return history


def save(model, name, history, half=False):
    """모델의 가중치를 `load`가 읽는 파일로 남겨요. 2차원 이상의 배열은 마지막 축마다 눈금을 둔 8비트 정수로 줄여요.

    Args:
        model: Keras 모델.
        name: 파일 이름(확장자 없이).
        history: {이름: 에폭마다의 값}.
        half: True면 8비트 정수 대신 모두 16비트 실수로. 두 배 크지만 거의 잃지 않아요.
    Returns:
        파일의 크기(바이트).
    """
    arrays = {}
    for i, weight in enumerate(model.get_weights()):
        if half or weight.ndim < 2:
            arrays[f"arr_{i}"] = weight.astype(np.float16 if half else np.float32)
            continue
        scale = np.abs(weight).max(axis=tuple(range(weight.ndim - 1)), keepdims=True) / 127
        scale = np.where(scale == 0, 1, scale).astype(np.float32)
        arrays[f"arr_{i}"], arrays[f"scale_{i}"] = np.round(weight / scale).astype(np.int8), scale
    record = json.dumps({key: [float(f"{value:.5g}") for value in values] for key, values in history.items()})
    path = FOLDER / f"{name}.npz"
    with whole(path) as file:
        np.savez_compressed(file, **arrays, count=np.array(len(model.weights)), history=np.array(record))
    return path.stat().st_size


def _expand(array, scale):
    return array.astype(np.float32) if scale is None else array * scale
