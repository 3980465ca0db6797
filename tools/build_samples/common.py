"""data/samples를 만드는 프로그램들이 함께 쓰는 것."""

import numpy as np

from course_utils import lessons, samples

KEPT = 1_000  # 파일 하나에 두는 그림의 수
SEED = 42


def coarse(images, levels=17):
    """0–1의 그림을 levels단계로(digits의 원본도 17단계예요). 파일이 3분의 1까지 작아지고, FID는 거의 그대로예요."""
    return np.round((levels - 1) * np.clip(images, 0, 1)) / (levels - 1)


def quick(notebook):
    """노트북의 quick 프로파일의 값들: {이름: 값}."""
    return {name: row[1] for name, row in lessons.read(lessons.NOTEBOOKS / f"{notebook}.ipynb").table.items()}


def keep(file, run, images, **more):
    """(노트북 안에서) 그림 KEPT장과 기록한 지표, 더 적어 둘 것을 저장해요."""
    images = np.reshape(images, (-1, 28, 28))[:KEPT]
    more = {name: np.asarray(values).tolist() for name, values in more.items()}
    size = samples.save(file, run.dataset, images, **run.metrics, **more)
    print(f"{run.dataset}/{file}: {size:,}바이트, {run.metrics}")


def times_floor(cells, images):
    parts = np.split(images[: cells["rounds"] * cells["evaluator"].count], cells["rounds"])
    return round(float(np.mean([cells["evaluator"](part)["times_floor"] for part in parts])), 3)


def gather(rows, row):
    """시드마다의 성적을 이름마다 모아요."""
    for name, value in row.items():
        rows.setdefault(name, []).append(round(float(value), 4 if abs(value) < 0.1 else 3))
    return {name: values[-1] for name, values in rows.items()}
