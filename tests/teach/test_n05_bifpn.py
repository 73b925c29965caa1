"""Ways, costs and factors of necks, as the notebook on BiFPN shows them.

Oracles: gradients and torch.utils.flop_counter on a FusionNetwork, torch.autograd, the papers'
counts.
"""

import itertools
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import macs

from effdet_lite.fusion import FusionGraph, FusionNetwork, Node, bifpn, fpn, fusion_weights, panet
from effdet_lite.teach.nb.n05_bifpn import SMALL, factors, is_skip, neck_places, reach, switched
from effdet_lite.teach.nb.n05_switches import neck_macs

SWITCHES = list(itertools.product([False, True], repeat=3))


def random_graph(seed, levels=(2, 3, 4, 5)):
    """One to three nodes at each level, each with inputs from what stands before it."""
    rng = random.Random(seed)
    places = [level for level in levels for _ in range(rng.randint(1, 3))]
    rng.shuffle(places)
    known, nodes = [f"P{level}_in" for level in levels], []
    for number, level in enumerate(places):
        nodes.append(
            Node(f"n{number}", level, tuple(rng.sample(known, rng.randint(1, min(3, len(known))))))
        )
        known.append(f"n{number}")
    return FusionGraph(f"random {seed}", tuple(nodes))


def reached_by_gradients(graph, repeats):
    """Through a network of all-positive weights without norms, so that no two ways cancel."""
    network = FusionNetwork(graph, [4] * len(graph.levels), 4, repeats, "sum").double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.1)
    sides = [2 ** (1 + graph.levels[-1] - level) for level in graph.levels]
    maps = [torch.rand(1, 4, side, side, dtype=torch.float64, requires_grad=True) for side in sides]
    found = {}
    for level, output in zip(graph.levels, network(maps), strict=True):
        gradients = torch.autograd.grad(output.sum(), maps, retain_graph=True, allow_unused=True)
        pairs = zip(graph.levels, gradients, strict=True)
        found[level] = {
            source for source, gradient in pairs if gradient is not None and gradient.any()
        }
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_what_reaches_what_is_what_gradients_reach(seed, repeats):
    graph = random_graph(seed)
    assert reach(graph, repeats) == reached_by_gradients(graph, repeats)


def test_the_papers_necks():
    """FPN: a level and the coarser ones. PANet has 10 nodes and 18 edges, BiFPN 8 and 19; both
    reach everything.
    """
    assert reach(fpn(range(3, 8))) == {level: set(range(level, 8)) for level in range(3, 8)}
    for graph, nodes, edges in ((panet(SMALL.levels), 10, 18), (bifpn(SMALL.levels), 8, 19)):
        assert (len(graph.nodes), len(graph.edges)) == (nodes, edges)
        assert reach(graph) == {level: set(SMALL.levels) for level in SMALL.levels}


def test_a_node_is_drawn_where_its_name_says():
    """What comes in to the left, then the way down, and the way up to the right."""
    columns = {"in": 0, "td": 1, "out": 2}
    for graph in (fpn(SMALL.levels), panet(SMALL.levels), bifpn(SMALL.levels)):
        places = neck_places(graph)
        assert set(places) == {*graph.incoming, *(node.name for node in graph.nodes)}
        for name, (column, level) in places.items():
            assert (column, level) == (columns[name.partition("_")[2]], int(name[1]))


def test_skips_are_what_the_switch_adds():
    """Five in PANet, and three where P6_td and P2_out are taken away."""
    for prune, count in ((False, 5), (True, 3)):
        graph = bifpn(SMALL.levels, prune=prune)
        added = set(graph.edges) - set(bifpn(SMALL.levels, skip=False, prune=prune).edges)
        assert {edge for edge in graph.edges if is_skip(edge, graph)} == added
        assert len(added) == count


@pytest.mark.parametrize("weighting", ["sum", "fast"])
@pytest.mark.parametrize("switches", SWITCHES)
def test_a_neck_costs_what_torch_counts(switches, weighting):
    graph = switched(*switches)
    with torch.device("meta"):
        network = FusionNetwork(graph, SMALL.in_channels, SMALL.channels, 2, weighting).eval()
        maps = [
            torch.empty(1, width, SMALL.side >> level, SMALL.side >> level)
            for level, width in zip(SMALL.levels, SMALL.in_channels, strict=False)
        ]
    assert neck_macs(graph, 2, weighting) == macs(network, maps)


@pytest.mark.parametrize("switches", SWITCHES)
def test_every_setting_of_the_switches_goes_by_its_name(switches):
    bottom_up, skip, prune = switches
    names = {(0, 0): "PANet", (1, 0): "PANet with skips", (0, 1): "PANet, pruned", (1, 1): "BiFPN"}
    assert switched(*switches).name == (names[skip, prune] if bottom_up else "FPN")


def test_the_small_pyramid_is_the_experiments(experiment_script):
    script = experiment_script("plain")
    assert (SMALL.levels, SMALL.channels, SMALL.side) == (
        script.LEVELS,
        script.CHANNELS,
        script.SIZE,
    )
    assert SMALL.in_channels == script.BACKBONE[1:]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-3, 3), min_size=2, max_size=3),
    st.sampled_from(["fast", "softmax", "unbounded"]),
)
def test_factors_and_their_slopes_are_autograds(weights, way):
    tensor = torch.tensor(weights, dtype=torch.float64, requires_grad=True)
    jacobian = torch.autograd.functional.jacobian(lambda w: fusion_weights(w, way), tensor)
    mine, slopes = factors(np.array(weights), way)
    assert np.allclose(mine, fusion_weights(tensor, way).detach())
    assert np.allclose(slopes, jacobian)
