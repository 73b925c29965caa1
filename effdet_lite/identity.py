"""What makes a training this one and no other: its settings, its kind of model and its pictures."""

import hashlib
import json
from dataclasses import asdict

from torch import Tensor, nn
from torch.utils.data import Dataset, Subset

from effdet_lite.data import DetectionDataset
from effdet_lite.randomness import own_numbers
from effdet_lite.settings import TrainConfig

# Where and how often files are written, what is tested, and by whom pictures are prepared: none of
# it changes the weights. Of the pictures, `fingerprint` says more than their names do.
FREE_TO_CHANGE = {
    "output",
    "save_every",
    "evaluate_every",
    "workers",
    "cache",
    "data",
    "test_data",
    "max_detections",
}


def identity(config: TrainConfig, train_set: Dataset, model: nn.Module) -> dict:
    """What must be as it was for a run to go on: settings, classes, the kind of detector and how
    many of its weights learn, and the pictures themselves.
    """
    settings = {name: value for name, value in asdict(config).items() if name not in FREE_TO_CHANGE}
    return settings | {
        "classes": list(train_set.classes),
        "detector": type(model).__name__,
        "trainable": sum(x.numel() for x in model.parameters() if x.requires_grad),
        "data": fingerprint(train_set),
    }


def identity_of_test(config: TrainConfig, test_set: Dataset | None) -> dict | None:
    """What the figures of a test depend on besides the weights; None without a test."""
    if test_set is None:
        return None
    return {"data": fingerprint(test_set), "max_detections": config.max_detections}


def fingerprint(dataset: Dataset) -> str:
    """A few letters that differ if the items do: the data set's own, where it has any.

    Of a data set that does not describe itself, its length and three of its items are looked at.
    """
    undescribed = getattr(type(dataset), "describe", None) is DetectionDataset.describe
    if hasattr(dataset, "fingerprint") and not undescribed:
        return dataset.fingerprint()
    if isinstance(dataset, Subset):
        parts = [fingerprint(dataset.dataset), *map(int, dataset.indices)]
    else:
        last = len(dataset) - 1
        parts = [len(dataset), *(_glance(dataset, index) for index in (0, last // 2, last))]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _glance(dataset: Dataset, index: int) -> list:
    """Size, brightness, labels and boxes of an item, rounded, since another machine may compute
    them a little otherwise; without what random augmentation changes from one look to the next.
    """
    looks = []
    for seed in (0, 1):
        with own_numbers(seed):
            image, target = dataset[index][:2]
        brightness = image.as_subclass(Tensor).double().mean((1, 2))
        looks.append(
            [
                list(image.shape),
                brightness.mul(100).round().tolist(),
                target["labels"].tolist(),
                target["boxes"].as_subclass(Tensor).double().mul(10).round().tolist(),
            ]
        )
    return [first for first, second in zip(*looks, strict=True) if first == second]
