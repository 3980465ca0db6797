"""레슨 03의 문제: 출력의 범위, PCA, 고장의 진단, AUC, 잡음 제거의 손실."""

import numpy as np

from course_utils.exercises import Problem


def _half(x):
    return 0.5 * x


def _shift(x):
    return x**2 - 1


_CLEAN, _NOISE = np.array([[1.0, -1.0, 0.5], [0.0, 2.0, -0.5]]), np.array([[0.3, 0.2, -0.4], [-0.1, 0.5, 0.6]])


def _gap(normal, anomaly):
    return np.subtract.outer(anomaly, normal)


PROBLEMS = {
    "03-1": Problem(
        form="값 하나(픽셀당 MSE)",
        answer=0.75,
        why="음수인 픽셀 셋에서는 0이 최선이라 하나에 1씩 잃고, 1인 픽셀은 얼마든지 가까워져요. 3/4이에요.",
        mistakes=[
            (0, "시그모이드가 −1을 낼 수 있나요? 낼 수 있는 값의 범위를 적어 보세요."),
            (1, "네 픽셀을 모두 잃지는 않아요. 값이 1인 픽셀에는 얼마나 가까워질 수 있나요?"),
            (3, "합까지는 맞아요. 픽셀당 값을 물었어요."),
            ((3 * 1.5**2 + 0.25) / 4, "출력이 모두 0.5일 때의 값이에요. 가중치를 고르면 픽셀마다 다른 값을 낼 수 있어요."),
            (0.25, "잃지 않는 픽셀과 잃는 픽셀을 바꿔 세었어요."),
        ],
        nudge="픽셀 하나씩 보세요. 값이 −1일 때 0과 1 사이에서 가장 가까운 값은 무엇이고, 그때의 제곱 오차는 얼마인가요?",
    ),
    "03-2": Problem(
        form="값 하나(성분당 MSE)",
        answer=(1.5 + 0.4 + 0.1) / 5,
        why="가장 작은 손실은 버린 고윳값의 합 2예요. 성분 5개로 나누면 0.4지요.",
        mistakes=[
            (1.5 + 0.4 + 0.1, "버린 고윳값의 합까지는 맞아요. 문제는 성분 하나의 몫을 물었어요."),
            ((6 + 3) / 5, "남긴 방향의 고윳값을 더했어요. 손실이 되는 것은 어느 쪽인가요?"),
            (6 + 3, "남긴 방향의 고윳값을 더했어요. 손실이 되는 것은 어느 쪽인가요? 성분당이라는 말도 보세요."),
            (
                (1.5 + 0.4 + 0.1) / 3,
                "버린 방향의 수로 나눴어요. 픽셀당 MSE가 픽셀 몇 개로 나눈 값이었는지 떠올려 보세요.",
            ),
            ((1.5 + 0.4 + 0.1) / 11, "전체 분산에서 차지하는 비율이에요. 비율이 아니라 오차 자체를 구해 보세요."),
            ((0.4 + 0.1) / 5, "방향을 셋 남겼어요. 값 몇 개로 줄이는지 다시 보세요."),
            (
                (np.sqrt(1.5) + np.sqrt(0.4) + np.sqrt(0.1)) / 5,
                "고윳값의 제곱근을 더했어요. 고윳값은 이미 그 방향의 분산, 곧 길이의 제곱의 평균이에요.",
            ),
        ],
        nudge="큰 고윳값 2개의 방향을 남기면 무엇이 버려지는지부터 적어 보세요.",
    ),
    "03-3": Problem(
        form="번호 넷의 목록, 예를 들어 [1, 2, 3, 4]",
        answer=[4, 2, 3, 1],
        why="가는 '늘 회색', 나는 '평균 그림'과 같고, 다는 학습과 시험이 벌어졌고, 라는 아직 PCA보다 나빠요.",
        mistakes=[
            ([2, 4, 3, 1], "가와 나를 바꿨어요. 출력이 모두 0이면 어느 기준값과 같나요?"),
            ([4, 2, 1, 3], "다와 라를 바꿨어요. 외웠다면 학습 MSE와 시험 MSE의 차이가 어떨까요?"),
            ([4, 1, 3, 2], "나와 라를 바꿨어요. 잠재 벡터를 무시하면 어떤 그림이든 같은 답을 해요. 그때 가장 좋은 답은?"),
            ([1, 2, 3, 4], "가와 라를 바꿨어요. 라는 평균 그림보다 나아졌으니 배우고는 있어요."),
        ],
        nudge="먼저 두 칸이 기준값 가운데 하나와 같은 사람을 찾고, 그다음 두 칸이 크게 다른 사람을 찾아보세요.",
    ),
    "03-4": Problem(
        form="auc(normal, anomaly) 꼴의 함수",
        answer=lambda normal, anomaly: np.mean(_gap(normal, anomaly) > 0) + 0.5 * np.mean(_gap(normal, anomaly) == 0),
        inputs=(([1, 2], [2, 3]), ([0.1, 0.4, 0.35, 0.8], [0.9, 0.4, 0.7]), ([5.0, 5.0], [5.0, 1.0, 7.0])),
        why="모든 짝을 세어도, ROC 곡선 아래 넓이를 구해도 같은 값이에요. 임곗값을 고르지 않아도 되는 점수지요.",
        mistakes=[
            (
                lambda normal, anomaly: np.mean(_gap(normal, anomaly) > 0),
                "점수가 같은 짝을 세지 않았어요. 반으로 쳐 주세요.",
            ),
            (
                lambda normal, anomaly: np.mean(_gap(normal, anomaly) >= 0),
                "점수가 같은 짝을 온전한 하나로 셌어요. 반으로 쳐 주세요.",
            ),
            (
                lambda normal, anomaly: np.mean(_gap(normal, anomaly) < 0) + 0.5 * np.mean(_gap(normal, anomaly) == 0),
                "방향이 반대예요. 이상한 쪽의 점수가 더 커야 좋은 탐지기예요.",
            ),
            (
                lambda normal, anomaly: np.sum(_gap(normal, anomaly) > 0) + 0.5 * np.sum(_gap(normal, anomaly) == 0),
                "짝의 수를 돌려줬어요. AUC는 0과 1 사이의 비율이에요. 짝은 모두 몇 개인가요?",
            ),
            (
                lambda normal, anomaly: np.mean(np.asarray(anomaly) > np.median(normal)),
                "임곗값을 하나(정상의 중앙값)로 정했어요. AUC는 임곗값을 정하지 않고 모든 짝을 비교해요.",
            ),
            (
                lambda normal, anomaly: np.mean(np.asarray(anomaly) > np.mean(normal)),
                "정상 점수의 평균 하나와만 비교했어요. 정상 점수 하나하나와 모두 비교해 보세요.",
            ),
            (
                lambda normal, anomaly: np.mean(anomaly) - np.mean(normal),
                "평균의 차이예요. 점수의 단위에 따라 달라져요. AUC는 순서만 봐요.",
            ),
        ],
        nudge="이상 점수 하나를 붙잡고 정상 점수 모두와 비교해 보세요. 이긴 비율을 모두 평균 내면 돼요.",
    ),
    "03-5": Problem(
        form="denoising_loss(x, noise, autoencoder) 꼴의 함수",
        answer=lambda x, noise, autoencoder: np.mean((x - autoencoder(x + noise)) ** 2),
        inputs=((_CLEAN, _NOISE, _half), (_CLEAN, _NOISE, _shift)),
        why="더럽힌 것을 넣고 깨끗한 것과 견줬어요. 항등 함수로는 이 손실을 0으로 만들 수 없어요.",
        mistakes=[
            (
                lambda x, noise, autoencoder: np.mean((x + noise - autoencoder(x + noise)) ** 2),
                "잡음 섞인 그림과 견줬어요. 그러면 잡음까지 재구성해야 점수가 좋아져요. 정답은 어느 그림이어야 할까요?",
            ),
            (
                lambda x, noise, autoencoder: np.mean((x - autoencoder(x)) ** 2),
                "잡음이 들어가지 않았어요. 이건 보통 오토인코더의 손실이에요.",
            ),
            (
                lambda x, noise, autoencoder: np.mean((x + noise - autoencoder(x)) ** 2),
                "넣는 그림과 정답이 뒤바뀌었어요. 어느 쪽이 더러워야 할까요?",
            ),
            (
                lambda x, noise, autoencoder: np.mean((x - autoencoder(x) - noise) ** 2),
                "잡음을 재구성한 그림에 더했어요. 잡음은 어느 순간에 섞여야 할까요?",
            ),
            (
                lambda x, noise, autoencoder: np.sum((x - autoencoder(x + noise)) ** 2),
                "합을 돌려줬어요. 넣는 것과 견주는 것은 맞아요. 평균 제곱 오차로 바꿔 보세요.",
            ),
            (
                lambda x, noise, autoencoder: np.mean(np.abs(x - autoencoder(x + noise))),
                "절댓값의 평균이에요. 넣는 것과 견주는 것은 맞아요. MSE의 S는 무엇이었나요?",
            ),
            (
                lambda x, noise, autoencoder: np.mean((noise - autoencoder(x + noise)) ** 2),
                "출력을 잡음과 견줬어요. 이 문제의 오토인코더는 잡음이 아니라 그림을 재구성해요.",
            ),
        ],
        nudge="순서대로 써 보세요: 잡음 더하기 → 오토인코더에 넣기 → 무엇과 빼기 → 제곱의 평균.",
    ),
}
