"""One position of one map in notebook 06, and the boxes around it.

Oracles: the detector's own outputs, torchvision's box_convert and box_iou, effdet's anchors.
"""

import pytest
import torch
import torchvision
from effdet.anchors import Anchors
from torch import Tensor

from effdet_lite.teach.kit.plots import styled
from effdet_lite.teach.kit.shared import shipped, unseen_pictures
from effdet_lite.teach.nb import n06_position as position
from effdet_lite.teach.nb.n06_position import ACROSS, LEVEL, NAMES, PICTURE, SIDE, SUREST


@pytest.fixture(scope="module")
def outputs():
    model, _ = shipped("shapes")
    with torch.no_grad():
        return model(unseen_pictures()[PICTURE][0].as_subclass(Tensor)[None])


def first_of_level():
    """How many anchors stand before those of the level: nine for each position of finer ones."""
    return 9 * sum((SIDE // 2**level) ** 2 for level in range(2, LEVEL))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 2), (7, 7)])
def test_the_numbers_at_a_position_are_those_of_the_detector(outputs, row, column):
    logits, deltas = outputs
    start = first_of_level() + 9 * (row * ACROSS + column)
    found = position.answers()
    torch.testing.assert_close(found.scores[row, column], logits[0, start : start + 9].sigmoid())
    torch.testing.assert_close(found.deltas[row, column], deltas[0, start : start + 9])
    model, _ = shipped("shapes")
    anchors = model.anchors(SIDE, SIDE)[start : start + 9]
    torch.testing.assert_close(found.anchors[row, column], anchors)


def test_the_surest_anchor_is_the_one_with_the_highest_score():
    scores = position.answers().scores[3, 2].amax(1)
    view = position.position_view([3 * ACROSS + 2], SUREST)
    assert NAMES[int(scores.argmax())] in view.words
    assert view.numbers["surest class"].endswith(f"score {scores.max():.2f}")


def test_the_bracket_is_around_all_nine_rows_and_touches_no_name():
    figure = position.position_view([3 * ACROSS + 2], SUREST).figure
    with styled:
        figure.draw_without_rendering()
    strip, grid, _ = figure.axes
    bracket = strip.lines[-1].get_window_extent()
    rows = [grid.transData.transform((0, edge))[1] for edge in (0, len(NAMES))]
    assert (bracket.y1, bracket.y0) == pytest.approx(rows, abs=2)
    names = [label.get_window_extent() for label in grid.get_yticklabels()]
    assert bracket.x1 < min(name.x0 for name in names)


def test_the_explorer_says_in_words_where_it_rests():
    assert position.ANCHOR_CHOICES[0] == "the surest"
    tall = position.position_view([3 * ACROSS + 2], "tall × 1")
    assert "the anchor tall × 1" in tall.words


def test_without_a_position_the_view_asks_for_one():
    with pytest.raises(ValueError, match="click a position"):
        position.position_view([], SUREST)


def test_only_the_last_position_that_was_clicked_is_taken():
    pad = position.position_pad()
    pad.value = [*pad.value, 40]
    assert pad.value == [40]
    pad.value = [5, 40]
    assert pad.value == [5]
    pad.value = []
    assert pad.value == []
    assert len(pad.boxes) == ACROSS**2 and pad.boxes[9] == [16, 16, 32, 32]


def test_four_readings_are_those_of_torchvision():
    numbers = (30.0, 20.0, 60.0, 50.0)
    for form in ("xyxy", "xywh", "cxcywh"):
        expected = torchvision.ops.box_convert(torch.tensor([numbers]), form, "xyxy")[0]
        assert position.read_as(torch.tensor(numbers), form).tolist() == expected.tolist()
    assert position.read_as(torch.tensor(numbers), "yxyx").tolist() == [20, 30, 50, 60]


def test_the_nine_are_drawn_with_effdets_sizes(monkeypatch):
    """Width × height of the nine at one position, in the order of their names."""
    told = []
    monkeypatch.setattr(position, "show", lambda figure, alt: told.append((figure, alt)))
    position.show_nine()
    made = Anchors(LEVEL, LEVEL, 3, [(1.0, 1.0), (1.4, 0.7), (0.7, 1.4)], 2.0, (16, 16)).boxes
    sizes = [f"{wide:.0f} × {high:.0f}" for high, wide in (made[:, 2:] - made[:, :2]).tolist()]
    figure, alt = told[0]
    assert all(size in alt for size in sizes)
    for axis in figure.axes:  # nothing is cut off
        for line in axis.lines:
            assert (
                axis.get_xlim()[0]
                < min(line.get_xdata())
                <= max(line.get_xdata())
                < axis.get_xlim()[1]
            )


def test_counts_stand_with_the_guess():
    figure, words, numbers, _ = position.counts_view({"P3": 300, "P4": 100}, 250)
    assert (numbers["in all"], numbers["P3"]) == ("400", "300, 75.0 %")
    assert "in all 400" in words
    assert "your guess" in [text.get_text() for text in figure.axes[0].texts]
