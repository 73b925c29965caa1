"""The ways through a neck, for notebook 05: a riddle that FPN cannot solve, which maps reach which
outputs, and which necks learned the riddle.
"""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from effdet_lite.data import ShapesInContext
from effdet_lite.experiments import way_up
from effdet_lite.experiments.run import stored_results
from effdet_lite.fusion import FusionGraph, fpn
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.graphs import LOOKS, arrow, draw_nodes, node_kinds
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import COLORS, MARKERS, PALETTE, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n05_bifpn import SMALL, neck_places

Rows = Sequence[Mapping]
GUESSING = 0.35  # AP50 of who finds every box and guesses one of three classes
RIDDLE = 1  # a picture whose dot can be seen well
FAMILIES = ("no fusion", "FPN", "PANet", "BiFPN")


def rows_on_discs() -> list[dict]:
    """The stored runs of `experiments.necks` on the discs."""
    return [row for row in stored_results("necks")["runs"] if row["task"] == "bottom-up"]


@styled
def show_riddle() -> None:
    """A disc with its dot, and what three detectors with FPN make of 300 such pictures."""
    image, target = ShapesInContext("test", 128, 4, seed=1, direction="bottom-up")[RIDDLE]
    figure, (left, right) = new_panels(8.0, 3.2, (0.01, 0.04, 0.34, 0.86), (0.53, 0.2, 0.44, 0.64))
    draw_picture(left, image)
    _circle_the_dot(left, target["boxes"][1].tolist())
    left.set_title("one disc, one dot", fontsize=11)
    rows = [row for row in rows_on_discs() if _is_plain_fpn(row)]
    found = {"finds the disc": "asked_boxes", "names its class": "asked"}
    told = []
    for place, (words, figure_name) in enumerate(found.items()):
        values = [row[figure_name] for row in rows]
        look = {"color": COLORS[place], "marker": MARKERS[place], "linestyle": "none"}
        right.plot(values, [place] * len(values), **look, markersize=9, alpha=0.8)
        told.append(f"{words}: {min(values):.2f} to {max(values):.2f}")
    right.set(ylim=(1.6, -0.6), yticks=range(len(found)), yticklabels=list(found))
    guessing_line(right, 1.5)
    right.set(xlim=(0, 1.05), xlabel="score on 300 pictures, three trainings (1: all right)")
    right.set_title("FPN finds every disc and guesses its class", fontsize=11)
    show(figure, f"FPN on discs whose class is the color of their dot. {'; '.join(told)}.")


def _is_plain_fpn(row: Mapping) -> bool:
    return (row["graph"], row["repeats"], row["channels"]) == ("FPN", 1, 32)


def _circle_the_dot(axis: Axes, box: Sequence[float]) -> None:
    """An arrow to the dot, which is a few pixels wide."""
    left, top, right, bottom = box
    place = ((left + right) / 2, (top + bottom) / 2)
    side = -1 if place[0] > 64 else 1
    look = {"arrowstyle": "-|>", "color": "black", "lw": 1.8, "shrinkB": 7}
    words = axis.annotate(
        "the dot",
        place,
        xytext=(place[0] + side * 34, place[1] - 22),
        ha="center",
        fontsize=10,
        arrowprops=look,
    )
    words.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5})


def guessing_line(axis: Axes, y: float) -> None:
    """The dotted line at the AP50 of who guesses the class, with its name at the height y."""
    axis.axvline(GUESSING, color="#555555", linestyle=":", marker="")
    axis.text(GUESSING + 0.015, y, "guessing", fontsize=9, color="#333333", va="bottom")


def limit_line(axis: Axes, y: float) -> None:
    """The AP50 above which a training counts."""
    axis.axvline(way_up.SOLVED, color="#555555", linestyle="--", linewidth=1, marker="")
    axis.text(way_up.SOLVED + 0.015, y, "counted →", fontsize=9, color="#333333", va="bottom")


# --- which maps reach which outputs ---

SIGNS = {
    "in": "a map that comes in",
    "between": "a node between (not in FPN)",
    "out": "an output (a node too)",
}


@styled
def show_fpn() -> None:
    """FPN as a graph, and what its signs mean."""
    figure, (left, right) = new_panels(7.2, 3.7, (0, 0, 0.5, 0.93), (0.56, 0, 0.44, 0.93))
    draw_neck(left, fpn(SMALL.levels))
    figure.suptitle("FPN: every arrow leads to the right or down, and none up", fontsize=11)
    for place, (kind, words) in enumerate(SIGNS.items()):
        marker, face = LOOKS[kind]
        look = {"markersize": 13, "markerfacecolor": face, "markeredgecolor": "black"}
        right.plot(0, -place, marker=marker, linestyle="", **look)
        right.text(0.3, -place, words, va="center", fontsize=10)
    right.set(xlim=(-0.2, 3), ylim=(-3.2, 1.2))
    right.set_axis_off()
    down = "each level's node reads the map that comes in and the next coarser level's node"
    show(figure, f"FPN's graph, P2 to P6: {down}. All five nodes are outputs. No arrow leads up.")


def draw_neck(axis: Axes, graph: FusionGraph) -> None:
    """A neck as a graph, its nodes where PANet has them."""
    places = neck_places(graph)
    draw_nodes(axis, places, node_kinds(graph), {})
    for edge in graph.edges:
        line = arrow(edge, places, 1.3)
        line.set(color=PALETTE["blue"])  # orange edges come later: what FPN has not
        axis.add_artist(line)
    right = max(x for x, _ in places.values())
    limits = (min(graph.levels) - 0.5, max(graph.levels) + 0.8)
    axis.set(xlim=(-0.5, 0.75 + right), ylim=limits)
    axis.set_axis_off()


@styled
def pairs_view(
    graphs: Mapping[str, FusionGraph],
    reached: Mapping[str, Mapping[int, set[int]]],
    guess: float | None,
) -> View:
    """Each neck as a graph, and below it a row for each output: filled where a map reaches it.

    reached: by the names of the graphs, {level of the output: levels of the maps that reach it}.
    """
    count = len(graphs)
    width = 1 / count
    figure, axes = new_panels(
        8.8,
        5.8,
        *((place * width, 0.46, width, 0.52) for place in range(count)),
        *((place * width + 0.08, 0.1, 0.8 * width - 0.03, 0.27) for place in range(count)),
    )
    told = {}
    for place, (name, graph) in enumerate(graphs.items()):
        draw_neck(axes[place], graph)
        axes[place].set_title(name, fontsize=12, y=1.0, pad=-8)
        pairs = sum(map(len, reached[name].values()))
        told[f"pairs reached, {name}"] = f"{pairs} of {len(graph.levels) ** 2}"
        matrix = axes[count + place]
        draw_reach(matrix, graph.levels, reached[name])
        matrix.set_title(told[f"pairs reached, {name}"], fontsize=11)
        if place == 0:
            matrix.set_ylabel("output")
    if guess is not None:
        told["your guess for FPN"] = f"{guess:g} of 25"
    words = "; ".join(f"{name}: {value}" for name, value in told.items())
    return View(figure, f"Filled squares: the output depends on the map. {words}.", told)


@styled
def draw_reach(axis: Axes, levels: Sequence[int], reached: Mapping[int, set[int]]) -> None:
    """A row for each output, a column for each map that comes in; filled where it is reached."""
    look = {"marker": "s", "markersize": 13, "linestyle": "", "markeredgecolor": "black"}
    for filled, face in ((True, PALETTE["green"]), (False, "white")):
        pairs = [
            (source, level)
            for level in levels
            for source in levels
            if (source in reached[level]) == filled
        ]
        x, y = zip(*pairs, strict=True) if pairs else ((), ())
        axis.plot(x, y, markerfacecolor=face, **look)
    names, limits = [f"P{level}" for level in levels], (levels[0] - 0.6, levels[-1] + 0.6)
    axis.set(xticks=levels, xticklabels=names, xlim=limits, xlabel="map that comes in")
    axis.set(yticks=levels, yticklabels=names, ylim=limits)
    axis.grid(False)


# --- who learned it ---


def named(rows: Rows, graphs: Sequence[str]) -> tuple[int, int]:
    """(runs that learned to name the discs, all runs) of these graphs."""
    own = [way_up.solved(row) for row in rows if row["graph"] in graphs]
    return sum(own), len(own)


@styled
def trainings_view(rows: Rows) -> View:
    """Each run on the discs as a mark, by the kind of its neck.

    rows: of `experiments.necks`, or of `way_up`.
    """
    figure, (axis,) = new_panels(7.8, 3.5, (0.15, 0.16, 0.83, 0.7))
    labels, told = [], {}
    for place, graph in enumerate(FAMILIES):
        values = sorted(row["asked"] for row in rows if row["graph"] == graph)
        look = {"color": COLORS[place], "marker": MARKERS[place], "linestyle": "none"}
        heights = [place + 0.26 * ((number % 5) - 2) / 2 for number in range(len(values))]
        axis.plot(values, heights, **look, markersize=6, alpha=0.75)
        count = "{} of {}".format(*named(rows, [graph]))
        labels.append(f"{graph}\n{count}")
        told[f"runs that name the discs, {graph}"] = count
    ways = named(rows, way_up.WITH_A_WAY_UP)
    told["runs that name the discs, with a way up"] = "{} of {}".format(*ways)
    told["AP50 of who guesses, about"] = f"{GUESSING}"
    told["AP50 above which a run names the discs"] = f"{way_up.SOLVED}"
    axis.set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.4, -0.6))
    guessing_line(axis, len(labels) - 0.45)
    limit_line(axis, len(labels) - 0.45)
    axis.set(xlim=(0, 1.03), xlabel="AP50 of the discs, one mark for each training")
    axis.set_title(
        "With a way up {} of {} trainings name the discs, with FPN {} of {}".format(
            *ways, *named(rows, ["FPN"])
        ),
        fontsize=11,
    )
    words = "; ".join(f"{name}: {value}" for name, value in told.items())
    return View(figure, f"Trainings on the discs. {words}.", told)
