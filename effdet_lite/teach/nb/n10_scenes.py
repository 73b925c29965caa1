"""Notebook 10's hunt for twins: photographs of one scene in training and test, and their worth."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

from effdet_lite.evaluation import coco_ap_from_detections
from effdet_lite.experiments.scenes import SAME_SCENE, Pair
from effdet_lite.teach.kit.boxes import RIM
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import COLORS, PALETTE, new_figure, new_panels, styled
from effdet_lite.teach.kit.widgets import View

SHRUNKEN = (320, 240)  # px, as they are drawn
SCALE = SHRUNKEN[0] / 640


def short(name: str) -> str:
    """ "BloodImage_00391" as "391"."""
    return name.removeprefix("BloodImage_").lstrip("0")


def twins(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs that show one scene."""
    return [pair for pair in pairs if pair.correlation >= SAME_SCENE]


@styled
def twins_view(pairs: Sequence[Pair], guess: float | None = None) -> View:
    """The correlation of each test photograph with the training photograph most like it, the most
    alike first. guess: how many show a scene of training.
    """
    figure, (axis,) = new_panels(7.6, 3.4, (0.1, 0.16, 0.88, 0.72))
    values = [pair.correlation for pair in pairs]
    found = len(twins(pairs))
    ranks = np.arange(1, len(values) + 1)
    look = {"linestyle": "", "markersize": 6}
    axis.plot(ranks[:found], values[:found], marker="D", color=COLORS[1], **look, label="one scene")
    axis.plot(ranks[found:], values[found:], marker="o", color=COLORS[0], **look, label="others")
    axis.set(xlabel="test photographs, the most alike first", ylabel="correlation", ylim=(0.5, 1))
    axis.set_xlim(0, len(values) + 1)
    gap = values[found - 1] - values[found]
    axis.set_title(f"After {found} photographs there is a gap of {gap:.2f}", fontsize=11)
    axis.legend(loc="lower left", fontsize=10)
    draw_guess(axis, guess)
    words = (
        f"Of {len(values)} test photographs {found} have a twin in training, from correlation "
        f"{values[0]:.2f} to {values[found - 1]:.2f}; then comes {values[found]:.2f}."
    )
    told = ", ".join(f"{short(one.first)} + {short(one.second)}" for one in twins(pairs))
    numbers = {
        "test photographs with a twin": f"{found} of {len(values)}",
        "test + training": told,
    }
    return View(figure, words, numbers)


@styled
def show_twins(folder: Path, pairs: Sequence[Pair]) -> None:
    """Some pairs, the test photograph above: what both show is outlined."""
    figure, axes = new_figure(2, len(pairs), width=2.45 * len(pairs), height=4.2)
    for column, pair in enumerate(pairs):
        x, y = (SCALE * step for step in pair.shift)
        for axis, name, (left, top), part in (
            (axes[0, column], pair.first, (max(x, 0), max(y, 0)), "test"),
            (axes[1, column], pair.second, (max(-x, 0), max(-y, 0)), "training"),
        ):
            with Image.open(folder / "JPEGImages" / f"{name}.jpg") as photo:
                axis.imshow(np.asarray(photo.resize(SHRUNKEN)))
            _outline(axis, left, top, SHRUNKEN[0] - abs(x), SHRUNKEN[1] - abs(y))
            axis.set_title(f"{short(name)} ({part})", fontsize=11)
            axis.set_axis_off()
    told = ", ".join(f"{short(pair.first)} and {short(pair.second)}" for pair in pairs)
    show(figure, f"Pairs of one scene, in test and in training: {told}.", photo=True)


def _outline(axis: Axes, left: float, top: float, width: float, height: float) -> None:
    frame = Rectangle((left, top), width, height, fill=False, ec=PALETTE["orange"], lw=2)
    frame.set_path_effects(RIM)
    axis.add_artist(frame)


def parts_scores(
    detections: Sequence[Mapping],
    targets: Sequence[Mapping],
    parts: Mapping[str, Collection[int]],
    classes: Sequence[str],
) -> dict[str, dict]:
    """COCO's figures of one detector on parts of a test. parts: by name, the images' numbers."""
    return {
        name: coco_ap_from_detections(
            [detections[number] for number in numbers],
            [targets[number] for number in numbers],
            classes,
        )
        for name, numbers in parts.items()
    }


def parts_table(
    scores: Mapping[str, Mapping],
    parts: Mapping[str, Collection[int]],
    classes: Sequence[str],
    names: Sequence[str],
) -> None:
    """A line for each part of the test that is named: AP, AP50, and AP50 of each class."""
    rows = []
    for name in names:
        one = scores[name]
        values = [one["ap"], one["ap50"], *one["ap50_per_class"].values()]
        rows.append([name, len(parts[name]), *(f"{value:.3f}" for value in values)])
    heads = [f"AP50 {name}" for name in classes]
    table(["test photographs", "number", "AP", "AP50", *heads], rows)
