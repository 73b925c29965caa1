"""What the experiments on small classifiers share: crops, training and accuracy."""

import functools
import math
from collections.abc import Callable, Iterable, Sequence

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from effdet_lite.data import ShapesDetection
from effdet_lite.optimizing import learning_rate, make_optimizer
from effdet_lite.settings import TrainConfig

CROP = 24  # side of a crop in pixels
LAST = 50  # steps of which the mean loss is kept


@functools.lru_cache(maxsize=4)
def crops(split: str, pictures: int) -> tuple[Tensor, Tensor]:
    """Every object of the first `pictures` pictures of shapes, as a small image of its own.

    split: "train", "val" or "test". Returns images [n, 3, CROP, CROP] in about 0-1 and their
    classes [n], indices into `data.shapes.CLASSES`. Kept, so leave them as they are.
    """
    images, labels = [], []
    dataset = ShapesDetection(split, length=pictures)
    for image, target in (dataset[index] for index in range(pictures)):
        boxes = target["boxes"].as_subclass(Tensor)
        image = image.as_subclass(Tensor)[None]
        images.append(
            torchvision.ops.roi_align(image, [boxes], CROP, sampling_ratio=2, aligned=True)
        )
        labels.append(target["labels"].as_subclass(Tensor))
    return torch.cat(images), torch.cat(labels)


def batches(images: Tensor, labels: Tensor, recipe: TrainConfig) -> Iterable[tuple]:
    """(images, labels) of each step, drawn by chance, any of them more than once.

    The recipe's seed decides which.
    """
    random = torch.Generator().manual_seed(recipe.seed)
    for _ in range(recipe.steps):
        some = torch.randint(len(images), (recipe.batch_size,), generator=random)
        yield images[some], labels[some]


def fit(
    network: nn.Module,
    recipe: TrainConfig,
    batches: Iterable[tuple],
    watch: Callable[[], None] | None = None,
) -> list[float]:
    """Train a classifier in place with the package's optimizer and schedule; the loss of each step.

    batches: (images, labels) of each step. watch: called in each step while the gradients are
    there as they came, before they are clipped. A training whose loss or gradient is no finite
    number stops before that step changes the weights, so its list is shorter than `recipe.steps`.
    """
    optimizer = make_optimizer(network, recipe)
    losses = []
    for step, (images, labels) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe)
        loss = F.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        if watch is not None:
            watch()
        norm = nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
            break
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def accuracy(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """The share of images whose class the network finds, 0-1, rounded; it ends in evaluation
    mode. batches: (images, labels), each image once.
    """
    network.eval()
    correct = total = 0
    for images, labels in batches:
        correct += (network(images).argmax(1) == labels).sum().item()
        total += len(labels)
    return round(correct / total, 4)


def in_parts(images: Tensor, labels: Tensor, size: int = 256) -> Iterable[tuple[Tensor, Tensor]]:
    """The same images and labels, some at a time, for `accuracy`."""
    return zip(images.split(size), labels.split(size), strict=True)


def mean_of_last(losses: Sequence[float], steps: int = LAST) -> float | None:
    """The mean loss of the last steps, rounded; None where there is no step."""
    last = losses[-steps:]
    return round(sum(last) / len(last), 4) if last else None
