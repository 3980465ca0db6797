"""Colab처럼 해 보기: `.ipynb` 하나만 있는 빈 폴더에서, 환경 준비 셀이 강의를 가져와 끝까지 실행해요(`make colab-test`).

Colab의 버전이 든 환경의 파이썬으로 불러요. 진짜 Colab과 다른 것은 `google.colab`(빈 대역)과, 저장소의 주소를
이 폴더의 복사본으로 돌리는 git 설정뿐이에요. 슬라이더도 모두 한 번씩 움직여 봐요.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from datetime import datetime
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
SETUP_SECONDS = 20
STUB = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"
MOVE = """import ipywidgets
controls = [w for w in ipywidgets.Widget.widgets.values() if isinstance(w, (
    ipywidgets.IntSlider, ipywidgets.FloatSlider, ipywidgets.Dropdown))]
for control in controls:
    control.value = control.options[-1] if hasattr(control, "options") else control.max
print(len(controls))"""


def repository(folder):
    """지금 파일들(아직 commit 하지 않은 것도)로 만든 git 저장소의 file:// 주소."""
    listed = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    who = ["-c", "user.name=course", "-c", "user.email=course@example.org"]
    for command in (["init", "--quiet"], ["add", "--all"], [*who, "commit", "--quiet", "-m", "강의"]):
        subprocess.run(["git", "-C", folder, *command], check=True)
    return folder.as_uri()


def environment(folder, address):
    """Colab의 커널이 물려받을 환경: 대역, 저장소의 주소, 빈 집 폴더."""
    startup = folder / "ipython/profile_default/startup"
    startup.mkdir(parents=True)
    (startup / "00-colab.py").write_text(STUB)
    (folder / "gitconfig").write_text(f'[url "{address}"]\n\tinsteadOf = {REPOSITORY}\n')
    (folder / "home").mkdir()
    return os.environ | {
        "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        "IPYTHONDIR": str(folder / "ipython"),
        "HOME": str(folder / "home"),
        "PYTHONPATH": "",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # 디버거의 영어 안내문
    }


def rehearse(notebook, folder, env):
    """노트북 하나를 끝까지 실행해 (환경 준비 셀의 초, 움직인 슬라이더의 수, 문제들)을 돌려줘요."""
    import nbformat

    content = folder / "content" / notebook.name
    content.parent.mkdir()
    lesson = nbformat.read(notebook, as_version=4)
    lesson.cells.append(nbformat.v4.new_code_cell(MOVE))
    nbformat.write(lesson, content)
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", "--log-level=ERROR"]
    command.append("--ExecutePreprocessor.timeout=120")  # 옛 jupyter_client는 이미 온 대답을 드물게 못 보고, 제한 시간에 다시 봐요
    done = subprocess.run([*command, content], env=env, stderr=subprocess.PIPE, text=True, timeout=1800)
    if done.returncode:
        return 0, 0, [done.stderr[-1500:]]
    lesson = nbformat.read(content, as_version=4)
    said = [(i, o) for i, cell in enumerate(lesson.cells) for o in cell.get("outputs", ()) if o.get("name") == "stderr"]
    problems = [f"셀 {i}의 stderr: {output.text[:200].strip()}" for i, output in said]
    states = lesson.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    drawn = [o for state in states.values() for o in state["state"].get("outputs", ())]
    problems += [f"슬라이더: {o['evalue']}" for o in drawn if o["output_type"] == "error"]
    moved = int(lesson.cells[-1].outputs[0].text)
    if moved and not any("image/png" in o.get("data", {}) for o in drawn):
        problems.append("슬라이더를 움직여도 그림이 나오지 않아요")
    when = lesson.cells[1].metadata.execution
    began, ended = (datetime.fromisoformat(when[f"iopub.status.{state}"]) for state in ("busy", "idle"))
    return (ended - began).total_seconds(), moved, problems


def versions():
    """{배포판의 이름: 버전}."""
    return {re.sub(r"[-_.]+", "-", found.name).lower(): found.version for found in metadata.distributions()}


def main(notebooks):
    pins = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "tests/colab-constraints.txt").read_text("utf-8"), re.M)
    before, failed = versions(), 0
    wanted = {name.replace("_", "-"): pin for name, pin in pins}
    wrong = {name: before.get(name) for name, pin in wanted.items() if before.get(name) != pin}
    extra = sorted({"generative-models-ko", "koreanize-matplotlib"} & set(before))
    if wrong or extra:
        sys.exit(
            f"Colab의 새 환경이 아니에요. make clean 다음에 make colab-test로 실행해 주세요. 다른 것: {wrong or extra}"
        )
    print(f"Python {sys.version.split()[0]} · 고정한 배포판 {len(pins)}개", flush=True)
    for notebook in notebooks:
        with tempfile.TemporaryDirectory() as name:
            folder, began = Path(name), time.monotonic()
            env = environment(folder, repository(folder / "repository"))
            seconds, moved, problems = rehearse(notebook, folder, env)
        changed = {item for item in versions().items() ^ before.items() if item[0] != "koreanize-matplotlib"}
        problems += [f"바뀐 배포판: {changed}"] if changed else []
        problems += [f"환경 준비가 {SETUP_SECONDS}초를 넘었어요"] if seconds > SETUP_SECONDS else []
        total = time.monotonic() - began
        print(
            f"{notebook.stem}: 환경 준비 {seconds:.1f}초, 모두 {total:.0f}초, 슬라이더 {moved}개", *problems, sep="\n  "
        )
        sys.stdout.flush()
        failed += bool(problems)
        uninstall = [sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes", "koreanize-matplotlib"]
        subprocess.run(uninstall, check=True)
    return int(failed > 0)


if __name__ == "__main__":
    os.environ.setdefault("COURSE_PROFILE", "smoke")
    os.environ.setdefault("COURSE_DATASET", "digits")
    sys.exit(main([Path(path) for path in sys.argv[1:]] or sorted((ROOT / "notebooks").glob("*.ipynb"))))
