"""What two small detectors find of the dots, one with an FPN and one without fusion; and the small
detector's scores in one row.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torchvision.ops import nms

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.experiments import necks
from effdet_lite.experiments.comparing import spread
from effdet_lite.teach.kit.boxes import draw_boxes, draw_picture
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, as_array, new_figure, styled
from effdet_lite.teach.nb.n04_levels import COLOR_NAMES, LINEUP, dots_of, ring_of, test_pictures

AROUND = 24  # px: how far around the dots is drawn
LIKELY = 0.05  # the lowest score of the boxes that are drawn
SCORES = {
    "asked": "the dots: AP50, box and class",
    "asked_boxes": "the dots: AP50 of the boxes, any class",
}
SHAPES = {
    "ap": "all sizes",
    "ap_small": "small, under 16 px",
    "ap_medium": "medium, 16 to 40 px",
    "ap_large": "large, over 40 px",
}


def in_a_row(answers: Sequence[Tensor], classes: int = 6) -> Tensor:
    """A head's answers [N, 9 * classes, H, W] for each level as one tensor [N, A, classes], in the
    order of the package's.
    """
    rows = [x.permute(0, 2, 3, 1).reshape(len(x), -1, classes) for x in answers]
    return torch.cat(rows, 1)


def dots_scores(models: Mapping[str, EfficientDet]) -> dict[str, dict[str, float]]:
    """The figures of `necks.score` on the test pictures, by model."""
    return {name: necks.score(model, test_pictures()) for name, model in models.items()}


def scores_table(scores: Mapping[str, Mapping[str, float]]) -> None:
    """Show `dots_scores`."""
    rows = [
        [words, *(f"{one[figure]:.3f}" for one in scores.values())]
        for figure, words in SCORES.items()
    ]
    table(["trained here, one seed", *scores], rows)


@styled
def show_dots(models: Mapping[str, EfficientDet]) -> None:
    """What each detector says of the dots in the three pictures of the opening."""
    figure, axes = new_figure(len(models), len(LINEUP), width=8.5, height=6.0)
    right = dict.fromkeys(models, 0)
    for row, (name, model) in zip(axes, models.items(), strict=True):
        for axis, (letter, index) in zip(row, LINEUP.items(), strict=True):
            boxes, colors, scores = _best_dots(model, index)
            draw_picture(axis, test_pictures()[index][0])
            x, y = dots_of(index).mean(0)
            axis.set(xlim=(x - AROUND, x + AROUND), ylim=(y + AROUND, y - AROUND))
            draw_boxes(
                None,
                boxes,
                colors,
                COLOR_NAMES,
                scores,
                axis=axis,
                colors=[PALETTE[color] for color in ("vermillion", "green", "blue")],
            )
            axis.set_title(f"{name}: {letter}, the ring is {ring_of(index)}", fontsize=10)
            right[name] += sum(COLOR_NAMES[color] == ring_of(index) for color in colors)
    dots = sum(len(dots_of(index)) for index in LINEUP.values())
    told = ", ".join(f"{count} of {dots} with {name}" for name, count in right.items())
    figure.suptitle(f"Dots named after the right ring: {told}", fontsize=12)
    show(figure, f"Each dot of three pictures has its box; named after the right ring: {told}.")


def _best_dots(model: EfficientDet, index: int) -> tuple:
    """(boxes, colors, scores) of the surest answers, as many as the picture has dots."""
    image = test_pictures()[index][0].as_subclass(Tensor)
    (found,) = model.detect(image[None], score_threshold=LIKELY, iou_threshold=0.5)
    is_dot = found["labels"] >= len(COLOR_NAMES)
    boxes, scores = found["boxes"][is_dot], found["scores"][is_dot]
    colors = found["labels"][is_dot] - len(COLOR_NAMES)
    keep = nms(boxes, scores, 0.2)[: len(dots_of(index))]
    return boxes[keep], as_array(colors[keep]), as_array(scores[keep])


def shapes_table(rows: Sequence[Mapping]) -> None:
    """AP of plain shapes by size, without fusion and with FPN, of the rows of
    `experiments.necks`.
    """
    lines = []
    for figure, words in SHAPES.items():
        without, fpn = (_plain(rows, graph, figure) for graph in ("no fusion", "FPN"))
        lines.append([words, str(spread(without)), str(spread(fpn))])
    table(["AP of plain shapes", "no fusion: mean (lowest – highest)", "FPN"], lines)


def _plain(rows: Sequence[Mapping], graph: str, figure: str) -> list[float]:
    """One figure of the shapes' runs with one cell, the usual channels and plain sums, by seed."""
    wanted = {"task": "shapes", "graph": graph, "repeats": 1, "weighting": "sum"}
    wanted["channels"] = necks.CHANNELS
    return [row[figure] for row in rows if all(row[key] == value for key, value in wanted.items())]
