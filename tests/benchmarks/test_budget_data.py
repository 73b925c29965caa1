"""What the contestants get and what becomes of their answers.

Oracles: the annotations' XML read by hand, PyYAML, pycocotools, and small examples by hand.
"""

import json
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from budget_data import export, judged
from contestants import effdet_lite, ssdlite, yolo26n, yolox_nano
from contestants.common import coco_rows, image_number
from hypothesis import given
from hypothesis import strategies as st
from oracles import pycocotools, voc_annotation, voc_object
from PIL import Image

LISTS = {"train": [1, 2], "val": [3], "trainval": [1, 2, 3], "test": [4, 19]}
NAMES = ["RBC", "WBC", "Platelets"]
# Photograph 19 shows a scene of training. The second box of photograph 1 has no area.
BOXES = {
    1: [("WBC", 3, 5, 40, 33), ("RBC", 7, 9, 7, 20), ("RBC", 50, 1, 79, 59)],
    2: [],
    3: [("Platelets", 10, 11, 17, 23)],
    4: [("RBC", 2, 3, 30, 31)],
    19: [("WBC", 20, 21, 60, 59)],
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """A folder in the layout of the blood cells."""
    root = tmp_path_factory.mktemp("cells")
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for number, objects in BOXES.items():
        stem = f"BloodImage_{number:05}"
        Image.new("RGB", (80, 60), (number, 9, 9)).save(root / "JPEGImages" / f"{stem}.jpg")
        text = voc_annotation("".join(voc_object(*one) for one in objects), (80, 60))
        (root / "Annotations" / f"{stem}.xml").write_text(text)
    for name, numbers in LISTS.items():
        lines = "".join(f"BloodImage_{number:05}\n" for number in numbers)
        (root / "ImageSets" / "Main" / f"{name}.txt").write_text(lines)
    return root


@pytest.fixture(scope="module")
def data(cells, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "data"
    export(cells, folder)
    return folder


def boxes_of_xml(cells, number):
    """(class, xyxy) of the objects with an area, straight from the file."""
    path = cells / "Annotations" / f"BloodImage_{number:05}.xml"
    rows = []
    for thing in ElementTree.parse(path).findall("object"):
        x0, y0, x1, y1 = (float(side.text) for side in thing.find("bndbox"))
        if x1 > x0 and y1 > y0:
            rows.append((thing.findtext("name"), [x0, y0, x1, y1]))
    return rows


def test_yolo_text_has_the_boxes_of_the_annotations(cells, data):
    for number in LISTS["trainval"]:
        text = (data / "labels" / f"BloodImage_{number:05}.txt").read_text()
        rows = [[float(value) for value in line.split()] for line in text.splitlines()]
        expected = boxes_of_xml(cells, number)
        assert [NAMES[int(row[0])] for row in rows] == [name for name, _ in expected]
        for (_, x, y, w, h), (_, box) in zip(rows, expected, strict=True):
            corners = [80 * (x - w / 2), 60 * (y - h / 2), 80 * (x + w / 2), 60 * (y + h / 2)]
            np.testing.assert_allclose(corners, box, atol=1e-5)


@pytest.mark.parametrize("name", [*LISTS, "test-unseen"])
def test_coco_files_have_the_boxes_of_the_annotations(cells, data, name):
    document = json.loads((data / f"{name}.json").read_text())
    numbers = LISTS.get(name, [4])
    assert [image["id"] for image in document["images"]] == numbers
    assert [category["name"] for category in document["categories"]] == NAMES
    names = {category["id"]: category["name"] for category in document["categories"]}
    found = []
    for row in document["annotations"]:
        x, y, w, h = row["bbox"]
        assert row["area"] == w * h and row["iscrowd"] == 0
        found.append((row["image_id"], names[row["category_id"]], [x, y, x + w, y + h]))
    expected = [(number, *one) for number in numbers for one in boxes_of_xml(cells, number)]
    assert found == expected


def test_lists_name_pictures_that_are_there_and_test_pictures_lie_apart(data):
    for name, numbers in (LISTS | {"test-unseen": [4]}).items():
        paths = (data / f"{name}.txt").read_text().split()
        assert all((data / path).is_file() for path in paths)
        assert [image_number(data / path) for path in paths] == numbers
    learned = {image_number(path) for path in (data / "images").iterdir()}
    labeled = {image_number(path) for path in (data / "labels").iterdir()}
    assert learned == labeled == set(LISTS["trainval"])


def test_the_yolo_description_names_the_lists_and_the_classes_in_order(data):
    for name in ("train", "trainval"):
        described = yaml.safe_load((data / f"{name}.yaml").read_text())
        assert described["names"] == dict(enumerate(NAMES))
        assert (data.parent / described["path"] / described["train"]).samefile(data / f"{name}.txt")
        assert described["val"] == "val.txt" and "test" not in described


def test_what_was_exported_is_not_written_again(cells, data):
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    export(cells, data)
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before


# --- answers ---

BOX = [[10.0, 20.0, 30.0, 60.0], [0.0, 0.0, 5.0, 5.0]]


def test_answers_of_each_package_become_the_same():
    expected = (BOX, [0.75, 0.5], [2, 0])
    boxes, scores = torch.tensor(BOX), torch.tensor([0.75, 0.5])
    for package in (yolo26n, yolox_nano):  # both give labels as floats, from 0
        result = SimpleNamespace(xyxy=boxes, conf=scores, cls=torch.tensor([2.0, 0.0]))
        assert package.as_found(result) == expected
    # torchvision's 0 is the background.
    result = {"boxes": boxes, "scores": scores, "labels": torch.tensor([3, 1])}
    assert ssdlite.as_found(result) == expected


def test_coco_rows_have_sides_and_the_surest_hundred_boxes():
    rows = coco_rows(7, BOX, [0.25, 0.5], [2, 0])
    assert rows == [
        {"image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.5},
        {"image_id": 7, "category_id": 3, "bbox": [10, 20, 20, 40], "score": 0.25},
    ]
    scores = [number / 1000 for number in range(200)]  # the first is under .001
    rows = coco_rows(7, BOX[:1] * 200, scores, [0] * 200)
    assert [row["score"] for row in rows] == scores[:99:-1]
    assert not coco_rows(7, BOX[:1], [0.0009], [0])
    no_area = [[9.0, 0.0, 9.0, 5.0], [9.0, 0.0, 3.0, 5.0], [float("nan")] * 4]
    assert not coco_rows(7, no_area, [0.5] * 3, [0] * 3)


def test_the_judge_agrees_with_pycocotools():
    generator = torch.Generator().manual_seed(0)
    detections, targets, rows, objects = [], [], [], []
    for number in range(12):
        corner = 60 * torch.rand(9, 2, generator=generator)
        boxes = torch.cat([corner, corner + 5 + 30 * torch.rand(9, 2, generator=generator)], 1)
        labels = torch.randint(3, (9,), generator=generator)
        moved = boxes + torch.randn(9, 4, generator=generator)
        scores = torch.rand(9, generator=generator).clamp(min=0.01)
        detections.append({"boxes": moved, "scores": scores, "labels": labels})
        targets.append({"image_id": number, "boxes": boxes, "labels": labels})
        rows += coco_rows(number, moved.tolist(), scores.tolist(), labels.tolist())
        for one in coco_rows(number, boxes.tolist(), [1.0] * 9, labels.tolist()):
            objects.append(one | {"id": len(objects) + 1, "iscrowd": 0})
    truth = {
        "images": [{"id": number} for number in range(12)],
        "categories": [{"id": label + 1, "name": name} for label, name in enumerate(NAMES)],
        "annotations": objects,
    }
    # Detections on a photograph that is not asked for are not looked at.
    rows.append({"image_id": 99, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 1.0})
    precision = pycocotools(detections, targets, 3).eval["precision"][:, :, :, 0, 2]
    figures = judged(rows, truth)
    assert 0.2 < figures["ap"] < figures["ap50"] < 1
    assert figures["ap"] == pytest.approx(precision.mean(), abs=1e-4)
    assert figures["ap50"] == pytest.approx(precision[0].mean(), abs=1e-4)


# --- the scripts' own arithmetic ---


@given(
    st.floats(1, 1000),
    st.floats(0.5, 20),
    st.floats(0.5, 20),
    st.sampled_from([{}, {"no_aug": 0.15}, {"no_aug": 0.5, "warmup": 0.05}]),
)
def test_epochs_fill_the_time_and_no_more(seconds, with_mosaic, without, setting):
    def needed(epochs):
        last = (setting and max(1, round(setting["no_aug"] * epochs))) or 15
        plain = min(last, epochs)
        return (epochs - plain) * with_mosaic + plain * without

    epochs = yolox_nano.epochs_that_fit(seconds, setting, with_mosaic, without)
    assert epochs == 1 or needed(epochs) <= seconds
    assert needed(epochs + 1) > seconds


def test_the_cosine_rises_in_the_warmup_and_ends_at_nothing():
    assert ssdlite.schedule(0.0, 0.0) == 1
    assert ssdlite.schedule(0.025, 0.05) == 0.5
    assert ssdlite.schedule(0.05, 0.05) == 1
    assert ssdlite.schedule(0.5, 0.0) == pytest.approx(0.5)
    assert ssdlite.schedule(1.0, 0.05) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("script", [effdet_lite, yolo26n, yolox_nano, ssdlite])
def test_every_contestant_has_eight_settings_that_json_keeps(script):
    assert len(script.SEARCH) == 8
    assert len({json.dumps(one, sort_keys=True) for one in script.SEARCH}) == 8
    for setting in (script.AS_IT_COMES, *script.SEARCH):
        assert json.loads(json.dumps(setting)) == setting


@pytest.mark.parametrize("setting", [effdet_lite.AS_IT_COMES, *effdet_lite.SEARCH])
def test_settings_of_this_package_are_legal(setting):
    from effdet_lite.settings import TrainConfig

    options = {name: value for name, value in setting.items() if name != "vertical_flip"}
    assert TrainConfig(**options).image_size == tuple(setting["size"])
