"""What the edges of a trained neck are worth, for notebook 05: factors, and AP without them."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.experiments import knocked
from effdet_lite.experiments.necks import edge_weights
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.graphs import Places, arrow, draw_nodes, node_kinds
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n05_bifpn import neck_places

Rows = Sequence[Mapping]
ASKED = ("P5_td", "P4_td")  # the edge that notebook 05 asks about
TASKS = {"top-down": "dots", "bottom-up": "discs", "shapes": "shapes"}


@styled
def show_factors(model: EfficientDet) -> None:
    """The neck, each arrow as wide as its factor; a dead edge is gray and dotted, with a cross."""
    graph, learned = model.fusion.graph, edge_weights(model)
    places, kinds = neck_places(graph), node_kinds(graph)
    figure, (axis,) = new_panels(6.6, 4.4, (0, 0, 1, 0.9))
    dead = [edge for edge in graph.edges if learned[edge] == 0]
    for edge in graph.edges:
        line = arrow(edge, places, 0.6 + 4.5 * learned[edge])
        line.set(color=PALETTE["blue"])  # orange is kept for the crosses
        if edge in dead:
            line.set(color="#888888", linestyle=":", linewidth=1.6)
        axis.add_artist(line)
    draw_nodes(axis, places, kinds, {})
    right = max(x for x, _ in places.values())
    axis.set(xlim=(-0.5, right + 0.6), ylim=(min(graph.levels) - 0.5, max(graph.levels) + 0.5))
    axis.set_axis_off()
    for edge in dead:
        axis.plot(
            *_point_of(axis, edge, places),
            marker="X",
            markersize=12,
            color=PALETTE["vermillion"],
            linestyle="",
        )
    title = f"An arrow is as wide as its factor. Crosses: {len(dead)} dead edges"
    axis.set_title(title, fontsize=11)
    names = ", ".join(f"{source} → {node}" for source, node in dead) or "none"
    show(figure, f"BiFPN of the trained detector, arrows as wide as the factors. Dead: {names}.")


def _point_of(
    axis: Axes, edge: tuple[str, str], places: Places, share: float = 0.68
) -> tuple[float, float]:
    """A point behind the middle of an arrow of `graphs.arrow`, which is bent where other nodes are
    on its way: in the middle it may meet the arrows of those.
    """
    ends = axis.transData.transform([places[edge[0]], places[edge[1]]])
    (dx, dy) = ends[1] - ends[0]
    x, y = ends[0] + share * (ends[1] - ends[0])
    bend = arrow(edge, places, 1.0).get_connectionstyle().rad * 2 * share * (1 - share)
    return tuple(axis.transData.inverted().transform((x + bend * dy, y - bend * dx)))


def factors_of_node(model: EfficientDet, name: str) -> None:
    """A line for each input of one node: its learned weight, and the factor that it gives."""
    (node,) = (node for node in model.fusion.graph.nodes if node.name == name)
    weights = model.fusion.cells[0][name].weights.tolist()
    learned = edge_weights(model)
    rows = [
        [source, f"{weight:+.2f}", f"{learned[source, name]:.2f}"]
        for source, weight in zip(node.inputs, weights, strict=True)
    ]
    table([f"input of {name}", "weight", "factor"], rows)


@styled
def knocked_view(rows: Rows, whole: float, guess: float | None) -> View:
    """For each edge its factor to the left, and to the right the AP that is lost without it.

    rows: of `knocked.losses_without`. whole: AP with all edges.
    """
    figure, (left, right) = new_panels(8.6, 5.6, (0.02, 0.1, 0.3, 0.8), (0.54, 0.1, 0.44, 0.8))
    labels = []
    for place, row in enumerate(rows):
        left.barh(place, row["factor"], 0.7, color=PALETTE["blue"])
        right.barh(place, row["lost"], 0.7, color=PALETTE["vermillion"])
        labels.append(f"{row['source']} → {row['node']}")
    every = range(len(rows))
    left.set(xlim=(1.05, 0), yticks=[], ylim=(len(rows) - 0.4, -0.8), xlabel="factor")
    right.set(yticks=every, yticklabels=labels, ylim=(len(rows) - 0.4, -0.8))
    right.set(xlim=(min(0, *(row["lost"] for row in rows)), 1.08 * whole), xlabel="AP lost")
    left.set_title("what the factor says", fontsize=11)
    right.set_title(f"what the detector loses, of its AP of {whole:.2f}", fontsize=11)
    right.tick_params(axis="y", length=0)
    for axis in (left, right):
        axis.grid(False, axis="y")
    edges = [(row["source"], row["node"]) for row in rows]
    if ASKED in edges:
        draw_guess(right, guess, y=edges.index(ASKED))
    return View(figure, *_told(rows, whole))


def _told(rows: Rows, whole: float) -> tuple[str, dict[str, str]]:
    """The picture in words, and its numbers."""
    by_edge = {(row["source"], row["node"]): row for row in rows}
    numbers = {"AP with all edges": f"{whole:.3f}"}
    for edge in (("P2_in", "P2_td"), ASKED):
        if edge in by_edge:
            row = by_edge[edge]
            # Adding 0.0 takes the sign from a rounded −0.
            numbers[f"{edge[0]} → {edge[1]}"] = (
                f"factor {row['factor']:.2f}, AP lost {round(row['lost'], 3) + 0.0:.3f}"
            )
    ranked = knocked.rank_correlation_of_living(rows)
    count = len(knocked.living(rows))
    numbers[f"rank correlation of factor and AP lost, {count} living edges"] = f"{ranked:.2f}"
    words = "; ".join(f"{name}: {value}" for name, value in numbers.items())
    return f"Each edge of the neck cut by itself. {words}.", numbers


def agreement_table(rows: Rows) -> None:
    """A line for each task: how much of the factors' spread lies between edges and not between
    seeds, and how often as much would come by chance. rows: of `experiments.necks`.
    """
    lines = []
    for task, name in TASKS.items():
        edges, factors = knocked.relative_factors(rows, task)
        agree = knocked.agreement(factors)
        lines.append([name, f"{agree:.2f}", f"{knocked.agreement_p(edges, factors):.4f}"])
    table(["task", "agreement of the factors over seeds", "p"], lines)


def ranks_table(rows: Rows) -> None:
    """How the living edges' order by AP lost agrees with that by factor, and with that by the
    factor as a multiple of an equal share. rows: of `knocked.losses_without`.
    """
    count = len(knocked.living(rows))
    lines = [
        ["factor", f"{knocked.rank_correlation_of_living(rows):.2f}"],
        ["multiple of an equal share", f"{knocked.rank_correlation_of_living(rows, True):.2f}"],
    ]
    table([f"section 5's {count} living edges by", "rank correlation with AP lost"], lines)


def lost_without(rows: Rows, source: str, node: str) -> float:
    """The AP that is lost without this edge, and 0 where the detector is better without it."""
    (row,) = (row for row in rows if (row["source"], row["node"]) == (source, node))
    return max(0.0, round(row["lost"], 3))
