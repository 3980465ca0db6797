"""data/weights/*.npz 를 만듭니다: 노트북의 셀을 그대로 꺼내 MNIST로 배우고, 8비트(17은 16비트)로 줄여 저장해요.

실행: COURSE_MNIST=/경로/mnist.npz python -m tools.build_weights 이름…   (이름이 없으면 전부)
CPU 두 코어에서 걸리는 시간: digit_features 4분, 나머지는 하나에 10–30분. 끊기면 다시 실행해요. 이어서 배워요(digit_features만 처음부터).
"""

import sys
import types

import numpy as np

import course_utils
from course_utils import batches, data, lessons, metrics, training, weights
from course_utils.backend import keras, tf

SEED = 42


def digit_features():
    """만든 이미지를 재는 숫자 분류망. MNIST와 digits의 학습 이미지를 조금씩 움직여 가며 배워요."""
    course_utils.start("full", "mnist", SEED, minutes=(3, 3, 3))
    mnist, digits = data.load("mnist"), data.load("digits")
    images = np.concatenate([mnist.x_train, *[digits.x_train] * 6])
    labels = np.concatenate([mnist.y_train, *[digits.y_train] * 6])
    steps = len(images) // 128
    network = metrics.digit_network()
    classifier = keras.Model(network.input, network.outputs[1])
    rate = keras.optimizers.schedules.CosineDecay(2e-3, 15 * steps)
    classifier.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False
    )
    pairs = batches.shuffled(images, 128, SEED, labels=labels, augment=True)
    history = classifier.fit(pairs, epochs=15, steps_per_epoch=steps, shuffle=False, verbose=2).history
    size = weights.save(network, "digit_features", history)
    weights.load(network, "digit_features")
    for part in (mnist, digits):
        guess = network.predict(part.x_test[..., None] / 255, verbose=0)[1]
        correct, sure = (guess.argmax(1) == part.y_test).mean(), (guess.max(1) > 0.9).mean()
        print(f"{part.name}: 시험 정확도 {correct:.4f}, 확신 {sure:.4f}")
    print(f"{size:,}바이트")


def lesson_cells(name, *tags):
    """노트북의 셀들을 MNIST와 full 프로파일로 쓸 수 있게 꺼내요."""
    run = course_utils.start("full", "mnist", SEED, minutes=(1, 30, 30))
    mnist = data.load("mnist")
    cells = lessons.load_cells(name, *tags)
    cells.update(run=run, cfg=types.SimpleNamespace(), seed=SEED, digits=mnist, x_train=mnist.x_train)
    return cells, mnist


def vae_05(name, kind, sizes, batch_size, epochs):
    """05의 VAE 하나. kind: 노트북의 함수 이름의 앞부분("conv" | "dense"), sizes: 그 함수에 넘길 크기들."""
    lesson, mnist = lesson_cells("05_vae", "sampling", "conv", "loss", "vae", "dense", "weights")
    keras.utils.set_random_seed(SEED)
    encoder, decoder = (lesson[f"{kind}_{half}"](*sizes) for half in ("encoder", "decoder"))
    vae = lesson["VAE"](encoder, decoder)
    vae(np.zeros((1, 28, 28, 1), "float32"))
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * (len(mnist.x_train) // batch_size))
    vae.compile(keras.optimizers.Adam(rate), jit_compile=False)
    history = training.fit(vae, mnist.x_train, batch_size, epochs, run=lesson["run"], name=name)
    bound, x_test = lesson["log_weights"](encoder, decoder), mnist.x_test[..., None] / np.float32(255)
    save(vae, name, history, lambda: f"시험 ELBO {metrics.elbo(bound, x_test, samples=4).mean():.2f} 나트")


def dcgan_08(steps=9_000):
    """08의 DCGAN: 생성자, 판별자, EMA 생성자."""
    lesson, mnist = lesson_cells("08_dcgan", "networks", "gan", "train")
    model = lesson["DCGAN"](lesson["generator"](32), lesson["discriminator"](), 32)
    model(np.zeros((1, 32), "float32"))
    history = lesson["train"](model, "08_dcgan", steps)
    save(model, "08_dcgan", history, lambda: sample_quality(mnist, lesson["paint"], model.average))


def wgan_09(steps=15_000):
    """09의 WGAN-GP: EMA 생성자."""
    lesson, mnist = lesson_cells("09_wgan", "networks", "penalty", "wgan", "train")
    model = lesson["WGANGP"](lesson["generator"](32), lesson["critic"](), 32)
    model(np.zeros((1, 32), "float32"))
    z = np.random.default_rng(1).normal(size=(1_000, 32))
    ruler = lesson["Ruler"](metrics.digit_features(mnist.x_train[:1_000])[0], z)
    model.compile(lesson["adam"](1e-3, steps), lesson["adam"](2e-3, steps), jit_compile=False)
    history = training.fit(
        model, mnist.x_train, 32, 20, steps_per_epoch=steps // 20, run=lesson["run"], name="09_wgan",
        prepare=lesson["to_tanh"], callbacks=[ruler],
    )
    save(model.average, "09_wgan", history, lambda: sample_quality(mnist, lesson["draw_images"], model.average))


def autoregressive_10(name, kind, size, epochs, batch_size, rate):
    """10의 모델 하나. kind: 노트북의 클래스, size: 은닉 유닛이나 채널의 수."""
    lesson, mnist = lesson_cells("10_autoregressive", "base", "nade", "train", "made", "pixelcnn")
    keras.utils.set_random_seed(SEED)
    model = lesson["built"](lesson[kind](lesson["log_odds"](mnist.x_train), size))
    history = lesson["train"](model, mnist.x_train, name, 1, epochs, batch_size, rate)
    if kind == "MADE":
        model.W.assign(model.W * model.see)  # 쓰지 않는 가중치는 0으로: 파일이 작아져요
    brightness = mnist.x_test.reshape(-1, 784) / 255
    bits = (np.random.default_rng(0).uniform(size=brightness.shape) < brightness).astype("float32")
    save(model, name, {"loss": history["loss"][-1:]}, lambda: f"시험 −log p {lesson['test_nats'](model, bits).mean():.2f} 나트")
LESSON_12 = ("from-08", "networks", "gan", "train", "attributes")


def conditional_12(steps=2_000):
    """12의 조건부 GAN: EMA 생성자."""
    lesson, mnist = lesson_cells("12_conditional_infogan_text", *LESSON_12)
    lesson["y_train"] = mnist.y_train
    keras.utils.set_random_seed(SEED)
    model = lesson["ConditionalGAN"](lesson["generator"](16, 10), lesson["body"](), lesson["head"](10))
    model([np.zeros((1, 16), "float32"), np.zeros((1, 10), "float32")])
    lesson["train"](model, "12_conditional", steps, lesson["with_label"], len(mnist.x_train))
    asked = np.arange(10_000) % 10
    save(model.average, "12_conditional", {}, lambda: quality_12(lesson, mnist, model.average, np.eye(10)[asked], asked))


def infogan_12(steps=2_000, seed=1):
    """12의 InfoGAN: EMA 생성자.

    저장해 둔 파일은 G를 새로 그린 가짜로 고치던 때의 것(시드 1)이에요. 같은 가짜로 두 손실을 구하게
    된 뒤 시드 1, 42, 2의 일대일(Q가 학습 이미지에 붙인 코드)이 0.71, 0.72, 0.77이라 바꾸지 않았어요. 다이얼의 무게를
    천천히 키우는 지금의 셀로는 재지 않았어요.
    """
    lesson, mnist = lesson_cells("12_conditional_infogan_text", *LESSON_12, "blind", "info", "tweaks", "info-data", "score")
    keras.utils.set_random_seed(seed)
    model = lesson["SteadyInfoGAN"](lesson["dial_generator"](16, 12), lesson["body"](), lesson["blind_head"](), lesson["finder"]())
    model([np.zeros((1, 16), "float32"), np.zeros((1, 12), "float32")])
    model.finder(model.body(np.zeros((1, 28, 28, 1), "float32")))
    lesson["train"](model, "12_infogan", steps, lesson["without_label"], len(mnist.x_train))
    codes = np.arange(10_000) % 10
    c = np.concatenate([np.eye(10)[codes], np.random.default_rng(1).uniform(-1, 1, (10_000, 2))], axis=1)
    save(model.average, "12_infogan", {}, lambda: quality_12(lesson, mnist, model.average, c))


def text_12(steps=2_500):
    """12의 글에서 그림으로 가는 GAN: 그리는 신경망(EMA)과 대답하는 신경망."""
    tags = ("captions", "encoder", "wrong", "text", "drawer-and-judge", "obey")
    lesson, mnist = lesson_cells("12_conditional_infogan_text", *LESSON_12, *tags)
    labels = mnist.y_train.astype(int)
    lesson["thick_edges"] = lesson["edges_of"](lesson["thickness"](mnist.x_train), labels)
    lesson["lean_edges"] = lesson["edges_of"](lesson["slant"](mnist.x_train), labels)
    combo = lesson["shape_of"](mnist.x_train, labels)
    seen = ~np.isin(combo, lesson["HELD_OUT"])
    lesson.update(x_seen=mnist.x_train[seen], combo_seen=combo[seen].astype("int32"))
    keras.utils.set_random_seed(SEED)
    model = lesson["TextGAN"](lesson["generator"](16, 32), lesson["body"](), lesson["head"](32), lesson["text_encoder"]())
    model([np.zeros((1, 16), "float32"), lesson["BAGS"][0, :1]])
    lesson["draw_text"] = lambda z, words: lesson["paint"](model, z, words)
    lesson["train"](model, "12_text", steps, model.with_sentences, int(seen.sum()))

    def measure():
        grades = []
        for combos in (np.setdiff1d(np.arange(90), lesson["HELD_OUT"]), lesson["HELD_OUT"]):
            asked = np.resize(combos, 3_200)
            row = lesson["obedience"](lesson["ask"](asked, 1), asked)
            grades.append(", ".join(f"{name} {value:.3f}" for name, value in row.items()))
        evaluator = metrics.SampleEvaluator(np.concatenate([mnist.x_train, mnist.x_test]))
        fid = evaluator(lesson["ask"](np.resize(np.arange(90), evaluator.count), 3))["times_floor"]
        return f"배운 조합 {grades[0]} · 처음 보는 조합 {grades[1]} · FID {fid:.2f}배"

    save(lesson["drawer_and_judge"](model), "12_text", {}, measure)


def lesson_13(*tags):
    lesson, mnist = lesson_cells("13_image_translation", "sketches", "players", "networks", "game", "train", *tags)
    keras.utils.set_random_seed(SEED)
    lesson["sketch"] = "mosaic"
    return lesson, mnist


def pix2pix_13(steps=1_500):
    """13의 pix2pix(4×4 모자이크): EMA 생성자."""
    lesson, mnist = lesson_13("pix2pix", "pair-score")
    model = lesson["Pix2Pix"](lesson["unet"](), lesson["patch_critic"](2, norm=True))
    lesson["train"](model, "13_pix2pix", steps, mnist.x_train, lesson["pair"])
    pages = lesson["test_pages"](mnist.x_test, mnist.y_test)
    save(model.averages[0], "13_pix2pix", {}, lambda: str(lesson["pair_score"](model.averages[0], *pages)))


def cyclegan_13(steps=1_000):
    """13의 CycleGAN: 청사진으로, 색분필로 가는 두 EMA 생성자."""
    lesson, mnist = lesson_13("looks", "cyclegan", "two-way-score")
    gray, test, half = mnist.x_train / np.float32(255), mnist.x_test[:3_000] / np.float32(255), 10_000
    lesson["chalk_train"] = np.uint8(255 * lesson["chalk"](gray[:half], np.random.default_rng(SEED).uniform(size=half)) + 0.5)
    lesson["blue_train"] = np.uint8(255 * lesson["blueprint"](gray[half : 2 * half]) + 0.5)
    networks = lesson["translator"](), lesson["translator"](), lesson["patch_critic"](3, lesson["WIDE"]), lesson["patch_critic"](3, lesson["WIDE"])
    model = lesson["CycleGAN"](*networks)
    lesson["train"](model, "13_cyclegan", steps, np.arange(half, dtype="float32"), model.unpaired)
    go, come = (lambda images, network=network: lesson["translate"](network, images) for network in model.averages)
    a = lesson["chalk"](test, np.random.default_rng([SEED, 1]).uniform(size=len(test)))

    def measure():
        return str(lesson["two_way_score"](go, come, a, lesson["blueprint"](test), mnist.y_test[:3_000]))

    for network, name in zip(model.averages, ("13_to_blueprint", "13_to_chalk"), strict=True):
        save(network, name, {}, measure)


def stargan_13(steps=1_000):
    """13의 StarGAN(네 도메인): EMA 생성자."""
    lesson, mnist = lesson_13("looks", "cyclegan", "domains", "stargan", "star-score")
    gray, test = mnist.x_train[:20_000] / np.float32(255), mnist.x_test[:1_000] / np.float32(255)
    lesson["star_domains"] = np.random.default_rng(SEED).permutation(len(gray)) % 4
    lesson["star_train"] = np.uint8(255 * lesson["dress"](gray, lesson["star_domains"]) + 0.5)
    model = lesson["StarGAN"](lesson["translator"](3 + 4), lesson["star_judge"](4))
    lesson["train"](model, "13_stargan", steps, np.arange(len(gray), dtype="float32"), model.with_domains)

    def move(images, domain):
        return lesson["restyle"](model.averages[0], images, domain)

    def measure():
        right, kept, back = lesson["star_score"](move, test, mnist.y_test[:1_000])
        return f"도메인 {lesson['away'](right):.3f}, 숫자 {lesson['away'](kept):.3f}, 돌아온 그림의 L1 {lesson['away'](back):.3f}"

    save(model.averages[0], "13_stargan", {}, measure)


def restorer_14(name, kind, network, judged, steps):
    """14의 복원 모델 하나의 EMA 생성자. kind, network: 노트북의 클래스와 함수의 이름. 시험 그림의 앞 2,000장으로 재요."""
    tags = ("from-08", "networks", "restorer", "train", "many", "measure", "sr", "parts", "puzzle-networks", "puzzle", "puzzle-measure", "psnr")
    lesson, mnist = lesson_cells("14_patches_restoration", *tags)
    truth = mnist.x_test[:2_000] / np.float32(255)
    lesson |= {"pretrained": False, "truth": truth, "train_features": metrics.digit_features(mnist.x_train[:20_000])[0]}
    x, small = 2 * truth[..., None] - 1, 2 * truth.reshape(-1, 7, 4, 7, 4, 1).mean(axis=(2, 4)) - 1
    parts, corners, masks = (np.asarray(part) for part in lesson["find_parts"](x))
    keras.utils.set_random_seed(SEED)
    model = lesson[kind](lesson[network](), lesson["discriminator"]() if judged else None)
    empty = [np.zeros((1, *part.shape[1:]), "float32") for part in model.generator.inputs]
    model(empty if len(empty) > 1 else empty[0])
    lesson["train"](model, mnist.x_train, name, steps)

    def measure():
        if kind == "PuzzleGAN":
            image, mask = lesson["solve"](model, parts)
            iou, offset = lesson["overlap"](mask, masks[..., 0]).mean(), lesson["offsets"](image, parts, corners).mean()
            row = f"마스크 IoU {iou:.3f}, 어긋남 {offset:.2f}픽셀"
        elif kind == "SuperResolver":
            image = lesson["restored"](model, small)
            simple = lesson["bicubic"]((small + 1) / 2)
            row = f"PSNR {lesson['psnr'](lesson['mse'](image)):.2f} dB(바이큐빅 {lesson['psnr'](lesson['mse'](simple)):.2f})"
        else:
            image = lesson["fill"](model, x * (1 - lesson["HOLE"]), 1)
            row = f"구멍 안의 MSE {lesson['mse'](image, slice(7, 21)):.4f}"
        return f"{row}, 숫자 {lesson['kept'](image):.3f}, FID {lesson['fid'](image):.2f}배"

    save(model.average, name, {"steps": [steps]}, measure)


def quality_12(lesson, mnist, network, c, asked=None):
    """시킨 숫자와 맞는 비율(asked가 없으면 코드의 일대일 정확도)과 FID."""
    images = lesson["paint"](network, np.random.default_rng(0).normal(size=(len(c), 16)), c)
    read = lesson["read_digit"](images)
    if asked is None:
        agree = lesson["one_to_one"](lesson["code_table"](c[:, :10].argmax(axis=1), read))[0]
    else:
        agree = np.mean(read == asked)
    evaluator = metrics.SampleEvaluator(np.concatenate([mnist.x_train, mnist.x_test]))
    return f"맞는 비율 {agree:.3f}, FID {evaluator(images[: evaluator.count])['times_floor']:.2f}배"


def ruled_11(kind, steps=10_000):
    """11의 VAE, AAE, WAE 가운데 하나, 사전 분포는 고리. kind: 클래스의 이름."""
    lesson, mnist = lesson_cells("11_aae_wae", "prior", "networks", "vae", "learn", "aae", "wae", "rulers")
    name, prior, x_test = f"11_{kind.lower()}", lesson["make_prior"]("ring"), mnist.x_test[..., None] / np.float32(255)
    keras.utils.set_random_seed(SEED)
    model = lesson[kind](prior, lesson["WEIGHTS"][kind])
    model(x_test[:1])
    history, _ = lesson["learn"](model, mnist.x_train, steps, lesson["run"], name, x_test[:300])
    many = np.asarray(lesson["draw_prior"](*prior, 20_000, SEED))

    def measure():
        z = lesson["codes_of"](model, x_test)
        mse = np.mean(np.square(x_test - model.decoder.predict(z, batch_size=1_000, verbose=0)))
        return f"MSE {mse:.4f}, 방향 평균 W₁ {lesson['sliced_w1'](z, many):.3f}"

    save(model, name, {key: values for key, values in history.items() if key != "codes"}, measure)


def progressive_15(steps=4_000):
    """15의 자라는 GAN: EMA 생성자."""
    tags = ("sizes", "fade", "parts", "equalized", "networks", "from-08", "gan", "grow", "train", "grade")
    lesson, mnist = lesson_cells("15_progressive_gan", *tags)
    per_epoch, epochs, starts, fades = lesson["plan"](steps)
    keras.utils.set_random_seed(SEED)
    model = lesson["ProgressiveGAN"](starts, fades)
    lesson["train"](model, "15_progressive", per_epoch, epochs)
    evaluator = metrics.SampleEvaluator(np.concatenate([mnist.x_train, mnist.x_test]))

    def measure():
        score = lesson["grade"](lesson["generate"](model.average, evaluator), evaluator)
        return ", ".join(f"{key} {value:.3g}" for key, value in score.items())

    save(model.average, "15_progressive", {}, measure)


def flow_17(steps=20_000):
    """17의 숫자를 그리는 흐름 정합: EMA 신경망."""
    tags = ("cosine", "posterior", "toy-network", "denoiser", "walk", "flow-matching", "picture-network", "painter", "train")
    lesson, mnist = lesson_cells("17_flow_diffusion", *tags)
    lesson["y_train"] = mnist.y_train
    keras.utils.set_random_seed(SEED)
    model = lesson["Painter"](lesson["straight"])
    lesson["train"](model, "17_flow_matching", steps)
    evaluator = metrics.SampleEvaluator(np.concatenate([mnist.x_train, mnist.x_test]))
    rng = np.random.default_rng(0)
    noise, digit = rng.normal(size=(evaluator.count, 28, 28, 1)), rng.choice(mnist.y_train, evaluator.count)

    def measure():
        look = tf.function(model.solve, autograph=False)
        score = evaluator(lesson["paint"](look, lesson["straight"], noise, digit, lesson["draw_grid"](15)))
        return ", ".join(f"{key} {value:.3g}" for key, value in score.items())

    save(model.average, "17_flow_matching", {"steps": [steps]}, measure, half=True)


def sample_quality(mnist, draw, network):
    evaluator = metrics.SampleEvaluator(np.concatenate([mnist.x_train, mnist.x_test]))
    score = evaluator(draw(network, np.random.default_rng(0).normal(size=(evaluator.count, 32))))
    return ", ".join(f"{key} {value:.3g}" for key, value in score.items())


def save(model, name, history, measure, half=False):
    """줄여 저장하고, 줄이기 전과 뒤에 잰 값을 보여 줘요."""
    before = measure()
    size = weights.save(model, name, history, half)
    weights.load(model, name)
    print(f"{name}({size:,}바이트)\n  줄이기 전: {before}\n  줄인 뒤:   {measure()}")


BUILDERS = {
    "digit_features": digit_features,
    "05_vae_conv": lambda: vae_05("05_vae_conv", "conv", (2,), 60, 20),
    "05_vae_dense": lambda: vae_05("05_vae_dense", "dense", (20, 800), 128, 200),
    "08_dcgan": dcgan_08,
    "09_wgan": wgan_09,
    "10_nade": lambda: autoregressive_10("10_nade", "NADE", 500, 17, 224, 4e-3),
    "10_made": lambda: autoregressive_10("10_made", "MADE", 500, 21, 112, 4e-3),
    "10_pixelcnn": lambda: autoregressive_10("10_pixelcnn", "PixelCNN", 32, 2, 32, 3e-3),
    "12_conditional": conditional_12,
    "12_infogan": infogan_12,
    "12_text": text_12,
    "13_pix2pix": pix2pix_13,
    "13_cyclegan": cyclegan_13,
    "13_stargan": stargan_13,
    "11_vae": lambda: ruled_11("VAE"),
    "11_aae": lambda: ruled_11("AAE"),
    "11_wae": lambda: ruled_11("WAE"),
    "14_hole_l2": lambda: restorer_14("14_hole_l2", "HoleFiller", "hole_generator", False, 1_600),
    "14_hole_gan": lambda: restorer_14("14_hole_gan", "ManyFiller", "hole_generator", True, 1_600),
    "14_sr_l2": lambda: restorer_14("14_sr_l2", "SuperResolver", "sr_generator", False, 1_000),
    "14_sr_gan": lambda: restorer_14("14_sr_gan", "SuperResolver", "sr_generator", True, 1_000),
    "14_puzzle": lambda: restorer_14("14_puzzle", "PuzzleGAN", "puzzle_generator", True, 2_200),
    "15_progressive": progressive_15,
    "17_flow_matching": flow_17,
}


if __name__ == "__main__":
    names = sys.argv[1:] or list(BUILDERS)
    if unknown := sorted(set(names) - set(BUILDERS)):
        sys.exit(f"모르는 이름: {', '.join(unknown)}. 쓸 수 있는 이름: {', '.join(BUILDERS)}")
    for name in names:
        BUILDERS[name]()
