"""Keras가 하는 일을 더 빠르게. Keras의 이름으로 되돌려도 모든 것이 그대로 돌아가요(같은 결과인지는 시험이 확인해요)."""

from course_utils import batches
from course_utils.backend import tf


def several_steps(model, prepare=None):
    """쌓인 배치의 수만큼 스텝을 가는, Keras의 `train_function`. 파이썬으로 돌아오는 횟수를 줄여요.

    `compile(jit_compile=True)`면 여러 스텝이 XLA 프로그램 하나가 돼요. 작은 완전 연결망에서 Keras의
    `steps_per_execution`보다 두 배쯤 빨라요(benchmarks).

    Args:
        model: compile을 마친 Keras 모델.
        prepare: float32 (B, 28, 28, 1), 0–1을 받아 `train_step`이 받을 것을 돌려주는 함수. None이면 그대로.
    Returns:
        반복자를 받아 마지막 스텝까지의 지표 {이름: 값}을 돌려주는 함수.
    """
    names = []  # train_step이 내놓는 지표의 이름들. 그래프를 만들 때 한 번 적혀요

    @tf.function(jit_compile=model.jit_compile, autograph=False)
    def run(stack):
        def step(i):
            batch = batches.as_unit(stack[i])
            names[:] = model.train_step(prepare(batch) if prepare else batch)
            return [i + 1]

        tf.while_loop(lambda i: i < stack.shape[0], step, [0])
        values = model.get_metrics_result()
        return {name: values[name] for name in names}

    return lambda iterator: run(next(iterator))


def normal(shape, seed):
    """표준 정규 난수. `keras.random.normal(shape, seed=seed)`와 같은 수예요(XLA 안에서는 다른 수).

    XLA 안에서도 빨라요. 방식을 정하지 않으면 TensorFlow가 CPU의 XLA에서 열 배쯤 느린 길로 가서, Philox라고 콕 집어 줘요.
    Salmon 외 (2011), Parallel random numbers: as easy as 1, 2, 3.

    Args:
        shape: 모양. 그래프 안의 텐서도 돼요.
        seed: `keras.random.SeedGenerator`. 부를 때마다 상태가 한 칸 나아가요.
    Returns:
        float32 텐서.
    """
    return tf.random.stateless_normal(shape, tf.cast(seed.next(), "int32"), alg="philox")
