"""The switches between FPN and BiFPN, for notebook 05: what each one adds or removes, and costs."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from effdet_lite.costs import fusion_cost
from effdet_lite.experiments import pairs
from effdet_lite.experiments.comparing import sign_flip_p, spread
from effdet_lite.fusion import FusionGraph, bifpn
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.graphs import arrow, draw_nodes, name_node, node_kinds, node_places
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import COLORS, MARKERS, PALETTE, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n05_bifpn import SMALL, is_skip, switched

Rows = Sequence[Mapping]
# One cell of BiFPN on P3-P7 in the official settings (`fpn_configs.py`, "bifpn"): what each node
# reads. 0 to 4 are the maps that come in, P3 first; 5 is the first node, and so on.
OFFICIAL_INPUTS = ((3, 4), (2, 5), (1, 6), (0, 7), (1, 7, 8), (2, 6, 9), (3, 5, 10), (4, 11))
ENDS = {"P6_td": "P6_in", "P2_out": "P2_td"}  # what pruning takes, and what is read instead
GHOST = "#999999"
STEPS = {  # each on top of the ones before: (bottom_up, skip, prune), repeats, weighting
    "FPN": ((False, False, False), 1, "sum"),
    "+ way up: PANet": ((True, False, False), 1, "sum"),
    "+ skips": ((True, True, False), 1, "sum"),
    "+ pruned: BiFPN": ((True, True, True), 1, "sum"),
    "+ three cells": ((True, True, True), 3, "sum"),
    "+ weights (products not counted)": ((True, True, True), 3, "fast"),
}


def neck_macs(graph: FusionGraph, repeats: int = 1, weighting: str = "sum") -> int:
    """MACs of the small detector's neck, P2-P6 with 32 channels on a picture of 128 px."""
    sizes = [(SMALL.side >> level,) * 2 for level in SMALL.levels]
    cost = fusion_cost(graph, SMALL.in_channels, SMALL.channels, repeats, weighting, sizes)
    return cost.macs


def ladder_table() -> None:
    """A line for each switch, turned on on top of those before: nodes, edges, MACs, and by how much
    these change.
    """
    rows, before = [], None
    for name, (switches, repeats, weighting) in STEPS.items():
        graph = switched(*switches)
        macs = neck_macs(graph, repeats, weighting)
        change = "" if before is None else f"{macs / before - 1:+.1%}"
        nodes, edges = repeats * len(graph.nodes), repeats * len(graph.edges)
        rows.append([name, nodes, edges, f"{macs / 1e6:.3f}", change])
        before = macs
    table(["neck", "nodes", "edges", "million MACs", "change"], rows)
    mine, official = bifpn(range(3, 8)).edges, official_edges()
    equal = sum(edge in mine for edge in official)
    print(f"edges as in the official settings: {equal} of {len(official)}")


def official_edges() -> list[tuple[str, str]]:
    """The edges of the official cell, its nodes named as in `fusion.bifpn(range(3, 8))`."""
    down = [f"P{level}_td" for level in (6, 5, 4, 3)]
    up = [f"P{level}_out" for level in (4, 5, 6, 7)]
    names = [f"P{level}_in" for level in range(3, 8)] + down + up
    nodes = names[5:]
    return [
        (names[source], node)
        for node, inputs in zip(nodes, OFFICIAL_INPUTS, strict=True)
        for source in inputs
    ]


# --- the explorer ---


@styled
def switches_view(bottom_up: bool, skip: bool, prune: bool, repeats: int, weighting: str) -> View:
    """A neck by its five switches: what FPN has not is drawn in color, what pruning took stays as a
    ghost, and the bars compare its MACs.
    """
    graph = switched(bottom_up, skip, prune)
    figure, (left, right) = new_panels(8.8, 3.9, (0, 0, 0.52, 0.9), (0.68, 0.2, 0.3, 0.66))
    draw_switched(left, graph, whole=switched(bottom_up, skip, False))
    cells = f", {repeats} cells like this" if repeats > 1 else ""
    left.set_title(f"{graph.name}{cells}", fontsize=12, y=1.0, pad=-4)
    mine = neck_macs(graph, repeats, weighting)
    draw_costs(right, mine / 1e6, "this one")
    right.set_xlabel("million MACs of the neck\n(32 channels, pictures of 128 px)")
    weights = repeats * len(graph.edges) if weighting != "sum" else 0
    numbers = {
        "nodes": f"{repeats * len(graph.nodes)}",
        "edges": f"{repeats * len(graph.edges)}",
        "what pruning takes": _taken(bottom_up, skip) if bottom_up and prune else "nothing",
        "fusion weights": f"{weights}",
    }
    words = f"{graph.name}: {len(graph.nodes)} nodes, {len(graph.edges)} edges in a cell, "
    return View(figure, f"{words}{mine / 1e6:.2f} million MACs.", numbers)


@styled
def show_steps() -> None:
    """The three switches of one cell, one after the other: PANet, with skips, and pruned."""
    steps = {
        "way up: PANet": (True, False, False),
        "skips as well": (True, True, False),
        "pruned: BiFPN": (True, True, True),
    }
    figure, axes = new_panels(9.6, 3.7, *((place / 3, 0, 1 / 3, 0.9) for place in range(3)))
    told = []
    for axis, (name, chosen) in zip(axes, steps.items(), strict=True):
        graph = switched(*chosen)
        draw_switched(axis, graph, whole=switched(chosen[0], chosen[1], False))
        macs = f"{neck_macs(graph) / 1e6:.2f} million MACs"
        axis.set_title(f"{name}\n{macs}", fontsize=11, y=1.0, pad=-8)
        told.append(f"{name}: {len(graph.nodes)} nodes, {len(graph.edges)} edges, {macs}")
    show(figure, f"{'; '.join(told)}. Pruning takes P6_td and P2_out.")


def _taken(bottom_up: bool, skip: bool) -> str:
    """The two nodes that pruning takes, each with what it had read."""
    inputs = {node.name: node.inputs for node in switched(bottom_up, skip, False).nodes}
    return "; ".join(f"{name}, which read {' and '.join(inputs[name])}" for name in ENDS)


@styled
def draw_switched(axis: Axes, graph: FusionGraph, whole: FusionGraph) -> None:
    """A graph in the places of the `whole` one; what is missing of that stands there as a ghost."""
    places = node_places(whole)
    plain = set(switched(False, False, False).edges)
    names = {"in" if name.endswith("_in") else name for name in places}
    alive = {name: place for name, place in places.items() if name in _names(graph)}
    for edge in whole.edges:
        if edge not in graph.edges:
            ghost = arrow(edge, places, 1.0)
            ghost.set(color=GHOST, linestyle=":")
            axis.add_artist(ghost)
    for edge in graph.edges:
        line = arrow(edge, places, 1.3 if edge in plain else 2.2)
        line.set(color=PALETTE["blue"] if edge in plain else PALETTE["vermillion"])
        line.set(linestyle="--" if is_skip(edge, graph) else "-")
        axis.add_artist(line)
    draw_nodes(axis, alive, node_kinds(graph), {})
    for name in names - set(alive) - {"in"}:
        x, y = places[name]
        axis.plot(x, y, marker="X", markersize=11, color=GHOST, linestyle="")
        name_node(axis, name, places, color="#666666")
    right = max(x for x, _ in places.values())
    axis.set(xlim=(-0.5, right + 0.75), ylim=(SMALL.levels[0] - 0.5, SMALL.levels[-1] + 1.1))
    axis.set_axis_off()


def _names(graph: FusionGraph) -> set[str]:
    return {*graph.incoming, *(node.name for node in graph.nodes)}


# --- what pruning saves ---


@styled
def pruning_view(guess: float | None) -> View:
    """What each of the two nodes that pruning takes costs, as a share of the neck's MACs: in PANet,
    and in PANet with skips.
    """
    figure, (axis,) = new_panels(7.8, 3.3, (0.3, 0.17, 0.67, 0.68))
    graphs = {"PANet": "PANet", "PANet with skips": "BiFPN, not pruned"}
    told, labels = {}, []
    place = 0
    for number, (title, key) in enumerate(graphs.items()):
        saved = pairs.saved_by_node(pairs.GRAPHS[key])
        for node in ENDS:
            share, inputs = 100 * saved[node]["saved"], len(saved[node]["inputs"])
            axis.barh(place, share, 0.62, color=COLORS[number])
            axis.text(share, place, f" {share:.1f} %", va="center", fontsize=11)
            many = {1: "one input", 2: "two inputs"}[inputs]
            labels.append(f"{node} of {title}\n({many})")
            told[f"saved in {title} by leaving out {node}"] = f"{share:.1f} %"
            place += 1
        told[f"saved in {title} by both"] = f"{100 * saved['both']['saved']:.1f} %"
    axis.set(yticks=range(place), yticklabels=labels, ylim=(place - 0.4, -0.9))
    axis.set(xlim=(0, 50), xlabel="share of the neck's MACs (%)")
    axis.set_title("Nearly all that pruning saves comes from P2_out", fontsize=11)
    axis.grid(False)
    draw_guess(axis, guess, y=0)
    words = "; ".join(f"{name}: {value}" for name, value in told.items())
    return View(figure, f"Of the neck's MACs, {words}.", told)


def saved_by_p6_td() -> float:
    """The share of PANet's MACs that leaving out P6_td saves, in percent."""
    return 100 * pairs.saved_by_node(pairs.GRAPHS["PANet"])["P6_td"]["saved"]


# --- what the switches do to a training ---

SWITCHES = {"prune": "pruning", "skip": "skips"}
TITLES = {
    "PANet": "PANet",
    "BiFPN, not pruned": "PANet with skips",
    "PANet, pruned": "PANet, pruned",
}
ASKED = {"top-down": "dots", "bottom-up": "discs"}


@styled
def effect_view(rows: Rows) -> View:
    """What pruning and skips change in trained detectors, pair by pair: AP50 of what is asked for.

    rows: `experiments.pairs.all_rows`.
    """
    figure, axes = new_panels(9.0, 3.3, (0.17, 0.18, 0.32, 0.68), (0.66, 0.18, 0.32, 0.68))
    told = {}
    for axis, (switch, name) in zip(axes, SWITCHES.items(), strict=True):
        gains = pairs.gains(rows, switch)
        for place, values in enumerate(gains.values()):
            look = {"color": COLORS[place], "marker": MARKERS[place], "linestyle": "none"}
            axis.plot(values, [place] * len(values), **look, markersize=7, alpha=0.8)
        axis.axvline(0, color="black", linestyle="-", marker="", lw=1)
        axis.set(yticks=range(len(gains)), ylim=(len(gains) - 0.5, -0.5), xlim=(-0.85, 0.85))
        axis.set_yticklabels([_pair_told(pair) for pair in gains], fontsize=9)
        axis.set(xlabel="change of AP50, a mark for each seed", xticks=(-0.5, 0, 0.5))
        told |= effect(rows, switch)
        axis.set_title(f"{name}: {told[f'{name}, change of AP50']} on average", fontsize=11)
    words = "; ".join(f"{name}: {value}" for name, value in told.items())
    return View(figure, f"Trained in pairs. {words}.", told)


def _pair_told(pair: str) -> str:
    """ "PANet → PANet, pruned, top-down" is "to PANet, dots": what the switch is turned on in."""
    graph, _, rest = pair.partition(" → ")
    return f"{TITLES[graph]},\n{ASKED[rest.rpartition(', ')[2]]}"


def effect(rows: Rows, switch: str) -> dict[str, str]:
    """What a switch changes on average over all pairs, in words by label: AP50, the loss at the end
    of the training, and for each how often chance alone would do as much.
    """
    name = SWITCHES[switch]
    asked = [gain for values in pairs.gains(rows, switch).values() for gain in values]
    losses = pairs.gains(rows, switch, pairs.final_loss)
    lower = [-change for values in losses.values() for change in values]
    return {
        f"{name}, change of AP50": f"{spread(asked).mean:+.3f}",
        f"{name}, p for more AP50": f"{sign_flip_p(asked):.3f}",
        f"{name}, change of the final loss": f"{-spread(lower).mean:+.3f}",
        f"{name}, p for less loss": f"{sign_flip_p(lower):.3f}",
        f"{name}, pairs": f"{len(asked)}",
    }


def fresh_table(rows: Rows) -> None:
    """What each switch changes over all seeds, and over the two alone that nobody had seen when the
    comparison was chosen. rows: `experiments.pairs.all_rows`.
    """
    fresh = [row for row in rows if row["seed"] in pairs.MORE_SEEDS]
    lines = []
    for words, some in (("all five", rows), ("the two fresh ones", fresh)):
        line = [words]
        for switch, name in SWITCHES.items():
            told = effect(some, switch)
            line += [told[f"{name}, change of AP50"], told[f"{name}, p for more AP50"]]
        lines.append([*line, told[f"{name}, pairs"]])
    heads = [
        head for name in SWITCHES.values() for head in (f"{name}: change of AP50", f"{name}: p")
    ]
    table(["seeds", *heads, "pairs for each"], lines)


def known_macs() -> dict[str, int]:
    """MACs of three known necks, by name."""
    known = {"FPN": (False, False, False), "PANet": (True, False, False), "BiFPN": (True,) * 3}
    return {name: neck_macs(switched(*ways)) for name, ways in known.items()}


def draw_costs(axis: Axes, mine: float, name: str, room: float = 1.25) -> None:
    """Bars of the MACs of three known necks, in millions, and of one more under its name. room: the
    axis in lengths of the longest bar.
    """
    costs = {known: macs / 1e6 for known, macs in known_macs().items()} | {name: mine}
    for place, (label, macs) in enumerate(costs.items()):
        color = PALETTE["vermillion"] if label == name else "#BBBBBB"
        axis.barh(place, macs, 0.6, color=color)
        axis.text(macs, place, f" {macs:.2f}", va="center", fontsize=10)
    axis.set(yticks=range(len(costs)), yticklabels=list(costs), ylim=(len(costs) - 0.4, -0.6))
    axis.set(xlim=(0, room * max(costs.values())), xlabel="million MACs")
    axis.grid(False)
