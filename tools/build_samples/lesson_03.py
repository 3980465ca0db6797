"""03의 저장해 두는 그림과 성적: 오토인코더의 도착지."""

import numpy as np

import course_utils
from course_utils import data, lessons, samples, training
from course_utils.backend import keras
from tools.build_samples.common import SEED


def autoencoder(dataset, steps=10_000):
    """03의 도착지: 시험 그림 열 장과 그 재구성, 열 장의 값 3개(points), 학습 그림들의 값 3개(cloud)와 숫자(labels)."""
    run = course_utils.start("full", dataset, SEED, minutes=(1, 1, 1))
    lesson, digits = lessons.load_cells("03_autoencoder", "scale", "mlp", "pair"), data.load(dataset)
    encoder, decoder, autoencoder = lesson["build_autoencoder"]()
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    autoencoder.compile(keras.optimizers.Adam(rate), loss="mse", jit_compile=True)
    training.fit(
        autoencoder, digits.x_train, 128, steps // 100, run=run, name="03-goal",
        steps_per_epoch=100, prepare=lesson["to_pair"], augment=dataset == "digits",
    )
    ten = lesson["scale"](digits.x_test[[np.flatnonzero(digits.y_test == digit)[1] for digit in range(10)]])
    points, cloud = (encoder.predict(x, verbose=0) for x in (ten, lesson["scale"](digits.x_train[:1_000])))
    pictures = lesson["unscale"](np.concatenate([ten, decoder.predict(points, verbose=0)]))
    facts = {"points": points.round(2).tolist(), "cloud": cloud.round(2).tolist()}
    size = samples.save("03_autoencoder", dataset, pictures, labels=digits.y_train[:1_000].tolist(), steps=steps, **facts)
    print(f"{dataset}/03_autoencoder({size:,}바이트)")


BUILDERS = {"03_autoencoder": autoencoder}
