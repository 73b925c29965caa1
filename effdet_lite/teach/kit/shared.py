"""What the explorers of several notebooks work with: the shipped detectors, the test pictures, what
a detector finds in one, the anchors that fit a box best, and the outline of an EfficientNet.

All of it is made when it is first asked for, and then kept.
"""

import contextlib
import functools
import weakref
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision.ops import nms

from effdet_lite.checkpoint import load_detector
from effdet_lite.cost import Cost
from effdet_lite.costs import cost_by_stage
from effdet_lite.data import ShapesDetection
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.efficientnet import B0_HEAD, B0_STEM, Stage, scaled_stages
from effdet_lite.layers import squeezed_channels
from effdet_lite.places import shipped_detector
from effdet_lite.scaling import EfficientNetConfig, round_channels
from effdet_lite.teach.kit.drawings import Map

KEPT = 64  # answers of one model to one data set


@functools.cache
def shipped(name: str = "shapes") -> tuple[EfficientDet, dict]:
    """A detector that comes with the course, and its file's header."""
    return load_detector(shipped_detector(name))


@functools.cache
def unseen_pictures() -> ShapesDetection:
    """200 pictures of 128 × 128 px, which no training saw."""
    return ShapesDetection("test", cache=True)


# --- what a detector finds ---


def weights_digest(model: nn.Module) -> int:
    """A checksum of all parameters and buffers, a millisecond for each million: other weights,
    another number.
    """
    digest = 0
    for tensor in (*model.parameters(), *model.buffers()):
        raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest = zlib.crc32(raw.numpy(), digest)
    return digest


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One thread inside the `with` block: for a single small picture, threads that wait for each
    other take longer than one that does all (27 ms in place of 42 with the detector of phi = 0).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# By model and by data set, as long as somebody holds both: {question: answer}, and for which
# weights.
_ANSWERS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def detect_once(
    model: EfficientDet,
    dataset: Dataset,
    index: int,
    *,
    iou_threshold: float = 0.5,
    across_classes: bool = True,
    max_detections: int = 100,
) -> tuple[Tensor, dict, dict]:
    """(image, target, what the model finds with a score of at least .1, best first).

    Computed once for each picture, as long as the model's weights stay the same. `detect` lets
    each class answer for itself; across_classes: the best answer of all classes speaks for its
    place.
    """
    digest = weights_digest(model)
    of_model = _ANSWERS.get(model)
    if of_model is None or of_model[0] != digest:
        of_model = _ANSWERS[model] = (digest, weakref.WeakKeyDictionary())
    answers = of_model[1].setdefault(dataset, {})
    question = (index, iou_threshold, across_classes, max_detections)
    if question not in answers:
        if len(answers) >= KEPT:
            del answers[next(iter(answers))]
        image, target = dataset[index]
        with one_thread():
            (found,) = model.detect(
                image[None],
                score_threshold=0.1,
                iou_threshold=iou_threshold,
                max_detections=max_detections,
            )
        if across_classes:
            kept = nms(found["boxes"], found["scores"], iou_threshold)
            found = {name: value[kept] for name, value in found.items()}
        answers[question] = (image, target, found)
    return answers[question]


# --- what an EfficientNet is made of ---


class Outline(NamedTuple):
    """An EfficientNet by stem (0), stages (1-7) and head (8): each as a row of the table, its cost,
    and its map.
    """

    table: list[Stage]
    costs: list[Cost]
    maps: list[Map]


def outline(config: EfficientNetConfig) -> Outline:
    """What the network of this configuration is made of; by arithmetic, for an image of its own
    resolution.
    """
    table = [  # with the stem and the head in the same terms
        Stage(1, round_channels(B0_STEM * config.width), 1, 3, 2),
        *scaled_stages(config.width, config.depth),
        Stage(1, round_channels(B0_HEAD * config.width), 1, 1, 1),
    ]
    costs = cost_by_stage(config.width, config.depth, config.resolution)
    names, total = ["stem", *(f"stage {number}" for number in range(1, 8)), "head"], sum(costs).macs
    maps, side = [], config.resolution
    for name, row, part in zip(names, table, costs, strict=True):
        side = -(-side // row.stride)
        maps.append(Map(name, side, row.channels, row.blocks, part.macs / total))
    return Outline(table, costs, maps)


def efficientnet_activations(config: EfficientNetConfig) -> int:
    """Numbers that all convolutions of the network put out for one image. Training keeps them,
    and the inputs of norms and activation functions as well.
    """
    table, _, maps = outline(config)
    total, side, c_in = maps[0].side ** 2 * table[0].channels, maps[0].side, table[0].channels
    for row, after in zip(table[1:8], maps[1:8], strict=True):
        for before, incoming in [(side, c_in)] + [(after.side, row.channels)] * (row.blocks - 1):
            wide = incoming * row.expand_ratio
            if row.expand_ratio > 1:
                total += wide * before**2  # the 1x1 convolution that widens
            total += (wide + row.channels) * after.side**2
            total += squeezed_channels(incoming) + wide  # squeeze-and-excitation
        side, c_in = after.side, row.channels
    return total + maps[8].side ** 2 * table[8].channels
