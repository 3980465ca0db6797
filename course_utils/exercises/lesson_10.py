"""10. 자기회귀 모델의 연습문제."""

import numpy as np

from course_utils.exercises import Problem


def _paths(n, number, see=np.less_equal, use=np.less):
    pixel = np.arange(1, n + 1)
    return see(pixel[:, None], number[None, :]).astype(float) @ use(number[:, None], pixel[None, :]).astype(float)


PROBLEMS = {
    "10-1": Problem(
        form="ar_parameters(n, N) 꼴의 함수",
        answer=lambda n, back: sum(2 ** min(i, back) for i in range(n)),
        inputs=((5, 0), (5, 1), (5, 4), (10, 3), (784, 4)),
        why="N = 0이면 n, 1이면 2n − 1, n − 1이면 2ⁿ − 1이에요. N이 하나 늘 때마다 거의 두 배가 돼요.",
        mistakes=[
            (lambda n, back: n * 2**back, "처음 몇 픽셀은 앞에 픽셀이 N개가 안 돼요. 앞이 i개뿐이면 상황은 몇 가지인가요?"),
            (lambda n, back: sum(2**i for i in range(n)), "이건 앞을 모두 볼 때예요. 상황의 수는 2^N을 넘지 않아요."),
            (
                lambda n, back: sum(2 ** min(i + 1, back) for i in range(n)),
                "첫 픽셀 앞에는 픽셀이 0개예요. i를 1부터 세지 않았나요?",
            ),
            (
                lambda n, back: sum(min(i, back) for i in range(n)),
                "이웃의 수가 아니라 이웃의 답이 놓일 수 있는 상황의 수를 세요. 0/1 픽셀이 k개면 2의 k제곱이에요.",
            ),
            (lambda n, back: sum(2 ** min(i, back) for i in range(n)) - 1, "질문마다 확률 하나라서 더 뺄 것이 없어요."),
        ],
        nudge="픽셀마다 '앞에 있는 픽셀의 수와 N 가운데 작은 쪽'을 k라고 하면, 그 픽셀의 표에는 확률이 2의 k제곱 개예요.",
    ),
    "10-2": Problem(
        form="번호 하나",
        answer=3,
        why="80나트면 e⁻⁸⁰, 약 10⁻³⁵이에요. 784개의 답을 다 맞힐 확률이니 아주 작아요. 그래도 아무것도 모르는 2⁻⁷⁸⁴ = 10⁻²³⁶보다는 10²⁰⁰배쯤 커요.",
        mistakes=[
            (1, "한 픽셀이 아니라 784개의 답을 모두 맞힐 확률이에요. 0.9를 784번 곱하면 얼마인가요?"),
            (2, "80나트를 10의 거듭제곱으로 바꿔 보세요. 1나트에 10의 0.43제곱이에요."),
            (4, "그건 픽셀마다 반반으로 답하는 모델(543나트)이에요."),
        ],
        nudge="−log p가 80쯤이면 p = e⁻⁸⁰이에요. 80을 log 10 = 2.3으로 나눠 보세요.",
    ),
    "10-3": Problem(
        form="made_paths(n, number) 꼴의 함수",
        answer=_paths,
        inputs=((4, np.array([1, 2, 3, 2])), (6, np.array([1, 5, 3, 3, 2]))),
        why="j ≤ m이고 m < i이니 j < i인 칸에만 길이 있어요. 대각선과 그 아래(미래)는 모두 0이에요.",
        mistakes=[
            (
                lambda n, number: _paths(n, number, use=np.less_equal),
                "대각선이 0이 아니에요. i번째 질문이 자기 답을 봐요. 출력 쪽의 부등호를 보세요.",
            ),
            (
                lambda n, number: _paths(n, number, see=np.less),
                "새지는 않지만, 바로 앞의 픽셀을 보지 못해요. 유닛 m은 m번째 픽셀까지 봐도 돼요.",
            ),
            (
                lambda n, number: _paths(n, number, see=np.less, use=np.less_equal),
                "새지는 않지만 약속과 달라요. 입력 쪽이 ≤, 출력 쪽이 <예요.",
            ),
            (
                lambda n, number: _paths(n, number, np.greater_equal, np.greater),
                "부등호의 방향이 거꾸로예요. 미래의 픽셀만 보는 모델이 됐어요.",
            ),
        ],
        nudge="4절의 두 조건을 그대로 적으세요: 픽셀 ≤ 유닛의 번호, 유닛의 번호 < 질문의 번호.",
    ),
    "10-4": Problem(
        form="가, 나, 다, 라의 번호 네 개",
        answer=[3, 1, 2, 4],
        why="합이 1이 아니면 확률이 아니니 답을 미리 본 거예요(가). 합은 맞는데 학습 손실만 784배 작으면 평균을 적은 것(나), 학습과 시험이 크게 벌어지면 외운 것(다), 독립인 모델의 값에 멈췄으면 앞을 보지 못하는 것(라)이에요.",
        mistakes=[
            ([2, 1, 3, 4], "(가)의 합을 보세요. 1이 아니면 외운 것이 아니라 확률이 아닌 거예요."),
            ([1, 3, 2, 4], "(나)의 합은 1이에요. 학습 손실에 784를 곱하면 얼마인가요?"),
            ([3, 1, 4, 2], "(라)의 150나트는 2절의 어떤 모델의 값인가요?"),
            ([3, 2, 1, 4], "(다)의 학습 손실은 784배 작은 값이 아니에요. 학습과 시험의 차이를 보세요."),
        ],
        nudge="먼저 합이 1이 아닌 줄을 찾으세요. 다음에는 150나트가 어떤 모델의 값이었는지 떠올려 보세요.",
    ),
    "10-5": Problem(
        form="숫자 하나(정수)",
        answer=24,
        why="A는 위로 세 줄, B는 한 층에 한 줄씩 더 봐요. 27줄 위까지 보려면 3 + B = 27이에요. 벌려서(1, 2, 4) 쌓으면 여섯 층에 14줄을 더 봐요.",
        mistakes=[
            (27, "첫 층(7×7)이 이미 위로 세 줄을 봐요."),
            (28, "맨 아랫줄에서 맨 윗줄까지는 27줄이에요. 그리고 첫 층이 벌써 몇 줄을 보나요?"),
            (25, "맨 아랫줄에서 맨 윗줄까지는 28줄이 아니라 27줄 위예요."),
            (12, "3×3 커널은 위로 한 줄만 봐요. 아래쪽 줄은 마스크로 가렸어요."),
            (8, "7×7은 첫 층뿐이에요. 나머지 층은 한 층에 한 줄씩이에요."),
        ],
        nudge="한 층이 위로 몇 줄을 더 보는지 세세요. 7×7은 세 줄, 3×3은 한 줄이에요.",
    ),
}
