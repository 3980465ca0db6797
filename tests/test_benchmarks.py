"""벤치마크가 썩지 않게: 모든 선수를 두 스텝씩 달려 보고, 같은 신경망과 같은 손실에서 노트북의 값으로 배우는지 봐요. 시간은 재지 않아요.

PyTorch가 있어야(make bench-env) 벤치마크를 할 수 있으니, 없으면 CI에서만 시험해요.
"""

import importlib.util
import multiprocessing
import os
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest

from benchmarks import TASKS, growth, quality, speed, startup
from benchmarks.arena import Contestant, Failed, Stop
from course_utils import data, lessons, metrics
from course_utils.errors import CourseError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None and not os.environ.get("CI"), reason="PyTorch가 없어요(make bench-env)"
)


def learns(player, weights):
    """두 스텝(우리는 두 묶음) 배우고 (본 그림의 수, 모든 신경망이 움직였고 유한한가). weights: 신경망마다의 가중치를 주는 함수."""
    before, seen = weights(), []

    def tick(images):
        seen.append(images)
        if len(seen) == 2:
            raise Stop

    with pytest.raises(Stop):
        player.train(tick)
    changes = [
        [np.abs(a - b).max() for a, b in zip(*pair, strict=True)] for pair in zip(before, weights(), strict=True)
    ]
    return sum(seen), all(max(change) > 0 and np.isfinite(change).all() for change in changes)


def keras_learns(player):
    return learns(player, lambda: [network.get_weights() for network in player.ours.networks.values()])


@pytest.fixture(scope="module")
def images():
    return np.resize(data.load("digits").x_train, (320, 28, 28))


@pytest.fixture(scope="module")
def ours(images):
    """여섯 모델의 우리 선수."""
    from benchmarks import ours

    return {key: ours.Player(key, images) for key in TASKS}


@pytest.fixture(scope="module")
def starts(ours):
    """경쟁자에게 건네는 것. 배우기 전에 적어 둬요."""
    return {key: player.start() for key, player in ours.items()}


@pytest.mark.parametrize("key", TASKS)
def test_our_cells_train(ours, starts, key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen, sound = keras_learns(ours[key])
    assert seen % starts[key]["recipe"]["batch"] == 0 and sound


@pytest.mark.parametrize("key", [key for key, task in TASKS.items() if task.conv])
def test_our_bf16_stays_near_and_trains(images, starts, tmp_path, monkeypatch, key):
    from benchmarks.ours import Player, checks

    monkeypatch.chdir(tmp_path)
    player = Player(key, images, bf16=True)
    for name, layers in starts[key]["networks"].items():
        player.ours.networks[name].set_weights([array for layer in layers for array in layer["weights"]])
    dtypes = {layer.compute_dtype for network in player.ours.networks.values() for layer in network.layers}
    assert dtypes == {"bfloat16", "float32"}
    assert np.allclose(checks(player.ours, images)["start_loss"], starts[key]["checks"]["start_loss"], rtol=0.05)
    assert keras_learns(player)[1]


@pytest.mark.parametrize("key, predict", [*((key, False) for key in TASKS), ("gan", True)])
def test_classic_loop_starts_from_the_same_loss_and_moves_both_players(images, starts, key, predict):
    from benchmarks import classic

    player = classic.Player(key, images, starts[key], predict)
    speed.check_same("옛 고리", player.start()["checks"], starts[key]["checks"])
    rates = [values["rates"][0] for values in starts[key]["recipe"]["optimizers"]]
    assert np.allclose([float(adam.learning_rate) for adam in player.adams], rates)
    assert keras_learns(player) == (2 * starts[key]["recipe"]["batch"], True)


def torch_player(key, images, start, options):
    """다른 프로세스에서: 두 스텝 배우고 볼 것들."""
    import torch

    from benchmarks import torch_peers

    player = torch_peers.Player(key, images, start, **options)
    torch.set_num_threads(1)
    networks = player.peer.networks.values()
    seen, sound = learns(player, lambda: [[p.detach().numpy().copy() for p in net.parameters()] for net in networks])
    return SimpleNamespace(
        checks=player.checks, seen=seen, sound=sound, flops=player.flops(),
        rates=[optimizer.param_groups[0]["lr"] for _, optimizer, _ in player.peer.players],
        snapshot=player.snapshot(5) if key in quality.GOALS else None,
    )


@pytest.fixture(scope="module")
def torch_process():
    """TensorFlow와 PyTorch를 한 프로세스에 두지 않아요."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield lambda *given, **options: pool.apply(torch_player, (*given, options))


@pytest.mark.parametrize("key", TASKS)
def test_torch_starts_from_the_same_loss(images, starts, torch_process, key):
    recipe = starts[key]["recipe"]
    found = torch_process(key, images, starts[key] | {"recipe": recipe | {"steps": 200}})
    speed.check_same("PyTorch", found.checks, starts[key]["checks"])
    assert found.seen == 2 * recipe["batch"] and found.sound
    assert found.rates == [values["rates"][1] for values in recipe["optimizers"]]  # 세 스텝째는 두 번째 마디예요


def test_torch_bf16(images, starts, torch_process):
    found = torch_process("dcgan", images, starts["dcgan"], bf16=True)
    assert found.sound and np.allclose(found.checks["start_loss"], starts["dcgan"]["checks"]["start_loss"], rtol=0.05)


def test_flops_are_counted_by_hand_too(images, starts, torch_process):
    """종이에 쓴 식과. 곱하고 더하기 하나가 2, 입력에 닿은 층은 입력의 기울기가 필요 없어요."""
    mlp = 784 * 128 + 128 * 64 + 64 * 12 + 12 * 3
    assert torch_process("ae", images, starts["ae"]).flops == 2 * (3 * 2 * mlp - 784 * 128)
    g = 32 * 3136 + 7 * 7 * 16 * 64 * 32 + 14 * 14 * 16 * 32 * 16 + 28 * 28 * 9 * 16
    d = 14 * 14 * 16 * 24 + 7 * 7 * 16 * 24 * 48 + 4 * 4 * 16 * 48 * 96 + 1536
    dcgan = 2 * (2 * g + 2 * (3 * d - 14 * 14 * 16 * 24) + 2 * d + 2 * g - 32 * 3136)
    assert torch_process("dcgan", images, starts["dcgan"]).flops == dcgan


@pytest.mark.parametrize(
    "key, notebook, old, new, expected",
    [
        ("dcgan", "08_dcgan", "g_rate=3e-3", "g_rate=5e-3", {"rate": 5e-3}),
        ("dcgan", "08_dcgan", "betas=(0.0, 0.9), batch_size=60", "betas=(0.5, 0.8), batch_size=40",
         {"beta": 0.8, "batch": 40}),
        ("dense_vae", "05_vae", "digits.x_train, 128, epochs20", "digits.x_train, 64, epochs20", {"batch": 64}),
        ("wgan", "09_wgan", "digits.x_train, 32, parts", "digits.x_train, 64, parts", {"batch": 64}),
        ("wgan", "09_wgan", "def adam(rate, steps, beta_1=0.0, beta_2=0.9)", "def adam(rate, steps, beta_1=0.0, beta_2=0.8)",
         {"beta": 0.8}),
    ],
)
def test_a_change_in_the_lesson_reaches_its_rival(
    images, starts, tmp_path, monkeypatch, key, notebook, old, new, expected
):
    from benchmarks.ours import Player

    text = (lessons.NOTEBOOKS / f"{notebook}.ipynb").read_text("utf-8")
    assert old in text
    (tmp_path / f"{notebook}.ipynb").write_text(text.replace(old, new), "utf-8")
    monkeypatch.setattr(lessons, "NOTEBOOKS", tmp_path)

    def told(start):
        first = start["recipe"]["optimizers"][0]
        values = start["recipe"] | {"rate": first["rates"][0], "beta": first["betas"][1]}
        return {name: values[name] for name in expected}

    assert told(Player(key, images).start()) == pytest.approx(expected)
    assert told(starts[key]) != pytest.approx(expected)


def test_rates_follow_the_schedule(starts):
    """05의 20차원 VAE는 코사인 곡선을 따라 0까지 줄여요."""
    rates = starts["dense_vae"]["recipe"]["optimizers"][0]["rates"]
    assert rates == sorted(rates, reverse=True) and 0 < rates[-1] < 0.01 * rates[0]


def test_different_networks_are_refused(starts):
    checks = starts["gan"]["checks"]
    for change in ({"parameters": {"generator": 1}}, {"start_loss": [1.0, 2.0]}):
        with pytest.raises(CourseError):
            speed.check_same("남", checks | change, checks)


@pytest.mark.parametrize("key", quality.GOALS)
def test_textbook_networks_train(images, ours, torch_process, key):
    start = quality.textbook(key)
    found = torch_process(key, images, start)
    assert found.seen == 2 * start["recipe"]["batch"] and found.sound
    for snapshot in (found.snapshot, ours[key].snapshot(5)):  # 심판이 받는 것
        if key == "dense_vae":
            for weights, network in zip(snapshot, ours[key].ours.networks.values(), strict=True):
                assert [array.shape for array in weights] == [tuple(w.shape) for w in network.weights]
        else:
            assert snapshot.shape == (5, 28, 28, 1) and 0 <= snapshot.min() <= snapshot.max() <= 1


def test_judge_measures_a_vae_with_its_own_activation(ours):
    vae, judge = ours["dense_vae"].ours, quality.Judge(data.load("digits"))
    own = metrics.elbo(vae.cells["log_weights"](*vae.networks.values()), judge.x_test).mean()
    assert np.isclose(judge.elbo("silu", vae.snapshot(5)), own, rtol=0.05)
    judge.elbo("relu", vae.snapshot(5))
    real = vae.networks["encoder"](judge.x_test)[0]
    found = {activation: pair[0](judge.x_test)[0] for activation, (pair, _) in judge.vaes.items()}
    assert np.allclose(found["silu"], real, atol=1e-5) and not np.allclose(found["relu"], real, atol=1e-3)


def test_time_to_a_goal():
    points = [(4.0, 9.0), (5.0, 7.9), (6.0, 8.5)]
    assert quality.row("우리", points, (8.0, 4.0)) == ["우리", "5", "–", "8.50 (6초)"]
    assert quality.reach([(4.0, -103.0), (9.0, -101.0)], -102.0) == 9.0


def test_growth(images):
    seconds, memory = growth.epoch(images, count=200, batch=64, latent=3)
    assert seconds > 0 and memory > 100


def test_startup_sees_the_first_step():
    model = "keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])"
    cells = ["a = 1", "import keras\nimport numpy as np", f"model = {model}; model.compile(loss='mse')",
             "model.fit(np.zeros((9, 2)), np.zeros(9), batch_size=1, verbose=0)", "1 / 0"]
    for chosen in (cells, ["a = 1", "import math"]):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in chosen])
        notebook.cells[1].metadata["tags"] = ["imports"]
        kernel, imported, first = startup.first_step(notebook)
        assert 0 < kernel < imported and (first is None) == (chosen is not cells)


def test_contestants_take_turns():
    """다른 프로세스의 선수: 부른 만큼만 달리고, 물어보면 답하고, 틀리면 까닭을 알려요."""
    with Contestant("gemm") as player:
        seen, took = player.run(0)
        assert seen == 2 * 2048**3 and took > 0
        assert player.ask("peak_memory") > 50
        with pytest.raises(Failed, match="AttributeError"):
            player.ask("없는 것")
    with pytest.raises(Failed, match="ModuleNotFoundError"):
        Contestant("없는_선수")


def test_table_shows_the_ratio_to_the_best_torch():
    rates = {"우리(노트북)": [20, 30, 40], "PyTorch, 느린": [1, 1, 1], "PyTorch, 빠른": [10, 10, 20], "GEMM": [50, 100]}
    results = {title: speed.Result(values, 1.0, 100.0) for title, values in rates.items()}
    table = {row[0]: row[1:] for row in speed.rows(results, flops=2)}
    assert list(table) == ["우리(노트북)", "PyTorch, 느린", "PyTorch, 빠른 ←"]
    assert table["우리(노트북)"] == ["30", "20–40", "2.00", "2.00–3.00", "1.0", "100", "60%"]
    assert table["PyTorch, 빠른 ←"][2] == ""
