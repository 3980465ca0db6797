"""14의 저장해 두는 그림과 성적: 복원의 견줄 것들."""

import numpy as np

import course_utils
from course_utils import data, lessons, metrics, samples
from course_utils.backend import keras
from tools.build_samples.common import KEPT, SEED, coarse, quick

SEEDS = (42, 1, 2)
HOLE_MORE = 1_600  # L2에서 이어 더 배우는 스텝 수와, 'L2 + 적대'에서 L2의 무게. 학습 데이터의 일부를 떼어 다른 시드로 골랐어요
HOLE_WEIGHT = 500.0
ABLATION_STEPS = 1_000
ABLATION = {"셋 다": {}, "마스크 빼고": {"mask_weight": 0.0}, "겉모습 빼고": {"look_weight": 0.0}, "적대 빼고": {}, "적대 빼고, 그림 전체를 L2로": {}}


def lesson(dataset, seed):
    """14의 셀에서 꺼낸 함수들(시험 그림과 그 시드의 실행을 담아서), 시험 그림, 숫자마다 첫 그림의 번호, quick의 스텝 수."""
    digits = data.load(dataset)
    tags = ("from-08", "networks", "restorer", "train", "many", "measure", "parts", "puzzle-networks", "puzzle", "puzzle-measure")
    cells = lessons.load_cells("14_patches_restoration", *tags)
    truth = digits.x_test[:2_000] / np.float32(255)
    cells |= {"digits": digits, "truth": truth, "seed": seed, "pretrained": False}
    cells["train_features"] = metrics.digit_features(digits.x_train[:20_000])[0]
    cells["jitter"] = 1 / 28 if len(digits.x_train) < 10_000 else 0.0  # D가 보는 그림을 옮기는 폭
    cells["run"] = course_utils.start("quick", dataset, seed, minutes=(1, 1, 1))
    ten = np.array([np.flatnonzero(digits.y_test[:2_000] == digit)[0] for digit in range(10)])
    keras.utils.set_random_seed(seed)
    return cells, truth, ten, quick("14_patches_restoration")


def hole(dataset, seed):
    """14의 구멍을 L2로 메우는 모델과, 거기서 이어 HOLE_MORE스텝을 L2로, 또 D를 더해 배운 것.

    이름마다 성적, 그림(숫자마다 첫 장을 두 번 메운 것), 메운 시험 그림.
    """
    cells, truth, ten, steps = lesson(dataset, seed)
    holed, box = (2 * truth[..., None] - 1) * (1 - cells["HOLE"]), slice(7, 21)
    network, found = cells["hole_generator"](), {}
    start = network.get_weights()
    for name, judge, weight in (("L2", None, 40.0), ("L2 더", None, 40.0), ("L2 + 적대", cells["discriminator"](cells["jitter"]), HOLE_WEIGHT)):
        network.set_weights(start)
        model = cells["HoleFiller"](network, judge, weight)
        model([holed[:1], np.zeros((1, 16), "float32")])
        more = HOLE_MORE if found else steps["hole_steps"]
        cells["train"](model, cells["shifted"](cells["digits"].x_train), f"14-hole-{name}", more)
        many = np.stack([cells["fill"](model, holed, k) for k in range(1, 5)])
        row = {
            "mse": cells["mse"](many, box), "fid": np.mean([cells["fid"](images) for images in many]),
            "kept": cells["kept"](many[0]), "spread": many.var(axis=0, ddof=1)[:, box, box].mean(),
        }
        found[name] = row, np.concatenate([many[0][ten], many[1][ten]]), many[0]
        if name == "L2":
            start = model.average.get_weights()
    return found


def puzzle(dataset, seed, kind, steps=None):
    """14의 Puzzle-GAN에서 손실을 바꿔요. 성적, 그림(숫자마다 첫 장), 복원한 시험 그림.

    kind는 ABLATION의 이름이고, 그 첫 둘은 그림 뒤에 마스크를 붙여요. steps가 없으면 quick의 스텝 수예요(도착지의 그림).
    """
    cells, truth, ten, table = lesson(dataset, seed)
    parts, corners, masks = (np.asarray(part) for part in cells["find_parts"](2 * truth[..., None] - 1))

    class WholePuzzle(cells["PuzzleGAN"]):
        """겉모습을 마스크 안의 L1이 아니라 그림 전체의 L2로."""

        def distance(self, x, made, evidence):
            image, logit = made
            return self.mask_weight * self.bce(evidence[1], logit) + cells["Restorer"].distance(self, x, image, evidence)

    network = cells["puzzle_generator"]()  # 노트북처럼 생성자를 먼저
    judge = cells["discriminator"](cells["jitter"]) if "적대" not in kind else None
    shake = cells["shaker"]() if cells["jitter"] else None
    model = (WholePuzzle if "전체" in kind else cells["PuzzleGAN"])(network, judge, shake, **ABLATION[kind])
    model(parts[:1])
    cells["train"](model, cells["digits"].x_train, f"14-puzzle-{kind}", steps or table["puzzle_steps"])
    image, mask = cells["solve"](model, parts)
    row = {
        "iou": cells["overlap"](mask, masks[..., 0]).mean(), "offset": cells["offsets"](image, parts, corners).mean(),
        "kept": cells["kept"](image), "fid": cells["fid"](image),
    }
    pictures = [image[ten], mask[ten]] if kind in list(ABLATION)[:2] else [image[ten]]
    if steps is None:  # 도착지의 그림
        pictures = [cells["scattered"](parts[ten]), mask[ten], truth[ten], image[ten]]
    return row, np.concatenate(pictures), image


def rounded(row):
    return {key: float(f"{value:.4g}") for key, value in row.items()}


def save_seeds(dataset, name, every, steps):
    """시드마다의 {이름: (성적, 그림, 복원)}에서, 성적 모두와 첫 시드의 그림을 저장해요."""
    facts = {"names": list(every[0]), "seeds": SEEDS, "steps": steps}
    for kind in every[0]:
        rows = [rounded(found[kind][0]) for found in every]
        facts[kind] = {key: [row[key] for row in rows] for key in rows[0]}
        print(dataset, name, kind, facts[kind], flush=True)
    samples.save(name, dataset, coarse(np.concatenate([pictures for _, pictures, _ in every[0].values()])), **facts)


def save_restored(dataset, name, row, images):
    """시험 그림의 복원을 KEPT장까지, 원본의 숫자와 함께 저장해요(모델이 학습하지 않은 그림들이에요)."""
    labels = data.load(dataset).y_test[: len(images)][:KEPT].tolist()
    size = samples.save(name, dataset, coarse(images[:KEPT]), labels=labels, **rounded(row))
    print(f"{dataset}/{name}: {size:,}바이트 {rounded(row)}", flush=True)


def hole_plane(dataset):
    """14의 왜곡–지각 평면에서 구멍의 점들. 'L2 + 적대'로 메운 시험 그림은 14_hole에도 저장해요."""
    every = [hole(dataset, seed) for seed in SEEDS]
    save_seeds(dataset, "14_hole_plane", every, HOLE_MORE)
    row, _, images = every[0]["L2 + 적대"]
    save_restored(dataset, "14_hole", row, images)


def ablation(dataset):
    """14의 Puzzle-GAN과, 손실을 하나씩 빼거나 바꾼 것. 시드마다 ABLATION_STEPS스텝씩."""
    every = [{kind: puzzle(dataset, seed, kind, ABLATION_STEPS) for kind in ABLATION} for seed in SEEDS]
    save_seeds(dataset, "14_ablation", every, ABLATION_STEPS)


def goal(dataset):
    """14의 도착지: 노트북과 같은 Puzzle-GAN의 그림. 복원한 시험 그림은 14_puzzle에 저장해요."""
    row, pictures, image = puzzle(dataset, SEED, "셋 다")
    save_restored(dataset, "14_puzzle", row, image)
    samples.save("14_goal", dataset, coarse(pictures), **rounded(row))


BUILDERS = {"14_hole_plane": hole_plane, "14_ablation": ablation, "14_goal": goal}
