"""The time machine of notebook 08: one recorded training, of which any 25th step is visited."""

import functools
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from effdet_lite.losses import BOX_WEIGHT
from effdet_lite.places import course_folder
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.judged import LOOKS, Judged, draw_key, judged
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n08_opening import places_of_pictures
from effdet_lite.teach.nb.n08_small import pictures

FILE = "training.json"
COLUMNS, ROWS = 5, 2
SIDE = 1.8  # inches, of a picture
EVERY = 25
SURE = 0.5  # the lowest score of a box that counts; the recording has lower ones, too
LAYERS = ("double", "wrong", "right")  # the later ones lie on top


class Moment(NamedTuple):
    """One visited step. found: of each watched picture the boxes, as `detect` has them. results:
    what they are worth. ap50: on more pictures.
    """

    step: int
    ap50: float
    found: list[dict]
    results: list[Judged]

    def count(self, kind: str) -> int:
        """How many boxes, or objects, of one kind of LOOKS there are in all pictures."""
        return sum(one.count(kind) for one in self.results)

    def placed(self) -> int:
        """How many objects have a box of some class with an IoU of 0.5 or more."""
        count = 0
        for index, found in enumerate(self.found):
            _, target = pictures("val")[index]
            anything = {"labels": torch.zeros_like(target["labels"]), "boxes": target["boxes"]}
            boxes = found | {"labels": torch.zeros_like(found["labels"])}
            count += judged(boxes, anything).count("right")
        return count


@functools.cache
def recording() -> dict:
    """The recorded training, as assets/record_training.py wrote it."""
    return json.loads((course_folder() / "assets" / FILE).read_text(encoding="utf-8"))


@functools.cache
def moment(step: int) -> Moment:
    """The training after this step. Raises ValueError for a step that was not recorded."""
    steps = [one["step"] for one in recording()["moments"]]
    if step not in steps:
        raise ValueError(f"step {step} was not recorded; the steps are 0, {EVERY}, … {steps[-1]}.")
    one = recording()["moments"][steps.index(step)]
    found, results = [], []
    for index, rows in enumerate(one["found"]):
        sure = [row for row in rows if row[5] >= 100 * SURE]
        numbers = torch.tensor(sure, dtype=torch.float32).reshape(-1, 6)
        boxes = {
            "boxes": numbers[:, :4],
            "labels": numbers[:, 4].long(),
            "scores": numbers[:, 5] / 100,
        }
        found.append(boxes)
        results.append(judged(boxes, pictures("val")[index][1]))
    return Moment(step, one["ap50"], found, results)


def objects() -> int:
    """How many objects the watched pictures have."""
    return sum(len(pictures("val")[index][1]["labels"]) for index in range(COLUMNS * ROWS))


@styled
def machine_view(step: int) -> View:
    """The ten pictures after this step, and where in the training it stands."""
    now = moment(step)
    foot, curve = 0.3, 1.5  # inches
    width, height = COLUMNS * SIDE, ROWS * SIDE + foot + curve
    places = places_of_pictures(ROWS, COLUMNS, SIDE, height, foot=curve + foot)
    places.append((0.07, 0.42 / height, 0.9, (curve - 0.62) / height))
    figure, (*axes, below) = new_panels(width, height, *places)
    for index, axis in enumerate(axes):
        _draw_picture(axis, index, now)
    _draw_course(below, step)
    draw_key(figure)
    figure.legends[0].set(loc="center", bbox_to_anchor=(0.5, (curve + foot / 2) / height))
    numbers = {
        f"objects found, of {objects()} (score ≥ {SURE:g})": f"{now.count('right')}",
        "objects with a box of any class": f"{now.placed()}",
        "boxes wrong": f"{now.count('wrong')}",
        "AP50 on 60 validation pictures": f"{now.ap50:.2f}",
    }
    words = f"After step {step}: " + ", ".join(
        f"{name}: {value}" for name, value in numbers.items()
    )
    return View(figure, f"{words}.", numbers)


def _draw_picture(axis: Axes, index: int, now: Moment) -> None:
    """One picture with its boxes, in the lines of their kinds: without words, which take time."""
    image, target = pictures("val")[index]
    draw_picture(axis, image)
    boxes, result = now.found[index], now.results[index]
    for number in result.missed:
        _draw_box(axis, target["boxes"][number], "missed")
    for layer in LAYERS:
        for box, kind in zip(boxes["boxes"], result.kinds, strict=True):
            if kind == layer:
                _draw_box(axis, box, kind)


def _draw_box(axis: Axes, box, kind: str) -> None:
    left, top, right, bottom = box.tolist()
    look = LOOKS[kind]
    for color, width, dashes in (("white", 3.0, "-"), (look.color, 1.6, look.dashes)):
        frame = Rectangle((left, top), right - left, bottom - top, fill=False)
        frame.set(edgecolor=color, linewidth=width, linestyle=dashes)
        axis.add_artist(frame)


def _draw_course(axis: Axes, step: int) -> None:
    """Objects found over the steps, with the visited one marked."""
    moments = _moments()
    steps = [one.step for one in moments]
    axis.plot(steps, [one.count("right") for one in moments], "-", marker="", color=PALETTE["blue"])
    dot = {"color": PALETTE["vermillion"], "markersize": 8, "clip_on": False}
    axis.plot([step], [moment(step).count("right")], "o", **dot)
    axis.set(xlim=(-5, steps[-1] + 5), ylim=(0, 1.08 * objects()), ylabel="objects found")
    axis.set_xlabel("training step", labelpad=1)


@styled
def course_view(guesses: Mapping) -> View:
    """The loss of each step, and how many objects have a box, over the whole training.

    guesses: "08.f", the step at which half of the objects are found.
    """
    figure, (left, right) = new_panels(9.6, 3.4, (0.06, 0.16, 0.36, 0.72), (0.49, 0.16, 0.5, 0.72))
    moments = _moments()
    steps = [one.step for one in moments]
    losses = [class_loss + BOX_WEIGHT * box for class_loss, box in recording()["losses"]]
    left.plot(range(1, len(losses) + 1), losses, marker="", linewidth=1.2)
    left.set(xlabel="training step", ylabel="loss of each batch", ylim=(0, None))
    left.set_title("The loss falls early", loc="left")
    lines = {
        "a box of any class": ([one.placed() for one in moments], "--", PALETTE["orange"]),
        "a box of the right class": ([one.count("right") for one in moments], "-", PALETTE["blue"]),
    }
    for name, (counts, dashes, color) in lines.items():
        right.plot(steps, counts, dashes, marker="o", markersize=3, color=color, label=name)
    right.axhline(objects() / 2, color="#888888", linestyle=":", marker="", label="half of them")
    right.set(ylim=(0, objects() + 2), xlim=(-5, steps[-1] + 5), xlabel="training step")
    right.set_ylabel(f"of {objects()} objects")
    right.set_title("The first objects come late", loc="left")
    right.legend(loc="upper left")
    draw_guess(right, guesses["08.f"])
    found = lines["a box of the right class"][0]
    wrong = [one.count("wrong") for one in moments]
    numbers = {
        "loss at step 1, and the mean of the last 50": _first_and_last(losses),
        "wrong boxes before the first step": f"{wrong[0]}",
        "no box at all is left": f"at step {_first_silent(moments)}",
        "the first objects are found": f"at step {_first(found, steps)}",
        "half of them are found": f"at step {first_half(found, steps)}",
        "at the end": f"{found[-1]} of {objects()}, AP50 {moments[-1].ap50:.2f}",
    }
    words = "; ".join(f"{name}: {value}" for name, value in numbers.items())
    return View(figure, f"{words}.", numbers)


def _first_and_last(losses: list[float]) -> str:
    return f"{losses[0]:.2f}, {sum(losses[-50:]) / 50:.2f}"


def _first(counts: list[int], steps: list[int]) -> int | None:
    """The first step at which anything is counted; None if there is none."""
    for count, step in zip(counts, steps, strict=True):
        if count:
            return step
    return None


def _first_silent(moments: list[Moment]) -> int | None:
    """The first step after which there is no box in any picture."""
    for one in moments:
        if not any(len(found["boxes"]) for found in one.found):
            return one.step
    return None


def half_found() -> int:
    """The first recorded step at which half of the objects are found."""
    moments = _moments()
    counts = [one.count("right") for one in moments]
    return first_half(counts, [one.step for one in moments])


def _moments() -> list[Moment]:
    return [moment(one["step"]) for one in recording()["moments"]]


def first_half(counts: list[int], steps: list[int]) -> int | None:
    """The first step at which half of the objects are counted; None if there is none."""
    for count, step in zip(counts, steps, strict=True):
        if 2 * count >= objects():
            return step
    return None


@styled
def show_moments(
    indices: Sequence[int] = (3, 6), steps: Sequence[int] = (100, 125, 200, 300, 500)
) -> None:
    """A few of the pictures, each at several steps: a row for each picture."""
    head, foot = 0.3, 0.35  # inches
    width, height = len(steps) * SIDE, len(indices) * SIDE + head + foot
    places = places_of_pictures(len(indices), len(steps), SIDE, height, foot=foot)
    figure, axes = new_panels(width, height, *places)
    told = []
    for number, axis in enumerate(axes):
        row, column = divmod(number, len(steps))
        _draw_picture(axis, indices[row], moment(steps[column]))
    for axis, step in zip(axes, steps, strict=False):
        axis.set_title(f"after step {step}", loc="left", fontsize=11)
        right = sum(moment(step).results[index].count("right") for index in indices)
        told.append(f"{right} after step {step}")
    draw_key(figure)
    show(figure, f"Objects found in these {len(indices)} pictures: {', '.join(told)}.")
