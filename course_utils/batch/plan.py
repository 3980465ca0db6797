"""계획: 레슨 × 매개변수 × 시드를 일의 목록으로 펼쳐요. 무엇이든 시작하기 전에 모두 검사해요."""

import ast
import functools
import glob
import hashlib
import itertools
import json
import math
import operator
import re
import statistics
from collections import Counter
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import yaml

from course_utils import data, runtime
from course_utils.errors import CourseError, shown

MAX_JOBS = 100_000
PLAN_KEYS = ("lessons", "profile", "parameters", "grid", "seeds", "overrides", "skip_inapplicable")
OVERRIDE_KEYS = ("parameters", "grid", "seeds")
LIMITS = {"이상": operator.ge, "이하": operator.le, "초과": operator.gt, "미만": operator.lt}
PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Lesson:
    """노트북 하나에서 읽은 것. notebook은 출력을 뺀 nbformat 사전이에요."""

    name: str
    title: str
    notebook: dict
    defaults: dict  # 매개변수 → 기본값
    table: dict  # 프로파일의 표에 있는 이름 → 세 값
    rules: dict  # 매개변수 → [(글, 검사 함수)]
    minutes: tuple | None  # 프로파일마다 걸린다고 적어 둔 분


@dataclass(frozen=True)
class Job:
    """한 번의 실행. digest는 노트북·매개변수·도우미·데이터·Keras 버전으로 정해지는 내용의 이름이에요."""

    id: str
    lesson: str
    parameters: dict
    digest: str


@dataclass(frozen=True)
class Plan:
    lessons: dict  # 이름 → Lesson
    jobs: list
    skipped: dict  # 레슨의 이름 → 그 레슨에 없는 매개변수들
    duplicates: int


def build(spec):
    """계획(dict)을 검사하고 일의 목록으로 펼쳐요.

    Args:
        spec: `settled`가 준 것. lessons(노트북 경로, * 가능), profile, dataset과, 있으면 parameters, grid, seeds,
            overrides, skip_inapplicable.
    Returns:
        `Plan`. 같은 일은 한 번만 들어 있어요.
    Raises:
        CourseError: 없는 노트북, 노트북에 없는 매개변수, 형이나 규칙에 맞지 않는 값.
    """
    lessons = {lesson.name: lesson for lesson in map(read_lesson, _expand(spec["lessons"]))}
    unknown = set(spec.get("overrides", {})) - set(lessons)
    if unknown:
        raise CourseError(
            f"overrides의 {', '.join(sorted(unknown))}은(는) 이 계획에 없는 레슨이에요. 있는 레슨: {', '.join(lessons)}."
        )
    jobs, skipped, total = {}, {}, 0
    hashed = functools.cache(lambda path: _hash_files([Path(path)]))  # 내 데이터는 한 번만 읽어요
    for lesson in lessons.values():
        fixed, axes = _merged(spec, spec.get("overrides", {}).get(lesson.name, {}))
        missing = sorted((set(fixed) | set(axes)) - set(lesson.defaults))
        if missing and not spec.get("skip_inapplicable"):
            raise CourseError(
                f"{lesson.name}에는 매개변수 {', '.join(missing)}이(가) 없어요. 있는 것: {', '.join(lesson.defaults) or '없음'}. "
                "이름을 고치거나, 이런 레슨을 건너뛰려면 --skip-inapplicable을 붙이세요."
            )
        if missing:
            skipped[lesson.name] = missing
            continue
        common = {name: spec[name] for name in ("profile", "dataset") if name in lesson.defaults and name not in axes}
        fixed = common | fixed
        fixed = {name: _checked(lesson, name, value) for name, value in fixed.items()}
        axes = {name: [_checked(lesson, name, value) for value in values] for name, values in axes.items()}
        total += math.prod(map(len, axes.values()))
        if total > MAX_JOBS:
            raise CourseError(f"일이 {total:,}개나 돼요. 격자나 시드를 줄여 {MAX_JOBS:,}개 이하로 나눠 주세요.")
        content = _content(lesson.notebook)
        for values in itertools.product(*axes.values()):
            varied = dict(zip(axes, values, strict=True))
            dataset = str((fixed | varied).get("dataset"))
            whole = [content, fixed | varied, hashed(dataset) if dataset.endswith(".npz") else None, fingerprint()]
            job = _job(lesson.name, whole, fixed | varied, varied)
            jobs.setdefault(job.id, job)
    if not jobs:
        raise CourseError("할 일이 없어요. 그 매개변수가 있는 레슨을 하나 이상 적어 주세요.")
    return Plan(lessons, list(jobs.values()), skipped, total - len(jobs))


def settled(spec):
    """환경에 따라 달라지는 auto를 지금 정해, 나중에 다시 읽어도 같은 묶음이 되게 해요. 아무것도 내려받지 않아요."""
    profile = spec.get("profile") or "auto"
    return spec | {
        "profile": runtime.resolve_profile(profile, runtime.gpu_name() if profile == "auto" else None),
        "dataset": _dataset("auto"),
    }


def read_plan(path):
    """plan.yaml을 읽어 `build`에 줄 dict로. 모르는 열쇠나 꼴이 다른 값은 `CourseError`."""
    try:
        spec = yaml.load(Path(path).read_text("utf-8"), _Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CourseError(f"계획 {path}을(를) 읽지 못했어요({error}). YAML 파일인지 확인해 주세요.") from error
    _check_keys(path, spec, PLAN_KEYS)
    if not spec.get("lessons") or not isinstance(spec["lessons"], list):
        raise CourseError(f"{path}: lessons에 노트북 경로의 목록을 적어 주세요. 예: lessons: [notebooks/05_vae.ipynb]")
    if not isinstance(spec.get("overrides", {}), dict):
        raise CourseError(f"{path}: overrides는 '레슨 이름: {{parameters, grid, seeds}}'꼴이에요.")
    for name, part in [(None, spec), *spec.get("overrides", {}).items()]:
        where = path if name is None else f"{path}의 overrides.{name}"
        if name is not None:
            _check_keys(where, part, OVERRIDE_KEYS)
        if "seeds" in part:
            part["seeds"] = parse_seeds(part["seeds"])
        for key in ("parameters", "grid"):
            if not isinstance(part.get(key, {}), dict):
                raise CourseError(f"{where}: {key}는 '이름: 값'꼴이어야 해요.")
        for axis, values in part.get("grid", {}).items():
            if not isinstance(values, list) or not values:
                raise CourseError(f"{where}: grid.{axis}={shown(values)}은(는) 목록이어야 해요. 예: {axis}: [2, 8]")
    return spec


def parse_value(text):
    """명령줄의 글 하나를 값으로: 1e-4는 실수, 8은 정수, true는 참, no는 글, None은 None."""
    try:
        value = yaml.load(text, _Loader)
    except yaml.YAMLError:
        return text
    return text if isinstance(value, dict) else value


def parse_grid(text):
    """'이름=값,값'을 (이름, [값…])으로."""
    name, equals, values = text.partition("=")
    parsed = parse_value(f"[{values}]") if values.strip() else None
    if not equals or not name or not isinstance(parsed, list):
        raise CourseError(
            f"--grid {text}을(를) 읽지 못했어요. 이름=값,값 꼴로 적어 주세요. 예: --grid latent_dim=2,8,16"
        )
    return name, parsed


def parse_seeds(seeds):
    """'0..4', '1,3,5..7', 정수, 목록을 시드의 목록으로."""
    found = []
    for part in seeds if isinstance(seeds, list) else str(seeds).split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\.\.(\d+))?\s*", str(part), re.ASCII)
        if not match or (match[2] and not 0 <= int(match[2]) - int(match[1]) < MAX_JOBS):
            raise CourseError(f"시드 {shown(seeds)}을(를) 읽지 못했어요. 0..4나 1,3,7처럼 적어 주세요.")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return found


def estimate(plan, records):
    """일마다 걸릴 초. 같은 조건에서 앞서 걸린 시간, 없으면 같은 프로파일, 없으면 노트북에 적힌 분, 없으면 None.

    Args:
        plan: `Plan`.
        records: 앞선 실행의 기록들.
    Returns:
        {일의 id: 초나 None}.
    """
    seconds = {}
    for record in records:
        parameters = record["parameters"]
        for key in (_alike(record["lesson"], parameters), (record["lesson"], parameters.get("profile"))):
            seconds.setdefault(key, []).append(record["seconds"])
    result = {}
    for job in plan.jobs:
        profile, minutes = job.parameters.get("profile"), plan.lessons[job.lesson].minutes
        earlier = seconds.get(_alike(job.lesson, job.parameters)) or seconds.get((job.lesson, profile))
        written = minutes[runtime.PROFILES.index(profile)] * 60 if minutes and profile in runtime.PROFILES else None
        result[job.id] = statistics.median(earlier) if earlier else written
    return result


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


def read_lesson(path):
    """노트북을 읽어 `Lesson`으로. 읽을 수 없으면 `CourseError`."""
    try:
        return _lesson(Path(path))
    except Exception as error:  # 망가진 노트북이 낼 수 있는 오류는 다 적을 수 없어요
        raise CourseError(
            f"노트북 {path}을(를) 읽지 못했어요({type(error).__name__}). 파일이 온전한지 확인해 주세요."
        ) from error


def _lesson(path):
    notebook = json.loads(path.read_text("utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    defaults, rules, table, minutes = {}, {}, {}, None
    for cell in notebook["cells"]:
        tree = _parse(cell)
        if "parameters" in cell["metadata"].get("tags", ()):
            defaults, rules = _parameters(cell["source"], tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                table |= {name: row for name, row in (_literal(node) or {}).items() if _is_row(row)}
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "start":
                given = {keyword.arg: _literal(keyword.value) for keyword in node.keywords}
                minutes = given["minutes"] if _is_row(given.get("minutes")) else minutes
    texts = (cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    title = next((text.splitlines()[0][2:] for text in texts if text.startswith("# ")), path.stem)
    return Lesson(path.stem, title, notebook, defaults, table, rules, minutes)


class _Loader(yaml.SafeLoader):
    """YAML 1.2의 값 규칙: 1e-4는 실수, no와 2024-01-01은 글, 010은 8이 아니라 10."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern in (
    ("bool", "true|True|TRUE|false|False|FALSE"),
    ("null", "~|null|Null|NULL|None|"),
    ("int", r"[-+]?[0-9][0-9_]*"),
    ("float", r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), None)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(re.sub(r"\.(?=inf|nan)", "", node.value)))


def _expand(patterns):
    """*가 든 경로를 펼쳐요(셸이 펼쳐 주지 않는 Windows에서도 같게)."""
    paths = [path for pattern in map(str, patterns) for path in sorted(glob.glob(pattern)) or [pattern]]
    for path in map(Path, paths):
        if not path.is_file() or path.suffix != ".ipynb":
            raise CourseError(
                f"노트북이 아니에요: {path}(지금 폴더를 기준으로 찾았어요). notebooks/*.ipynb처럼 있는 노트북을 적어 주세요."
            )
    names = Counter(Path(path).stem for path in {Path(path).resolve() for path in paths})
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise CourseError(f"이름이 같은 노트북이 여럿이에요: {', '.join(twice)}. 한 묶음에는 하나만 넣어 주세요.")
    return paths


def _merged(spec, override):
    """묶음 전체의 값에 레슨의 값을 덮어 (하나인 값들, 여럿인 값들)로."""
    fixed, axes = {}, {}
    for part in (spec, override):
        parameters, grid = part.get("parameters", {}), dict(part.get("grid", {}))
        if "seeds" in part:
            grid["seed"] = part["seeds"]
        both = sorted(set(parameters) & set(grid))
        if both:
            raise CourseError(f"매개변수 {', '.join(both)}을(를) 두 번 적었어요. 값 하나와 격자 가운데 하나만 쓰세요.")
        fixed = {name: value for name, value in fixed.items() if name not in grid} | parameters
        axes = {name: values for name, values in axes.items() if name not in parameters} | grid
    return fixed, axes


def _checked(lesson, name, value):
    """값을 검사해 노트북에 넣을 값으로."""
    try:
        if name == "profile":
            return runtime.resolve_profile(value, runtime.gpu_name() if value == "auto" else None)
        if name == "dataset":
            return _dataset(value)
        if name == "seed":
            runtime.check_seed(value)
            return value
    except CourseError as error:
        raise CourseError(f"{lesson.name}: {error}") from error
    default = lesson.defaults[name]
    row = lesson.table.get(name)
    like = row[0] if default is None and row else default
    if value is None and default is None:
        return None
    if type(like) is float and type(value) is int:
        value = float(value)
    if (like is not None and type(value) is not type(like)) or (isinstance(value, float) and not math.isfinite(value)):
        kinds = {bool: "참거짓(true, false)이어야", int: "정수여야", float: "유한한 수여야", str: "글이어야"}
        raise CourseError(
            f"{lesson.name}: {name}={shown(value)}은(는) 쓸 수 없어요. {kinds.get(type(like), '유한한 값이어야')} 해요. 예: {name}={like}"
        )
    most = runtime.MOST * row[2] if row else None
    rules = (
        [("0 초과인 값", lambda v: v > 0), (f"{most:,} 이하인 값", lambda v: v <= most)]
        if default is None and row
        else []
    )
    for text, holds in rules + lesson.rules.get(name, []):
        if not holds(value):
            raise CourseError(
                f"{lesson.name}: {name}={shown(value)}은(는) 쓸 수 없어요. {text}이어야 해요. 노트북의 매개변수 셀을 보세요."
            )
    return value


def _dataset(value):
    """데이터의 이름을 검사해요. auto는 묶음 전체가 같은 데이터를 쓰게 여기서 정해요(내려받지 않아요)."""
    value = data.resolve_name(value)
    if value == "auto":
        value = "mnist" if data.mnist_path().exists() else "digits"
    if value not in ("digits", "mnist") and not Path(value).is_file():
        raise CourseError(f"dataset={shown(value)} 파일이 없어요. 경로를 확인하거나 digits, mnist를 쓰세요.")
    return value


def _job(lesson, whole, parameters, varied):
    """결과를 정하는 모든 것(whole)의 해시와, 파일 이름에 쓸 수 있고 사람이 읽는 id를 붙여요."""
    digest = hashlib.sha256(json.dumps(whole, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
    shown = "__".join([lesson, *(f"{name}={value}" for name, value in varied.items())])
    readable = re.sub(r"[^\w.=+-]+", "-", shown).encode()[:150].decode(errors="ignore")
    return Job(f"{readable}__{digest[:8]}", lesson, parameters, digest)


def _content(notebook):
    """출력과 실행 흔적을 뺀, 결과를 정하는 부분."""
    return [[cell["cell_type"], cell["source"], cell["metadata"].get("tags", [])] for cell in notebook["cells"]]


def _hash_files(paths):
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _alike(lesson, parameters):
    """시드만 다른 일은 걸리는 시간이 같다고 봐요."""
    return lesson, json.dumps({name: v for name, v in parameters.items() if name != "seed"}, sort_keys=True)


def _check_keys(where, part, keys):
    if not isinstance(part, dict):
        raise CourseError(f"{where}: '이름: 값'꼴이어야 해요. 쓸 수 있는 이름: {', '.join(keys)}.")
    unknown = [str(key) for key in part if key not in keys]
    if unknown:
        raise CourseError(f"{where}: {', '.join(unknown)}은(는) 모르는 이름이에요. 쓸 수 있는 이름: {', '.join(keys)}.")


def _parse(cell):
    try:
        return ast.parse(cell["source"] if cell["cell_type"] == "code" else "")
    except SyntaxError:  # %명령이나 !명령이 든 셀
        return ast.parse("")


def _parameters(source, tree):
    """매개변수 셀의 기본값들과, 주석의 괄호 안에 적힌 규칙들. 예: n = 5  # 던지는 수(2 이상)"""
    defaults, rules, lines = {}, {}, source.splitlines()
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            name = targets[0].id if isinstance(targets[0], ast.Name) else None
            defaults[name] = _literal(node.value)
            comment = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
            rules[name] = [rule for note in re.findall(r"\(([^)]*)\)", comment) for rule in _rules(note)]
    return defaults, rules


def _rules(note):
    for bound, word in re.findall(r"(-?\d[\d_.]*) ?(이상|이하|초과|미만)", note):
        yield f"{bound} {word}인 값", functools.partial(_within, LIMITS[word], float(bound))
    for other in re.findall(r"(\S+?)[이가] 아닌", note):
        yield f"{other}이(가) 아닌 값", functools.partial(operator.ne, parse_value(other))


def _within(holds, bound, value):
    return isinstance(value, int | float) and holds(value, bound)


def _literal(node):
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None


def _is_row(value):
    return isinstance(value, tuple) and len(value) == 3 and all(type(item) in (int, float) for item in value)
