"""What the explorer of notebook 03 shows: B0 scaled by four numbers, to scale, among B0 to B7."""

import functools
import math

import numpy as np
from matplotlib.axes import Axes

from effdet_lite.cost import Cost
from effdet_lite.scaling import EFFICIENTNETS, efficientnet
from effdet_lite.teach.kit.drawings import network_drawing, thickness
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.shared import efficientnet_activations, outline
from effdet_lite.teach.kit.widgets import View

PARTS = {"stem to stage 2": (0, 3), "stages 3 and 4": (3, 5), "stages 5 to 7": (5, 8)}
PARTS |= {"head": (8, 9)}
MACS_SHOWN, PARAMS_SHOWN = (7, 12), (6, 9)  # ends of the axes, as powers of ten


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
    total, published = sum(costs), published_costs()
    memory = efficientnet_activations(config)
    thickest = max(thickness(maps), thickness(largest))
    widest = max(entry.side for entry in [*maps, *largest])

    figure, (left, right) = new_panels(9.0, 3.4, (0, 0, 0.63, 1), (0.71, 0.16, 0.27, 0.74))
    network_drawing(left, maps, limits=(thickest, widest))
    _cost_plot(right, total)

    near = min(published, key=lambda name: abs(math.log(published[name].macs / total.macs)))
    other = published[near]
    shares = (
        f"{name} {sum(costs[first:end]).macs / total.macs:.0%}"
        for name, (first, end) in PARTS.items()
    )
    numbers = {
        "depth, width, resolution": f"{config.depth:.3f} ×, {config.width:.3f} ×, "
        f"{config.resolution} px",
        "blocks": f"{sum(entry.blocks for entry in maps[1:8])}",
        "α · β² · γ²": f"{alpha * beta**2 * gamma**2:.4f}",
        "parameters": f"{total.params:,}",
        "MACs": f"{total.macs / 1e6:,.1f} million, {total.macs / published['B0'].macs:,.2f} × B0's",
        "MACs by part": ", ".join(shares),
        "weights": f"{4e-6 * total.params:,.1f} MB",
        "activations, all convolutions, one image": f"{4e-6 * memory:,.1f} MB",
        "nearest published": f"{near}: {other.macs / 1e6:,.0f} million MACs, "
        f"{other.params / 1e6:.1f} M parameters, {EFFICIENTNETS[near.lower()].resolution} px",
    }
    words = f"The network of ϕ = {phi:g} to scale; among B0 to B7 its cost is nearest to {near}'s."
    return View(figure, words, numbers)


def _cost_plot(axis: Axes, total: Cost) -> None:
    """Parameters against MACs of B0 ... B7, and a star for this network; beyond the axes it stands
    at their rim.
    """
    published = published_costs()
    places = np.log10([(one.macs, one.params) for one in published.values()])
    axis.plot(*places.T, markersize=3)
    for name, (x, y) in zip(published, places, strict=True):
        if name in ("B0", "B3", "B5", "B7"):
            axis.annotate(name, (x, y), (4, -11), textcoords="offset points", fontsize=9)
    star = np.log10([total.macs, total.params]).clip(*zip(MACS_SHOWN, PARAMS_SHOWN, strict=True))
    look = {"marker": "*", "markersize": 13, "color": PALETTE["vermillion"], "linestyle": ""}
    axis.plot(*star, clip_on=False, zorder=5, **look)
    axis.set(xlim=MACS_SHOWN, xticks=[8, 9, 10, 11], xticklabels=["0.1", "1", "10", "100"])
    axis.set(ylim=PARAMS_SHOWN, yticks=[6, 7, 8, 9], yticklabels=["1", "10", "100", "1000"])
    axis.set(xlabel="MACs (billion)", ylabel="parameters (million)")
