"""01. 확률의 연습문제."""

from course_utils.exercises import Problem


def _variance(values, probabilities):
    mean = sum(v * p for v, p in zip(values, probabilities, strict=True))
    return sum((v - mean) ** 2 * p for v, p in zip(values, probabilities, strict=True))


def _second_moment(values, probabilities):
    return sum(v**2 * p for v, p in zip(values, probabilities, strict=True))


def _absolute_deviation(values, probabilities):
    mean = sum(v * p for v, p in zip(values, probabilities, strict=True))
    return sum(abs(v - mean) * p for v, p in zip(values, probabilities, strict=True))


def _ignores_probabilities(values, probabilities):
    return sum((v - sum(values) / len(values)) ** 2 for v in values) / len(values)


PROBLEMS = {
    "01-1": Problem(
        form="숫자 하나(분수식도 좋아요)",
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
        form="0과 1 사이의 숫자 하나",
        answer=0.2 * 0.6 / (0.2 * 0.6 + 0.8 * 0.02),
        why="사전 확률 20%가 낱말 하나로 88%까지 올라갔어요. 정상 메일에 그 낱말이 드문 덕분이에요.",
        mistakes=[
            (0.6, "그건 P(당첨 | 스팸), 가능도예요. 물어본 것은 거꾸로 P(스팸 | 당첨)이에요."),
            (0.2 * 0.6, "P(스팸이고 당첨)까지 왔어요. 이제 '당첨'이 나오는 모든 길의 확률로 나눠 보세요."),
            (0.2 * 0.6 / (0.6 + 0.02), "분모에서 두 길에 각각 스팸과 정상의 비율을 곱하는 것을 잊었어요."),
            (0.2 * 0.6 / (2 * (0.2 * 0.6 + 0.8 * 0.02)), "분모를 두 번 셌어요. P(B) 자체가 두 길의 합이에요."),
            (
                0.2 * 0.6 / (0.2 * 0.6 + 0.2 * 0.02),
                "정상 메일의 비율은 0.2가 아니에요. 스팸이 아닌 것의 확률을 써 보세요.",
            ),
        ],
        nudge="'당첨'이 나오는 두 길(스팸이어서, 정상인데도)의 확률을 각각 구해 보세요.",
    ),
    "01-3": Problem(
        form="variance(values, probabilities) 꼴의 함수",
        answer=_variance,
        inputs=(([0, 1], [0.5, 0.5]), ([1, 2, 6], [0.5, 0.3, 0.2]), ([-1, 4], [0.8, 0.2])),
        why="평균을 먼저 구하고, 거기서 떨어진 거리의 제곱을 확률로 무게 달아 더했어요.",
        mistakes=[
            (_second_moment, "E[X²]을 구했어요. 평균의 제곱을 빼거나, 처음부터 평균을 뺀 값을 제곱해야 해요."),
            (lambda v, p: _variance(v, p) ** 0.5, "제곱근까지 씌웠네요. 그건 표준편차예요."),
            (_ignores_probabilities, "확률을 쓰지 않고 모든 값을 똑같이 무게 달았어요."),
            (_absolute_deviation, "거리의 절댓값을 평균 냈어요. 분산은 거리의 제곱을 써요."),
        ],
        nudge="평균 μ를 먼저 구하고, (값 − μ)²을 확률로 무게 달아 더해요.",
    ),
    "01-4": Problem(
        form="second_order(n) 꼴의 함수",
        answer=lambda n: 4 * n - 5,
        inputs=((2,), (3,), (10,), (784,)),
        why="1 + 2 + 4(n − 2) = 4n − 5예요. 한 픽셀을 더 볼 때마다 기울기가 두 배가 돼요. 전부 보면 2ⁿ − 1이 되지요.",
        mistakes=[
            (lambda n: 2 * n - 1, "앞의 픽셀을 하나만 보는 사슬의 답이에요. 둘을 보면 앞 상황이 몇 가지일까요?"),
            (lambda n: 2**n - 1, "가정 없이 앞을 전부 볼 때의 답이에요. 앞 두 픽셀만 알면 된다는 가정을 써 보세요."),
            (lambda n: 4 * n, "모든 픽셀에 네 상황을 줬어요. 첫 픽셀과 둘째 픽셀에는 앞 픽셀이 몇 개 있을까요?"),
            (lambda n: 1 + 4 * (n - 1), "첫 픽셀은 맞아요. 둘째 픽셀은 앞에 픽셀이 하나뿐이에요."),
            (lambda n: 4 * (n - 2), "처음 두 픽셀에도 매개변수가 필요해요."),
        ],
        nudge="첫 픽셀, 둘째 픽셀, 그다음 픽셀들로 나눠서 각각 몇 개가 필요한지 더해 보세요.",
    ),
}
