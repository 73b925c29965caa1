"""FPN drawn with its words: bottom-up, lateral, top-down, predict."""

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import PALETTE, new_figure, styled
from effdet_lite.teach.nb.n04_levels import LEVELS

MAP, PLUS, CONV, OUT = 0.0, 1.7, 3.2, 4.6  # where the parts of a level stand, from the left
COARSEST = LEVELS[-1]


@styled
def show_fpn() -> None:
    """The small detector's neck: each level from left to right, the way down between levels."""
    figure, axes = new_figure(width=7.6, height=4.6)
    axis = axes[0, 0]
    for level in LEVELS:
        _draw_level(axis, level)
        if level < COARSEST:
            # From the level above, around its right end, to the sum of this one.
            _arrow(axis, (OUT, level + 1), (PLUS, level), PALETTE["vermillion"], start=13)
        if level < COARSEST - 1:
            _arrow(axis, (MAP, level), (MAP, level + 1), "#888888", start=13, end=13)
    _words(axis, -0.15, 6.3, "bottom-up:\nthe backbone", "#555555")
    _words(axis, 0.85, 5.16, "lateral:\n1 × 1", PALETTE["blue"])
    _words(axis, 2.2, 4.4, "top-down:\nenlarge", PALETTE["vermillion"])
    _words(axis, CONV, 6.32, "predict: 3 × 3", PALETTE["green"])
    axis.set(xlim=(-1.3, OUT + 0.9), ylim=(1.6, 6.85))
    axis.set_axis_off()
    show(
        figure,
        "The backbone makes four maps, C2 to C5. Each goes through its lateral to a sum and a "
        "3 × 3, which makes P2 to P5. P6 comes from C5 too, by a lateral, a max pool and a 3 × 3. "
        "From each of P6 to P3 an arrow goes down to the sum of the next finer level.",
    )


def _draw_level(axis: Axes, level: int) -> None:
    """One level: its map, the sum with what comes from above, the 3x3, and the output.

    Nothing comes from above the coarsest level, which pools the lateral of C5.
    """
    if level < COARSEST:
        _arrow(axis, (MAP, level), (PLUS, level), PALETTE["blue"], start=13, end=14)
        _node(axis, MAP, level, "s", "#DDDDDD", "")
        axis.text(MAP - 0.2, level, f"C{level}", ha="right", va="center", fontsize=10)
        _arrow(axis, (PLUS, level), (CONV, level), "black", start=11, end=14)
        _node(axis, PLUS, level, "o", "white", "+")
    else:
        # The coarsest lateral begins at the last map of the backbone, one level below.
        bend = "angle,angleA=90,angleB=0,rad=0"
        _arrow(axis, (MAP, level - 1), (PLUS, level), PALETTE["blue"], start=13, end=21, bend=bend)
        _arrow(axis, (PLUS, level), (CONV, level), "black", start=19, end=14)
        _node(axis, PLUS, level, "s", "white", "max\npool", size=34)
    _arrow(axis, (CONV, level), (OUT, level), "black", start=14, end=13)
    _node(axis, CONV, level, "s", PALETTE["green"], "3×3", size=25)
    _node(axis, OUT, level, "D", PALETTE["sky"], "")
    axis.text(OUT + 0.25, level, f"P{level}", ha="left", va="center", fontsize=12)


def _node(
    axis: Axes, x: float, y: float, marker: str, face: str, words: str, size: float = 16
) -> None:
    look = {"markersize": size, "markerfacecolor": face, "markeredgecolor": "black"}
    axis.plot([x], [y], marker=marker, linestyle="", **look)
    axis.text(x, y, words, ha="center", va="center", fontsize=10)


def _arrow(
    axis: Axes,
    begin: tuple,
    end_at: tuple,
    color: str,
    start: float = 12,
    end: float = 12,
    bend: str = "arc3",
) -> None:
    look = {"color": color, "linewidth": 1.8, "arrowstyle": "-|>", "mutation_scale": 11}
    look["connectionstyle"] = bend
    axis.add_artist(FancyArrowPatch(begin, end_at, shrinkA=start, shrinkB=end, **look))


def _words(axis: Axes, x: float, y: float, words: str, color: str) -> None:
    axis.text(x, y, words, color=color, ha="center", va="bottom", fontsize=10)
