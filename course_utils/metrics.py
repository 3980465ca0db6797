"""모델을 재는 자: 변분 하한과 중요도 가중 하한(이미지 하나당 나트), 만든 이미지의 프레셰 거리·정밀도·재현율."""

import functools

import numpy as np
from scipy import special

from course_utils.errors import CourseError
from course_utils.status import track

NEIGHBORS = 3  # 정밀도와 재현율을 잴 때 보는 이웃의 수. 논문의 값이에요


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


def digit_network():
    """숫자 분류망: (28, 28, 1), 0–1 → [특징 (64,), 숫자마다의 확률 (10,)]. 만든 이미지를 재는 데만 써요."""
    from course_utils.backend import keras

    layers = keras.layers

    x = image = keras.Input((28, 28, 1))
    for filters, strides in ((24, 1), (32, 2), (64, 2), (64, 2)):
        x = layers.Conv2D(filters, 3, strides, padding="same", activation="relu")(x)
    features = layers.GlobalAveragePooling2D()(x)  # FID가 쓰는 Inception의 특징도 이렇게 평균 낸 것이에요
    return keras.Model(image, [features, layers.Dense(10, activation="softmax")(features)])


def digit_features(images):
    """숫자 분류망이 본 이미지의 특징과 확률.

    Args:
        images: (N, 28, 28) 또는 (N, 28, 28, 1). uint8 0–255 또는 0–1의 실수.
    Returns:
        특징 float32 (N, 64), 숫자마다의 확률 float32 (N, 10).
    Raises:
        CourseError: 모양이나 범위가 다르거나 유한하지 않은 값이 있을 때.
    """
    images = np.asarray(images)
    if images.size == 0 or images.shape[1:] not in ((28, 28), (28, 28, 1)):
        raise CourseError(f"이미지의 모양이 {images.shape}이에요. (장수, 28, 28) 또는 (장수, 28, 28, 1)이어야 해요.")
    images = images.reshape(-1, 28, 28, 1)
    images = images / np.float32(255) if images.dtype == np.uint8 else images.astype(np.float32)
    low, high = images.min(), images.max()
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN도 여기서 걸려요
        raise CourseError(
            f"이미지의 값이 {low:.3g}–{high:.3g}이에요. 0–1이어야 해요. tanh의 출력이라면 (x + 1) / 2로 바꿔 주세요."
        )
    return tuple(_digit_classifier().predict(images, batch_size=500, verbose=0))


@functools.cache
def _digit_classifier():
    from course_utils import weights

    network = digit_network()
    weights.load(network, "digit_features")
    return network


def frechet_distance(a, b):
    """두 특징 집합을 정규분포로 보았을 때의 프레셰 거리 ‖m₁−m₂‖² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½). 작을수록 닮았어요.

    숫자 분류망의 특징으로 잰 값은 Inception으로 잰 FID와 크기가 달라서 견줄 수 없어요. 표본이 적으면 크게 나와요.

    Args:
        a: (N, d). b: (M, d).
    Returns:
        float, 0 이상.
    Raises:
        CourseError: 모양이 다르거나, 두 개보다 적거나, 유한하지 않을 때.
    출처: Heusel 외 (2017), arXiv:1706.08500, 식 6.
    """
    a, b = (np.asarray(x, dtype=np.float64) for x in (a, b))
    if a.ndim != 2 or a.shape[1:] != b.shape[1:] or min(len(a), len(b)) < 2:
        raise CourseError(f"특징의 모양이 {a.shape}, {b.shape}이에요. (N, d)와 (M, d)이고 둘 다 2개 이상이어야 해요.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise CourseError("특징에 NaN이나 무한대가 있어요. 이미지를 만든 모델이 발산하지 않았는지 확인해 주세요.")
    if min(len(a), len(b)) < 10 * a.shape[1]:
        print(
            f"⚠️ 표본 {min(len(a), len(b))}개는 {a.shape[1]}차원의 공분산을 재기에 적어요. 거리가 실제보다 크게 나와요."
        )
    covariances = [np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b)]
    # (Σ₁Σ₂)^½의 대각합 = Σ₁^½ Σ₂ Σ₁^½의 고윳값의 제곱근의 합. 대칭 행렬이라 허수가 생기지 않아요.
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ covariances[1] @ root), 0, None)).sum()
    distance = np.sum((a.mean(0) - b.mean(0)) ** 2) + sum(map(np.trace, covariances)) - 2 * cross
    return max(float(distance), 0.0)


def precision_recall(real, fake):
    """k-최근접 이웃 다양체로 잰 정밀도(만든 것이 진짜다운가)와 재현율(진짜를 두루 만드는가).

    Args:
        real: (N, d) 특징. fake: (M, d) 특징. 둘 다 NEIGHBORS개보다 많아야 해요.
    Returns:
        (정밀도, 재현율), 0–1.
    출처: Kynkäänniemi 외 (2019), arXiv:1904.06991.
    """
    real_radius, fake_radius = (_radius(points) for points in (real, fake))
    between = _square_distances(real, fake)
    precision = (between <= real_radius[:, None]).any(axis=0).mean()
    recall = (between <= fake_radius[None, :]).any(axis=1).mean()
    return float(precision), float(recall)


def _radius(points):
    """점마다 NEIGHBORS번째로 가까운 다른 점까지의 거리의 제곱(0번째는 자기 자신)."""
    return np.partition(_square_distances(points, points), NEIGHBORS, axis=1)[:, NEIGHBORS]


def nearest(images, references):
    """이미지마다 픽셀로 가장 가까운 참고 이미지. 학습 이미지를 외웠는지 볼 때 써요.

    Args:
        images: (N, …). references: (M, …). 한 장의 모양과 값의 범위가 같아야 해요.
    Returns:
        거리 (N,)(제곱해서 더한 것의 제곱근), 참고 이미지의 번호 (N,).
    """
    images, references = (np.reshape(x, (len(x), -1)).astype(np.float32) for x in (images, references))
    index = _square_distances(images, references).argmin(axis=1)
    return np.linalg.norm(images - references[index], axis=1), index


def _square_distances(a, b):
    """점들 사이의 거리의 제곱 (N, M). 행렬 곱으로 셈해서, MNIST의 픽셀이면 scipy의 `cdist`보다 스무 배쯤 빨라요."""
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T, 0)


class SampleEvaluator:
    """만든 이미지의 성적표. 진짜 이미지를 겹치지 않는 두 절반으로 나눠, 한쪽을 기준으로 삼아요.

    Attributes:
        count: 견줄 때 쓰는 이미지의 수(절반의 크기, 많아야 5,000장).
        floor: 진짜의 다른 절반을 만든 것인 양 쟀을 때의 프레셰 거리. 완벽한 모델도 이쯤이에요.
    """

    def __init__(self, real_images):
        """
        Args:
            real_images: (N, 28, 28), uint8이나 0–1의 실수. 100장 이상.
        Raises:
            CourseError: 이미지가 모자랄 때.
        """
        if len(real_images) < 100:
            raise CourseError(f"진짜 이미지가 {len(real_images)}장뿐이라 견줄 수 없어요. 100장 이상이 필요해요.")
        self.count = min(5_000, len(real_images) // 2)
        order = np.random.default_rng(0).permutation(len(real_images))[: 2 * self.count]
        features, _ = digit_features(np.asarray(real_images)[order])
        self._real, other = features[: self.count], features[self.count :]
        self.floor = frechet_distance(self._real, other)

    def __call__(self, images):
        """만든 이미지를 재요.

        Args:
            images: (count, 28, 28) 또는 (count, 28, 28, 1), 0–1.
        Returns:
            사전. fid, times_floor(fid / floor), precision, recall, confident(분류망이 .9 넘게 확신하는 비율),
            classes(확신하는 것의 1% 이상을 차지하는 숫자의 수), entropy(분류의 엔트로피, 나트; 고르면 log 10).
        Raises:
            CourseError: 장수가 count와 다를 때(장수가 다르면 거리의 크기가 달라져요).
        """
        if len(images) != self.count:
            raise CourseError(f"이미지가 {len(images)}장이에요. 진짜와 같은 {self.count}장을 만들어 주세요.")
        features, probabilities = digit_features(images)
        labels, sure = probabilities.argmax(axis=1), probabilities.max(axis=1) > 0.9
        share = np.bincount(labels, minlength=10) / len(labels)
        sure_share = np.bincount(labels[sure], minlength=10) / max(sure.sum(), 1)
        fid = frechet_distance(self._real, features)
        precision, recall = precision_recall(self._real, features)
        return {
            "fid": fid,
            "times_floor": fid / self.floor,
            "precision": precision,
            "recall": recall,
            "confident": float(sure.mean()),
            "classes": int((sure_share >= 0.01).sum()),
            "entropy": float(special.entr(share).sum()),
        }
