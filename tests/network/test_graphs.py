"""Feature networks as data, against the figures of the papers and the official graph."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import any_graph

from effdet_lite.graphs import NECKS, FusionGraph, Node, bifpn, fpn, panet

LEVELS = range(3, 8)


@pytest.mark.parametrize(
    ("graph", "nodes", "edges"), [(bifpn, 8, 19), (panet, 10, 18), (fpn, 5, 9)]
)
def test_size_of_the_three_graphs_on_p3_to_p7(graph, nodes, edges):
    """BiFPN has fewer nodes than PANet and more edges (EfficientDet, figure 2 and section 3.2)."""
    graph = graph(LEVELS)
    assert (len(graph.nodes), len(graph.edges)) == (nodes, edges)
    assert graph.levels == (3, 4, 5, 6, 7)


def test_bifpn_is_the_official_graph():
    """Levels and inputs of `bifpn_config` in fpn_configs.py, where the inputs are numbered 0-4 and
    the nodes 5-12.
    """
    official = {
        5: (3, 4),
        6: (2, 5),
        7: (1, 6),
        8: (0, 7),
        9: (1, 7, 8),
        10: (2, 6, 9),
        11: (3, 5, 10),
        12: (4, 11),
    }
    names = ["P3_in", "P4_in", "P5_in", "P6_in", "P7_in", "P6_td", "P5_td", "P4_td", "P3_td"]
    names += ["P4_out", "P5_out", "P6_out", "P7_out"]
    expected = {
        names[node]: tuple(names[source] for source in inputs) for node, inputs in official.items()
    }
    assert {node.name: node.inputs for node in bifpn(LEVELS).nodes} == expected
    assert bifpn(LEVELS).outputs == ("P3_td", "P4_out", "P5_out", "P6_out", "P7_out")


def test_the_switches_lead_from_fpn_over_panet_to_bifpn():
    off = {"skip": False, "prune": False}
    assert bifpn(LEVELS, bottom_up=False, **off).nodes == fpn(LEVELS).nodes
    assert bifpn(LEVELS, bottom_up=True, **off).nodes == panet(LEVELS).nodes
    assert bifpn(reversed(LEVELS)) == bifpn(list(LEVELS)) == bifpn(LEVELS, True, True, True)


# --- what is refused ---


def graph(*nodes):
    return FusionGraph("mine", tuple(Node(*node) for node in nodes))


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ((), "has no nodes"),
        ((("a", 3, ("b",)), ("b", 3, ("a",))), "has a cycle: (a -> b -> a|b -> a -> b)"),
        ((("a", 3, ("a",)),), "has a cycle: a -> a"),
        ((("a", 3, ()),), "'a' has no inputs"),
        ((("a", 3, ("P3_in", "P3_in")),), "node 'a' reads 'P3_in' twice"),
        ((("a", 3, ("P3_in")),), r"inputs of node 'a' must be a tuple: write \('P3_in',\)"),
        ((("a", 3, ("P4_in",)),), "unknown input 'P4_in'; known here: P3_in, a"),
        ((("a", 3, ("P3_in", "nobody")),), "unknown input 'nobody'"),
        ((("a", 3, ("P3_in",)), ("b", 5, ("a",))), "no node at level 4"),
        ((("a", 3, ("P3_in",)), ("a", 4, ("P4_in",))), "uses a node name twice"),
        ((("P3_in", 3, ("P3_in",)),), "'P3_in' names the map that comes in"),
        ((("a", 3, ["P3_in"]),), "must be a tuple of names"),
        ((("a", 3, None),), "must be a tuple of names"),
        ((("_modules", 3, ("P3_in",)),), "'_modules' cannot name a node"),
        ((("P3.td", 3, ("P3_in",)),), "cannot name a node; use letters"),
        ((("", 3, ("P3_in",)),), "cannot name a node"),
    ],
)
def test_graphs_that_cannot_run(nodes, says):
    with pytest.raises(ValueError, match=says):
        graph(*nodes)


@pytest.mark.parametrize("build", [fpn, panet, bifpn])
@pytest.mark.parametrize("levels", [(), (3,), (3, 3), (3, 4, 4)])
def test_levels_that_make_no_pyramid(build, levels):
    with pytest.raises(ValueError, match="at least two different numbers"):
        build(levels)


@pytest.mark.parametrize("build", [fpn, panet, bifpn])
def test_levels_with_a_gap(build):
    with pytest.raises(ValueError, match="no node at level 4"):
        build((3, 5))


@pytest.mark.parametrize("nodes", [5, "P3", {"a": 1}])
def test_nodes_that_are_none(nodes):
    with pytest.raises(ValueError, match="the nodes of a graph must be a tuple"):
        FusionGraph("mine", nodes)


@pytest.mark.parametrize("name", ["P5_in", "nobody", None])
def test_the_level_of_what_is_not_there(name):
    assert fpn((3, 4)).level_of("P4_in") == 4
    with pytest.raises(ValueError, match=r"graph 'FPN' has no .*; it has P3_in, P4_in, P4_td, P3"):
        fpn((3, 4)).level_of(name)


def test_a_level_from_numpy_comes_back_from_json():
    written = graph(("a", np.int64(3), ("P3_in",)))
    assert FusionGraph.from_dict(json.loads(json.dumps(written.to_dict()))) == written


@settings(max_examples=40, deadline=None)
@given(any_graph())
def test_any_graph_comes_back_from_json(graph):
    assert FusionGraph.from_dict(json.loads(json.dumps(graph.to_dict()))) == graph


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.sampled_from(["a", "P3_in"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "level", "inputs", "nodes", "x"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(values, st.sampled_from(["name", "nodes", "node", "level", "inputs", "all"]))
def test_damaged_graphs_are_refused_in_a_sentence(value, place):
    """A graph, or one sentence; whatever stands in a file."""
    graph = fpn((3, 4)).to_dict()
    if place == "all":
        graph = value
    elif place == "node":
        graph["nodes"][0] = value
    elif place in ("level", "inputs"):
        graph["nodes"][1][place] = value
    else:
        graph[place] = value
    try:
        assert isinstance(FusionGraph.from_dict(graph), FusionGraph)
    except ValueError as error:
        assert str(error).endswith(".") and "\n" not in str(error)


@pytest.mark.parametrize("make", NECKS.values(), ids=NECKS)
@pytest.mark.parametrize("levels", [[3, "4"], [3, 4.5], [3, None], 3, [3], [3, 3], [], [-1, 0]])
def test_levels_that_are_none_are_refused_in_a_sentence(make, levels):
    with pytest.raises(ValueError, match=r"levels must be .*\.$"):
        make(levels)
