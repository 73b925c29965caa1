"""Pads to touch, on Python's side: values, refusals, stills, and the picture of what was drawn.

Oracles: the values that were given, matplotlib's own transforms, and for stamps the course's drawer
of shapes, which computes distances where a pad fills outlines.
"""

import re
import subprocess

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lessons import ROOT

from effdet_lite.data.shapes import rasterize
from effdet_lite.teach.kit.plots import new_figure
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
from effdet_lite.teach.kit.touch.modules import FOLDER, module_text
from effdet_lite.teach.kit.widgets import Explorer, View

PICTURE = torch.rand(3, 40, 60, generator=torch.Generator().manual_seed(0))
CIRCLE = {"kind": "circle", "center": [40.0, 50.0], "side": 30.0, "color": "#0072B2"}
LINE = {"kind": "pen", "points": [[10.0, 10.0], [90.0, 10.0]], "width": 4.0, "color": "#000000"}


def window_pad(**options):
    return WindowPad(PICTURE, [8, 4, 24, 20], "a window", **options)


def point_pad(**options):
    return PointPad(blank_axes((0, 10), (1, 0), "GMACs", "AP"), "a guess", **options)


def box_pad(**options):
    return BoxPad(PICTURE, [[0, 0, 8, 8]], [1], ("cat", "dog"), "boxes", **options)


def pick_pad(**options):
    return PickPad(PICTURE, [[0, 0, 8, 8], [8, 0, 16, 8], [8, 0, 99, 8]], "cells", **options)


def edge_pad(**options):
    places = {"A": (0, 0), "B": (1, 0), "C": (2, 1)}
    return EdgePad(places, [("A", "B")], "a graph", kinds={"A": "in", "C": "out"}, **options)


PADS = {
    "window": (window_pad, [[0, 0, 16, 16]], "16 × 16 px from (0, 0)"),
    "points": (point_pad, [[[2.5, 0.25]]], "your guess: GMACs 2.50, AP 0.250"),
    "drawing": (DrawPad, [[CIRCLE, LINE, LINE]], "1 circle, 2 lines"),
    "boxes": (box_pad, [[{"box": [1, 2, 9, 10.5], "label": 0}]], "1 box: cat (1, 2, 9, 11)"),
    "pick": (pick_pad, [[0, 2]], "box 1, box 3"),
    "edges": (edge_pad, [[["B", "C"], ["A", "B"]]], "2 edges: B → C, A → B"),
    "picture": (PictureDrop, [PICTURE], ", 60 × 40 px"),
}


# --- modules ---


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.js")), ids=lambda path: path.name)
def test_a_module_is_short_imports_only_its_neighbors_and_knows_no_address(path):
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= 300 and max(map(len, lines)) <= 100
    sources = re.findall(r"^import .* from \"([^\"]+)\"", text, re.MULTILINE)
    assert all(re.fullmatch(r"\./\w+\.js", source) for source in sources)
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"] * (
        path.name == "elements.js"
    )


def test_the_modules_go_into_the_wheel():
    """It takes what stands in the package and git does not ignore."""
    files = [path for path in FOLDER.iterdir() if path.suffix in (".js", ".css")]
    done = subprocess.run(
        ["git", "check-ignore", *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert len(files) > 8 and done.stdout == ""


@pytest.mark.parametrize("name", PADS)
def test_a_pads_module_is_one_text_that_imports_nothing_and_has_its_own_exports(name):
    text = module_text(name)
    assert name == PADS[name][0]().module
    own = (FOLDER / f"{name}.js").read_text(encoding="utf-8")
    assert not re.search(r"^import ", text, re.MULTILINE)
    exports = re.compile(r"^export \w+ \w*", re.MULTILINE)
    assert exports.findall(text) == exports.findall(own)
    assert text.count("function element(") == 1 and text.count("class Frame") <= 1


# --- all pads ---


@pytest.mark.parametrize(("make", "values", "words"), PADS.values(), ids=PADS)
def test_a_pad_is_a_control_with_a_still_that_says_its_value(make, values, words):
    pad = make()
    before = pad.value
    heard = []
    pad.observe(lambda change: heard.append(change["new"]), names="value")
    (pad.value,) = values
    assert len(heard) == 1 and heard[0] is pad.value and pad.value is not before
    page, _ = pad._repr_mimebundle_()
    widget = page["application/vnd.jupyter.widget-view+json"]
    assert widget["model_id"] == pad.model_id
    assert pad.in_words().endswith(words)
    for shown in (
        page["text/plain"],
        *re.findall(r'<em>(.*?)</em>|alt="(.*?)"', page["text/html"]),
    ):
        assert f"{pad.description}: {pad.in_words()}" in "".join(shown)


@pytest.mark.parametrize(("make", "values", "words"), PADS.values(), ids=PADS)
def test_the_still_shows_the_value(make, values, words):
    pad = make()
    before = pad.still("words")
    assert before == pad.still("words")
    (pad.value,) = values
    assert pad.still("words") != before


@pytest.mark.parametrize("make", [make for make, _, _ in PADS.values()], ids=PADS)
def test_a_pad_says_in_one_sentence_what_it_cannot_be_and_stays_as_it_was(make):
    pad = make()
    before = pad.value
    for bad in ([[float("nan")]], [{"kind": "star"}], "a", {"a": 1}, 3, [None], [[1, 2, 3]] * 9):
        with pytest.raises(ValueError, match=r"^[^\n]+\.$"):
            pad.value = bad
        assert pad.value is before


def test_a_pad_moves_an_explorers_picture():
    def view(window):
        figure, _ = new_figure(width=1, height=1, margins={"left": 0.1})
        return View(figure, "a view", {"left": f"{window[0]:g}"})

    pad = window_pad()
    explorer = Explorer(view, window=pad)
    pad.value = [3, 4, 19, 20]
    assert ">3</td>" in explorer.page.value


@pytest.mark.parametrize(
    "picture", [torch.rand(40, 60), torch.rand(1, 8, 8), torch.rand(3, 0, 8), 2 * PICTURE + 1]
)
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(ValueError, match=r"^a picture .*\.$"):
        WindowPad(picture, [0, 0, 4, 4])


# --- a window ---


@pytest.mark.parametrize(
    ("window", "why"),
    [
        ([0, 0, 4], "a window is"),
        ("abcd", "a window is"),
        (None, "a window is"),
        ([0, 0, float("nan"), 4], "a window is"),
        ([4, 0, 4, 4], "empty"),
        ([50, 0, 61, 4], "60 × 40"),
        ([-1, 0, 4, 4], "leaves"),
    ],
)
def test_a_window_that_is_none_is_refused(window, why):
    with pytest.raises(ValueError, match=why):
        WindowPad(PICTURE, window)


def test_a_window_may_leave_the_picture_where_it_is_allowed_to_but_its_middle_stays():
    pad = window_pad(may_leave=True)
    pad.value = [-8, 30, 8, 46]
    with pytest.raises(ValueError, match="leaves"):
        pad.value = [-9, 30, 7, 46]
    assert pad.value == [-8, 30, 8, 46]


# --- points ---


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_an_axis_lies_where_matplotlib_draws_it(scale):
    axis = blank_axes((1, 1000), (0, 1), "GMACs", "AP", title="a title")
    axis.set_xscale(scale)
    pad = PointPad(axis)
    to_figure = axis.transData + axis.figure.transFigure.inverted()
    low, high = to_figure.transform([(1, 0), (1000, 1)])
    width, height = pad.size
    assert np.allclose(pad.axes[0]["span"], [width * low[0], width * high[0]])
    assert np.allclose(pad.axes[1]["span"], [height * (1 - low[1]), height * (1 - high[1])])
    assert pad.axes[0]["is_log"] == (scale == "log")


def test_a_guess_is_told_from_none_and_the_plot_stays_as_it_is():
    axis = blank_axes((0, 10), (0, 1))
    axis.plot([0, 5], [0, 1])
    before = [len(axis.lines), len(axis.texts), axis.get_xlim()]
    pad = PointPad(axis)
    assert not pad.placed and pad.value == [[5, 0.5]] and "not placed yet" in pad.in_words()
    pad.still("words")
    assert [len(axis.lines), len(axis.texts), axis.get_xlim()] == before
    given = PointPad(axis, start=[[1, 0.2]])
    assert given.placed and "not placed" not in given.in_words()


def test_points_that_are_not_on_the_plot_are_refused():
    for start, why in (
        ([[11, 0.5]], "GMACs 11 is not on the axis, 0–10"),
        ([[1, -0.5]], "AP -0.5 is not"),
        ([[1]], "1 × "),
        ([[1, 0.5], [2, 0.5]], "not 2"),
    ):
        with pytest.raises(ValueError, match=why):
            point_pad(start=start)
    with pytest.raises(ValueError, match="along is one of x, y, both"):
        point_pad(along="z")
    with pytest.raises(ValueError, match="step along GMACs"):
        point_pad(x_step=0)
    axis = blank_axes((0, 1), (0, 1))
    axis.set_xscale("symlog")
    with pytest.raises(ValueError, match="symlog"):
        PointPad(axis)


@pytest.mark.parametrize(
    ("low", "high", "step", "decimals"),
    [(0, 10, 0.05, 2), (0, 1, 0.005, 3), (0, 300, 1, 0), (-3, 7, 0.05, 2), (0, 4e6, 20000, 0)],
)
def test_the_keys_move_by_round_steps(low, high, step, decimals):
    axis = PointPad(blank_axes((low, high), (0, 1))).axes[0]
    assert (axis["step"], axis["decimals"]) == (step, decimals)


# --- a drawing ---


@pytest.mark.parametrize("kind", ["circle", "square", "triangle", "cross"])
def test_a_stamp_is_the_shape_that_the_course_draws(kind):
    """A pad fills outlines; the course's shapes are distances to them."""
    mark = CIRCLE | {"kind": kind, "color": "#FFFFFF", "side": 60.0}
    pad = DrawPad(background=torch.zeros(3, 128, 128), marks=[mark])
    drawn = pad.image()[0].numpy()
    shape, (left, top, right, bottom) = rasterize(kind, 60, 0, 0, 0)
    row, column = round(50 - (top + bottom) / 2), round(40 - (left + right) / 2)
    expected = np.zeros_like(drawn)
    expected[row : row + shape.shape[0], column : column + shape.shape[1]] = shape
    assert np.mean(abs(drawn - expected)) / np.mean(expected) < 0.03


def test_a_line_covers_its_length_times_its_width_and_two_half_circles():
    pad = DrawPad(background=torch.zeros(3, 40, 100), marks=[LINE | {"color": "#FFFFFF"}])
    area = float(pad.image()[0].sum())
    assert area == pytest.approx(80 * 4 + np.pi * 2**2, rel=0.04)


def test_what_is_drawn_later_lies_on_top_and_the_background_stays():
    under = CIRCLE | {"color": "#FF0000"}
    pad = DrawPad(background=PICTURE, marks=[under, under | {"side": 10.0, "color": "#00FF00"}])
    picture = pad.image()
    assert picture.dtype == torch.float32 and picture.shape == PICTURE.shape
    assert torch.equal(picture[:, :, :20], PICTURE[:, :, :20])
    pad.value = []
    assert torch.equal(pad.image(), PICTURE)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"kind": "star"}, "a mark is one of pen, area, circle"),
        ({"color": "red"}, "#RRGGBB"),
        ({"color": None}, "#RRGGBB"),
        ({"side": 0}, "above 0"),
        ({"side": "large"}, "above 0"),
        ({"center": [1]}, "center"),
        ({"kind": "pen"}, "the points of a line"),
        ({"kind": "area", "points": [[1, 2]]}, "the width of a line"),
    ],
)
def test_a_mark_that_is_none_is_refused(changes, why):
    with pytest.raises(ValueError, match=why):
        DrawPad(marks=[CIRCLE | changes])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-300, 300), st.floats(-300, 300), st.floats(0.1, 500)), max_size=4)
)
def test_whatever_is_drawn_is_a_picture(circles):
    marks = [CIRCLE | {"center": [x, y], "side": side} for x, y, side in circles]
    picture = DrawPad(side=32, marks=marks).image()
    assert picture.shape == (3, 32, 32) and picture.min() >= 0 and picture.max() <= 1
