"""IoU and the matcher's game in notebook 06. Oracles: torchvision's box_iou, the rule in words."""

import itertools
import re

import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.transforms import Bbox
from torchvision.ops import box_iou

from effdet_lite.teach.nb import n06_matcher as matcher
from effdet_lite.teach.nb.n06_matcher import game


def row(*box):
    return {"box": list(box), "label": 0}


@pytest.mark.parametrize(
    "other", [(21.0, 21.0, 51.0, 51.0), (12.0, 12.0, 42.0, 42.0), (0, 0, 5, 5), (20, 20, 30, 30)]
)
def test_two_boxes_have_torchvisions_iou(other):
    first = (12.0, 12.0, 42.0, 42.0)
    expected = box_iou(torch.tensor([first]), torch.tensor([other], dtype=torch.float32)).item()
    view = matcher.iou_view([row(*first), row(*other)])
    assert view.numbers["IoU"] == f"{expected:.2f}"
    title = view.figure.axes[0].get_title()
    shared, together = (
        float(number.replace(",", "")) for number in re.findall(r"[\d,]+(?= )", title)[:2]
    )
    assert shared / together == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_boxes_is_said(count):
    with pytest.raises(ValueError, match="two boxes are needed"):
        matcher.iou_view([row(0, 0, 5, 5)] * count)


def test_the_pad_begins_with_two_boxes_that_overlap():
    boxes = matcher.two_boxes_pad().tensors()["boxes"]
    assert 0 < box_iou(boxes[:1], boxes[1:]).item() < 0.5


@pytest.mark.parametrize("move", [1.0, 3.0, 7.0])
def test_moved_squares_have_torchvisions_iou(move):
    view = matcher.moved_view(10, (move,), None)
    base = torch.tensor([[0.0, 0, 10, 10]])
    for down, name in ((0.0, "to the right"), (move, "to the right and down")):
        expected = box_iou(base, base + torch.tensor([move, down, move, down])).item()
        assert view.numbers[f"moved by {move:g} px {name}"] == f"IoU {expected:.2f}"
        line = view.figure.axes[0].lines[int(down > 0)]
        at = int(move * 10)  # one point for each tenth of a px
        assert line.get_ydata()[at] == pytest.approx(expected, abs=1e-5)


def test_the_game_has_winners_of_both_halves_of_the_rule_and_losers_of_each_kind():
    overlaps = box_iou(game().boxes, game().anchors)  # [objects, anchors]
    good = overlaps.amax(0) >= 0.5
    best = torch.zeros(len(game().anchors), dtype=torch.bool)
    best[overlaps.argmax(1)] = True
    assert game().wins == (good | best).tolist()
    assert (best & ~good).any() and (good & ~best).any()
    lost = overlaps.amax(0)[~(good | best)]
    assert (lost == 0).any() and (lost > 0.35).any()
    left, top, right, bottom = game().anchors.unbind(1)
    assert left.min() >= 0 and top.min() >= 0 and right.max() <= 128 and bottom.max() <= 128
    assert len(game().anchors.unique(dim=0)) == len(game().anchors)


def test_what_was_taken_is_judged():
    winners = [number for number, wins in enumerate(game().wins) if wins]
    losers = [number for number, wins in enumerate(game().wins) if not wins]
    view = matcher.rule_view([winners[0], losers[0], losers[1]])
    assert view.numbers["you took wrongly"] == "2"
    assert "you took 1 of them" in view.figure.axes[0].get_title()


def test_the_key_names_every_line_and_is_not_cut_off():
    figure = matcher.rule_view([]).figure
    figure.draw_without_rendering()
    key = figure.legends[0]
    assert [text.get_text() for text in key.get_texts()][-1] == "object"
    around = key.get_window_extent()
    assert figure.bbox.contains(around.x0, around.y0)
    assert figure.bbox.contains(around.x1, around.y1)
    assert around.y1 < figure.axes[0].get_window_extent().y0


@pytest.mark.parametrize("taken", [[], [6, 7, 8], [0, 1, 4, 8], list(range(9))])
def test_no_words_lie_on_words_or_hide_an_objects_edge(taken):
    figure = matcher.rule_view(taken).figure
    figure.draw_without_rendering()
    (axis,) = figure.axes
    frames = {text.get_text(): text.get_window_extent() for text in axis.texts}
    assert len(frames) == 9
    for (one, first), (other, second) in itertools.combinations(frames.items(), 2):
        assert not first.overlaps(second), (one, other)
    for left, top, right, bottom in game().boxes.tolist():
        for x0, y0, x1, y1 in ((left, top, right, top), (left, bottom, right, bottom)):
            edge = Bbox(axis.transData.transform([(x0, y0), (x1, y1)]))
            for words, frame in frames.items():
                assert frame.y1 < edge.y0 or frame.y0 > edge.y0 or not wide(frame, edge), words


def wide(frame, edge):
    """Do words hide more than a tenth of a horizontal edge."""
    return min(frame.x1, edge.x1) - max(frame.x0, edge.x0) > 0.1 * edge.width


def test_objects_look_as_where_one_clicks_and_no_anchor_looks_so():
    view = matcher.rule_view([])
    keys = dict(
        zip(
            [text.get_text() for text in view.figure.legends[0].get_texts()],
            view.figure.legends[0].get_lines(),
            strict=True,
        )
    )
    looks = {name: (to_hex(key.get_color()), key.get_linestyle()) for name, key in keys.items()}
    assert looks.pop("object") == ("#000000", "--")
    assert "#000000" not in {color for color, _ in looks.values()}
    outlines = view.figure.axes[0].collections[-1]  # on top
    assert [to_hex(color) for color in outlines.get_edgecolors()] == ["#000000"]
    assert len(outlines.get_paths()) == len(game().boxes)


def test_the_rule_follows_the_pad(monkeypatch):
    shown = []
    monkeypatch.setattr(matcher.Explorer, "show", lambda self: shown.append(self))
    pad = matcher.matcher_pad()
    matcher.show_rule(pad)
    before = shown[0].page.value
    pad.value = [0]
    assert shown[0].page.value != before
    assert pad not in shown[0].box.children
