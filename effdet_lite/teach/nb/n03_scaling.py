"""What the explorer of notebook 03 shows: B0 scaled by four numbers, to scale, among B0 to B7."""

import functools
import math

import numpy as np

from effdet_lite.cost import Cost
from effdet_lite.scaling import EFFICIENTNETS, efficientnet
from effdet_lite.teach.kit.drawings import network_drawing, thickness
from effdet_lite.teach.kit.plots import PALETTE, new_figure, styled
from effdet_lite.teach.kit.shared import efficientnet_activations, outline
from effdet_lite.teach.kit.widgets import View


@functools.cache
def published_costs() -> dict[str, Cost]:
    """B0 ... B7 as published, counted at their own resolutions."""
    return {name.upper(): sum(outline(config).costs) for name, config in EFFICIENTNETS.items()}


@styled
def scaling_view(phi: float, alpha: float, beta: float, gamma: float) -> View:
    """B0 with alpha^phi times the depth, beta^phi the width, gamma^phi the resolution: its cost
    beside B0 ... B7.

    Memory is that of 4-byte numbers: the weights, and what all convolutions put out for one image.
    The drawing has one scale for every network up to B7's size, and shrinks only for larger ones.
    """
    config, largest = efficientnet(phi, alpha, beta, gamma), outline(EFFICIENTNETS["b7"]).maps
    _, costs, maps = outline(config)
    total = sum(costs)
    figure, axes = new_figure(
        width=9.0, height=3.2, margins={"left": 0, "right": 1, "bottom": 0, "top": 1}
    )
    axis, published = axes[0, 0], published_costs()
    limits = [
        max(measure(maps), measure(largest))
        for measure in (thickness, lambda some: max(m.side for m in some))
    ]
    network_drawing(axis, maps, limits=tuple(limits))
    # Beside it the plot of costs, drawn by hand: axes of its own would take half of the time.
    places = np.log10([(one.macs, one.params) for one in [*published.values(), total]])
    places = places.clip((7, 6), (12, 9)) * (11, 16) + (
        105,
        -120,
    )  # what lies outside stands at the rim
    axis.plot([182, 182, 237], [24, -24, -24], color="black", linestyle="-", marker="", lw=0.8)
    axis.plot(*places[:-1].T, markersize=3)
    axis.plot(
        *places[-1],
        marker="*",
        markersize=13,
        color=PALETTE["vermillion"],
        linestyle="",
        clip_on=False,
    )
    labels = {
        "100 M": (193, -28),
        "1 G": (204, -28),
        "10 G": (215, -28),
        "100 G": (226, -28),
        "MACs": (235, -20),
        "1 M": (177, -24),
        "10 M": (177, -8),
        " 100 M": (176, 8),
        "parameters": (176, 25),
    }
    labels |= {
        name: (x + 4, y - 3)
        for name, (x, y) in zip(published, places, strict=False)
        if name in "B0 B3 B5 B7"
    }
    for words, place in labels.items():
        axis.text(*place, words, fontsize=7, ha="center", va="center")
    axis.set(xlim=(-10, 240))
    near = min(published, key=lambda name: abs(math.log(published[name].macs / total.macs)))
    parts = {
        "stem to stage 2": costs[:3],
        "stages 3 and 4": costs[3:5],
        "stages 5 to 7": costs[5:8],
        "head": costs[8:],
    }
    shares = ", ".join(f"{name} {sum(some).macs / total.macs:.0%}" for name, some in parts.items())
    numbers = {
        "depth, width, resolution": f"{config.depth:.3f} ×, {config.width:.3f} ×, {config.resolution} px",
        "blocks": f"{sum(entry.blocks for entry in maps[1:8])}",
        "α · β² · γ²": f"{alpha * beta**2 * gamma**2:.4f}",
        "parameters": f"{total.params:,}",
        "MACs": f"{total.macs / 1e6:,.1f} million, {total.macs / published['B0'].macs:,.2f} × B0's",
        "MACs by part": shares,
        "weights": f"{4 * total.params / 1e6:,.1f} MB",
        "activations, all convolutions, one image": f"{4 * efficientnet_activations(config) / 1e6:,.1f} MB",
        "nearest published": f"{near}: {published[near].macs / 1e6:,.0f} million MACs, "
        f"{published[near].params / 1e6:.1f} M parameters, {EFFICIENTNETS[near.lower()].resolution} px",
    }
    return View(
        figure,
        f"The network of ϕ = {phi:g} to scale; among B0 to B7 its cost is nearest to {near}'s.",
        numbers,
    )
