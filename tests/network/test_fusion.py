"""Feature networks against the figures of the papers, a naive FPN of a dozen lines, and
gradients.
"""

import itertools
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import any_graph, lively
from torch import nn
from torch.nn import functional as F

from effdet_lite import fusion
from effdet_lite.fusion import FusionGraph, FusionNetwork, Node, bifpn, fpn, panet
from effdet_lite.graphs import WEIGHTINGS

LEVELS = range(3, 8)
SWITCHES = list(itertools.product([False, True], repeat=3))


def pyramid(levels, channels, size=64, images=2):
    """Random maps; a level's side is rounded up, as that of a padded convolution is."""
    height, width = (size, size) if isinstance(size, int) else size
    return [
        torch.randn(images, width_, -(-height // 2**level), -(-width // 2**level))
        for level, width_ in zip(levels, channels, strict=True)
    ]


def randomise(network):
    """Other norms, and fusion weights of which some are negative."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(".weights"):
                parameter.uniform_(-0.3, 1.5)
    return lively(network)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("switches", SWITCHES)
def test_every_combination_of_switches_runs(switches, weighting):
    graph = bifpn((2, 3, 4), *switches)
    maps = pyramid((2, 3), (4, 6), 32)
    outputs = FusionNetwork(graph, (4, 6), 8, 2, weighting)(maps)
    assert [x.shape for x in outputs] == [(2, 8, side, side) for side in (8, 4, 2)]


@pytest.mark.parametrize("graph", [bifpn, panet, fpn])
def test_order_of_nodes_does_not_matter(graph):
    nodes = list(graph(LEVELS).nodes)
    network = randomise(FusionNetwork(graph(LEVELS), (8,) * 5, 8))
    maps = pyramid(LEVELS, (8,) * 5, 128)
    with torch.no_grad():
        expected = network(maps)
        for seed in range(5):
            random.Random(seed).shuffle(nodes)
            other = FusionNetwork(FusionGraph("shuffled", tuple(nodes)), (8,) * 5, 8).eval()
            other.load_state_dict(network.state_dict())
            assert all(torch.equal(a, b) for a, b in zip(other(maps), expected, strict=True))


def paths(graph):
    """For each output the incoming maps that reach it, by walking the edges backwards."""
    inputs = {node.name: node.inputs for node in graph.nodes}

    def sources(name):
        return set().union(*map(sources, inputs[name])) if name in inputs else {name}

    return [sources(name) for name in graph.outputs]


@settings(max_examples=30, deadline=None)
@given(any_graph(), st.sampled_from(WEIGHTINGS), st.integers(1, 3), st.booleans())
def test_any_graph_runs_and_joins_what_its_edges_join(graph, weighting, backbone_levels, odd):
    """Gradients reach the inputs that a walk along the edges reaches; the maps that came in stay as
    they were.
    """
    torch.manual_seed(0)
    channels = (4, 5, 6)[:backbone_levels]
    network = FusionNetwork(graph, channels, 4, 1, weighting)
    maps = pyramid(graph.levels[:backbone_levels], channels, (65, 97) if odd else 64)
    before = [x.clone() for x in maps]
    outputs = network(maps)
    assert all(torch.equal(x, y) for x, y in zip(maps, before, strict=True))
    sizes = [
        tuple(-(-side // 2**level) for side in ((65, 97) if odd else (64, 64)))
        for level in graph.levels
    ]
    assert [x.shape for x in outputs] == [(2, 4, *size) for size in sizes]
    maps = [x.requires_grad_() for x in maps]
    known = {f"P{level}_in": index for index, level in enumerate(graph.levels)}
    for output, reached in zip(network.eval()(maps), paths(graph), strict=True):
        gradients = torch.autograd.grad(
            output.square().sum(), maps, allow_unused=True, retain_graph=True
        )
        # Levels beyond the backbone's are made of its coarsest map.
        expected = {min(known[name], backbone_levels - 1) for name in reached}
        assert {i for i, x in enumerate(gradients) if x is not None and x.any()} == expected


@pytest.mark.parametrize(
    ("graph", "all_to_all"),
    [(bifpn, True), (panet, True), (fpn, False)],
    ids=["BiFPN", "PANet", "FPN"],
)
def test_whether_every_output_depends_on_every_input(graph, all_to_all):
    """One cell with a bottom-up path is enough; in FPN a level sees what is coarser, and nothing
    finer.
    """
    maps = [x.requires_grad_() for x in pyramid(LEVELS, (8,) * 5, 256, images=1)]
    outputs = FusionNetwork(graph(LEVELS), (8,) * 5, 8).eval()(maps)
    for level, output in enumerate(outputs):
        gradients = torch.autograd.grad(
            output.square().sum(), maps, allow_unused=True, retain_graph=True
        )
        reached = [x is not None and x.any().item() for x in gradients]
        assert reached == [all_to_all or source >= level for source in range(5)]


# --- fusing ---


def naive_fpn(network, maps):
    """FPN in a loop: from coarse to fine, enlarge what came down, add what comes in, activate,
    convolve, norm.
    """
    outputs, above = [], None
    for level, x in reversed(list(enumerate(maps, start=3))):
        node = network.cells[0][f"P{level}_td"]
        x = F.batch_norm(
            F.conv2d(x, node.project[0].conv.weight, node.project[0].conv.bias),
            *norm(node.project[0].norm),
            eps=1e-3,
        )
        x = x if above is None else x + F.interpolate(above, x.shape[-2:], mode="nearest")
        x = F.conv2d(x * torch.sigmoid(x), node.conv.depthwise.weight, padding=1, groups=x.shape[1])
        x = F.conv2d(x, node.conv.pointwise.weight, node.conv.pointwise.bias)
        above = F.batch_norm(x, *norm(node.norm), eps=1e-3)
        outputs.insert(0, above)
    return outputs


def norm(module):
    return module.running_mean, module.running_var, module.weight, module.bias


@pytest.mark.parametrize("size", [64, (88, 40), (72, 121)])
def test_fpn_equals_a_naive_one(size):
    network = lively(FusionNetwork(fpn((3, 4, 5)), (5, 6, 7), 8, weighting="sum"))
    maps = pyramid((3, 4, 5), (5, 6, 7), size)
    with torch.no_grad():
        for ours, naive in zip(network(maps), naive_fpn(network, maps), strict=True):
            torch.testing.assert_close(ours, naive)


@pytest.mark.parametrize("grad", [torch.enable_grad, torch.no_grad])
def test_a_single_input_that_is_only_added_is_not_overwritten(grad):
    """PANet's coarsest node adds nothing to its one input; the map is the caller's, and other nodes
    want it too.
    """
    nodes = (Node("once", 3, ("P3_in",)), Node("twice", 3, ("P3_in", "once")))
    network = lively(FusionNetwork(FusionGraph("g", nodes), (8,), 8, weighting="sum"))
    maps = pyramid((3,), (8,))
    copies = [x.clone() for x in maps]
    with grad():
        first, second = network(maps), network([x.requires_grad_() for x in copies])
    assert torch.equal(maps[0], copies[0])
    torch.testing.assert_close(first, second)


WEIGHTS = [[1.0, 1.0], [1e-4, 1e-4], [0.3, -2.0, 1.5], [-1.0, -1.0], [5.0]]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_weightings_equal_their_formulas(weights):
    """EfficientDet, section 3.3: relu(w_i) / (sum of relu(w) + 0.0001), softmax, w itself."""
    tensor = torch.tensor(weights, dtype=torch.float64)
    positive = [max(w, 0.0) for w in weights]
    fast = [w / (sum(positive) + 1e-4) for w in positive]
    expected = {
        "fast": fast,
        "softmax": torch.softmax(tensor, 0).tolist(),
        "unbounded": weights,
        "sum": [1.0] * len(weights),
    }
    for name, values in expected.items():
        assert fusion.fusion_weights(tensor, name).tolist() == pytest.approx(values, abs=1e-12)


def test_fast_weights_need_not_sum_to_one():
    """Figures: 0.99995 for two ones, 0.667 for two of 1e-4, 0 where all are negative."""
    sums = [
        fusion.fusion_weights(torch.tensor(weights), "fast").sum().item()
        for weights in (WEIGHTS[0], *WEIGHTS[1:4:2])
    ]
    assert sums == [pytest.approx(0.99995, abs=1e-5), pytest.approx(0.6667, abs=1e-4), 0.0]


@pytest.mark.parametrize(
    ("weighting", "learns"), [("fast", False), ("softmax", True), ("unbounded", True)]
)
def test_a_negative_weight_learns_nothing_in_fast_fusion_only(weighting, learns):
    weights = torch.tensor([1.0, -0.5], requires_grad=True)
    (fusion.fusion_weights(weights, weighting) * torch.tensor([2.0, 3.0])).sum().backward()
    assert (weights.grad[1] != 0) == learns


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_node_adds_resized_maps_by_their_weights(weighting):
    node = fusion.FusionNode(4, [(3, 6), (4, 6), (6, 6)], 6, weighting, fusion.LayerStyle())
    if weighting != "sum":
        node.weights.data = torch.tensor([0.5, 1.5, 0.25])
    fine, same, coarse = pyramid((3, 4, 6), (6, 6, 6), 128)
    factors = {
        "fast": [0.5 / 2.2501, 1.5 / 2.2501, 0.25 / 2.2501],
        "softmax": [0.2283, 0.6204, 0.1778],
    }
    expected = {"sum": [1, 1, 1], "unbounded": [0.5, 1.5, 0.25], **factors}[weighting]
    if weighting == "softmax":
        expected = torch.tensor([0.5, 1.5, 0.25]).exp()
        expected = expected / expected.sum()
    pooled = F.max_pool2d(F.pad(fine, (0, 1, 0, 1), value=-torch.inf), 3, 2)
    wide = coarse.repeat_interleave(4, 2).repeat_interleave(4, 3)
    result = node.fuse([fine, same, coarse], same.shape[-2:])
    torch.testing.assert_close(
        result, expected[0] * pooled + expected[1] * same + expected[2] * wide
    )


def test_levels_beyond_the_backbone():
    """P6 is a pooled 1x1 convolution of P5, P7 a pooled P6: one convolution for both."""
    network = lively(FusionNetwork(bifpn(LEVELS), (4, 5, 6), 8))
    maps = pyramid((3, 4, 5), (4, 5, 6), 256)
    *_, sixth, seventh = network.extend(list(maps))
    pool = torch.nn.MaxPool2d(3, 2, ceil_mode=True)
    torch.testing.assert_close(sixth, pool(network.project_extra(maps[-1])))
    torch.testing.assert_close(seventh, pool(sixth))
    assert FusionNetwork(bifpn(LEVELS), (4, 5, 8), 8).project_extra is None


def test_each_use_of_a_map_has_its_own_projection():
    """In the official network P4 and P5 have two each."""
    cell = FusionNetwork(bifpn(LEVELS), (40, 112, 320), 64, repeats=2).cells
    counts = {
        name: sum(not isinstance(p, nn.Identity) for p in node.project)
        for name, node in cell[0].items()
    }
    assert counts == {
        "P6_td": 0,
        "P5_td": 1,
        "P4_td": 1,
        "P3_td": 1,
        "P4_out": 1,
        "P5_out": 1,
        "P6_out": 0,
        "P7_out": 0,
    }
    assert not any(isinstance(m, fusion.ConvNorm) for m in cell[1].modules())


# --- what is refused ---


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weighting": "max"}, "weighting must be one of fast, softmax, unbounded, sum, got 'max'"),
        ({"in_channels": ()}, "give 1 to 2 in_channels, got 0"),
        ({"in_channels": (8, 8, 8)}, "got 3"),
        ({"repeats": 0}, "repeats must be a whole number of at least 1"),
        ({"channels": 0}, "channels must be a whole number of at least 1"),
        ({"in_channels": (8, 8.5)}, "each of in_channels must be a whole number of at least 1"),
        ({"graph": "bifpn"}, r"graph must be a FusionGraph, such as bifpn\(...\), got 'bifpn'"),
    ],
)
def test_networks_that_cannot_be(change, says):
    with pytest.raises(ValueError, match=says):
        FusionNetwork(**{"graph": bifpn((3, 4)), "in_channels": (8, 8), "channels": 8} | change)


def test_names_that_torch_has_taken():
    """The oracle is torch's own ModuleDict, which refuses them."""
    theirs = [name for name in dir(nn.ModuleDict()) if not name.startswith("_")]
    assert {"train", "training", "keys", "to"} <= {*theirs}
    for name in theirs:
        with pytest.raises(KeyError):
            nn.ModuleDict({name: nn.Identity()})
        graph = fusion.FusionGraph("mine", (fusion.Node(name, 3, ("P3_in",)),))
        with pytest.raises(ValueError, match=f"'{name}' cannot name a node: torch's modules use"):
            FusionNetwork(graph, (8,), 8)


def test_unknown_weights_are_refused():
    with pytest.raises(ValueError, match=r"weighting must be one of fast.*got 'max'"):
        fusion.fusion_weights(torch.ones(2), "max")


def test_wrong_number_of_maps():
    with pytest.raises(ValueError, match="takes 2 maps, got 1"):
        FusionNetwork(bifpn((3, 4)), (8, 8), 8)(pyramid((3,), (8,)))
