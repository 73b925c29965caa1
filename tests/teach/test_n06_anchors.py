"""What the explorers of notebook 06 show, against torchvision and effdet.

Oracles: effdet's anchor generator, its matcher's rule on torchvision's box_iou, effdet's soft-NMS.
"""

import pytest
import torch
from effdet.anchors import Anchors
from effdet.soft_nms import soft_nms
from lessons import ROOT
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from torch import Tensor
from torchvision.ops import box_iou

from effdet_lite.teach.kit.checks import load_exercises
from effdet_lite.teach.kit.shared import unseen_pictures
from effdet_lite.teach.nb.n06_anchors import (
    anchors_view,
    detector,
    match_view,
    objects,
    overlaps,
)


def effdets_anchors(levels, scale, ratio):
    """All anchors of a 128 px picture, xyxy; effdet has them yxyx."""
    pairs = [(1.0, 1.0), (ratio**0.5, ratio**-0.5), (ratio**-0.5, ratio**0.5)]
    made = Anchors(min(levels), max(levels), 3, pairs, scale, (128, 128))
    return made.boxes[:, [1, 0, 3, 2]]


def truth(picture):
    target = unseen_pictures()[picture][1]
    return target["boxes"].as_subclass(Tensor), target["labels"]


@pytest.mark.parametrize(
    ("level", "scale", "ratio"), [(2, 2.0, 2.0), (4, 4.0, 1.0), (5, 1.5, 3.5), (7, 1.0, 4.0)]
)
def test_best_overlap_is_that_with_all_of_effdets_anchors(level, scale, ratio):
    every = objects()
    expected = box_iou(every, effdets_anchors([level], scale, ratio)).amax(1)
    torch.testing.assert_close(
        overlaps(every, (level,), scale, ratio), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(("level", "scale", "ratio"), [(3, 2.0, 2.0), (6, 4.0, 1.25)])
def test_shares_of_objects_are_those_of_effdets_anchors(level, scale, ratio):
    every, numbers = objects(), anchors_view(level, scale, ratio).numbers
    alone, together = (
        box_iou(every, effdets_anchors(levels, scale, ratio)).amax(1) >= 0.5
        for levels in ([level], [2, 3, 4, 5, 6])
    )
    small = (every[:, 2:] - every[:, :2]).amax(1) < 16
    assert numbers[
        f"of {len(every)} objects, those with a fitting anchor on P{level}"
    ] == f"{alone.float().mean():.0%}".replace("%", " %")
    assert numbers["with a fitting anchor on P2 to P6"] == f"{together.float().mean():.0%}".replace(
        "%", " %"
    )
    assert numbers[
        "with one on P2 to P6, of those under 16 px"
    ] == f"{together[small].float().mean():.0%}".replace("%", " %")
    assert numbers["anchors of this level"] == f"{len(effdets_anchors([level], scale, ratio)):,}"


def test_every_level_has_a_view_with_nine_anchors_in_it():
    for level in range(2, 8):
        figure, words, *_ = anchors_view(level, 2.0, 2.0, picture=level)
        figure.draw_without_rendering()
        lines = [drawn for drawn in figure.axes[0].collections if isinstance(drawn, LineCollection)]
        black = [drawn for drawn in lines if to_hex(drawn.get_color()[0]) == "#000000"]
        assert words and sum(len(drawn.get_paths()) for drawn in black) == 9
        assert lines[0] is black[0], "objects lie over the anchors"


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.7, 0.95])
def test_winners_are_those_of_the_rule_by_torchvisions_iou(threshold):
    """An anchor wins from the threshold on, and is forced where an object has it as its best
    only.
    """
    _, anchors = detector()
    for picture in (0, 4, 15):
        things, _ = truth(picture)
        overlap = box_iou(things, anchors)
        wins = overlap.amax(0) >= threshold
        forced = {int(row.argmax()) for row in overlap if row.max() < threshold}
        figure, _, numbers, _ = match_view(threshold, picture)
        won = int(wins.sum()) + len(forced - set(wins.nonzero().flatten().tolist()))
        assert numbers["that answer for an object"].startswith(f"{won}, ")
        assert (
            numbers["objects for which no anchor reaches it"] == f"{len(forced)} of {len(things)}"
        )
        centers = sum(
            len(line.get_xdata()) for line in figure.axes[0].lines[::2]
        )  # then the corner
        dashed = figure.axes[0].collections[-1]
        assert (centers, len(dashed.get_paths())) == (won, len(forced))


def test_no_outline_lies_over_a_winners_number():
    """Where all have one zorder, what was added later lies on top."""
    axis = match_view(0.65, 8).figure.axes[0]
    children = axis.get_children()
    highest = max(children.index(drawn) for drawn in axis.collections)
    assert all(children.index(number) > highest for number in axis.lines)
    assert {drawn.get_zorder() for drawn in (*axis.lines, *axis.collections)} == {2}


def test_pictures_beyond_the_last_begin_again():
    assert match_view(0.5, len(unseen_pictures()) + 3).numbers == match_view(0.5, 3).numbers


def test_the_soft_nms_that_is_asked_for_is_effdets(monkeypatch):
    """effdet returns the boxes in the order in which they are taken out, with their scores then."""
    monkeypatch.chdir(ROOT)
    exercise = load_exercises("06")["06.5"]
    for places, scores, sigma in exercise.cases:
        order, taken = soft_nms(
            places, scores, method_gaussian=True, sigma=sigma, score_threshold=0.0
        )
        torch.testing.assert_close(exercise.right(places, scores, sigma)[order], taken)
