"""The third program for one AP, in notebook 09: COCO's own, where it is installed."""

import contextlib
import io
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from effdet_lite.missing import how_to_install
from effdet_lite.teach.nb.n09_results import CLASSES


def with_pycocotools(detections: Sequence[dict], targets: Sequence[dict]) -> tuple[float, float]:
    """(AP50, AP) as pycocotools computes them. Raises ImportError where it is not installed."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotations, rows = [], []
    for picture, (found, target) in enumerate(zip(detections, targets, strict=True)):
        for box, label in zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True):
            one = {"id": len(annotations) + 1, "image_id": picture, "category_id": label + 1}
            x, y, width, height = _xywh(box)
            one |= {"bbox": [x, y, width, height], "area": width * height, "iscrowd": 0}
            annotations.append(one)
        columns = (found[name].tolist() for name in ("boxes", "scores", "labels"))
        for box, score, label in zip(*columns, strict=True):
            rows.append([picture, *_xywh(box), score, label + 1])
    truth = COCO()
    truth.dataset = {
        "images": [{"id": picture} for picture in range(len(targets))],
        "categories": [{"id": label + 1} for label in range(len(CLASSES))],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(np.array(rows)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    ap, ap50 = evaluation.stats[:2]
    return float(ap50), float(ap)


def _xywh(box: Sequence[float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    return left, top, right - left, bottom - top


def show_pycocotools(detections: Sequence[dict], targets: Sequence[dict]) -> None:
    """Print its AP50 and AP, or how to get it."""
    if find_spec("pycocotools"):
        ap50, ap = with_pycocotools(detections, targets)
        print(f"pycocotools: AP50 {ap50:.6f}, AP {ap:.6f}")
    else:
        remedy = how_to_install(["pycocotools"])
        print(f"pycocotools is not installed here: type {remedy}, then run this again.")
