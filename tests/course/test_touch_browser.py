"""Pads to touch, in a real browser: by mouse and by keys, in JupyterLab and in a page without a
kernel.

Oracles: what Chromium has on the page and draws, and what the kernel then says. Without Chromium
this is skipped.
"""

import io
import json

import numpy as np
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
from PIL import Image
from touch_page import write_page

from effdet_lite.data import ShapesDetection
from effdet_lite.teach.kit.touch import DrawPad, PointPad, WindowPad
from effdet_lite.teach.kit.touch.points import blank_axes

pytest.importorskip("playwright.sync_api")

pytestmark = needs_chromium

PADS = """
from effdet_lite.data import ShapesDetection
from effdet_lite.teach.kit.touch import DrawPad, PointPad, WindowPad
from effdet_lite.teach.kit.touch.points import blank_axes
picture = ShapesDetection("test")[3][0]
pads = [
    WindowPad(picture, [8, 8, 40, 40], "a window", can_resize=True),
    PointPad(blank_axes((0, 10), (0, 1), "GMACs", "AP"), "a guess"),
    DrawPad("a drawing"),
]
"""
SHOW = "for pad in pads:\n    pad.show()"
TELL = "print('told:', *[pad.in_words() for pad in pads], sep='|')"


def pad_of(page, name):
    return page.locator(".touch").filter(has=page.get_by_text(name, exact=True))


def drag(page, pad, *places):
    """Press at the first place, (x, y) in 0-1 of the drawing, move over the others, let go."""
    stage = pad.locator(".touch-stage > svg")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=3)
    page.mouse.up()


def state(pad):
    return pad.locator(".touch-state").text_content()


# --- without a kernel ---


@pytest.fixture
def plain(tmp_path):
    """Opens pads on a page of their own, from a file."""
    with browser_page("about:blank") as page:

        def opened(*pads):
            write_page(tmp_path / "pads.html", pads)
            page.goto((tmp_path / "pads.html").as_uri())
            page.wait_for_function("window.ready", timeout=MINUTE)
            return page

        yield opened
        assert not page.complaints
        assert all(url.startswith(("file:", "data:", "blob:", "about:")) for url in page.asked)


def value_of(page, number=0):
    return json.loads(page.evaluate(f"JSON.stringify(models[{number}].get('value'))"))


def test_a_window_is_dragged_resized_and_stays_in_the_picture(plain):
    pad = WindowPad(ShapesDetection("test")[3][0], [8, 8, 40, 40], "a window", can_resize=True)
    page = plain(pad)
    shown = pad_of(page, "a window")
    assert state(shown) == pad.in_words()
    drag(page, shown, (20 / 128, 20 / 128), (52 / 128, 36 / 128))
    assert value_of(page) == [40, 24, 72, 56]
    drag(page, shown, (72 / 128, 56 / 128), (80 / 128, 66 / 128))
    assert value_of(page) == [40, 24, 80, 66]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    assert value_of(page) == [39, 34, 79, 76]
    page.keyboard.press("r")
    page.keyboard.press("ArrowRight")
    assert value_of(page) == [39, 34, 80, 76]
    drag(page, shown, (60 / 128, 50 / 128), (2, 2))
    assert value_of(page) == [87, 86, 128, 128]
    page.keyboard.press("Control+z")
    assert value_of(page) == [39, 34, 80, 76]
    pad.value = value_of(page)
    assert state(shown) == pad.in_words()


def test_a_point_lands_where_one_clicks_and_says_the_same_as_python(plain):
    axis = blank_axes((1, 1000), (0, 1), "GMACs", "AP")
    axis.set_xscale("log")
    pad = PointPad(axis, "a guess", names=("one", "two"))
    page = plain(pad)
    shown = pad_of(page, "a guess")
    assert state(shown) == pad.in_words() and "not placed yet" in state(shown)
    place = axis.transData + axis.figure.transFigure.inverted()
    x, y = place.transform((100, 0.25))
    drag(page, shown, (x, 1 - y))
    (moved, other) = value_of(page)
    assert moved == pytest.approx([100, 0.25], rel=0.02) and other == pad.value[1]
    page.keyboard.press("n")
    page.keyboard.press("Shift+ArrowUp")
    assert value_of(page) == [moved, [other[0], pytest.approx(other[1] + 0.05)]]
    page.keyboard.press("ArrowRight")
    assert value_of(page)[1][0] == pytest.approx(other[0] * 1000 ** (1 / 200), rel=0.01)
    pad.value, pad.placed = value_of(page), True
    assert state(shown) == pad.in_words()


def test_a_drawing_looks_in_the_browser_as_it_does_in_python(plain):
    """Python fills the marks with Pillow, the page with Chromium's own drawer."""
    page = plain(DrawPad("a drawing", side=140))
    shown = pad_of(page, "a drawing")
    drag(page, shown, (0.25, 0.25), (0.4, 0.25))
    page.keyboard.press("1")
    drag(page, shown, (0.6, 0.1), (0.9, 0.1), (0.6, 0.4))
    shown.get_by_role("button", name="filled outline").click()
    drag(page, shown, (0.1, 0.6), (0.4, 0.6), (0.3, 0.9))
    page.keyboard.press("6")
    page.keyboard.press("c")
    for key in ("Shift+ArrowDown", "Shift+ArrowRight", " "):
        page.keyboard.press(key)
    marks = value_of(page)
    assert [mark["kind"] for mark in marks] == ["circle", "pen", "area", "cross"]
    assert marks[-1]["color"] == "#D55E00" and marks[0]["side"] == pytest.approx(0.3 * 140, abs=0.2)
    page.keyboard.press("ArrowUp")  # the cross hairs leave the cross's middle
    pad = DrawPad(side=140, marks=marks)
    assert state(shown) == pad.in_words()
    page.mouse.move(0, 0)
    page = plain(DrawPad("a drawing", side=140, marks=marks))
    pixels = Image.open(io.BytesIO(page.locator(".touch-stage > svg").screenshot()))
    seen = np.asarray(pixels.convert("RGB").resize((140, 140), Image.Resampling.BOX)) / 255
    difference = abs(seen.transpose(2, 0, 1) - pad.image().numpy())
    assert difference.mean() < 0.01 and (difference > 0.3).mean() < 0.005


def test_a_drawing_is_taken_back_and_cleared(plain):
    page = plain(DrawPad("a drawing"))
    shown = pad_of(page, "a drawing")
    for x in (0.2, 0.5, 0.8):
        drag(page, shown, (x, 0.5))
    page.keyboard.press("Control+z")
    assert len(value_of(page)) == 2
    shown.get_by_role("button", name="Clear").click()
    assert value_of(page) == [] and state(shown) == "nothing drawn"
    shown.get_by_role("button", name="Undo").click()
    assert len(value_of(page)) == 2


# --- with one ---


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("touch")
    (folder / "course" / "notebooks").mkdir(parents=True)
    write_notebook(folder / "course" / "notebooks" / "00_pads.ipynb", PADS, SHOW, TELL)
    with running_lab(folder) as address:
        yield address


def test_pads_in_jupyterlab_tell_the_kernel_and_keep_its_keys_to_themselves(address):
    with browser_page(address) as page:
        open_notebook(page, "notebooks/00_pads.ipynb")
        page.evaluate(RUN_ALL)
        page.wait_for_function("window.ranAll", timeout=5 * MINUTE)
        page.locator(".touch").nth(2).wait_for()
        cells = page.evaluate("jupyterapp.shell.currentWidget.content.widgets.length")

        drag(page, pad_of(page, "a window"), (20 / 128, 20 / 128), (52 / 128, 36 / 128))
        for key in ("ArrowRight", "ArrowDown", "d", "d", "z"):
            page.keyboard.press(key)
        drag(page, pad_of(page, "a guess"), (0.5, 0.5), (0.6, 0.4))
        page.keyboard.press("ArrowUp")
        drag(page, pad_of(page, "a drawing"), (0.5, 0.5), (0.7, 0.5))
        page.keyboard.press("Space")
        notebook = "jupyterapp.shell.currentWidget.content"
        assert page.evaluate(f"{notebook}.widgets.length") == cells

        shown = [state(pad) for pad in page.locator(".touch").all()]
        assert shown[0] == "32 × 32 px from (41, 25)" and shown[2] == "circle, circle"
        page.evaluate(f"{notebook}.activeCellIndex = 2")
        page.evaluate("jupyterapp.commands.execute('notebook:run-cell')")
        page.get_by_text(f"told:|{'|'.join(shown)}").wait_for()
        page.wait_for_timeout(0)
        assert not page.complaints
        host = address.partition("/?")[0]
        assert all(url.startswith((host, "data:", "blob:")) for url in page.asked)
