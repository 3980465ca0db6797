"""책을 만들어 진짜 Chromium으로 읽어 봐요: 넓은 화면과 휴대 전화, 단추, 수식, 그림의 대체 텍스트, 한국어 찾기, 끊긴 링크.

Sphinx가 있어야(make book-env) 만들 수 있으니, 없으면 CI에서만 시험해요.
"""

import importlib.util
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from helpers import NOTEBOOKS, ROOT

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("myst_nb") is None and not os.environ.get("CI"), reason="Sphinx가 없어요(make book-env)"
)
LOOK = """() => ({
    sideways: document.documentElement.scrollWidth - innerWidth,
    formulas: document.querySelectorAll("mjx-container").length,
    broken: [...document.querySelectorAll(".math")].filter(e => !e.querySelector("mjx-container")).length
        + document.querySelectorAll("mjx-merror, [data-mjx-error]").length,
    cut: [...document.querySelectorAll(".cell:not(.tag_columns) .cell_output pre, table:has([href^='notebooks/'])")]
        .filter(e => e.scrollWidth > e.parentElement.clientWidth).map(e => e.innerText.slice(0, 80)),
    english: [...document.querySelectorAll("[title], [aria-label], [placeholder]")]
        .flatMap(e => [e.title, e.ariaLabel, e.placeholder]).filter(words => words && !/[가-힣]/.test(words)),
    unnamed: [...document.querySelectorAll("article img")].filter(e => !/[가-힣]/.test(e.alt)).map(e => e.outerHTML.slice(0, 80)),
    headings: [...document.querySelectorAll("article :is(h1, h2, h3, h4, h5)")].map(e => Number(e.tagName[1])),
    links: [...document.querySelectorAll("a[href]")].map(e => e.href),
    ids: [...document.querySelectorAll("[id]")].map(e => e.id)})"""


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """만든 책의 폴더. 경고가 하나라도 있으면 실패해요(-W)."""
    out = tmp_path_factory.mktemp("book")
    line = [sys.executable, "-m", "sphinx", "-EaqW", "--keep-going", "-b", "html", "-d", out / "cache", ROOT / "book", out / "html"]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / "html"


@pytest.fixture(scope="module")
def seen(book, browser):
    """{쪽: {화면의 너비: 본 것}}와 쪽마다의 콘솔 오류와 인터넷 요청."""
    found, noises = {}, {}
    for path in [book / "index.html", *sorted((book / "notebooks").glob("*.html"))]:
        page, noise = browser.new_page(viewport={"width": 1280, "height": 900}), []
        page.on("console", lambda message, noise=noise: message.type == "error" and noise.append(message.text))
        page.on("pageerror", lambda error, noise=noise: noise.append(str(error)))
        page.on("request", lambda request, noise=noise: request.url.startswith("http") and noise.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_function("() => !document.querySelector('.math:not(:has(mjx-container))')", timeout=30_000)
        found[path] = {1280: page.evaluate(LOOK)}
        page.set_viewport_size({"width": 390, "height": 900})
        found[path][390] = page.evaluate(LOOK)
        noises[path.stem] = noise
        page.close()
    return found, noises


def test_every_lesson_is_a_page(seen):
    assert [path.stem for path in seen[0]] == ["index", *(path.stem for path in NOTEBOOKS)]


def test_pages_ask_nothing_of_the_internet_and_break_nothing(seen):
    assert not any(seen[1].values()), seen[1]


def test_pages_fit_a_desk_and_a_phone(seen):
    for path, looks in seen[0].items():
        assert {width: look["sideways"] for width, look in looks.items() if look["sideways"] > 0} == {}, path.stem


def test_nothing_said_is_cut_on_a_phone(seen):
    assert {path.stem: looks[390]["cut"] for path, looks in seen[0].items() if looks[390]["cut"]} == {}


def test_buttons_speak_korean(seen):
    assert {path.stem: looks[1280]["english"] for path, looks in seen[0].items() if looks[1280]["english"]} == {}


@pytest.mark.parametrize("width", [390, 768, 991, 1280])
def test_buttons_lead_to_the_lessons_and_the_contents(book, browser, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto((book / "index.html").as_uri())
    lesson = page.locator("nav.bd-links a", has_text="05.")
    if width < 960:
        assert not lesson.is_visible()
        page.locator(".primary-toggle:visible").click()
    lesson.click()
    page.wait_for_url("**/05_vae.html")
    if width == 1280:  # 넓은 화면의 ☰는 레슨 목록을 접어요
        page.locator(".primary-toggle:visible").click()
        lesson.wait_for(state="hidden")
    else:
        page.locator(".secondary-toggle:visible").click()
    page.locator(".page-toc a:visible", has_text="연습문제").click()
    page.wait_for_url("**/05_vae.html#*")
    page.close()


def test_pages_open_on_colab_where_the_badges_do(seen):
    badges = {Path(link).stem: link for link in re.findall(r"https://colab[^)\s]+\.ipynb", (ROOT / "README.md").read_text("utf-8"))}
    for path in NOTEBOOKS:
        (looks,) = [looks for page, looks in seen[0].items() if page.stem == path.stem]
        assert badges[path.stem] in looks[1280]["links"], path.stem


def test_formulas_are_drawn(seen):
    looks = {path.stem: looks[390] for path, looks in seen[0].items()}
    assert all(look["broken"] == 0 for look in looks.values())
    assert all(look["formulas"] > 10 for name, look in looks.items() if name != "index")


def test_pictures_say_in_korean_what_they_show_and_headings_are_in_order(seen):
    for path, looks in seen[0].items():
        assert looks[1280]["unnamed"] == [], path.stem
        levels = looks[1280]["headings"]
        assert levels[0] == 1 and levels.count(1) == 1, path.stem
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), path.stem


def test_no_link_inside_is_dead(book, seen):
    ids = {path: set(looks[1280]["ids"]) for path, looks in seen[0].items()}
    for path, looks in seen[0].items():
        for link in looks[1280]["links"]:
            parts = urlsplit(link)
            target = Path(unquote(parts.path))
            if parts.scheme == "file":
                assert target.exists(), (path.stem, link)
                assert not parts.fragment or target not in ids or unquote(parts.fragment) in ids[target], (path.stem, link)


def test_folded_cells_open_by_keyboard(book, browser):
    page = browser.new_page()
    page.goto((book / "notebooks/05_vae.html").as_uri())
    page.locator("summary", has_text="코드 보기 — 환경 준비").focus()
    assert not page.get_by_text("import subprocess").is_visible()
    page.keyboard.press("Enter")
    assert page.locator("summary", has_text="코드 접기").first.is_visible()
    page.close()


def test_moving_pictures_move(book, browser):
    page = browser.new_page()
    page.goto((book / "notebooks/06_gan.html").as_uri())
    picture = page.locator("img[id^=_anim_img]").first
    before = picture.get_attribute("src")
    page.locator("button[title='다음 장면']").first.click()
    assert picture.get_attribute("src") != before
    page.close()


QUERIES = {
    "베이즈 정리": "01", "공분산": "01", "최대가능도": "02", "교차 엔트로피": "02", "이상 탐지": "03", "잠재 공간": "03", "PCA": "03",
    "변분 추론": "04", "ELBO": "04", "재매개변수화": "05", "모드 붕괴": "06", "판별자": "06", "전치 합성곱": "07", "배치 정규화": "07",
    "바둑판 무늬": "07", "FID": "08", "DCGAN": "08", "바서슈타인": "09", "비평가": "09", "립시츠": "09", "기울기 벌점": "09",
    "자기회귀": "10", "마스크": "10", "MMD": "11", "스위스 롤": "11", "InfoGAN": "12",
    "CycleGAN": "13", "조각": "14", "페이드인": "15", "포괄도": "16", "커플링": "17", "확산": "17",
}


@pytest.mark.parametrize(("words", "lesson"), QUERIES.items())
def test_korean_words_find_their_lesson(book, browser, words, lesson):
    page = browser.new_page()
    page.goto(f"{(book / 'search.html').as_uri()}?q={words}")
    page.wait_for_function("() => document.querySelector('#search-results h2')?.innerText === '검색 결과'", timeout=20_000)
    first = page.eval_on_selector_all("ul.search > li > a", "all => all.slice(0, 3).map(e => e.getAttribute('href'))")
    page.close()
    assert any(re.search(rf"/{lesson}_\w+\.html", link) for link in first), first
