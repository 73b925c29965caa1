"""The opening of notebook 09, one detector with four grades; and its end, a model card."""

from collections.abc import Mapping

from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.judged import draw_judged, draw_key, judged
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.nb.n09_results import (
    CLASSES,
    found_in,
    grades_of,
    kept_from,
    pictures_of,
    test_figures,
)
from effdet_lite.teach.nb.n09_threshold import judged as judged_pictures
from effdet_lite.teach.nb.n09_threshold import rates
from effdet_lite.teach.nb.n09_worse import ap50_after

PICTURE = 97
SCORE = 0.3  # boxes from it on are shown and counted


@styled
def show_four_grades() -> None:
    """One test picture with the boxes from SCORE on; beside it four grades of the same detector."""
    detections, targets = found_in("test")
    figure, (left, right) = new_panels(9.6, 4.3, (0.003, 0.1, 0.4, 0.82), (0.64, 0.2, 0.33, 0.68))
    found, target = kept_from(detections[PICTURE : PICTURE + 1], SCORE)[0], targets[PICTURE]
    draw_picture(left, pictures_of("test")[PICTURE][0])
    result = judged(found, target)
    how = {"labels": "on clear ground", "named": ("wrong",)}
    draw_judged(left, found, target, CLASSES, result, **how)
    hits = f"{result.count('right')} of {len(result.kinds)} boxes are right"
    left.set_title(f"One of the pictures: {hits}", fontsize=11, y=1.0)
    wrong = "wrong (drawn a little larger on a right one)"
    draw_key(figure, ("right", "wrong"), meanings={"wrong": wrong}, signed=False)
    precision, recall = rates(judged_pictures("test"), SCORE)
    figures = test_figures()
    grades = {
        f"objects that are found\n(score ≥ {SCORE})": recall,
        "AP50": figures["ap50"],
        "AP": figures["ap"],
        f"boxes that are right\n(score ≥ {SCORE})": precision,
    }
    colors = (PALETTE["blue"], PALETTE["green"], PALETTE["green"], PALETTE["vermillion"])
    right.barh(list(grades), list(grades.values()), 0.55, color=colors, edgecolor="black")
    for row, value in enumerate(grades.values()):
        right.text(value + 0.015, row, f"{value:.2f}", va="center", fontsize=11)
    right.set(xlim=(0, 1.15), ylim=(3.6, -0.6))
    right.set_title("One detector, four grades (200 test pictures)", fontsize=11)
    right.tick_params(axis="y", labelsize=11)
    told = ", ".join(f"{' '.join(name.split())} {value:.2f}" for name, value in grades.items())
    show(figure, f"One detector has four grades: {told}.")


def show_model_card(
    threshold: float, price: tuple[float, float], ends: tuple[float, float]
) -> None:
    """A model card of six lines for the shapes detector.

    threshold: chosen on the validation pictures for this price of (an object not found, a wrong
    box).
    ends: where 95 of 100 draws of the test pictures have the AP.
    """
    figures = test_figures()
    by_class: Mapping[str, float] = figures["ap_per_class"]
    worst = min(by_class, key=by_class.get)
    precision, recall = rates(judged_pictures("test"), threshold)
    missed, wrong = price
    dark = ap50_after("brightness, factor", 0.25)
    right = f"{100 * precision:.0f} % of the boxes right"
    believed = f"on test {right}, {100 * recall:.0f} % of the objects found"
    miss = f"an object that is not found costs {missed:g}"
    prices = f"from validation; {miss}, a wrong box {wrong:g}"
    draws = f"95 of 100 draws of the pictures {ends[0]:.3f} to {ends[1]:.3f}"
    rows = [
        ["data", "drawn shapes, four classes; 200 test pictures"],
        [
            "settings",
            "chosen on validation pictures; but they vary an older recipe, chosen on test pictures",
        ],
        ["AP", f"mean over the classes {grades_of('shapes').ap():.3f}, {draws}"],
        ["worst class", f"{worst}: AP {by_class[worst]:.2f}"],
        ["threshold", f"score ≥ {threshold:.2f}, {prices}: {believed}"],
        [
            "not for",
            f"photographs; dark pictures (AP50 {dark:.2f} at a quarter of the brightness, on 60)",
        ],
    ]
    table(["", "model card: shapes.safetensors"], rows)
