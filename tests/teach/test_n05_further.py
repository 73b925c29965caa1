"""The drawings of notebook 05 that wait for further trainings, on rows made by hand.

Oracles: counts and quotients that one can do in one's head, and what matplotlib draws.
"""

import itertools

import pytest
import torch

from effdet_lite.data import PatternedMarks
from effdet_lite.experiments import stability, weighting_times
from effdet_lite.teach.nb import n05_further as further


def drawn(view):
    view.figure.draw_without_rendering()
    assert view.words
    return view


def test_necks_with_a_way_up_are_counted():
    found = {"BiFPN": (1.0, 0.4, 0.9), "PANet": (1.0,), "FPN": (0.36, 0.6), "no fusion": (0.35,)}
    rows = [{"graph": graph, "asked": asked} for graph, values in found.items() for asked in values]
    view = drawn(further.way_up_view(rows))
    assert view.numbers == {
        "runs that find the pattern, no fusion": "0 of 1",
        "runs that find the pattern, FPN": "1 of 2",
        "runs that find the pattern, PANet": "1 of 1",
        "runs that find the pattern, BiFPN": "2 of 3",
    }
    assert further.found_with_a_way_up(rows) == 3
    title = view.figure.axes[0].get_title()
    assert title == "With a way up 3 of 4 trainings find the pattern, without 1 of 3"


def test_cells_are_counted_by_their_steps():
    rows = [
        {"cells": cells, "steps": steps, "asked": asked}
        for cells, steps, asked in (
            (1, 1000, 0.36),
            (1, 1000, 0.35),
            (2, 1000, 1.0),
            (3, 2000, 0.6),
        )
    ]
    view = drawn(further.cells_view(rows))
    assert view.numbers["runs that name the plain mark, 1 cell, 1,000 steps"] == "0 of 2"
    assert view.numbers["runs that name the plain mark, 3 cells, 2,000 steps"] == "1 of 1"
    assert view.numbers["AP50, 1 cell, 1,000 steps"] == "0.35, 0.36"
    title = view.figure.axes[0].get_title()
    assert "0 of 2 trainings" in title and title.endswith("more cells in 1 of 1")
    width = view.figure.canvas.get_width_height()[0]
    drawn_title = view.figure.axes[0].title.get_window_extent()
    assert drawn_title.x0 >= 0 and drawn_title.x1 <= width


def unstable(weighting, times, norms, seed, diverges):
    return {
        "weighting": weighting,
        "times": times,
        "norms": norms,
        "seed": seed,
        "broke_off_at": 7 if diverges else None,
        "losses": [2.0, 1.0],
        "largest_factor": times,
    }


def test_diverged_trainings_are_told_apart():
    settings = itertools.product(
        stability.WEIGHTINGS, stability.TIMES, (True, False), stability.SEEDS
    )
    rows = [
        unstable(way, times, norms, seed, way == "unbounded" and times == 100 and not norms)
        for way, times, norms, seed in settings
    ]
    view = drawn(further.stability_view(rows))
    bad = {
        name: words
        for name, words in view.numbers.items()
        if name.startswith("diverged") and not words.startswith("0 of")
    }
    assert bad == {
        "diverged, unbounded": "3 of 18",
        "diverged, unbounded, without norms, 100 × the rate": "3 of 3",
    }
    assert view.numbers["largest factor, fast"] == "100.0"
    with_norms, without = view.figure.axes
    assert not with_norms.texts and [text.get_text() for text in without.texts] == [
        "3 of 3 diverged"
    ]


def test_times_are_those_of_the_fast_way():
    seconds = {"fast": 2.0, "softmax": 3.0, "unbounded": 1.0, "sum": 2.0}
    rows = [dict.fromkeys(weighting_times.WORK, seconds) | {"turn": turn} for turn in range(4)]
    view = drawn(further.times_view(rows))
    assert view.numbers["training, softmax over fast"] == "1.500"
    assert view.numbers["inference, unbounded over fast"] == "0.500"


@pytest.mark.parametrize("asks", ["disc", "far"])
def test_pooling_erases_the_patterns(asks, monkeypatch):
    seen = []
    monkeypatch.setattr(further, "show", lambda figure, words: seen.append(figure))
    further.show_patterns(asks)
    (figure,) = seen
    figure.draw_without_rendering()
    assert len(figure.axes) == 4
    image = torch.as_tensor(PatternedMarks("test", 128, 1, seed=1, asks=asks)[0][0])
    expected = torch.nn.functional.avg_pool2d(image[None].as_subclass(torch.Tensor), 2)[0]
    assert torch.allclose(further._pooled(image, 2), expected, atol=1e-6)
    names = [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    assert names == {"disc": ["the\nmark"], "far": ["plain mark", "its pattern"]}[asks]
