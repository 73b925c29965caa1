"""A picture of the learner's own, and what the detectors on this machine find in it."""

import functools
import io
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.cbook import get_sample_data
from PIL import Image
from torch import Tensor
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights
from torchvision.ops import nms

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.places import cache_folder
from effdet_lite.predict import detect_photo
from effdet_lite.pretrained import from_pretrained, published_url
from effdet_lite.scaling import EFFICIENTDETS
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.found import CELL_NAMES, OVERLAP, counted_names, draw_named
from effdet_lite.teach.kit.plots import new_panels, styled
from effdet_lite.teach.kit.shared import one_thread, shipped
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n00_start import CLASS_COLORS, FOUND

# Detectors: two that were trained for this course, and the published EfficientDet-D0.
CELLS, SHAPES, THINGS = "blood cells", "shapes", "everyday things"
FILES = {CELLS: "bccd", SHAPES: "shapes"}  # of those that come with the course
MOST = 30  # boxes: more would hide the picture


def example_photograph() -> Tensor:
    """A portrait of the computer pioneer Grace Hopper, uint8 [3, H, W]: a photograph of the U.S.
    Navy, in the public domain, that comes with matplotlib.
    """
    with Image.open(io.BytesIO(example_file())) as image:
        return torch.from_numpy(np.array(image.convert("RGB")).transpose(2, 0, 1).copy())


def example_file() -> bytes:
    """The JPEG file of `example_photograph`."""
    with get_sample_data("grace_hopper.jpg") as file:
        return file.read()


def detectors_at_hand() -> list[str]:
    """The names of the detectors that are on this machine. The published one is among them once
    somebody has fetched it.
    """
    try:
        has_weights = (cache_folder() / published_url("d0").rpartition("/")[2]).is_file()
    except FileNotFoundError:  # there is no home folder
        has_weights = False
    return [CELLS, SHAPES, *([THINGS] if has_weights else [])]


@functools.cache
def detector_named(name: str) -> tuple[EfficientDet, tuple[int, int], Sequence[str]]:
    """A detector of `detectors_at_hand`, the size of its pictures, and its classes."""
    if name == THINGS:
        # EfficientDet's labels count from 0, and COCO's ids from 1.
        classes = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"][1:]
        side = EFFICIENTDETS["d0"].resolution
        return from_pretrained("d0", progress=False), (side, side), classes
    model, about = shipped(FILES[name])
    return model, about["size"], [CELL_NAMES.get(one, one) for one in about["classes"]]


def colors_of(name: str) -> Sequence[str]:
    """The colors of the boxes of a detector of `detectors_at_hand`, by class in turn."""
    return CLASS_COLORS if name == CELLS else FOUND


def boxes_on_picture(picture: Tensor | None, detector: str, threshold: float) -> View:
    """What a detector finds with a score of `threshold` or more in a picture [3, H, W], 0-1 or
    uint8, of any size. Raises ValueError where there is none yet.
    """
    if picture is None:
        raise ValueError("drop a picture first.")
    found, classes = found_in(picture, detector, threshold), detector_named(detector)[2]
    names = ", ".join(counted_names(found["labels"], classes))
    figure = _figure(picture, found, classes, colors_of(detector))
    return View(figure, f"The detector finds {names}.", {"it finds": names})


def found_in(picture: Tensor, detector: str, threshold: float) -> dict:
    """What `boxes_on_picture` shows: boxes in pixels of the picture, best first. The best answer of
    all classes speaks for its place.
    """
    model, size, _ = detector_named(detector)
    if picture.is_floating_point():
        picture = (picture * 255).round().byte()
    with one_thread():
        found = detect_photo(model, picture, size, score_threshold=threshold, iou_threshold=OVERLAP)
    kept = nms(found["boxes"], found["scores"], OVERLAP)[:MOST]
    return {name: value[kept] for name, value in found.items()}


@styled
def _figure(picture: Tensor, found: dict, classes: Sequence[str], colors: Sequence[str]):
    height, width = picture.shape[-2:]
    scale = 4.0 / max(height, width)
    figure, (axis,) = new_panels(max(1, width * scale), max(1, height * scale), (0, 0, 1, 1))
    draw_picture(axis, picture)
    draw_named(axis, found, classes, colors)
    return figure
