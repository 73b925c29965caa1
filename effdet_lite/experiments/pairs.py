"""Pruning and skips in pairs: what one switch of BiFPN costs, and what it buys.

Two of the modifications that make BiFPN of PANet are a switch each (`graphs.bifpn`): `prune` leaves
out the nodes at both ends of the pyramid, `skip` adds the edges from a level's map to its output.
Four graphs are two pairs for each switch, all else equal. Three seeds of each graph are in the
results of `necks` and `pruning`; here are two more, which makes five.

    python -m effdet_lite.experiments.pairs            every run; finished ones are kept
    python -m effdet_lite.experiments.pairs --quick    seed 3, 20 steps each
"""

import functools
from collections.abc import Mapping, Sequence

from effdet_lite.costs import fusion_cost
from effdet_lite.efficientnet import level_channels
from effdet_lite.experiments import necks, pruning
from effdet_lite.experiments.plain import BACKBONE, CHANNELS, LEVELS, SIZE
from effdet_lite.experiments.run import Plan, main, stored_results
from effdet_lite.fusion import FusionGraph, Node
from effdet_lite.scaling import EFFICIENTDETS

GRAPHS = {name: necks.GRAPHS[name] for name in ("PANet", "BiFPN")} | pruning.GRAPHS
# Without the switch, and with it.
PAIRS = {
    "prune": (("PANet", "PANet, pruned"), ("BiFPN, not pruned", "BiFPN")),
    "skip": (("PANet", "BiFPN, not pruned"), ("PANet, pruned", "BiFPN")),
}
TASKS = ("top-down", "bottom-up")
MORE_SEEDS = (3, 4)
D0 = EFFICIENTDETS["d0"]


def planned(seeds: Sequence[int] = MORE_SEEDS) -> list[necks.Run]:
    """Every run, the first seed first."""
    return [
        necks.Run(task, graph, seed=seed) for seed in seeds for task in TASKS for graph in GRAPHS
    ]


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    train_one = functools.partial(necks.trained, graphs=GRAPHS)
    if not quick:
        return Plan(planned(), train_one, necks.settings())
    steps = necks.QUICK_STEPS
    runs = planned(MORE_SEEDS[:1])
    return Plan(runs, functools.partial(train_one, steps=steps), necks.settings(steps))


# --- What the rows say ---


def all_rows() -> list[dict]:
    """The stored rows of the four graphs, one cell each, in all result files that have some."""
    rows = []
    for name in ("necks", "pruning", "pairs"):
        rows += stored_results(name)["runs"]
    return [row for row in rows if is_one_of_the_four(row)]


def is_one_of_the_four(row: Mapping) -> bool:
    """Whether a row is of one of the graphs, as they are compared here."""
    usual = {"weighting": "sum", "repeats": 1, "channels": CHANNELS}
    return (
        row["task"] in TASKS
        and row["graph"] in GRAPHS
        and all(row[name] == value for name, value in usual.items())
    )


def final_loss(row: Mapping) -> float:
    """The mean loss of the last tenth of a training."""
    return row["losses"][-1]


def asked(row: Mapping) -> float:
    """AP50 of the classes that only the context tells."""
    return row["asked"]


def gains(rows: Sequence[Mapping], switch: str, figure=asked) -> dict[str, list[float]]:
    """What a figure gains by a switch: for each pair of graphs and task, one number a seed.

    switch: a key of PAIRS. figure: of a row. Only seeds that both of a pair have are counted.
    """
    found = {}
    for without, with_it in PAIRS[switch]:
        for task in TASKS:
            before, after = (
                {
                    row["seed"]: figure(row)
                    for row in rows
                    if (row["graph"], row["task"]) == (graph, task)
                }
                for graph in (without, with_it)
            )
            seeds = sorted(set(before) & set(after))
            found[f"{without} → {with_it}, {task}"] = [after[seed] - before[seed] for seed in seeds]
    return found


# --- What the nodes cost ---


def without(graph: FusionGraph, node: str, instead: str) -> FusionGraph:
    """The graph without a node; what read it reads `instead`, and no map twice."""
    nodes = []
    for one in graph.nodes:
        if one.name == node:
            continue
        inputs = [instead if source == node else source for source in one.inputs]
        nodes.append(Node(one.name, one.level, tuple(dict.fromkeys(inputs))))
    return FusionGraph(graph.name, tuple(nodes))


def neck_macs(graph: FusionGraph, d0: bool = False) -> int:
    """MACs of one cell of this graph with plain sums, projections included.

    On the small detector's pyramid (P2-P6 of 128 px, 32 channels), or on EfficientDet-D0's (P3-P7
    of 512 px, 64 channels). Levels are moved along: the graph's finest is the pyramid's.
    """
    if d0:
        channels, side, finest = D0.fusion_channels, D0.resolution, D0.min_level
        in_channels = level_channels(D0.backbone.width)[D0.min_level - 1 :]
    else:
        channels, side, finest = CHANNELS, SIZE, LEVELS[0]
        in_channels = BACKBONE[LEVELS[0] - 1 :]
    sizes = [(side >> level,) * 2 for level in range(finest, finest + len(graph.levels))]
    return fusion_cost(graph, in_channels, channels, 1, "sum", sizes).macs


def saved_by_node(graph: FusionGraph, d0: bool = False) -> dict[str, dict]:
    """What leaving out the node at either end of an unpruned graph saves.

    For "P6_td" and "P2_out" (of levels P2-P6): `inputs`, those of the node; `saved`, the share of
    the neck's MACs. "both": of the pruned graph.
    """
    coarsest, finest = graph.levels[-1], graph.levels[0]
    ends = {f"P{coarsest}_td": f"P{coarsest}_in", f"P{finest}_out": f"P{finest}_td"}
    inputs = {node.name: node.inputs for node in graph.nodes}
    whole = neck_macs(graph, d0)
    found, pruned = {}, graph
    for node, instead in ends.items():
        left = neck_macs(without(graph, node, instead), d0)
        found[node] = {"inputs": inputs[node], "saved": 1 - left / whole}
        pruned = without(pruned, node, instead)
    found["both"] = {"inputs": (), "saved": 1 - neck_macs(pruned, d0) / whole}
    return found


if __name__ == "__main__":
    main("pairs", __doc__, plan)
