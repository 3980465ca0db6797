"""09의 저장해 두는 그림과 성적: 학습의 순간들."""

import tempfile

import numpy as np

import course_utils
from course_utils import data, lessons, samples, training
from course_utils.backend import keras
from tools.build_samples.common import SEED, quick

MOMENTS = (10, 20, 40, 200, 3_200)  # 09의 생성자를 멈추는 스텝
JUDGE_STEPS = 200


def moments(dataset):
    """09의 생성자를 다섯 스텝에서 멈춘 그림과 진짜, 100장씩. 그때마다 새 비평가의 점수 차와 새 판별자의 JSD.

    600장으로 학습시키고 다른 300장에서 재요. '진짜'는 진짜를 겹치지 않는 두 묶음으로 나눠 서로 견준 것이에요.
    """
    checkpoints = tempfile.mkdtemp()  # 이어 하지 않아요. 멈춘 순간의 그림이 있어야 하니까요
    run = course_utils.start("quick", dataset, SEED, minutes=(1, 1, 1), checkpoints=checkpoints)
    digits = data.load(dataset)
    cells = lessons.load_cells("09_wgan", "networks", "penalty", "teach", "wgan", "train", "judges")
    steps = quick("09_wgan")["steps"]
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
    )

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


BUILDERS = {"09_moments": moments}
