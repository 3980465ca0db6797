"""데이터: 저장소의 digits, 진짜 MNIST, 그리고 잘못된 모든 파일."""

import hashlib
import http.server
import os
import socket
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from course_utils import CourseError, data, download


@pytest.fixture
def good():
    """손글씨 모양의 작은 데이터."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 12), ("test", 5)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        arrays[f"y_{part}"] = rng.integers(0, 10, n, dtype=np.uint8)
    return arrays


@pytest.fixture
def save(tmp_path):
    def write(arrays, name="my.npz"):
        np.savez(tmp_path / name, **arrays)
        return str(tmp_path / name)

    return write


@pytest.fixture
def no_mnist(monkeypatch, tmp_path):
    """MNIST가 없는 컴퓨터처럼. Keras 캐시는 빈 폴더예요."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("COURSE_MNIST", raising=False)
    return tmp_path / "keras" / "datasets" / "mnist.npz"


def test_digits_are_1797_real_images(capsys):
    digits = data.load("digits")
    assert (len(digits.x_train), len(digits.x_test)) == (1497, 300)
    assert digits.x_train.shape[1:] == (28, 28) and digits.x_train.dtype == np.uint8
    assert np.bincount(digits.y_test).tolist() == [30] * 10
    assert np.bincount(np.concatenate([digits.y_train, digits.y_test])).tolist() == [
        178, 182, 177, 183, 181, 182, 181, 179, 174, 180,  # UCI 시험 집합의 숫자별 장수
    ]
    assert "digits" in capsys.readouterr().out


def test_no_image_is_in_both_splits():
    digits = data.load("digits")
    train = {image.tobytes() for image in digits.x_train}
    assert not any(image.tobytes() in train for image in digits.x_test)


def test_own_file_is_loaded(good, save):
    loaded = data.load(save(good))
    assert loaded.name == "my" and np.array_equal(loaded.x_test, good["x_test"])
    channel = good | {"x_train": good["x_train"][..., None].astype(np.int64)}
    assert np.array_equal(data.load(save(channel, "channel.npz")).x_train, good["x_train"])


def truncated(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def broken_member(path):
    """zip 차례표는 멀쩡한데 압축된 내용이 깨진 파일."""
    content = bytearray(path.read_bytes())
    content[200:400] = bytes(200)
    path.write_bytes(content)


def not_npz(path):
    path.write_text("<html>로그인해 주세요</html>")


def empty(path):
    path.write_bytes(b"")


def single_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def zip_of_text(path):
    with zipfile.ZipFile(path, "w") as archive:
        for key in data.KEYS:
            archive.writestr(f"{key}.npy", "not an array")


@pytest.mark.parametrize("damage", [truncated, broken_member, not_npz, empty, single_array, zip_of_text])
def test_damaged_files_are_refused_and_kept(good, save, damage):
    path = Path(save(good))
    damage(path)
    before = path.read_bytes()
    with pytest.raises(CourseError) as caught:
        data.load(str(path))
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("change, words", [
    ({"x_train": np.zeros((12, 32, 32), np.uint8)}, ["x_train", "(12, 32, 32)", "28, 28"]),
    ({"x_train": np.eye(28, dtype=np.float32)[None].repeat(12, 0)}, ["x_train", "float32", "(x_train * 255).round()"]),
    ({"x_train": 200 * np.eye(28)[None].repeat(12, 0)}, ["x_train", "float64", "(x_train).round()"]),
    ({"x_train": 2 * np.eye(28)[None].repeat(12, 0) - 1}, ["x_train", "-1–1", "먼저 그 범위로"]),
    ({"x_train": np.full((12, 28, 28), np.nan)}, ["x_train", "nan", "먼저 그 범위로"]),
    ({"y_train": np.arange(12.0) % 10}, ["y_train", "float64", "(y_train).round()"]),
    ({"x_test": np.full((5, 28, 28), 300)}, ["x_test", "300", "0–255"]),
    ({"x_test": np.full((5, 28, 28), -1)}, ["x_test", "-1"]),
    ({"y_train": np.full(12, 10)}, ["y_train", "10", "0–9"]),
    ({"y_test": np.zeros(4, np.uint8)}, ["y_test", "(4,)", "(5,)"]),
    ({"y_test": np.array(list("01234"))}, ["y_test", "정수"]),
    ({"x_train": np.array([object()] * 12)}, ["읽지 못했어요"]),  # pickle은 열지 않아요
])
def test_wrong_contents_are_named(good, save, change, words):
    with pytest.raises(CourseError) as caught:
        data.load(save(good | change))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_missing_key_missing_file_and_folder(good, save, tmp_path):
    del good["y_test"]
    with pytest.raises(CourseError, match=r"y_test이.* 든 것: x_train, y_train, x_test"):
        data.load(save(good))
    with pytest.raises(CourseError, match="그런 파일이 없어요"):
        data.load(str(tmp_path / "nothing.npz"))
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(CourseError, match="폴더"):
        data.load(str(tmp_path / "folder.npz"))


@pytest.mark.parametrize("change, needs, words", [
    ({}, dict(at_least=128), ["학습 그림이 12장뿐", "128장이 필요"]),
    ({"y_train": np.full(12, 7)}, dict(of_each=1), ["학습 그림에 숫자 0(0장)", "숫자마다 1장"]),
    ({"x_test": np.ones((5, 28, 28), np.uint8)}, {}, ["시험 그림 5장이 모두 똑같아요"]),
])
def test_needs_of_a_lesson_are_checked_before_training(good, save, change, needs, words):
    with pytest.raises(CourseError) as caught:
        data.load(save(good | change), **needs)
    assert all(word in str(caught.value) for word in [*words, "데이터 my", "digits"]), str(caught.value)
    assert "배치" not in str(caught.value)  # 레슨에 없는 매개변수를 바꾸라고 하지 않아요


def test_home_is_expanded_and_may_be_missing(good, save, tmp_path, monkeypatch):
    save(good, "home.npz")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data.load("~/home.npz").name == "home"
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # HOME도 사용자 목록도 없는 컴퓨터
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.delenv("COURSE_MNIST", raising=False)
    assert data.mnist_path().is_absolute()


def test_disconnected_drive_is_explained(good, save, monkeypatch):
    path = save(good)

    def gone(*_, **__):
        raise OSError(107, "Transport endpoint is not connected")

    monkeypatch.setattr(np, "load", gone)
    with pytest.raises(CourseError, match="연결이 끊겼어요"):
        data.load(path)


def test_changed_digits_file_is_refused(monkeypatch, good, save):
    monkeypatch.setattr(data, "DIGITS_FILE", Path(save(good)))
    with pytest.raises(CourseError, match="원본과 달라요"):
        data.load("digits")


@pytest.mark.skipif(
    not (os.environ.get("COURSE_MNIST") or (Path.home() / ".keras/datasets/mnist.npz").exists()),
    reason="MNIST가 없어요: COURSE_MNIST에 mnist.npz의 경로를 적으면 시험해요",
)
def test_real_mnist():
    mnist = data.load("mnist")
    assert (len(mnist.x_train), len(mnist.x_test)) == (60_000, 10_000)
    assert round(mnist.x_train.mean() / 255, 4) == 0.1307 and round(mnist.x_train.std() / 255, 4) == 0.3081
    assert data.load("auto").name == "mnist" or os.environ["COURSE_DATASET"] != "auto"


def test_other_file_in_the_keras_cache_is_kept(no_mnist, good, save, monkeypatch, capsys):
    no_mnist.parent.mkdir(parents=True)
    Path(save(good)).rename(no_mnist)
    before = no_mnist.read_bytes()
    with pytest.raises(CourseError, match="원본과 달라요"):
        data.load("mnist")
    monkeypatch.setenv("COURSE_DATASET", "auto")
    assert data.load("auto").name == "digits"
    assert "원본과 달라요" in capsys.readouterr().out
    assert no_mnist.read_bytes() == before


def test_wrong_explicit_mnist_is_never_replaced_silently(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_MNIST", str(tmp_path / "typo.npz"))
    monkeypatch.setenv("COURSE_DATASET", "auto")
    with pytest.raises(CourseError, match=r"typo\.npz"):
        data.load("auto")


class Hostile(http.server.BaseHTTPRequestHandler):
    """교실의 네트워크들: 무엇을 물어도 로그인 쪽, 반만 오고 끊기거나 멈추는 파일, 아주 느린 파일, 금지, 엉뚱한 곳."""

    content = b""

    def do_GET(self):
        kind = self.path.strip("/")
        if kind == "redirect":
            self.send_response(302)
            self.send_header("Location", "ftp://127.0.0.1/mnist.npz")
        else:
            self.send_response(403 if kind == "forbidden" else 200)
            if kind in ("half", "stalled", "slow"):
                self.send_header("Content-Length", str(11 * 2**20))
        self.end_headers()
        if kind == "mnist.npz":
            self.wfile.write(self.content)
        if kind == "login":
            self.wfile.write(b"<html>login</html>")
        for _ in range({"half": 40, "stalled": 1, "slow": 100}.get(kind, 0)):
            self.wfile.write(bytes(1 << 16 if kind != "slow" else 1 << 10))
            time.sleep(0.02 if kind == "slow" else 0)
        time.sleep(2 if kind == "stalled" else 0)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.mark.parametrize("kind, words", [
    ("login", "MNIST가 아니에요"), ("half", "끊겼어요"), ("stalled", "응답이 없어요"), ("slow", "너무 느려서"),
    ("forbidden", "서버의 답이 403"), ("redirect", "끊겼어요"), ("refused", "연결하지 못했거나"), ("dns", "응답이 없어요"),
])
def test_hostile_network_falls_back_to_digits(no_mnist, monkeypatch, server, capsys, kind, words):
    monkeypatch.setattr(download, "MNIST_URL", server + kind)
    stall, quick = (0.5, 1) if kind in ("stalled", "slow", "dns") else (10, 20)  # 기다리지 않는 사고는 컴퓨터가 바빠도 제 까닭을 말하게
    monkeypatch.setattr(download, "STALL_SECONDS", stall)
    monkeypatch.setattr(data, "QUICK_SECONDS", quick)
    if kind == "refused":
        monkeypatch.setattr(download, "MNIST_URL", "https://127.0.0.1:9/mnist.npz")
    if kind == "dns":  # 이름을 물어도 답이 오지 않아요
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(2))
    monkeypatch.setenv("COURSE_DATASET", "auto")
    assert data.load("auto").name == "digits"
    said = capsys.readouterr().out
    assert said.startswith(f"MNIST를 내려받아요. {quick}초 안에") and "MNIST 대신" in said and words in said
    assert not no_mnist.parent.exists()  # 받다 만 파일을 남기지 않아요


def test_download_is_verified_and_kept(no_mnist, monkeypatch, good, save, server):
    """받은 내용의 해시가 맞으면 캐시에 두고, 다음에는 내려받지 않아요."""
    Hostile.content = Path(save(good)).read_bytes()
    monkeypatch.setattr(download, "MNIST_FILE_SHA256", hashlib.sha256(Hostile.content).hexdigest())
    monkeypatch.setattr(data, "MNIST_ARRAYS_SHA256", data._content_hash(good))
    monkeypatch.setattr(download, "MNIST_URL", server + "mnist.npz")
    assert len(data.load("mnist").x_train) == 12
    monkeypatch.setattr(download, "MNIST_URL", server + "forbidden")
    assert len(data.load("mnist").x_train) == 12
    assert [path.name for path in no_mnist.parent.iterdir()] == ["mnist.npz"]
