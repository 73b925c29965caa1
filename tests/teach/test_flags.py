"""The flag that marks a guess. Oracle: where matplotlib has the marker, and which pixels change."""

import numpy as np
import pytest

from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.plots import new_figure, png


@pytest.fixture
def axis():
    _, axes = new_figure()
    axes[0, 0].set(xlim=(0, 10), ylim=(0, 4))
    return axes[0, 0]


def flags(axis):
    """(x, y) of each flag."""
    return [
        tuple(np.concatenate(line.get_data()).tolist())
        for line in axis.lines
        if line.get_label() == "_guess"
    ]


def words(axis):
    return [text.get_text() for text in axis.texts]


@pytest.mark.parametrize(
    ("value", "place", "stands", "label"),
    [
        (3, {"x": 2}, (2, 3), "your guess"),
        (3, {"y": 2}, (3, 2), "your guess"),
        ((5, 1.5), {}, (5, 1.5), "your guess"),
        (7, {}, (7, 4), "your guess"),
        (1e6, {"x": 2}, (2, 4), "your guess: 1,000,000"),
        (-1, {"x": 2}, (2, 0), "your guess: -1"),
        (49152, {}, (10, 4), "your guess: 49,152"),
        ((20, -3), {}, (10, 0), "your guess: 20, -3"),
    ],
)
def test_a_flag_stands_at_the_guess_or_at_the_edge_with_its_number(
    axis, value, place, stands, label
):
    draw_guess(axis, value, **place)
    assert flags(axis) == [stands] and words(axis) == [label]
    assert axis.get_xlim() == (0, 10) and axis.get_ylim() == (0, 4), "the axes stay"


def test_where_there_is_no_guess_nothing_is_drawn(axis):
    before = png(axis.figure)
    draw_guess(axis, None, x=2)
    assert png(axis.figure) == before
    draw_guess(axis, 2, x=2, label="")
    assert png(axis.figure) != before and words(axis) == []


def test_a_guess_in_words_has_no_place_in_a_plot(axis):
    with pytest.raises(ValueError, match=r"marks a number or a point, and the guess is 'width'"):
        draw_guess(axis, "width", x=0)


def test_axes_that_count_down_are_logarithmic_or_have_names():
    figure, axes = new_figure(columns=3)
    down, log, names = axes[0]
    down.set(ylim=(4, 0))
    draw_guess(down, 9, x=0.5)
    log.set(xscale="log", yscale="log", xlim=(1, 100), ylim=(1, 100))
    draw_guess(log, (0, 1000))
    names.bar(["depth", "width"], [2, 4])
    draw_guess(names, 3, x="width")
    assert flags(down) == [(0.5, 4)] and flags(log) == [(1, 100)] and flags(names) == [(1, 3)]
    assert png(figure)


@pytest.mark.parametrize("place", [(0.1, 0.1), (9.9, 0.1), (0.1, 3.9), (9.9, 3.9)])
def test_the_words_stay_in_the_figure_in_every_corner(axis, place):
    draw_guess(axis, place)
    axis.figure.draw_without_rendering()
    (text,) = axis.texts
    box, figure = text.get_window_extent(), axis.figure.bbox
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.x1 and box.y1 <= figure.y1
