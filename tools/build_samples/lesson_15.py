"""15의 저장해 두는 그림과 성적: 키우기의 견줄 것들."""

import itertools
import tempfile
import time

import numpy as np

import course_utils
from course_utils import data, lessons, metrics, samples
from course_utils.backend import keras
from tools.build_samples.common import SEED, coarse, quick

RIVALS = {  # 이름: 15의 train_15에 넘길 설정. 둘째의 share는 걸린 시간이 첫째와 비슷하도록, 셋째는 28×28의 스텝이 첫째와 같도록
    "키우며": {},
    "처음부터 28×28, 같은 시간": {"grow": False, "share": 0.9},
    "28×28의 스텝만 같게": {"grow": False, "share": 2 / 3},
    "픽셀별 정규화 끔": {"without": "pixelnorm"},
    "미니배치 표준편차 끔": {"without": "stddev"},
    "균등 학습률 끔": {"without": "equalized", "rates": (3e-3, 1e-3)},
    "섞지 않고 붙임": {"mix": False},
    "진짜만 섞지 않음": {"kind": "SharpReals"},
}
TAGS = ("sizes", "fade", "parts", "equalized", "networks", "from-08", "gan", "grow", "train", "grade", "stale", "sharp")


class Halt(keras.callbacks.Callback):
    """28×28의 새 층을 다 섞은 에폭에 학습을 멈춰요."""

    def __init__(self, per_epoch):
        super().__init__()
        self.per_epoch = per_epoch

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = (epoch + 1) * self.per_epoch >= self.model.starts[2] + self.model.fades[2]


class Judge(keras.callbacks.Callback):
    """에폭마다 학습에 쓴 CPU 초(모든 코어의 합)를 적고, 고른 에폭마다 FID를 재요. 재는 시간은 빼요."""

    def __init__(self, measure, epochs):
        super().__init__()
        self._measure, self._epochs, self._seconds = measure, set(epochs), []

    def on_train_begin(self, logs=None):
        self._began = time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        now = time.process_time()
        self._seconds.append(now - self._began)
        logs["seconds"] = self._seconds[-1]
        if epoch + 1 in self._epochs:
            logs["curve"] = np.array([self._seconds[-1], self._measure(self.model)])
        self._began += time.process_time() - now


class Jump(keras.callbacks.Callback):
    """28×28의 층이 붙는 순간에, EMA 생성자의 옛 길(α = 0)과 새 길(α = 1)로 그린 그림을 모아요."""

    def __init__(self, paint, z, per_epoch):
        super().__init__()
        self._paint, self._z, self._per_epoch, self.pages = paint, z, per_epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        if self.model.fades[2] and epoch * self._per_epoch == self.model.starts[2]:
            self.pages = np.concatenate([self._paint(self.model.average, self._z, 2, alpha) for alpha in (0.0, 1.0)])


def train(dataset, seed, grow=True, mix=True, share=1.0, without=None, rates=(4e-2, 1e-2), kind="ProgressiveGAN", extra=None):
    """15의 GAN 하나. mix: 새 층을 서서히 섞을지, share: 스텝 수의 배수, without: 끌 손질, extra: (셀들, 에폭의 스텝 수, 에폭 수)로 만드는 콜백들."""
    cells, digits = lessons.load_cells("15_progressive_gan", *TAGS), data.load(dataset)
    run = course_utils.start("quick", dataset, seed, minutes=(1, 1, 1), checkpoints=tempfile.mkdtemp())
    cells |= {"run": run, "seed": seed, "x_train": digits.x_train}
    steps = round(share * quick("15_progressive_gan")["steps"])
    per_epoch, epochs, starts, fades = cells["plan"](steps)
    keras.utils.set_random_seed(seed)
    tricks = tuple(trick for trick in cells["TRICKS"] if trick != without)
    jitter = 1 / 28 if len(digits.x_train) < 10_000 else 0.0
    model = cells[kind](starts if grow else (0, 0, 0), fades if grow and mix else (0, 0, 0), jitter, tricks)
    callbacks = extra(cells, per_epoch, epochs) if extra else ()
    history = cells["train"](model, f"15-{kind}", per_epoch, epochs, callbacks, rates=rates)
    return model, history, cells


def rival(dataset, name, seed):
    """15의 설정 하나, 시드 하나: 성적과 배우는 동안의 FID(digits의 처음 두 설정만), 첫째라면 자라는 모습과 붙는 순간도."""
    digits, main = data.load(dataset), name == "키우며"
    evaluator = metrics.SampleEvaluator(np.concatenate([digits.x_train, digits.x_test]))
    z, kept = np.random.default_rng(seed).normal(size=(30, 32)), {}
    judge_z = np.random.default_rng([seed, 2]).normal(size=(2 * evaluator.count, 32))

    def measure(model):
        grade, paint = kept["cells"]["grade"], kept["cells"]["paint"]
        return grade(paint(model.average, judge_z, model.stage, model.alpha()), evaluator)["times_floor"]

    def extra(cells, per_epoch, epochs):
        curve = dataset == "digits" and name in list(RIVALS)[:2]
        judged = np.unique(np.ceil(np.linspace(0.2, 1, 9) * epochs).astype(int)) if curve else []
        shots = np.unique(np.ceil(np.linspace(1, epochs, 24)).astype(int))
        kept["cells"], kept["jump"] = cells, Jump(cells["paint"], z[:10], per_epoch)
        return [Judge(measure, judged), kept["jump"], *([cells["Album"](z, shots, per_epoch)] if main else [])]

    model, history, cells = train(dataset, seed, **RIVALS[name], extra=extra)
    row = cells["grade"](cells["generate"](model.average, evaluator), evaluator)
    row["signal"] = max(cells["signal"](model.average, np.random.default_rng(0).normal(size=(500, 32))))
    seconds, steps = history["seconds"], int(model.g_optimizer.iterations)
    row |= {"seconds": seconds[-1], "steps": steps, "steps28": steps - model.starts[2]}
    row["curve"] = history.get("curve", np.zeros((0, 2))).round(3).tolist()
    per_epoch = steps // len(seconds)
    bounds = [*(start // per_epoch for start in model.starts), len(seconds)]
    spans = [np.diff(seconds)[first + 1 : last - 1] for first, last in itertools.pairwise(bounds)]
    row["d_loss"] = np.mean(history["d_loss"][bounds[2] : bounds[2] + 4])  # 28×28의 층을 붙인 뒤 네 에폭(quick이면 섞는 동안)
    row["ms"] = [round(1_000 * float(np.median(span)) / per_epoch, 1) for span in spans if len(span)]
    pictures = {"ten": cells["paint"](model.average, np.random.default_rng(0).normal(size=(10, 32)))}
    if main:
        pages, captions = history["page"], history["caption"]
        pictures |= {"film": pages[:, :10].reshape(-1, 28, 28) / 255, "captions": captions.round(3).tolist(), "jump": kept["jump"].pages}
    print(dataset, "15_rivals", name, seed, {key: value for key, value in row.items() if key != "curve"}, flush=True)
    return row, pictures


def rivals(dataset, seeds=(42, 1, 2)):
    """15의 키운 GAN, 처음부터 28×28인 것, 작은 그림의 단계만 뺀 것의 성적(digits에서는 하나씩 끈 것도)과 자라는 모습."""
    rows, images = {}, {}
    for name in list(RIVALS)[: None if dataset == "digits" else 3]:
        found = [rival(dataset, name, seed) for seed in seeds]
        rows[name] = {key: [np.round(row[key], 3).tolist() for row, _ in found] for key in found[0][0]}
        rows[name] |= {key: found[0][0][key] for key in ("steps", "steps28")}
        images[name] = found[0][1]["ten"]
        if name == "키우며":
            film, captions, jump = (found[0][1][key] for key in ("film", "captions", "jump"))
            sizes = samples.save("15_film", dataset, coarse(film), captions=captions)
            sizes += samples.save("15_jump", dataset, coarse(jump), steps=rows[name]["steps"])
            print(f"{dataset}/15_film, 15_jump: {sizes:,}바이트", flush=True)
    samples.save("15_rivals", dataset, coarse(np.concatenate(list(images.values()))), seeds=seeds, rows=rows)


def ema(dataset):
    """15에서 28×28의 층을 붙인 뒤의 FID: EMA를 이어 갈 때, 단계마다 새로 시작할 때, 지금의 G. 첫 에폭 뒤에 새 길로만 그린 그림 열 장씩."""
    digits, z, after = data.load(dataset), np.random.default_rng(SEED).normal(size=(10, 32)), []
    evaluator = metrics.SampleEvaluator(np.concatenate([digits.x_train, digits.x_test]))
    judge_z = np.random.default_rng([SEED, 2]).normal(size=(evaluator.count, 32))
    images, times_floor = {}, {}

    def extra(cells, per_epoch, epochs):
        def look(epoch, logs):
            step = (epoch + 1) * per_epoch - callback.model.starts[2]
            if step > 0:
                after.append(step)
                for name, network in (("EMA", callback.model.average), ("G", callback.model.generator)):
                    key = f"{type(callback.model).__name__} {name}"
                    images.setdefault(key, cells["paint"](network, z, 2, 1.0))
                    drawn = cells["paint"](network, judge_z, 2, callback.model.alpha())
                    times_floor.setdefault(key, []).append(round(evaluator(drawn)["times_floor"], 2))

        callback = keras.callbacks.LambdaCallback(on_epoch_end=look)
        return [callback, Halt(per_epoch)]

    for kind in ("StaleEMA", "ProgressiveGAN"):
        train(dataset, SEED, kind=kind, extra=extra)
    kept = ("StaleEMA EMA", "ProgressiveGAN EMA", "ProgressiveGAN G")
    facts = {"steps_after": sorted(set(after)), "times_floor": [times_floor[key] for key in kept]}
    size = samples.save("15_ema", dataset, coarse(np.concatenate([images[key] for key in kept])), **facts)
    print(f"{dataset}/15_ema: {size:,}바이트, {facts}")


BUILDERS = {"15_rivals": rivals, "15_ema": ema}
