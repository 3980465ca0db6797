"""12의 저장해 두는 그림과 성적: 레이블을 모르는 판별자, InfoGAN, 틀린 짝."""

import numpy as np

import course_utils
from course_utils import data, lessons, metrics, samples
from course_utils.backend import keras
from tools.build_samples.common import SEED, coarse, quick, times_floor


def lesson(dataset, *tags):
    """12의 셀에서 꺼낸 함수들. 데이터와 자의 경계까지 노트북처럼 정해요."""
    digits = data.load(dataset)
    shared = ("from-08", "networks", "gan", "train", "attributes")
    cells = lessons.load_cells("12_conditional_infogan_text", *shared, *tags)
    labels = digits.y_train.astype(int)
    cells |= {"digits": digits, "x_train": digits.x_train, "y_train": digits.y_train, "seed": SEED}
    cells["thick_edges"] = cells["edges_of"](cells["thickness"](digits.x_train), labels)
    cells["lean_edges"] = cells["edges_of"](cells["slant"](digits.x_train), labels)
    cells["evaluator"] = metrics.SampleEvaluator(np.concatenate([digits.x_train, digits.x_test]))
    cells["rounds"] = 5 if cells["evaluator"].count < 5_000 else 1
    cells["jitter"] = 1 / 28 if len(digits.x_train) < 10_000 else 0.0
    return cells, digits, quick("12_conditional_infogan_text")


def blind(dataset):
    """12의 조건부 GAN과 같은 설정에서 D만 레이블을 모를 때: 잠재 벡터 넷 × 숫자 열의 그림과 성적."""
    cells, digits, steps = lesson(dataset, "blind")
    cells["run"] = course_utils.start("quick", dataset, SEED, minutes=(1, 1, 1))
    keras.utils.set_random_seed(SEED)
    model = cells["BlindGAN"](cells["generator"](16, 10), cells["body"](cells["jitter"]), cells["blind_head"]())
    model([np.zeros((1, 16), "float32"), np.zeros((1, 10), "float32")])
    cells["train"](model, "12-blind", steps["label_steps"], cells["with_label"], len(digits.x_train))
    count = cells["rounds"] * cells["evaluator"].count
    asked, z = np.arange(count) % 10, np.random.default_rng(0).normal(size=(count, 16))
    images = cells["paint"](model.average, z, np.eye(10)[asked])
    facts = {"agree": round(float(np.mean(cells["read_digit"](images) == asked)), 3), "times_floor": times_floor(cells, images)}
    facts["steps"] = steps["label_steps"]
    grid = cells["paint"](model.average, np.repeat(z[:4], 10, axis=0), np.eye(10)[np.arange(40) % 10])
    print(dataset, "12_blind", facts, f"{samples.save('12_blind', dataset, coarse(grid), **facts):,}바이트")


def no_wrong(dataset, seeds=(42, 1, 2)):
    """12의 글에서 그림으로 가는 GAN을 틀린 짝과 함께(with), 틀린 짝 없이(without) 시드마다: 성적과 D의 대답."""
    facts, korean = {}, {"digit": "숫자", "thick": "굵기", "lean": "기울기", "all": "셋 다"}
    for kind, weight in {"without": 0.0, "with": 0.5}.items():
        facts[kind] = {}
        for seed in seeds:
            cells, digits, steps = lesson(dataset, "captions", "encoder", "wrong", "text", "obey", "answers")
            cells |= {"run": course_utils.start("quick", dataset, seed, minutes=(1, 1, 1)), "seed": seed}
            combo = cells["shape_of"](digits.x_train, digits.y_train.astype(int))
            seen = ~np.isin(combo, cells["HELD_OUT"])
            cells |= {"x_seen": digits.x_train[seen], "combo_seen": combo[seen].astype("int32")}
            keras.utils.set_random_seed(seed)
            body, head = cells["body"](cells["jitter"]), cells["head"](32)
            model = cells["TextGAN"](cells["generator"](16, 32), body, head, cells["text_encoder"](), wrong_weight=weight)
            model([np.zeros((1, 16), "float32"), cells["BAGS"][0, :1]])
            cells["draw_text"] = lambda z, words, model=model, cells=cells: cells["paint"](model, z, words)
            cells["train"](model, f"12-{kind}-wrong", steps["text_steps"], model.with_sentences, int(seen.sum()))
            row = {}
            for stream, (key, combos) in enumerate({"": np.setdiff1d(np.arange(90), cells["HELD_OUT"]), "_new": cells["HELD_OUT"]}.items()):
                combos = np.resize(combos, 3_200)
                grade = cells["obedience"](cells["ask"](combos, stream + 1), combos)
                row |= {f"{name}{key}": grade[korean[name]] for name in korean}
            row["on_right"], row["on_wrong"] = cells["answers"](model)
            images = cells["ask"](np.resize(np.arange(90), cells["rounds"] * cells["evaluator"].count), 3)
            row["times_floor"] = times_floor(cells, images)
            for name, value in row.items():
                facts[kind].setdefault(name, []).append(round(float(value), 2))
            print(dataset, "12_no_wrong", kind, seed, {name: round(float(value), 4) for name, value in row.items()}, flush=True)
            if kind == "without" and seed == seeds[0]:
                kept = coarse(images[:90])
    samples.save("12_no_wrong", dataset, kept, steps=steps["text_steps"], seeds=seeds, **facts)


def info(dataset, seeds=(42, 1, 2)):
    """12의 InfoGAN을 논문대로(plain)와 손질 셋을 더해(both) 시드마다."""
    facts = {"seeds": seeds}
    for kind in ("both", "plain"):
        facts[kind] = {}
        for seed in seeds:
            cells, digits, steps = lesson(dataset, "blind", "info", "tweaks", "info-data", "score")
            cells["run"] = course_utils.start("quick", dataset, seed, minutes=(1, 1, 1))
            keras.utils.set_random_seed(seed)
            network, painter = ("SteadyInfoGAN", "dial_generator") if kind == "both" else ("InfoGAN", "generator")
            painter, body = cells[painter](16, 12), cells["body"](cells["jitter"])
            model = cells[network](painter, body, cells["blind_head"](), cells["finder"]())
            model([np.zeros((1, 16), "float32"), np.zeros((1, 12), "float32")])
            model.finder(model.body(np.zeros((1, 28, 28, 1), "float32")))
            prepare, count = cells["without_label"], len(digits.x_train)
            history = cells["train"](model, f"12-info-{kind}", steps["info_steps"], prepare, count, batch_size=40)
            rng, count = np.random.default_rng([seed, 9]), cells["rounds"] * cells["evaluator"].count
            codes, dials = np.arange(count) % 10, rng.uniform(-1, 1, (count, 2))
            c = np.concatenate([np.eye(10)[codes], dials], axis=1)
            images = cells["paint"](model.average, rng.normal(size=(count, 16)), c)
            counts = cells["code_table"](codes, cells["read_digit"](images))
            row = {"accuracy": cells["one_to_one"](counts)[0], "times_floor": times_floor(cells, images)}
            for k in range(2):
                for name, ruler in {"기울기": cells["slant"], "굵기": cells["thickness"], "밝기": cells["ink"]}.items():
                    row[f"dial{k + 1}_{name}"] = cells["dial_meaning"](dials[:, k], codes, ruler(images))
            for name, value in row.items():
                facts[kind].setdefault(name, []).append(round(float(value), 2))
            facts[kind].setdefault("bound", []).append(round(float(history["bound"][-1]), 3))
            print(dataset, "12_info_seeds", kind, seed, {name: round(float(value), 4) for name, value in row.items()}, flush=True)
    samples.save("12_info_seeds", dataset, coarse(images[:10]), steps=steps["info_steps"], **facts)


BUILDERS = {"12_blind": blind, "12_no_wrong": no_wrong, "12_info_seeds": info}
