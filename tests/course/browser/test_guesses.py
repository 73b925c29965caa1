"""Guesses in a real JupyterLab, by keyboard alone, and one point by mouse.

Oracles: what Chromium has on the page, and the learner's file.
"""

import json

from lab import changes, open_lab, run_all

NOTEBOOK = "notebooks/guesses.ipynb"
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


def outputs(page):
    """The outputs of the notebook, in their order."""
    children = page.locator(".jp-OutputArea-child")
    children.nth(5).wait_for()
    return [children.nth(place) for place in range(6)]


def test_guesses_are_made_by_keyboard_and_drawn_beside_the_answers(page, lab):
    lab.write_notebook(NOTEBOOK, ASK, TELL)
    open_lab(page, lab, NOTEBOOK)
    run_all(page)
    number, choice, order, point, figure, table = outputs(page)
    picture = figure.locator(".widget-html-content")
    assert table.get_by_text("no guess yet").count() == 4

    def press(*keys):
        for key in keys:
            page.keyboard.press(key)

    def redraws(key):
        changes(page, picture, lambda: press(key))

    number.locator("input").focus()
    page.keyboard.type("many")
    press("Enter")
    number.get_by_text("Type a number (in ×), like 3").wait_for()
    press("Control+A")
    page.keyboard.type("2,5")
    redraws("Enter")
    number.get_by_text("✓ Your guess: 2.5 ×").wait_for()
    press("Control+A")
    page.keyboard.type("½")
    redraws("Tab")
    number.get_by_text("✓ Your guess: 0.5 ×").wait_for()

    figure.locator("select").focus()
    redraws("ArrowDown")

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
    kept = json.loads((lab.folder / "progress.json").read_text(encoding="utf-8"))["guesses"]
    assert kept == {"00.a": 0.5, "00.b": "two", "00.c": ["two", "one", "three"], "00.d": [0.255, 9]}
    assert not page.complaints
