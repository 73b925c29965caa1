"""Photographs in, objects out: a trained detector on pictures of any size, and its answers as a
COCO file.

Format: https://cocodataset.org/#format-data, with the "score" of
https://cocodataset.org/#format-results; one file that `data.CocoFolder` opens, and whose
annotations pycocotools' `loadRes` takes.
"""

import json
import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F
from tqdm.auto import tqdm

from effdet_lite.data import eval_transforms
from effdet_lite.data.pictures import SUFFIXES, list_pictures, read_picture
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.files import ensure_writable, whole_file
from effdet_lite.places import expanded

DETECTIONS = "detections.json"
DRAWING_SIDE = 1200  # pixels: the longer side of a drawing is at most this
NAME_BYTES = 200  # of the 255 that file systems take, so that a temporary name has room

# A photo, uint8 [3, H, W]; what was found on it, boxes in its pixels; the classes -> a PNG's bytes.
Draw = Callable[[Tensor, dict, Sequence[str]], bytes]


class Report(NamedTuple):
    """What came of `detect_photos`: how many objects on how many photos, and a sentence for each
    photo that could not be read; `full`: the photos that have as many boxes as were allowed.
    """

    objects: int
    photos: int
    unread: list[str]
    full: list[Path]


def find_photos(places: Iterable[str | Path]) -> list[Path]:
    """The files that are named, and the pictures in the folders that are, each once.

    Hidden files are no pictures: macOS keeps a "._a.jpg" beside "a.jpg". FileNotFoundError where
    there is nothing.
    """
    photos: dict[str, Path] = {}
    for place in map(expanded, places):
        if place.is_dir():
            inside, _ = list_pictures(place)
            if not inside:
                raise FileNotFoundError(
                    f"there is no picture in {place}; known are {', '.join(sorted(SUFFIXES))}."
                )
        elif place.is_file():
            inside = [place]
        else:
            raise FileNotFoundError(f"there is no photo {place}.")
        for photo in inside:
            photos.setdefault(os.path.realpath(photo), photo)
    return list(photos.values())


def passed_over(places: Iterable[str | Path]) -> list[Path]:
    """What stands in the folders that are named and is no picture by its name: files, folders."""
    others = []
    for place in map(expanded, places):
        if place.is_dir():
            pictures = set(list_pictures(place)[0])
            inside = (path for path in place.iterdir() if not path.name.startswith("."))
            others += sorted(path for path in inside if path not in pictures)
    return others


def check_output(places: Iterable[str | Path], folder: str | Path) -> None:
    """Raise ValueError if the photos come from the very folder that is written to: there the next
    run would take the drawings for photos. WriteError if nothing can be written there.
    """
    folder = Path(folder)
    for place in map(expanded, places):
        if place.is_dir() and folder.is_dir() and place.samefile(folder):
            raise ValueError(
                f"the photos are in {place}, so the drawings cannot go there too: pass another "
                "--output."
            )
    ensure_writable(folder / DETECTIONS)


def drawing_paths(photos: Sequence[Path], folder: str | Path) -> list[Path]:
    """Where each photo's drawing goes: NAME.ext.png in folder, NAME-2.ext.png for the second.

    One file for each photo and never a photo's own, also where a file system takes capitals for
    small letters, or two ways to write an umlaut for one.
    """
    folder = Path(folder)
    within = os.path.realpath(folder)
    taken = {_same(within, DETECTIONS)}
    for photo in photos:
        taken |= {_same(os.path.realpath(photo)), _same(os.path.realpath(photo.parent), photo.name)}
    paths, last_number = [], {}
    for photo in photos:
        stem, suffix = photo.stem, photo.suffix
        if len(os.fsencode(photo.name)) > NAME_BYTES - len("-1000000.png"):
            stem, suffix = stem[: NAME_BYTES // 8], suffix[: NAME_BYTES // 16]
        first = _same(within, stem + suffix)
        number, name = last_number.get(first, 1), f"{stem}{suffix}.png"
        while _same(within, name) in taken or (folder / name).is_dir():
            number += 1
            name = f"{stem}-{number}{suffix}.png"
        last_number[first] = number
        taken.add(_same(within, name))
        paths.append(folder / name)
    return paths


def _same(*parts: str) -> str:
    return unicodedata.normalize("NFC", os.path.join(*parts)).casefold()


def detect_photos(
    model: EfficientDet,
    about: dict,
    photos: Sequence[Path],
    folder: str | Path,
    draw: Draw,
    *,
    max_detections: int = 100,
    progress: bool = True,
    **thresholds,
) -> Report:
    """Find objects on photos; write each photo with its boxes, and detections.json, to folder.

    model, about: of `load_detector`; thresholds: score_threshold and iou_threshold of `detect`. A
    photo that cannot be read does not take the others with it. Raises WriteError.
    """
    folder = Path(folder)
    names, sizes, detections, unread, full = [], [], [], [], []
    drawings = drawing_paths(photos, folder)
    pairs = zip(photos, drawings, strict=True)
    for path, drawing in tqdm(pairs, "detect", len(photos), unit="photo", disable=not progress):
        try:
            photo = read_photo(path)
        except (ValueError, OSError) as error:
            unread.append(str(error))
            continue
        found = detect_photo(
            model, photo, about["size"], max_detections=max_detections, **thresholds
        )
        picture = draw(*_for_drawing(photo, found), about["classes"])
        with whole_file(drawing) as temporary:
            temporary.write_bytes(picture)
        names.append(str(path))
        sizes.append(tuple(photo.shape[-2:]))
        detections.append(found)
        if len(found["labels"]) >= max_detections:
            full.append(path)
    document = coco_document(names, sizes, detections, about["classes"])
    write_json(folder / DETECTIONS, document)
    return Report(len(document["annotations"]), len(names), unread, full)


def _for_drawing(photo: Tensor, found: dict) -> tuple[Tensor, dict]:
    """The photo, and the boxes in its pixels, small enough to draw: a large photo would take
    gigabytes as numbers of a figure.
    """
    height, width = photo.shape[-2:]
    scale = min(1, DRAWING_SIDE / max(height, width))
    if scale == 1:
        return photo, found
    size = [max(1, round(height * scale)), max(1, round(width * scale))]
    factors = torch.tensor([size[1] / width, size[0] / height] * 2)
    return F.resize(photo, size, antialias=True), found | {"boxes": found["boxes"] * factors}


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
    # None in the border below or beside the photo.
    boxes = torch.minimum(boxes, torch.tensor([width, height] * 2))
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
    """Write a JSON file whole or not at all: what stood there stays until all of the new one is
    there.
    """
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(document), encoding="utf-8")
