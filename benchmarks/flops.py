"""학습 한 걸음에 꼭 필요한 부동소수점 셈의 수. 층의 모양에서 세요(곱하고 더하기 = 2)."""

import math


def layer_flops(layer):
    """층 하나를 그림 한 장이 지날 때의 셈. 행렬 곱과 합성곱만 세고, 나머지(활성화, 정규화)는 0으로 봐요.

    Args:
        layer: build를 마친 Keras 층이나 모델(안의 층까지 더해요).
    Returns:
        int.
    """
    kind = type(layer).__name__
    if hasattr(layer, "layers"):
        return sum(map(layer_flops, layer.layers))
    if kind == "Dense":
        return 2 * math.prod(layer.kernel.shape)
    if kind == "Conv2D":  # 출력 자리마다 커널 한 번
        return 2 * math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3])
    if kind == "Conv2DTranspose":  # 입력 자리마다 커널 한 번
        return 2 * math.prod(layer.kernel.shape) * math.prod(layer.input.shape[1:3])
    return 0


def first_flops(model):
    """입력에 바로 닿은 층의 셈. 학습할 때 이 층의 입력에 대한 기울기는 필요 없어요."""
    return next(count for layer in model.layers if (count := layer_flops(layer)))


def supervised(*parts):
    """앞뒤로 이어진 부분들(인코더, 디코더)의 한 걸음, 그림 한 장: 순전파 + 가중치 기울기 + 입력 기울기."""
    return 3 * sum(map(layer_flops, parts)) - first_flops(parts[0])


def adversarial(generator, judge, fakes=1):
    """생성자와 판별자의 한 걸음, 진짜 그림 한 장.

    Args:
        generator: 생성자. judge: 판별자.
        fakes: 진짜 한 장마다 가짜를 몇 번 만드나. 두 선수가 같은 가짜를 쓰면 1, 따로 만들면 2.
    Returns:
        int.
    """
    judge_turn = 2 * supervised(judge)  # 진짜 한 장과 가짜 한 장
    generator_turn = 2 * layer_flops(judge) + 2 * layer_flops(generator) - first_flops(generator)
    return judge_turn + generator_turn + fakes * layer_flops(generator)


def wasserstein(generator, critic, n_critic, penalized):
    """WGAN-GP의 한 걸음, 비평가가 보는 진짜 한 장.

    생성자는 비평가가 마지막에 본 가짜로 배우니 순전파를 다시 하지 않아요.
    벌점은 선분 위의 점 하나에 순전파, 입력 기울기, 그리고 그 기울기를 다시 미분한 두 번이에요.

    Args:
        generator: 생성자. critic: 비평가.
        n_critic: 생성자를 한 번 고칠 때 비평가를 고치는 횟수.
        penalized: 진짜 한 장마다 벌점을 재는 점의 수.
    Returns:
        float.
    """
    critic_turn = layer_flops(generator) + 2 * supervised(critic) + 4 * penalized * layer_flops(critic)
    generator_turn = 2 * layer_flops(generator) - first_flops(generator) + 2 * layer_flops(critic)
    return critic_turn + generator_turn / n_critic
