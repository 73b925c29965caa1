"""The explorer of notebook 07: a detector of any phi, its drawing, its cost, and what it buys."""

import functools
import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from effdet_lite.cost import Cost
from effdet_lite.scaling import efficientdet
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.judged import draw_judged, draw_key
from effdet_lite.teach.kit.page import img, table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.shared import unseen_pictures
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.kit.words import with_minus
from effdet_lite.teach.nb.n07_efficientdet import (
    activations_by_part,
    backbone_maps,
    costs_of,
    detector_drawing,
)
from effdet_lite.teach.nb.n07_ladder import (
    PHIS,
    aps_by_seed,
    draw_ladder,
    draw_paper,
    judged_picture,
    on_papers_curve,
    rungs,
    told,
)

BYTES = 4  # of a number
TICKS = (0.01, 0.1, 1, 10, 100)


def total_cost(phi: float) -> Cost:
    """Of the formula's detector on one image of its own resolution."""
    return sum(costs_of(efficientdet(phi)).values())


def memory(phi: float) -> float:
    """Megabytes of what all convolutions put out for one image."""
    return 1e-6 * BYTES * sum(activations_by_part(efficientdet(phi)).values())


def nearest_trained(phi: float) -> int | None:
    """The phi of the nearest detector that comes with the course; None above the largest."""
    return None if phi > max(PHIS) else min(PHIS, key=lambda trained: abs(trained - phi))


@styled
def detector_view(phi: float, picture: int = 0) -> View:
    """The formula's detector of this phi: drawing, cost, AP, and what the nearest trained one
    finds.

    picture: which of the test pictures of 128 px. Above phi = 0 none was trained here, and the
    paper's curve stands in its place.
    """
    config, chosen = efficientdet(phi), nearest_trained(phi)
    figure, (drawing, bars) = new_panels(9.6, 4.3, (0, 0.34, 1, 0.66), (0.2, 0.115, 0.71, 0.2))
    detector_drawing(drawing, config)
    _draw_costs(bars, phi)
    if chosen is None:
        below = _paper_picture(phi)
    else:
        below = _ladder_picture(chosen) + _found_picture(chosen, picture % len(unseen_pictures()))
    words = f"The detector of ϕ = {with_minus(phi)} to scale, and its cost beside that of ϕ = 0."
    return View(figure, words, _numbers(phi, chosen), below)


def _draw_costs(axis: Axes, phi: float) -> None:
    """Parameters, MACs and memory, as multiples of what phi = 0 takes."""
    now, first = total_cost(phi), total_cost(0)
    ratios = {
        "parameters": now.params / first.params,
        "MACs": now.macs / first.macs,
        "memory": memory(phi) / memory(0),
    }
    colors = PALETTE["sky"], PALETTE["orange"], PALETTE["green"]
    for row, (ratio, color) in enumerate(zip(ratios.values(), colors, strict=True)):
        axis.barh(row, math.log10(ratio), height=0.7, color=color)
        side, apart = ("left", 6) if ratio >= 1 else ("right", -6)
        place = {"xytext": (apart, 0), "textcoords": "offset points", "ha": side, "va": "center"}
        axis.annotate(f"× {ratio:.3g}", (math.log10(ratio), row), **place, fontsize=11)
    axis.axvline(0, color="black", linestyle="-", linewidth=1.2, marker="")
    # Logarithms on a plain axis: matplotlib's logarithmic one takes twice as long to draw.
    axis.set(xlim=(math.log10(0.007), math.log10(700)), ylim=(2.6, -0.6))
    axis.set_xticks([math.log10(tick) for tick in TICKS], [f"{tick:g}" for tick in TICKS])
    axis.set_yticks(range(3), list(ratios), fontsize=11)
    axis.set_xlabel("times what ϕ = 0 (D0) takes")
    axis.grid(visible=False, axis="y")


@functools.cache
def _ladder_picture(chosen: int) -> str:
    """AP of the trained detectors, with a star at one of them."""
    figure, (axis,) = new_panels(4.7, 3.3, (0.15, 0.16, 0.82, 0.74))
    found = aps_by_seed()
    draw_ladder(axis, found)
    star = {"marker": "*", "markersize": 20, "color": PALETTE["vermillion"], "linestyle": ""}
    own = found[chosen]
    axis.plot(chosen, sum(own.values()) / len(own), **star)
    return img(
        figure, f"AP of the trained detectors; the star at ϕ = {with_minus(chosen)}: {told(own)}."
    )


@functools.lru_cache(maxsize=64)
def _paper_picture(phi: float) -> str:
    """The paper's curve, with this phi on it."""
    figure, (axis,) = new_panels(9.6, 3.3, (0.08, 0.16, 0.9, 0.74))
    macs = total_cost(phi).macs
    draw_paper(axis, macs / 1e9)
    ap = on_papers_curve(macs)
    place = f"about {ap:.0f} %" if ap else "beyond its end"
    axis.set_title(
        f"the paper's detectors on COCO; the line is ϕ = {with_minus(phi)}: {place}", fontsize=11
    )
    return img(figure, f"The paper's AP over MACs; ϕ = {with_minus(phi)} on it: {place}.")


@functools.lru_cache(maxsize=64)
def _found_picture(chosen: int, picture: int) -> str:
    """A test picture with what the trained detector finds."""
    figure, right, objects = found_figure(chosen, picture)
    return img(
        figure, f"ϕ = {with_minus(chosen)} finds {right} of {objects} objects of picture {picture}."
    )


@styled
def found_figure(chosen: int, picture: int) -> tuple[Figure, int, int]:
    """A test picture with the judged boxes of a trained detector; how many objects are found, and
    how many there are.
    """
    image, target, found, result = judged_picture(chosen, picture)
    objects = len(target["labels"])
    right = objects - len(result.missed)
    figure, (axis,) = new_panels(4.8, 3.3, (0.2, 0.16, 0.6, 0.76))
    draw_picture(axis, image)
    draw_judged(axis, found, target, unseen_pictures().classes, result)
    axis.set_title(f"ϕ = {with_minus(chosen)} finds {right} of {objects} objects", fontsize=11)
    draw_key(figure, columns=2)
    return figure, right, objects


def _numbers(phi: float, chosen: int | None) -> dict[str, str]:
    """What stands below the pictures."""
    config, total = efficientdet(phi), total_cost(phi)
    blocks = sum(entry.blocks for entry in backbone_maps(config)[1:8])
    side, backbone = config.resolution, config.backbone
    levels = f"P{config.min_level} to P{config.max_level}"
    if chosen is None:
        ap = on_papers_curve(total.macs)
        ends = "more MACs than any of the paper's detectors"
        buys = ends if ap is None else f"about {ap:.0f} % on COCO, at these MACs"
    else:
        name = f"ϕ = {with_minus(chosen)}"
        which = name if chosen == phi else f"{name}, the nearest"
        macs = rungs()[chosen].cost.macs / 1e6
        buys = f"{which}: AP {told(aps_by_seed()[chosen])}; {macs:.0f} million MACs at 128 px"
    return {
        "image, levels": f"{side} × {side} px, {levels}",
        "backbone": f"{blocks} blocks, {backbone.width:.2f} times as wide as B0",
        "BiFPN": f"{config.fusion_repeats} × the cell, {config.fusion_channels} channels",
        "heads": f"{config.head_repeats} layers, and the answer",
        "parameters": f"{total.params:,}",
        "MACs": f"{total.macs / 1e6:,.1f} million",
        "memory for one image": f"{memory(phi):,.1f} MB",
        "AP in the paper" if chosen is None else "trained on shapes": buys,
    }


# --- the whole range in one table ---


def first_phi_with_larger_bifpn(step: float = 0.25) -> float:
    """The smallest phi of the slider at which the BiFPN takes more MACs than the class head."""
    for number in range(round(7 / step) + 1):
        costs = costs_of(efficientdet(number * step))
        if costs["fusion"].macs > costs["class_head"].macs:
            return number * step
    raise ValueError("there is no such phi.")


def show_whole_range() -> None:
    """A table: the formula's detectors from phi = -3 to 7."""
    kinds = ("image, levels", "BiFPN", "parameters", "MACs", "memory for one image")
    rows = []
    for phi in (-3, -1.5, -0.25, 0, 0.25, 1.5, 3, 5, 7):
        numbers = _numbers(phi, nearest_trained(phi))
        rows.append([with_minus(phi), *(numbers[kind] for kind in kinds)])
    table(["ϕ", *kinds], rows)
    print(
        f"the BiFPN takes more MACs than the class head from ϕ = {first_phi_with_larger_bifpn():g}"
    )
    last, first = total_cost(7), total_cost(-3)
    side = efficientdet(7).resolution / efficientdet(-3).resolution
    grown = f"parameters × {last.params / first.params:.0f}, MACs × {last.macs / first.macs:,.0f}"
    print(f"from ϕ = −3 to 7: side × {side:.0f}, {grown}")
