"""What each part of an FPN is worth: the drawings of `experiments.fpn_parts`, and of
`experiments.one_level`, which asks what several levels are worth.
"""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from effdet_lite.experiments import one_level
from effdet_lite.experiments.comparing import Spread, spread
from effdet_lite.experiments.fpn_parts import STEPS
from effdet_lite.experiments.plain import CHANNELS
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.plots import PALETTE, line_look, new_panels, styled
from effdet_lite.teach.kit.widgets import View

Rows = Sequence[Mapping]
# By their names in `fpn_parts.GRAPHS`, as the figure has them.
PARTS = {
    "both": "laterals and\nway down",
    "no path down": "laterals\nonly",
    "no laterals": "way down\nonly",
    "neither": "neither (all\nread P6_in)",
}
KINDS = {"3x3": "3 × 3", "1x1": "1 × 1", "none": "none"}
FIGURES = {"asked_boxes": "the boxes, any class", "asked": "box and class"}
SIZES = ("small", "medium", "large")
ARMS = {  # of `one_level`, by (neck, level)
    ("no fusion", one_level.ALL): "all five levels",
    ("no fusion", 2): "P2 alone",
    ("no fusion", 4): "P4 alone",
    ("no fusion", 6): "P6 alone",
    ("FPN", 2): "P2 alone, after FPN",
}


def values(rows: Rows, figure: str, parts: str = "both", convolution: str = "3x3") -> list[float]:
    """One figure of `fpn_parts` by seed."""
    return [
        row[figure] for row in rows if (row["parts"], row["convolution"]) == (parts, convolution)
    ]


def mean_of(rows: Rows, figure: str, parts: str = "both", convolution: str = "3x3") -> float:
    """The mean of `values`."""
    return spread(values(rows, figure, parts, convolution)).mean


def parts_table(rows: Rows, longer: Rows) -> None:
    """AP50 of the dots for each of the four ways to take an FPN apart; and of the whole one after
    twice as many steps, of the rows of `experiments.necks`.
    """
    lines = []
    for parts, words in PARTS.items():
        found = [str(spread(values(rows, figure, parts))) for figure in FIGURES]
        lines.append([words.replace("\n", " "), *found])
    whole = [row for row in longer if is_whole_fpn(row)]
    found = [str(spread([row[figure] for row in whole])) for figure in FIGURES]
    lines.append([f"both, 400 steps ({len(whole)} seeds)", *found])
    table(["FPN with", *(f"AP50, {words}" for words in FIGURES.values())], lines)


def is_whole_fpn(row: Mapping) -> bool:
    """Is this row of `experiments.necks` of the same detector on the dots, with FPN as it is."""
    own = row["task"], row["graph"], row["repeats"], row["weighting"], row["channels"]
    return own == ("top-down", "FPN", 1, "sum", CHANNELS)


@styled
def parts_view(rows: Rows, guess: float | None = None, of_class: float | None = None) -> View:
    """AP50 of the dots' boxes, and of box and class, for each way to take an FPN apart; a point for
    each seed. guess: of the boxes without laterals. of_class: of box and class without a way down.
    """
    figure, panels = new_panels(8.6, 3.8, (0.08, 0.17, 0.4, 0.62), (0.58, 0.17, 0.4, 0.62))
    figure.suptitle("Laterals bring the boxes, the way down brings their classes", fontsize=12)
    means = {}
    for axis, (name, words) in zip(panels, FIGURES.items(), strict=True):
        arms = [values(rows, name, parts) for parts in PARTS]
        _columns(axis, arms, list(PARTS.values()), digits=3)
        axis.set_ylabel("AP50 of the dots")
        axis.set_title(words, fontsize=11, y=1.02)
        means[name] = [spread(arm).mean for arm in arms]
    draw_guess(panels[0], guess, x=2)
    draw_guess(panels[1], of_class, x=1)
    boxes, named = means["asked_boxes"], means["asked"]
    words = (
        f"With both parts AP50 of the dots is {named[0]:.3f}. Without the way down the boxes are "
        f"found ({boxes[1]:.3f}), but not the classes ({named[1]:.3f}). Without the laterals not "
        f"even the boxes are found ({boxes[2]:.3f}), and so with neither ({boxes[3]:.3f})."
    )
    numbers = {"trained": _trained(len(values(rows, "asked")))}
    return View(figure, words, numbers)


def _trained(seeds: int) -> str:
    """How the rows of the tables below were made, and what they say of it."""
    return f"{STEPS} steps, {seeds} seeds: mean (lowest – highest)"


def _columns(
    axis: Axes, arms: Sequence[Sequence[float]], names: Sequence[str], digits: int = 2
) -> None:
    """A bar for each arm's mean, and a point for each of its seeds."""
    for place, arm in enumerate(arms):
        found: Spread = spread(arm)
        axis.bar(place, found.mean, 0.62, color=PALETTE["sky"], edgecolor="black")
        # Seeds side by side: equal ones would hide each other.
        across = [place + 0.09 * (seed - (len(arm) - 1) / 2) for seed in range(len(arm))]
        axis.plot(across, arm, "o", color=PALETTE["black"], markersize=4.5, linestyle="")
        look = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center", "fontsize": 10}
        look["path_effects"] = [withStroke(linewidth=3, foreground="white")]
        # Over a line behind it.
        look["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        axis.annotate(f"{found.mean:.{digits}f}", (place, found.highest), **look)
    axis.set_xticks(range(len(names)), names, fontsize=10)
    axis.set(ylim=(0, 1.15), yticks=[0, 0.25, 0.5, 0.75, 1], xlim=(-0.5, len(names) - 0.5))


def convolutions_table(rows: Rows) -> None:
    """AP50 of the dots and block ratios, for each convolution in the nodes."""
    lines = []
    for kind, words in KINDS.items():
        ratios = zip(*values(rows, "block_ratios", convolution=kind), strict=True)
        means = [f"{spread(level).mean:.2f}" for level in ratios]
        lines.append([words, str(spread(values(rows, "asked", convolution=kind))), *means])
    table(
        [
            "convolution in the nodes",
            "AP50 of the dots",
            *(f"block ratio, P{x}" for x in (2, 3, 4)),
        ],
        lines,
    )


@styled
def convolutions_view(rows: Rows, guess: float | None = None) -> View:
    """AP50 of the dots with a 3x3, a 1x1 or no convolution in the nodes, and how much the finest
    map is made of blocks. guess: of AP50 with none.
    """
    figure, panels = new_panels(8.6, 3.8, (0.08, 0.18, 0.4, 0.6), (0.58, 0.18, 0.4, 0.6))
    figure.suptitle("The 3 × 3 removes the blocks, and dots are found without it", fontsize=12)
    arms = [values(rows, "asked", convolution=kind) for kind in KINDS]
    blocks = [[ratios[0] for ratios in values(rows, "block_ratios", convolution=k)] for k in KINDS]
    _columns(panels[0], arms, list(KINDS.values()), digits=3)
    _columns(panels[1], blocks, list(KINDS.values()))
    panels[0].set_ylabel("AP50 of the dots")
    panels[0].set_title("the dots, box and class", fontsize=11, y=1.02)
    top = max(max(arm) for arm in blocks)
    panels[1].set(ylim=(0, 1.2 * top), yticks=range(int(1.2 * top) + 1), ylabel="block ratio")
    panels[1].axhline(1, color="black", linestyle=":", marker="", lw=1.4)
    panels[1].set_title("blocks in P2 (1: none)", fontsize=11, y=1.02)
    for axis in panels:
        axis.set_xlabel("convolution in the neck's nodes")
    draw_guess(panels[0], guess, x=2)
    asked = ", ".join(
        f"{words}: {spread(arm).mean:.3f}" for words, arm in zip(KINDS.values(), arms, strict=True)
    )
    ratios = ", ".join(
        f"{words}: {spread(arm).mean:.2f}"
        for words, arm in zip(KINDS.values(), blocks, strict=True)
    )
    numbers = {"trained": _trained(len(arms[0]))}
    return View(figure, f"AP50 of the dots: {asked}. Block ratio of P2: {ratios}.", numbers)


# --- one level or several ---


def by_size(rows: Rows, arm: tuple[str, int]) -> list[Spread]:
    """AP of small, medium and large objects of one arm of `one_level`."""
    mine = [row for row in rows if (row["neck"], row["level"]) == arm]
    return [spread([row[f"ap_{size}"] for row in mine]) for size in SIZES]


def sizes_table(rows: Rows) -> None:
    """AP by size for each arm of `one_level`."""
    lines = [[words, *map(str, by_size(rows, arm))] for arm, words in ARMS.items()]
    table(["answers come from", *(f"AP, {size}" for size in SIZES)], lines)


@styled
def sizes_view(rows: Rows, guess: str | None = None) -> View:
    """AP by the objects' size, a line for each arm of `one_level`. guess: the level that somebody
    thinks best for small objects, as `ARMS` calls it.
    """
    figure, (axis,) = new_panels(7.4, 3.7, (0.1, 0.15, 0.55, 0.74))
    told = []
    best = []
    for place in range(len(SIZES)):
        best.append(max(ARMS, key=lambda arm, place=place: by_size(rows, arm)[place].mean))
    if len(set(best)) == 1:
        axis.set_title(f"Highest mean at every size: {ARMS[best[0]]}", fontsize=11)
    for number, (arm, words) in enumerate(ARMS.items()):
        found = by_size(rows, arm)
        means = [one.mean for one in found]
        bars = [[one.mean - one.lowest for one in found], [one.highest - one.mean for one in found]]
        shifted = [place + 0.09 * (number - 2) for place in range(len(SIZES))]
        label = f"{words} (your guess)" if words == guess else words
        axis.errorbar(shifted, means, bars, label=label, capsize=3, **line_look(number))
        told.append(f"{words}: {', '.join(f'{mean:.2f}' for mean in means)}")
    axis.set_xticks(
        range(len(SIZES)), ["small\n(under 16 px)", "medium\n(16 to 40 px)", "large\n(over 40 px)"]
    )
    axis.set(ylabel="AP", xlim=(-0.4, 2.4), ylim=(0, None))
    axis.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=10)
    return View(figure, f"AP of small, medium and large shapes. {'; '.join(told)}.", {})
