"""What several test modules measure by, and what they make to measure it on.

The oracles are programs of others: pycocotools for COCO's figures, effdet for anchors and labels,
torch's own counter for multiply-adds. Each is fed on a path of its own, so that a mistake of ours
is not made twice. effdet and pycocotools are imported where they are used: effdet loads timm, which
takes seconds.
"""

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from effdet_lite.graphs import FusionGraph, Node

# effdet writes its boxes as (y, x, y, x): box[:, YX] turns one order into the other.
YX = [1, 0, 3, 2]

# --- networks ---


def parameters(module: nn.Module) -> int:
    """How many numbers there are to learn."""
    return sum(parameter.numel() for parameter in module.parameters())


def macs(function: Callable, *inputs) -> int:
    """Multiply-adds of `function(*inputs)`, a module or anything else, by torch's own counter.

    It counts none in a norm, which on the meta device takes most of the time, so norms are left
    out.
    """
    without_norms = mock.patch.object(nn.BatchNorm2d, "forward", lambda norm, x: x)
    with without_norms, FlopCounterMode(display=False) as counter, torch.no_grad():
        function(*inputs)
    return counter.get_total_flops() // 2


def lively(module: nn.Module) -> nn.Module:
    """The module in evaluation mode, with statistics and weights of their own in every norm.

    A fresh norm is nearly the identity, and hides what is wrong around it.
    """
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.running_mean, norm.bias.data):
                tensor.normal_(0, 0.5)
            for tensor in (norm.running_var, norm.weight.data):
                tensor.uniform_(0.5, 2)
    return module.eval()


def lively_detector(model: nn.Module, images: Tensor) -> nn.Module:
    """The detector in evaluation mode, with the norm statistics of these images.

    Its class logits have a deviation near 1.5, and its offsets one near 0.3.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = 1.0  # the statistics of this one batch
        model.train()(images)
        for norm in norms:
            # On the coarsest maps there are few values, which may be nearly equal.
            norm.running_var += 0.1
        logits, deltas = model.eval()(images)
        model.class_head.predict.pointwise.weight *= 1.5 / logits.std()
        model.box_head.predict.pointwise.weight *= 0.3 / deltas.std()
    return model


# --- anchors and labels, by effdet ---


def effdet_anchors(height, width, levels=(3, 7), scale=4.0):
    """effdet's own `Anchors`; levels: the finest and the coarsest."""
    from effdet.anchors import Anchors

    return Anchors(
        *levels,
        num_scales=3,
        aspect_ratios=[(1.0, 1.0), (1.4, 0.7), (0.7, 1.4)],
        anchor_scale=scale,
        image_size=(height, width),
    )


@functools.cache
def _labeler(height, width, levels, scale, threshold):
    from effdet.anchors import AnchorLabeler

    anchors = effdet_anchors(height, width, levels, scale)
    return AnchorLabeler(anchors, num_classes=90, match_threshold=threshold)


def effdet_match(height, width, boxes, labels, levels=(3, 7), scale=4.0, threshold=0.5):
    """effdet's labels [A] of an image's anchors, -1 for background, and its offsets [A, 4] as
    (dx, dy, dw, dh).
    """
    labeler = _labeler(height, width, tuple(levels), scale, threshold)
    classes, offsets, positives = labeler.label_anchors(boxes[:, YX], labels + 1)
    classes = torch.cat([level.flatten() for level in classes])
    offsets = torch.cat([level.reshape(-1, 4) for level in offsets])[:, YX]
    assert positives == (classes >= 0).sum()
    return classes, offsets


def effdet_assign(anchors, boxes, labels, threshold=0.5):
    """The same for any anchors [A, 4].

    Every object must overlap one of them: effdet gives anchor 0 to one that does not.
    """
    from effdet.object_detection.box_list import BoxList

    assigner = _labeler(64, 64, (3, 7), 4.0, threshold).target_assigner
    classes, offsets, _ = assigner.assign(
        BoxList(anchors[:, YX]), BoxList(boxes[:, YX]), labels + 1
    )
    return classes.long() - 1, offsets[:, YX]


# --- COCO's figures, by pycocotools ---

EVERY_SIZE = 1e10


def pycocotools(
    detections: Sequence[dict],
    targets: Sequence[dict],
    num_classes: int,
    *,
    area_cuts: tuple[float, float] = (32, 96),
    max_detections: int = 100,
    ious: Sequence[float] | None = None,
):
    """A pycocotools `COCOeval` that has evaluated and accumulated, and has printed nothing.

    detections: {"boxes", "labels", "scores"} of each image; targets: {"boxes", "labels"} of each,
    and "image_id" if there is one, "crowd_boxes" and "crowd_labels" if there are crowds. Category
    ids are labels + 1. area_cuts: the sides in pixels that part small, medium and large boxes.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = COCO()
    truth.dataset = {"images": [], "annotations": [], "categories": []}
    for label in range(num_classes):
        truth.dataset["categories"].append({"id": label + 1, "name": str(label)})
    rows = []
    for number, (found, target) in enumerate(zip(detections, targets, strict=True)):
        image_id = int(target.get("image_id", number))
        truth.dataset["images"].append({"id": image_id})
        for box, label, crowd in _objects(target):
            row = {"image_id": image_id, "category_id": label + 1, "iscrowd": crowd}
            row |= {"bbox": box, "area": box[2] * box[3]}
            truth.dataset["annotations"].append(row)
        for box, label, score in zip(
            _as_xywh(found["boxes"]),
            found["labels"].tolist(),
            found["scores"].tolist(),
            strict=True,
        ):
            rows.append([image_id, *box, score, label + 1])
    for number, row in enumerate(truth.dataset["annotations"]):
        row["id"] = number + 1
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        results = truth.loadRes(np.array(rows, dtype=np.float64).reshape(-1, 7))
        oracle = COCOeval(truth, results, "bbox")
        small, large = (side**2 for side in area_cuts)
        oracle.params.areaRng = [
            [0, EVERY_SIZE],
            [0, small],
            [small, large],
            [large, EVERY_SIZE],
        ]
        oracle.params.maxDets = [1, 10, max_detections]
        if ious is not None:
            oracle.params.iouThrs = np.array(ious)
        oracle.evaluate()
        oracle.accumulate()
    return oracle


def _as_xywh(boxes: Tensor) -> list[list[float]]:
    return [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in boxes.double().tolist()]


def _objects(target: dict) -> Iterator[tuple[list[float], int, int]]:
    """(box as x, y, width, height; label; 1 for a crowd) of each object."""
    for box, label in zip(_as_xywh(target["boxes"]), target["labels"].tolist(), strict=True):
        yield box, label, 0
    if "crowd_boxes" in target:
        labels = target["crowd_labels"].tolist()
        for box, label in zip(_as_xywh(target["crowd_boxes"]), labels, strict=True):
            yield box, label, 1


# --- small folders of pictures ---


def write_pictures(folder: Path, number: int = 8) -> list[tuple[str, tuple[int, int, int, int]]]:
    """Pictures of 80 x 60 with one light square each, as (file name, its xyxy box)."""
    folder.mkdir(parents=True)
    found = []
    for index in range(number):
        x, y, side = 3 + 5 * index, 20 - 2 * index, 12 + 2 * index
        image = Image.new("RGB", (80, 60), (40, 10 * index, 80))
        corners = (x, y, x + side - 1, y + side - 1)
        ImageDraw.Draw(image).rectangle(corners, (250, 240, 90 + 20 * index))
        image.save(folder / f"p{index}.png")
        found.append((f"p{index}.png", (x, y, x + side, y + side)))
    return found


def write_coco(root: Path, *, boxes: bool = True, number: int = 8) -> str:
    """Make a small COCO folder, and return the `--data` that names it.

    It has classes square and circle, of which only squares occur; boxes: whether any is annotated.
    """
    document = {"images": [], "annotations": [], "categories": []}
    document["categories"] = [{"id": 7, "name": "square"}, {"id": 9, "name": "circle"}]
    for index, (name, (x1, y1, x2, y2)) in enumerate(write_pictures(root / "images", number)):
        image = {"id": index, "file_name": name, "width": 80, "height": 60}
        document["images"].append(image)
        if boxes:
            row = {"id": index, "image_id": index, "category_id": 7, "iscrowd": 0}
            document["annotations"].append(row | {"bbox": [x1, y1, x2 - x1, y2 - y1]})
    (root / "a.json").write_text(json.dumps(document), encoding="utf-8")
    return f"coco:{root / 'images'},{root / 'a.json'}"


def voc_object(name: str, xmin, ymin, xmax, ymax) -> str:
    """One object of a VOC annotation."""
    corners = {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax}
    box = "".join(f"<{key}>{value}</{key}>" for key, value in corners.items())
    return f"<object><name>{name}</name><bndbox>{box}</bndbox></object>"


def voc_annotation(objects: str, size: tuple[int, int] | None = None) -> str:
    """A VOC annotation of objects that `voc_object` made; size: width and height."""
    if size is None:
        return f"<annotation>{objects}</annotation>"
    width, height = size
    sides = f"<width>{width}</width><height>{height}</height>"
    return f"<annotation><size>{sides}</size>{objects}</annotation>"


def write_voc(root: Path) -> str:
    """Make a small VOC folder, 6 pictures in trainval and 2 in test; the `--data` that names it."""
    found = write_pictures(root / "JPEGImages")
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for name, corners in found:
        annotation = voc_annotation(voc_object("square", *corners), (80, 60))
        (root / "Annotations" / f"{Path(name).stem}.xml").write_text(annotation, encoding="utf-8")
    for split, part in (("trainval", found[:6]), ("test", found[6:])):
        stems = "\n".join(Path(name).stem for name, _ in part)
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text(stems, encoding="utf-8")
    return f"voc:{root}"


# --- commands in new processes ---

# Starts the command anew for each line that it reads. To import torch takes seconds, and a fork of
# this has it already. A line is JSON: what to do before the command begins (Python), the command's
# arguments, and a file for what it says.
NEW_PROCESSES = """
import json, os, sys, torch
from effdet_lite import cli, training
torch.set_num_threads(1)
for line in sys.stdin:
    before, arguments, said = json.loads(line)
    child = os.fork()
    if not child:
        sink = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(sink, 1), os.dup2(sink, 2)
        exec(before)
        cli.main(arguments)
        break
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class NewProcesses:
    """Runs `effdet-lite` commands, each in a process of its own, where os.fork exists."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", NEW_PROCESSES],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def start(self, arguments: Sequence[str], said: Path, before: str = "") -> int:
        """Start the command, which writes what it says to the file `said`; its process's id."""
        line = json.dumps([before, list(arguments), str(said)])
        print(line, file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def status(self) -> int:
        """The exit status of the command started last, when it has ended.

        Less than 0: the signal that killed it.
        """
        return int(self.process.stdout.readline())

    def close(self) -> None:
        """End the process that starts the others."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@st.composite
def any_graph(draw):
    """Any graph: nodes with inputs from anywhere before them, levels far apart included, listed in
    any order.
    """
    levels = list(range(draw(st.integers(1, 3)), draw(st.integers(5, 6)) + 1))
    extra = draw(st.lists(st.sampled_from(levels), max_size=4))
    known, nodes = [f"P{level}_in" for level in levels], []
    for index, level in enumerate(draw(st.permutations(levels + extra))):
        inputs = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
        nodes.append(Node(f"n{index}", level, tuple(inputs)))
        known.append(f"n{index}")
    return FusionGraph("any", tuple(draw(st.permutations(nodes))))
