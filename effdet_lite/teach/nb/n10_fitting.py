"""Notebook 10 on what happens to a picture and to class numbers on their way into a detector."""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from PIL import Image
from torchvision import tv_tensors
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights
from torchvision.transforms.v2 import functional as F

from effdet_lite.data import CocoFolder, eval_transforms
from effdet_lite.data.folders import Sample
from effdet_lite.data.pictures import open_picture
from effdet_lite.teach.kit.boxes import draw_boxes
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import new_figure, styled

WAYS = ("resized and cut", "stretched", "letterbox")
TARGET = (192, 192)  # height and width in px of the network's input


def fitted(
    image: torch.Tensor, boxes: torch.Tensor, way: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A picture uint8 [3, H, W] and its boxes [n, 4], xyxy, brought to TARGET in one of WAYS; and
    for each box whether any of it is left (the others are not given).

    "letterbox" is what the package does, `FitInside`.
    """
    height, width = image.shape[-2:]
    boxes = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(height, width))
    image = tv_tensors.Image(image)
    if way == "letterbox":
        image, target = eval_transforms(TARGET)(
            image, {"boxes": boxes, "labels": torch.zeros(len(boxes), dtype=torch.int64)}
        )
        boxes = target["boxes"].as_subclass(torch.Tensor)
        return image.as_subclass(torch.Tensor), boxes, torch.ones(len(boxes), dtype=torch.bool)
    if way == "stretched":
        image, boxes = (F.resize(one, list(TARGET), antialias=True) for one in (image, boxes))
    else:
        short = TARGET[0] / min(height, width)
        size = [round(height * short), round(width * short)]
        image, boxes = (F.resize(one, size, antialias=True) for one in (image, boxes))
        image, boxes = (F.center_crop(one, list(TARGET)) for one in (image, boxes))
    boxes = boxes.as_subclass(torch.Tensor)
    seen = (boxes[:, 2:] > boxes[:, :2]).all(1)
    return image.as_subclass(torch.Tensor).float() / 255, boxes[seen], seen


@styled
def show_ways(sample: Sample, classes: tuple[str, ...]) -> None:
    """One picture in the three ways, and as it is."""
    photo = open_picture(sample.path, upright=sample.upright)
    image = torch.from_numpy(np.array(photo)).permute(2, 0, 1)
    boxes = torch.as_tensor(sample.boxes)
    figure, axes = new_figure(1, 4, width=9.4, height=2.7)
    _panel(axes[0, 0], image, boxes, sample.labels, classes, "the file")
    for axis, way in zip(axes[0, 1:], WAYS, strict=True):
        small, moved, seen = fitted(image, boxes, way)
        _panel(axis, small, moved, sample.labels[seen.numpy()], classes, way)
    show(
        figure,
        "One picture as it is; resized and cut, which loses both ends; stretched, which makes "
        "round things narrow; and as a letterbox, whole and in shape, with a black edge.",
        photo=True,
    )


def _panel(axis: Axes, image, boxes, labels, classes, title: str) -> None:
    draw_boxes(image, boxes, labels, classes, axis=axis, words=False)
    height, width = image.shape[-2:]
    axis.set_title(f"{title}, {width} × {height}", fontsize=10)


# --- class numbers ---


def numbers_in_this_package(ids: dict[int, str]) -> dict[int, int]:
    """{number in a COCO file: label here}, as `CocoFolder` reads it. ids: the file's classes."""
    document = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": number, "bbox": [1, 1, 5, 5]}
            for number in ids
        ],
        "categories": [{"id": number, "name": name} for number, name in ids.items()],
    }
    with tempfile.TemporaryDirectory() as folder:
        Image.new("RGB", (8, 8)).save(Path(folder, "a.png"))
        path = Path(folder, "labels.json")
        path.write_text(json.dumps(document), encoding="utf-8")
        return {number: label for label, number in enumerate(CocoFolder(folder, path).category_ids)}


def show_class_numbers() -> None:
    """Which number four programs give to COCO's classes."""
    names = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    real = [name for name in names if name not in ("__background__", "N/A")]
    person, last = names.index("person"), names.index(real[-1])
    here = numbers_in_this_package({person: "person", 17: "cat", last: real[-1]})
    outputs = len(names) - 1
    rows = [
        ["COCO's file", f"{person} to {last}, {outputs - len(real)} numbers unused", person, last],
        ["torchvision's detectors", f"{len(names)} outputs; 0 is background", person, last],
        ["published EfficientDet", f"{outputs} outputs from 0", person - 1, last - 1],
        ["most YOLO programs", f"{len(real)} outputs from 0", 0, len(real) - 1],
        ["this package, a file with 3 of them", "3 outputs from 0", here[person], here[last]],
    ]
    table(["program", "numbers", "person", real[-1]], rows)
