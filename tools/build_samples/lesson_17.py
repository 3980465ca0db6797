"""17의 저장해 두는 그림과 성적: 흐름과 확산."""

import time

import numpy as np

import course_utils
from course_utils import data, lessons, metrics, samples, training, weights
from course_utils.backend import keras, tf
from tools.build_samples.common import KEPT, SEED, coarse, quick

TAGS = (
    "cosine", "posterior", "toy-network", "denoiser", "walk", "flow-matching", "picture-network", "painter", "train", "ddpm-painter",
    "digit-flow",
)
LONG = 10_000  # digits의 흐름 정합(도착지)을 학습시키는 스텝


def lesson(dataset, seed=SEED):
    """17의 셀들과 데이터, 노트북과 같은 자."""
    cells, digits = lessons.load_cells("17_flow_diffusion", *TAGS), data.load(dataset)
    run = course_utils.start("quick", dataset, seed, minutes=(1, 1, 1))
    cells |= {"run": run, "seed": seed, "x_train": digits.x_train, "y_train": digits.y_train}
    real = np.concatenate([digits.x_train, digits.x_test])
    evaluator = metrics.SampleEvaluator(real[np.random.default_rng(SEED).permutation(len(real))[:2_000]])
    return cells, digits, evaluator


def painter(cells, kind, steps):
    """17의 숫자를 그리는 모델 하나를 학습시켜요: (모델, 그릴 때 부를 함수, 학습에 쓴 CPU의 초)."""
    keras.utils.set_random_seed(cells["seed"])
    model = cells[kind](cells["straight" if kind == "Painter" else "cosine"])
    start = time.process_time()
    cells["train"](model, f"17-{kind}-{steps}", steps)
    return model, tf.function(model.solve, autograph=False), time.process_time() - start


def judge(cells, count):
    """그릴 소음과 레이블."""
    rng = np.random.default_rng([SEED, 8])
    return rng.normal(size=(count, 28, 28, 1)), rng.choice(cells["y_train"], count)


def flow(dataset):
    """17의 흐름 정합을 오래 학습시켜(MNIST는 저장해 둔 가중치) 그린 그림과 성적, 소음에서 그림까지의 길."""
    cells, _, evaluator = lesson(dataset)
    if dataset == "mnist":
        model, seconds = cells["Painter"](cells["straight"]), None
        steps = int(weights.load(model.average, "17_flow_matching")["steps"][0])
        look = tf.function(model.solve, autograph=False)
    else:
        steps = LONG
        model, look, seconds = painter(cells, "Painter", steps)
    noise, digit = judge(cells, KEPT)
    scores = {}
    for n in (1, 2, 4, 8, 15, 30):
        images = cells["paint"](look, cells["straight"], noise, digit, cells["draw_grid"](n))
        scores[n] = {key: round(value, 3) for key, value in evaluator(images[: evaluator.count]).items()}
    facts = {"steps": steps, "seconds": seconds, "labels": digit.tolist(), "by_steps": scores, **scores[30]}
    size = samples.save("17_flow_matching", dataset, coarse(images), **facts)
    print(f"{dataset}/17_flow_matching: {size:,}바이트, {seconds}초, {scores}", flush=True)
    ten = noise[:10], tf.range(10)
    path = cells["walk"](lambda x, a, b: look(x, a, b, ten[1]), cells["straight"], ten[0], np.linspace(1, 0, 31))[::6]
    size = samples.save("17_path", dataset, coarse((np.concatenate(path) + 1) / 2, 33), times=np.linspace(1, 0, 6).round(1).tolist())
    print(f"{dataset}/17_path: {size:,}바이트")


def ddpm(dataset):
    """같은 신경망의 DDPM: 소음을 더하며 50스텝으로 그린 그림과, 그리는 법마다의 FID. 시각을 고르게 뽑아 배운 것도 재요."""
    cells, _, evaluator = lesson(dataset)
    steps = quick("17_flow_diffusion")["flow_steps"]

    class EvenPainter(cells["DDPMPainter"]):
        """시각을 고르게 뽑는, 논문 그대로의 DDPM."""

        def draw_times(self, count):
            return keras.random.uniform((count, 1, 1, 1), seed=self.seeds)

    cells["EvenPainter"] = EvenPainter
    noise, digit = judge(cells, KEPT)
    by_sampler = {}

    def draw(name, look, n, fresh=None):
        images = cells["paint"](look, cells["cosine"], noise, digit, np.linspace(1, 0, n + 1), fresh)
        score = evaluator(images[: evaluator.count])
        obeyed = np.mean(metrics.digit_features(images)[1].argmax(axis=1) == digit)
        by_sampler[name] = [n, round(score["times_floor"], 3), round(float(obeyed), 3)]
        return images, score

    _, look, _ = painter(cells, "EvenPainter", steps)
    draw("DDPM 50스텝, 고른 시각", look, 50, np.random.default_rng([SEED, 9]))
    _, look, seconds = painter(cells, "DDPMPainter", steps)
    draw("DDIM 15스텝", look, 15)
    images, score = draw("DDPM 50스텝", look, 50, np.random.default_rng([SEED, 9]))
    size = samples.save("17_ddpm", dataset, coarse(images), steps=steps, seconds=seconds, labels=digit.tolist(), by_sampler=by_sampler, **score)
    print(f"{dataset}/17_ddpm: {size:,}바이트, 학습 {seconds:.0f}초, {by_sampler}")


def coupling(dataset):
    """17의 숫자를 그리는 커플링 흐름: 그린 그림과 픽셀당 비트."""
    cells, digits, evaluator = lesson(dataset)
    steps = 900
    keras.utils.set_random_seed(SEED)
    model = cells["DigitFlow"](digits.x_train)
    model(np.zeros((1, 28, 28, 1), "float32"))
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps, alpha=0.02)), jit_compile=False)
    start = time.process_time()
    training.fit(model, digits.x_train, 64, steps // 50, run=cells["run"], name="17-coupling", steps_per_epoch=50, prepare=lambda x: 255 * x)
    seconds, rng, bits = time.process_time() - start, np.random.default_rng(0), {}
    for name, pixels in (("train_bits", digits.x_train[:1_000]), ("test_bits", digits.x_test[:1_000])):
        x = np.float32(pixels[..., None] + rng.uniform(size=(len(pixels), 28, 28, 1)))
        bits[name] = round(float(np.mean([np.mean(model.bits(x[k : k + 100])) for k in range(0, len(x), 100)])), 4)
    z = np.random.default_rng([SEED, 8]).normal(size=(KEPT, 7, 7, 16)).astype("float32")
    images = np.concatenate([np.asarray(model.inverse(z[k : k + 250])) for k in range(0, KEPT, 250)])[..., 0] / 256
    images = np.clip(images, 0, 1)
    score = evaluator(images[: evaluator.count])
    size = samples.save("17_coupling", dataset, coarse(images), steps=steps, seconds=seconds, **bits, **score)
    print(f"{dataset}/17_coupling: {size:,}바이트, 학습 {seconds:.0f}초, {bits}, FID {score['times_floor']:.2f}배")


BUILDERS = {"17_flow_matching": flow, "17_ddpm": ddpm, "17_coupling": coupling}
