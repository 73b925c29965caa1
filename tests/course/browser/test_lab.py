"""The first notebook as a learner meets it: `effdet-lite lab`, a browser, Run All, a slider, a
button; and a training that a button stops, while a cell waits for its end.

Oracle: what Chromium has on the page.
"""

import math

from lab import FIRST, RUN_ALL, changes, open_lab, run_all

LIVE = "notebooks/live.ipynb"
WATCH = """
import tempfile
from effdet_lite.data import ShapesDetection
from effdet_lite.teach.kit.live import LiveTraining
from effdet_lite.training import TrainConfig
test_set = ShapesDetection("test", 64, 4)
config = TrainConfig(size=(64, 64), batch_size=2, steps=5000, warmup=2, output=tempfile.mkdtemp())
live = LiveTraining(
    config, [test_set[0][0]], [test_set[0][1]], test_set.classes, every=5, test_set=test_set
)
live.show()
"""
WAIT = "history = await live.ended()\nprint('stopped:', 0 < len(history) < 5000)"


def test_the_first_notebook_runs_and_its_explorers_answer_to_keys_and_buttons(page, lab):
    assert open_lab(page, lab) == FIRST
    run_all(page)
    explorers = page.locator(".jp-OutputArea-output .widget-vbox:has(.noUi-handle):has(img)")
    explorers.last.wait_for()
    outputs = page.locator(".jp-OutputArea-child").count()
    drawing, believed, own = (explorers.nth(index) for index in outermost(explorers))
    for explorer in (believed, own):
        shown = explorer.locator(".widget-html-content").last
        slider = explorer.locator(".noUi-handle")
        number = slider.get_attribute("aria-valuetext")
        slider.focus()
        changes(page, shown, lambda: page.keyboard.press("ArrowRight"))
        assert slider.get_attribute("aria-valuetext") != number
    shown = believed.locator(".widget-html-content")
    changes(page, shown, page.get_by_role("button", name="next picture").click)
    assert page.locator(".jp-OutputArea-child").count() == outputs  # nothing piles up
    draws_a_circle(page, drawing)
    assert not page.complaints


def outermost(boxes):
    """The places of those boxes that stand in no other one."""
    inside = ".widget-vbox .widget-vbox"
    return [index for index, box in enumerate(boxes.all()) if not box.evaluate(MATCHES, inside)]


MATCHES = "(element, selector) => element.matches(selector)"


def draws_a_circle(page, explorer):
    """Clear the sheet, and draw a circle by mouse: the detector finds it."""
    shown = explorer.locator(".widget-html-content").last
    changes(page, shown, explorer.get_by_role("button", name="Clear").click)
    assert "nothing" in shown.inner_text()
    explorer.get_by_role("button", name="line", exact=True).click()
    sheet = explorer.locator(".touch-stage")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    points = [
        (
            box["x"] + box["width"] * (0.5 + 0.12 * math.cos(turn / 24 * math.tau)),
            box["y"] + box["height"] * (0.5 + 0.12 * math.sin(turn / 24 * math.tau)),
        )
        for turn in range(25)
    ]

    def draw():
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point)
        page.mouse.up()

    changes(page, shown, draw)
    assert "1 circle" in shown.inner_text()


def test_a_button_stops_a_training_while_a_cell_waits_for_it(page, lab):
    lab.write_notebook(LIVE, WATCH, WAIT)
    open_lab(page, lab, LIVE)
    page.evaluate(RUN_ALL)
    shown = page.locator(".jp-OutputArea-output .widget-vbox .widget-html-content")
    shown.get_by_text("Running: step").wait_for()
    assert shown.locator("img").count() == 2
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Resume").wait_for()
    page.get_by_text("stopped: True").wait_for()
    shown.get_by_text("Stopped; Resume goes on").wait_for()
    page.get_by_role("button", name="Resume").click()
    shown.get_by_text("Running: step").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Resume").wait_for()
    assert not page.complaints
