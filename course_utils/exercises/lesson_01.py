"""01. 확률의 연습문제."""

import numpy as np

from course_utils.exercises import Problem


def _log_pixels(x, p_on):
    return x * np.log(p_on) + (1 - x) * np.log(1 - p_on)


def _normalise(log_joint):
    joint = np.exp(log_joint - log_joint.max())
    return joint / joint.sum()


def _masked_posterior(x, seen, prior, p_on):
    return _normalise(np.log(prior) + (seen * _log_pixels(x, p_on)).sum(axis=1))


def _all_pixels(x, seen, prior, p_on):
    return _normalise(np.log(prior) + _log_pixels(x, p_on).sum(axis=1))


def _hidden_is_off(x, seen, prior, p_on):
    return _normalise(np.log(prior) + _log_pixels(seen * x, p_on).sum(axis=1))


def _only_lit(x, seen, prior, p_on):
    return _normalise(np.log(prior) + (seen * x * np.log(p_on)).sum(axis=1))


def _no_prior(x, seen, prior, p_on):
    return _normalise((seen * _log_pixels(x, p_on)).sum(axis=1))


def _log_joint(x, seen, prior, p_on):
    return np.log(prior) + (seen * _log_pixels(x, p_on)).sum(axis=1)


def _not_divided(x, seen, prior, p_on):
    return np.exp(_log_joint(x, seen, prior, p_on))


def _largest_is_1(x, seen, prior, p_on):
    log_joint = _log_joint(x, seen, prior, p_on)
    return np.exp(log_joint - log_joint.max())


_SMALL = (
    np.array([1, 0, 1]),
    np.array([1, 1, 0]),
    np.array([0.5, 0.3, 0.2]),
    np.array([[0.9, 0.2, 0.5], [0.4, 0.4, 0.7], [0.1, 0.8, 0.3]]),
)
_LARGE = (  # 확률을 그대로 곱하면 0/0이 되는 784픽셀
    np.tile([1, 0], 392),
    np.repeat([1, 0], [700, 84]),
    np.array([0.6, 0.4]),
    np.array([np.tile([0.100, 0.9], 392), np.tile([0.101, 0.9], 392)]),
)

PROBLEMS = {
    "01-1": Problem(
        form="값 하나(`1/6`처럼 적어도 돼요)",
        answer=2 / 11,
        why="6이 든 칸은 36칸 가운데 11칸, 그 안에서 합이 7인 칸은 (1, 6)과 (6, 1) 둘이에요.",
        mistakes=[
            (2 / 36, "둘이 함께 일어날 결합 확률을 구했네요. 이미 아는 것으로 세상을 좁혀야 해요. 무엇으로 나눌까요?"),
            (1 / 11, "순서를 잊었어요. (1, 6)과 (6, 1)은 다른 칸이에요."),
            (1 / 6, "6이 나왔다는 조건을 쓰지 않았거나, 6이 든 칸을 12칸으로 셌어요. (6, 6)을 두 번 세지 않았나요?"),
            (
                1 / 12,
                "6이 든 칸의 수와 합이 7인 칸의 수를 다시 세어 보세요. (6, 6)은 한 칸이고, 순서가 다르면 다른 칸이에요.",
            ),
        ],
        nudge="먼저 6이 적어도 하나 든 칸이 몇 개인지, 그림의 36칸에서 세어 보세요.",
    ),
    "01-2": Problem(
        form="보기의 번호(1–4) 하나",
        answer=3,
        why="개수의 표준편차는 √n에 비례해요. n이 10,000배니 100배예요. 비율의 표준편차는 거꾸로 1/100이 돼요.",
        mistakes=[
            (1, "줄어드는 것은 비율의 오차예요. 비율의 오차에 n을 곱해 보세요."),
            (2, "n이 100배일 때의 답이에요. 100에서 1,000,000은 몇 배인가요?"),
            (4, "비율의 오차가 그대로일 때만 그래요. 비율의 오차는 얼마나 줄었나요?"),
        ],
        nudge="0/1인 변수 n개의 합의 분산은 n·p(1 − p)예요. 표준편차는 그 제곱근이에요.",
    ),
    "01-3": Problem(
        form="masked_posterior(x, seen, prior, p_on) 꼴의 함수. NaN이 나왔다면 확률 784개를 곱해 0이 된 거예요. 로그를 더하고, 지수를 씌우기 전에 가장 큰 값을 빼세요",
        answer=_masked_posterior,
        inputs=(_SMALL, _LARGE),
        why="가려진 픽셀은 두 경우(켜짐, 꺼짐)의 합이 1이라 주변화하면 사라져요. 그래서 빼기만 하면 돼요.",
        mistakes=[
            (_all_pixels, "seen을 쓰지 않았어요. 가려진 픽셀의 x에는 아무 값이나 들어 있어요."),
            (_hidden_is_off, "가려진 픽셀을 '꺼진 픽셀'로 봤어요. 모르는 것과 꺼진 것은 달라요."),
            (_only_lit, "켜진 픽셀만 셌어요. 꺼진 픽셀도 증거예요. log(1 − p)를 더해 보세요."),
            (_no_prior, "사전 확률 log p(z)를 빠뜨렸어요."),
            (_log_joint, "아직 로그예요. 지수를 씌우고, 합이 1이 되게 나눠 보세요."),
            (_not_divided, "합이 1인가요? 모든 길을 더한 것이 분모예요."),
            (_largest_is_1, "가장 큰 값이 1이 됐네요. 빼는 것까지는 좋아요. 이제 합이 1이 되게 나눠 보세요."),
        ],
        nudge="픽셀마다 x·log p + (1 − x)·log(1 − p)를 구하고, seen을 곱해 보이는 것만 더해 보세요.",
    ),
    "01-4": Problem(
        form="[보기의 번호, 표준편차] 꼴의 목록",
        answer=[3, 0.17],
        rtol=0.05,
        why="σ/√n = √(35/12)/√100 ≈ 0.171이에요. 매번 같은 시드로 새 발생기를 만들어서 1,000벌이 모두 같은 100번이었어요.",
        mistakes=[
            ([1, 0], "1,000벌을 모았다고 줄지 않아요. σ/√n의 n은 한 벌에 던진 횟수 100이에요."),
            ([1, 0.17], "표준편차는 맞아요. 그렇다면 0은 정상일 수 없어요. 1,000벌이 서로 다르기는 한가요?"),
            ([2, 0.17], "표준편차는 맞아요. 하지만 100을 바꿔도 1,000벌은 여전히 모두 같아요."),
            (
                [4, 0.17],
                "표준편차는 맞아요. 벌마다 다르게도 돼요. 그런데 다시 실행해도 결과가 같을까요?",
            ),
            ([3, 0], "고치고도 0일까요? 평균의 표준편차는 σ/√n이에요. 주사위의 σ²은 35/12예요."),
            ([3, 1.71], "그건 한 번 던진 눈의 표준편차 σ예요. 100번의 평균이니 √100으로 나눠요."),
            ([3, 0.0171], "n으로 나눴네요. 표준편차는 √n으로 나눠요."),
            ([3, 0.054], "√1000으로 나눴네요. 한 벌에 던진 횟수는 100이에요."),
        ],
        nudge="발생기는 시드에서 출발해요. 1,000벌이 저마다 어디에서 출발하는지 보세요.",
    ),
    "01-5": Problem(
        form="0과 1 사이의 값 하나",
        answer=0.2 * 0.6 / (0.2 * 0.6 + 0.8 * 0.02),
        why="사전 확률 20%가 낱말 하나로 88%까지 올라갔어요. 오즈로는 1 : 4에 가능도의 비 30을 곱해 7.5 : 1이에요.",
        mistakes=[
            (0.6, "그건 P(당첨 | 스팸), 가능도예요. 물어본 것은 거꾸로 P(스팸 | 당첨)이에요."),
            (0.2 * 0.6, "P(스팸이고 당첨)까지 왔어요. 이제 '당첨'이 나오는 모든 길의 확률로 나눠 보세요."),
            (0.2 * 0.6 / (0.6 + 0.02), "분모에서 두 길에 각각 스팸과 정상의 비율을 곱하는 것을 잊었어요."),
            (
                0.2 * 0.6 / (2 * (0.2 * 0.6 + 0.8 * 0.02)),
                "꼭 절반이 나왔어요. 분모를 두 번 셌네요. P(B) 자체가 두 길의 합이에요.",
            ),
            (
                0.2 * 0.6 / (0.2 * 0.6 + 0.2 * 0.02),
                "정상 메일의 비율은 0.2가 아니에요. 스팸이 아닌 것의 확률을 써 보세요.",
            ),
        ],
        nudge="'당첨'이 나오는 두 길(스팸이어서, 정상인데도)의 확률을 각각 구해 보세요.",
    ),
    "01-6": Problem(
        rtol=1e-6,
        form="정수 하나(식으로 적어도 좋아요)",
        answer=1 + 27 * 2 + 27 * 2 + 27 * 27 * 4,
        why="모서리 1개, 첫 줄과 첫 칸의 54픽셀에 둘씩, 나머지 729픽셀에 넷씩이에요. 독립 모델의 네 배쯤이에요.",
        mistakes=[
            (28 * 28 * 4, "첫 줄에는 위가 없고, 첫 칸에는 왼쪽이 없어요."),
            (1 + 2 + 4 * 782, "한 줄로 편 순서에서 앞의 두 픽셀을 본 답이에요. 왼쪽과 위를 보세요."),
            (27 * 27 * 4, "가장자리의 픽셀도 그려야 해요."),
            (28 * 28 * 2 - 1, "앞 픽셀 하나만 볼 때의 답이에요. 왼쪽과 위의 상황은 함께 몇 가지일까요?"),
            (27 * 2 + 27 * 2 + 27 * 27 * 4, "왼쪽 위 모서리의 픽셀 하나를 빠뜨렸어요."),
        ],
        nudge="모서리, 첫 줄, 첫 칸, 나머지로 나눠 픽셀의 수와 저마다의 상황의 수를 세어 보세요.",
    ),
}
