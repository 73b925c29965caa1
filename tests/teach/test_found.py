"""What a detector found, drawn for a first look. Oracles: boxes made by hand, and `detect`."""

import pytest
import torch
from torchvision.ops import box_iou

from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.found import counted_names, detected, draw_counted, draw_named
from effdet_lite.teach.kit.plots import new_panels
from effdet_lite.teach.kit.shared import shipped, unseen_pictures

CLASSES = ("red cell", "white cell", "cross")
FOUND = {
    "boxes": torch.tensor([[5, 30, 25, 50], [50, 60, 80, 90], [60, 20, 80, 35.0]]),
    "labels": torch.tensor([0, 0, 2]),
    "scores": torch.tensor([0.9, 0.8, 0.7]),
}


@pytest.fixture
def axis():
    _, (axis,) = new_panels(4, 4, (0, 0.1, 1, 0.9))
    draw_picture(axis, torch.full((3, 100, 100), 0.5))
    return axis


def test_things_are_counted_by_name():
    assert counted_names(FOUND["labels"], CLASSES) == ["2 red cells", "1 cross"]
    assert counted_names(torch.tensor([2, 2]), CLASSES) == ["2 crosses"]
    assert counted_names(torch.tensor([], dtype=torch.int64), CLASSES) == ["nothing"]


def test_below_the_picture_stands_how_many_there_are_of_each_class(axis):
    draw_counted(axis, FOUND, CLASSES)
    told = [text.get_text() for text in axis.get_legend().get_texts()]
    assert told == ["2 red cells", "0 white cells", "1 cross"]
    assert len(axis.patches) == 3


def test_a_box_says_its_class_and_its_score(axis):
    draw_named(axis, FOUND, CLASSES)
    assert [text.get_text() for text in axis.texts] == [
        "red cell 0.90",
        "red cell 0.80",
        "cross 0.70",
    ]


def test_what_is_detected_is_what_the_model_answers_once_for_each_place():
    model, _ = shipped("shapes")
    image, _ = unseen_pictures()[0]
    found = detected(model, image, 0.3)
    (everything,) = model.detect(image[None], score_threshold=0.3, iou_threshold=0.5)
    overlap = box_iou(found["boxes"], everything["boxes"])
    assert torch.equal(overlap.amax(1), torch.ones(len(found["boxes"])))
    assert (box_iou(found["boxes"], found["boxes"]).triu(1) <= 0.5).all()
    assert (found["scores"] >= 0.3).all() and found["scores"][0] == everything["scores"].max()
