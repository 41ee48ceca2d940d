"""The page of an inspection in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from grucli.inspection.page import render_page
from grucli.inspection.reach import ModelReach, measure_reach
from grucli.inspection.report import inspect_trace
from grucli.inspection.trace import read_trace
from tests.inspection.browser import CHROMIUM, Page, open_browser
from tests.inspection.factories import TEXT, make_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
SELECTED = "document.querySelector('#text .selected').dataset.index"
HOSTILE = "</script><script>document.title='owned'</script><img src=//example.org/x onerror=alert(1)>"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = TEXT * 20 + HOSTILE
    trace = read_trace(make_model("lstm", H=8, L=2, text=text), [[text], ["the cat sat on a mat.\n" * 5]])
    layers = tuple(measure_reach(trace, layer) for layer in range(2))
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(render_page(inspect_trace(HOSTILE, trace), HOSTILE, [ModelReach(HOSTILE, "lstm", 8, layers)]))
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def test_nothing_is_requested_and_nothing_fails(page: Page, page_file: Path) -> None:
    page.open(page_file)
    assert page.run("document.title") == f"{HOSTILE}: gru inspect"
    assert page.run("document.querySelectorAll('#text span').length") > 100
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("document.querySelectorAll('svg[role=img][aria-label]').length") == 3
    assert page.problems == []
    assert set(page.requests) == {page_file.as_uri()}


def test_a_request_would_be_refused(page: Page, page_file: Path) -> None:
    page.open(page_file)
    assert page.run("fetch('https://example.org/').then(() => 'sent', () => 'refused')") == "refused"
    page.problems.clear()


def test_keys_move_the_position(page: Page, page_file: Path) -> None:
    page.open(page_file)
    page.run("document.getElementById('text').focus()")
    page.press("Home")
    assert page.run(SELECTED) == "0"
    for key, expected in [("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("ArrowDown", len(TEXT) + 1)]:
        page.press(key)
        assert page.run(SELECTED) == str(expected)
    assert "Token" in page.run("document.getElementById('detail-live').textContent")
    assert page.run("document.querySelectorAll('#likeliest li').length") == 5
    page.press("End")
    assert "depends" in page.run("document.getElementById('why-heading').textContent")
    assert page.run("document.querySelectorAll('#why span').length") > 40


def test_tab_reaches_every_control_and_focus_is_visible(page: Page, page_file: Path) -> None:
    page.open(page_file)
    reached = []
    for _ in range(5):
        page.press("Tab")
        reached.append(page.run("document.activeElement.id || document.activeElement.className"))
        assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert reached[:4] == ["skip", "theme", "color", "text"]


def test_a_unit_colors_the_text(page: Page, page_file: Path) -> None:
    page.open(page_file)
    page.run("document.querySelector('button[data-unit]').click()")
    assert page.run("document.querySelector('button[data-unit]').getAttribute('aria-pressed')") == "true"
    assert page.run("document.getElementById('color').value").startswith("unit ")
    assert page.run(
        "[...document.querySelectorAll('#text span')].some((span) => span.style.getPropertyValue('--v') > 0)"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_light_and_dark(page: Page, page_file: Path, theme: str) -> None:
    page.open(page_file, theme=theme)
    brightness = "Number(getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0])"
    assert (page.run(brightness) < 64) == (theme == "dark")
    page.run("document.getElementById('theme').click()")
    assert (page.run(brightness) < 64) == (theme == "light")


def test_a_narrow_window_scrolls_only_down(page: Page, page_file: Path) -> None:
    page.open(page_file, width=360)
    assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
