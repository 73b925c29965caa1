"""What notebook 05 draws beside its explorers: ways, switches, round trips, weights, edges that are
cut, and a neck of one's own.

Oracles: effdet's settings, the papers' tables typed off, plain arithmetic, torch.autograd, rows
made by hand, and what matplotlib draws.
"""

import itertools

import numpy as np
import pytest
import torch
from effdet.config.fpn_config import get_fpn_config

from effdet_lite import anchors
from effdet_lite.data import PatternedMarks, ShapesInContext
from effdet_lite.experiments import necks, pairs
from effdet_lite.experiments.plain import detector
from effdet_lite.experiments.run import stored_results
from effdet_lite.experiments.verdicts import NOT_SEEN
from effdet_lite.fusion import FusionGraph, FusionNetwork, Node, bifpn, fpn, panet
from effdet_lite.teach.kit.shared import shipped
from effdet_lite.teach.nb import n05_claims as claims
from effdet_lite.teach.nb import n05_knocked as knocked
from effdet_lite.teach.nb import n05_necks as every_neck
from effdet_lite.teach.nb import n05_own as own
from effdet_lite.teach.nb import n05_round as round_trip
from effdet_lite.teach.nb import n05_switches as switches
from effdet_lite.teach.nb import n05_ways as ways
from effdet_lite.teach.nb import n05_weights as weights
from effdet_lite.teach.nb.n05_bifpn import SMALL, reach

LEVELS = SMALL.levels


def drawn(view):
    """The view's figure, drawn, so that whatever cannot be drawn raises here."""
    view.figure.draw_without_rendering()
    assert view.words
    return view


def texts(axis):
    return [text.get_text() for text in axis.texts]


# --- ways ---


@pytest.mark.parametrize("guess", [None, 5, 25])
def test_pairs_are_filled_where_a_way_is(guess):
    graphs = {"FPN": fpn(LEVELS), "BiFPN": bifpn(LEVELS)}
    view = drawn(ways.pairs_view(graphs, {name: reach(one) for name, one in graphs.items()}, guess))
    assert view.numbers["pairs reached, FPN"] == f"{5 + 4 + 3 + 2 + 1} of 25"
    assert view.numbers["pairs reached, BiFPN"] == "25 of 25"
    assert ("your guess for FPN" in view.numbers) == (guess is not None)
    filled = view.figure.axes[2].lines[0]
    assert len(filled.get_xdata()) == 15


def test_fpn_is_drawn_before_anybody_counts(monkeypatch):
    seen = []
    monkeypatch.setattr(ways, "show", lambda figure, words: seen.append((figure, words)))
    ways.show_fpn()
    ((figure, words),) = seen
    figure.draw_without_rendering()
    named = {text for text in texts(figure.axes[0]) if text}
    assert named == {f"P{level}_{kind}" for level in LEVELS for kind in ("in", "td")}
    arrows = [patch for patch in figure.axes[0].patches if hasattr(patch, "get_arrowstyle")]
    assert len(arrows) == 5 + 4
    assert "No arrow leads up" in words


def made_up(graph, *asked):
    return [{"graph": graph, "asked": value, "task": "bottom-up"} for value in asked]


def test_trainings_are_counted_by_hand():
    rows = [
        *made_up("no fusion", 0.3),
        *made_up("FPN", 0.36, 0.9, 0.5),
        *made_up("PANet", 0.51, 0.4),
        *made_up("BiFPN", 1.0, 0.99),
    ]
    view = drawn(ways.trainings_view(rows))
    assert view.numbers["runs that name the discs, FPN"] == "1 of 3"
    assert view.numbers["runs that name the discs, with a way up"] == "3 of 4"
    marks = [len(line.get_xdata()) for line in view.figure.axes[0].lines[:4]]
    assert marks == [1, 3, 2, 2]


def test_the_riddle_points_at_the_dot(monkeypatch):
    seen = []
    monkeypatch.setattr(ways, "show", lambda figure, words: seen.append((figure, words)))
    ways.show_riddle()
    ((figure, words),) = seen
    figure.draw_without_rendering()
    assert "finds the disc: 1.00" in words
    place = figure.axes[0].texts[0].xy
    pixels = figure.axes[0].images[0].get_array()
    color = np.asarray(pixels)[int(place[1]), int(place[0])].astype(float)
    assert color.max() - color.min() > 0.4 * max(1.0, pixels.max())  # the only thing with a color


@pytest.mark.parametrize(
    ("kind", "asks", "levels"),
    [
        (ShapesInContext, {"direction": "bottom-up"}, {4, 5}),
        (PatternedMarks, {"asks": "disc"}, {4, 5}),
        (PatternedMarks, {"asks": "far"}, {2}),
    ],
)
def test_the_levels_that_answer_are_those_that_the_text_names(kind, asks, levels):
    """By the matching of the training itself: the anchors of which levels get an asked class."""
    pictures = kind("test", 128, 40, seed=1, **asks)
    config = detector(fpn(LEVELS), 6).config
    grid = anchors.grid(128, 128, LEVELS, config.anchor_scale)
    level_of = torch.cat([torch.full((9 * (128 >> one) ** 2,), one) for one in LEVELS])
    found = set()
    for _, target in (pictures[number] for number in range(len(pictures))):
        labels = anchors.match(grid, [target["boxes"]], [target["labels"]]).labels[0]
        found |= set(level_of[labels >= 3].tolist())
    assert found == levels


# --- switches ---


def test_the_official_cell_is_the_one_of_effdets_settings():
    nodes = get_fpn_config("bifpn_fa", 3, 7)["nodes"]
    assert tuple(tuple(node["inputs_offsets"]) for node in nodes) == switches.OFFICIAL_INPUTS
    assert [node["feat_level"] for node in nodes] == [6, 5, 4, 3, 4, 5, 6, 7]
    assert sorted(switches.official_edges()) == sorted(bifpn(range(3, 8)).edges)


@pytest.mark.parametrize("settings", list(itertools.product([False, True], repeat=3)))
def test_every_setting_of_the_switches_draws_its_nodes_and_ghosts(settings):
    view = drawn(switches.switches_view(*settings, 2, "fast"))
    bottom_up, skip, prune = settings
    graph = bifpn(LEVELS, *settings)
    assert view.numbers["nodes"] == f"{2 * len(graph.nodes)}"
    assert view.numbers["fusion weights"] == view.numbers["edges"] == f"{2 * len(graph.edges)}"
    crosses = [line for line in view.figure.axes[0].lines if line.get_marker() == "X"]
    assert len(crosses) == (2 if bottom_up and prune else 0)
    told = view.numbers["what pruning takes"]
    if bottom_up and prune:
        second = "P2_in and P2_td" if skip else "P2_td"
        assert told == f"P6_td, which read P6_in; P2_out, which read {second}"
    else:
        assert told == "nothing"


def test_the_steps_from_panet_to_bifpn_name_their_nodes(monkeypatch):
    seen = []
    monkeypatch.setattr(switches, "show", lambda figure, words: seen.append((figure, words)))
    switches.show_steps()
    ((figure, words),) = seen
    figure.draw_without_rendering()
    assert "10 nodes, 18 edges" in words and "8 nodes, 19 edges" in words
    crosses = [[line.get_marker() for line in axis.lines].count("X") for axis in figure.axes]
    assert crosses == [0, 0, 2]


def test_the_necks_macs_are_counted_by_hand():
    """One node: depthwise 9 C, pointwise C², at each position; projections of what comes in."""
    macs = 0
    for level in LEVELS:
        positions = (128 >> level) ** 2
        macs += positions * (9 * 32 + 32 * 32)
    incoming = {2: 24, 3: 48, 4: 64, 5: 96}
    macs += sum((128 >> level) ** 2 * width * 32 for level, width in incoming.items())
    macs += (128 >> 5) ** 2 * 96 * 32  # P6 is made of P5
    assert switches.neck_macs(fpn(LEVELS)) == macs


def test_pruning_saves_what_the_papers_graphs_say(capsys):
    view = drawn(switches.pruning_view(7.0))
    whole = {name: switches.neck_macs(pairs.GRAPHS[name]) for name in pairs.GRAPHS}
    share = 100 * (1 - whole["PANet, pruned"] / whole["PANet"])
    assert view.numbers["saved in PANet by both"] == f"{share:.1f} %"
    share = 100 * (1 - whole["BiFPN"] / whole["BiFPN, not pruned"])
    assert view.numbers["saved in PANet with skips by both"] == f"{share:.1f} %"
    p6 = 4 * (9 * 32 + 32 * 32) / whole["PANet"]  # four positions, one node
    assert switches.saved_by_p6_td() == pytest.approx(100 * p6)
    switches.ladder_table()
    assert "19 of 19" in capsys.readouterr().out


ENDS = {  # AP50 and loss at the end
    "PANet": (0.5, 1.0),
    "PANet, pruned": (0.7, 0.9),
    "BiFPN, not pruned": (0.5, 1.0),
    "BiFPN": (0.6, 0.7),
}


def four_graphs(seeds, raised=0.0):
    """Rows of each graph and task. raised: more AP50 in graphs that are not pruned."""
    return [
        {"graph": graph, "task": task, "seed": seed, "asked": asked, "losses": [loss]}
        for graph, (end, loss) in ENDS.items()
        for asked in [end if graph in ("BiFPN", "PANet, pruned") else end + raised]
        for task in pairs.TASKS
        for seed in seeds
    ]


def test_an_effect_is_the_mean_of_its_pairs():
    rows = four_graphs(range(3))
    told = switches.effect(rows, "prune")
    assert told["pruning, change of AP50"] == "+0.150"  # (0.2 + 0.1) / 2
    assert told["pruning, change of the final loss"] == "-0.200"
    assert told["pruning, p for more AP50"] == f"{2**-12:.3f}"
    assert told["pruning, pairs"] == "12"
    view = drawn(switches.effect_view(rows))
    assert view.numbers["skips, change of AP50"] == "-0.050"
    labels = [label.get_text() for label in view.figure.axes[1].get_yticklabels()]
    assert labels == [
        "PANet,\ndots",
        "PANet,\ndiscs",
        "PANet, pruned,\ndots",
        "PANet, pruned,\ndiscs",
    ]


def test_fresh_seeds_are_told_apart(monkeypatch):
    """The first three seeds gain 0.15 by pruning, and the two fresh ones lose 0.05."""
    tables = []
    monkeypatch.setattr(switches, "table", lambda head, rows: tables.append((head, rows)))
    switches.fresh_table(four_graphs(range(3)) + four_graphs(pairs.MORE_SEEDS, raised=0.2))
    ((head, (every, fresh)),) = tables
    assert head[1] == "pruning: change of AP50"
    assert (every[1], every[-1]) == ("+0.070", "20")  # (12 * 0.15 - 8 * 0.05) / 20
    assert (fresh[1], fresh[-1]) == ("-0.050", "8")


# --- there and back ---


def seen_by_gradients(graph, cells):
    """Positions of P2_in on which the middle of P2's output depends: through average pools in place
    of max pools, since those pass a gradient to one position alone.
    """
    network = FusionNetwork(graph, [1] * 5, 1, cells, "sum").double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.1)
    maps = [torch.ones(1, 1, 128 >> level, 128 >> level, dtype=torch.float64) for level in LEVELS]
    maps[0].requires_grad_()
    pool = torch.nn.functional.avg_pool2d
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "effdet_lite.fusion.max_pool", lambda x: pool(x, 3, 2, 1, count_include_pad=False)
        )
        output = network(maps)[0][0, 0, 16, 16]
    (gradient,) = torch.autograd.grad(output, maps[0])
    return int((gradient != 0).sum())


@pytest.mark.parametrize(
    ("graph", "cells", "seen"),
    [(fpn, 1, 9), (fpn, 2, 25), (panet, 1, 25), (bifpn, 1, 9), (bifpn, 2, 1024)],
)
def test_one_cell_sees_its_neighbors_and_two_see_all(graph, cells, seen):
    assert seen_by_gradients(graph(LEVELS), cells) == seen


@pytest.mark.parametrize("guess", [None, 1, 1024])
def test_positions_seen_are_counted(guess):
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[15:18, 15:18] = True
    masks = {"one cell": mask, "two cells": ~mask}
    view = drawn(round_trip.round_trip_view(masks, (16, 16), guess))
    assert view.numbers["positions seen, one cell"] == "9 of 1,024"
    assert view.numbers["positions seen, two cells"] == "1,015 of 1,024"


def test_published_cells_and_weightings():
    """arXiv 1911.09070v7, table 1: 3 cells in D0, 8 in D6 and D7; the sum from D6 on."""
    assert list(round_trip.cells_of_detectors().values()) == [3, 4, 5, 6, 7, 7, 8, 8, 8]
    found = round_trip.weightings_of_detectors()
    assert [name for name, way in found.items() if way == "sum"] == ["D6", "D7", "D7x"]
    assert {way for name, way in found.items() if name < "D6"} == {"fast"}


# --- weights ---


@pytest.mark.parametrize("pair", list(itertools.product([-2.0, -0.5, 0.0, 0.25, 3.0], repeat=2)))
def test_factors_of_two_numbers_are_torchs(pair):
    view = drawn(weights.weighting_view(*pair))
    tensor = torch.tensor(pair, dtype=torch.float64)
    soft = tensor.softmax(0)
    told = f"factors {soft[0]:.4f} and {soft[1]:.4f}, their sum 1.0000; "
    assert view.numbers["softmax"].startswith(told)
    positive = tensor.relu()
    fast = positive / (positive.sum() + 1e-4)
    assert view.numbers["fast"].endswith(f"; result {fast[0] + 3 * fast[1]:.4f}")
    assert view.numbers["unbounded"].endswith(f"; result {pair[0] + 3 * pair[1]:.4f}")
    dead = [text for text in texts(view.figure.axes[1]) if "no pull" in text]
    assert len(dead) == (1 if pair[0] <= 0 else 0)


def test_the_curves_of_a_factor_are_torchs(monkeypatch):
    seen = []
    monkeypatch.setattr(weights, "show", lambda figure, words: seen.append(figure))
    weights.show_factor_curves(weight_b=1.0)
    (figure,) = seen
    figure.draw_without_rendering()
    fast, soft, free = (line.get_xydata().T for line in figure.axes[0].lines)
    assert (fast[1][fast[0] < 0] == 0).all()
    assert np.allclose(soft[1], torch.sigmoid(torch.as_tensor(soft[0] - 1)))  # two inputs
    assert np.allclose(*free)


@pytest.mark.parametrize("guess", [None, "fast", "softmax", "all three find it"])
def test_the_weight_of_a_is_drawn_for_each_way(guess):
    ends = {"fast": (-0.5, 0.0), "softmax": (0.94, 0.8), "unbounded": (0.8, 0.8)}
    traces = {
        rule: {"weight": [weight] * 61, "factor": [factor] * 61}
        for rule, (weight, factor) in ends.items()
    }
    view = drawn(weights.death_view(traces, guess))
    assert view.numbers["A's weight after 60 steps, fast"] == "-0.50"
    assert view.numbers["A's factor after 60 steps, softmax"] == "0.80"
    for axis in view.figure.axes:
        thick = [line for line in axis.lines if line.get_linewidth() == 4]
        assert len(thick) == (guess in traces)


# --- edges cut ---


def row(source, node, factor, lost):
    return {"source": source, "node": node, "factor": factor, "inputs": 2, "lost": lost}


@pytest.mark.parametrize("guess", [None, 0.0, 0.6])
def test_each_edge_has_its_factor_and_what_is_lost(guess):
    rows = [
        row("P2_in", "P2_td", 0.65, 0.5),
        row("P3_td", "P2_td", 0.35, 0.1),
        row("P4_in", "P4_out", 0.0, 0.0),
        row("P5_td", "P4_td", 0.6, -0.01),
    ]
    view = drawn(knocked.knocked_view(rows, 0.55, guess))
    left, right = view.figure.axes
    assert [bar.get_width() for bar in left.patches] == [0.65, 0.35, 0.0, 0.6]
    assert [bar.get_width() for bar in right.patches] == [0.5, 0.1, 0.0, -0.01]
    assert view.numbers["P2_in → P2_td"] == "factor 0.65, AP lost 0.500"
    # Without the dead edge, ranks 3, 1, 2 and 3, 2, 1: 1 - 6 · 2 / (3 · 8). With it 0.40.
    assert view.numbers["rank correlation of factor and AP lost, 3 living edges"] == "0.50"
    assert knocked.lost_without(rows, "P2_in", "P2_td") == 0.5
    assert knocked.lost_without(rows, "P5_td", "P4_td") == 0
    assert view.numbers["P5_td → P4_td"] == "factor 0.60, AP lost -0.010"


def test_a_multiple_of_an_equal_share_can_change_the_order(capsys):
    rows = [
        row("a", "n", 0.6, 0.3) | {"inputs": 2},
        row("b", "m", 0.5, 0.4) | {"inputs": 3},
        row("c", "m", 0.0, 0.0) | {"inputs": 3},
        row("d", "m", 0.1, 0.1) | {"inputs": 3},
    ]
    assert knocked.knocked.rank_correlation_of_living(rows) == pytest.approx(0.5)
    # 1.2, 1.5 and 0.3 stand in the order of what is lost.
    assert knocked.knocked.rank_correlation_of_living(rows, True) == pytest.approx(1)
    knocked.ranks_table(rows)
    assert "1.00" in capsys.readouterr().out


def test_dead_edges_are_crossed_out(monkeypatch):
    seen = []
    monkeypatch.setattr(knocked, "show", lambda figure, words: seen.append((figure, words)))
    model, _ = shipped("shapes-phi-3")
    knocked.show_factors(model)
    ((figure, words),) = seen
    figure.draw_without_rendering()
    below = [
        f"{source} → {node.name}"
        for node in model.fusion.graph.nodes
        for source, weight in zip(
            node.inputs, model.fusion.cells[0][node.name].weights.tolist(), strict=True
        )
        if weight <= 0
    ]
    assert len(below) > 1
    assert words.endswith(f"Dead: {', '.join(below)}.")
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "X"]
    assert len(crosses) == len(below)


# --- a neck of one's own ---


def test_the_pad_begins_as_fpn():
    graph = own.graph_of(own.neck_pad().value)
    assert reach(graph) == reach(fpn(LEVELS))
    assert switches.neck_macs(graph) == switches.neck_macs(fpn(LEVELS))


def test_bifpn_can_be_drawn_and_costs_what_it_costs():
    rename = {"P2_td": "P2_out"}
    edges = [(rename.get(a, a), rename.get(b, b)) for a, b in bifpn(LEVELS).edges]
    pad = own.neck_pad(edges)
    view = drawn(own.own_view(pad.value))
    assert view.numbers["pairs reached"] == "25 of 25"
    assert view.numbers["edges"] == "19"
    assert view.numbers["million MACs"] == f"{switches.neck_macs(bifpn(LEVELS)) / 1e6:.3f}"


def test_the_graph_below_is_what_one_would_type():
    code = own.as_code(own.graph_of(own.FPN_EDGES))
    typed = eval(code, {"FusionGraph": FusionGraph, "Node": Node})
    assert typed == own.graph_of(own.FPN_EDGES)


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        (own.FPN_EDGES[1:], "P6_out has no input yet"),
        ([*own.FPN_EDGES, ("P4_td", "P4_out")], "P4_out reads P4_td, which has no input yet"),
        ([*own.FPN_EDGES, ("P2_out", "P5_td")], "P5_td.*would be the output of P5"),
    ],
)
def test_a_neck_that_is_not_whole_says_what_is_missing(edges, words, capsys):
    with pytest.raises(ValueError, match=words):
        own.graph_of(edges)
    assert own.train_own(edges) is None
    assert "Not trained" in capsys.readouterr().out


def test_a_circle_is_refused_by_the_pad():
    pad = own.neck_pad()
    with pytest.raises(ValueError, match="would need its own result"):
        pad.value = [*own.FPN_EDGES, ("P2_out", "P5_out")]
    with pytest.raises(ValueError, match="there can be no edge"):
        pad.value = [*own.FPN_EDGES, ("P2_out", "P5_in")]


def test_a_drawn_neck_is_trained_and_finds_its_place():
    mine = own.train_own([*own.FPN_EDGES, ("P2_in", "P5_out")], "discs", steps=2)
    expected = necks.macs("FPN", "sum", 1, 32) + 32 * 32 * 24 * 32  # the edge's projection at P2
    assert mine["macs"] == expected
    assert 0 <= mine["asked"] <= 1
    view = drawn(own.among_all(mine, "discs", 0.5))
    (star,) = [line for line in view.figure.axes[0].lines if line.get_marker() == "*"]
    assert star.get_xdata()[0] == mine["asked"]
    names = [label.get_text() for label in view.figure.axes[0].get_yticklabels()]
    assert names[-1] == f"yours\n{expected / 1e6:.2f} million MACs"
    costs = dict(name.split("\n") for name in names)
    assert costs["no fusion"] == costs["FPN"]  # additions are not counted
    assert star.get_ydata()[0] == len(names) - 1
    assert len(drawn(own.among_all(None, "dots")).numbers) == 5


def test_a_task_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="ask for one of dots, discs"):
        own.train_own(own.FPN_EDGES, "rings")


# --- all necks ---


def test_the_map_has_a_cell_for_each_neck_and_task():
    rows = stored_results("necks")["runs"]
    view = drawn(every_neck.map_view(rows))
    cells = [text for text in texts(view.figure.axes[0]) if text]
    assert len(cells) == 13 * 3
    assert cells[:3] == ["0.355  (0 of 3)", "0.397  (0 of 3)", "0.102"]


def test_weights_are_compared_in_pairs():
    rows = []
    for way, asked in (("sum", 0.5), ("fast", 0.6)):
        for seed, task in itertools.product(range(3), ("top-down", "bottom-up", "shapes")):
            rows.append(
                {
                    "task": task,
                    "graph": "BiFPN",
                    "weighting": way,
                    "repeats": 1,
                    "channels": 32,
                    "seed": seed,
                    "asked": asked,
                    "ap": 1 - asked,
                }
            )
    found = every_neck.weights_gain(rows)
    assert found["dots"] == (pytest.approx(0.1), 0.25)  # all signs alike: 2 of 8
    assert found["shapes"] == (pytest.approx(-0.1), 0.25)


def test_the_papers_table_says_what_the_text_says():
    ap = {name: row[0] for name, row in every_neck.PAPER.items()}
    assert ap["BiFPN, no weights"] - ap["repeated top-down FPN"] == pytest.approx(1.65)
    assert ap["BiFPN, weighted"] - ap["BiFPN, no weights"] == pytest.approx(0.45)


# --- claims ---


def test_a_claim_turns_with_its_numbers():
    rows, patterns = ways.rows_on_discs(), stored_results("way_up")["runs"]
    way_up, skips, pruning = claims.claims_on_ways(rows, pairs.all_rows(), patterns)
    assert (way_up.verdict, skips.verdict) == ("confirmed", "confirmed")
    assert pruning.verdict == "confirmed, with care"
    exchanged = [
        one | {"graph": {"FPN": "BiFPN", "BiFPN": "FPN"}.get(one["graph"], one["graph"])}
        for one in rows
    ]
    assert claims.claims_on_ways(exchanged, pairs.all_rows(), patterns)[0].verdict != "confirmed"


def test_claim_19_turns_with_its_numbers():
    positions = {"one cell": "9 of 1,024", "two cells": "1,024 of 1,024"}
    rows = stored_results("round_trip")["runs"]
    assert claims.claim_on_repeats(positions, rows).verdict == "confirmed, with care"
    exchanged = [row | {"cells": {1: 2, 2: 1}.get(row["cells"], 3)} for row in rows]
    assert claims.claim_on_repeats(positions, exchanged).verdict == NOT_SEEN


def test_claim_21_has_three_verdicts():
    rows, raised, times = (
        stored_results(name)["runs"] for name in ("necks", "stability", "weighting_times")
    )
    told = [claim.verdict for claim in claims.claims_on_weighting(rows, raised, times)]
    assert told == [NOT_SEEN, NOT_SEEN, "confirmed, with care"]
