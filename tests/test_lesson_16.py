"""16의 노트북에 적힌 지표들: 논문의 식에서 따로 쓴 구현, 닫힌 식, 모든 경우를 센 값과 견줘요. 속이는 그림이 정말 이기는지도."""

import itertools
import math

import numpy as np
import pytest
from scipy import linalg, spatial, stats

from course_utils import data, metrics, samples
from course_utils.backend import keras, tf
from course_utils.lessons import load_cells

TAGS = ("inception", "frechet", "kid", "circles", "cas", "memory", "spread", "measure", "adversaries", "fool", "distill")
MODELS = ("08_dcgan", "11_wae", "12_conditional", "12_text", "17_ddpm", "17_flow_matching")  # 지표마다 1등인 모델이 이 안에 있어요
SLOW = ("12_text",)  # 느린 구현으로도 재는 모델


@pytest.fixture(scope="module")
def cells():
    return load_cells("16_evaluation", *TAGS)


@pytest.fixture(scope="module")
def world(cells):
    """표와 똑같은 기준: 진짜 A의 특징, 진짜끼리의 FID, 학습 그림과 시험 그림."""
    digits = data.load("digits")
    everything = np.concatenate([digits.x_train, digits.x_test])
    n = len(everything) // 2
    order = np.random.default_rng(0).permutation(len(everything))
    real, other = (metrics.digit_features(everything[part])[0].astype("float64") for part in (order[:n], order[n : 2 * n]))
    train, test = digits.x_train / np.float32(255), digits.x_test / np.float32(255)
    features, chances = metrics.digit_features(train)
    return {
        "n": n, "real": real, "other": other, "floor": metrics.frechet_distance(real, other), "train": train, "test": test,
        "test_labels": digits.y_test, "labels": digits.y_train, "features": features.astype("float64"), "chances": chances,
        "near": np.median(metrics.nearest(test, train)[0]),
        "circles": {k: cells["radius"](real, k) for k in (3, 5)}, "among": cells["mean_of_pairs"](cells["cubic"](real, real)),
    }


@pytest.fixture(scope="module")
def models(world):
    """{이름: 표에 넣는 그림 한 벌}"""
    return {name: made_of(samples.load(name, "digits").images[: world["n"]], world, samples.load(name, "digits").facts.get("labels"), near=name in SLOW) for name in MODELS}


def made_of(images, world, labels=None, near=False):
    images = np.float32(images) / 255 if images.dtype == np.uint8 else np.float32(images)
    features, chances = metrics.digit_features(images)
    labels = chances.argmax(axis=1) if labels is None else np.array(labels[: len(images)])
    near, _ = metrics.nearest(images, world["train"]) if near else (np.ones(len(images)), 0)
    return {"features": features.astype("float64"), "chances": chances.astype("float64"), "pixels": images, "labels": labels, "near": near}


def kernel_sums(a, b, skip):
    """짝마다 세제곱 커널을 하나씩 더해요. skip이면 같은 번호의 짝은 빼요."""
    total = []
    for i, x in enumerate(a):
        row = [(float(v) / len(x) + 1) ** 3 for v in b @ x]
        total.append(math.fsum(v for j, v in enumerate(row) if not (skip and i == j)))
    return math.fsum(total)


def slow_measures(real, fake, chances, k_pr=3, k_dc=5):
    """논문의 식을 그대로 옮긴 느린 구현: FID(SciPy의 행렬 제곱근), KID, IS, 정밀도, 밀집도, 재현율, 포괄도."""
    s1, s2 = np.cov(real.T), np.cov(fake.T)
    fid = np.sum((real.mean(0) - fake.mean(0)) ** 2) + np.trace(s1 + s2 - 2 * linalg.sqrtm(s1 @ s2).real)
    n, m = len(real), len(fake)
    kid = kernel_sums(real, real, True) / (n * (n - 1)) + kernel_sums(fake, fake, True) / (m * (m - 1))
    kid -= 2 * kernel_sums(real, fake, False) / (n * m)
    score = math.exp(np.mean([stats.entropy(row, chances.mean(axis=0)) for row in chances]))
    between, own, theirs = (spatial.distance.cdist(*pair) for pair in ((real, fake), (real, real), (fake, fake)))
    radius = {k: [sorted(row)[k] for row in own] for k in (k_pr, k_dc)}
    fake_radius = [sorted(row)[k_pr] for row in theirs]
    precision = np.mean([any(between[i, j] <= radius[k_pr][i] for i in range(n)) for j in range(m)])
    recall = np.mean([any(between[i, j] <= fake_radius[j] for j in range(m)) for i in range(n)])
    inside = [sum(between[i, j] <= radius[k_dc][i] for j in range(m)) for i in range(n)]
    return fid, kid, score, precision, sum(inside) / (k_dc * m), recall, np.mean([count > 0 for count in inside])


@pytest.mark.parametrize("name", SLOW)
def test_the_numbers_of_the_table_equal_independent_implementations(cells, world, models, name):
    made = models[name]
    fid, kid, score, precision, density, recall, coverage = slow_measures(world["real"], made["features"], made["chances"])
    found = cells["measure"](made, world)
    wanted = [fid / world["floor"], kid / 1_000, score, precision, density, recall, coverage]
    assert np.allclose(found[:7], wanted, rtol=1e-6, atol=1e-6)
    near = spatial.distance.cdist(made["pixels"].reshape(-1, 784), world["train"].reshape(-1, 784)).min(axis=1)
    assert found[8] == pytest.approx(np.median(near) / world["near"], rel=1e-5)
    assert found[8] == pytest.approx(cells["nearest_ratio"](made["pixels"], world["train"], world["test"]), rel=1e-6)
    assert metrics.frechet_distance(world["real"], made["features"]) == pytest.approx(fid)  # 08의 도우미와도
    assert np.allclose(metrics.precision_recall(world["real"], made["features"]), (precision, recall))


def test_cas_is_gradient_descent_on_cross_entropy(cells, world):
    """가중치가 Keras의 SGD(관성 0.9)로 교차 엔트로피 + 0.0005‖W‖²을 100스텝 줄인 것과 같아요."""
    pixels, labels = world["train"][:200].reshape(200, 784), world["labels"][:200]
    w, b, center = cells["learn_digits"](world["train"][:200], labels)
    weight, bias = keras.Variable(np.zeros((784, 10), "float32")), keras.Variable(np.zeros(10, "float32"))
    sgd = keras.optimizers.SGD(0.5, momentum=0.9)
    sgd.build([weight, bias])
    x = tf.constant(pixels - pixels.mean(axis=0))

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(labels, x @ weight + bias, from_logits=True))
            loss += 0.0005 * keras.ops.sum(weight**2)
        sgd.apply(tape.gradient(loss, [weight.value, bias.value]), [weight, bias])

    for _ in range(100):
        step()
    assert np.allclose(w, weight.numpy(), atol=1e-4) and np.allclose(b, bias.numpy(), atol=1e-4)
    guesses = np.argmax((world["test"].reshape(-1, 784) - center) @ weight.numpy() + bias.numpy(), axis=1)
    score = cells["accuracy_score"](world["train"][:200], labels, world["test"], world["test_labels"])
    assert score == pytest.approx(np.mean(guesses == world["test_labels"]), abs=1e-6) and score > 0.7


def test_kid_over_all_subsets_is_the_kid_of_the_whole_and_fid_is_not(cells):
    a, b = np.random.default_rng(3).normal(size=(2, 6, 2)) * [[[1]], [[1.5]]]
    threes = [list(chosen) for chosen in itertools.combinations(range(6), 3)]
    for name, same in (("kid", True), ("frechet", False)):
        average = np.mean([cells[name](a[i], b[j]) for i in threes for j in threes])
        assert np.isclose(average, cells[name](a, b), rtol=1e-9) == same
    signs = [cells["kid"](*np.random.default_rng(k).normal(size=(2, 30, 4))) for k in range(300)]
    assert abs(np.mean(signs)) < 4 * np.std(signs) / np.sqrt(300) and 0.3 < np.mean(np.array(signs) < 0) < 0.8


def test_inception_score_is_the_exponential_of_the_mutual_information(cells):
    joint = np.random.default_rng(0).dirichlet(np.ones(10), size=50)
    information = stats.entropy(joint.mean(axis=0)) - np.mean([stats.entropy(row) for row in joint])
    assert cells["inception_score"](joint) == pytest.approx(np.exp(information))
    assert cells["inception_score"](np.eye(10)) == pytest.approx(10)
    assert cells["inception_score"](np.full((5, 10), 0.1)) == pytest.approx(1)


@pytest.mark.parametrize("k", [1, 5])
def test_density_and_coverage_of_equal_distributions(cells, k):
    """밀집도의 기댓값 1, 포괄도의 기댓값 1 − ∏(N−j)/(2N−j). 차원이 무엇이든."""
    n, rng, j = 30, np.random.default_rng(0), np.arange(1, k + 1)
    for dimension in (1, 6):
        found = np.array([cells["density_coverage"](*rng.normal(size=(2, n, dimension)), k=k) for _ in range(1_500)])
        error = found.std(axis=0) / np.sqrt(len(found))
        assert np.all(np.abs(found.mean(axis=0) - [1, 1 - np.prod((n - j) / (2 * n - j))]) < 4 * error)


def test_one_outlier_fools_precision_and_recall_only(cells):
    rng = np.random.default_rng(0)
    crowd, far = rng.normal(0, 0.5, (80, 2)), rng.normal([6, 0], 0.2, (80, 2))
    lonely_real, lonely_fake = np.concatenate([crowd, [[6.0, 0.0]]]), np.concatenate([far, [[0.0, 0.0]]])
    assert cells["precision_recall"](lonely_real, far)[0] == 1 and cells["density_coverage"](lonely_real, far)[0] < 0.3
    assert cells["precision_recall"](crowd, lonely_fake)[1] == 1 and cells["density_coverage"](crowd, lonely_fake)[1] < 0.2


def test_half_samples_give_the_standard_error_of_a_mean(cells):
    """모든 절반의 평균들의 분산이 s²/n과 꼭 같아요."""
    x = np.random.default_rng(1).gamma(2, size=8)
    means = [np.mean(x[list(half)]) for half in itertools.combinations(range(8), 4)]
    assert np.var(means) == pytest.approx(np.var(x, ddof=1) / 8)
    halves = cells["half_picks"](8, 50, np.random.default_rng(0))
    assert all(len(set(half)) == 4 and max(half) < 8 for half in halves) and len({tuple(sorted(half)) for half in halves}) > 10
    found = cells["spread_of"](lambda half: x[half].mean(), 8, 4_000, np.random.default_rng(0))
    assert found == pytest.approx(np.sqrt(np.var(means)), rel=0.05)


def test_every_adversary_wins_its_metric_or_ties_with_the_best(cells, world, models):
    """흔들림의 두 배 넘게 이겨요. 포괄도는 끝(1)에 닿아 두 배 안팎이고, 더 이길 자리가 없는 CAS는 비겨요."""
    n, real, few = world["n"], world["real"], (world["train"], world["features"], world["labels"])
    rulers = {
        "FID": lambda made, half: -cells["frechet"](real, made["features"][half]) / world["floor"],
        "KID": lambda made, half: -cells["kid"](real, made["features"][half], world["among"]) / 1_000,
        "IS": lambda made, half: cells["inception_score"](made["chances"][half]),
        "정밀도": lambda made, half: cells["precision_recall"](real, made["features"][half])[0],
        "재현율": lambda made, half: cells["precision_recall"](real, made["features"][half])[1],
        "밀집도": lambda made, half: cells["density_coverage"](real, made["features"][half])[0],
        "포괄도": lambda made, half: cells["density_coverage"](real, made["features"][half])[1],
        "CAS": lambda made, half: cells["accuracy_score"](made["pixels"][half], made["labels"][half], world["test"], world["test_labels"]),
    }

    def spread(made, score):
        return cells["spread_of"](lambda half: score(made, half), n, 10, np.random.default_rng(0))

    best = {}  # 1등 모델의 점수와 흔들림
    for ruler, score in rulers.items():
        scores = {name: score(made, slice(None)) for name, made in models.items()}
        first = max(scores, key=scores.get)
        best[ruler] = scores[first], spread(models[first], score)

    def margin(ruler, scores):
        """가장 나쁜 시드와 1등의 차이를, 1등의 흔들림과 시드 사이의 표준편차를 합친 것으로 나눠요."""
        between = np.std(scores, ddof=1) if len(scores) > 1 else 0
        return (min(scores) - best[ruler][0]) / np.hypot(best[ruler][1], between)

    found = {}
    for seed in (42, 1, 2):
        rng = np.random.default_rng(seed)
        cheats = {("재현율",): cells["one_digit_in_noise"](*few, n, rng), ("포괄도",): cells["even_copies"](*few, n, rng)}
        if seed == 42:  # 이 둘에는 무작위가 없어요
            cheats[("IS",)] = cells["ten_copies"](world["train"], world["chances"], world["labels"], n)
            cheats[("정밀도", "밀집도")] = cells["one_copy"](*few, n)
        for targets, (images, labels) in cheats.items():
            assert images.shape == (n, 28, 28) and images.min() >= 0 and images.max() <= 1
            made = made_of(images, world, labels)
            for ruler in targets:
                found.setdefault(ruler, []).append(rulers[ruler](made, slice(None)))
        images, _ = cells["shifted_copies"](world["train"], world["labels"], n, rng)
        assert cells["nearest_ratio"](images, world["train"], world["test"]) > 1.1  # 시험 그림은 1, 그대로 베끼면 0
    assert all(margin(ruler, scores) > (1.5 if ruler == "포괄도" else 2) for ruler, scores in found.items()), found
    assert min(found["포괄도"]) > 0.995
    noise, blots = samples.load("16_noise", "digits"), samples.load("16_distilled", "digits")
    made = made_of(noise.images[:n], world, noise.facts["labels"])
    assert -rulers["FID"](made, slice(None)) == pytest.approx(noise.facts["times_floor"][0], abs=0.01)
    assert len(noise.facts["seeds"]) == len(blots.facts["seeds"]) == 3
    assert -rulers["KID"](made, slice(None)) == pytest.approx(noise.facts["kid"][0], abs=0.002)
    for ruler, key, sign in (("FID", "times_floor", -1), ("KID", "kid", -1), ("재현율", "recall", 1)):
        assert margin(ruler, sign * np.array(noise.facts[key])) > 2
    assert max(noise.facts["precision"]) < 0.75 and max(noise.facts["density"]) < 0.6 and max(noise.facts["coverage"]) < 0.85  # 진짜는 0.91, 1.04, 0.97
    assert rulers["CAS"](made, slice(None)) < 0.5  # 다른 눈에는 크게 들켜요
    images, labels = np.resize(blots.images, (n, 28, 28)) / 255, np.resize(blots.facts["labels"], n)
    made = {"pixels": np.float32(images), "labels": labels}
    assert rulers["CAS"](made, slice(None)) == pytest.approx(blots.facts["cas"][0], abs=0.01)
    assert margin("CAS", blots.facts["cas"]) > -2


def test_noise_learns_the_features_and_stays_coarse(cells, world):
    target = world["features"][:6].astype("float32")
    _, far = cells["fool"](target, world["features"], 1, 0, fid_weight=0.0, kid_weight=0.0)
    images, near = cells["fool"](target, world["features"], 40, 0, fid_weight=0.0, kid_weight=0.0)
    assert near < far / 2 and images.shape == (6, 28, 28)
    assert np.array_equal(images[:, ::2, ::2], images[:, 1::2, 1::2]) and np.array_equal(16 * images, np.round(16 * images))


def test_a_mixture_with_noise_loses_only_the_logarithm_of_its_share():
    log_p, log_q = np.array([-78.0, -120.0, -60.0]), -784 * np.log(2)
    for share in (0.5, 0.9, 0.99):
        exact = np.logaddexp(np.log(1 - share) + log_p, np.log(share) + log_q)
        assert np.all(exact >= log_p + np.log(1 - share)) and np.allclose(exact, log_p + np.log(1 - share))
