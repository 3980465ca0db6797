"""05의 저장해 두는 그림과 성적: 오토인코더와 β."""

import numpy as np

import course_utils
from course_utils import data, lessons, samples, training
from course_utils.backend import keras
from tools.build_samples.common import SEED

BETAS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


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


def ae(dataset):
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


def beta(dataset):
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


BUILDERS = {"05_ae": ae, "05_beta": beta}
