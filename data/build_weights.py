"""data/weights/*.npz 를 만듭니다: 노트북의 셀을 그대로 꺼내 MNIST로 full 프로파일만큼 배우고, 8비트로 줄여 저장해요.

실행: COURSE_MNIST=/경로/mnist.npz python data/build_weights.py 이름…   (이름이 없으면 전부)
CPU 두 코어에서 걸리는 시간: digit_features 3분, 나머지는 수십 분. 끊기면 다시 실행해요. 이어서 배워요.
"""

import sys
import types

import numpy as np

import course_utils
from course_utils import data, lessons, metrics, training, weights

SEED = 42


def digit_features():
    """만든 이미지를 재는 숫자 분류망. MNIST와 digits의 학습 이미지를 조금씩 움직여 가며 배워요."""
    run = course_utils.start("full", "mnist", SEED, minutes=(3, 3, 3), keras=True)
    import keras

    mnist, digits = data.load("mnist"), data.load("digits")
    images = np.concatenate([mnist.x_train, *[digits.x_train] * 6])
    labels = np.concatenate([mnist.y_train, *[digits.y_train] * 6])
    steps = len(images) // 128
    network = metrics.digit_network()
    classifier = keras.Model(network.input, network.outputs[1])
    rate = keras.optimizers.schedules.CosineDecay(2e-3, 15 * steps)
    classifier.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    saved = training.Checkpoint(classifier, run, "digit_features")
    batches = data.batches(images, 128, SEED, saved.epoch, labels, augment=True)
    classifier.fit(
        batches,
        epochs=15,
        initial_epoch=saved.epoch,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=2,
        callbacks=[saved],
    )
    size = weights.save(network, "digit_features", saved.history)
    weights.load(network, "digit_features")
    for part in (mnist, digits):
        guess = network.predict(part.x_test[..., None] / 255, verbose=0)[1]
        correct, sure = (guess.argmax(1) == part.y_test).mean(), (guess.max(1) > 0.9).mean()
        print(f"{part.name}: 시험 정확도 {correct:.4f}, 확신 {sure:.4f}")
    print(f"{size:,}바이트")


def vae_05():
    """05의 두 VAE: 2차원 합성곱과 20차원 완전 연결."""
    run = course_utils.start("full", "mnist", SEED, minutes=(1, 40, 40), keras=True)
    lesson = lessons.load_cells("05_vae", "sampling", "conv", "loss", "vae", "train", "dense", "weights")
    mnist = data.load("mnist")
    lesson.update(run=run, cfg=types.SimpleNamespace(), seed=SEED, digits=mnist, x_train=mnist.x_train)
    x_test = mnist.x_test[..., None] / np.float32(255)
    jobs = {
        "05_vae_dense": (lesson["dense_encoder"](20), lesson["dense_decoder"](20), 60_000, 128),
        "05_vae_conv": (lesson["conv_encoder"](2), lesson["conv_decoder"](2), 40_000, 60),
    }
    for name, (encoder, decoder, *plan) in jobs.items():
        vae = lesson["connect"](encoder, decoder)
        history = lesson["train"](vae, name, *plan, jit="dense" in name)
        before = metrics.elbo(lesson["log_weights"](encoder, decoder), x_test, samples=4).mean()
        size = weights.save(vae, name, history)
        weights.load(vae, name)
        after = metrics.elbo(lesson["log_weights"](encoder, decoder), x_test, samples=4).mean()
        print(f"{name}: 시험 ELBO {before:.2f}, 8비트로 줄인 뒤 {after:.2f} 나트, {size:,}바이트")


BUILDERS = {"digit_features": digit_features, "05_vae": vae_05}


if __name__ == "__main__":
    for name in sys.argv[1:] or BUILDERS:
        BUILDERS[name]()
