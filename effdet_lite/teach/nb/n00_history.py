"""Why EfficientDet mattered in its time: what notebook 00 shows of the published detectors."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from effdet_lite.scaling import PUBLISHED
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.plots import PALETTE, new_figure, new_panels, styled
from effdet_lite.teach.kit.widgets import View


class Reported(NamedTuple):
    """What the paper's table 2 says of another detector. work: billions of multiplications for one
    picture. ap: COCO AP in %, on test-dev, or where that is not given on the validation set.
    """

    name: str
    work: float
    ap: float
    is_test: bool = True


# EfficientDet, arXiv 1911.09070v7, table 2: every detector there for which it gives the work. It
# writes "FLOPs", and says that it counts multiply-adds.
OTHERS = (
    Reported("YOLOv3", 71, 33.0),
    Reported("RetinaNet-R50", 97, 39.2),
    Reported("RetinaNet-R101", 127, 39.9),
    Reported("Mask R-CNN R101-FPN", 164, 42.9, is_test=False),
    Reported("Mask R-CNN X101-FPN", 277, 44.3, is_test=False),
    Reported("ResNet-50 + NAS-FPN (1024)", 360, 44.2),
    Reported("ResNet-50 + NAS-FPN (1280)", 563, 44.8),
    Reported("ResNet-50 + NAS-FPN (1280@384)", 1043, 45.4),
    Reported("AmoebaNet + NAS-FPN + AA (1280)", 1317, 48.6, is_test=False),
    Reported("AmoebaNet + NAS-FPN + AA (1536)", 3045, 50.7, is_test=False),
)
RIVAL = OTHERS[1]
GRAY = "#666666"  # of the other detectors
# No grid line runs through words, and they lie below the detectors and their lines.
UNDER = {"bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1}, "zorder": 1.2}
OURS = "d1"
# Milliseconds for one picture on the same graphics card (Titan V), in the same table.
TIMES = {RIVAL.name: 25, OURS: 16}
NAMES = "RetinaNet", "EfficientDet-D1"


class Family(NamedTuple):
    """Sizes of one detector: their places in OTHERS, which of these its name stands beside on the
    figure, how far away (points), and which side of the name is there.
    """

    sizes: tuple[int, ...]
    beside: int
    apart: tuple[int, int]
    side: str = "left"


FAMILIES = {
    "YOLOv3": Family((0,), 0, (9, -4)),
    "RetinaNet": Family((1, 2), 1, (0, -16), "center"),
    "Mask R-CNN": Family((3, 4), 3, (-9, 3), "right"),
    "ResNet + NAS-FPN": Family((5, 6, 7), 7, (9, -4)),
    "AmoebaNet + NAS-FPN": Family((8, 9), 8, (-18, -15)),
}


def times_less_work() -> float:
    """How many times fewer multiplications EfficientDet-D1 needs than RetinaNet, as published."""
    return RIVAL.work * 1e9 / PUBLISHED[OURS].macs


def times_as_fast() -> float:
    """How many times as fast it was on the same graphics card."""
    return TIMES[RIVAL.name] / TIMES[OURS]


def accuracy_and_work(guesses: Mapping) -> View:
    """The published detectors: accuracy over work. guesses: "00.a", how many times less work than
    RetinaNet's D1 needs.
    """
    guess = guesses["00.a"]
    ours = PUBLISHED[OURS]
    numbers = {
        "RetinaNet": f"{RIVAL.work:.0f} billion multiplications, AP {RIVAL.ap}",
        "EfficientDet-D1": f"{ours.macs / 1e9:.1f} billion multiplications, AP {ours.accuracy}",
        "times fewer": f"{times_less_work():.1f}",
    }
    words = "EfficientDet needs a small part of the multiplications of others with about its AP: "
    words += f"D1 needs {times_less_work():.1f} times fewer than RetinaNet, and has a higher AP."
    return View(accuracy_figure(guess), words, numbers)


@styled
def accuracy_figure(guess: float | None = None) -> Figure:
    """Accuracy over work for EfficientDet D0 to D7x and the detectors of its time, and where D1
    would stand by the guess.
    """
    figure, axes = new_figure(width=8.2, height=4.4)
    axis = axes[0, 0]
    axis.set(xscale="log", xlim=(1.7, 6000), ylim=(30, 58))
    axis.set_xticks([2**power for power in range(1, 13)])
    axis.xaxis.set(major_formatter="{x:,.0f}", minor_formatter="")
    axis.tick_params(which="minor", bottom=False)
    axis.set_xlabel("work: billions of multiplications for one picture (each step: × 2)")
    axis.set_ylabel("accuracy: AP on COCO")
    axis.set_title("EfficientDet: better boxes for a fraction of the work", loc="left", fontsize=12)
    _draw_efficientdets(axis)
    _draw_others(axis)
    ours = PUBLISHED[OURS]
    arrow = {"arrowstyle": "->", "color": PALETTE["black"], "linewidth": 1.4, "shrinkB": 7}
    axis.annotate("", (ours.macs / 1e9, ours.accuracy), (RIVAL.work, RIVAL.ap), arrowprops=arrow)
    axis.text(23, 38.0, f"work ÷ {times_less_work():.1f}", ha="center", fontsize=11, **UNDER)
    if guess is not None:
        draw_guess(axis, (RIVAL.work / guess, ours.accuracy), label="D1, by your guess")
    return figure


def _draw_efficientdets(axis: Axes) -> None:
    family = {name: one for name, one in PUBLISHED.items() if name.startswith("d")}
    work = [one.macs / 1e9 for one in family.values()]
    accuracy = [one.accuracy for one in family.values()]
    axis.plot(work, accuracy, color=PALETTE["blue"], marker="o", markersize=7, linestyle="-")
    for name, x, y in zip(family, work, accuracy, strict=True):
        words = name.upper().replace("X", "x")
        place = {"xytext": (-7, 5), "textcoords": "offset points", "ha": "right"}
        axis.annotate(words, (x, y), **place, color=PALETTE["blue"], fontsize=9, **UNDER)
    look = {"color": PALETTE["blue"], "fontsize": 11, "fontweight": "bold"}
    axis.text(3.0, 48.5, "EfficientDet", **look, **UNDER)


def _draw_others(axis: Axes) -> None:
    color = GRAY
    for one in OTHERS:
        face = color if one.is_test else "white"
        axis.plot(one.work, one.ap, marker="s", markersize=7, color=color, markerfacecolor=face)
    for name, family in FAMILIES.items():
        sizes = [OTHERS[number] for number in family.sizes]
        work, ap = [one.work for one in sizes], [one.ap for one in sizes]
        axis.plot(work, ap, color=color, linestyle="-", linewidth=1.2, marker="", zorder=1.5)
        beside = OTHERS[family.beside]
        place = {"xytext": family.apart, "textcoords": "offset points", "ha": family.side}
        axis.annotate(name, (beside.work, beside.ap), **place, color=color, fontsize=9, **UNDER)


def work_and_time(guesses: Mapping) -> View:
    """Work and time of RetinaNet and D1. guesses: "00.a" and "00.b", how many times
    less work and how many times as fast.
    """
    numbers = {
        "RetinaNet": f"{TIMES[RIVAL.name]} ms for one picture",
        "EfficientDet-D1": f"{TIMES[OURS]} ms for one picture",
        "times as fast": f"{times_as_fast():.1f}",
    }
    words = (
        f"{times_less_work():.1f} times less work, and only {times_as_fast():.1f} times as fast."
    )
    return View(_bars(guesses), words, numbers)


@styled
def _bars(guesses: Mapping) -> Figure:
    """Work and time side by side, and where D1's bars would end by the guesses."""
    figure, (work, time) = new_panels(8.2, 2.1, (0.16, 0.28, 0.33, 0.5), (0.65, 0.28, 0.33, 0.5))
    billions = RIVAL.work, PUBLISHED[OURS].macs / 1e9
    _draw_bars(work, billions, "billion", guesses["00.a"])
    work.set(xlim=(0, 110), xlabel="billions of multiplications for one picture")
    work.set_title(f"Work: {times_less_work():.1f} times less", loc="left", fontsize=11)
    milliseconds = TIMES[RIVAL.name], TIMES[OURS]
    _draw_bars(time, milliseconds, "ms", guesses["00.b"])
    time.set(xlim=(0, 28), xlabel="milliseconds for one picture")
    time.set_title(f"Time: {times_as_fast():.1f} times as fast", loc="left", fontsize=11)
    return figure


def _draw_bars(axis: Axes, values: Sequence[float], unit: str, guess: float | None) -> None:
    """RetinaNet above D1, each with its value. guess: how many times shorter D1's bar is."""
    axis.grid(visible=False, axis="y")
    axis.barh([0, 1], values, height=0.5, color=[GRAY, PALETTE["blue"]])
    told = [f"{name}\n{value:.3g} {unit}" for name, value in zip(NAMES, values, strict=True)]
    axis.set_yticks([0, 1], told)
    axis.set_ylim(1.5, -0.5)
    if guess is not None:
        draw_guess(axis, values[0] / guess, y=1.25)
