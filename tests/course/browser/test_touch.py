"""Pads to touch, in a real browser: by mouse and by keys, in JupyterLab and in a page without a
kernel.

Oracles: what Chromium has on the page and draws, and what the kernel then says.
"""

import io
import json

import numpy as np
import pytest
from lab import MINUTE, open_lab, run_all
from PIL import Image

from effdet_lite.data import ShapesDetection
from effdet_lite.teach.kit.touch import (
    BoxPad,
    DrawPad,
    EdgePad,
    PickPad,
    PictureDrop,
    PointPad,
    WindowPad,
    blank_axes,
)

PADS = """
from effdet_lite.data import ShapesDetection
from effdet_lite.teach.kit.touch import *
picture, target = ShapesDetection("test")[3]

def refuse(edges):
    return None if ("A", "B") in edges else "B would get nothing."

pads = [
    WindowPad(picture, [8, 8, 40, 40], "a window", can_resize=True),
    PointPad(blank_axes((0, 10), (0, 1), "GMACs", "AP"), "a guess"),
    DrawPad("a drawing"),
    BoxPad(picture, target["boxes"], target["labels"], ("a", "b", "c", "d"), "boxes"),
    PickPad(picture, target["boxes"], "cells"),
    EdgePad({"A": (0, 0), "B": (1, 0), "C": (2, 1)}, [("A", "B")], "a graph", refuse=refuse),
    PictureDrop("a picture"),
]
"""
SHOW = "for pad in pads:\n    pad.show()"
TELL = "print('told:', *[pad.in_words() for pad in pads], sep='|')"
CONTENT = "jupyterapp.shell.currentWidget.content"


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


def value_of(page, number=0):
    return json.loads(page.evaluate(f"JSON.stringify(models[{number}].get('value'))"))


def test_a_window_is_dragged_resized_and_stays_in_the_picture(plain):
    pad = WindowPad(ShapesDetection("test")[3][0], [8, 8, 40, 40], "a window", can_resize=True)
    page = plain(pad)
    shown = pad_of(page, "a window")
    assert state(shown) == pad.in_words()
    drag(page, shown, (20 / 128, 20 / 128), (52 / 128, 36 / 128))
    assert value_of(page) == [40, 24, 72, 56]
    assert page.evaluate("models[0].get('settled')") == 1, "once, not for each move on the way"
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


def test_boxes_are_added_moved_resized_labeled_and_deleted(plain):
    picture = ShapesDetection("test", size=100)[3][0]
    boxes = np.array([[10, 10, 40, 40], [20, 20, 30, 30]])
    pad = BoxPad(picture, boxes, [0, 1], ("cat", "dog"), scores=[0.9, 0.8], truth=boxes)
    page = plain(pad)
    shown = pad_of(page, "boxes")
    assert state(shown) == pad.in_words()
    drag(page, shown, (0.25, 0.25), (0.3, 0.35))  # the small one lies in the large one
    assert value_of(page)[1]["box"] == [25, 30, 35, 40]
    drag(page, shown, (0.35, 0.4), (0.45, 0.5))
    assert value_of(page)[1]["box"] == [25, 30, 45, 50]
    drag(page, shown, (0.9, 0.9), (0.6, 0.7))
    assert value_of(page)[2] == {"box": [60, 70, 90, 90], "label": 0, "score": 0.5}
    for key in ("l", "+", "ArrowUp", "r", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    assert value_of(page)[2] == {"box": [60, 69, 80, 89], "label": 1, "score": 0.55}
    shown.get_by_label("Label").select_option("cat")
    shown.get_by_label("Score").fill("0.7")
    shown.get_by_label("Score").press("Enter")
    assert value_of(page)[2] == {"box": [60, 69, 80, 89], "label": 0, "score": 0.7}
    drag(page, shown, (0.95, 0.2))  # a click where there is none adds none
    assert len(value_of(page)) == 3
    shown.locator(".touch-stage").focus()
    for key in ("n", "n", "Delete"):
        page.keyboard.press(key)
    assert [row["box"] for row in value_of(page)] == [[10, 10, 40, 40], [60, 69, 80, 89]]
    shown.get_by_role("button", name="Undo").click()
    shown.get_by_role("button", name="Add").click()
    assert len(value_of(page)) == 4
    pad.value = value_of(page)
    assert state(shown) == pad.in_words()


def test_cells_are_taken_by_a_click_and_by_keys(plain):
    cells = [[x, y, x + 32, y + 32] for y in (0, 32, 64, 96) for x in (0, 32, 64, 96)]
    around = [[4, 4, 60, 60]]
    pad = PickPad(ShapesDetection("test")[3][0], cells + around, "cells", most=3, marked=around)
    page = plain(pad)
    shown = pad_of(page, "cells")
    drag(page, shown, (0.3, 0.2))
    drag(page, shown, (0.04, 0.1))  # nearer to the outline of the large box than to its cell's
    assert value_of(page) == [1, 16]
    page.mouse.move(0, 0)
    drag(page, shown, (0.3, 0.2))
    for key in ("ArrowDown", "ArrowRight", "Space", "n", "Space"):
        page.keyboard.press(key)
    assert value_of(page) == [6, 7, 16]
    page.keyboard.press("p")
    page.keyboard.press("p")
    page.keyboard.press("Space")
    assert shown.locator(".touch-said").text_content() == "Only 3 may be taken."
    pad.value = value_of(page)
    assert state(shown) == pad.in_words()


def test_edges_are_added_and_removed_by_clicks_and_keys(plain):
    places = {"A": (0, 0), "B": (1, 0), "C": (2, 0)}
    legal = [("A", "B"), ("B", "C"), ("A", "C")]
    pad = EdgePad(places, [("A", "B")], "a graph", legal=legal)
    page = plain(pad)
    shown = pad_of(page, "a graph")
    node = {one["name"]: tuple(np.array(one["place"]) / pad.size) for one in pad.nodes}
    drag(page, shown, node["B"], node["C"])
    drag(page, shown, node["A"])
    drag(page, shown, node["C"])
    assert value_of(page) == [["A", "B"], ["B", "C"], ["A", "C"]]
    drag(page, shown, node["C"], node["A"])
    said = shown.locator(".touch-said")
    assert said.text_content() == "Not possible: there can be no edge C → A."
    drag(page, shown, ((node["A"][0] + node["B"][0]) / 2, node["A"][1]))
    assert value_of(page) == [["B", "C"], ["A", "C"]]
    for key in ("ArrowRight", "ArrowRight", "Space", "ArrowRight", "Space"):
        page.keyboard.press(key)
    assert value_of(page) == [["A", "C"]]
    assert said.text_content() == "Removed: B → C."
    page.keyboard.press("Control+z")
    pad.value = value_of(page)
    assert pad.value == [["B", "C"], ["A", "C"]] and state(shown) == pad.in_words()


FILE = """(kind) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["12345"], `${kind}.png`, { type: "image/png" }));
    const options = { bubbles: true, cancelable: true };
    const event = kind === "drop"
        ? new DragEvent("drop", { ...options, dataTransfer: transfer })
        : new ClipboardEvent("paste", { ...options, clipboardData: transfer });
    return !document.querySelector(".touch-zone").dispatchEvent(event);
}"""


def test_a_picture_is_dropped_or_pasted(plain):
    page = plain(PictureDrop("a picture"))
    dropped = "[models[0].get('dropped')?.name, models[0].get('dropped')?.content.byteLength]"
    assert page.evaluate(FILE, "drop"), "else the browser would leave the page for the picture"
    page.wait_for_function(f"String({dropped}) === 'drop.png,5'", timeout=MINUTE)
    page.evaluate(FILE, "paste")
    page.wait_for_function(f"String({dropped}) === 'paste.png,5'", timeout=MINUTE)


# --- with one ---


def tell(page, *words):
    """Ask the kernel for the pads' values: it knows these words, one for each."""
    page.evaluate(f"{CONTENT}.activeCellIndex = 2")
    page.evaluate("jupyterapp.commands.execute('notebook:run-cell')")
    page.get_by_text(f"told:|{'|'.join(words)}").wait_for()


def test_pads_in_jupyterlab_tell_the_kernel_and_keep_its_keys_to_themselves(page, lab, tmp_path):
    lab.write_notebook("notebooks/pads.ipynb", PADS, SHOW, TELL)
    open_lab(page, lab, "notebooks/pads.ipynb")
    run_all(page)
    page.locator(".touch").nth(6).wait_for()
    cells = page.evaluate(f"{CONTENT}.widgets.length")
    drag(page, pad_of(page, "a window"), (20 / 128, 20 / 128), (52 / 128, 36 / 128))
    for key in ("ArrowRight", "ArrowDown", "d", "d", "z"):
        page.keyboard.press(key)
    drag(page, pad_of(page, "a guess"), (0.5, 0.5), (0.6, 0.4))
    page.keyboard.press("ArrowUp")
    drag(page, pad_of(page, "a drawing"), (0.5, 0.5), (0.7, 0.5))
    page.keyboard.press("Space")
    pad_of(page, "boxes").get_by_role("button", name="Delete").click()
    drag(page, pad_of(page, "cells"), (74 / 128, 70 / 128))
    assert page.evaluate(f"{CONTENT}.widgets.length") == cells

    graph = pad_of(page, "a graph")
    graph.locator(".touch-stage").focus()
    for key in ("ArrowRight", "Space", "ArrowRight", "Space"):  # A → B, which is needed
        page.keyboard.press(key)
    graph.get_by_text("Not possible: B would get nothing.").wait_for()
    for key in ("Space", "ArrowRight", "Space"):
        page.keyboard.press(key)
    graph.get_by_text("Added: B → C.").wait_for()

    photo = np.random.default_rng(0).integers(0, 256, (2200, 2600, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "noise.png")
    (tmp_path / "notes.jpg").write_text("no picture", encoding="utf-8")
    drop = pad_of(page, "a picture")
    drop.locator("input").set_input_files(tmp_path / "notes.jpg")
    drop.get_by_text("Not possible: notes.jpg is not a picture").wait_for()
    assert (tmp_path / "noise.png").stat().st_size > 15_000_000  # more than a message holds
    drop.locator("input").set_input_files(tmp_path / "noise.png")
    drop.get_by_text("Here is noise.png, 2048 × 1733 px.").wait_for()

    shown = [state(page.locator(".touch").nth(number)) for number in range(6)]
    assert shown[0] == "32 × 32 px from (41, 25)" and shown[2] == "2 circles"
    assert shown[4:] == ["box 3", "2 edges: A → B, B → C"]
    tell(page, *shown, "noise.png, 2048 × 1733 px")
    assert not page.complaints
    assert all(url.startswith((lab.url, "data:", "blob:")) for url in page.asked)
