"""data/samples 를 만들어요: 레슨을 처음부터 끝까지 실행하고, 그 레슨의 `samples`(0–1의 그림)와 기록한 지표를 저장해요.

실행: COURSE_MNIST=/경로/mnist.npz python -m tools.build_samples 이름…   (이름이 없으면 전부)
digits는 quick으로 학습시키고, MNIST는 미리 학습해 둔 가중치가 있으면 그것을 써요. CPU 두 코어에서 하나에 1–10분.
"""

import os
import sys

import nbclient
import nbformat

from course_utils import samples
from course_utils.lessons import NOTEBOOKS, tagged

KEPT = 1_000  # 파일 하나에 두는 그림의 수
BUILDS = {  # 저장할 이름: (노트북, {매개변수: 값})
    "05_vae": ("05_vae", {}),
    "06_gan": ("06_gan", {}),
    "08_dcgan": ("08_dcgan", {}),
    "09_wgan": ("09_wgan", {}),
}
SAVE = """
from tools.build_samples import keep
keep({name!r}, run, samples)
"""


def build(name, dataset):
    """레슨 하나를 그 데이터로 실행해 그림을 저장해요."""
    lesson, parameters = BUILDS[name]
    notebook = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4)
    (cell,) = tagged(notebook, "parameters")
    if dataset == "mnist" and "pretrained" in cell.source:
        parameters = {**parameters, "pretrained": True}
    chosen = {"profile": "quick", "dataset": dataset, **parameters}
    cell.source += "".join(f"\n{key} = {value!r}" for key, value in chosen.items())
    notebook.cells.append(nbformat.v4.new_code_cell(SAVE.format(name=name)))
    os.environ["COURSE_STATIC"] = "1"
    nbclient.execute(notebook, cwd=NOTEBOOKS, timeout=None)
    print(notebook.cells[-1].outputs[0].text, end="")


def keep(name, run, images):
    """(노트북 안에서) 그림 KEPT장과 기록한 지표를 저장해요."""
    size = samples.save(name, run.dataset, images[:KEPT], **run.metrics)
    print(f"{run.dataset}/{name}({size:,}바이트): {run.metrics}")


if __name__ == "__main__":
    for name in sys.argv[1:] or BUILDS:
        for dataset in ("digits", "mnist"):
            build(name, dataset)
