"""What a detector found, for a first look: boxes that are named at the box or counted below the
picture.
"""

import itertools
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from torch import Tensor
from torchvision.ops import nms

from effdet_lite.data import BCCDDetection, eval_transforms
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.places import cells_folder
from effdet_lite.teach.kit.boxes import RIM, draw_boxes
from effdet_lite.teach.kit.labels import label_where_free
from effdet_lite.teach.kit.plots import COLORS, MARKERS, as_array, styled
from effdet_lite.teach.kit.shared import one_thread, shipped, unseen_pictures
from effdet_lite.teach.kit.words import how_many, writable

PHOTOGRAPH = 30  # of those whose scene no training saw: a clear one
CELL_NAMES = {"RBC": "red cell", "WBC": "white cell", "Platelets": "platelet"}
OVERLAP = 0.5  # from this IoU on, only the better one of two boxes stays


def detector_at_work() -> tuple[EfficientDet, Tensor, Sequence[str]]:
    """A shipped detector, a picture that it never saw, and the names of its classes: a photograph
    of blood cells where they are on this machine, and drawn shapes elsewhere.
    """
    try:
        model, about = shipped("bccd")
        change = eval_transforms(about["size"])
        cells = BCCDDetection(cells_folder(), "test-unseen", transforms=change)
        return model, cells[PHOTOGRAPH][0], [CELL_NAMES[name] for name in cells.classes]
    except (OSError, ValueError):  # not here, or not whole
        model, about = shipped("shapes")
        return model, unseen_pictures()[0][0], about["classes"]


def detected(model: EfficientDet, image: Tensor, score: float) -> dict:
    """What a detector finds in a picture [3, H, W], 0-1, with at least this score, best first. The
    best answer of all classes speaks for its place.
    """
    with one_thread():
        (found,) = model.detect(image[None], score_threshold=score, iou_threshold=OVERLAP)
    kept = nms(found["boxes"], found["scores"], OVERLAP)
    return {name: value[kept] for name, value in found.items()}


def counted_names(labels: Tensor, classes: Sequence[str]) -> list[str]:
    """How many there are of each class that there is, as "2 red cells"; ["nothing"] for none."""
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    pairs = zip(counts, classes, strict=True)
    return [how_many(count, name) for count, name in pairs if count] or ["nothing"]


@styled
def draw_counted(
    axis: Axes, found: Mapping, classes: Sequence[str], colors: Sequence[str] = COLORS
) -> None:
    """Boxes with the color and the symbol of their class, and below the picture each symbol with
    how many there are, so that no other key is needed.
    """
    look = {"axis": axis, "words": False, "colors": colors}
    draw_boxes(None, found["boxes"], found["labels"], classes, **look)
    keys = []
    looks = zip(classes, itertools.cycle(colors), itertools.cycle(MARKERS))
    for number, (name, color, marker) in enumerate(looks):
        count = int((found["labels"] == number).sum())
        words = how_many(count, writable(name, number))
        keys.append(Line2D([], [], color=color, marker=marker, linestyle="", label=words))
    axis.legend(
        handles=keys,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=len(keys),
        fontsize=10,
        markerscale=1.4,
        handletextpad=0.1,
        columnspacing=1.2,
    )


@styled
def draw_named(
    axis: Axes,
    found: Mapping,
    classes: Sequence[str] | Mapping[int, str],
    colors: Sequence[str] = COLORS,
    things: Sequence = (),
) -> None:
    """Boxes in the colors of their classes, with name and score where there is room: no label lies
    over another, and each hides as little as it can of what is in the boxes, and of the things
    (boxes around what is drawn). The best boxes come first.
    """
    rows = [as_array(found[name]) for name in ("boxes", "labels", "scores")]
    for box, label, score in zip(*rows, strict=True):
        color = colors[label % len(colors)]
        left, top, right, bottom = box
        frame = Rectangle((left, top), right - left, bottom - top, fill=False)
        frame.set(edgecolor=color, linewidth=2.0, path_effects=RIM)
        axis.add_artist(frame)
        name = writable(classes[label], label)
        label_where_free(
            axis, box, (f"{name} {score:.2f}", name), color, objects=[*rows[0], *things]
        )
