"""Boxes that were judged. Oracles: boxes whose verdict is plain, and what matplotlib draws."""

import itertools

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.judged import LOOKS, draw_judged, draw_key, judged
from effdet_lite.teach.kit.plots import new_panels

CLASSES = ("circle", "square")
TARGET = {
    "boxes": torch.tensor([[0, 0, 10, 10], [20, 20, 40, 40], [60, 60, 70, 70.0]]),
    "labels": torch.tensor([0, 1, 0]),
}


def found(*rows):
    boxes, labels, scores = zip(*rows, strict=True)
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32),
        "labels": torch.tensor(labels),
        "scores": torch.tensor(scores),
    }


FOUND = found(
    ([0, 0, 10, 9], 0, 0.9),  # nine tenths of the first object
    ([1, 0, 10, 10], 0, 0.8),  # the same object once more
    ([20, 20, 40, 40], 0, 0.7),  # the second object's place, another class
    ([60, 60, 70, 64], 0, 0.6),  # two fifths of the third object
    ([80, 80, 90, 90], 1, 0.5),  # nothing is there
)


def test_each_box_is_right_double_or_wrong_and_what_has_no_right_box_is_missed():
    result = judged(FOUND, TARGET)
    assert result.kinds == ["right", "double", "wrong", "wrong", "wrong"]
    assert result.missed == [1, 2]
    assert {kind: result.count(kind) for kind in LOOKS} == {
        "right": 1,
        "double": 1,
        "wrong": 3,
        "missed": 2,
    }


def test_without_boxes_every_object_is_missed():
    nothing = {name: value[:0] for name, value in FOUND.items()}
    assert judged(nothing, TARGET) == ([], [0, 1, 2])


def test_kinds_differ_in_line_and_sign_as_well_as_in_color():
    for one, other in itertools.combinations(LOOKS.values(), 2):
        assert one.color != other.color and one.dashes != other.dashes and one.sign != other.sign


def drawn(detections, target, side=3.5, **how):
    figure, (axis,) = new_panels(side, side, (0, 0, 1, 1))
    draw_picture(axis, torch.full((3, 100, 100), 0.5))
    draw_judged(axis, detections, target, CLASSES, judged(detections, target), **how)
    return figure, axis


def test_only_the_kinds_that_are_named_get_labels():
    _, axis = drawn(FOUND, TARGET)
    _, fewer = drawn(FOUND, TARGET, named=("wrong",))
    signs = [{text.get_text().split()[0] for text in one.texts} for one in (axis, fewer)]
    assert signs[0] > signs[1] == {LOOKS["wrong"].sign}
    assert len(fewer.patches) == len(axis.patches)


def test_every_box_is_drawn_as_its_kind_is():
    figure, axis = drawn(FOUND, TARGET)
    draw_key(figure)
    colors = [to_rgb(patch.get_edgecolor()) for patch in axis.patches]
    shown = [patch for patch, color in zip(axis.patches, colors, strict=True) if color != (1, 1, 1)]
    assert len(shown) == len(FOUND["boxes"]) + 2
    for kind, count in {"right": 1, "double": 1, "wrong": 3, "missed": 2}.items():
        assert colors.count(to_rgb(LOOKS[kind].color)) == count
        assert f"{LOOKS[kind].sign} {LOOKS[kind].meaning}" in [
            text.get_text() for text in figure.legends[0].get_texts()
        ]
    assert all(isinstance(patch, Rectangle) for patch in shown)


def test_a_wrong_box_on_a_missed_object_lies_on_top_and_both_are_seen():
    place = [30, 30, 60, 60]
    target = {"boxes": torch.tensor([place]).float(), "labels": torch.tensor([0])}
    _, axis = drawn(found((place, 1, 0.9)), target)
    wrong, missed = (
        next(one for one in axis.patches if to_rgb(one.get_edgecolor()) == to_rgb(look.color))
        for look in (LOOKS["wrong"], LOOKS["missed"])
    )
    assert wrong.get_zorder() > missed.get_zorder()
    assert missed.get_x() < wrong.get_x() == 30 and missed.get_y() < wrong.get_y() == 30
    assert missed.get_width() > wrong.get_width() + 2
    assert missed.get_height() > wrong.get_height() + 2


def test_words_stand_outside_the_box_and_a_right_one_says_its_score_alone():
    box = [30, 30, 60, 60]
    one = found((box, 0, 0.9), (box, 0, 0.8))
    target = {"boxes": torch.tensor([[30, 30, 60, 60.0]]), "labels": torch.tensor([0])}
    figure, axis = drawn(one, target)
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert [text.get_text() for text in axis.texts] == ["✓ 0.90", "2× circle 0.80"]
    around = axis.patches[-1].get_window_extent(renderer)
    for text in axis.texts:
        frame = text.get_window_extent(renderer)
        assert frame.y0 >= around.y1 - 1 or frame.y1 <= around.y0 + 1


def test_a_missed_object_can_do_without_its_class():
    _, (axis,) = new_panels(3.5, 3.5, (0, 0, 1, 1))
    draw_picture(axis, torch.full((3, 100, 100), 0.5))
    nothing = {name: value[:0] for name, value in FOUND.items()}
    draw_judged(axis, nothing, TARGET, CLASSES, judged(nothing, TARGET), names_missed=False)
    assert [text.get_text() for text in axis.texts] == ["?"] * 3


def test_labels_leave_the_objects_to_be_seen():
    """A small object at the corner of a large one and above a third: all three stay visible, with
    their labels around them.
    """
    boxes = torch.tensor([[52, 39, 90, 77], [83, 70, 90, 76], [67, 75, 81, 89.0]])
    target = {"boxes": boxes, "labels": torch.tensor([0, 1, 0])}
    rows = zip(boxes.tolist(), [0, 1, 0], [0.9, 0.8, 0.7], strict=True)
    figure, axis = drawn(found(*rows), target, 2.4)
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert len(axis.texts) == 3
    for corners in boxes:
        left, top, right, bottom = corners.tolist()
        (x0, y0), (x1, y1) = axis.transData.transform([(left, bottom), (right, top)])
        for text in axis.texts:
            frame = text.get_window_extent(renderer)
            width = max(0, min(frame.x1, x1) - max(frame.x0, x0))
            height = max(0, min(frame.y1, y1) - max(frame.y0, y0))
            assert width * height < 0.3 * (x1 - x0) * (y1 - y0)


def test_before_a_label_hides_an_object_it_is_its_sign_alone():
    """A missed object in the middle of others: its whole label would lie over one of them."""
    around = [[x, y, x + 9, y + 9] for x in (29, 39, 49, 59, 69) for y in (29, 39, 49, 59, 69)]
    middle = around.index([49, 49, 58, 58])
    target = {"boxes": torch.tensor(around).float(), "labels": torch.zeros(25, dtype=torch.int64)}
    others = [(box, 0, 0.9) for place, box in enumerate(around) if place != middle]
    _, axis = drawn(found(*others), target, 3.0)
    words = [text.get_text() for text in axis.texts]
    assert "? circle" not in words and "?" in words


@pytest.mark.parametrize("side", [2.0, 3.5, 6.0])
def test_no_label_lies_over_another(side):
    """However many boxes there are: those for which there is no room have none."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(60, 2, generator=generator) * 80
    sides = 5 + torch.rand(60, 2, generator=generator) * 15
    boxes = torch.cat([corners, corners + sides], 1)
    many = {
        "boxes": boxes,
        "labels": torch.zeros(60, dtype=torch.int64),
        "scores": torch.linspace(1, 0.1, 60),
    }
    figure, axis = drawn(many, TARGET, side)
    renderer = FigureCanvasAgg(figure).get_renderer()
    frames = [text.get_window_extent(renderer) for text in axis.texts]
    assert len(frames) >= 3
    for one, other in itertools.combinations(frames, 2):
        width = min(one.x1, other.x1) - max(one.x0, other.x0)
        height = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert width <= 1 or height <= 1  # pixels


def crowded(labels):
    """Ten boxes on three objects, drawn with labels of this kind."""
    draw = torch.Generator().manual_seed(3)
    corners = 5 + 50 * torch.rand(10, 2, generator=draw)
    places = torch.cat([corners, corners + 10 + 25 * torch.rand(10, 2, generator=draw)], 1)
    rows = [(box, number % 2, 0.9 - number / 20) for number, box in enumerate(places.tolist())]
    target = {"boxes": places[:3], "labels": torch.tensor([0, 1, 1])}
    figure, (axis,) = new_panels(3.5, 3.5, (0, 0, 1, 1))
    draw_picture(axis, torch.full((3, 100, 100), 0.5))
    boxes = found(*rows)
    draw_judged(axis, boxes, target, CLASSES, judged(boxes, target), labels=labels)
    return figure, axis


def test_on_clear_ground_no_label_lies_on_a_line():
    figure, axis = crowded("on clear ground")
    renderer = FigureCanvasAgg(figure).get_renderer()
    frames = [text.get_window_extent(renderer) for text in axis.texts]
    assert frames
    for frame, patch in itertools.product(frames, axis.patches):
        box = patch.get_window_extent(renderer)
        beside = min(frame.x1, box.x1) <= max(frame.x0, box.x0)
        above = min(frame.y1, box.y1) <= max(frame.y0, box.y0)
        within = box.x0 < frame.x0 and frame.x1 < box.x1 and box.y0 < frame.y0 and frame.y1 < box.y1
        assert beside or above or within


def test_without_labels_every_box_is_drawn_all_the_same():
    _, with_labels = crowded("where there is room")
    _, without = crowded("none")
    assert len(with_labels.texts) > 0 and not without.texts
    assert len(without.patches) == len(with_labels.patches)


def test_a_wrong_box_on_a_right_one_stands_a_little_outside():
    place = [30, 30, 60, 60]
    target = {"boxes": torch.tensor([place]).float(), "labels": torch.tensor([0])}
    both = found((place, 0, 0.9), (place, 1, 0.8))
    _, (axis,) = new_panels(3.5, 3.5, (0, 0, 1, 1))
    draw_picture(axis, torch.full((3, 100, 100), 0.5))
    draw_judged(axis, both, target, CLASSES, judged(both, target), labels="none")
    wrong, right = (
        next(one for one in axis.patches if to_rgb(one.get_edgecolor()) == to_rgb(look.color))
        for look in (LOOKS["wrong"], LOOKS["right"])
    )
    assert right.get_x() == 30 and right.get_width() == 30
    assert wrong.get_x() < 29 and wrong.get_width() > 32


def test_a_key_can_do_without_signs():
    figure, _ = crowded("none")
    draw_key(figure, ("right", "wrong"), signed=False)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["right", "wrong"]
