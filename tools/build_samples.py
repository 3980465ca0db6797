"""data/samples 를 만들어요: 레슨을 처음부터 끝까지 실행하고, 그 레슨의 `samples`(0–1의 그림)와 기록한 지표를 저장해요.

실행: COURSE_MNIST=/경로/mnist.npz python -m tools.build_samples 이름…   (이름이 없으면 전부)
digits는 quick으로 학습시키고, MNIST는 미리 학습해 둔 가중치가 있으면 그것을 써요. CPU 두 코어에서 하나에 1–10분.
"""

import os
import sys

import nbclient
import nbformat
import numpy as np

import course_utils
from course_utils import data, samples, training
from course_utils.lessons import NOTEBOOKS, load_cells, tagged

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


def autoencoder_03(dataset, steps=10_000):
    """03의 도착지: 시험 그림 열 장과 그 재구성, 열 장의 값 3개(points), 학습 그림들의 값 3개(cloud)와 숫자(labels)."""
    run = course_utils.start("full", dataset, 42, minutes=(1, 1, 1))
    lesson, digits = load_cells("03_autoencoder", "scale", "mlp", "pair"), data.load(dataset)
    keras = lesson["keras"]
    encoder, decoder, autoencoder = lesson["build_autoencoder"]()
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    autoencoder.compile(keras.optimizers.Adam(rate), loss="mse", jit_compile=True)
    training.fit(
        autoencoder, digits.x_train, 128, steps // 100, run=run, name="03-goal",
        steps_per_epoch=100, prepare=lesson["to_pair"], augment=dataset == "digits",
    )  # fmt: skip
    ten = lesson["scale"](digits.x_test[[np.flatnonzero(digits.y_test == digit)[1] for digit in range(10)]])
    points, cloud = (encoder.predict(x, verbose=0) for x in (ten, lesson["scale"](digits.x_train[:1_000])))
    pictures = lesson["unscale"](np.concatenate([ten, decoder.predict(points, verbose=0)]))
    facts = {"points": points.round(2).tolist(), "cloud": cloud.round(2).tolist()}
    size = samples.save("03_autoencoder", dataset, pictures, labels=digits.y_train[:1_000].tolist(), steps=steps, **facts)
    print(f"{dataset}/03_autoencoder({size:,}바이트)")


if __name__ == "__main__":
    for name in sys.argv[1:] or ["03_autoencoder", *BUILDS]:
        for dataset in ("digits", "mnist"):
            autoencoder_03(dataset) if name == "03_autoencoder" else build(name, dataset)
