"""13의 저장해 두는 그림과 성적: 번역의 견줄 것들."""

import numpy as np

import course_utils
from course_utils import data, lessons, samples
from course_utils.backend import keras
from tools.build_samples.common import coarse, gather, quick


def next_domain(gray, dress, to_domain, undress):
    """k번째 글씨를 k % 4번 도메인에서 그다음 도메인으로 옮기고, 레슨의 자처럼 그 도메인의 물감에서 흑백으로 되읽은 그림."""
    images = np.empty_like(gray)
    for source in range(4):
        target = (source + 1) % 4
        moved = to_domain(dress(gray[source::4], source), target)
        images[source::4] = undress(moved)[1][target]
    return images


def lesson(dataset, seed, *tags):
    """13의 셀에서 꺼낸 함수들과 시험 그림."""
    cells, digits = lessons.load_cells("13_image_translation", "sketches", "players", "networks", "game", "train", *tags), data.load(dataset)
    steps = quick("13_image_translation")
    cells |= {"run": course_utils.start("quick", dataset, seed, minutes=(1, 1, 1)), "seed": seed, "sketch": "mosaic"}
    keras.utils.set_random_seed(seed)
    return cells, digits, steps


def pairs(dataset, seeds=(42, 1, 2)):
    """13의 pix2pix를 밑그림 둘(mosaic, outline)마다 L1만(l1), 적대적 손실과 함께(both) 시드마다. 그림은 첫 시드의 밑그림, 두 대답, 정답 열 장씩."""
    facts, images = {"seeds": seeds}, []
    for sketch in ("mosaic", "outline"):
        facts[sketch], page = {"l1": {}, "both": {}}, {}
        for kind, realism in {"l1": 0.0, "both": 1.0}.items():
            for seed in seeds:
                cells, digits, steps = lesson(dataset, seed, "pix2pix", "pair-score")
                cells["sketch"], facts["steps"] = sketch, steps["pair_steps"]
                model = cells["Pix2Pix"](cells["unet"](), cells["patch_critic"](2, norm=True), realism=realism)
                cells["train"](model, f"13-{sketch}-{kind}", steps["pair_steps"], digits.x_train, cells["pair"], augment=len(digits.x_train) < 10_000)
                pages = cells["test_pages"](digits.x_test, digits.y_test)
                print(dataset, sketch, kind, seed, gather(facts[sketch][kind], cells["pair_score"](model.averages[0], *pages)), flush=True)
                if seed == seeds[0]:
                    ten = cells["unit"](digits.x_test[:10])
                    page["s"], page["r"] = cells["SKETCHES"][sketch](ten).numpy(), ten
                    page[kind] = cells["translate"](model.averages[0], page["s"])
        images += [page[name][..., 0] for name in ("s", "l1", "both", "r")]
    print(f"{dataset}/13_pairs: {samples.save('13_pairs', dataset, coarse(np.concatenate(images), 33), **facts):,}바이트")


def cycle(dataset, seeds=(42, 1, 2)):
    """13의 CycleGAN을 그대로(cycle), 순환 손실 없이(none), 동일성 손실을 더해(identity) 시드마다. 그림은 none의 A, G(A), F(G(A)) 열 장씩."""
    facts = {"seeds": seeds}
    for kind, options in {"cycle": {}, "none": {"cycle": 0.0}, "identity": {"identity": 5.0}}.items():
        facts[kind] = {}
        for seed in seeds:
            cells, digits, steps = lesson(dataset, seed, "looks", "cyclegan", "two-way-score", "hidden")
            facts["steps"], half = steps["cycle_steps"], min(len(digits.x_train) // 2, 10_000)
            gray, test, labels = digits.x_train / np.float32(255), digits.x_test[:3_000] / np.float32(255), digits.y_test[:3_000]
            cells["chalk_train"] = np.uint8(255 * cells["chalk"](gray[:half], np.random.default_rng(seed).uniform(size=half)) + 0.5)
            cells["blue_train"] = np.uint8(255 * cells["blueprint"](gray[half : 2 * half]) + 0.5)
            networks = [cells["translator"](), cells["translator"](), *(cells["patch_critic"](3, cells["WIDE"]) for _ in "AB")]
            model = cells["CycleGAN"](*networks, **options)
            cells["train"](model, f"13-cycle-{kind}", steps["cycle_steps"], np.arange(half, dtype="float32"), model.unpaired)
            go, come = (lambda images, network=network, cells=cells: cells["translate"](network, images) for network in model.averages)
            a = cells["chalk"](test, np.random.default_rng([seed, 1]).uniform(size=len(test)))
            row = cells["two_way_score"](go, come, a, cells["blueprint"](test), labels)
            if kind == "cycle":
                for amount, (color, digit) in cells["hidden_score"](go, come, test, labels, (0.0, 0.2)).items():
                    row |= {f"색 {amount}": color, f"숫자 {amount}": digit}
            print(dataset, "13_cycle", kind, seed, gather(facts[kind], row), flush=True)
            if (kind, seed) == ("none", seeds[0]):
                kept = np.moveaxis(np.stack([a[:10], go(a[:10]), come(go(a[:10]))]), -1, -3)
    print(f"{dataset}/13_cycle_seeds: {samples.save('13_cycle_seeds', dataset, coarse(kept, 33), **facts):,}바이트")


def flipped(dataset, seeds=(42, 1, 2)):
    """13의 StarGAN을 금박을 종이로 바꿔(with), 그대로(without) 시드마다. 그림은 종이가 있을 때(첫 시드) 여섯 줄 열 장씩."""
    facts = {"seeds": seeds, "with": {}, "without": {}}
    for kind in ("with", "without"):
        for seed in seeds:
            cells, digits, steps = lesson(dataset, seed, "looks", "cyclegan", "domains", "stargan", "star-score")
            facts["steps"] = steps["star_steps"]
            if kind == "with":
                cells["INKS"][3], cells["GROUNDS"][3] = [0.10, 0.20, 0.55], [0.96, 0.92, 0.82]  # 남색 잉크, 크림색 종이
            count = min(len(digits.x_train), 20_000)
            cells["star_domains"] = np.random.default_rng(seed).permutation(count) % 4
            cells["star_train"] = np.uint8(255 * cells["dress"](digits.x_train[:count] / np.float32(255), cells["star_domains"]) + 0.5)
            model = cells["StarGAN"](cells["translator"](3 + 4), cells["star_judge"](4))
            cells["train"](model, f"13-star-{kind}", steps["star_steps"], np.arange(count, dtype="float32"), model.with_domains)

            def move(images, domain, cells=cells, model=model):
                return cells["restyle"](model.averages[0], images, domain)

            test = digits.x_test[:1_000] / np.float32(255)
            right, kept, back = cells["star_score"](move, test, digits.y_test[:1_000])
            kept, away = kept.mean(axis=2), cells["away"]
            across = [*kept[3, :3], *kept[:3, 3]]
            row = {"domain": away(right), "digit": away(kept), "among": away(kept[:3, :3]), "across": np.mean(across), "back": away(back)}
            print(dataset, "13_flipped", kind, seed, gather(facts[kind], row), flush=True)
            if (kind, seed) == ("with", seeds[0]):
                board, sheet = cells["dress"](test[:10], 0), cells["dress"](test[:10], 3)
                rows = [board, move(board, 1), move(board, 3), sheet, move(sheet, 0), move(move(sheet, 0), 3)]
    images = np.moveaxis(np.stack(rows), -1, -3)
    print(f"{dataset}/13_flipped: {samples.save('13_flipped', dataset, coarse(images, 33), **facts):,}바이트")


BUILDERS = {"13_pairs": pairs, "13_cycle": cycle, "13_flipped": flipped}
