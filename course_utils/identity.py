"""두 학습이 같은 학습인지: 결과를 정하는 모든 것을 글로 적어 해시 하나로 줄여요."""

import contextlib
import dis
import hashlib
import inspect
import types
import zlib
from functools import partial

import numpy as np

from course_utils.backend import keras
from course_utils.callbacks import optimizers, state

LIBRARIES = ("builtins", "keras", "numpy", "tensorflow", "course_utils")
PLAIN = int | float | str | bytes | np.generic | None
TOLD = (
    PLAIN | list | tuple | dict | np.ndarray | types.FunctionType | types.SimpleNamespace | partial | keras.losses.Loss
)
CHANGING = (  # 만들거나 부를 때마다 달라지는 속성
    "name", "output_names", "input_names", "params", "train_function", "test_function", "predict_function",
)


def identity(model, *things):
    """학습할 모델과 그 밖의 것들을 16진수 열두 자리로. 하나라도 다르면 다른 학습이에요.

    모델은 층과 설정, 최적화기와 손실, 노트북에 적힌 코드, 처음 가중치와 난수의 상태를 봐요. 함수와 클래스는
    바이트코드를, 그것이 부르는 같은 노트북의 함수와 클래스까지 봐요. 주석, 줄의 자리, 자동으로 붙는 이름은
    넣지 않아서, 커널을 다시 켜도 같은 코드면 같은 값이에요.

    Args:
        model: build와 compile을 마친 Keras 모델.
        *things: 수, 글, 배열, 함수, Keras 콜백, 또는 그것들의 목록.
    Returns:
        str, 열두 글자.
    """
    start = [_summary(keras.ops.convert_to_numpy(variable)) for variable in state(model)]
    text = _told((model, optimizers(model), model.loss, model.jit_compile, start, things), {}, set())
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _summary(values):
    """배열의 글. 난수의 마지막 자리는 컴퓨터마다 다를 수 있어서, 실수는 몇 가지 합과 첫 값을 네 자리까지만 봐요."""
    if values.dtype.kind != "f" or not values.size:
        return f"{values.shape} {values.dtype} {zlib.crc32(np.ascontiguousarray(values))}"
    flat = values.astype(np.float64).ravel()
    sums = np.abs(flat).sum(), np.square(flat).sum(), np.abs(flat) @ np.linspace(1, 2, flat.size)  # 셋째는 자리도 봐요
    return f"{values.shape} {values.dtype} {' '.join(f'{value:.4g}' for value in (*sums, flat[0]))}"


def _told(thing, scope, seen):
    """결과를 정하는 값의 글. scope: 함수가 적힌 이름 공간. seen: 이미 적은 함수와 클래스."""
    if isinstance(thing, PLAIN):
        return repr(thing)
    if isinstance(thing, np.ndarray):
        return _summary(thing)
    if isinstance(thing, frozenset):
        return str(sorted(map(repr, thing)))
    if isinstance(thing, types.FunctionType):
        thing = inspect.unwrap(thing)
    if isinstance(thing, types.MethodType):
        thing = thing.__func__
    if isinstance(thing, partial):
        thing = thing.func, thing.args, thing.keywords
    if isinstance(thing, dict | list | tuple):
        parts = thing.items() if isinstance(thing, dict) else thing
    elif isinstance(thing, types.CodeType | types.FunctionType | type):
        if thing in seen or _from_library(thing):
            return getattr(thing, "__qualname__", "")
        seen.add(thing)
        scope = getattr(thing, "__globals__", scope)
        parts = _code(thing, scope)
    else:
        parts = type(thing), _settings(thing)
    return f"({','.join(_told(part, scope, seen) for part in parts)})"


def _code(thing, scope):
    """함수, 바이트코드, 클래스에서 결과를 정하는 것들."""
    if isinstance(thing, types.CodeType):
        used = (scope.get(line.argval) for line in dis.get_instructions(thing) if line.opname == "LOAD_GLOBAL")
        ours = [value for value in used if isinstance(value, TOLD | type)]
        return [thing.co_code.hex(), *thing.co_names, *thing.co_varnames, *thing.co_consts, *ours]
    if isinstance(thing, types.FunctionType):
        cells = []
        for cell in thing.__closure__ or ():
            with contextlib.suppress(ValueError):  # 아직 비어 있는 칸
                cells.append(cell.cell_contents)
        return [thing.__code__, thing.__defaults__, thing.__kwdefaults__, *cells]
    own = [value for name, value in vars(thing).items() if inspect.isroutine(value) or not name.startswith("__")]
    own = [getattr(value, "fget", None) or getattr(value, "__func__", value) for value in own]
    return [*thing.__bases__, *(value for value in own if isinstance(value, PLAIN | types.FunctionType))]


def _settings(thing):
    """층, 모델, 최적화기, 손실, 콜백의 설정과 속성. 만들 때마다 달라지는 이름들은 빼요."""
    if isinstance(thing, keras.Model):
        found = {"layers": thing.layers}
    elif isinstance(thing, keras.layers.Lambda):
        found = {"function": thing.function}
    else:
        found = {}
        with contextlib.suppress(Exception):  # get_config가 없거나 잘못 쓴 것
            found = thing.get_config()
    if isinstance(thing, keras.callbacks.Callback) or not _from_library(type(thing)):
        found |= {key: value for key, value in getattr(thing, "__dict__", {}).items() if isinstance(value, TOLD)}
    return {key: value for key, value in found.items() if not key.startswith("_") and key not in CHANGING}


def _from_library(thing):
    return getattr(thing, "__module__", "").partition(".")[0] in LIBRARIES
