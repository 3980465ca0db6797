"""모델을 재는 자: 변분 하한과 중요도 가중 하한. 단위는 이미지 하나당 나트(nat)."""

import numpy as np

from course_utils.errors import CourseError
from course_utils.progress import track


def iwae_bound(log_weights, images, samples, batch_size=500):
    """이미지마다 중요도 가중 하한(IWAE bound). 표본이 하나면 ELBO의 한 표본 추정이에요.

    L_K(x) = E[ log (1/K) Σ_k w_k ],  w_k = p(x, z_k) / q(z_k | x),  z_k ~ q(z | x)

    K가 커질수록 평균적으로 커지고 log p(x)를 넘지 않아요.

    Args:
        log_weights: (이미지 묶음 (B, …), 표본 수 K) → log w (K, B)를 돌려주는 함수. 모델은 노트북에 있어요.
        images: (N, …).
        samples: K, 1 이상. 메모리를 아끼려고 나눠 뽑아 더해요.
        batch_size: 한 번에 계산하는 이미지 × 표본의 수.
    Returns:
        float64 (N,), 나트.
    Raises:
        CourseError: samples가 1보다 작거나 log_weights의 모양이 다를 때.
    출처: Burda, Grosse, Salakhutdinov (2015), arXiv:1509.00519, 식 8.
    """
    return np.concatenate(
        [np.logaddexp.reduce(w, axis=0) - np.log(samples) for w in _weights(log_weights, images, samples, batch_size)]
    )


def elbo(log_weights, images, samples=1, batch_size=500):
    """이미지마다 변분 하한(ELBO) E_q[log p(x, z) − log q(z | x)]의 표본 평균.

    인자와 오류는 `iwae_bound`와 같아요. 출처: Kingma, Welling (2013), arXiv:1312.6114, 식 2.

    Returns:
        float64 (N,), 나트.
    """
    return np.concatenate([w.mean(axis=0) for w in _weights(log_weights, images, samples, batch_size)])


def _weights(log_weights, images, samples, batch_size):
    """이미지 묶음마다 log w (samples, B)를 차례로 내요. 한 번에 이미지 × 표본이 batch_size쯤 되게 나눠요."""
    if samples < 1:
        raise CourseError(f"samples={samples!r}은(는) 쓸 수 없어요. 1 이상의 정수여야 해요.")
    width = max(1, batch_size // samples)
    starts = range(0, len(images), width)
    for start in track(starts, f"이미지마다 표본 {samples}개로 하한 계산"):
        part = images[start : start + width]
        weights = np.asarray(log_weights(part, samples), dtype=np.float64)
        if weights.shape != (samples, len(part)):
            raise CourseError(f"log_weights가 {weights.shape}을 돌려줬어요. ({samples}, {len(part)})이어야 해요.")
        yield weights
