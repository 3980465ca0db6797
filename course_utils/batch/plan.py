"""계획: 레슨 × 매개변수 × 시드를 일의 목록으로 펼쳐요. 무엇이든 시작하기 전에 모두 검사해요."""

import contextlib
import functools
import glob
import hashlib
import io
import itertools
import json
import math
import os
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

from course_utils import data, lessons, runtime
from course_utils.errors import CourseError, hide_secrets, reason, shown

MAX_JOBS = 100_000
PLAN_KEYS = {"lessons": list, "profile": str, "parameters": dict, "grid": dict, "seeds": None, "skip_inapplicable": bool}
KINDS = {bool: "참거짓(true, false)이어야", int: "정수여야", float: "수여야", str: "글이어야", list: "목록이어야"}
PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Job:
    """한 번의 실행. id는 파일의 이름이기도 하고, digest는 노트북·매개변수·도우미·데이터·Keras 버전으로 정해지는 내용의 이름이에요."""

    id: str
    lesson: str
    parameters: dict
    digest: str


@dataclass(frozen=True)
class Plan:
    lessons: dict  # 이름 → lessons.Lesson
    jobs: list
    skipped: dict  # 레슨의 이름 → 그 레슨에 없는 매개변수들

    def seconds(self, job):
        """노트북에 적힌, 걸릴 초. 적혀 있지 않으면 1분으로 봐요."""
        minutes, profile = self.lessons[job.lesson].minutes, job.parameters.get("profile")
        return 60 * (minutes[runtime.PROFILES.index(profile)] if minutes and profile in runtime.PROFILES else 1)


def build(spec):
    """계획(dict)을 검사하고 일의 목록으로 펼쳐요.

    Args:
        spec: lessons(노트북 경로, * 가능), skip_inapplicable과, `chosen`이 준 parameters, grid, auto.
    Returns:
        `Plan`. 같은 일은 한 번만 들어 있어요.
    Raises:
        CourseError: 없는 노트북, 노트북에 넣을 수 없는 매개변수, 형이나 레슨의 규칙에 맞지 않는 값.
    """
    found = {lesson.name: lesson for lesson in map(lessons.read, expand(spec["lessons"]))}
    asked = spec["parameters"] | spec["grid"]
    jobs, skipped, total = {}, {}, 0
    hashed = functools.cache(lambda path: _hash_files([path]))  # 내 데이터는 한 번만 읽어요
    for lesson in found.values():
        missing = sorted(set(asked) - set(lesson.parameters))
        if missing and not spec["skip_inapplicable"]:
            raise CourseError(
                f"{lesson.name}에는 매개변수 {', '.join(missing)}이(가) 없어요. 있는 것: {', '.join(lesson.parameters) or '없음'}. "
                "이름을 고치거나, 이런 레슨을 건너뛰려면 --skip-inapplicable을 붙이세요."
            )
        if missing:
            skipped[lesson.name] = missing
            continue
        auto = {name: value for name, value in spec["auto"].items() if name in lesson.parameters and name not in asked}
        fixed = {name: _checked(lesson, name, value) for name, value in (auto | spec["parameters"]).items()}
        axes = {name: [_checked(lesson, name, v) for v in values] for name, values in spec["grid"].items()}
        total += math.prod(map(len, axes.values()))
        if total > MAX_JOBS:
            raise CourseError(f"일이 {total:,}개나 돼요. 격자나 시드를 줄여 {MAX_JOBS:,}개 이하로 나눠 주세요.")
        _check_kept(lesson, fixed | axes)
        _ask_lesson(lesson, fixed, axes)
        content = _digest([[c.cell_type, c.source, c.metadata.get("tags", [])] for c in lesson.notebook.cells])
        for values in itertools.product(*axes.values()):
            varied = dict(zip(axes, values, strict=True))
            dataset = str((fixed | varied).get("dataset"))
            whole = [content, fixed | varied, hashed(dataset) if dataset.endswith(".npz") else None, fingerprint()]
            digest = _digest(whole)
            words = "__".join([lesson.name, *(f"{name}={value}" for name, value in varied.items())])
            readable = re.sub(r"[^\w.=+-]+", "-", words).encode()[:150].decode(errors="ignore")
            job = Job(f"{readable}__{digest[:8]}", lesson.name, fixed | varied, digest)
            jobs.setdefault(job.id, job)
    if not jobs:
        raise CourseError("할 일이 없어요. 그 매개변수가 있는 레슨을 하나 이상 적어 주세요.")
    return Plan(found, list(jobs.values()), skipped)


def chosen(*written):
    """적은 값들을 {"parameters": {이름: 값}, "grid": {이름: [값…]}, "auto": {이름: 값}}로.

    auto는 적지 않은 profile과 dataset이에요. 나중에 다시 읽어도 같은 묶음이 되게 지금 정하고, 내려받지는 않아요.

    Args:
        *written: plan.toml이나 명령줄에 적은 {"parameters": [(이름, 값)…], "grid": [(이름, [값…])…]}. 뒤의 것이 먼저예요.
    Raises:
        CourseError: 한곳에 같은 이름을 두 번 적었을 때.
    """
    spec = {"parameters": {}, "grid": {}}
    for part in written:
        counts = Counter(name for key in spec for name, _ in part[key])
        if twice := [name for name, count in counts.items() if count > 1]:
            raise CourseError(f"매개변수 {', '.join(twice)}을(를) 두 번 적었어요. 한 번만 적어 주세요.")
        for key, before in spec.items():
            spec[key] = {name: value for name, value in before.items() if name not in counts} | dict(part[key])
    parameters, auto = spec["parameters"], {}
    for name in ("profile", "dataset"):
        if name not in spec["grid"] and parameters.get(name, "auto") == "auto":
            parameters.pop(name, None)
            auto[name] = _resolved(name, "auto")
    return spec | {"auto": auto}


def read_plan(path):
    """plan.toml을 읽어 lessons, skip_inapplicable과, `chosen`에 줄 것으로. 모르는 열쇠나 꼴이 다른 값은 `CourseError`."""
    try:
        spec = tomllib.loads(Path(path).read_text("utf-8-sig"))
    except OSError as error:
        raise CourseError(f"계획 {path}을(를) 읽지 못했어요({reason(error)}). 경로와 권한을 확인해 주세요.") from error
    except UnicodeDecodeError as error:
        raise CourseError(f"계획 {path}이(가) UTF-8이 아니에요. 편집기에서 UTF-8로 다시 저장해 주세요.") from error
    except (ValueError, RecursionError) as error:
        raise CourseError(f"계획 {path}을(를) 읽지 못했어요({error}). TOML 파일인지 확인해 주세요.") from error
    if unknown := [key for key in spec if key not in PLAN_KEYS]:
        raise CourseError(f"{path}: {', '.join(unknown)}은(는) 모르는 이름이에요. 쓸 수 있는 이름: {', '.join(PLAN_KEYS)}.")
    for key, value in spec.items():
        if PLAN_KEYS[key] not in (None, type(value)):
            raise CourseError(f"{path}: {key}={shown(value)}의 꼴이 달라요. README의 '계획을 파일로'처럼 적어 주세요.")
    notebooks = spec.get("lessons")
    if not notebooks or not all(isinstance(notebook, str) for notebook in notebooks):
        raise CourseError(f'{path}: lessons에 노트북 경로의 목록을 적어 주세요. 예: lessons = ["notebooks/05_vae.ipynb"]')
    for name, given in spec.get("grid", {}).items():
        if not isinstance(given, list) or not given:
            raise CourseError(f"{path}: grid의 {name}={shown(given)}은(는) 목록이어야 해요. 예: {name} = [2, 8]")
    parameters, grid = [*spec.get("parameters", {}).items()], [*spec.get("grid", {}).items()]
    if "profile" in spec:
        parameters.append(("profile", spec["profile"]))
    if "seeds" in spec:
        grid.append(("seed", parse_seeds(spec["seeds"])))
    skip = spec.get("skip_inapplicable", False)
    return {"lessons": notebooks, "skip_inapplicable": skip, "parameters": parameters, "grid": grid}


def parse_value(text):
    """명령줄의 글 하나를 값으로: TOML의 수·참거짓·따옴표 글·목록이면 그것, None은 None, 나머지는 글 그대로."""
    if text == "None":
        return None
    values = _toml_list(text)
    return values[0] if len(values) == 1 and type(values[0]) in KINDS else text


def parse_grid(text):
    """'이름=값,값'을 (이름, [값…])으로."""
    name, equals, given = text.partition("=")
    if not equals or not name or not given.strip(" ,"):
        raise CourseError(
            f"--grid {text}을(를) 읽지 못했어요. 이름=값,값 꼴로 적어 주세요. 예: --grid latent_dim=2,8,16"
        )
    values = _toml_list(given)
    if values and all(type(value) in KINDS for value in values):
        return name, values
    parts = [part.strip() for part in given.split(",")]
    values = [parse_value(part) for part in parts]
    if cut := [part for part in parts if part in values and part.startswith(("'", '"', "[", "{"))]:
        raise CourseError(
            f"--grid {text}에서 {cut[0]}을(를) 읽지 못했어요. 따옴표나 괄호가 있으면 글을 모두 따옴표로 감싸 주세요. "
            """예: --grid 'title="x,y","z"'"""
        )
    return name, values


def parse_seeds(seeds):
    """'0..4', '1,3,5..7', 정수, 목록을 시드의 목록으로."""
    found = []
    for part in (seeds or [""]) if isinstance(seeds, list) else str(seeds).split(","):
        match = re.fullmatch(r"\s*(\d{1,10})(?:\.\.(\d{1,10}))?\s*", str(part), re.ASCII)
        if not match or (match[2] and not 0 <= int(match[2]) - int(match[1]) < MAX_JOBS):
            raise CourseError(f"시드 {shown(seeds)}을(를) 읽지 못했어요. 0..4나 1,3,7처럼 적어 주세요.")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return found


@functools.cache
def fingerprint():
    """노트북 말고도 결과를 정하는 것들: course_utils의 코드(batch는 빼고), 데이터 파일, Keras와 TensorFlow의 버전."""
    code = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != Path(__file__).resolve().parent]
    files = sorted((PACKAGE.parent / "data").rglob("*.npz"))
    found = {"course_utils": _hash_files(code), "data": _hash_files(files)}
    for name in ("keras", "tensorflow"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "없음"
    return found


def expand(patterns):
    """*가 든 경로를 펼쳐요(셸이 펼쳐 주지 않는 Windows에서도 같게)."""
    paths = [path for pattern in patterns for path in sorted(glob.glob(pattern)) or [pattern]]
    for path in paths:
        if not os.path.isfile(path) or not path.endswith(".ipynb"):
            raise CourseError(
                f"노트북이 아니에요: {path}(지금 폴더를 기준으로 찾았어요). notebooks/*.ipynb처럼 있는 노트북을 적어 주세요."
            )
    names = Counter(Path(path).stem for path in set(map(os.path.realpath, paths)))
    if twice := [name for name, count in names.items() if count > 1]:
        raise CourseError(f"이름이 같은 노트북이 여럿이에요: {', '.join(twice)}. 한 묶음에는 하나만 넣어 주세요.")
    return paths


def _checked(lesson, name, value):
    """값의 형을 노트북의 기본값에 맞춰 보고, 노트북에 넣을 값으로. 나머지 규칙은 레슨의 것이에요(`_ask_lesson`)."""
    try:
        if name in ("profile", "dataset"):
            value = _resolved(name, value)
        elif name == "seed":
            runtime.check_seed(value)
    except CourseError as error:
        raise CourseError(f"{lesson.name}: {error}") from error
    default = lesson.parameters[name]
    try:
        if type(default) is float and type(value) is int:
            value = float(value)
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        fits = text.encode() and (default is None or type(value) is type(default))
    except (TypeError, ValueError, OverflowError, RecursionError):  # 날짜, 무한대, 기록할 수 없는 글
        fits = False
    if not fits:
        kind = KINDS.get(type(default), "유한한 수나 글이어야")
        raise CourseError(f"{lesson.name}: {name}={shown(value)}은(는) 쓸 수 없어요. {kind} 해요. 예: {name} = {default!r}")
    if hide_secrets(text) != text:
        raise CourseError(
            f"{lesson.name}: {name}={shown(value)}에 비밀번호나 열쇠가 들어 있어요. 매개변수는 기록과 보고서에 남으니, "
            "비밀은 환경 변수로 주고 노트북에서 os.environ으로 읽어 주세요."
        )
    return value


def _resolved(name, value):
    """profile과 dataset의 auto를 지금 정해요. 묶음 전체가 같은 것을 써요. 아무것도 내려받지 않아요."""
    if name == "profile":
        return runtime.resolve_profile(value, runtime.gpu_name() if value == "auto" else None)
    value = data.resolve_name(value)
    if value not in ("auto", "mnist"):
        return value
    here = os.path.exists(data.mnist_path())
    if not here and os.environ.get("COURSE_MNIST"):
        raise CourseError(
            f"환경 변수 COURSE_MNIST의 파일이 없어요: {data.mnist_path()}. 경로를 고치거나, 저장소에 든 데이터로 하려면 "
            "-p dataset digits를 붙이세요."
        )
    return "mnist" if here or value == "mnist" else "digits"


def _check_kept(lesson, names):
    """다른 셀이 같은 이름에 값을 다시 정하면, 바꿔 넣은 값이 쓰이지 않아요."""
    for name, place in lessons.bound_elsewhere(lesson).items():
        if name in names:
            raise CourseError(
                f"{lesson.name}: 매개변수 {name}의 값을 {place}이 다시 정해서, 넣은 값이 쓰이지 않아요. "
                "그 셀의 이름을 바꾸거나 줄을 지워 주세요."
            )


def _ask_lesson(lesson, fixed, axes):
    """레슨의 settings 셀을 값마다 한 번씩 실행해 봐요. 레슨이 거절하면 그 말 그대로 `CourseError`.

    그 밖의 까닭으로 실행되지 않는 셀은 그냥 두어요. 일이 실행될 때 스스로 말해요.
    """
    code = "\n".join(cell.source for cell in lessons.tagged(lesson.notebook, "settings"))
    first = lesson.parameters | fixed | {name: values[0] for name, values in axes.items()}
    tries = [{}, *({name: value} for name, values in axes.items() for value in values[1:])]
    for values in tries:
        scope = {"__name__": "__main__", "course_utils": SimpleNamespace(start=_start, CourseError=CourseError)}
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, scope | first | values)
        except CourseError as error:
            raise CourseError(f"{lesson.name}: {error}") from error
        except (Exception, SystemExit):
            continue


def _start(profile="quick", dataset="digits", seed=0, *, minutes, checkpoints="auto"):
    """`course_utils.start`처럼 값을 검사하지만 시드도, 그림의 모양도, 화면도 건드리지 않아요."""
    return runtime.Run(profile, dataset, seed, runtime.resolve_checkpoints(checkpoints))


def _digest(content):
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _hash_files(paths):
    """파일들의 내용. 코드는 줄 끝이 Windows의 것이어도 같은 내용이에요."""
    digest = hashlib.sha256()
    for path in map(os.path.expanduser, map(str, paths)):
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise CourseError(f"{path}을(를) 읽지 못했어요({reason(error)}). 경로와 권한을 확인해 주세요.") from error
        content = content.replace(b"\r\n", b"\n") if path.endswith(".py") else content
        digest.update(f"{os.path.basename(path)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _toml_list(text):
    """쉼표로 나열한 TOML의 값들. TOML이 아니면 빈 목록."""
    try:
        read = tomllib.loads(f"values = [{text}]")
    except (ValueError, RecursionError):
        return []
    return read["values"] if list(read) == ["values"] else []
