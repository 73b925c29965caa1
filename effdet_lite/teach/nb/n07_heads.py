"""The heads of notebook 07: what they answer at one position, and what their norms are worth."""

import copy
import functools
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import nn

from effdet_lite.anchors import ANCHORS_PER_POSITION
from effdet_lite.efficientdet import EfficientDet, Head
from effdet_lite.evaluation import coco_ap
from effdet_lite.scaling import EFFICIENTDETS
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, line_look, new_figure, new_panels, styled
from effdet_lite.teach.kit.shared import shipped, unseen_pictures
from effdet_lite.teach.kit.widgets import View

D0 = EFFICIENTDETS["d0"]
CLASSES = 90
TRAINED = "shapes-phi0"  # the detector whose norms are exchanged
PICTURES = 60
PARTS = {  # of a norm, and its tensors
    "the standard deviations": ("running_var",),
    "the means": ("running_mean",),
    "the factors and shifts": ("weight", "bias"),
}
HEADS = {"class_head": "class head", "box_head": "box head"}


# --- one position ---


def outputs_at_a_position(classes: int = CLASSES) -> dict[str, int]:
    """How many numbers each head answers at one position."""
    each = ANCHORS_PER_POSITION
    return {"class_head": each * classes, "box_head": each * 4}


def positions() -> int:
    """How many positions D0 has on all its levels."""
    return sum((D0.resolution // 2**level) ** 2 for level in D0.levels)


@styled
def position_view(guesses: Mapping) -> View:
    """The channels of one position on their way through D0's two heads, as columns to scale.

    guesses: "07.a", how many numbers the class head answers there.
    """
    figure, axes = new_panels(9.4, 4.0, (0.09, 0.15, 0.5, 0.74), (0.66, 0.15, 0.33, 0.74))
    answers = outputs_at_a_position()
    each = {"class_head": CLASSES, "box_head": 4}
    colors = {"class_head": PALETTE["green"], "box_head": PALETTE["purple"]}
    for axis, (part, name) in zip(axes, HEADS.items(), strict=True):
        _draw_layers(axis, answers[part], each[part], colors[part])
        total = answers[part]
        axis.set_title(f"{name}: 64 numbers in, {total} out", loc="left", fontsize=11)
    axes[0].set_ylabel("numbers at one position")
    draw_guess(axes[0], guesses["07.a"], x=D0.head_repeats + 1)
    numbers = {
        "class head": f"9 anchors × {CLASSES} scores = {answers['class_head']} numbers",
        "box head": f"9 anchors × 4 deltas = {answers['box_head']} numbers",
        "positions on D0's five levels": f"{positions():,}",
    }
    words = (
        f"At one position of D0 both heads read {D0.fusion_channels} numbers. The class head ends "
        f"with {answers['class_head']} of them, the box head with {answers['box_head']}."
    )
    return View(figure, words, numbers)


def _draw_layers(axis: Axes, answers: int, each: int, color: str) -> None:
    """A column for what comes in, for each layer and for the answer, which has nine parts."""
    repeats, channels = D0.head_repeats, D0.fusion_channels
    for layer in range(repeats + 1):
        face = PALETTE["orange"] if layer == 0 else color
        axis.bar(layer, channels, width=0.6, color=face, edgecolor="black", linewidth=0.6)
        axis.text(layer, channels + 12, channels, ha="center", fontsize=9)
    for anchor in range(answers // each):
        place = (repeats + 0.7, anchor * each)
        look = {"facecolor": color, "edgecolor": "white" if each > 10 else color}
        axis.add_artist(Rectangle(place, 0.6, each, **look, linewidth=1.2))
    axis.text(repeats + 1, answers + 12, answers, ha="center", fontsize=10, weight="bold")
    if each > 10:
        words = {"va": "center", "ha": "right", "fontsize": 9}
        axis.text(repeats + 0.62, 4.5 * each, "nine anchors,\n90 scores each", **words)
    names = ["BiFPN", *(f"layer {number}" for number in range(1, repeats + 1)), "answer"]
    axis.set_xticks(range(repeats + 2), names, fontsize=9)
    axis.set(ylim=(0, 900), xlim=(-0.6, repeats + 1.6))
    axis.set_yticks(range(0, 901, 100))
    axis.grid(visible=False, axis="x")


# --- what is shared ---


def show_shared_parameters(head: Head) -> None:
    """A table: what a head would have if its norms were shared too, or if nothing were."""
    convs = sum(p.numel() for part in (head.convs, head.predict) for p in part.parameters())
    norms = sum(p.numel() for p in head.norms.parameters())
    levels = len(head.norms[0])
    ways = {
        "as it is: convolutions shared, norms not": convs + norms,
        "everything shared": convs + norms // levels,
        "nothing shared": levels * convs + norms,
    }
    rows = [
        [name, f"{number:,}", f"{number / (convs + norms):.2f}"] for name, number in ways.items()
    ]
    table(["D0's class head", "parameters", "times as many"], rows)


def with_norms_of(model: EfficientDet, level: int) -> EfficientDet:
    """A copy whose heads use, on every level, the norms of the level with this number, 0 the
    finest.
    """
    changed = copy.deepcopy(model)
    for head in (changed.class_head, changed.box_head):
        for norms in head.norms:
            for place in range(len(norms)):
                norms[place] = norms[level]
    return changed


@functools.cache
def aps_by_norms(pictures: int = PICTURES) -> dict[str, float]:
    """AP of the trained detector on the first test pictures: with its own norms, and with those of
    one level on all of them.
    """
    model, _ = shipped(TRAINED)
    few = unseen_pictures().subset(range(pictures))
    models = {"each its own": model}
    for place, level in enumerate(model.config.levels):
        models[f"P{level}'s"] = with_norms_of(model, place)
    return {name: coco_ap(one, few, progress=False)["ap"] for name, one in models.items()}


@styled
def norms_view(guesses: Mapping) -> View:
    """AP of a trained detector with its own norms and with one level's on all levels. guesses:
    "07.b", the AP with the coarsest level's.
    """
    found = aps_by_norms()
    figure, (axis,) = new_panels(7.6, 3.4, (0.1, 0.17, 0.87, 0.71))
    colors = [PALETTE["blue"]] + [PALETTE["sky"]] * (len(found) - 1)
    axis.bar(list(found), list(found.values()), width=0.6, color=colors)
    for place, ap in enumerate(found.values()):
        axis.text(place, ap + 0.015, f"{ap:.2f}", ha="center", fontsize=10)
    axis.set(ylim=(0, 1), ylabel=f"AP on {PICTURES} pictures (0–1)")
    axis.set_xlabel("whose norms all levels of both heads use")
    own, *_, coarsest = found.values()
    title = f"With the coarsest level's norms everywhere, AP falls from {own:.2f} to {coarsest:.2f}"
    axis.set_title(title, fontsize=11)
    draw_guess(axis, guesses["07.b"], x=len(found) - 1)
    # As one would subtract what is shown.
    apart = {name: round(own, 2) - round(ap, 2) for name, ap in found.items()}
    losses = {name: f", {loss:.2f} less" for name, loss in apart.items() if loss}
    told = {name: f"AP {ap:.2f}{losses.get(name, '')}" for name, ap in found.items()}
    words = "; ".join(f"{name}: {ap:.2f}" for name, ap in found.items())
    return View(figure, f"AP by whose norms the heads use: {words}.", told)


def with_parts_of_norms(model: EfficientDet, level: int, parts: Sequence[str]) -> EfficientDet:
    """A copy whose heads take these tensors of their norms ("running_mean", "weight" …), on every
    level, from the level with this number, 0 the finest.
    """
    changed = copy.deepcopy(model)
    for head in (changed.class_head, changed.box_head):
        for norms in head.norms:
            taken = {name: getattr(norms[level], name).detach() for name in parts}
            for norm in norms:
                norm.load_state_dict(taken, strict=False)
    return changed


def show_parts_of_norms() -> None:
    """A table: AP of the trained detector where all levels use one part of the coarsest level's
    norms, or all parts.
    """
    model, _ = shipped(TRAINED)
    few = unseen_pictures().subset(range(PICTURES))
    own, *_, coarsest = aps_by_norms().values()
    found = {"nothing": own}
    for words, names in PARTS.items():
        changed = with_parts_of_norms(model, len(model.config.levels) - 1, names)
        found[words] = coco_ap(changed, few, progress=False)["ap"]
    found["all four"] = coarsest
    name = f"P{model.config.max_level}"
    rows = [[words, f"{ap:.2f}"] for words, ap in found.items()]
    table([f"what all levels take from {name}'s norms", "AP"], rows)


@styled
def show_spread_by_level() -> None:
    """The spread that each level's norms of the trained detector have seen."""
    model, _ = shipped(TRAINED)
    names = [f"P{level}" for level in model.config.levels]
    figure, axes = new_figure(columns=2, width=9.0, height=3.4)
    for axis, (part, title) in zip(axes[0], HEADS.items(), strict=True):
        for number, norms in enumerate(getattr(model, part).norms):
            axis.plot(names, spreads(norms), **line_look(number), label=f"layer {number + 1}")
        axis.set(title=title, xlabel="level", ylim=(0, None))
        axis.set_ylabel("standard deviation before the norm")
        axis.legend()
    layers = [norms for part in HEADS for norms in getattr(model, part).norms]
    smallest = sum(min(spreads(norms)) == spreads(norms)[-1] for norms in layers)
    count = f"in {smallest} of {len(layers)} layers"
    figure.suptitle(f"{count.capitalize()} the spread is smallest on P6 (two scales)", fontsize=12)
    show(
        figure,
        f"The spread of the numbers before each norm: {count} of the heads it is smallest on P6, "
        "the coarsest level.",
    )


def spreads(norms: nn.ModuleList) -> list[float]:
    """For each level, the standard deviation of the median channel: half of the channels have a
    larger one.
    """
    return [norm.running_var.sqrt().median().item() for norm in norms]
