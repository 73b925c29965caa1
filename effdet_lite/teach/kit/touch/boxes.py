"""Boxes over a picture that are moved, resized, added and deleted."""

from collections.abc import Mapping, Sequence

import torch
import traitlets
from torch import Tensor

from effdet_lite.teach.kit.boxes import draw_boxes
from effdet_lite.teach.kit.page import img
from effdet_lite.teach.kit.plots import as_array
from effdet_lite.teach.kit.touch.modules import module_text
from effdet_lite.teach.kit.touch.pad import (
    BadValueError,
    Pad,
    as_list,
    as_picture,
    finite,
    picture_traits,
    whole,
)

WHAT = 'a box is {"box": [left, top, right, bottom], "label": number}'


class BoxPad(Pad):
    """Boxes over a picture [3, H, W]; `value`: a list of {"box": [left, top, right, bottom] in its
    pixels, "label": the number of its class, "score": 0-1}, `tensors()`: the same for `evaluation`.

    boxes [n, 4], labels [n]: what is there first. scores [n]: only then have boxes scores; a new
    one gets 0.5. truth, truth_labels: true boxes, drawn dashed and out of reach. most: how many
    boxes there may be. shown: the picture's width on the page in CSS pixels. Raises ValueError for
    boxes that are empty or leave the picture, and for labels that no class has.
    """

    module = "boxes"
    _esm = module_text(module)

    classes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    has_scores = traitlets.Bool(False).tag(sync=True)
    most = traitlets.Int(100).tag(sync=True)
    truth = traitlets.List(traitlets.Dict()).tag(sync=True)

    def __init__(
        self,
        picture,
        boxes=(),
        labels=None,
        classes: Sequence[str] = ("object",),
        description: str = "boxes",
        *,
        scores=None,
        truth=(),
        truth_labels=None,
        most: int = 100,
        shown: float | None = None,
    ):
        if not classes:
            raise ValueError("boxes need at least one class, and there is none.")
        self.pixels = as_picture(picture)
        super().__init__(
            description=description,
            value=_rows(boxes, labels, scores),
            has_scores=scores is not None,
            classes=list(classes),
            most=most,
            **picture_traits(self.pixels, shown),
        )
        self.truth = [self._checked_row(row, False) for row in _rows(truth, truth_labels)]

    def checked(self, value: object) -> list[dict]:
        """Boxes in the picture, of classes that there are; BadValueError for any others."""
        rows = as_list(value, "boxes are a list")
        if len(rows) > self.most:
            raise BadValueError(f"there may be {self.most} boxes, and not {len(rows)}.")
        return [self._checked_row(row, self.has_scores) for row in rows]

    def _checked_row(self, row: object, has_score: bool) -> dict:
        if not isinstance(row, Mapping):
            raise BadValueError(f"{WHAT}, not {row!r}.")
        left, top, right, bottom = finite(row.get("box"), 4, WHAT)
        height, width = self.pixels.shape[1:]
        if not (left < right and top < bottom):
            raise BadValueError(f"{WHAT}, left of right and top above bottom, not an empty one.")
        if left < 0 or top < 0 or right > width or bottom > height:
            raise BadValueError(f"a box leaves the picture of {width} × {height} pixels.")
        label = row.get("label")
        if label not in range(len(self.classes)):
            raise BadValueError(f"a label is from 0 to {len(self.classes) - 1}, not {label!r}.")
        checked = {"box": [left, top, right, bottom], "label": int(label)}
        if has_score:
            (score,) = finite([row.get("score")], 1, "a score is a number from 0 to 1")
            if not 0 <= score <= 1:
                raise BadValueError(f"a score is a number from 0 to 1, not {score:g}.")
            checked["score"] = score
        return checked

    def tensors(self) -> dict[str, Tensor]:
        """boxes float32 [n, 4], labels int64 [n], and scores float32 [n] where boxes have them."""
        rows = self.value
        boxes = torch.tensor([row["box"] for row in rows], dtype=torch.float32).reshape(-1, 4)
        found = {"boxes": boxes, "labels": torch.tensor([row["label"] for row in rows]).long()}
        if self.has_scores:
            found["scores"] = torch.tensor([row["score"] for row in rows], dtype=torch.float32)
        return found

    def in_words(self) -> str:
        """Each box with its class, score and place, as "1 box: circle 0.90 (8, 8, 40, 40)"."""
        parts = []
        for row in self.value:
            score = f" {row['score']:.2f}" if self.has_scores else ""
            place = ", ".join(str(whole(number)) for number in row["box"])
            parts.append(f"{self.classes[row['label']]}{score} ({place})")
        if not parts:
            return "no boxes"
        return f"{len(parts)} box{'es' if len(parts) > 1 else ''}: {'; '.join(parts)}"

    def still(self, words: str) -> str:
        """The picture with its boxes, and the true ones dashed."""
        found = self.tensors()
        figure = draw_boxes(
            self.pixels, found["boxes"], found["labels"], self.classes, found.get("scores")
        )
        boxes = [row["box"] for row in self.truth]
        labels = [row["label"] for row in self.truth]
        draw_boxes(None, boxes, labels, self.classes, axis=figure.axes[0], dashed=True, words=False)
        return img(figure, words)


def _rows(boxes, labels, scores=None) -> list[dict]:
    """Boxes [n, 4], labels [n] (None: all 0) and scores [n] (None: none) as a pad has them."""
    boxes = as_array(boxes).tolist()
    labels = [0] * len(boxes) if labels is None else as_array(labels).tolist()
    if len(labels) != len(boxes):
        raise ValueError(f"there are {len(boxes)} boxes and {len(labels)} labels.")
    rows = [{"box": box, "label": label} for box, label in zip(boxes, labels, strict=True)]
    if scores is not None:
        scores = as_array(scores).tolist()
        if len(scores) != len(rows):
            raise ValueError(f"there are {len(rows)} boxes and {len(scores)} scores.")
        rows = [row | {"score": score} for row, score in zip(rows, scores, strict=True)]
    return rows
