"""What notebook 08 trains: the small detector, and the pictures that it learns from and is judged
by.
"""

import functools
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from effdet_lite.beginning import new_model
from effdet_lite.data import ShapesDetection
from effdet_lite.data.shapes import CLASSES
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.evaluation import coco_ap
from effdet_lite.settings import TrainConfig

# ϕ = −2.5, but for a backbone that is narrower, shallower and fused: a step of it takes two thirds
# of the time that one of the network of shapes.safetensors takes.
SMALL = {"phi": -2.5, "size": (128, 128), "width": 0.564, "depth": 0.335, "fused_stages": 6}
SIDE = 128  # px
ALPHA, GAMMA = 0.5, 1.5  # of the focal loss, as the small detectors are trained
BATCH = 8

Batch = tuple[Tensor, list[dict[str, Tensor]]]


@functools.cache
def pictures(split: str, number: int | None = None) -> ShapesDetection:
    """The first pictures of "train", "val" or "test", or all that are counted there, kept in
    memory.
    """
    return ShapesDetection(split, SIDE, number, cache=True)


def fresh_detector(seed: int = 0) -> EfficientDet:
    """The small detector before its first step; the same for the same seed."""
    return new_model(TrainConfig(**SMALL, seed=seed), CLASSES)


def batch_of(dataset: Dataset, indices: Iterable[int]) -> Batch:
    """(images [n, 3, H, W], n targets) of these pictures."""
    items = [dataset[index] for index in indices]
    targets = [
        {"boxes": target["boxes"].as_subclass(Tensor), "labels": target["labels"]}
        for _, target in items
    ]
    return torch.stack([image.as_subclass(Tensor) for image, _ in items]), targets


@functools.cache
def training_batches(steps: int, size: int = BATCH) -> Sequence[Batch]:
    """The first batches of the training pictures; no picture comes twice."""
    train_set = pictures("train")
    return [batch_of(train_set, range(step * size, (step + 1) * size)) for step in range(steps)]


def ap50(model: EfficientDet, dataset: Dataset) -> float:
    """AP50 of the model, in evaluation mode, on a data set."""
    return coco_ap(model, dataset, progress=False)["ap50"]
