"""14의 노트북에 적힌 함수들: 평균과 뽑은 답, 곱의 손실, 구멍 밖의 픽셀, PSNR, 조각과 마스크, 차례, 손실 셋, 이어 한 학습."""

import numpy as np
import pytest
from resuming import resumes_exactly

from course_utils import data, metrics, samples, training, weights
from course_utils.backend import keras, tf
from course_utils.lessons import load_cells

NAME = "14_patches_restoration"
TAGS = ("toy", "from-08", "networks", "restorer", "train", "many", "measure", "sr", "parts", "puzzle-networks", "puzzle",
        "puzzle-measure", "psnr")


@pytest.fixture(scope="module")
def cells():
    names = load_cells(NAME, *TAGS)
    names["seed"] = 0
    return names


@pytest.fixture(scope="module")
def images():
    digits = data.load("digits")
    return (digits.x_test[:24, ..., None] / 127.5 - 1).astype("float32")


def built(cells, kind, judge=True, **options):
    """네 모델 가운데 하나."""
    keras.utils.set_random_seed(0)
    generator = {"sr": "sr_generator", "puzzle": "puzzle_generator"}.get(kind, "hole_generator")
    made = {"hole": "HoleFiller", "many": "ManyFiller", "sr": "SuperResolver", "puzzle": "PuzzleGAN"}[kind]
    model = cells[made](cells[generator](), cells["discriminator"]() if judge else None, **options)
    shapes = [(1, *part.shape[1:]) for part in model.generator.inputs]
    model([np.zeros(shape, "float32") for shape in shapes] if len(shapes) > 1 else np.zeros(shapes[0], "float32"))
    return model


def test_the_mean_has_the_least_distortion_and_the_sample_exactly_twice(cells):
    """아무 분포에서나: L2의 가장 좋은 답은 평균이고, 사후 분포에서 독립으로 뽑은 답의 MSE는 그 두 배, 분포는 똑같아요."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = rng.normal(size=6) ** 3
        truth, drawn = np.repeat(values, 6), np.tile(values, 6)  # 원본과 뽑은 답이 만나는 모든 경우
        (best, worst), (twice, perfect) = (cells["plane_point"](truth, answer) for answer in (0 * truth + values.mean(), drawn))
        assert np.isclose(best, values.var()) and np.isclose(worst, values.var())
        assert np.isclose(twice, 2 * best) and np.isclose(perfect, 0)
        others = values.mean() + rng.normal(size=50)
        assert all(cells["plane_point"](truth, 0 * truth + other)[0] > best for other in others)


def test_no_answer_passes_the_curve_of_two_truths(cells):
    """두 답의 세상: t배로 줄인 답은 (1 + t², (1 − t)²)이고, 어떤 답의 분포도 그 왼쪽 아래로 못 가요."""
    truth, drawn = np.array([-1.0, -1, 1, 1]), np.array([-1.0, 1, -1, 1])
    for t in np.linspace(0, 1.5, 7):
        assert np.allclose(cells["plane_point"](truth, t * drawn), (1 + t**2, (1 - t) ** 2))
    rng = np.random.default_rng(0)
    for _ in range(200):
        answers = rng.normal(rng.normal(), rng.uniform(0, 2), 20) * rng.choice((1, 0.3))
        distortion, perception = cells["plane_point"](np.repeat([-1.0, 1], 20), np.tile(answers, 2))
        assert perception >= (1 - np.sqrt(distortion - 1)) ** 2 - 1e-9


def test_the_product_of_two_errors_punishes_only_the_mean(cells, images):
    """E[(x − G₁)(x − G₂)] = ‖x − Ḡ‖²: 여섯 답에서 독립으로 둘을 뽑는 모든 경우의 평균. 보통의 L2에는 분산이 더해져요."""
    many = built(cells, "many", judge=False, weight=1.0)
    rng = np.random.default_rng(0)
    x, answers = rng.normal(size=5), rng.normal(size=(6, 5))
    one, two = np.repeat(answers, 6, axis=0), np.tile(answers, (6, 1))
    made = np.concatenate([one, two]).astype("float32")
    truth = np.tile(x, (72, 1)).astype("float32")
    wanted = np.mean((x - answers.mean(axis=0)) ** 2)
    assert np.isclose(float(many.distance(truth, made, None)), wanted, rtol=1e-4)
    plain = float(cells["Restorer"].distance(many, truth, made, None))
    assert np.isclose(plain, wanted + answers.var(axis=0).mean(), rtol=1e-4)
    twice = np.asarray(many.targets(images))
    assert np.array_equal(twice, np.concatenate([images[:12], images[:12]]))


def test_known_pixels_stay_and_the_hole_depends_on_nothing_inside(cells, images):
    """구멍 밖은 받은 그대로이고, 구멍 안의 원본을 바꿔도 답이 같고, z를 바꾸면 답이 달라요."""
    model = built(cells, "hole", judge=False)
    hole = cells["HOLE"][..., 0] > 0
    assert hole.sum() == 14 * 14 and hole[7:21, 7:21].all()
    z = np.random.default_rng(0).normal(size=(2, len(images), 16)).astype("float32")
    spoiled = np.where(cells["HOLE"] > 0, -images, images)
    made, same, other = (np.asarray(model.generator([model.evidence(x), noise])) for x, noise in
                         ((images, z[0]), (spoiled, z[0]), (images, z[1])))
    assert np.array_equal(made[:, ~hole], images[:, ~hole])
    assert np.array_equal(made, same) and np.abs(made - other)[:, hole].max() > 1e-4


def test_evidence_of_super_resolution_and_the_range_of_psnr(cells, images):
    """7×7은 4×4칸의 평균이고, PSNR의 폭은 제곱해서 들어가요. 넷 가운데 하나만 틀리면 6.02 dB 커져요."""
    small = images.reshape(-1, 7, 4, 7, 4, 1).mean(axis=(2, 4))
    assert np.allclose(small, np.asarray(cells["SuperResolver"].evidence(None, images)), atol=1e-6)
    flat = np.full((1, 7, 7, 1), 0.25, "float32")
    assert np.allclose(cells["bicubic"](flat), 0.25, atol=1e-6)
    error = np.mean((images[0] - images[1]) ** 2)  # −1–1의 그림
    assert np.isclose(cells["psnr"](error, 2), cells["psnr"](error / 4)) and np.isclose(cells["psnr"](0.01), 20)
    assert np.isclose(cells["psnr"](error * 127.5**2, 255), cells["psnr"](error / 4))
    assert np.isclose(cells["psnr"](error / 4) - cells["psnr"](error), 10 * np.log10(4))


def test_parts_are_cut_where_the_mask_says(cells, images):
    """조각은 마스크의 자리에서 잘라 낸 것이고, 세 모서리는 7픽셀 넘게 떨어져 있고, 첫 조각은 차의 제곱이 가장 큰 곳이에요."""
    parts, corners, masks = (np.asarray(value) for value in cells["find_parts"](images))
    for image, pieces, places, mask in zip(images[..., 0], parts[..., 0], corners, masks[..., 0], strict=True):
        wanted, squares = np.zeros((28, 28)), [divmod(int(place), 21) for place in places]
        for piece, (row, column) in zip(pieces, squares, strict=True):
            assert np.array_equal(piece, image[row : row + 8, column : column + 8])
            wanted[row : row + 8, column : column + 8] = 1
        assert np.array_equal(mask, wanted)
        for one in range(3):
            for other in range(one):
                assert max(abs(a - b) for a, b in zip(squares[one], squares[other], strict=True)) >= 7
        across, down = np.zeros((28, 28)), np.zeros((28, 28))
        across[:, 1:-1], down[1:-1] = image[:, 2:] - image[:, :-2], image[2:] - image[:-2]
        energy = np.lib.stride_tricks.sliding_window_view(across**2 + down**2, (8, 8)).sum(axis=(2, 3))
        assert np.isclose(energy[squares[0]], energy.max(), rtol=1e-5)


def test_the_order_of_parts_does_not_matter(cells, images):
    model = built(cells, "puzzle", judge=False)
    parts = np.asarray(cells["find_parts"](images)[0])
    image, mask = model.generator(parts)
    for order in ([0, 2, 1], [1, 2, 0], [2, 1, 0]):
        other, again = model.generator(parts[:, order])
        assert np.allclose(image, other, atol=1e-6) and np.allclose(mask, again, atol=1e-5)
    other, _ = model.generator(parts[::-1])
    assert np.abs(np.asarray(image) - np.asarray(other)).max() > 1e-5


def test_the_losses_against_hand_numbers(cells):
    """마스크: 로짓 0이면 log 2, 로짓 −log 3이면 자리에서 log 4, 밖에서 log(4/3). 겉모습: 마스크 안의 L1 평균, 밖은 세지 않아요."""
    puzzle = built(cells, "puzzle", judge=False, mask_weight=1.0, look_weight=0.0)
    mask = np.zeros((1, 28, 28, 1), "float32")
    mask[:, :7] = 1  # 넷 가운데 하나
    x, made = np.zeros_like(mask), np.full_like(mask, 0.5)
    made[:, :7] = 0.25
    for logit, wanted in ((0.0, np.log(2)), (-np.log(3), 0.25 * np.log(4) + 0.75 * np.log(4 / 3))):
        loss = puzzle.distance(x, (made, np.full_like(mask, logit)), (None, mask))
        assert np.isclose(float(loss), wanted, atol=1e-5)
    puzzle.mask_weight, puzzle.look_weight = 0.0, 1.0
    assert np.isclose(float(puzzle.distance(x, (made, mask), (None, mask))), 0.25)
    found, right = np.zeros((1, 28, 28)), np.zeros((1, 28, 28))
    found[:, :10], right[:, 5:15] = 1, 1
    assert np.isclose(cells["overlap"](found, right)[0], 5 / 15)


def test_offsets_find_the_true_place(cells, images):
    parts, corners, _ = (np.asarray(value) for value in cells["find_parts"](images))
    assert cells["offsets"]((images[..., 0] + 1) / 2, parts, corners).max() == 0
    moved = np.roll(images, (2, 1), axis=(1, 2))
    inner = cells["offsets"]((moved[..., 0] + 1) / 2, parts, corners)
    assert np.isclose(np.median(inner), np.hypot(2, 1))


def test_the_ruler_says_one_for_the_originals():
    """FID의 자: 원본들을 그대로 놓으면 꼭 1배이고, 두 장씩 평균 내면 커요."""
    x = data.load("digits").x_train / np.float32(255)
    ruler = load_cells(NAME, "measure")
    ruler |= {"truth": x[:300], "train_features": metrics.digit_features(x[300:])[0]}
    assert ruler["fid"](x[:300]) == 1 and ruler["fid"]((x[:300] + x[1:301]) / 2) > 2


@pytest.mark.parametrize("kind", ["many", "puzzle"])
def test_each_network_moves_only_by_its_own_loss(cells, images, kind):
    """G의 학습률이 0이면 D만, D의 학습률이 0이면 G만 움직여요."""
    for g_rate, d_rate in ((0.0, 0.1), (0.1, 0.0)):
        model = built(cells, kind)
        model.compile(keras.optimizers.SGD(g_rate), keras.optimizers.SGD(d_rate))
        networks = model.generator, model.discriminator
        before = [[v.numpy() for v in network.trainable_variables] for network in networks]
        model.train_step(tf.constant(images[:8]))
        moved = [any(np.abs(v.numpy() - old).max() > 0 for v, old in zip(network.trainable_variables, olds, strict=True))
                 for network, olds in zip(networks, before, strict=True)]
        assert moved == [g_rate > 0, d_rate > 0]


@pytest.mark.parametrize("kind", ["many", "puzzle"])
def test_interrupted_training_resumes_exactly(cells, kind, tmp_path, capsys, monkeypatch, eager):
    """뽑은 z와 흔든 각도까지 이어져, 끊기지 않은 학습과 최대 차이 0."""
    x = data.load("digits").x_train[:32]

    def train(run, stop):
        keras.utils.set_random_seed(0)
        model = built(cells, kind, **({"shake": cells["shaker"]()} if kind == "puzzle" else {}))
        model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), jit_compile=False)
        history = training.fit(model, x, 8, 4, run=run, name="restore", prepare=cells["to_tanh"], steps_per_epoch=1, callbacks=[stop])
        return model, history

    resumes_exactly(train, tmp_path, capsys, monkeypatch)


def test_shipped_points_say_the_same_for_every_seed():
    """본문이 읽는 것: 시드마다, D를 더하면 왜곡이 조금 늘고 FID가 크게 줄고, 답은 다양하지 않아요. 손실을 빼면 저마다 한 가지가 무너져요."""
    hole, loss = (samples.load(f"14_{name}", "digits").facts for name in ("hole_plane", "ablation"))
    near, more, real = ({key: np.array(values) for key, values in hole[name].items()} for name in ("L2", "L2 더", "L2 + 적대"))
    assert hole["seeds"] == loss["seeds"] == [42, 1, 2]
    assert np.all(more["mse"] < near["mse"]) and np.all(more["fid"] < near["fid"])
    assert np.all(real["fid"] < 0.4 * near["fid"]) and np.all(real["fid"] < 0.6 * more["fid"]) and np.all(real["mse"] < 1.22 * near["mse"])
    assert np.all(real["spread"] < 0.05 * near["mse"])
    whole = loss["셋 다"]
    assert max(loss["마스크 빼고"]["iou"]) < 0.6 * min(whole["iou"])
    assert min(loss["겉모습 빼고"]["offset"]) > 2 * max(whole["offset"]) and max(loss["겉모습 빼고"]["kept"]) < min(whole["kept"]) - 0.2
    assert min(loss["적대 빼고"]["fid"]) > 8 * max(whole["fid"]) and min(loss["적대 빼고, 그림 전체를 L2로"]["fid"]) > 2.5 * max(whole["fid"])


@pytest.mark.parametrize("name", ["14_puzzle", "14_hole"])
def test_shipped_restorations_are_of_the_test_images(cells, name):
    """저장해 둔 복원은 시험 그림 300장의 것이고, 원본의 숫자로 읽히는 비율을 다시 재면 적어 둔 것과 거의 같아요."""
    digits, found = data.load("digits"), samples.load(name, "digits")
    assert found.facts["labels"] == digits.y_test.tolist() and len(found.images) == 300
    read = metrics.digit_features(found.images)[1].argmax(axis=1)
    assert abs(np.mean(read == digits.y_test) - found.facts["kept"]) < 0.02
    if name == "14_hole":
        outside = cells["HOLE"][..., 0] == 0
        assert np.abs(found.images[:, outside].astype(int) - digits.x_test[:, outside]).max() <= 9  # 17단계로 줄인 만큼


def test_pretrained_restorers_know_their_jobs(cells):
    """MNIST로 학습한 가중치를 digits의 시험 그림에 써도 제 일을 해요. 구멍은 데이터를 타서 digits에서는 3분의 1쯤만 읽혀요(찍으면 0.1)."""
    digits = data.load("digits")
    truth = digits.x_test / np.float32(255)
    x, lowered = 2 * truth[..., None] - 1, truth.reshape(-1, 7, 4, 7, 4, 1).mean(axis=(2, 4))
    parts, _, masks = (np.asarray(part) for part in cells["find_parts"](x))

    def ready(kind, name):
        model = built(cells, kind, judge=False)
        weights.load(model.average, name)
        return model

    def reads(images):
        return np.mean(metrics.digit_features(images)[1].argmax(axis=1) == digits.y_test)

    for kind, name, low, high in (("hole", "14_hole_l2", 0, 0.001), ("many", "14_hole_gan", 0.05, 0.2)):
        one, other = (cells["fill"](ready(kind, name), x * (1 - cells["HOLE"]), k) for k in (1, 2))
        assert reads(one) > 0.25 and low < ((one - other)[:, 7:21, 7:21] ** 2).mean() / 2 < high  # 답의 다양함
    for name in ("14_sr_l2", "14_sr_gan"):
        image = cells["restored"](ready("sr", name), 2 * lowered - 1)
        assert reads(image) > 0.85 and ((image - truth) ** 2).mean() < 0.6 * ((cells["bicubic"](lowered) - truth) ** 2).mean()
    image, mask = cells["solve"](ready("puzzle", "14_puzzle"), parts)
    assert reads(image) > 0.6 and cells["overlap"](mask, masks[..., 0]).mean() > 0.5
