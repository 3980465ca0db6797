"""11의 저장해 두는 그림과 성적: 평면."""

import numpy as np

import course_utils
from course_utils import data, lessons, metrics, samples
from course_utils.backend import keras
from tools.build_samples.common import SEED, quick


def planes(dataset):
    """11의 세 사전 분포 × 세 방법: 시험 이미지의 잠재 벡터와 숫자, 사전 분포의 점, 성적, 새 그림 열 장씩.

    끝의 스무 장은 고리의 WAE가 재구성한 숫자 열 장과 그 원본이에요.
    """
    run, digits = course_utils.start("quick", dataset, SEED, minutes=(1, 1, 1)), data.load(dataset)
    cells = lessons.load_cells("11_aae_wae", "prior", "networks", "vae", "learn", "aae", "wae", "rulers")
    table = quick("11_aae_wae")
    steps = max(table["steps"], table["epochs"] * len(digits.x_train) // 200)
    x_train, x_test = (part[:, ..., None] / np.float32(255) for part in (digits.x_train[:10_000], digits.x_test))
    evaluator = metrics.SampleEvaluator(np.concatenate([digits.x_train, digits.x_test]))
    facts, images = {"labels": digits.y_test[:300].tolist(), "steps": steps}, []
    for key in ("normal", "ring", "swiss"):
        prior = cells["make_prior"](key)
        many = np.asarray(cells["draw_prior"](*prior, 20_000, SEED))
        z = np.asarray(cells["draw_prior"](*prior, evaluator.count, SEED + 1))
        facts[key] = {"prior": np.round(many[:600].astype(float), 2).ravel().tolist(), "scores": {}}
        for name, weight in cells["WEIGHTS"].items():
            keras.utils.set_random_seed(SEED)
            model = cells[name](prior, weight)
            model(x_test[:1])
            cells["learn"](model, digits.x_train, steps, run, f"11-planes-{key}-{name}", x_test[:300])
            z_train, z_test = (cells["codes_of"](model, x) for x in (x_train, x_test))
            rebuilt, drawn = (model.decoder.predict(x, batch_size=1_000, verbose=0) for x in (z_test, z))
            score = {
                "mse": np.mean(np.square(x_test - rebuilt)), "w1_train": cells["sliced_w1"](z_train, many),
                "w1_test": cells["sliced_w1"](z_test, many), "times_floor": evaluator(drawn)["times_floor"],
            }
            facts[key]["scores"][name] = {ruler: round(float(value), 4) for ruler, value in score.items()}
            facts[key][name] = np.round(z_test[:300].astype(float), 2).ravel().tolist()
            images.append(drawn[:10])
            if (key, name) == ("ring", "WAE"):
                ten = [np.flatnonzero(digits.y_test == digit)[0] for digit in range(10)]
                pairs = [rebuilt[ten], x_test[ten]]
            print(dataset, key, name, facts[key]["scores"][name], flush=True)
    size = samples.save("11_planes", dataset, np.concatenate([*images, *pairs]), **facts)
    print(f"{dataset}/11_planes({size:,}바이트)")


BUILDERS = {"11_planes": planes}
