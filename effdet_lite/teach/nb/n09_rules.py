"""The same boxes under other rules, for notebook 09: how the AP of two papers may differ."""

from collections.abc import Sequence

import numpy as np

from effdet_lite.evaluation import COCO_IOUS, coco_ap_from_detections, precision_recall
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.nb.n09_results import CLASSES, found_in, grades_of, kept_from, test_figures

ELEVEN = np.linspace(0, 1, 11)


def eleven_points(detections: Sequence[dict], targets: Sequence[dict]) -> float:
    """AP50 as PASCAL VOC had it at first: the mean of eleven heights."""
    curves = precision_recall(detections, targets, CLASSES)
    return float(np.mean([curve["precision"][::10].mean() for curve in curves.values()]))


def show_rules() -> None:
    """A table: AP50 and AP of one detector's boxes under rules that one meets."""
    detections, targets = found_in("test")
    plain = test_figures()

    def row(name: str, figures: dict) -> list[str]:
        return [name, f"{figures['ap50']:.3f}", f"{figures['ap']:.3f}"]

    def judged(**how) -> dict:
        return coco_ap_from_detections(how.pop("boxes", detections), targets, CLASSES, **how)

    rows = [
        row("COCO's: 101 heights, at most 100 boxes of a class in a picture", plain),
        ["VOC 2007's: 11 heights", f"{eleven_points(detections, targets):.3f}", "–"],
        row("at most 10 boxes of a class in a picture", judged(max_detections=10)),
        row("only boxes with a score of 0.05 or more", judged(boxes=kept_from(detections, 0.05))),
        row("only boxes with a score of 0.3 or more", judged(boxes=kept_from(detections, 0.3))),
        row("only boxes with a score of 0.5 or more", judged(boxes=kept_from(detections, 0.5))),
    ]
    table(["the rule", "AP50", "AP"], rows)


@styled
def show_demands() -> None:
    """AP by class over the IoU from which a box is right, and by the size of the objects."""
    figure, (demand, size) = new_panels(
        9.2, 3.6, (0.075, 0.15, 0.46, 0.72), (0.64, 0.15, 0.34, 0.72)
    )
    by_iou = grades_of("shapes").table()
    for name, values in zip(CLASSES, by_iou, strict=True):
        demand.plot(COCO_IOUS, values, label=name, markersize=6)
    demand.set(xlim=(0.48, 0.97), ylim=(0, 1), xlabel="IoU from which a box is right")
    demand.set(ylabel="AP at this IoU (0–1)")
    demand.legend(loc="lower left", fontsize=9)
    middle = by_iou[:, 5]
    lowest = CLASSES[int(middle.argmin())]
    demand.set_title(f"At IoU 0.75 the {lowest}s have the lowest AP", fontsize=11)
    figures = test_figures()
    sizes = {"under 16": "ap_small", "16 to 40": "ap_medium", "over 40": "ap_large"}
    values = [figures[key] for key in sizes.values()]
    size.bar(list(sizes), values, 0.55, color=PALETTE["green"], edgecolor="black")
    for place, value in enumerate(values):
        size.text(place, value + 0.01, f"{value:.2f}", ha="center", fontsize=10)
    size.set(
        ylim=(0, 1), xlim=(-0.6, 2.6), ylabel="AP (0–1)", xlabel="root of the true box's area, px"
    )
    size.set_title(f"By size AP is {min(values):.2f} to {max(values):.2f}", fontsize=11)
    told = ", ".join(f"{name} {value:.2f}" for name, value in zip(CLASSES, middle, strict=True))
    by_size = ", ".join(f"{name} px {value:.2f}" for name, value in zip(sizes, values, strict=True))
    show(figure, f"AP at IoU 0.75: {told}. AP by size: {by_size}.")
    rows = [
        [
            name,
            f"{figures['ap50_per_class'][name]:.2f}",
            f"{middle[place]:.2f}",
            f"{figures['ap_per_class'][name]:.2f}",
        ]
        for place, name in enumerate(CLASSES)
    ]
    table(["class", "AP50", "AP at IoU 0.75", "AP"], rows)
