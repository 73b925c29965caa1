"""What the paper found, for notebook 03: B0 scaled in four ways on ImageNet.

arXiv 1905.11946, table 7.
"""

from typing import NamedTuple

from effdet_lite.costs import cost_by_stage
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.plots import COLORS, MARKERS, new_panels, styled
from effdet_lite.teach.kit.widgets import View

RESOLUTION = 224


class Scaled(NamedTuple):
    """A row of table 7.

    depth, width, resolution: multiples of B0's. flops: in billions, as printed there, which are
    MACs. top1: ImageNet accuracy in %.
    """

    depth: float
    width: float
    resolution: float
    flops: float
    top1: float

    @property
    def macs(self) -> float:
        """Billions, counted for these multiples."""
        pixels = round(RESOLUTION * self.resolution)
        return sum(cost_by_stage(self.width, self.depth, pixels)).macs / 1e9


TABLE_7 = {
    "B0": Scaled(1, 1, 1, 0.4, 77.3),
    "depth": Scaled(4, 1, 1, 1.8, 79.0),
    "width": Scaled(1, 2, 1, 1.8, 78.9),
    "resolution": Scaled(1, 1, 2, 1.9, 79.1),
    "compound": Scaled(1.4, 1.2, 1.3, 1.8, 81.1),
}
# Where the words stand beside points that lie close together, and how they are aligned.
WORDS = {"width": ((-9, -8), "right"), "resolution": ((-4, 9), "right")}
BETS = {
    "more layers": "depth",
    "more channels": "width",
    "sharper images": "resolution",
    "a little of each": "compound",
}


def best_bet() -> str:
    """The bet with the highest accuracy in table 7."""
    return max(BETS, key=lambda bet: TABLE_7[BETS[bet]].top1)


@styled
def paper_view(bet: str | None) -> View:
    """Accuracy against counted MACs for the rows of table 7. bet: one of BETS."""
    figure, (axis,) = new_panels(7.0, 3.3, (0.1, 0.15, 0.87, 0.73))
    mine = BETS.get(bet)
    for number, (name, row) in enumerate(TABLE_7.items()):
        color = "#777777" if name == "B0" else COLORS[number - 1]
        look = {"color": color, "marker": MARKERS[number - 1], "markersize": 9}
        axis.plot([row.macs], [row.top1], **look, linestyle="none")
        words = f"{name}, your bet" if name == mine else name
        away, side = WORDS.get(name, ((8, -3), "left"))
        look = {"fontsize": 9, "ha": side, "weight": "bold" if name == mine else "normal"}
        axis.annotate(words, (row.macs, row.top1), away, textcoords="offset points", **look)
    singles = [row.top1 for name, row in TABLE_7.items() if name not in ("B0", "compound")]
    ahead = TABLE_7["compound"].top1 - max(singles)
    axis.set(xlim=(0, 2.3), ylim=(76.5, 82), xlabel="billion MACs, counted")
    axis.set_ylabel("ImageNet accuracy (%)")
    axis.set_title(f"On ImageNet the mixture was ahead by {ahead:.1f} points", fontsize=11)
    told = ", ".join(f"{name} {row.top1:.1f} %" for name, row in TABLE_7.items())
    return View(figure, f"ImageNet accuracy in table 7: {told}.", {})


def paper_table() -> None:
    """The rows of table 7, with their MACs by count."""
    rows = [
        [
            name,
            f"{row.depth:g}, {row.width:g}, {row.resolution:g}",
            f"{row.flops:.1f}",
            f"{row.macs:.2f}",
            f"{row.top1:.1f}",
        ]
        for name, row in TABLE_7.items()
    ]
    heads = ["d, w, r", "billion MACs there", "billion MACs, counted", "ImageNet top-1 there (%)"]
    table(["table 7", *heads], rows)
