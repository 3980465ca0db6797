"""14의 저장해 두는 그림과 성적: 복원의 견줄 것들."""

import numpy as np

import course_utils
from course_utils import data, lessons, metrics, samples
from course_utils.backend import keras
from tools.build_samples.common import KEPT, SEED, coarse

SEEDS = (42, 1, 2)
HOLE_WEIGHT = 400.0  # 14의 'L2 + 적대'에서 L2의 무게. 학습 데이터의 일부를 떼어 골랐어요
LEARNED = {}  # (데이터, 시드) → L2로 구멍을 메우는 생성자의 가중치. 한 번만 학습시켜요
ABLATION_STEPS = 400
ABLATION = {"셋 다": {}, "마스크 빼고": {"mask_weight": 0.0}, "겉모습 빼고": {"look_weight": 0.0}, "적대 빼고": {}, "적대 빼고, 그림 전체를 L2로": {}}


def lesson(dataset, seed):
    """14의 셀에서 꺼낸 함수들(시험 그림과 그 시드의 실행을 담아서), 시험 그림, 숫자마다 첫 그림의 번호, quick의 스텝 수."""
    digits = data.load(dataset)
    tags = ("from-08", "networks", "restorer", "train", "many", "measure", "parts", "puzzle-networks", "puzzle", "puzzle-measure")
    cells = lessons.load_cells("14_patches_restoration", *tags)
    truth = digits.x_test[:2_000] / np.float32(255)
    every = np.concatenate([digits.x_train, digits.x_test])
    cells |= {"digits": digits, "truth": truth, "seed": seed}
    cells |= {"floor": metrics.SampleEvaluator(every).floor, "real_features": metrics.digit_features(every)[0]}
    cells["jitter"] = 1 / 28 if len(digits.x_train) < 10_000 else 0.0  # D가 보는 그림을 옮기는 폭
    cells["run"] = course_utils.start("quick", dataset, seed, minutes=(1, 1, 1))
    table = lessons.read(lessons.NOTEBOOKS / "14_patches_restoration.ipynb").table
    ten = np.array([np.flatnonzero(digits.y_test[:2_000] == digit)[0] for digit in range(10)])
    keras.utils.set_random_seed(seed)
    return cells, truth, ten, {name: row[1] for name, row in table.items()}


def hole(dataset, seed, kind):
    """14의 구멍을 L2로 메우는 모델("L2")과, 거기서 이어 그만큼 더 배운 것("L2 더" | "L2 + 적대"). 성적, 그림(숫자마다 첫 장을 두 번), 메운 시험 그림."""
    cells, truth, ten, steps = lesson(dataset, seed)
    holed = (2 * truth[..., None] - 1) * (1 - cells["HOLE"])
    x_train, network = cells["shifted"](cells["digits"].x_train), cells["hole_generator"]()
    for name in dict.fromkeys(("L2", kind)):
        judge, weight = (cells["discriminator"](cells["jitter"]), HOLE_WEIGHT) if name == "L2 + 적대" else (None, 40.0)
        model = cells["HoleFiller"](network, judge, weight)
        model([holed[:1], np.zeros((1, 16), "float32")])
        if name == "L2" and (dataset, seed) in LEARNED:
            model.average.set_weights(LEARNED[dataset, seed])
        else:
            cells["train"](model, x_train, f"14-hole-{name}", steps["hole_steps"])
        network.set_weights(model.average.get_weights())
        LEARNED.setdefault((dataset, seed), network.get_weights())
    many, box = np.stack([cells["fill"](model, holed, k) for k in range(1, 5)]), slice(7, 21)
    row = {
        "mse": cells["mse"](many, box), "fid": np.mean([cells["fid"](images) for images in many]),
        "kept": cells["kept"](many[0]), "spread": many.var(axis=0, ddof=1)[:, box, box].mean(),
    }  # fmt: skip
    return row, np.concatenate([many[0][ten], many[1][ten]]), many[0]


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
    }  # fmt: skip
    pictures = [image[ten], mask[ten]] if kind in list(ABLATION)[:2] else [image[ten]]
    if steps is None:  # 도착지의 그림
        pictures = [cells["scattered"](parts[ten]), mask[ten], truth[ten], image[ten]]
    return row, np.concatenate(pictures), image


def sweep(dataset, name, one, kinds, steps, shipped=None):
    """kind마다 시드마다 one을 불러, 성적과 첫 시드의 그림을 저장해요. shipped: (kind, 파일), 그 복원들은 따로도 저장해요."""
    facts, pictures = {"names": list(kinds), "seeds": list(SEEDS), "steps": steps}, []
    for kind in kinds:
        facts[kind] = {}
        for seed in SEEDS:
            row, images, every = one(dataset, seed, kind)
            row = {key: float(f"{value:.4g}") for key, value in row.items()}
            for key, value in row.items():
                facts[kind].setdefault(key, []).append(value)
            if seed == SEEDS[0]:
                pictures.append(images)
                if shipped and kind == shipped[0]:
                    save_restored(dataset, shipped[1], every, row)
            print(dataset, name, kind, seed, row, flush=True)
    samples.save(name, dataset, coarse(np.concatenate(pictures)), **facts)


def save_restored(dataset, name, images, row):
    """시험 그림의 복원을 KEPT장까지, 원본의 숫자와 함께 저장해요(모델이 학습하지 않은 그림들이에요)."""
    labels = data.load(dataset).y_test[: len(images)][:KEPT].tolist()
    row = {key: float(f"{value:.4g}") for key, value in row.items()}
    size = samples.save(name, dataset, coarse(images[:KEPT]), labels=labels, **row)
    print(f"{dataset}/{name}: {size:,}바이트 {row}", flush=True)


def hole_plane(dataset):
    """14의 왜곡–지각 평면에서 구멍의 점들. 'L2 + 적대'로 메운 시험 그림은 14_hole에도 저장해요."""
    steps = lessons.read(lessons.NOTEBOOKS / "14_patches_restoration.ipynb").table["hole_steps"][1]
    sweep(dataset, "14_hole_plane", hole, ("L2", "L2 더", "L2 + 적대"), steps, ("L2 + 적대", "14_hole"))


def ablation(dataset):
    """14의 Puzzle-GAN과, 손실을 하나씩 빼거나 바꾼 것. 시드마다 ABLATION_STEPS스텝씩."""

    def short(dataset, seed, kind):
        return puzzle(dataset, seed, kind, ABLATION_STEPS)

    sweep(dataset, "14_ablation", short, ABLATION, ABLATION_STEPS)


def goal(dataset):
    """14의 도착지: 노트북과 같은 Puzzle-GAN의 그림. 복원한 시험 그림은 14_puzzle에 저장해요."""
    row, pictures, image = puzzle(dataset, SEED, "셋 다")
    save_restored(dataset, "14_puzzle", image, row)
    samples.save("14_goal", dataset, coarse(pictures), **{key: float(f"{value:.4g}") for key, value in row.items()})


BUILDERS = {"14_hole_plane": hole_plane, "14_ablation": ablation, "14_goal": goal}
