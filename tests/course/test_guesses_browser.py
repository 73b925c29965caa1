"""Guesses in a real JupyterLab, by keyboard alone, and one point by mouse.

Oracles: what Chromium has on the page, and the learner's file. Without Chromium this is skipped.
"""

import json

import pytest
from lab import (
    MINUTE,
    RUN_ALL,
    browser_page,
    needs_chromium,
    open_notebook,
    running_lab,
    write_notebook,
)

pytest.importorskip("playwright.sync_api")

pytestmark = needs_chromium

NOTEBOOK = "notebooks/00_guesses.ipynb"
ASK = """
from effdet_lite.teach.kit.guesses import draw_guess, guess, show_guesses, with_guesses
from effdet_lite.teach.kit.plots import new_figure
from effdet_lite.teach.kit.widgets import View, choice
guess("00.a", "How many?", low=0, high=8, unit="×")
guess("00.b", "Which?", options=["one", "two", "three"])
guess("00.c", "In which order?", order=["one", "two", "three"])
guess("00.d", "Where?", point={"x": (0, 1), "y": (0, 9)})
"""
TELL = """
def bars(guesses, height):
    figure, axes = new_figure(width=4, height=2, margins={"left": 0.1})
    axes[0, 0].bar([0], [height])
    axes[0, 0].set_ylim(0, 8)
    draw_guess(axes[0, 0], guesses["00.a"], x=0)
    return View(figure, "a bar", {})
with_guesses(bars, "00.a", height=choice("height", [2, 3]))
show_guesses({"00.a": 2, "00.b": "two", "00.c": ("two", "three", "one"), "00.d": (0.51, 9)})
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All that the learner has: the course, and their own files."""
    return tmp_path_factory.mktemp("guesses")


@pytest.fixture
def page(folder):
    (folder / "course" / "notebooks").mkdir(parents=True)
    write_notebook(folder / "course" / NOTEBOOK, ASK, TELL)
    with running_lab(folder) as address, browser_page(address) as page:
        yield page


def run_all(page):
    """The outputs of the notebook, in their order."""
    open_notebook(page, NOTEBOOK)
    page.evaluate(RUN_ALL)
    page.wait_for_function("window.ranAll", timeout=5 * MINUTE)
    outputs = page.locator(".jp-OutputArea-child")
    outputs.nth(5).wait_for()
    return [outputs.nth(place) for place in range(6)]


def redrawn(page, shown, key):
    """Press a key, which must change the picture that is shown, in its place."""
    before = shown.inner_html()
    page.keyboard.press(key)
    page.wait_for_function(
        "([element, before]) => element.innerHTML !== before", arg=[shown.element_handle(), before]
    )
    assert shown.locator("img").count() == 1


def test_guesses_are_made_by_keyboard_and_drawn_beside_the_answers(page, folder):
    number, choice, order, point, figure, table = run_all(page)
    picture = figure.locator(".widget-html-content")
    assert table.get_by_text("no guess yet").count() == 4

    def press(*keys):
        for key in keys:
            page.keyboard.press(key)

    number.locator("input").focus()
    page.keyboard.type("many")
    press("Enter")
    number.get_by_text("Type a number (in ×), like 3").wait_for()
    press("Control+A")
    page.keyboard.type("2,5")
    redrawn(page, picture, "Enter")
    number.get_by_text("✓ Your guess: 2.5 ×").wait_for()
    press("Control+A")
    page.keyboard.type("½")
    redrawn(page, picture, "Tab")
    number.get_by_text("✓ Your guess: 0.5 ×").wait_for()

    figure.locator("select").focus()
    redrawn(page, picture, "ArrowDown")

    choice.locator("input").first.focus()
    press("ArrowDown", "Tab", "Tab", "Enter")
    choice.get_by_text("✓ Your guess: two").wait_for()

    order.locator("select").focus()
    press("ArrowDown", "Tab", "Space", "Space", "Tab", "Tab", "Enter")
    order.get_by_text("✓ Your guess: two, one, three").wait_for()

    point.locator("input").first.focus()
    page.keyboard.type("0.25")
    press("Tab")
    page.keyboard.type("9")
    press("Enter")
    point.get_by_text("✓ Your guess: x: 0.25, y: 9").wait_for()
    point.locator(".touch-stage").focus()
    press("ArrowRight", "Tab", "Tab", "Tab", "Tab", "Enter")
    point.get_by_text("✓ Your guess: x: 0.255, y: 9").wait_for()

    for words in (
        "4× too low",
        "the same",
        "the same in 1 of 3 places",
        "x: 2× too low, y: the same",
    ):
        table.get_by_text(words, exact=True).first.wait_for()
    kept = json.loads((folder / "progress.json").read_text(encoding="utf-8"))["guesses"]
    assert kept == {"00.a": 0.5, "00.b": "two", "00.c": ["two", "one", "three"], "00.d": [0.255, 9]}
    assert not page.complaints
