"""16의 저장해 두는 그림과 성적: 지표를 속이는 그림."""

import numpy as np

from course_utils import data, lessons, metrics, samples
from course_utils.backend import keras
from tools.build_samples.common import KEPT, gather

SEEDS = (42, 1, 2)
FOOL_STEPS, DISTILL_STEPS, PER_DIGIT = 300, 250, 5


def lesson(dataset):
    """16의 셀에서 꺼낸 함수들, 데이터, 재는 장수, 기준이 되는 진짜의 특징, 진짜끼리의 FID."""
    cells, digits = lessons.load_cells("16_evaluation", "inception", "frechet", "kid", "circles", "cas", "fool", "distill"), data.load(dataset)
    everything = np.concatenate([digits.x_train, digits.x_test])
    n = min(KEPT, len(everything) // 2)
    order = np.random.default_rng(0).permutation(len(everything))
    real, other = (metrics.digit_features(everything[part])[0].astype("float64") for part in (order[:n], order[n : 2 * n]))
    return cells, digits, n, real, cells["frechet"](real, other)


def noise(dataset):
    """16의 눈속임 잡음: 재는 장수만큼의 난수 그림을 학습 그림의 특징에 맞춰 고친 것과, 시드마다 잰 성적."""
    cells, digits, n, real, floor = lesson(dataset)
    few = digits.x_train[:5_000]  # 노트북의 사기꾼도 이만큼 써요
    whole = metrics.digit_features(few)[0].astype("float64")
    facts, kept = {}, None
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        chosen = np.random.default_rng(seed).choice(len(few), n, replace=False)
        images, _ = cells["fool"](whole[chosen], whole, FOOL_STEPS, seed)
        features, chances = (found.astype("float64") for found in metrics.digit_features(images))
        row = {"times_floor": cells["frechet"](real, features) / floor, "kid": cells["kid"](real, features) / 1_000, "is": cells["inception_score"](chances)}
        row |= dict(zip(("precision", "recall"), cells["precision_recall"](real, features), strict=True))
        row |= dict(zip(("density", "coverage"), cells["density_coverage"](real, features), strict=True))
        print(dataset, "16_noise", seed, gather(facts, row), flush=True)
        kept = (images, digits.y_train[chosen]) if kept is None else kept
    size = samples.save("16_noise", dataset, kept[0], labels=kept[1].tolist(), seeds=SEEDS, steps=FOOL_STEPS, **facts)
    print(f"{dataset}/16_noise: {size:,}바이트")


def distilled(dataset):
    """16의 증류한 얼룩: 소프트맥스 분류기가 잘 배우도록 고친 난수 그림. 시드마다의 CAS."""
    cells, digits, n, _, _ = lesson(dataset)
    scores, kept = [], None
    test = digits.x_test[:1_000] / np.float32(255), digits.y_test[:1_000]
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        images, labels = cells["distill"](digits.x_train[:20_000] / 255, digits.y_train[:20_000], PER_DIGIT, DISTILL_STEPS, seed)
        scores.append(round(float(cells["accuracy_score"](np.resize(images, (n, 28, 28)), np.resize(labels, n), *test)), 4))
        kept = (images, labels) if kept is None else kept
        print(dataset, "16_distilled", seed, scores[-1], flush=True)
    size = samples.save("16_distilled", dataset, kept[0], labels=kept[1].tolist(), seeds=SEEDS, cas=scores, steps=DISTILL_STEPS)
    print(f"{dataset}/16_distilled: {size:,}바이트")


BUILDERS = {"16_noise": noise, "16_distilled": distilled}
