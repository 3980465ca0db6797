"""08의 저장해 두는 그림과 성적: 배치 정규화의 시드."""

import numpy as np

import course_utils
from course_utils import data, lessons, metrics, samples
from course_utils.backend import keras


class Bias(keras.layers.Layer):
    """배치 정규화를 뺀 자리: 채널마다 편향만 더해요."""

    def build(self, shape):
        self.bias = self.add_weight(shape=(shape[-1],), initializer="zeros", name="bias")

    def call(self, x):
        return x + self.bias


def seeds(dataset, steps=480, seeds=range(5)):
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


BUILDERS = {"08_seeds": seeds}
