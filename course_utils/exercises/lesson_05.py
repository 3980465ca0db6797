"""05. 변분 오토인코더의 연습문제."""

import numpy as np

from course_utils.exercises import Problem


def _kl(mu, log_var):
    mu, log_var = np.asarray(mu), np.asarray(log_var)
    return -0.5 * np.sum(1 + log_var - mu**2 - np.exp(log_var), axis=-1)


_BATCHES = (
    ([[0.0, 0.0]], [[0.0, 0.0]]),
    ([[1.0, -0.5], [0.3, 2.0], [0.0, 0.1]], [[0.2, -1.0], [0.0, 0.5], [-2.0, 1.0]]),
)


def _given(function):
    """학생의 함수와 같은 꼴: 목록이 아니라 배열을 받아요."""
    return lambda mu, log_var: function(np.asarray(mu), np.asarray(log_var))


PROBLEMS = {
    "05-1": Problem(
        form="숫자 하나",
        answer=1 + np.exp(-0.8) * 2,
        why="σ = exp(−1.6/2) ≈ 0.449이고, z = 1 + 0.449·2 ≈ 1.899예요.",
        mistakes=[
            (1 + np.exp(-1.6) * 2, "ε에 분산을 곱했어요. exp(ℓ)은 분산이에요. 표준편차는 ℓ을 어떻게 하면 나올까요?"),
            (1 - 1.6 * 2, "ℓ을 그대로 곱했어요. ℓ은 로그 분산이라 먼저 표준편차로 바꿔야 해요."),
            (1 + np.exp(-0.8), "ε을 곱하는 것을 잊었어요."),
            (1 + np.sqrt(1.6) * 2, "ℓ은 분산이 아니라 분산의 로그예요. 제곱근이 아니라 지수 함수로 되돌려요."),
            ((1 + np.exp(-0.8)) * 2, "ε은 σ에만 곱해요. μ는 그대로 더해요."),
        ],
        nudge="σ를 먼저 구하고 z = μ + σ·ε에 넣어 보세요.",
    ),
    "05-2": Problem(
        form="kl(mu, log_var) 꼴의 함수. (배치,) 모양의 배열을 돌려줘요",
        answer=_kl,
        inputs=tuple((np.array(mu), np.array(log_var)) for mu, log_var in _BATCHES),
        why="괄호 안을 잠재 차원에 대해 더하고 −½을 곱했어요. μ = 0, ℓ = 0이면 정확히 0이에요.",
        mistakes=[
            (
                _given(lambda m, v: 0.5 * np.sum(1 + v - m**2 - np.exp(v), axis=-1)),
                "부호가 뒤집혔어요. KL은 음수가 될 수 없어요.",
            ),
            (
                _given(lambda m, v: -0.5 * np.mean(1 + v - m**2 - np.exp(v), axis=-1)),
                "잠재 차원에 대해 평균을 냈어요. 차원마다의 KL은 더해야 해요.",
            ),
            (
                _given(lambda m, v: -0.5 * np.sum(1 + v - m**2 - np.exp(v))),
                "배치까지 다 더해서 수 하나가 됐어요. 이미지마다 하나씩 나와야 해요. axis를 보세요.",
            ),
            (_given(lambda m, v: -np.sum(1 + v - m**2 - np.exp(v), axis=-1)), "앞의 ½이 빠졌어요."),
            (
                _given(lambda m, v: -0.5 * np.sum(1 + v - m**2 - np.exp(v) ** 2, axis=-1)),
                "분산을 한 번 더 제곱했어요. exp(ℓ)이 이미 σ²이에요.",
            ),
            (
                _given(lambda m, v: -0.5 * np.sum(1 + v - m**2 - np.exp(v / 2), axis=-1)),
                "마지막 항은 표준편차가 아니라 분산 σ² = exp(ℓ)이에요.",
            ),
        ],
        nudge="1 + ℓ − μ² − exp(ℓ)을 마지막 축으로 더하고 −½을 곱해요.",
    ),
    "05-3": Problem(
        form="숫자 하나",
        answer=7.84,
        why="BCE의 평균에 784를 곱하면 합이 되니, KL의 무게도 784배가 되어 β = 7.84예요. 꽤 강한 β-VAE지요.",
        mistakes=[
            (0.01, "손실 전체에 784를 곱해야 BCE가 합이 돼요. 그러면 KL 앞의 수도 바뀌어요."),
            (0.01 / 784, "나누는 게 아니라 곱해요. 평균을 합으로 되돌리려면 손실 전체에 얼마를 곱하나요?"),
            (
                0.01 * 784 * 2,
                "KL을 ½까지 넣어 닫힌 식으로 더했으니 2는 필요 없어요. 2는 ½을 빼먹은 옛 코드에서만 나와요.",
            ),
            (0.392, "그건 본문의 옛 예제(5·10⁻⁴, 차원의 평균, J = 2)의 값이에요. 이 코드의 무게로 다시 계산해 보세요."),
        ],
        nudge="손실 전체에 784를 곱해 BCE를 합으로 만든 다음, KL 앞의 수를 읽어 보세요.",
    ),
    "05-4": Problem(
        form="숫자 하나",
        answer=0.02,
        why="−ELBO = SSE/(2σₓ²) + KL이에요. 전체에 2σₓ²을 곱하면 SSE + 2σₓ²·KL이니 0.02예요.",
        mistakes=[
            (50.0, "SSE 앞의 수를 구했어요. SSE의 무게를 1로 남기려면 KL 앞에는 그 역수가 와야 해요."),
            (0.01, "σₓ²만 곱했어요. 가우스 분포의 지수에 있는 ½을 잊지 않았나요?"),
            (0.2, "σₓ를 제곱해야 해요. 가우스 분포의 지수에는 분산이 들어가요."),
            (1.0, "σₓ² = ½일 때만 1이에요. σₓ = 0.1이면 SSE 앞의 수부터 구해 보세요."),
            (0.005, "2σₓ²이어야 하는데 2로 나눴어요. −log N의 지수를 다시 적어 보세요."),
        ],
        nudge="−log N(x; x̂, σₓ²)에서 SSE 앞의 수를 구하고, 그 수로 손실 전체를 나눠 보세요.",
    ),
}
