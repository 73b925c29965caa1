"""Is a difference of AP more than the chance in the pictures? For notebook 09."""

from collections.abc import Mapping, Sequence

import numpy as np

from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n09_results import CLASSES, Grades

MIDDLE = (2.5, 97.5)  # percentiles: 95 of 100 draws lie between


def unpaired_gains(one: Grades, other: Grades, draws: int, seed: int = 1) -> list[float]:
    """AP of `one` less AP of `other`, each on a draw of its own."""
    rng = np.random.default_rng(seed)
    pairs = [rng.integers(0, one.count, (2, one.count)) for _ in range(draws)]
    return [one.ap(first) - other.ap(second) for first, second in pairs]


@styled
def gains_view(paired: Sequence[float], unpaired: Sequence[float], guesses: Mapping) -> View:
    """Two histograms of the difference, one above the other. guesses: "09.e", the share of paired
    draws in which the larger detector is ahead, in percent.
    """
    figure, axes = new_panels(7.4, 4.4, (0.1, 0.58, 0.87, 0.33), (0.1, 0.11, 0.87, 0.33))
    low, high = min(*paired, *unpaired, 0), max(*paired, *unpaired, 0)
    edges = np.linspace(low, high, 41)
    kinds = (("paired: both on the same draw", paired), ("each on its own draw", unpaired))
    numbers = {}
    for axis, (name, gains), color in zip(
        axes, kinds, (PALETTE["blue"], PALETTE["orange"]), strict=True
    ):
        axis.hist(gains, edges, color=color, edgecolor="white", linewidth=0.5)
        axis.axvline(0, color="black", marker="", linewidth=1.4, linestyle="-")
        ends = np.percentile(gains, MIDDLE)
        for end in ends:
            axis.axvline(end, color="black", marker="", linewidth=1.2, linestyle=":")
        axis.set(xlim=(low - 0.003, high + 0.003), ylabel="draws")
        axis.set_title(f"{name}: 95 of 100 lie in {ends[0]:+.3f} to {ends[1]:+.3f}", fontsize=11)
        share = 100 * np.mean(np.asarray(gains) > 0)
        numbers[name] = (
            f"{share:g} % of the draws above 0, 95 % in {ends[0]:+.3f} to {ends[1]:+.3f}"
        )
    axes[1].set_xlabel("AP of ϕ = 0 less AP of ϕ = −1")
    if guesses["09.e"] is not None:
        numbers["your guess"] = f"{guesses['09.e']:g} % of the draws above 0"
    words = "; ".join(f"{name}: {told}" for name, told in numbers.items())
    return View(figure, f"Differences of AP in draws of the test pictures. {words}.", numbers)


def interval(grades: Grades, draws: int = 200, seed: int = 0) -> tuple[float, float]:
    """Where 95 of 100 draws of the pictures have the AP."""
    rng = np.random.default_rng(seed)
    aps = [grades.ap(rng.integers(0, grades.count, grades.count)) for _ in range(draws)]
    low, high = np.percentile(aps, MIDDLE)
    return float(low), float(high)


def show_intervals_by_class(grades: Grades, draws: int = 200, seed: int = 0) -> None:
    """A table: AP50 of each class, and where 95 of 100 draws of the pictures have it."""
    rng = np.random.default_rng(seed)
    every = [grades.table(rng.integers(0, grades.count, grades.count))[:, 0] for _ in range(draws)]
    whole, rows = grades.table()[:, 0], []
    for name, value, values in zip(CLASSES, whole, np.array(every).T, strict=True):
        low, high = np.nanpercentile(values, MIDDLE)
        rows.append([name, f"{value:.2f}", f"{low:.2f} to {high:.2f}"])
    table(["AP50 of", "all 200 pictures", "95 of 100 draws"], rows)


@styled
def show_one_draw(seed: int = 0, count: int = 200) -> None:
    """How often each test picture comes in one draw with replacement."""
    often = np.bincount(np.random.default_rng(seed).integers(0, count, count), minlength=count)
    figure, (axis,) = new_panels(7.4, 2.0, (0.08, 0.27, 0.9, 0.5))
    axis.bar(np.arange(count), often, 1.0, color=PALETTE["blue"])
    axis.set(xlim=(-1, count), ylim=(0, often.max() + 0.3), yticks=range(often.max() + 1))
    axis.set(xlabel="test picture", ylabel="times")
    never = int((often == 0).sum())
    axis.set_title(
        f"One draw: {never} of {count} pictures never come, others up to {often.max()} times"
    )
    axis.title.set_fontsize(11)
    show(figure, f"One draw of {count} from {count} pictures leaves out {never} of them.")
