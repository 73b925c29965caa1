"""A grid search for α, β and γ in miniature, for notebook 03: the candidates, and ten other
mixtures trained.
"""

import itertools
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from effdet_lite.experiments.comparing import spread
from effdet_lite.experiments.compound import CLASSES, GRID
from effdet_lite.experiments.sizes import DIRECTIONS
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, new_figure, styled
from effdet_lite.teach.nb.n03_scaling import ALPHA, BETA, GAMMA, PRODUCT

TICKS = [round(1 + 0.05 * step, 2) for step in range(21)]
WITHIN = 0.05  # of 2
LINES = [1, 1.2, 1.4, 1.6, 1.8]  # of equal α
LARGER = (4, 8)  # times the MACs
# The corners of the grid are directions of their own in the results.
CORNERS = {"grid 300": "depth", "grid 030": "width", "grid 003": "resolution"}


def candidates() -> list[tuple[float, float, float]]:
    """Each (α, β, γ) of the grid with α · β² · γ² near 2."""
    return [
        (alpha, beta, gamma)
        for alpha, beta, gamma in itertools.product(TICKS, repeat=3)
        # A little more, for 1.9 is exactly 5 % less, and numbers in binary are not exact.
        if abs(alpha * beta**2 * gamma**2 / 2 - 1) <= WITHIN + 1e-9
    ]


@styled
def show_candidates() -> None:
    """The candidates by β and γ, with lines of equal α; the paper's is a star."""
    found = candidates()
    figure, axes = new_figure(width=6.2, height=4.2)
    axis, (beta, gamma) = (
        axes[0, 0],
        np.meshgrid(np.linspace(1, 1.45, 91), np.linspace(1, 1.45, 91)),
    )
    axis.contour(
        beta,
        gamma,
        2 / (beta * gamma) ** 2,
        levels=LINES,
        colors="#444444",
        linewidths=1,
    )
    for alpha in LINES:  # left of where β is 1, where no candidate lies
        height = (2 / alpha) ** 0.5
        axis.text(0.985, height, f"α = {alpha:.1f}", ha="right", va="center", fontsize=9)
    places = np.array(found)[:, 1:].T
    axis.plot(*places, "o", linestyle="", label="candidates", alpha=0.5)
    star = {"marker": "*", "markersize": 16, "linestyle": "", "color": PALETTE["vermillion"]}
    axis.plot(BETA, GAMMA, **star, label=f"the paper's, α = {ALPHA}")
    axis.set(xlabel="β, growth of the width", ylabel="γ, growth of the resolution")
    axis.set(xlim=(0.92, 1.46), ylim=(0.99, 1.46), xticks=[1, 1.1, 1.2, 1.3, 1.4])
    axis.set_title("Many mixtures double the cost", fontsize=11)
    axis.legend(fontsize=9)
    show(
        figure,
        f"{len(found)} candidates in the plane of β and γ, below the line where α is 1, or at "
        "most 5 % of cost above it. The paper's lies among them, and its γ is larger than its β.",
    )
    print(f"candidates: {len(found)} of {len(TICKS) ** 3:,}")
    print(f"the paper's product: {PRODUCT:.4f}; that of 1.25, 1.1, 1.15: {_nearest():.4f}")


def _nearest() -> float:
    """The product of the point of the grid beside the paper's, with α one step larger."""
    return round(ALPHA + 0.05, 2) * BETA**2 * GAMMA**2


def accuracies(rows: Sequence[Mapping]) -> dict[str, dict[int, float]]:
    """{candidate of the grid: {seed: accuracy}} at twice the MACs. rows: of
    `experiments.compound`.
    """
    found: dict[str, dict[int, float]] = {}
    for name in GRID:
        direction = CORNERS.get(name, name)
        for row in rows:
            if row["direction"] in (name, direction) and row["factor"] == 2:
                found.setdefault(name, {})[row["seed"]] = row["accuracy"]
    return found


def papers_mixture(rows: Sequence[Mapping]) -> dict[int, float]:
    """{seed: accuracy} of the paper's α, β, γ at twice the MACs."""
    return {
        row["seed"]: row["accuracy"]
        for row in rows
        if (row["direction"], row["factor"]) == ("compound", 2)
    }


def gains_of_the_mixture(rows: Sequence[Mapping]) -> list[float]:
    """What the paper's mixture has more than the mean of the ten candidates, for each seed."""
    found = accuracies(rows)
    return [
        accuracy - fmean(own[seed] for own in found.values())
        for seed, accuracy in papers_mixture(rows).items()
    ]


def larger_table(rows: Sequence[Mapping]) -> None:
    """A line for 4 and for 8 times the MACs: the accuracy of each direction in this experiment."""
    lines = []
    for factor in LARGER:
        cells = []
        for direction in DIRECTIONS:
            own = [
                row["accuracy"]
                for row in rows
                if (row["direction"], row["factor"]) == (direction, factor)
            ]
            cells.append(str(spread(own)))
        lines.append([f"{factor} ×", *cells])
    table(["MACs", *DIRECTIONS], lines)


def grid_table(rows: Sequence[Mapping]) -> None:
    """A line for each candidate, the most accurate first; the paper's mixture stands below."""
    found = accuracies(rows)
    lines = []
    for name in sorted(found, key=lambda name: -fmean(found[name].values())):
        cells = [f"{base:.2f}" for base in GRID[name]]
        lines.append([*cells, str(spread(list(found[name].values())))])
    table(["α, depth", "β, width", "γ, resolution", "accuracy: mean (lowest – highest)"], lines)
    ours = spread(list(papers_mixture(rows).values()))
    print(f"chance: {1 / len(CLASSES):.3f}")
    print(f"with the paper's {ALPHA:g}, {BETA:g}, {GAMMA:g}, scaled to the same cost: {ours}")
