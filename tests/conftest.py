"""시험들이 함께 쓰는 것: 진짜 Chromium, 그래프 없이 실행하기."""

import os
import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]


@pytest.fixture(scope="module")
def browser():
    """켜진 Chromium. 없으면 건너뛰고, CI에서는 실패해요."""
    if not CHROMIUM:
        reason = "보고서와 책의 시험에는 Chromium이 필요해요. Debian·Ubuntu: sudo apt install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def eager():
    """tf.function을 그래프 없이 실행해요. 몇 스텝뿐이면 그래프를 만드는 것보다 빨라요."""
    from course_utils.backend import tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
