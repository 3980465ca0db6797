"""12의 노트북에 적힌 함수들: 하한과 천장, 세 짝이 D를 미는 쪽, 누가 움직이는지, 문장이 참인지, 이어 한 학습."""

import numpy as np
import pytest
from resuming import resumes_exactly
from scipy import special

from course_utils import data, training, weights
from course_utils.backend import keras, tf
from course_utils.lessons import load_cells

NAME = "12_conditional_infogan_text"
SHARED = ("from-08", "networks", "gan", "train", "attributes")
TEXT = ("captions", "encoder", "wrong", "text", "drawer-and-judge")
SGD = keras.optimizers.SGD
ops = keras.ops


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def cells(digits):
    names = load_cells(NAME, *SHARED, "blind", "bound", "info", "tweaks", "info-data", "score", *TEXT)
    labels = digits.y_train.astype(int)
    names |= {"x_train": digits.x_train, "y_train": digits.y_train, "labels": labels}
    names["thick_edges"] = names["edges_of"](names["thickness"](digits.x_train), labels)
    names["lean_edges"] = names["edges_of"](names["slant"](digits.x_train), labels)
    combo = names["shape_of"](digits.x_train, labels)
    seen = ~np.isin(combo, names["HELD_OUT"])
    names |= {"x_seen": digits.x_train[seen], "combo_seen": combo[seen].astype("int32"), "seed": 0}
    return names


def model(cells, kind, **options):
    """세 모델 가운데 하나와, 번호를 학습할 묶음으로 바꾸는 함수."""
    keras.utils.set_random_seed(0)
    z = np.zeros((2, 16), "float32")
    if kind == "conditional":
        made = cells["ConditionalGAN"](cells["generator"](16, 10), cells["body"](), cells["head"](10))
        made([z, np.zeros((2, 10), "float32")])
        return made, cells["with_label"]
    if kind == "info":
        made = cells["SteadyInfoGAN"](
            cells["dial_generator"](16, 12), cells["body"](), cells["blind_head"](), cells["finder"](), **options
        )
        made([z, np.zeros((2, 12), "float32")])
        made.finder(made.body(np.zeros((2, 28, 28, 1), "float32")))
        return made, cells["without_label"]
    made = cells["TextGAN"](cells["generator"](16, 32), cells["body"](), cells["head"](32), cells["text_encoder"](), **options)
    made([z, cells["BAGS"][0, :2]])
    return made, made.with_sentences


def numbers(count):
    return tf.range(count, dtype="float32")[:, None]


def test_the_bound_never_passes_information_nor_entropy_and_can_be_negative(cells):
    """L_I = I − E KL(p(c|x) ‖ Q(c|x)) ≤ I ≤ H(c). Q가 사후 확률이면 I와 같고, 자신 있게 틀리면 음수."""
    rng, lowest = np.random.default_rng(0), np.inf
    for _ in range(50):
        joint = rng.dirichlet(np.ones(12)).reshape(3, 4)
        prior, posterior = joint.sum(axis=1), joint / joint.sum(axis=0)
        information, entropy = cells["mutual_information"](joint), special.entr(prior).sum()
        assert np.isclose(cells["table_bound"](joint, posterior), information)
        assert 0 <= information <= entropy + 1e-12
        q = rng.dirichlet(np.full(3, 0.3), 4).T + 1e-9
        bound = cells["table_bound"](joint, q / q.sum(axis=0))
        lost = np.sum(joint.sum(axis=0) * special.rel_entr(posterior, q / q.sum(axis=0)).sum(axis=0))
        assert bound <= information + 1e-9 and np.isclose(bound, information - lost, atol=1e-6)
        lowest = min(lowest, bound)
    assert lowest < 0


def test_the_bound_written_while_training_is_that_of_q(cells):
    """InfoGAN이 기록하는 하한은 뽑은 코드에 대한 log Q의 평균 + log 10이고, log 10을 넘지 않아요."""
    info, _ = model(cells, "info")
    info.compile(SGD(0.0), SGD(0.0))
    c = info.codes(50)
    assert np.allclose(np.asarray(c)[:, :10].sum(axis=1), 1) and np.abs(np.asarray(c)[:, 10:]).max() <= 1
    for scale in (1.0, 200.0):
        h = scale * keras.random.normal((50, 1536), seed=1)
        logits, _ = info.finder(h, training=True)
        log_q = np.asarray(ops.log_softmax(logits))[np.arange(50), np.asarray(c)[:, :10].argmax(axis=1)]
        info.bound.reset_state()
        info.miss(h, c)
        assert np.isclose(float(info.bound.result()), log_q.mean() + np.log(10), atol=1e-4)
        assert float(info.bound.result()) <= np.log(10)


def test_one_to_one_is_stricter_than_each_for_itself(cells):
    counts = np.array([[90, 10, 0], [80, 0, 20], [0, 50, 50]], float)
    accuracy, named = cells["one_to_one"](counts)
    assert np.isclose(accuracy, 160 / 300) and sorted(named) == [0, 1, 2] and counts.max(axis=1).sum() == 220


@pytest.mark.parametrize("kind", ["conditional", "info", "text"])
def test_each_loss_moves_only_its_own_networks(cells, kind):
    """G의 학습률이 0이면 D(와 Q, 인코더)만, D의 학습률이 0이면 G만 움직여요."""
    for g_rate, d_rate in ((0.0, 0.1), (0.1, 0.0)):
        gan, prepare = model(cells, kind)
        gan.compile(SGD(g_rate), SGD(d_rate))
        gan.g_optimizer.iterations.assign(1)  # 다이얼의 무게는 첫 스텝에 0이에요
        judges, painter = gan.d_variables(), gan.generator.trainable_variables
        before = [[v.numpy() for v in part] for part in (painter, judges)]
        gan.train_step(prepare(numbers(8)))
        moved = [[np.abs(v.numpy() - old).max() > 0 for v, old in zip(part, olds, strict=True)]
                 for part, olds in zip((painter, judges), before, strict=True)]
        assert any(moved[0]) == (g_rate > 0) and any(moved[1]) == (d_rate > 0)
        others = [v.path for v in judges]
        assert not any(v.path in others for v in painter)
        if d_rate and kind != "conditional":  # Q의 머리와 인코더도 D의 손실로 배워요
            extra = gan.finder if kind == "info" else gan.encoder
            assert all(moved[1][-len(extra.trainable_variables) :])


def test_the_projection_head_adds_realism_and_match(cells):
    """로짓 = 그럴듯함 + 어울림: 조건이 0이면 조건과 상관없고, 조건에 대해 선형이에요."""
    head = cells["head"](10)
    h = np.random.default_rng(0).normal(size=(5, 1536)).astype("float32")
    alone = np.asarray(head([h, np.zeros((5, 10), "float32")]))
    one, two = (np.tile(np.eye(10, dtype="float32")[k], (5, 1)) for k in (3, 7))
    both = np.asarray(head([h, one + two])) - alone
    assert np.allclose(both, np.asarray(head([h, one])) + np.asarray(head([h, two])) - 2 * alone, atol=1e-4)


def test_wrong_pairs_push_d_down_on_real_images_with_wrong_sentences(cells):
    """틀린 짝이 있으면 진짜 + 틀린 문장에 대한 대답이 맞는 문장보다 뚜렷이 낮아지고, 없으면 둘이 거의 같아요."""
    gap = {}
    for weight in (0.5, 0.0):
        gan, prepare = model(cells, "text", wrong_weight=weight)
        gan.compile(SGD(0.0), keras.optimizers.Adam(1e-3))
        step = tf.function(lambda gan=gan, prepare=prepare: gan.train_step(prepare(numbers(60))))
        for _ in range(40):
            step()
        real, right, wrong = prepare(numbers(60))
        h = gan.body(real, training=True)
        on_right, on_wrong = (float(ops.mean(ops.sigmoid(gan.head([h, gan.encoder(words)])))) for words in (right, wrong))
        gap[weight] = on_right - on_wrong
    assert gap[0.5] > 0.2 and gap[0.5] > gap[0.0] + 0.15


def test_three_pairs_give_two_thirds_for_a_perfect_generator(cells):
    """가짜의 로짓이 진짜 + 맞는 문장의 로짓과 같으면, 손실이 가장 작은 대답은 ⅔이에요."""
    gan, _ = model(cells, "text")
    p = np.linspace(0.6, 0.75, 16)  # 0.01 간격
    logits = np.log(p / (1 - p)).astype("float32")[:, None, None]
    loss = [float(gan.yes(logit) + (1 - gan.wrong_weight) * gan.no(logit)) for logit in logits]
    assert abs(p[np.argmin(loss)] - 2 / 3) < 0.01


def test_captions_are_true_and_held_out_combinations_never_appear(cells):
    """학습에 나오는 문장: 맞는 문장은 그림에서 잰 것과 같고, 틀린 문장은 어긋나고, 빼 둔 조합은 그림에도 문장에도 없어요."""
    _, prepare = model(cells, "text")
    said = {cells["bag"](sentence).tobytes(): number for number, shape in enumerate(cells["SHAPES"])
            for sentence in cells["sentences"](*shape)}
    assert len(said) == 540  # 문장마다 낱말 가방이 달라요
    digit, thick, lean = cells["SHAPES"].T
    measured = cells["shape_of"](cells["x_seen"], cells["labels"][~np.isin(
        cells["shape_of"](cells["x_train"], cells["labels"]), cells["HELD_OUT"])])
    seen_right, near = [], []
    for start in range(0, len(cells["x_seen"]), 300):
        batch = tf.range(start, min(start + 300, len(cells["x_seen"])), dtype="float32")[:, None]
        real, right, wrong = prepare(batch)
        index = np.asarray(batch)[:, 0].astype(int)
        assert np.allclose(np.asarray(real)[..., 0], cells["x_seen"][index] / 127.5 - 1, atol=1e-6)
        rights, wrongs = ([said[row.tobytes()] for row in np.asarray(words)] for words in (right, wrong))
        assert np.array_equal(rights, measured[index])
        assert not np.isin(rights + wrongs, cells["HELD_OUT"]).any()
        different = (cells["SHAPES"][rights] != cells["SHAPES"][wrongs]).sum(axis=1)
        assert different.min() >= 1
        near += list(different == 1)
        seen_right += rights
    assert 0.65 < np.mean(near) < 0.85  # 70%와, 마구 고른 것 가운데 우연히 하나만 다른 것
    assert len(cells["HELD_OUT"]) == 10 and set(digit[cells["HELD_OUT"]]) == set(range(10))
    for part in (thick, lean):  # 빼 둔 조합의 낱말도 다른 조합에서는 배워요
        assert set(part[seen_right]) == {0, 1, 2}


def test_rulers_measure_what_they_say(cells):
    """폭이 w인 막대의 굵기는 w에 가깝고, 한 줄에 s칸씩 기운 막대의 기울기는 s예요."""
    for width in (2, 4):
        bar = np.zeros((1, 28, 28))
        bar[0, 4:24, 10 : 10 + width] = 1
        assert np.isclose(cells["thickness"](bar)[0], 2 * 20 * width / (2 * 20 + 2 * width))
        assert np.isclose(cells["slant"](bar)[0], 0, atol=1e-3)
    rows, columns = np.mgrid[:28, :28]
    for lean in (-0.3, 0.5):
        middle = 14 - lean * (rows - 13.5)
        line = np.exp(-((columns - middle) ** 2) / 4) * (abs(rows - 13.5) < 9)
        assert np.isclose(cells["slant"](line[None])[0], lean, atol=0.02)


@pytest.mark.parametrize("kind", ["conditional", "info", "text"])
def test_interrupted_training_resumes_exactly(cells, kind, tmp_path, capsys, monkeypatch, eager):
    """뽑은 코드와 문장까지 이어져, 끊기지 않은 학습과 최대 차이 0."""

    def train(run, stop):
        gan, prepare = model(cells, kind)
        gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), jit_compile=False)
        return gan, training.fit(
            gan, np.arange(64, dtype="float32"), 16, 4, run=run, name="gan", prepare=prepare, steps_per_epoch=1,
            callbacks=[stop],
        )

    resumes_exactly(train, tmp_path, capsys, monkeypatch)


@pytest.mark.parametrize("name", ["12_conditional", "12_infogan", "12_text"])
def test_pretrained_models_draw_what_they_are_told(cells, name):
    """저장소의 가중치로 그리면 시킨 숫자로 읽혀요. InfoGAN은 코드마다 한 숫자예요."""
    gan, _ = model(cells, name[3:].replace("gan", ""))
    shipped = cells["drawer_and_judge"](gan) if name == "12_text" else gan.average
    weights.load(shipped, name)
    asked, rng = np.arange(300) % 10, np.random.default_rng(0)
    z, one_hot = rng.normal(size=(300, 16)), np.eye(10)[asked]
    if name == "12_conditional":
        images = cells["paint"](gan.average, z, one_hot)
    elif name == "12_infogan":
        images = cells["paint"](gan.average, z, np.concatenate([one_hot, rng.uniform(-1, 1, (300, 2))], axis=1))
    else:
        images = cells["paint"](gan, z, cells["BAGS"][9 * asked + rng.integers(0, 9, 300), 0])
    counts = cells["code_table"](asked, cells["read_digit"](images))
    accuracy, named = cells["one_to_one"](counts)
    assert accuracy > (0.8 if name == "12_infogan" else 0.95)
    assert name == "12_infogan" or list(named) == list(range(10))
