"""벤치마크의 코드가 썩지 않게: 모든 선수를 아주 작게 달려 보고, 같은 망에서 시작하는지와 셈의 수를 확인해요. 시간은 재지 않아요."""

import importlib.util
import multiprocessing
import os
import statistics

import nbformat
import numpy as np
import pytest

from benchmarks import growth, quality, speed, startup, tasks
from benchmarks.arena import Contestant, Failed, Stop
from course_utils import data, metrics
from course_utils.errors import CourseError

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None and not os.environ.get("CI"), reason="PyTorch가 없어요(make bench-env)"
)


class Steps:
    """count걸음 뒤에 멈추는 `tick`."""

    def __init__(self, count=1):
        self.left, self.images = count, 0

    def __call__(self, images):
        self.images, self.left = self.images + images, self.left - 1
        if not self.left:
            raise Stop


def go(player, count=1):
    tick = Steps(count)
    with pytest.raises(Stop):
        player.train(tick)
    return tick.images


def check_learns(player, count=1):
    """count걸음 배워 모든 망이 움직이고 유한한지 확인하고, 본 그림의 수를 돌려줘요."""
    networks = player.lesson.networks
    before = {name: network.get_weights() for name, network in networks.items()}
    seen = go(player, count)
    for name, network in networks.items():
        after = network.get_weights()
        assert any(np.abs(a - b).max() > 0 for a, b in zip(before[name], after, strict=True)), name
        assert all(np.isfinite(value).all() for value in after), name
    return seen


@pytest.fixture(scope="module")
def images():
    return data.load("digits").x_train[:256]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def ours(images, folder):
    """여섯 모델의 우리 선수. 첫 가중치를 folder에 적어요."""
    from benchmarks import ours

    return {key: ours.Player(key, images, weights=str(folder / f"{key}.npz")) for key in tasks.TASKS}


@pytest.mark.parametrize("key", tasks.TASKS)
def test_our_cells_train(ours, key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check_learns(ours[key]) % ours[key].lesson.batch == 0


@pytest.mark.parametrize("key", [key for key, task in tasks.TASKS.items() if task.conv])
def test_our_bf16_stays_near_and_trains(ours, images, tmp_path, monkeypatch, key):
    from benchmarks.ours import Player

    monkeypatch.chdir(tmp_path)
    player = Player(key, images, str(tmp_path / "start.npz"), bf16=True)
    dtypes = {layer.compute_dtype for network in player.lesson.networks.values() for layer in network.layers}
    assert dtypes == {"bfloat16", "float32"}
    assert np.allclose(player.info["start_loss"], ours[key].info["start_loss"], rtol=0.05)
    check_learns(player, 2)


@pytest.mark.parametrize("key, predict", [*((key, False) for key in tasks.TASKS), ("gan", True)])
def test_classic_loop_starts_from_the_same_loss_and_moves_both_players(ours, images, folder, key, predict):
    from benchmarks import classic

    player = classic.Player(key, images, str(folder / f"{key}.npz"), predict=predict)
    speed.check_same("옛 고리", player.info, ours[key].info)
    assert check_learns(player, 2) == 2 * ours[key].info["batch"]


def torch_player(key, images, weights, bf16=False):
    """다른 프로세스에서: 두 걸음 배우고 (info, 그림의 수, 가중치가 움직였고 유한한가, 멈춘 자리의 snapshot).

    weights가 None이면 교과서의 망이에요.
    """
    import torch

    from benchmarks import torch_peers

    torch.set_num_threads(1)
    player = torch_peers.Player(key, images, weights, bf16=bf16)
    before = [[p.detach().clone() for p in network.parameters()] for network in player.peer.networks.values()]
    tick = Steps(2)
    try:
        player.train(tick)
    except Stop:
        pairs = zip(before, player.peer.networks.values(), strict=True)
        sound = [
            any((a != b).any() for a, b in zip(old, net.parameters(), strict=True))
            and all(torch.isfinite(p).all() for p in net.parameters())
            for old, net in pairs
        ]
        return player.info, tick.images, all(sound), None if weights else player.snapshot(5)


@pytest.fixture(scope="module")
def torch_process():
    """TensorFlow와 PyTorch를 한 프로세스에 두지 않아요."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool


@needs_torch
@pytest.mark.parametrize("key", tasks.TASKS)
def test_torch_starts_from_the_same_loss(ours, images, folder, torch_process, key):
    info, seen, sound, _ = torch_process.apply(torch_player, (key, images, str(folder / f"{key}.npz")))
    speed.check_same("PyTorch", info, ours[key].info)
    assert seen == 2 * info["batch"] and sound


@needs_torch
def test_torch_bf16(images, folder, ours, torch_process):
    info, _, sound, _ = torch_process.apply(torch_player, ("dcgan", images, str(folder / "dcgan.npz"), True))
    assert sound and np.allclose(info["start_loss"], ours["dcgan"].info["start_loss"], rtol=0.05)


def check_snapshot(key, snapshot, ours):
    """심판이 받는 것: VAE는 우리 망에 담기는 가중치, GAN은 0–1의 그림."""
    if key == "dense_vae":
        for weights, network in zip(snapshot[1], ours[key].lesson.networks.values(), strict=True):
            assert [array.shape for array in weights] == [tuple(w.shape) for w in network.weights]
    else:
        assert snapshot.shape == (5, 28, 28, 1) and 0 <= snapshot.min() <= snapshot.max() <= 1


@needs_torch
@pytest.mark.parametrize("key", quality.RACES)
def test_torch_textbook(images, ours, torch_process, key):
    info, seen, sound, snapshot = torch_process.apply(torch_player, (key, np.resize(images, (640, 28, 28)), None))
    assert seen == 2 * info["batch"] and sound
    check_snapshot(key, snapshot, ours)


@pytest.mark.parametrize("key", quality.RACES)
def test_classic_textbook_and_our_snapshots(images, ours, key):
    from benchmarks import classic

    player = classic.Player(key, np.resize(images, (640, 28, 28)))
    go(player)
    check_snapshot(key, player.snapshot(5), ours)
    check_snapshot(key, ours[key].snapshot(5), ours)


def test_judge_measures_each_vae_with_its_own_activation(images):
    from benchmarks.judge import LESSONS, Player

    referee = Player("digits")
    for activation in ("silu", "relu"):
        lesson = LESSONS["dense_vae"](images, 0, activation=activation)
        for network in lesson.networks.values():
            network.set_weights([4 * array for array in network.get_weights()])  # 함수의 차이가 드러나게
        own = metrics.elbo(lesson.cells["log_weights"](*lesson.networks.values()), referee.x_test).mean()
        assert np.isclose(referee.elbo(lesson.snapshot(5)), own, rtol=0.01)


def test_time_to_a_goal_and_the_figure():
    points = [(4.0, 100, 9.0), (5.0, 200, 7.9), (6.0, 300, 8.5)]
    assert quality.reach(points, 8.0) == 5.0 and quality.reach(points, 4.0) is None
    assert quality.reach([(4.0, 1, -103.0), (9.0, 2, -101.0)], -102.0) == 9.0
    runs = dict.fromkeys(quality.RUNNERS, points)
    figure = quality.draw({"dcgan": runs, "dense_vae": runs})
    assert [axis.get_title() for axis in figure.axes] == [quality.RACES[key].title for key in ("dcgan", "dense_vae")]


def test_growth(images):
    seconds, memory = growth.epoch(images, images=200, batch=64, latent=3)
    assert seconds > 0 and memory > 100
    figure = growth.draw({"그림의 수": [(100, 1.0, 500), (200, 2.0, 510)], "배치의 장수": [(64, 1.0, 500)]})
    assert len(figure.axes) == 4


def test_startup_sees_the_first_step(tmp_path):
    model = "keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])"
    cells = ["import numpy as np", "profile = 'smoke'", "import keras", f"model = {model}; model.compile(loss='mse')",
             "model.fit(np.zeros((9, 2)), np.zeros(9), batch_size=1, verbose=0)", "1 / 0"]  # fmt: skip
    for name, chosen in (("배움", cells), ("안 배움", cells[:4])):
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in chosen]), path)
        kernel, imported, first = startup.first_step(path)
        assert 0 < kernel < imported and (first is None) == (name == "안 배움")
    took, share = startup.imports("import json")
    assert took > 0 and "json" in dict(share)


def test_different_networks_are_refused(ours):
    info = ours["gan"].info
    for change in ({"parameters": {"generator": 1}}, {"start_loss": [1.0, 2.0]}, {"batch": 1}):
        with pytest.raises(CourseError):
            speed.check_same("남", info | change, info)


def test_flops_equal_the_closed_forms(ours):
    """종이에 쓴 식과 견줘요. 곱하고 더하기 하나가 2."""
    mlp = 784 * 128 + 128 * 64 + 64 * 12 + 12 * 3
    assert ours["ae"].info["flops"] == 2 * (3 * 2 * mlp - 784 * 128)
    vae = 784 * 400 + 2 * 400 * 20 + 20 * 400 + 400 * 784
    assert ours["dense_vae"].info["flops"] == 2 * (3 * vae - 784 * 400)
    g, d = 64 * 128 + 128 * 256 + 256 * 784, 784 * 256 + 256 * 128 + 128
    assert ours["gan"].info["flops"] == 2 * (2 * g + 2 * g - 64 * 128 + 2 * (3 * d - 784 * 256) + 2 * d)
    first = 28 * 28 * 9 * 32
    encoder = first + 14 * 14 * 9 * (32 * 64 + 64 * 64 + 64 * 64) + 14 * 14 * 64 * 32 + 2 * 32 * 2
    decoder = 2 * 14 * 14 * 64 + 14 * 14 * 9 * 64 * 32 + 28 * 28 * 9 * 32
    assert ours["conv_vae"].info["flops"] == 2 * (3 * (encoder + decoder) - first)
    g = 32 * 3136 + 7 * 7 * 16 * 64 * 32 + 14 * 14 * 16 * 32 * 16 + 28 * 28 * 9 * 16
    d = 14 * 14 * 16 * 24 + 7 * 7 * 16 * 24 * 48 + 4 * 4 * 16 * 48 * 96 + 1536
    judge_turn = 2 * (3 * d - 14 * 14 * 16 * 24)
    assert ours["dcgan"].info["flops"] == 2 * (g + judge_turn + 2 * d + 2 * g - 32 * 3136)
    d = 14 * 14 * 16 * 16 + 7 * 7 * 16 * 16 * 32 + 4 * 4 * 16 * 32 * 64 + 1024
    judge_turn, generator_turn = 2 * (3 * d - 14 * 14 * 16 * 16), 2 * d + 2 * g - 32 * 3136
    assert ours["wgan"].info["flops"] == 2 * (g + judge_turn + 4 * d / 4 + generator_turn)


def test_contestants_take_turns(images, folder, ours):
    """다른 프로세스의 선수: 부른 만큼만 달리고, 물어보면 답하고, 틀리면 까닭을 알려요."""
    with Contestant("classic", key="ae", images=images, weights=str(folder / "ae.npz")) as player:
        seen, took = player.run(0)
        assert seen == ours["ae"].info["batch"] and took > 0 and player.first_seconds > player.info["import_seconds"]
        assert player.ask("peak_memory") > 50
    with pytest.raises(Failed, match="KeyError"):
        Contestant("classic", key="없음", images=images, weights=str(folder / "ae.npz"))


def test_table_shows_the_ratio_to_the_best_torch(ours):
    entries = [
        speed.Entry("우리", "ours", {}),
        speed.Entry("느린", "torch_peers", {}, "fp32"),
        speed.Entry("빠른", "torch_peers", {}, "fp32"),
        speed.Entry("없는", "torch_peers", {}, "fp32"),
    ]
    rates = {"우리": [20, 30, 40], "느린": [1, 1, 1], "빠른": [10, 10, 20], "GEMM": [50, 100]}
    results = {title: speed.Result(values, 1.0, 100.0, {"flops": 2}) for title, values in rates.items()}
    table = {row[0]: row[1:] for row in speed.rows(entries, results)}
    assert list(table) == ["우리", "느린", "빠른 ←"]
    assert table["우리"] == ["30", "20–40", "2.00", "2.00–3.00", "1.0", "100", "60%"]
    assert table["빠른 ←"][2] == "" and statistics.median(rates["빠른"]) == 10
