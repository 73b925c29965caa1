"""Photographs in, objects out: a trained detector on pictures of any size, and its answers as a
COCO file.

Format: https://cocodataset.org/#format-data, with the "score" of
https://cocodataset.org/#format-results; one file that `data.CocoFolder` opens, and whose
annotations pycocotools' `loadRes` takes.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torchvision import tv_tensors

from effdet_lite.data import eval_transforms
from effdet_lite.data.pictures import SUFFIXES, read_picture
from effdet_lite.efficientdet import EfficientDet


def find_photos(places: Iterable[str | Path]) -> list[Path]:
    """The files that are named, and the pictures in the folders that are. FileNotFoundError where
    there is nothing.
    """
    photos = []
    for place in map(Path, places):
        if place.is_dir():
            inside = sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES)
            if not inside:
                raise FileNotFoundError(
                    f"there is no picture in {place}; known are {', '.join(sorted(SUFFIXES))}."
                )
            photos += inside
        elif place.is_file():
            photos.append(place)
        else:
            raise FileNotFoundError(f"there is no photo {place}.")
    return photos


def read_photo(path: str | Path) -> Tensor:
    """A picture as uint8 [3, H, W], upright. Raises ValueError for a file that is no picture, or a
    broken one.
    """
    return torch.from_numpy(read_picture(path))


def detect_photo(
    model: EfficientDet, photo: Tensor, size: tuple[int, int], **options
) -> dict[str, Tensor]:
    """What `EfficientDet.detect` finds on a photo, uint8 [3, H, W], with boxes in the photo's own
    pixels.

    size: (height, width) that the model was trained at, into which the photo is fitted; options: of
    `detect`.
    """
    height, width = photo.shape[-2:]
    image = eval_transforms(size)(tv_tensors.Image(photo)).as_subclass(Tensor)
    device = next(model.parameters()).device
    (found,) = model.detect(image[None].to(device), **options)
    scale = min(size[0] / height, size[1] / width)
    # As `FitInside` rounds: each side by itself.
    shown = torch.tensor([max(1, round(width * scale)), max(1, round(height * scale))] * 2)
    boxes = found["boxes"].cpu() * (torch.tensor([width, height] * 2) / shown)
    boxes = torch.minimum(
        boxes, torch.tensor([width, height] * 2)
    )  # none in the border below or beside the photo
    seen = (boxes[:, 2:] > boxes[:, :2]).all(1)
    return {
        "boxes": boxes[seen],
        "scores": found["scores"].cpu()[seen],
        "labels": found["labels"].cpu()[seen],
    }


def coco_document(
    names: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    detections: Sequence[dict],
    classes: Sequence[str],
) -> dict:
    """A COCO file's content. names, sizes (height, width) and detections: of each photo; ids count
    from 1.
    """
    annotations = []
    for image_id, found in enumerate(detections, 1):
        values = zip(
            found["boxes"].tolist(), found["scores"].tolist(), found["labels"].tolist(), strict=True
        )
        for (left, top, right, bottom), score, label in values:
            width, height = right - left, bottom - top
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": label + 1,
                    "score": score,
                    "bbox": [left, top, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
    return {
        "images": [
            {"id": image_id, "file_name": name, "height": height, "width": width}
            for image_id, (name, (height, width)) in enumerate(zip(names, sizes, strict=True), 1)
        ],
        "categories": [{"id": label, "name": name} for label, name in enumerate(classes, 1)],
        "annotations": annotations,
    }


def write_json(path: str | Path, document: dict) -> None:
    """Write a JSON file atomically: what stood there stays until all of the new one is there."""
    partial = Path(path).with_name(f".{Path(path).name}.partial")
    partial.write_text(json.dumps(document), encoding="utf-8")
    os.replace(partial, path)
