"""A neck of one's own, for notebook 05: edges drawn with the mouse, its cost and reach while one
draws, and where it stands among all necks once it is trained.
"""

import html
from collections.abc import Mapping, Sequence

from effdet_lite import cost
from effdet_lite.experiments import necks
from effdet_lite.experiments.plain import SIZE, detector
from effdet_lite.experiments.run import stored_results
from effdet_lite.fusion import FusionGraph, Node
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.plots import COLORS, MARKERS, PALETTE, new_panels, styled
from effdet_lite.teach.kit.shared import one_thread
from effdet_lite.teach.kit.touch import EdgePad
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n05_bifpn import SMALL, reach
from effdet_lite.teach.nb.n05_switches import draw_costs, neck_macs
from effdet_lite.teach.nb.n05_ways import draw_reach, guessing_line

Edges = Sequence[Sequence[str]]
Rows = Sequence[Mapping]
TASKS = {"dots": "top-down", "discs": "bottom-up"}  # by what is asked for
FPN_EDGES = [  # FPN
    ("P6_in", "P6_out"),
    *((f"P{level}_in", f"P{level}_out") for level in (5, 4, 3, 2)),
    *((f"P{level + 1}_out", f"P{level}_out") for level in (5, 4, 3, 2)),
]
APART = 0.24  # of the marks of one neck, which may have the same AP50
RAISED = 0.4  # of the nodes between, which else would stand in the way of what passes them
PLACES = {
    f"P{level}_{kind}": (column, level + (RAISED if kind == "td" else 0))
    for level in SMALL.levels
    for column, kind in enumerate(("in", "td", "out"))
}


def neck_pad(edges: Edges = FPN_EDGES) -> EdgePad:
    """The pad: at each level a map that comes in, a node between, and the output. It begins as
    FPN.
    """
    kinds = {"in": "in", "td": "between", "out": "out"}
    return EdgePad(
        PLACES,
        edges,
        "your neck",
        kinds={name: kinds[name.partition("_")[2]] for name in PLACES},
        legal=[(a, b) for a in PLACES for b in PLACES if a != b and not b.endswith("_in")],
        refuse=_circle,
    )


def _circle(edges: Edges) -> str | None:
    """A sentence where the edges go round in a circle, or None."""
    before = {}
    for source, node in edges:
        before.setdefault(node, []).append(source)
    for node in before:
        seen, waiting = set(), [node]
        while waiting:
            for source in before.get(waiting.pop(), []):
                if source == node:
                    return f"then {node} would need its own result."
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)
    return None


def graph_of(edges: Edges) -> FusionGraph:
    """The graph of these edges: a node for each place that something leads to.

    Raises ValueError where an output has no input, and where a node between reads or is read
    without having one.
    """
    inputs = {}
    for source, node in edges:
        inputs.setdefault(node, []).append(source)
    for level in SMALL.levels:
        if f"P{level}_out" not in inputs:
            raise ValueError(f"P{level}_out has no input yet: draw an edge to it.")
    for name, sources in inputs.items():
        for source in sources:
            if not source.endswith("_in") and source not in inputs:
                raise ValueError(f"{name} reads {source}, which has no input yet.")
    names = [f"P{level}_{kind}" for kind in ("td", "out") for level in reversed(SMALL.levels)]
    nodes = [Node(name, int(name[1]), tuple(inputs[name])) for name in names if name in inputs]
    graph = FusionGraph("yours", tuple(nodes))
    late = [name for name in graph.outputs if name.endswith("_td")]
    if late:
        level = late[0][1]
        raise ValueError(
            f"{late[0]} runs after P{level}_out, so it would be the output of P{level}: "
            "let it read something else."
        )
    return graph


def as_code(graph: FusionGraph) -> str:
    """The graph as one would type it."""
    lines = [f'    Node("{node.name}", {node.level}, {node.inputs!r}),' for node in graph.nodes]
    body = "\n".join(lines).replace("'", '"')
    return f'FusionGraph("{graph.name}", (\n{body}\n))'


@styled
def own_view(edges: Edges) -> View:
    """What a drawn neck reaches and costs, beside FPN, PANet and BiFPN; below it stands as data."""
    graph = graph_of(edges)
    figure, (left, right) = new_panels(6.2, 2.9, (0.09, 0.19, 0.33, 0.68), (0.6, 0.19, 0.37, 0.68))
    reached = reach(graph)
    draw_reach(left, graph.levels, reached)
    pairs = sum(map(len, reached.values()))
    left.set_title(f"{pairs} of 25 pairs", fontsize=11)
    left.set_ylabel("output")
    mine = neck_macs(graph) / 1e6
    draw_costs(right, mine, "yours", room=1.35)
    numbers = {
        "nodes": f"{len(graph.nodes)}",
        "edges": f"{len(graph.edges)}",
        "pairs reached": f"{pairs} of 25",
        "million MACs": f"{mine:.3f}",
    }
    code = f"<pre>{html.escape(as_code(graph))}</pre>"
    words = f"{len(graph.edges)} edges reach {pairs} of 25 pairs; {mine:.2f} million MACs."
    return View(figure, words, numbers, code)


# --- trained ---


def train_own(edges: Edges, asks: str = "discs", steps: int | None = None) -> dict | None:
    """Train the small detector with a drawn neck by the recipe of all necks, and return its row.

    asks: "discs" or "dots". steps: by default as many as all others had. A neck that cannot run is
    not trained: the reason is printed, and None is returned.
    """
    if asks not in TASKS:
        raise ValueError(f"ask for one of {', '.join(TASKS)}, not {asks!r}.")
    try:
        graph = graph_of(edges)
    except ValueError as reason:
        print(f"Not trained: {reason}")
        return None
    task = TASKS[asks]
    with one_thread():
        model, _ = necks.train_once(necks.Run(task, "yours"), graph, steps=steps)
        found = necks.score(model, necks.pictures(task, False))
    return {"task": task, "graph": "yours", "macs": detector_macs(graph)} | found


def detector_macs(graph: FusionGraph) -> int:
    """MACs of the small detector with this neck on one picture."""
    model = detector(graph, 6)
    return cost.count(model, 1, 3, SIZE, SIZE).macs


@styled
def among_all(
    mine: Mapping | None, asks: str = "discs", guess: float | None = None, name: str = "yours"
) -> View:
    """All necks with one cell, each training as a mark, and one's own as a star: a row for each
    neck with the MACs of the whole detector, AP50 across. guess: of the star's AP50. name: of the
    star.
    """
    rows = [
        row
        for row in stored_results("necks")["runs"]
        if (row["task"], row["repeats"], row["channels"]) == (TASKS[asks], 1, 32)
    ]
    figure, (axis,) = new_panels(7.6, 4.1, (0.22, 0.14, 0.75, 0.76))
    names = {("no fusion", "sum"): "no fusion"} | {neck: name for name, neck in necks.NECKS.items()}
    labels, told = [], {}
    for place, (neck, title) in enumerate(names.items()):
        own = [row for row in rows if (row["graph"], row["weighting"]) == neck]
        look = {"color": COLORS[place], "marker": MARKERS[place], "linestyle": "none"}
        values = sorted(row["asked"] for row in own)
        heights = [place + APART * (one - (len(values) - 1) / 2) for one in range(len(values))]
        axis.plot(values, heights, **look, alpha=0.75, markersize=7)
        cost_of_all = f"{own[0]['macs'] / 1e6:.2f} million MACs"
        labels.append(f"{title}\n{cost_of_all}")
        span = f"{min(values):.2f} to {max(values):.2f}"
        told[f"AP50 of the {asks}, {title}"] = f"{span}; {cost_of_all}"
    if mine is not None:
        look = {"color": PALETTE["black"], "marker": "*", "linestyle": "none", "markersize": 17}
        axis.plot(mine["asked"], len(labels), **look)
        cost_of_all = f"{mine['macs'] / 1e6:.2f} million MACs"
        labels.append(f"{name}\n{cost_of_all}")
        told[f"AP50 of the {asks}, {name}"] = f"{mine['asked']:.2f}; {cost_of_all}"
    axis.set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.4, -0.6))
    guessing_line(axis, len(labels) - 0.45)
    axis.set(xlim=(0, 1.05), xlabel=f"AP50 of the {asks} (MACs: of the whole detector)")
    title = "Necks with one cell, three trainings each"
    axis.set_title(title if mine is None else f"{title}; the star: one of {name}", fontsize=11)
    if mine is not None:
        draw_guess(axis, guess, y=len(labels) - 1)
    words = "; ".join(f"{name}: {value}" for name, value in told.items())
    return View(figure, f"{words}.", told)
