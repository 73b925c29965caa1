"""Why the three belong together. Oracles: rows made by hand, and B0's field as notebook 01 has it
(Araujo, Norris and Sim, Distill 2019).
"""

import pytest
import torch
from matplotlib.patches import Circle, Rectangle

from effdet_lite.experiments import window
from effdet_lite.teach.nb import n03_why


def rows_of(accuracy):
    """A row for each run of `window`. accuracy: of (resolution, blocks)."""
    return [
        vars(run) | {"accuracy": accuracy(run.resolution, run.blocks)} for run in window.planned()
    ]


def test_the_window_of_b0_and_of_b7():
    assert n03_why.field_of(1) == 851
    assert n03_why.field_of(3.1) == 3079


def test_the_answer_is_the_mean_with_one_block_at_96_px():
    rows = rows_of(lambda resolution, blocks: 0.5 if (resolution, blocks) == (96, 1) else 0.9)
    assert n03_why.accuracy_with_one_block(rows) == pytest.approx(50)
    figure, words, _, _ = n03_why.window_view(rows, 100)
    figure.draw_without_rendering()
    assert "right in 50 % with the same blocks, and in 90 % with more" in words
    axis = figure.axes[0]
    for line in axis.lines:
        if line.get_label() != "_guess":
            y = line.get_ydata()
            assert axis.get_ylim()[0] <= min(y) and max(y) <= axis.get_ylim()[1]


def test_the_slot_that_is_enlarged_is_the_one_with_the_stripes():
    picture = torch.full((1, n03_why.SIDE, n03_why.SIDE), 128, dtype=torch.uint8)
    picture[0, 50:60:2, 80:90] = 255  # third row of slots, last column
    assert n03_why._busiest(picture) == (2, 3)


def test_the_line_is_the_mean_and_seeds_that_never_begin_are_counted():
    """Two of five seeds at chance: the line ends at (3 + 2 · 0.5) / 5."""
    rows = rows_of(lambda resolution, blocks: 1.0)
    last = window.RESOLUTIONS[-1]
    deep = [row for row in rows if (row["resolution"], row["blocks"]) == (last, 7)]
    for row in deep[:2]:
        row["accuracy"] = 0.5
    axis = n03_why.window_view(rows, None).figure.axes[0]
    line = next(line for line in axis.lines if line.get_label() == "with more blocks, mean")
    assert line.get_ydata()[-1] == pytest.approx(80)
    assert "2 of 5 seeds never begin" in [text.get_text() for text in axis.texts]


def test_the_control_has_near_marks_at_the_highest_resolution():
    rows = rows_of(lambda resolution, blocks: 0.5)
    for row in rows:
        if row["distance"] == window.NEAR:
            row["accuracy"] = 0.75
    assert n03_why.control(rows) == [0.75, 0.75]
    (told,) = n03_why.window_view(rows, None).numbers.values()
    assert told.startswith("0.750") and "2 seeds" in told


def test_the_windows_are_drawn_to_scale(monkeypatch):
    """In each panel: the marks' rims lie as far apart as `window` says, and the square is 31 px."""
    shown = []
    monkeypatch.setattr(n03_why, "show", lambda figure, words: shown.append((figure, words)))
    n03_why.show_windows()
    ((figure, words),) = shown
    for axis, resolution in zip(figure.axes, window.RESOLUTIONS, strict=True):
        first, second = (patch for patch in axis.patches if isinstance(patch, Circle))
        rims = second.center[0] - first.center[0] - first.radius - second.radius
        assert rims == pytest.approx(window.Run(resolution, 1).gap)
        (square,) = (patch for patch in axis.patches if isinstance(patch, Rectangle))
        assert square.get_width() == 31
    # 51.2 px of 128 between the marks' rims, each 12.8 px across: 38.4 px of 64 hold both marks.
    assert words.count(", both") == 2 and words.count(", never both") == 2
    assert "64 px: a gap of 26 px, a part of each" in words


def test_the_pictures_of_both_classes_have_the_same_marks_and_only_the_pairs_differ(monkeypatch):
    """Read off the pixels: each mark is brighter or darker than the ground."""
    shown = []
    monkeypatch.setattr(n03_why, "show", lambda figure, words: shown.append(figure))
    n03_why.show_partners()
    for axis, left, top in zip(shown[0].axes, n03_why.LEFTS, n03_why.TOPS, strict=True):
        picture = axis.images[0].get_array()
        marks = [
            [picture[y - 3 : y + 4, x - 3 : x + 4].mean() > 0.5 for x in (at, at + 64)]
            for at, y in zip(left, (top, top + 64), strict=True)
        ]
        assert sum(map(sum, marks)) == 2
        alike = [first == second for first, second in marks]
        assert alike == [axis.get_title() == "alike"] * 2
        lines = [line.get_xdata() for line in axis.lines]
        assert all(at < line[0] < line[1] < at + 64 for at, line in zip(left, lines, strict=True))
