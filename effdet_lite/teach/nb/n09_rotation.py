"""Pictures turned with their boxes, for notebook 09: what falls, the detector or the labels?"""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from effdet_lite.evaluation import coco_ap_from_detections, detect_dataset
from effdet_lite.teach.kit.boxes import draw_outlines, draw_picture
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n09_results import CLASSES, Grades, detector, pictures_of

FEW = 100  # pictures
MARGIN = 32  # px of gray around a picture, so that all of it stays inside
ANGLES = (0, 15, 30, 45, 90)  # degrees
PICTURE = 4
VERDICTS = {45: ": the boxes are far too large", 90: ": they fit again"}
COLORS_OF, HATCHES = ("orange", "vermillion", "blue"), ("..", "//", "")
WAYS = ("all classes, boxes around corners", "circles, boxes around corners", "circles, true boxes")


def turned(image: Tensor, target: dict, angle: float) -> tuple[Tensor, dict]:
    """Picture and boxes, turned by `angle` degrees about the middle, on a gray margin.

    The boxes are torchvision's: upright around the four turned corners.
    """
    image, boxes = (
        v2.functional.pad(thing, [MARGIN] * 4, fill=0.5) for thing in (image, target["boxes"])
    )
    # Turned about gray, so that the empty corners are gray.
    image = 0.5 + v2.functional.rotate(image - 0.5, angle, v2.InterpolationMode.BILINEAR)
    return image, target | {"boxes": v2.functional.rotate(boxes, angle)}


def with_old_sides(boxes: Tensor, before: Tensor) -> Tensor:
    """Boxes [n, 4] with their own middles, and the sides that they had before."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    sides = before[:, 2:] - before[:, :2]
    return torch.cat([middles - sides / 2, middles + sides / 2], 1)


class _Turned:
    """The first test pictures, turned."""

    classes = CLASSES

    def __init__(self, angle: float):
        self.angle = angle

    def __len__(self) -> int:
        return FEW

    def __getitem__(self, index: int) -> tuple[Tensor, dict]:
        return turned(*pictures_of("test")[index], self.angle)


class Found(NamedTuple):
    """What the detector finds in the turned pictures, and two kinds of targets for it."""

    detections: list[dict]
    around: list[dict]
    tight: list[dict]


@functools.cache
def found_at(angle: float) -> Found:
    """What is found at this angle; `tight` has the boxes' sides as before, true for circles."""
    detections, around = detect_dataset(detector(), _Turned(angle), progress=False)
    tight = [
        target | {"boxes": with_old_sides(*(_plain(one["boxes"]) for one in (target, before)))}
        for target, before in zip(
            around, (pictures_of("test")[index][1] for index in range(FEW)), strict=True
        )
    ]
    return Found(detections, around, tight)


def _plain(boxes: Tensor) -> Tensor:
    return boxes.as_subclass(Tensor)


@functools.cache
def ap50s_at(angle: float) -> tuple[float, float, float]:
    """AP50 in the order of WAYS."""
    found = found_at(angle)
    around = coco_ap_from_detections(found.detections, found.around, CLASSES)
    tight = coco_ap_from_detections(found.detections, found.tight, CLASSES)
    circles = (one["ap50_per_class"]["circle"] for one in (around, tight))
    return around["ap50"], *circles


@styled
def show_turned(angles: tuple[int, ...] = (0, 45, 90)) -> None:
    """One picture with its boxes as torchvision turns them."""
    places = [(0.005 + 0.335 * column, 0.01, 0.32, 0.87) for column in range(len(angles))]
    figure, axes = new_panels(9.0, 3.3, *places)
    for axis, angle in zip(axes, angles, strict=True):
        image, target = turned(*pictures_of("test")[PICTURE], angle)
        draw_picture(axis, image)
        boxes = _plain(target["boxes"])
        draw_outlines(axis, boxes, "white", linewidths=3.2)
        draw_outlines(axis, boxes, PALETTE["blue"], linewidths=1.8)
        axis.set_title(f"{angle}°{VERDICTS.get(angle, '')}", fontsize=11, y=1.0)
    show(
        figure,
        "One picture upright, turned by 45°, where the boxes are far too large, and by 90°, where "
        "they fit.",
        photo=True,
    )


@styled
def rotation_view(guesses: Mapping) -> View:
    """AP50 over the angle, by whose boxes. guesses: "09.f", that of the circles at 45° by the boxes
    around corners.
    """
    values = np.array([ap50s_at(angle) for angle in ANGLES])
    figure, (axis,) = new_panels(7.4, 3.8, (0.09, 0.14, 0.88, 0.74))
    places = np.arange(len(ANGLES))
    for number, (way, own, color) in enumerate(zip(WAYS, values.T, COLORS_OF, strict=True)):
        look = {"color": PALETTE[color], "hatch": HATCHES[number], "edgecolor": "black"}
        axis.bar(places + 0.27 * (number - 1), own, 0.25, label=way, linewidth=0.6, **look)
    axis.set(xlim=(-0.5, len(ANGLES) - 0.5), ylim=(0, 1.28), ylabel="AP50 (0–1)", xlabel="angle")
    axis.set_xticks(places, [f"{angle}°" for angle in ANGLES])
    axis.set_yticks(np.arange(0, 1.01, 0.25))
    _, around, tight = values[ANGLES.index(45)]
    title = f"Circles at 45°: {around:.2f} by boxes around corners, {tight:.2f} by their true boxes"
    axis.set_title(title, fontsize=11)
    axis.legend(loc="upper center", fontsize=9, ncols=3, columnspacing=1)
    draw_guess(axis, guesses["09.f"], x=ANGLES.index(45))
    numbers = {
        way: ", ".join(f"{angle}° {value:.2f}" for angle, value in zip(ANGLES, own, strict=True))
        for way, own in zip(WAYS, values.T, strict=True)
    }
    words = ". ".join(f"{way}: {told}" for way, told in numbers.items())
    return View(figure, f"AP50 over the angle. {words}.", numbers)


def show_what_is_left(draws: int = 200, seed: int = 0) -> None:
    """A table of paired bootstraps: what the margin costs, and what turning costs the circles."""
    plain = detect_dataset(detector(), pictures_of("test").subset(range(FEW)), progress=False)
    upright = found_at(0)
    pairs = {
        "all classes: the gray margin": (plain, (upright.detections, upright.around), None),
    }
    for angle in ANGLES[1:]:
        found = found_at(angle)
        one, other = ((own.detections, own.tight) for own in (upright, found))
        pairs[f"circles, true boxes: {angle}°"] = (one, other, CLASSES.index("circle"))
    rows = []
    for name, (before, after, label) in pairs.items():
        one, other = Grades(*before, ious=(0.5,)), Grades(*after, ious=(0.5,))
        rng, lost = np.random.default_rng(seed), []
        for _ in range(draws):
            pictures = rng.integers(0, FEW, FEW)
            lost.append(_of(one, pictures, label) - _of(other, pictures, label))
        low, high = np.percentile(lost, (2.5, 97.5))
        whole = _of(one, range(FEW), label) - _of(other, range(FEW), label)
        rows.append([name, f"{whole:.3f}", f"{low:.3f} to {high:.3f}".replace("-", "−")])
    table(["AP50 lost", f"in {FEW} pictures", "95 of 100 paired draws"], rows)


def _of(grades: Grades, pictures, label: int | None) -> float:
    values = grades.table(pictures)[:, 0]
    return float(np.nanmean(values) if label is None else values[label])
