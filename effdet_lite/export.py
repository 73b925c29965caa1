"""A trained detector as one ONNX file, for programs without torch: network, boxes and suppression
are all inside.

Needs the packages of the extra `export`, which are imported only to export. Operators:
https://onnx.ai/onnx/operators/
"""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from effdet_lite.efficientdet import EfficientDet, check_size
from effdet_lite.files import whole_file
from effdet_lite.folding import folded
from effdet_lite.missing import EXPORT, how_to_install
from effdet_lite.suppression import check_limits

OPSET = 18


class Exported(nn.Module):
    """What torch exports, of one image: the network's answers, and the boxes that suppression
    chooses from.
    """

    def __init__(self, model: EfficientDet, size: tuple[int, int]):
        super().__init__()
        self.model, self.size = folded(model), size
        self.register_buffer("classes", torch.arange(model.num_classes)[:, None])

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """images [1, 3, H, W] -> boxes [1, n, 4], scores [n], labels [n], scores by class
        [1, K, n].
        """
        outputs = self.model(images)
        boxes, scores, labels = self.model.candidates(outputs, self.size)
        # A pair is a candidate of its own class alone.
        by_class = torch.where(labels == self.classes, scores, -1.0)
        return boxes, scores[0], labels[0], by_class[None]


def export_onnx(
    model: EfficientDet,
    size: tuple[int, int],
    path: str | Path,
    *,
    classes: Sequence[str] = (),
    score_threshold: float = 0.3,
    iou_threshold: float = 0.5,
    max_detections: int = 100,
) -> None:
    """Write a detector for images of one size (height, width) to path, whole or not at all.

    The file takes "images", float32 [1, 3, H, W], RGB in 0-1, one image at a time, and gives what
    `EfficientDet.detect` gives: "boxes" [n, 4] (xyxy, pixels), "scores" [n], "labels" [n], best
    first. Its metadata has "classes" (names) and "size" as JSON. Any subclass of EfficientDet will
    do: of its heads, only `candidates` is asked.

    Raises:
        ImportError: without the packages of the extra.
        ValueError: for sizes, thresholds or names that do not fit.
        WriteError: where path cannot be written.
    """
    check_size(*size, model.config.max_level)
    check_limits(score_threshold, iou_threshold, max_detections)
    if classes and len(classes) != model.num_classes:
        raise ValueError(
            f"the model has {model.num_classes} classes, but {len(classes)} names were given."
        )
    try:
        import onnx
        import onnxscript  # noqa: F401  torch's exporter is written in it
    except ImportError as error:
        raise ImportError(
            f"to write an ONNX file takes {error.name}: type {how_to_install(EXPORT)}."
        ) from None
    # What cannot be written is better known before the export, which takes seconds.
    with whole_file(path) as temporary:
        whole = _with_suppression(
            _traced(model, size), score_threshold, iou_threshold, max_detections
        )
        onnx.helper.set_model_props(
            whole, {"classes": json.dumps(list(classes)), "size": json.dumps(list(size))}
        )
        onnx.checker.check_model(whole)
        onnx.save(whole, temporary)


def _traced(model: EfficientDet, size: tuple[int, int]):
    """torch's part as an onnx.ModelProto."""
    names = [
        "candidate_boxes",
        "candidate_scores",
        "candidate_labels",
        "scores_by_class",
    ]
    chatter = logging.getLogger("torch.onnx")
    level = chatter.level
    chatter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")  # about torch's own insides
            exported = Exported(model, size).eval().cpu()
            program = torch.onnx.export(
                exported,
                (torch.zeros(1, 3, *size),),
                dynamo=True,
                opset_version=OPSET,
                input_names=["images"],
                output_names=names,
                verbose=False,
            )
    finally:
        chatter.setLevel(level)
    return program.model_proto


def _with_suppression(traced, score_threshold: float, iou_threshold: float, max_detections: int):
    """Let the best of overlapping candidates, class by class, be the file's only outputs."""
    from onnx import TensorProto, helper, numpy_helper

    # ONNX keeps scores above the threshold, and `detect` also those on it: so the number just
    # below.
    lowest = np.nextafter(np.float32(score_threshold), np.float32(-1))
    constants = {
        "overlap": np.float32([iou_threshold]),
        "lowest": np.float32([lowest]),
        "most": np.int64([max_detections]),
        "column": np.int64(2),
        "image": np.int64([0]),
    }
    steps = [
        (
            "NonMaxSuppression",
            ["candidate_boxes", "scores_by_class", "most", "overlap", "lowest"],
            "kept",
            {},
        ),
        ("Gather", ["kept", "column"], "kept_index", {"axis": 1}),  # of (image, class, candidate)
        ("Shape", ["kept_index"], "kept_count", {}),
        ("Min", ["kept_count", "most"], "count", {}),
        # Candidates come best first, so the smallest indices are the best scores.
        ("TopK", ["kept_index", "count"], ("index", "place"), {"largest": 0, "axis": 0}),
        ("Squeeze", ["candidate_boxes", "image"], "image_boxes", {}),
        ("Gather", ["image_boxes", "index"], "boxes", {}),
        ("Gather", ["candidate_scores", "index"], "scores", {}),
        ("Gather", ["candidate_labels", "index"], "labels", {}),
    ]
    graph = traced.graph
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    for operator, inputs, outputs, options in steps:
        outputs = [outputs] if isinstance(outputs, str) else list(outputs)
        graph.node.append(helper.make_node(operator, inputs, outputs, **options))
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.initializer):
        del part.metadata_props[:]  # torch's notes, in which folders of this machine are named
    del graph.output[:]
    graph.output.extend(
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["n", 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("labels", TensorProto.INT64, ["n"]),
        ]
    )
    return traced
