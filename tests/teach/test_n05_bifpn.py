"""What the explorers of notebook 05 show, against torch, gradients and effdet, and that no setting
breaks them.

Oracles: gradients and torch.utils.flop_counter on a FusionNetwork, effdet's D0, torch.autograd, the
papers' counts.
"""

import itertools
import random

import numpy as np
import pytest
import torch
from effdet import EfficientDet as ReferenceDetector
from effdet import get_efficientdet_config
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import FancyArrowPatch
from oracles import macs, parameters

from effdet_lite.fusion import FusionGraph, FusionNetwork, Node, bifpn, fpn, fusion_weights, panet
from effdet_lite.teach.nb.n05_bifpn import (
    PYRAMIDS,
    SMALL,
    Pyramid,
    factors,
    neck_view,
    reach,
    shortest_ways,
    switched,
    switches_view,
    weighting_view,
)

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
    assert shortest_ways(panet(range(3, 8))) == dict.fromkeys(range(3, 8), 2)
    crossed = FusionGraph("crossed", (Node("a", 2, ("P3_in",)), Node("b", 3, ("P3_in", "P2_in"))))
    assert shortest_ways(crossed) == {2: "no way", 3: 1}
    assert shortest_ways(bifpn(range(3, 8))) == dict.fromkeys(range(3, 8), 1)
    for graph, nodes, edges in ((panet(SMALL.levels), 10, 18), (bifpn(SMALL.levels), 8, 19)):
        numbers = neck_view(graph).numbers
        assert (numbers["nodes"], numbers["edges"]) == (f"{nodes}", f"{edges}")
        assert numbers["inputs that reach outputs"] == "25 of 25 pairs"


def test_d0_has_the_neck_that_effdets_d0_has():
    with torch.device("meta"):
        reference = ReferenceDetector(
            get_efficientdet_config("tf_efficientdet_d0"), pretrained_backbone=False
        )
    params = sum(parameter.numel() for parameter in reference.fpn.parameters())
    numbers = switches_view(True, True, True, 3, "fast", "D0, P3-P7, 512 px").numbers
    assert numbers["parameters"] == f"{params:,}"
    assert numbers["of these, fusion weights"] == str(
        sum(value.numel() for name, value in reference.named_parameters() if "edge_weights" in name)
    )


@pytest.mark.parametrize("weighting", ["sum", "fast"])
@pytest.mark.parametrize("switches", SWITCHES)
def test_a_neck_costs_what_torch_counts(switches, weighting):
    for (name, pyramid), repeats in zip(PYRAMIDS.items(), (1, 2), strict=True):
        graph = switched(*switches, pyramid.levels)
        with torch.device("meta"):
            network = FusionNetwork(
                graph, pyramid.in_channels, pyramid.channels, repeats, weighting
            ).eval()
            pairs = zip(pyramid.levels, pyramid.in_channels, strict=False)
            maps = [
                torch.empty(1, width, *[pyramid.side // 2**level] * 2) for level, width in pairs
            ]
        numbers = switches_view(*switches, repeats, weighting, name).numbers
        assert numbers["parameters"] == f"{parameters(network):,}"
        assert numbers["MACs"] == f"{macs(network, maps) / 1e6:,.3f} million"


@pytest.mark.parametrize("switches", SWITCHES)
def test_every_setting_of_the_switches_is_drawn_under_its_name(switches):
    for pyramid in PYRAMIDS:
        figure, words, numbers, _ = switches_view(*switches, 7, "softmax", pyramid)
        figure.draw_without_rendering()
        drawing, matrix = figure.axes
        arrows = [patch for patch in drawing.patches if isinstance(patch, FancyArrowPatch)]
        assert 7 * len(arrows) == int(numbers["edges"]) and words
        filled, empty = (len(line.get_xdata()) for line in matrix.lines)
        assert numbers["inputs that reach outputs"] == f"{filled} of {filled + empty} pairs"
        name = drawing.get_title().partition(",")[0]
        assert name == "FPN" if not switches[0] else name != "FPN"


def test_a_neck_of_ones_own_is_drawn_whatever_it_is():
    pyramid = Pyramid((2, 3, 4, 5), (8, 8, 8, 8), 8, 64)
    for seed in range(12):
        figure, *_ = neck_view(random_graph(seed), 2, "sum", pyramid)
        figure.draw_without_rendering()
        names = [text.get_text() for text in figure.axes[0].texts]
        assert {node.name for node in random_graph(seed).nodes} <= set(names)
    deaf = FusionGraph("deaf", (Node("spare", 2, ("P2_in",)), *fpn(SMALL.levels).nodes))
    assert neck_view(deaf).numbers["nodes that nothing reads, in a cell"] == "spare"


def test_a_neck_for_another_detector_is_refused_in_words():
    with pytest.raises(
        ValueError,
        match="levels P3 to P7; this detector needs one node or more at each of P2 to P6",
    ):
        neck_view(bifpn(range(3, 8)))


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


@pytest.mark.parametrize("epsilon", [1e-4, 0.1, 0.0])
@pytest.mark.parametrize("weights", [(1, 1), (-1, 0.5), (-1, -2), (0, 0), (3, -2)])
def test_two_numbers_are_fused_as_torch_fuses_them(weights, epsilon):
    figure, words, numbers, _ = weighting_view(*weights, epsilon)
    figure.draw_without_rendering()
    positive = torch.relu(torch.tensor(weights, dtype=torch.float64))
    fast = positive / (positive.sum() + epsilon)
    told = numbers["ReLU, divided by the sum"]
    assert told.startswith(f"factors {fast[0]:.5f} and {fast[1]:.5f}, sum {fast.sum():.5f}; fused ")
    assert f"fused {fast[0] + 3 * fast[1]:+.3f};" in told
    assert ("nan" in told) == (epsilon == 0 and max(weights) <= 0) and words
    soft = torch.tensor(weights, dtype=torch.float64).softmax(0)
    assert f"sum 1.00000; fused {soft[0] + 3 * soft[1]:+.3f}" in numbers["softmax"]
