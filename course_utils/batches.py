"""섞은 배치: 시드와 스텝의 번호만으로 순서가 정해지는 `tf.data`의 흐름. 강사의 묶음 실행(`course_utils.batch`)과는 상관없어요."""

from course_utils.backend import tf
from course_utils.errors import CourseError


def shuffled(images, batch_size, seed, first_step=0, labels=None, augment=False, pack=None):
    """섞은 배치를 끝없이 내는 `tf.data.Dataset`.

    끊긴 학습을 `first_step`부터 이어도 끊기지 않은 것과 똑같은 배치가 나와요. 데이터를 한 바퀴 도는 데
    `len(images) // batch_size`스텝이고, 남는 이미지는 다음 바퀴에 다시 섞여요.

    Args:
        images: uint8 (N, 28, 28).
        batch_size: 배치의 장수, N 이하.
        seed: 0 이상의 정수.
        first_step: 몇 번째 스텝의 배치부터 시작할지.
        labels: (N,). 주면 (이미지, 정답) 쌍을 내요.
        augment: True면 ±8도, ±8%, ±1.5픽셀 안에서 조금씩 돌리고 키우고 옮겨요(digits처럼 적은 데이터를 위해).
        pack: 정수면 배치를 이만큼씩 쌓아 (pack, batch_size, …)로 내요. 변형하지 않은 이미지는 uint8 그대로예요.
    Returns:
        float32 (batch_size, 28, 28, 1), 0–1의 이미지를 내는 `tf.data.Dataset`.
    Raises:
        CourseError: 이미지가 배치 하나보다 적을 때.
    """
    if batch_size > len(images):
        raise CourseError(f"배치 하나가 {batch_size}장인데 이미지는 {len(images)}장뿐이에요. 이미지가 더 많은 데이터를 쓰세요.")
    per_lap = len(images) // batch_size
    pictures = tf.constant(images)[..., None]  # 원본은 uint8로 메모리에 한 번만
    labels = None if labels is None else tf.constant(labels)

    def lap_order(lap):
        order = tf.random.experimental.stateless_shuffle(tf.range(len(images)), seed=[seed, lap])
        return tf.data.Dataset.from_tensor_slices(tf.reshape(order[: per_lap * batch_size], (per_lap, batch_size)))

    def fetch(steps, index):
        """steps (P,), index (P, B) → 쌓인 배치. 골라내기는 여러 배치를 한꺼번에 하는 편이 싸요."""
        stack = tf.gather(pictures, index)
        if augment:
            stack = tf.map_fn(
                lambda pair: _jitter(as_unit(pair[0]), [seed, pair[1]]), (stack, steps), fn_output_signature=tf.float32
            )
        elif not pack:
            stack = as_unit(stack)
        return stack if labels is None else (stack, tf.gather(labels, index))

    laps = tf.data.Dataset.range(first_step // per_lap, 2**31)
    orders = laps.flat_map(lap_order).skip(first_step % per_lap).enumerate(first_step)
    made = orders.batch(pack or 1).map(fetch, tf.data.AUTOTUNE)
    # 스스로 조절하는 스레드는 지울 때 깨우는 신호를 놓치곤 해서, 학습이 끝난 다음 몇십 초를 더 기다리게 해요
    options = tf.data.Options()
    options.autotune.enabled = False
    return (made if pack else made.unbatch()).prefetch(tf.data.AUTOTUNE).with_options(options)


def as_unit(images):
    """uint8, 0–255 → float32, 0–1. 이미 실수인 이미지는 그대로. 텐서의 모양은 무엇이든."""
    return images if images.dtype.is_floating else tf.cast(images, tf.float32) / 255.0


def _jitter(batch, seed):
    """이미지마다 작은 회전·확대·이동. batch: float32 (B, 28, 28, 1)."""
    count = tf.shape(batch)[0]
    angle, scale, right, down = tf.unstack(
        tf.random.stateless_uniform((4, count), seed, -1, 1) * tf.constant([[0.14], [0.08], [1.5], [1.5]])
    )
    cosine, sine, center = tf.cos(angle) * (1 + scale), tf.sin(angle) * (1 + scale), 13.5
    zero = tf.zeros(count)
    rows = [
        cosine, -sine, center - center * cosine + center * sine + right,
        sine, cosine, center - center * sine - center * cosine + down,
        zero, zero,
    ]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=batch, transforms=tf.stack(rows, axis=1), output_shape=[28, 28], fill_value=0.0,
        interpolation="BILINEAR", fill_mode="CONSTANT",
    )
