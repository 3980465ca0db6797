"""data/samples 를 만들어요: 레슨의 셀을 그대로 실행해, 다 학습시킨 모델들의 그림과 성적을 저장해요.

실행: COURSE_MNIST=/경로/mnist.npz python -m tools.build_samples digits 이름…   (또는 mnist. 이름이 없으면 전부)
digits는 quick으로 학습시키고, MNIST는 미리 학습해 둔 가중치가 있으면 그것을 써요. CPU 두 코어에서 하나에 1–10분.
"""

import itertools
import os
import sys
import tempfile
import time

import nbclient
import nbformat
import numpy as np

import course_utils
from course_utils import data, lessons, metrics, samples, training, weights
from course_utils.backend import keras, tf

KEPT = 1_000  # 파일 하나에 두는 그림의 수
SEED = 42
MOMENTS = (10, 20, 40, 200, 3_200)  # 09의 생성자를 멈추는 스텝
JUDGE_STEPS = 200
BETAS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
LESSONS = {  # 노트북: {저장할 이름: keep에 넘길 그림의 변수나 식(과 함께 적어 둘 것)}
    "05_vae": {"05_vae": "generated", "05_vae_map": "latent_map"},
    "06_gan": {"06_gan": "generated"},
    "08_dcgan": {"08_dcgan": "generated", "08_dcgan_walk": "walks"},
    "09_wgan": {"09_wgan": "generated"},
    "10_autoregressive": {
        "10_completions": "completions",
        "10_nade": "nade_draw(KEPT, *nade_weights, np.random.default_rng(1))",
        "10_made": "naive_draw(made, KEPT, np.random.default_rng(1))",
        "10_pixelcnn": "np.concatenate([draw(paint, np.random.default_rng([1, k]))[0] for k in range(KEPT // 100)])",
    },
    "12_conditional_infogan_text": {
        "12_conditional": "coarse(label_images), labels=label_digits[:KEPT]",
        "12_text": "coarse(text_images), labels=every_combo[:KEPT] // 9, combos=every_combo[:KEPT]",
        "12_infogan": "coarse(info_images), labels=named[info_codes[:KEPT]], codes=info_codes[:KEPT], dials=info_dials[:KEPT].round(3)",
    },
    "13_image_translation": {
        "13_goal": "coarse(np.moveaxis(star_sheet(dress(unit(x_test[:10])[..., 0], np.arange(10) % 4)), -1, -3), 33)",
        "13_two_way": "coarse(np.moveaxis(np.stack([a_test[:10], go(a_test[:10]), come(go(a_test[:10]))]), -1, -3), 33)",
        "13_pix2pix": "coarse(translate(pix2pix.averages[0], SKETCHES[sketch](unit(x_pages[:KEPT])).numpy())), labels=y_pages[:KEPT]",
        "13_cyclegan": "coarse(chalk_gray(come(b_test[:KEPT]))), labels=two_labels[:KEPT]",
        "13_stargan": "coarse(next_domain_13(star_gray, dress, to_domain, undress), 17 if digits.name == 'digits' else 11), labels=star_labels, domains=(np.arange(len(star_gray)) + 1) % 4",
    },
    "15_progressive_gan": {"15_progressive": "coarse(generated)"},
    "11_aae_wae": {"11_aae": "coarse(generated_aae, 32)", "11_wae": "coarse(generated_wae, 32)"},
}


def lesson(name, dataset):
    """레슨 하나를 그 데이터로 처음부터 끝까지 실행해 그림을 저장해요."""
    notebook = nbformat.read(lessons.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    (cell,) = lessons.tagged(notebook, "parameters")
    chosen = {"profile": "quick", "dataset": dataset, "pretrained": dataset == "mnist"}
    cell.source += "".join(f"\n{key} = {value!r}" for key, value in chosen.items() if f"{key} =" in cell.source)
    kept = {file: variable for file, variable in LESSONS[name].items() if (dataset, file) != ("digits", "12_infogan")}
    keep = "".join(f"keep({file!r}, run, {variable})\n" for file, variable in kept.items())  # 그 하나는 info_12가 만들어요
    notebook.cells.append(nbformat.v4.new_code_cell("from tools.build_samples import KEPT, coarse, keep, next_domain_13\n" + keep))
    os.environ["COURSE_STATIC"] = "1"
    nbclient.execute(notebook, cwd=os.getcwd(), timeout=None)
    print(notebook.cells[-1].outputs[0].text, end="")


def coarse(images, levels=17):
    """0–1의 그림을 levels단계로(digits의 원본도 17단계예요). 파일이 3분의 1까지 작아지고, FID는 거의 그대로예요."""
    return np.round((levels - 1) * np.clip(images, 0, 1)) / (levels - 1)


def next_domain_13(gray, dress, to_domain, undress):
    """k번째 글씨를 k % 4번 도메인에서 그다음 도메인으로 옮기고, 레슨의 자처럼 그 도메인의 물감에서 흑백으로 되읽은 그림."""
    images = np.empty_like(gray)
    for source in range(4):
        target = (source + 1) % 4
        moved = to_domain(dress(gray[source::4], source), target)
        images[source::4] = undress(moved)[1][target]
    return images


def keep(file, run, images, **more):
    """(노트북 안에서) 그림 KEPT장과 기록한 지표, 더 적어 둘 것을 저장해요."""
    images = np.reshape(images, (-1, 28, 28))[:KEPT]
    more = {name: np.asarray(values).tolist() for name, values in more.items()}
    size = samples.save(file, run.dataset, images, **run.metrics, **more)
    print(f"{run.dataset}/{file}: {size:,}바이트, {run.metrics}")


def autoencoder_03(dataset, steps=10_000):
    """03의 도착지: 시험 그림 열 장과 그 재구성, 열 장의 값 3개(points), 학습 그림들의 값 3개(cloud)와 숫자(labels)."""
    run = course_utils.start("full", dataset, SEED, minutes=(1, 1, 1))
    lesson, digits = lessons.load_cells("03_autoencoder", "scale", "mlp", "pair"), data.load(dataset)
    encoder, decoder, autoencoder = lesson["build_autoencoder"]()
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    autoencoder.compile(keras.optimizers.Adam(rate), loss="mse", jit_compile=True)
    training.fit(
        autoencoder, digits.x_train, 128, steps // 100, run=run, name="03-goal",
        steps_per_epoch=100, prepare=lesson["to_pair"], augment=dataset == "digits",
    )  # fmt: skip
    ten = lesson["scale"](digits.x_test[[np.flatnonzero(digits.y_test == digit)[1] for digit in range(10)]])
    points, cloud = (encoder.predict(x, verbose=0) for x in (ten, lesson["scale"](digits.x_train[:1_000])))
    pictures = lesson["unscale"](np.concatenate([ten, decoder.predict(points, verbose=0)]))
    facts = {"points": points.round(2).tolist(), "cloud": cloud.round(2).tolist()}
    size = samples.save("03_autoencoder", dataset, pictures, labels=digits.y_train[:1_000].tolist(), steps=steps, **facts)
    print(f"{dataset}/03_autoencoder({size:,}바이트)")


def vae_lesson(dataset):
    """05의 셀에서 꺼낸 함수들과 데이터, 시험 이미지(0–1)."""
    run, digits = course_utils.start("quick", dataset, SEED, minutes=(1, 1, 1)), data.load(dataset)
    cells = lessons.load_cells("05_vae", "sampling", "conv", "loss", "vae", "dense", "weights")
    return run, cells, digits, digits.x_test[:1_000, ..., None] / np.float32(255)


def fit(model, digits, batch_size, steps, rate, run, name, loss=None, prepare=None):
    """레슨처럼, 적어도 5에폭, steps스텝쯤 학습률을 코사인으로 줄이며 학습시켜요."""
    per_epoch = len(digits.x_train) // batch_size
    epochs = max(5, round(steps / per_epoch))
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * per_epoch)
    model(np.zeros((1, 28, 28, 1), "float32"))
    model.compile(keras.optimizers.Adam(schedule), loss=loss, jit_compile=False)
    training.fit(model, digits.x_train, batch_size, epochs, run=run, name=name, prepare=prepare)


def ae_05(dataset):
    """05의 2차원 신경망에서 주사위와 KL 항을 뺀 오토인코더: 사전 분포의 점을 디코딩한 그림과, 시험 이미지의 잠재 벡터."""
    run, cells, digits, x_test = vae_lesson(dataset)
    keras.utils.set_random_seed(SEED)
    encoder, decoder = cells["conv_encoder"](2), cells["conv_decoder"](2)
    encoder = keras.Model(encoder.input, encoder.outputs[0])
    image = keras.Input((28, 28, 1))
    twin = keras.Model(image, decoder(encoder(image)))
    fit(twin, digits, 60, 1_500, 2e-3, run, "05_ae", cells["bernoulli_nll"], prepare=lambda x: (x, x))
    z = np.random.default_rng(0).normal(size=(12, 2)).astype("float32")
    codes = np.round(encoder.predict(x_test[:300], verbose=0).astype(float), 2)
    facts = {"codes": codes.tolist(), "labels": digits.y_test[:300].tolist()}
    size = samples.save("05_ae", dataset, decoder.predict(z, verbose=0), **facts)
    print(f"{dataset}/05_ae: {size:,}바이트, 잠재 벡터의 범위 {codes.min(axis=0)} – {codes.max(axis=0)}")


def beta_05(dataset):
    """05의 20차원 VAE를 β마다: 새 그림 12장씩, 시험 이미지의 재구성 항과 KL 항, 일하는 차원."""
    run, cells, digits, x_test = vae_lesson(dataset)
    z = np.random.default_rng(1).normal(size=(12, 20)).astype("float32")
    images, facts = [], {"beta": BETAS, "reconstruction": [], "kl": [], "active_units": []}
    for beta in BETAS:
        keras.utils.set_random_seed(SEED)
        encoder, decoder = cells["dense_encoder"](20), cells["dense_decoder"](20)
        fit(cells["VAE"](encoder, decoder, beta), digits, 128, 3_000, 5e-3, run, "05_beta")
        mu, log_var = encoder.predict(x_test, verbose=0)
        kl = float(np.mean(cells["kl_divergence"](mu, log_var)))
        log_w = cells["log_weights"](encoder, decoder)
        elbo = float(np.mean([log_w(x_test[i : i + 100], 20) for i in range(0, len(x_test), 100)]))
        facts["reconstruction"].append(round(-elbo - kl, 2))  # −ELBO = 재구성 + KL. z를 구름에서 뽑아 쟀어요
        facts["kl"].append(round(kl, 4))
        facts["active_units"].append(int((mu.var(axis=0) > 0.01).sum()))
        images.append(decoder.predict(z, verbose=0))
        print(dataset, beta, {key: values[-1] for key, values in facts.items() if key != "beta"}, flush=True)
    samples.save("05_beta", dataset, np.concatenate(images), **facts)


class Bias(keras.layers.Layer):
    """배치 정규화를 뺀 자리: 채널마다 편향만 더해요."""

    def build(self, shape):
        self.bias = self.add_weight(shape=(shape[-1],), initializer="zeros", name="bias")

    def call(self, x):
        return x + self.bias


def seeds_08(dataset, steps=480, seeds=range(5)):
    """08의 DCGAN을 설정 셋, 시드마다 짧게 학습시킨 FID(진짜끼리의 몇 배). 그림은 설정마다 첫 시드의 12장."""
    digits = data.load(dataset)
    evaluator = metrics.SampleEvaluator(np.concatenate([digits.x_train, digits.x_test]))
    z = np.random.default_rng(0).normal(size=(evaluator.count, 32))
    names, times_floor, images = ("그대로", "LeakyReLU 0.3", "BN 없음"), [], []
    for name in names:
        row = []
        for seed in seeds:
            cells = lessons.load_cells("08_dcgan", "networks", "gan", "train")
            cells |= {"run": course_utils.start("quick", dataset, seed, minutes=(1, 1, 1)), "x_train": digits.x_train}
            if name == "BN 없음":
                cells["batch_norm"] = Bias
            keras.utils.set_random_seed(seed)
            model = cells["DCGAN"](cells["generator"](32), cells["discriminator"](1 / 28 if dataset == "digits" else 0.0), 32)
            if name == "LeakyReLU 0.3":
                for layer in model.discriminator.layers:
                    if isinstance(layer, keras.layers.LeakyReLU):
                        layer.negative_slope = 0.3
            model(np.zeros((1, 32), "float32"))
            cells["train"](model, f"08-seeds-{name[:2]}", steps)
            drawn = cells["paint"](model.average, z)
            row.append(round(evaluator(drawn)["times_floor"], 3))
            images += [drawn[:12]] if seed == seeds[0] else []
            print(dataset, name, seed, row[-1], flush=True)
        times_floor.append(row)
    samples.save("08_seeds", dataset, np.concatenate(images), names=names, times_floor=times_floor, steps=steps)


def moments_09(dataset):
    """09의 생성자를 다섯 스텝에서 멈춘 그림과 진짜, 100장씩. 그때마다 새 비평가의 점수 차와 새 판별자의 JSD.

    600장으로 학습시키고 다른 300장에서 재요. '진짜'는 진짜를 겹치지 않는 두 묶음으로 나눠 서로 견준 것이에요.
    """
    checkpoints = tempfile.mkdtemp()  # 이어 하지 않아요. 멈춘 순간의 그림이 있어야 하니까요
    run = course_utils.start("quick", dataset, SEED, minutes=(1, 1, 1), checkpoints=checkpoints)
    digits = data.load(dataset)
    cells = lessons.load_cells("09_wgan", "networks", "penalty", "teach", "wgan", "train", "judges")
    steps = lessons.read(lessons.NOTEBOOKS / "09_wgan.ipynb").table["steps"][1]
    z = np.random.default_rng([SEED, 1]).normal(size=(1_000, 32))
    pages = {}

    def keep_page(epoch, logs):
        if 10 * (epoch + 1) in MOMENTS:
            pages[10 * (epoch + 1)] = cells["draw_images"](wgan.average, z)

    keras.utils.set_random_seed(SEED)
    wgan = cells["WGANGP"](cells["generator"](32), cells["critic"](), 32)
    wgan(np.zeros((1, 32), "float32"))
    wgan.compile(cells["adam"](1e-3, steps), cells["adam"](2e-3, steps), jit_compile=False)
    training.fit(
        wgan, digits.x_train, 32, steps // 10, steps_per_epoch=10, run=run, name="09_moments",
        prepare=cells["to_tanh"], callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=keep_page)],
    )  # fmt: skip

    everything = np.concatenate([digits.x_train, digits.x_test])
    everything = everything[np.random.default_rng(SEED).permutation(len(everything))] / np.float32(255)
    real, pages["진짜"] = everything[:900], everything[900:1_800]
    real_pm, facts = cells["to_tanh"](real)[..., None], {"gap": [], "jsd": []}
    for name, page in pages.items():
        fake_pm = np.float32(cells["to_tanh"](page[:900]))[..., None]
        keras.utils.set_random_seed(SEED)
        critic, discriminator = cells["critic"](), cells["critic"]()
        cells["teach"](critic, cells["strict_critic_loss"], real_pm[:600], fake_pm[:600], JUDGE_STEPS)
        cells["teach"](discriminator, cells["discriminator_loss"], real_pm[:600], fake_pm[:600], JUDGE_STEPS)
        on_fresh = real_pm[600:], fake_pm[600:]
        facts["gap"].append(round(float(np.mean(critic(on_fresh[0])) - np.mean(critic(on_fresh[1]))), 3))
        facts["jsd"].append(round(float(np.log(2)) - float(cells["discriminator_loss"](discriminator, *on_fresh)) / 2, 4))
        print(dataset, name, {key: values[-1] for key, values in facts.items()}, flush=True)
    images = np.concatenate([page[-100:] for page in pages.values()])
    print(f"{samples.save('09_moments', dataset, images, steps=MOMENTS, **facts):,}바이트")


def orders_10(dataset):
    """10의 NADE를 픽셀을 세는 세 순서로 똑같이 학습시킨 시험 나트와, 위 절반이 가려진 숫자 열 장을 두 번씩 채운 것."""
    run, digits = course_utils.start("quick", dataset, SEED, minutes=(1, 1, 1)), data.load(dataset)
    cells = lessons.load_cells("10_autoregressive", "tiny", "base", "nade", "train")
    cells["run"] = run
    steps = lessons.read(lessons.NOTEBOOKS / "10_autoregressive.ipynb").table["nade_steps"][1]
    sigmoid, raster = cells["sigmoid"], np.arange(784)
    orders = {"래스터": raster, "거꾸로": raster[::-1], "섞은 순서": np.random.default_rng(SEED).permutation(784)}
    brightness = digits.x_test.reshape(-1, 784) / 255
    bits = (np.random.default_rng(0).uniform(size=brightness.shape) < brightness).astype("float32")
    chosen = bits[[np.flatnonzero(digits.y_test == digit)[-1] for digit in range(10)]]
    rows, nats = {"원래": chosen, "위를 가림": np.where(raster >= 392, chosen, 0.5)}, []
    for name, order in orders.items():
        keras.utils.set_random_seed(SEED)
        images = digits.x_train.reshape(-1, 784)[:, order].reshape(-1, 28, 28)
        model = cells["built"](cells["NADE"](cells["log_odds"](images), 500))
        cells["train"](model, images, "10-orders", steps, 6, 224, 4e-3)
        nats.append(round(float(cells["test_nats"](model, bits[:, order]).mean()), 2))
        print(dataset, name, nats[-1], flush=True)
        if name == "섞은 순서":
            continue
        W, c, V, b = (weight.numpy() for weight in (model.W, model.c, model.V, model.b))
        for k in (1, 2):
            rng, a, filled = np.random.default_rng(k), np.tile(c, (10, 1)), chosen.copy()
            for i, pixel in enumerate(order):
                if pixel < 392:
                    filled[:, pixel] = rng.uniform(size=10) < sigmoid(cells["relu"](a) @ V[i] + b[i])
                a = a + filled[:, [pixel]] * W[i]
            rows[f"{name} {k}"] = filled
    images = np.concatenate(list(rows.values()))
    size = samples.save("10_orders", dataset, images, names=list(orders), nats=nats, rows=list(rows), steps=steps)
    print(f"{dataset}/10_orders: {size:,}바이트")


def lesson_12(dataset, *tags):
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
    table = lessons.read(lessons.NOTEBOOKS / "12_conditional_infogan_text.ipynb").table
    return cells, digits, {name: row[1] for name, row in table.items()}


def times_floor(cells, images):
    parts = np.split(images[: cells["rounds"] * cells["evaluator"].count], cells["rounds"])
    return round(float(np.mean([cells["evaluator"](part)["times_floor"] for part in parts])), 3)


def blind_12(dataset):
    """12의 조건부 GAN과 같은 설정에서 D만 레이블을 모를 때: 잠재 벡터 넷 × 숫자 열의 그림과 성적."""
    cells, digits, steps = lesson_12(dataset, "blind")
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


def no_wrong_12(dataset, seeds=(42, 1, 2)):
    """12의 글에서 그림으로 가는 GAN을 틀린 짝과 함께(with), 틀린 짝 없이(without) 시드마다: 성적과 D의 대답."""
    facts, korean = {}, {"digit": "숫자", "thick": "굵기", "lean": "기울기", "all": "셋 다"}
    for kind, weight in {"without": 0.0, "with": 0.5}.items():
        facts[kind] = {}
        for seed in seeds:
            cells, digits, steps = lesson_12(dataset, "captions", "encoder", "wrong", "text", "obey", "answers")
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


def info_12(dataset, steps=1_400, seeds=(42, 1, 2)):
    """12의 InfoGAN을 손질 없이(plain)와 손질 둘을 더해(both) 시드마다. 그림은 첫 시드의 both가 그린 KEPT장."""
    facts = {"steps": steps, "seeds": seeds}
    for kind in ("both", "plain"):
        facts[kind] = {}
        for seed in seeds:
            cells, digits, _ = lesson_12(dataset, "blind", "info", "tweaks", "info-data", "score")
            cells["run"] = course_utils.start("quick", dataset, seed, minutes=(1, 1, 1))
            keras.utils.set_random_seed(seed)
            network, painter = ("SteadyInfoGAN", "dial_generator") if kind == "both" else ("InfoGAN", "generator")
            painter, body = cells[painter](16, 12), cells["body"](cells["jitter"])
            model = cells[network](painter, body, cells["blind_head"](), cells["finder"]())
            model([np.zeros((1, 16), "float32"), np.zeros((1, 12), "float32")])
            model.finder(model.body(np.zeros((1, 28, 28, 1), "float32")))
            history = cells["train"](model, f"12-info-{kind}", steps, cells["without_label"], len(digits.x_train))
            rng, count = np.random.default_rng([seed, 9]), cells["rounds"] * cells["evaluator"].count
            codes, dials = np.arange(count) % 10, rng.uniform(-1, 1, (count, 2))
            c = np.concatenate([np.eye(10)[codes], dials], axis=1)
            images = cells["paint"](model.average, rng.normal(size=(count, 16)), c)
            counts = cells["code_table"](codes, cells["read_digit"](images))
            accuracy, named = cells["one_to_one"](counts)
            row = {"accuracy": accuracy, "many": counts.max(axis=1).sum() / counts.sum(), "times_floor": times_floor(cells, images)}
            for k in range(2):
                for name, ruler in {"기울기": cells["slant"], "굵기": cells["thickness"], "밝기": cells["ink"]}.items():
                    row[f"dial{k + 1}_{name}"] = cells["dial_meaning"](dials[:, k], codes, ruler(images))
            for name, value in row.items():
                facts[kind].setdefault(name, []).append(round(float(value), 2))
            facts[kind].setdefault("bound", []).append(round(float(history["bound"][-1]), 3))
            print(dataset, "12_infogan", kind, seed, {name: round(float(value), 4) for name, value in row.items()}, flush=True)
            if kind == "both" and seed == seeds[0]:
                more = {"codes": codes[:KEPT].tolist(), "labels": named[codes[:KEPT]].tolist(), "dials": dials[:KEPT].round(3).tolist()}
                more |= {name: round(float(value), 4) for name, value in row.items()}
                size = samples.save("12_infogan", dataset, coarse(images[:KEPT]), steps=steps, **more)
                print(f"{dataset}/12_infogan: {size:,}바이트", flush=True)
    samples.save("12_info_seeds", dataset, coarse(images[:10]), **facts)


def lesson_13(dataset, seed, *tags):
    """13의 셀에서 꺼낸 함수들과 시험 그림."""
    cells, digits = lessons.load_cells("13_image_translation", "sketches", "players", "networks", "game", "train", *tags), data.load(dataset)
    steps = {name: row[1] for name, row in lessons.read(lessons.NOTEBOOKS / "13_image_translation.ipynb").table.items()}
    cells |= {"run": course_utils.start("quick", dataset, seed, minutes=(1, 1, 1)), "seed": seed, "sketch": "mosaic"}
    keras.utils.set_random_seed(seed)
    return cells, digits, steps


def gather(rows, row):
    """시드마다의 성적을 이름마다 모아요."""
    for name, value in row.items():
        rows.setdefault(name, []).append(round(float(value), 4 if abs(value) < 0.1 else 3))
    return {name: values[-1] for name, values in rows.items()}


def pairs_13(dataset, seeds=(42, 1, 2)):
    """13의 pix2pix를 밑그림 둘(mosaic, outline)마다 L1만(l1), 적대적 손실과 함께(both) 시드마다. 그림은 첫 시드의 밑그림, 두 대답, 정답 열 장씩."""
    facts, images = {"seeds": seeds}, []
    for sketch in ("mosaic", "outline"):
        facts[sketch], page = {"l1": {}, "both": {}}, {}
        for kind, realism in {"l1": 0.0, "both": 1.0}.items():
            for seed in seeds:
                cells, digits, steps = lesson_13(dataset, seed, "pix2pix", "pair-score")
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


def cycle_13(dataset, seeds=(42, 1, 2)):
    """13의 CycleGAN을 그대로(cycle), 순환 손실 없이(none), 동일성 손실을 더해(identity) 시드마다. 그림은 none의 A, G(A), F(G(A)) 열 장씩."""
    facts = {"seeds": seeds}
    for kind, options in {"cycle": {}, "none": {"cycle": 0.0}, "identity": {"identity": 5.0}}.items():
        facts[kind] = {}
        for seed in seeds:
            cells, digits, steps = lesson_13(dataset, seed, "looks", "cyclegan", "two-way-score", "hidden")
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


def flipped_13(dataset, seeds=(42, 1, 2)):
    """13의 StarGAN을 금박을 종이로 바꿔(with), 그대로(without) 시드마다. 그림은 종이가 있을 때(첫 시드) 여섯 줄 열 장씩."""
    facts = {"seeds": seeds, "with": {}, "without": {}}
    for kind in ("with", "without"):
        for seed in seeds:
            cells, digits, steps = lesson_13(dataset, seed, "looks", "cyclegan", "domains", "stargan", "star-score")
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


def planes_11(dataset):
    """11의 세 사전 분포 × 세 방법: 시험 이미지의 잠재 벡터와 숫자, 사전 분포의 점, 성적, 새 그림 열 장씩.

    끝의 스무 장은 고리의 WAE가 재구성한 숫자 열 장과 그 원본이에요.
    """
    run, digits = course_utils.start("quick", dataset, SEED, minutes=(1, 1, 1)), data.load(dataset)
    cells = lessons.load_cells("11_aae_wae", "prior", "networks", "vae", "learn", "aae", "wae", "rulers")
    table = lessons.read(lessons.NOTEBOOKS / "11_aae_wae.ipynb").table
    steps = max(table["steps"][1], table["epochs"][1] * len(digits.x_train) // 200)
    x_train, x_test = (part[:, ..., None] / np.float32(255) for part in (digits.x_train[:10_000], digits.x_test))
    evaluator = metrics.SampleEvaluator(np.concatenate([digits.x_train, digits.x_test]))
    facts, images = {"labels": digits.y_test[:300].tolist(), "steps": steps}, []
    for key in ("normal", "ring", "swiss"):
        prior = cells["make_prior"](key)
        many, z = (np.asarray(cells["draw_prior"](*prior, *how)) for how in ((20_000, SEED), (evaluator.count, SEED + 1)))
        facts[key] = {"prior": np.round(many[:600].astype(float), 2).ravel().tolist(), "scores": {}}
        for name, weight in cells["WEIGHTS"].items():
            keras.utils.set_random_seed(SEED)
            model = cells[name](prior, weight)
            model(x_test[:1])
            cells["learn"](model, digits.x_train, steps, run, f"11-planes-{key}-{name}", x_test[:300])
            z_train, z_test = (cells["codes_of"](model, x) for x in (x_train, x_test))
            rebuilt, drawn = (model.decoder.predict(x, batch_size=1_000, verbose=0) for x in (z_test, z))
            score = {
                "mse": np.mean(np.square(x_test - rebuilt)), "w1_train": cells["sliced_w1"](z_train, many),
                "w1_test": cells["sliced_w1"](z_test, many), "times_floor": evaluator(drawn)["times_floor"],
            }  # fmt: skip
            facts[key]["scores"][name] = {name: round(float(value), 4) for name, value in score.items()}
            facts[key][name] = np.round(z_test[:300].astype(float), 2).ravel().tolist()
            images.append(drawn[:10])
            if (key, name) == ("ring", "WAE"):
                ten = [np.flatnonzero(digits.y_test == digit)[0] for digit in range(10)]
                pairs = [rebuilt[ten], x_test[ten]]
            print(dataset, key, name, facts[key]["scores"][name], flush=True)
    size = samples.save("11_planes", dataset, np.concatenate([*images, *pairs]), **facts)
    print(f"{dataset}/11_planes({size:,}바이트)")


def lesson_14(dataset, seed):
    """14의 셀에서 꺼낸 함수들(시험 그림과 그 시드의 실행을 담아서), 시험 그림, 숫자마다 첫 그림의 번호, quick의 스텝 수."""
    digits = data.load(dataset)
    tags = ("from-08", "networks", "restorer", "train", "many", "measure", "parts", "puzzle-networks", "puzzle", "puzzle-measure")
    cells = lessons.load_cells("14_patches_restoration", *tags)
    truth = digits.x_test[:2_000] / np.float32(255)
    cells |= {"digits": digits, "truth": truth, "seed": seed, "truth_features": metrics.digit_features(truth)[0]}
    cells["floor"] = cells["real_fids"]().mean()
    cells["jitter"] = 1 / 28 if len(digits.x_train) < 10_000 else 0.0  # D가 보는 그림을 옮기는 폭
    cells["run"] = course_utils.start("quick", dataset, seed, minutes=(1, 1, 1))
    table = lessons.read(lessons.NOTEBOOKS / "14_patches_restoration.ipynb").table
    ten = np.array([np.flatnonzero(digits.y_test[:2_000] == digit)[0] for digit in range(10)])
    keras.utils.set_random_seed(seed)
    return cells, truth, ten, {name: row[1] for name, row in table.items()}


def hole_14(dataset, seed, kind):
    """14의 구멍을 L2로 메우는 모델에서, 이어 그만큼 더 배운 것. kind: "L2" | "L2 + 적대". 성적, 그림(숫자마다 첫 장을 두 번), 메운 시험 그림."""
    cells, truth, ten, steps = lesson_14(dataset, seed)
    holed = (2 * truth[..., None] - 1) * (1 - cells["HOLE"])
    x_train, network = cells["shifted"](cells["digits"].x_train), cells["hole_generator"]()
    for name in ("L2", f"more-{kind}"):
        judge, weight = (cells["discriminator"](cells["jitter"]), HOLE_WEIGHT) if name == "more-L2 + 적대" else (None, 40.0)
        model = cells["HoleFiller"](network, judge, weight)
        model([holed[:1], np.zeros((1, 16), "float32")])
        cells["train"](model, x_train, f"14-hole-{name}", steps["hole_steps"])
        network.set_weights(model.average.get_weights())
    many, box = np.stack([cells["fill"](model, holed, k) for k in range(1, 5)]), slice(7, 21)
    row = {
        "mse": cells["mse"](many, box), "fid": np.mean([cells["fid"](images) for images in many]),
        "kept": cells["kept"](many[0]), "spread": many.var(axis=0, ddof=1)[:, box, box].mean(),
    }  # fmt: skip
    return row, np.concatenate([many[0][ten], many[1][ten]]), many[0]


def puzzle_14(dataset, seed, kind, steps=None):
    """14의 Puzzle-GAN에서 손실을 바꿔요. 성적, 그림(숫자마다 첫 장), 복원한 시험 그림.

    kind는 ABLATION의 이름이고, 그 첫 둘은 그림 뒤에 마스크를 붙여요. steps가 없으면 quick의 스텝 수예요(도착지의 그림).
    """
    cells, truth, ten, table = lesson_14(dataset, seed)
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
    every = np.concatenate([cells["digits"].x_train, cells["digits"].x_test])
    row["fid_halves"] = cells["raw_fid"](image) / metrics.SampleEvaluator(every).floor  # 진짜 전부를 두 절반으로 나눈 FID의 몇 배
    pictures = [image[ten], mask[ten]] if kind in list(ABLATION)[:2] else [image[ten]]
    if steps is None:  # 도착지의 그림
        pictures = [cells["scattered"](parts[ten]), mask[ten], truth[ten], image[ten]]
    return row, np.concatenate(pictures), image


def sweep_14(dataset, name, one, kinds, steps, shipped=None):
    """kind마다 시드마다 one을 불러, 성적과 첫 시드의 그림을 저장해요. shipped: (kind, 파일), 그 복원들은 따로도 저장해요."""
    facts, pictures = {"names": list(kinds), "seeds": list(SEEDS_14), "steps": steps}, []
    for kind in kinds:
        facts[kind] = {}
        for seed in SEEDS_14:
            row, images, every = one(dataset, seed, kind)
            row = {key: float(f"{value:.4g}") for key, value in row.items()}
            for key, value in row.items():
                facts[kind].setdefault(key, []).append(value)
            if seed == SEEDS_14[0]:
                pictures.append(images)
                if shipped and kind == shipped[0]:
                    save_restored_14(dataset, shipped[1], every, row)
            print(dataset, name, kind, seed, row, flush=True)
    samples.save(name, dataset, coarse(np.concatenate(pictures)), **facts)


def save_restored_14(dataset, name, images, row):
    """시험 그림의 복원을 KEPT장까지, 원본의 숫자와 함께 저장해요(모델이 학습하지 않은 그림들이에요)."""
    labels = data.load(dataset).y_test[: len(images)][:KEPT].tolist()
    row = {key: float(f"{value:.4g}") for key, value in row.items()}
    size = samples.save(name, dataset, coarse(images[:KEPT]), labels=labels, **row)
    print(f"{dataset}/{name}: {size:,}바이트 {row}", flush=True)


SEEDS_14 = (42, 1, 2)
HOLE_WEIGHT = 400.0  # 14의 'L2 + 적대'에서 L2의 무게. 학습 데이터의 일부를 떼어 골랐어요
ABLATION_STEPS = 400
ABLATION = {"셋 다": {}, "마스크 빼고": {"mask_weight": 0.0}, "겉모습 빼고": {"look_weight": 0.0}, "적대 빼고": {}, "적대 빼고, 그림 전체를 L2로": {}}


def hole_plane_14(dataset):
    """14의 왜곡–지각 평면에서 구멍의 점들. 'L2 + 적대'로 메운 시험 그림은 14_hole에도 저장해요."""
    steps = lessons.read(lessons.NOTEBOOKS / "14_patches_restoration.ipynb").table["hole_steps"][1]
    sweep_14(dataset, "14_hole_plane", hole_14, ("L2", "L2 + 적대"), 2 * steps, ("L2 + 적대", "14_hole"))


def ablation_14(dataset):
    """14의 Puzzle-GAN과, 손실을 하나씩 빼거나 바꾼 것. 시드마다 ABLATION_STEPS스텝씩."""

    def short(dataset, seed, kind):
        return puzzle_14(dataset, seed, kind, ABLATION_STEPS)

    sweep_14(dataset, "14_ablation", short, ABLATION, ABLATION_STEPS)


def goal_14(dataset):
    """14의 도착지: 노트북과 같은 Puzzle-GAN의 그림. 복원한 시험 그림은 14_puzzle에 저장해요."""
    row, pictures, image = puzzle_14(dataset, SEED, "셋 다")
    save_restored_14(dataset, "14_puzzle", image, row)
    samples.save("14_goal", dataset, coarse(pictures), **{key: float(f"{value:.4g}") for key, value in row.items()})


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


RIVALS_15 = {  # 이름: 15의 train_15에 넘길 설정. 둘째의 share는 걸린 시간이 첫째와 비슷하도록, 셋째는 28×28의 스텝이 첫째와 같도록
    "키우며": {},
    "처음부터 28×28, 같은 시간": {"grow": False, "share": 0.9},
    "28×28의 스텝만 같게": {"grow": False, "share": 2 / 3},
    "픽셀별 정규화 끔": {"without": "pixelnorm"},
    "미니배치 표준편차 끔": {"without": "stddev"},
    "균등 학습률 끔": {"without": "equalized", "rates": (3e-3, 1e-3)},
    "섞지 않고 붙임": {"mix": False},
    "진짜만 섞지 않음": {"kind": "SharpReals"},
}
TAGS_15 = ("sizes", "fade", "parts", "equalized", "networks", "from-08", "gan", "grow", "train", "grade", "stale", "sharp")


def train_15(dataset, seed, grow=True, mix=True, share=1.0, without=None, rates=(4e-2, 1e-2), kind="ProgressiveGAN", extra=None):
    """15의 GAN 하나. mix: 새 층을 서서히 섞을지, share: 스텝 수의 배수, without: 끌 손질, extra: (셀들, 에폭의 스텝 수, 에폭 수)로 만드는 콜백들."""
    cells, digits = lessons.load_cells("15_progressive_gan", *TAGS_15), data.load(dataset)
    run = course_utils.start("quick", dataset, seed, minutes=(1, 1, 1), checkpoints=tempfile.mkdtemp())
    cells |= {"run": run, "seed": seed, "x_train": digits.x_train}
    steps = round(share * lessons.read(lessons.NOTEBOOKS / "15_progressive_gan.ipynb").table["steps"][1])
    per_epoch, epochs, starts, fades = cells["plan"](steps)
    keras.utils.set_random_seed(seed)
    tricks = tuple(trick for trick in cells["TRICKS"] if trick != without)
    jitter = 1 / 28 if len(digits.x_train) < 10_000 else 0.0
    model = cells[kind](starts if grow else (0, 0, 0), fades if grow and mix else (0, 0, 0), jitter, tricks)
    callbacks = extra(cells, per_epoch, epochs) if extra else ()
    history = cells["train"](model, f"15-{kind}", per_epoch, epochs, callbacks, rates=rates)
    return model, history, cells


def rival_15(dataset, name, seed):
    """15의 설정 하나, 시드 하나: 성적과 배우는 동안의 FID(digits의 처음 두 설정만), 첫째라면 자라는 모습과 붙는 순간도."""
    digits, main = data.load(dataset), name == "키우며"
    evaluator = metrics.SampleEvaluator(np.concatenate([digits.x_train, digits.x_test]))
    z, kept = np.random.default_rng(seed).normal(size=(30, 32)), {}
    judge_z = np.random.default_rng([seed, 2]).normal(size=(2 * evaluator.count, 32))

    def measure(model):
        grade, paint = kept["cells"]["grade"], kept["cells"]["paint"]
        return grade(paint(model.average, judge_z, model.stage, model.alpha()), evaluator)["times_floor"]

    def extra(cells, per_epoch, epochs):
        curve = dataset == "digits" and name in list(RIVALS_15)[:2]
        judged = np.unique(np.ceil(np.linspace(0.2, 1, 9) * epochs).astype(int)) if curve else []
        shots = np.unique(np.ceil(np.linspace(1, epochs, 24)).astype(int))
        kept["cells"], kept["jump"] = cells, Jump(cells["paint"], z[:10], per_epoch)
        return [Judge(measure, judged), kept["jump"], *([cells["Album"](z, shots, per_epoch)] if main else [])]

    model, history, cells = train_15(dataset, seed, **RIVALS_15[name], extra=extra)
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


def rivals_15(dataset, seeds=(42, 1, 2), names=None):
    """15의 키운 GAN, 처음부터 28×28인 것, 작은 그림의 단계만 뺀 것의 성적(digits에서는 하나씩 끈 것도)과 자라는 모습.

    names를 주면 그 설정만 학습시켜, 저장해 둔 것에 더하거나 바꿔 넣어요.
    """
    kept = samples.load("15_rivals", dataset) if names else None
    rows = kept.facts["rows"] if kept else {}
    images = dict(zip(rows, kept.images.reshape(-1, 10, 28, 28) / 255, strict=True)) if kept else {}
    for name in names or list(RIVALS_15)[: None if dataset == "digits" else 3]:
        found = [rival_15(dataset, name, seed) for seed in seeds]
        rows[name] = {key: [np.round(row[key], 3).tolist() for row, _ in found] for key in found[0][0]}
        rows[name] |= {key: found[0][0][key] for key in ("steps", "steps28")}
        images[name] = found[0][1]["ten"]
        if name == "키우며":
            film, captions, jump = (found[0][1][key] for key in ("film", "captions", "jump"))
            sizes = samples.save("15_film", dataset, coarse(film), captions=captions)
            sizes += samples.save("15_jump", dataset, coarse(jump), steps=rows[name]["steps"])
            print(f"{dataset}/15_film, 15_jump: {sizes:,}바이트", flush=True)
    samples.save("15_rivals", dataset, coarse(np.concatenate(list(images.values()))), seeds=seeds, rows=rows)


def ema_15(dataset):
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
        train_15(dataset, SEED, kind=kind, extra=extra)
    kept = ("StaleEMA EMA", "ProgressiveGAN EMA", "ProgressiveGAN G")
    facts = {"steps_after": sorted(set(after)), "times_floor": [times_floor[key] for key in kept]}
    size = samples.save("15_ema", dataset, coarse(np.concatenate([images[key] for key in kept])), **facts)
    print(f"{dataset}/15_ema: {size:,}바이트, {facts}")


SEEDS_16 = {"digits": (42, 1, 2), "mnist": (42,)}
FOOL_STEPS, DISTILL_STEPS, PER_DIGIT = 400, 250, 5


def lesson_16(dataset):
    """16의 셀에서 꺼낸 함수들, 데이터, 재는 장수, 기준이 되는 진짜의 특징, 진짜끼리의 FID."""
    cells, digits = lessons.load_cells("16_evaluation", "inception", "frechet", "circles", "cas", "fool", "distill"), data.load(dataset)
    everything = np.concatenate([digits.x_train, digits.x_test])
    n = min(KEPT, len(everything) // 2)
    order = np.random.default_rng(0).permutation(len(everything))
    real, other = (metrics.digit_features(everything[part])[0].astype("float64") for part in (order[:n], order[n : 2 * n]))
    return cells, digits, n, real, cells["frechet"](real, other)


def noise_16(dataset):
    """16의 눈속임 잡음: 분류기의 특징이 학습 그림과 같아지도록 고친 난수 그림과, 시드마다 잰 성적."""
    cells, digits, n, real, floor = lesson_16(dataset)
    facts, kept, seeds = {}, None, SEEDS_16[dataset]
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        chosen = np.random.default_rng(seed).choice(len(digits.x_train), KEPT, replace=False)
        images, _ = cells["fool"](metrics.digit_features(digits.x_train[chosen])[0], FOOL_STEPS, seed)
        features, chances = (found.astype("float64") for found in metrics.digit_features(images[:n]))
        row = {"times_floor": cells["frechet"](real, features) / floor, "is": cells["inception_score"](chances)}
        row |= dict(zip(("precision", "recall"), cells["precision_recall"](real, features), strict=True))
        row |= dict(zip(("density", "coverage"), cells["density_coverage"](real, features), strict=True))
        print(dataset, "16_noise", seed, gather(facts, row), flush=True)
        kept = (images, digits.y_train[chosen]) if kept is None else kept
    size = samples.save("16_noise", dataset, kept[0], labels=kept[1].tolist(), seeds=seeds, steps=FOOL_STEPS, **facts)
    print(f"{dataset}/16_noise: {size:,}바이트")


def distilled_16(dataset):
    """16의 증류한 얼룩: 소프트맥스 분류기가 잘 배우도록 고친 난수 그림. 시드마다의 CAS."""
    cells, digits, n, _, _ = lesson_16(dataset)
    scores, kept, seeds = [], None, SEEDS_16[dataset]
    test = digits.x_test[:1_000] / np.float32(255), digits.y_test[:1_000]
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        images, labels = cells["distill"](digits.x_train[:20_000] / 255, digits.y_train[:20_000], PER_DIGIT, DISTILL_STEPS, seed)
        scores.append(round(float(cells["accuracy_score"](np.resize(images, (n, 28, 28)), np.resize(labels, n), *test)), 4))
        kept = (images, labels) if kept is None else kept
        print(dataset, "16_distilled", seed, scores[-1], flush=True)
    size = samples.save("16_distilled", dataset, kept[0], labels=kept[1].tolist(), seeds=seeds, cas=scores, steps=DISTILL_STEPS)
    print(f"{dataset}/16_distilled: {size:,}바이트")


TAGS_17 = (
    "cosine", "posterior", "toy-network", "denoiser", "walk", "flow-matching", "picture-network", "painter", "train", "ddpm-painter",
    "digit-flow",
)  # fmt: skip
LONG_17 = 4_000  # digits의 흐름 정합(도착지)과 MNIST의 DDPM을 학습시키는 스텝


def cells_17(dataset, seed=SEED):
    """17의 셀들과 데이터, 노트북과 같은 자."""
    cells, digits = lessons.load_cells("17_flow_diffusion", *TAGS_17), data.load(dataset)
    run = course_utils.start("quick", dataset, seed, minutes=(1, 1, 1))
    cells |= {"run": run, "seed": seed, "x_train": digits.x_train, "y_train": digits.y_train}
    real = np.concatenate([digits.x_train, digits.x_test])
    evaluator = metrics.SampleEvaluator(real[np.random.default_rng(SEED).permutation(len(real))[:2_000]])
    return cells, digits, evaluator


def painter_17(cells, kind, steps):
    """17의 숫자를 그리는 모델 하나를 학습시켜요: (모델, 그릴 때 부를 함수, 학습에 쓴 CPU의 초)."""
    keras.utils.set_random_seed(cells["seed"])
    model = cells[kind](cells["cosine" if kind == "DDPMPainter" else "straight"])
    start = time.process_time()
    cells["train"](model, f"17-{kind}-{steps}", steps)
    return model, tf.function(model.solve, autograph=False), time.process_time() - start


def judge_17(cells, count):
    """그릴 소음과 레이블."""
    rng = np.random.default_rng([SEED, 8])
    return rng.normal(size=(count, 28, 28, 1)), rng.choice(cells["y_train"], count)


def flow_17(dataset):
    """17의 흐름 정합을 오래 학습시켜(MNIST는 저장해 둔 가중치) 그린 그림과 성적, 소음에서 그림까지의 길."""
    cells, _, evaluator = cells_17(dataset)
    if dataset == "mnist":
        model, seconds = cells["Painter"](cells["straight"]), None
        steps = int(weights.load(model.average, "17_flow_matching")["steps"][0])
        look = tf.function(model.solve, autograph=False)
    else:
        steps = LONG_17
        model, look, seconds = painter_17(cells, "Painter", steps)
    noise, digit = judge_17(cells, KEPT)
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


def ddpm_17(dataset):
    """같은 신경망의 DDPM: 소음을 더하며 50스텝으로 그린 그림과, 그리는 법마다의 FID."""
    cells, _, evaluator = cells_17(dataset)
    quick = lessons.read(lessons.NOTEBOOKS / "17_flow_diffusion.ipynb").table["flow_steps"][1]
    steps = quick if dataset == "digits" else LONG_17
    _, look, seconds = painter_17(cells, "DDPMPainter", steps)
    noise, digit = judge_17(cells, KEPT)
    scores, spent = {}, {}
    for name, n, fresh in (("DDIM 15스텝", 15, None), ("DDPM 50스텝", 50, np.random.default_rng([SEED, 9]))):
        start = time.process_time()
        images = cells["paint"](look, cells["cosine"], noise, digit, np.linspace(1, 0, n + 1), fresh)
        spent[name] = round(time.process_time() - start, 1)
        score = evaluator(images[: evaluator.count])
        scores[name] = [n, round(score["times_floor"], 3)]
    facts = {"steps": steps, "seconds": seconds, "labels": digit.tolist(), "by_sampler": scores, "draw_seconds": spent, **score}
    size = samples.save("17_ddpm", dataset, coarse(images), **facts)
    print(f"{dataset}/17_ddpm: {size:,}바이트, 학습 {seconds:.0f}초, {scores}, {spent}")


def coupling_17(dataset):
    """17의 숫자를 그리는 커플링 흐름: 그린 그림과 픽셀당 비트."""
    cells, digits, evaluator = cells_17(dataset)
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


SWEEPS = {
    "03_autoencoder": autoencoder_03,
    "05_ae": ae_05,
    "05_beta": beta_05,
    "08_seeds": seeds_08,
    "09_moments": moments_09,
    "10_orders": orders_10,
    "12_blind": blind_12,
    "12_no_wrong": no_wrong_12,
    "12_info": info_12,
    "13_pairs": pairs_13,
    "13_cycle": cycle_13,
    "13_flipped": flipped_13,
    "11_planes": planes_11,
    "14_hole_plane": hole_plane_14,
    "14_ablation": ablation_14,
    "14_goal": goal_14,
    "15_rivals": rivals_15,
    "15_ema": ema_15,
    "16_noise": noise_16,
    "16_distilled": distilled_16,
    "17_flow_matching": flow_17,
    "17_ddpm": ddpm_17,
    "17_coupling": coupling_17,
}

if __name__ == "__main__":
    dataset, *names = sys.argv[1:]
    for name in names or (*SWEEPS, *LESSONS):
        SWEEPS[name](dataset) if name in SWEEPS else lesson(name, dataset)
