"""data/samples 를 만들어요: 레슨의 셀을 그대로 실행해, 다 학습시킨 모델들의 그림과 성적을 저장해요.

실행: COURSE_MNIST=/경로/mnist.npz python -m tools.build_samples digits 이름…   (또는 mnist. 이름이 없으면 전부)
digits는 quick으로 학습시키고, MNIST는 미리 학습해 둔 가중치가 있으면 그것을 써요. CPU 두 코어에서 하나에 1–10분.
"""

import os
import sys

import nbclient
import nbformat
import numpy as np

import course_utils
from course_utils import data, lessons, metrics, samples
from course_utils.backend import keras

KEPT = 1_000  # 파일 하나에 두는 그림의 수
SEED = 42
BETAS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
LESSONS = {  # 노트북: {저장할 이름: 그 그림이 담긴 노트북의 변수}
    "05_vae": {"05_vae": "generated", "05_vae_map": "latent_map"},
    "06_gan": {"06_gan": "generated"},
    "08_dcgan": {"08_dcgan": "generated", "08_dcgan_walk": "walks"},
    "09_wgan": {"09_wgan": "generated"},
}


def lesson(name, dataset):
    """레슨 하나를 그 데이터로 처음부터 끝까지 실행해 그림을 저장해요."""
    notebook = nbformat.read(lessons.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    (cell,) = lessons.tagged(notebook, "parameters")
    chosen = {"profile": "quick", "dataset": dataset, "pretrained": dataset == "mnist"}
    cell.source += "".join(f"\n{key} = {value!r}" for key, value in chosen.items() if f"{key} =" in cell.source)
    keep = "".join(f"keep({file!r}, run, {variable})\n" for file, variable in LESSONS[name].items())
    notebook.cells.append(nbformat.v4.new_code_cell("from tools.build_samples import keep\n" + keep))
    os.environ["COURSE_STATIC"] = "1"
    nbclient.execute(notebook, cwd=os.getcwd(), timeout=None)
    print(notebook.cells[-1].outputs[0].text, end="")


def keep(file, run, images):
    """(노트북 안에서) 그림 KEPT장과 기록한 지표를 저장해요."""
    images = np.reshape(images, (-1, 28, 28))[:KEPT]
    print(f"{run.dataset}/{file}: {samples.save(file, run.dataset, images, **run.metrics):,}바이트, {run.metrics}")


def vae_cells(dataset):
    """05의 셀에서 꺼낸 함수들과 데이터."""
    course_utils.start("quick", dataset, SEED, minutes=(1, 1, 1))
    digits = data.load(dataset)
    x_train, x_test = (part[..., None] / np.float32(255) for part in (digits.x_train, digits.x_test))
    cells = lessons.load_cells("05_vae", "sampling", "conv", "loss", "vae", "dense", "weights")
    return cells, x_train, x_test[:1_000], digits.y_test[:1_000]


def fit(model, x_train, targets, batch_size, steps, rate, loss=None, jit=False):
    """steps스텝쯤, 학습률을 코사인으로 줄이며 학습시켜요."""
    epochs = max(5, round(steps / (len(x_train) // batch_size)))
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * (len(x_train) // batch_size))
    model.compile(keras.optimizers.Adam(schedule), loss=loss, jit_compile=jit)
    model.fit(x_train, targets, batch_size=batch_size, epochs=epochs, verbose=0)


def ae_05(dataset):
    """05의 2차원 신경망에서 주사위와 KL 항을 뺀 오토인코더: 사전 분포의 점을 디코딩한 그림과, 시험 이미지의 코드."""
    cells, x_train, x_test, y_test = vae_cells(dataset)
    keras.utils.set_random_seed(SEED)
    encoder, decoder = cells["conv_encoder"](2), cells["conv_decoder"](2)
    image = keras.Input((28, 28, 1))
    fit(keras.Model(image, decoder(encoder(image)[0])), x_train, x_train, 60, 1_500, 2e-3, cells["bernoulli_nll"])
    z = np.random.default_rng(0).normal(size=(12, 2)).astype("float32")
    codes = encoder.predict(x_test[:300], verbose=0)[0].round(2).tolist()
    images = decoder.predict(z, verbose=0)
    size = samples.save("05_ae", dataset, images, codes=codes, labels=y_test[:300].tolist())
    print(f"{dataset}/05_ae: {size:,}바이트, 코드의 범위 {np.min(codes, 0)} – {np.max(codes, 0)}")


def beta_05(dataset):
    """05의 20차원 VAE를 β마다: 새 그림 12장씩, 시험 이미지의 재구성 항과 KL 항, 일하는 차원."""
    cells, x_train, x_test, _ = vae_cells(dataset)
    z = np.random.default_rng(1).normal(size=(12, 20)).astype("float32")
    images, facts = [], {"beta": BETAS, "reconstruction": [], "kl": [], "active_units": []}
    for beta in BETAS:
        keras.utils.set_random_seed(SEED)
        encoder, decoder = cells["dense_encoder"](20), cells["dense_decoder"](20)
        fit(cells["VAE"](encoder, decoder, beta), x_train, None, 128, 3_000, 5e-3, jit=True)
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


SWEEPS = {"05_ae": ae_05, "05_beta": beta_05, "08_seeds": seeds_08}

if __name__ == "__main__":
    dataset, *names = sys.argv[1:]
    for name in names or (*SWEEPS, *LESSONS):
        SWEEPS[name](dataset) if name in SWEEPS else lesson(name, dataset)
