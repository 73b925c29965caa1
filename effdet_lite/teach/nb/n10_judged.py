"""Notebook 10's look at a detector of the learner's own: its errors, and the file it goes into."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch.utils.data import Dataset

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.evaluation import KINDS, detect_dataset, error_kinds
from effdet_lite.missing import EXPORT, how_to_install, missing
from effdet_lite.teach.kit.boxes import image_grid
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.nb.n10_own_data import detections_agree

ADVICE = {
    "double": "a lower threshold for NMS, tighter labels",
    "wrong class": "more pictures of the rarer class",
    "badly placed": "tighter labels, anchors that fit, more steps",
    "both": "more steps",
    "background": "look: is there an object? Then label it",
    "missed": "more steps; if they are small, larger pictures",
}


def judge(model: EfficientDet, test_set: Dataset, least: float = 0.4) -> Counter:
    """Show the kinds of errors on the held-out pictures, and some of these; returns how many of
    each kind. least: score from which on a box is believed.
    """
    detections, targets = detect_dataset(model, test_set, progress=False)
    sure = [
        {key: value[one["scores"] >= least] for key, value in one.items()} for one in detections
    ]
    counts = counted(sure, targets)
    scores = mean_scores(sure, targets)
    heads = [f"boxes with a score ≥ {least:g}", "number", "mean score", "what to try first"]
    rows = [
        [kind, counts[kind], f"{scores[kind]:.2f}" if kind in scores else "", ADVICE.get(kind, "")]
        for kind in KINDS
    ]
    table(heads, rows)
    number = min(4, len(test_set))
    pictures = [test_set[index][0] for index in range(number)]
    figure = image_grid(
        pictures,
        targets[:number],
        test_set.classes,
        detections[:number],
        columns=2,
        min_score=least,
    )
    figure.set_size_inches(9, 9 * figure.get_figheight() / figure.get_figwidth())
    told = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)
    show(
        figure,
        f"Held-out pictures, true boxes solid, found ones dashed: {number} of {len(test_set)}. "
        f"In all: {told}.",
    )
    return counts


def counted(detections: Sequence[Mapping], targets: Sequence[Mapping]) -> Counter:
    """How many boxes there are of each kind, and how many objects are missed."""
    judged = error_kinds(detections, targets)
    counts = Counter(kind for one in judged for kind in one["kinds"])
    counts["missed"] = sum(int(one["missed"].sum()) for one in judged)
    return counts


def mean_scores(detections: Sequence[Mapping], targets: Sequence[Mapping]) -> dict[str, float]:
    """The mean score of the boxes of each kind that there is."""
    scores: dict[str, list[float]] = {}
    for one, judged in zip(detections, error_kinds(detections, targets), strict=True):
        for kind, score in zip(judged["kinds"], one["scores"].tolist(), strict=True):
            scores.setdefault(kind, []).append(score)
    return {kind: sum(some) / len(some) for kind, some in scores.items()}


def export_and_compare(
    model: EfficientDet,
    size: tuple[int, int],
    classes: Sequence[str],
    path: Path,
    test_set: Dataset,
    least: float = 0.4,
) -> None:
    """Write the detector as ONNX, let onnxruntime find boxes in the held-out pictures, and say
    whether they are PyTorch's. Where a package is missing, say which.
    """
    if absent := missing(EXPORT):
        print(f"Not run here: type {how_to_install(absent)}, and run this cell again.")
        return
    import onnxruntime

    from effdet_lite.export import export_onnx

    export_onnx(model, size, path, classes=classes, score_threshold=least)
    runtime = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    alike, worst, boxes_seen = 0, 0.0, 0
    for index in range(len(test_set)):
        image = test_set[index][0].as_subclass(torch.Tensor)[None]
        (ours,) = model.detect(image, score_threshold=least)
        boxes, _, labels = runtime.run(None, {"images": image.numpy()})
        agree, distance = detections_agree(ours, {"boxes": boxes, "labels": labels})
        alike, worst, boxes_seen = alike + agree, max(worst, distance), boxes_seen + len(labels)
    (given,) = runtime.get_inputs()
    rows = [
        ["file", f"{path.stat().st_size / 1e6:.1f} MB"],
        ["takes", f"{given.name} {given.shape}, RGB in 0–1, fitted as in training"],
        ["gives", ", ".join(one.name for one in runtime.get_outputs())],
        ["the same boxes as PyTorch", f"{boxes_seen} in {alike} of {len(test_set)} pictures"],
        ["largest distance", f"{worst:.0e} px"],
    ]
    table(["", path.name], rows, numbers_right=False)
