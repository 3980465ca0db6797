"""보고서를 진짜 Chromium으로 열어 봐요: 정렬, 찾기, 그림, 휴대 전화의 너비, 새지 않는 것들."""

import base64
import csv
import dataclasses
import io
import json
import re
from pathlib import Path

import pytest
from batch_tools import PARAMETERS, lesson

from course_utils.batch import plan, report
from course_utils.batch.folder import Folder

NASTY = "<script>alert('매개변수')</script>"


def picture(shade):
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (320, 200), (shade, 80, 160)).save(file, "webp")
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def jobs_of(path, grid):
    chosen = plan.chosen({"parameters": [("profile", "smoke")], "grid": [*grid.items(), ("seed", [0, 1, 2])]})
    return [dataclasses.asdict(job) for job in plan.build({"lessons": [path], "skip_inapplicable": False} | chosen).jobs]


def save(folder, jobs, record_of, titles=None):
    """실행하지 않고 기록만 남겨 보고서를 만들어요. record_of(번호, 일)이 None이면 아직 남은 일이에요."""
    titles = {job["lesson"]: job["lesson"] for job in jobs} | (titles or {})
    with folder.lock():
        folder.write("plan.json", json.dumps({"spec": {}, "titles": titles, "jobs": jobs}))
        for number, job in enumerate(jobs):
            record = {"status": "완료", "seconds": float(number), "metrics": {}, "chief": None, "figure": None, "error": None}
            if (given := record_of(number, job)) is not None:
                folder.save(job | record | given, "{}", "로그")
    report.write(folder)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """한 레슨은 격자와 시드, 다른 레슨은 실패와 고약한 값들, 셋째는 하나뿐."""
    base = tmp_path_factory.mktemp("report")
    good = jobs_of(lesson(base / "lessons", "05_vae"), {"latent_dim": [2, 8, 16], "rate": [0.1, 1e-4]})
    bad = lesson(base / "lessons", "06_gan", parameters=PARAMETERS + "note = ''  # 메모\n")
    bad = jobs_of(bad, {"note": [NASTY, "=1+1", "보통"]})
    one = jobs_of(lesson(base / "lessons", "08_dcgan"), {})[:1]

    def record_of(number, job):
        note, seed, lesson = job["parameters"].get("note"), job["parameters"]["seed"], job["lesson"]
        if number == len(good + bad) - 1:
            return None
        if note == NASTY:
            message = f"값이 안 돼요: {NASTY} /home/kim/비밀/x.npz, C:\\Users\\kim\\x, {Path.home()}/data, @SUM(A1)"
            return {"status": "실패", "error": {"message": message, "cell": 17, "source": "f('<b>')"}}
        if note == "=1+1" and seed == 2:
            return {"status": "끊김", "error": {"message": "워커가 죽었어요.", "cell": None, "source": ""}}
        dim = job["parameters"].get("latent_dim") or 2
        metrics = {"nats": 100.0 + dim + seed, "$a_1$ <i>": float(seed), "fid": None}
        if lesson == "08_dcgan":
            metrics = {"count": 3, "fid": 12.5}
        return {
            "metrics": metrics,
            "chief": ["fid", "FID <작을수록 좋아요>"] if lesson == "08_dcgan" else None,
            "figure": picture(number * 5) if note is None else None,
        }

    folder = Folder(base / "가을학기 <b>")
    save(folder, good + bad + one, record_of, {"05_vae": "05. VAE", "06_gan": "06. <b>GAN", "08_dcgan": "08. DCGAN"})
    return Path(folder.path)


@pytest.mark.parametrize("count", [4, 6, 7])
def test_any_number_of_series_is_drawn(tmp_path, count):
    path = lesson(tmp_path / "lessons", "05_vae")
    jobs = jobs_of(path, {"latent_dim": [2, 8], "rate": [n / 10 for n in range(1, count + 1)]})
    save(Folder(tmp_path / "out"), jobs, lambda number, job: {"metrics": {"fid": float(number)}})
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert page.count("data:image/svg+xml") == 2


def test_values_that_look_the_same_are_shown_once(tmp_path):
    jobs = jobs_of(lesson(tmp_path / "lessons", "05_vae"), {"latent_dim": [2, 8]})
    save(Folder(tmp_path / "out"), jobs, lambda number, job: {"metrics": {"fid": 0.3350000001 + number * 1e-9}})
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "data:image/svg+xml" not in page and "<b>0.335</b>" in page


def test_csv_has_every_run_in_plain_words(out):
    text = (out / "results.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert text.startswith("\ufeff") and len(rows) == 28
    assert [row["status"] for row in rows].count("완료") == 18 + 4 + 1 and rows[-2]["status"] == "남음"
    assert rows[0]["nats"] == "102.0" and rows[0]["rate"] == "0.1" and rows[0]["fid"] == ""
    assert {row["note"] for row in rows} == {"", NASTY, "'=1+1", "보통"}
    notebooks = [row["notebook"] for row in rows if row["notebook"]]
    assert any("보통" in name for name in notebooks) and all((out / name).is_file() for name in notebooks)
    assert "kim" not in text and str(Path.home()) not in text


def test_page_carries_everything_and_leaks_nothing(out):
    page = (out / "report.html").read_text("utf-8")
    assert NASTY not in page and "<b>가을" not in page and "&lt;script&gt;alert" in page
    assert not re.search(r"kim|/root/|https?://(?!www\.w3\.org)", re.sub(r"data:[^\"]*", "", page))
    assert str(Path.home()) not in re.sub(r"data:[^\"]*", "", page)
    assert "PATH=" not in page


@pytest.fixture
def open_page(browser, out):
    """보고서를 열어 주는 함수. 시험이 끝나면 콘솔의 오류와 인터넷 요청이 없었는지 봐요."""
    noises = []

    def open_page(width=1200):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: noises.append(message.text))
        page.on("pageerror", lambda error: noises.append(str(error)))
        page.on("dialog", lambda dialog: noises.append(dialog.message))
        page.on("request", lambda asked: noises.append(asked.url) if asked.url.startswith("http") else None)
        page.goto((out / "report.html").as_uri())
        return page

    yield open_page
    assert noises == []


def column(page, section, title):
    """화면에 보이는 차례대로, 그 열의 글."""
    heads = page.locator(f"#{section} th").all_inner_texts()
    index = next(i for i, head in enumerate(heads) if head.strip().startswith(title))
    rows = page.locator(f"#{section} tbody tr:visible")
    return [row.locator("td").nth(index).inner_text() for row in rows.all()]


def test_the_course_at_a_glance_comes_first(open_page):
    page = open_page()
    overview = page.locator("main > section").first
    rows = [" ".join(row.inner_text().split()) for row in overview.locator("tbody tr").all()]
    assert rows[0] == "05. VAE 완료 18 2.5 nats 109.7 (102 ~ 118)"
    assert rows[1].startswith("06. <b>GAN 완료 4 실패 3 끊김 1 남음 1")
    assert rows[2] == "08. DCGAN 완료 0.5 FID <작을수록 좋아요> 12.5"
    assert [row.locator("img").count() for row in overview.locator("tbody tr").all()] == [1, 0, 1]
    overview.locator("a", has_text="DCGAN").click()
    assert page.url.endswith("#lesson-3")


def test_failures_tell_the_cell_and_the_reason(open_page):
    page = open_page()
    failures = page.locator("main > section").nth(1)
    assert "끝내지 못한 일 4개" in failures.inner_text()
    failure = failures.locator("article").first.inner_text()
    assert "06. <b>GAN" in failure and "코드 셀 [17]" in failure and NASTY in failure and "~/비밀/x.npz" in failure
    assert "같은 까닭으로 3개" in failure
    assert column(page, "lesson-2", "상태") == ["실패"] * 3 + ["끊김"] + ["남음"] + ["완료"] * 4


def test_korean_is_drawn_with_a_korean_font(open_page):
    page = open_page()
    widths = page.evaluate(
        """() => { const c = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
        c.font = getComputedStyle(document.body).font;
        const ink = text => { c.clearRect(0, 0, 300, 150); c.fillText(text, 10, 40);
                              return c.getImageData(0, 0, 300, 150).data.join() };
        return [ink('완료'), ink('실패'), ink('\\uffff\\uffff')] }"""
    )
    assert len(set(widths)) == 3


def test_sort_by_mouse_and_by_keyboard(open_page):
    page = open_page()
    head = page.locator("#lesson-1 th button", has_text="초")
    head.click()
    assert column(page, "lesson-1", "초") == [f"{n}.0" for n in range(18)]
    head.focus()
    page.keyboard.press("Enter")
    assert column(page, "lesson-1", "초") == [f"{n}.0" for n in reversed(range(18))]
    assert page.locator("#lesson-1 th[aria-sort=descending]").count() == 1
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    values = [float(value) for value in column(page, "lesson-1", "nats")]
    assert values == sorted(values)
    rates = page.locator("#lesson-1 th button", has_text="rate")
    rates.click()
    assert column(page, "lesson-1", "rate") == ["0.0001"] * 9 + ["0.1"] * 9
    page.locator("#lesson-2 th button", has_text="nats").click()
    assert column(page, "lesson-2", "nats")[-1] == ""


def test_filter(open_page):
    page = open_page()
    assert [page.locator(f"#lesson-{n} input").count() for n in (1, 2, 3)] == [1, 1, 0]
    box = page.locator("#lesson-1 input[type=search]")
    box.focus()
    page.keyboard.type("SEED=1 latent_dim=8")
    assert column(page, "lesson-1", "latent_dim") == ["8", "8"] and column(page, "lesson-1", "seed") == ["1", "1"]
    assert page.locator("#lesson-1 [role=status]").inner_text() == "18개 가운데 2개"
    box.fill("")
    assert len(column(page, "lesson-1", "seed")) == 18
    page.locator("#lesson-2 input[type=search]").fill("죽었어요")
    assert column(page, "lesson-2", "상태") == ["끊김"]


def test_thumbnail_opens_and_closes_by_keyboard(open_page):
    page = open_page()
    thumb = page.locator("#lesson-1 .thumb").nth(3)
    thumb.focus()
    page.keyboard.press("Enter")
    large = page.locator("dialog img")
    assert large.is_visible() and large.evaluate("image => image.naturalWidth") == 320
    assert (
        "latent_dim=2" in page.locator("dialog p").inner_text()
        and "rate=0.0001" in page.locator("dialog p").inner_text()
    )
    page.keyboard.press("Escape")
    assert not large.is_visible()
    assert thumb.evaluate("button => button === document.activeElement")


def test_small_multiples_for_every_metric_and_parameter(open_page):
    page = open_page()
    titles = [image.get_attribute("alt") for image in page.locator("#lesson-1 .charts img").all()]
    assert titles == [f"{metric}: {axis}에 따라" for metric in ("nats", "$a_1$ <i>") for axis in ("latent_dim", "rate")]
    assert page.evaluate("[...document.querySelectorAll('.charts img')].every(image => image.naturalWidth > 200)")


def test_390_px_without_sideways_scrolling(open_page):
    page = open_page(width=390)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert "FID <작을수록 좋아요>" in page.locator("#overview tbody tr").last.locator("td").nth(3).evaluate(
        "cell => getComputedStyle(cell, '::before').content"
    )
    assert page.evaluate(
        "[...document.querySelectorAll('.wide, td, article')].every(e => e.hidden || e.scrollWidth <= Math.max(e.clientWidth, 1) + 1)"
    )
    page.locator("#lesson-1 th button", has_text="seed").click()
    first = page.locator("#lesson-1 tbody tr").first
    assert first.locator("td[data-label=seed]").inner_text().endswith("0")


def test_printing_hides_the_tools(open_page):
    page = open_page()
    page.emulate_media(media="print")
    assert not page.locator(".tools").first.is_visible() and page.locator("#lesson-1 table").is_visible()
    assert len(page.pdf(format="A4")) > 10_000


def test_links_lead_to_files_that_are_there(open_page, out):
    page = open_page()
    links = page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.href).filter(h => !h.includes('#'))")
    from urllib.parse import unquote, urlsplit

    assert len(links) > 40 and all(Path(unquote(urlsplit(link).path)).is_file() for link in links)
