"""10의 저장해 두는 그림과 성적: 두 순서."""

import numpy as np

import course_utils
from course_utils import data, lessons, samples
from course_utils.backend import keras
from tools.build_samples.common import SEED, quick


def orders(dataset):
    """10의 NADE를 픽셀을 세는 세 순서로 똑같이 학습시킨 시험 나트와, 위 절반이 가려진 숫자 열 장을 두 번씩 채운 것."""
    run, digits = course_utils.start("quick", dataset, SEED, minutes=(1, 1, 1)), data.load(dataset)
    cells = lessons.load_cells("10_autoregressive", "tiny", "base", "nade", "train")
    cells["run"] = run
    steps = quick("10_autoregressive")["nade_steps"]
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


BUILDERS = {"10_orders": orders}
