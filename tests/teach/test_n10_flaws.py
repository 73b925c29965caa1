"""The blood cells' flaws and twins in notebook 10.

Oracles: annotations made by hand, torchvision's NMS and IoU, the data's own list of seen scenes.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import box_iou

from effdet_lite.data import bccd
from effdet_lite.experiments.scenes import SAME_SCENE, Pair
from effdet_lite.places import cells_folder, course_folder
from effdet_lite.teach.nb import n10_costs, n10_flaws, n10_scenes

needs_data = pytest.mark.skipif(
    n10_flaws.photographs() is None, reason=f"no blood cells in {cells_folder()}"
)


def test_each_flaw_is_counted_once():
    boxes = [
        [10, 10, 50, 50],
        [10, 10, 50, 51],  # nearly the first one again
        [30, 10, 70, 50],  # a third of the first two
        [0, 60, 20, 80],  # at the border
        [5, 5, 5, 9],  # without area
    ]
    note = n10_flaws.Note((100, 90), boxes, ["RBC"] * 5)
    found = n10_flaws.flaws_of(note)
    assert found[n10_flaws.NO_AREA] == found[n10_flaws.TWICE] == found[n10_flaws.CUT] == 1
    assert found[n10_flaws.PILED] == 2
    other = note._replace(names=["RBC", "WBC", "Platelets", "RBC", "RBC"])
    assert n10_flaws.flaws_of(other)[n10_flaws.TWICE] == 0


@given(st.lists(st.tuples(*[st.integers(1, 60)] * 4), max_size=8))
def test_overlaps_are_torchvisions(quads):
    boxes = [[x, y, x + w, y + h] for x, y, w, h in quads]
    found = n10_flaws.flaws_of(n10_flaws.Note((200, 200), boxes, ["RBC"] * len(boxes)))
    tensor = torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4)
    overlaps = torch.triu(box_iou(tensor, tensor), 1)
    assert found[n10_flaws.TWICE] == int((overlaps > 0.8).sum())


def pairs_of(*values):
    return [Pair(value, f"t{number}", "x", (8, -16)) for number, value in enumerate(values)]


def test_the_parts_of_the_test_are_the_twins_and_the_others():
    twins = n10_scenes.twins(pairs_of(0.95, SAME_SCENE, 0.8, 0.5))
    assert [pair.first for pair in twins] == ["t0", "t1"]
    notes = {
        f"t{number}": n10_flaws.Note((9, 9), [], ["WBC"] if number in (1, 2) else ["RBC"])
        for number in range(4)
    }
    parts = n10_costs.test_parts(["t3", "t2", "t1", "t0"], notes, twins)
    assert parts[n10_costs.UNSEEN] == [0, 1] and parts[n10_costs.SEEN] == [2, 3]
    assert parts[n10_costs.LABELED] == [0, 3]
    assert parts[n10_costs.ALL] == [0, 1, 2, 3]


@pytest.mark.parametrize("guess", [None, 0, 40])
def test_the_gap_is_told(guess):
    view = n10_scenes.twins_view(pairs_of(0.95, 0.9, 0.7, 0.6), guess)
    view.figure.draw_without_rendering()
    assert view.numbers == {
        "test photographs with a twin": "2 of 4",
        "test + training": "t0 + x, t1 + x",
    }
    assert view.figure.axes[0].get_title() == "After 2 photographs there is a gap of 0.20"


def test_a_perfect_detector_loses_what_nms_takes(monkeypatch):
    shown = []
    monkeypatch.setattr(n10_costs, "table", lambda head, lines: shown.extend(lines))
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 16], [40, 40, 60, 60]])  # IoU .625
    target = {"boxes": boxes, "labels": torch.zeros(3, dtype=torch.int64), "image_id": 0}
    n10_costs.ceiling_table([target], ("RBC", "WBC"))
    assert [line[:2] for line in shown] == [["0.3", 1], ["0.5", 1], ["0.7", 0]]
    assert shown[2][2] == "1.000"


@needs_data
def test_the_course_and_the_notebook_leave_the_same_photographs_out():
    names = n10_flaws.splits(n10_flaws.photographs())["test"]
    twins = [Pair(1.0, name, other, (0, 0)) for name, other in bccd.SEEN_SCENES.items()]
    notes = n10_flaws.annotations(n10_flaws.photographs())
    parts = n10_costs.test_parts(names, notes, twins)
    published = (course_folder() / "assets" / "bccd-test-unseen.txt").read_text().split()
    assert [names[number] for number in parts[n10_costs.UNSEEN]] == published
    assert len(parts[n10_costs.ALL]) - len(parts[n10_costs.LABELED]) == 3
    assert n10_flaws.without(notes, "RBC") == 15


def test_the_guess_stands_beside_the_answer():
    scores = {
        part: {"ap50_per_class": {"RBC": value}, "ap": value - 0.3}
        for part, value in ((n10_costs.ALL, 0.87), (n10_costs.LABELED, 0.89))
    }
    view = n10_costs.unlabeled_view(scores, 0.9)
    view.figure.draw_without_rendering()
    assert list(view.numbers.values()) == ["+0.020", "0.570 and 0.590"]


def test_red_boxes_that_nobody_drew_are_counted():
    found = {"labels": torch.tensor([0, 0, 1]), "scores": torch.tensor([0.9, 0.3, 0.9])}
    red, none = ({"labels": torch.tensor(labels)} for labels in ([0], [1]))
    told = n10_costs.wrong_red_boxes([found, found], [red, none], 0.4)
    assert ": 1, each" in told
