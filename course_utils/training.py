"""학습의 배관: Keras의 `model.fit`에 섞은 배치와 이어 하기와 진행 표시를 더한 `fit`."""

import numpy as np

from course_utils import batches, fast
from course_utils.callbacks import Progress, Resume
from course_utils.identity import identity

STEPS_TOGETHER = 25  # 파이썬으로 돌아오지 않고 잇달아 가는 스텝의 수는 이것까지


def fit(
    model, x, batch_size, epochs, *, run, name,
    steps_per_epoch=None, prepare=None, augment=False, callbacks=(), draw=None,
):
    """`model.fit`처럼 학습하되, 끊기면 다음에 이어서 하고, 어디까지 왔는지 보여 줘요.

    여러 스텝을 묶음 하나로 이어 가요(`fast.several_steps`). 한 에폭의 스텝을 나누는 수만큼씩이라, 그런 수가 없으면
    (소수) 한 스텝씩이고 조금 느려요. 결과는 스텝마다 `model.train_step`을 부른 것과 같고,
    콜백의 `batch`는 스텝이 아니라 묶음의 번호예요. 모델, 데이터, 시드, 처음 가중치, 코드 가운데 하나라도 다르면
    다른 학습으로 봐서 이어 하지 않아요(`identity`).

    Args:
        model: build와 compile을 마친 Keras 모델. 난수 발생기(`SeedGenerator`)는 모델이나 층의 속성이어야 상태까지
            이어져요.
        x: uint8 (N, 28, 28).
        batch_size: 한 스텝에 보는 이미지의 수, N 이하.
        epochs: 기록하고 저장하는 마디의 수.
        run: `course_utils.start`가 준 실행. 시드와 학습 상태의 폴더를 써요.
        name: 레슨 안에서 이 학습을 부르는 이름.
        steps_per_epoch: 마디 하나의 스텝 수. None이면 데이터 한 바퀴.
        prepare: float32 (batch_size, 28, 28, 1), 0–1을 받아 `train_step`이 받을 것을 돌려주는 함수. None이면 그대로.
        augment: True면 이미지를 조금씩 흔들어요(`batches.shuffled`).
        callbacks: Keras 콜백들. `on_epoch_end`에서 `logs`에 넣은 수와 배열은 기록에 남아요.
        draw: 인자 없이 불러 지금 모델의 그림을 얻는 함수. 학습하는 동안 열 번쯤 보여 줘요.
    Returns:
        {이름: 에폭마다의 값, (epochs, …)}.
    Raises:
        CourseError: 이미지가 배치보다 적거나, 발산하거나, 저장된 상태를 읽지 못할 때.
    """
    steps = steps_per_epoch or max(1, len(x) // batch_size)
    pack = next(n for n in range(min(STEPS_TOGETHER, steps), 0, -1) if steps % n == 0)
    digest = identity(model, x, batch_size, epochs, steps, run.seed, prepare, augment, callbacks)
    saved = Resume(run.checkpoints / "resume" / f"{name}-{digest}.npz")
    epoch = saved.restore(model)
    last_logs = {key: values[-1] for key, values in saved.history.items()}
    kept, model.train_function = model.train_function, fast.several_steps(model, prepare)
    try:
        model.fit(
            batches.shuffled(x, batch_size, run.seed, epoch * steps, augment=augment, pack=pack),
            epochs=epochs, initial_epoch=epoch, steps_per_epoch=steps // pack, shuffle=False, verbose=0,
            callbacks=[*callbacks, saved, Progress(draw, last_logs)],
        )
    finally:
        model.train_function = kept  # 모델은 받은 그대로 돌려줘요. 다음의 model.fit은 Keras의 것이에요
    return {key: np.array(values) for key, values in saved.history.items()}
