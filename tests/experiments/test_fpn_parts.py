"""FPN without its parts: which edges are left, what a node's convolution becomes, and blocks.

Oracles: edges written out, torch's own counter, maps of known blocks.
"""

import pytest
import torch
from oracles import macs, parameters
from torch.nn import functional as F

from effdet_lite.data import ShapesInContext
from effdet_lite.experiments.plain import LEVELS


@pytest.fixture(scope="module")
def fpn_parts(experiment_script):
    return experiment_script("fpn_parts")


def test_each_graph_lacks_what_its_name_says(fpn_parts):
    edges = {name: set(graph.edges) for name, graph in fpn_parts.GRAPHS.items()}
    laterals = {(f"P{level}_in", f"P{level}_td") for level in (2, 3, 4, 5)}
    down = {(f"P{level + 1}_td", f"P{level}_td") for level in (2, 3, 4, 5)}
    top = {("P6_in", "P6_td")}
    assert edges["both"] == laterals | down | top
    assert edges["no laterals"] == down | top
    # Here the nodes have other names, as nothing goes down.
    alone = {(source, node.replace("_out", "_td")) for source, node in edges["no path down"]}
    assert alone == laterals | top
    assert edges["neither"] == {("P6_in", f"P{level}_td") for level in LEVELS}
    assert {graph.levels for graph in fpn_parts.GRAPHS.values()} == {LEVELS}


def test_a_nodes_convolution_is_three_by_three_one_by_one_or_none(fpn_parts):
    models = {
        kind: fpn_parts.begun(fpn_parts.Run(convolution=kind)) for kind in fpn_parts.CONVOLUTIONS
    }
    # Five nodes of 32 channels: 9 weights a channel, and 32 x 32 weights with a bias each.
    count = {kind: parameters(model) for kind, model in models.items()}
    assert count["3x3"] - count["1x1"] == 5 * 32 * 9
    assert count["1x1"] - count["none"] == 5 * (32 * 32 + 32)
    positions = sum((128 // 2**level) ** 2 for level in LEVELS)
    image = torch.rand(1, 3, 128, 128)
    needed = {kind: macs(model.eval(), image) for kind, model in models.items()}
    assert needed["3x3"] - needed["1x1"] == positions * 32 * 9
    assert needed["1x1"] - needed["none"] == positions * 32 * 32


def test_a_node_without_its_convolution_looks_at_one_position(fpn_parts):
    """A pixel's change spreads by one position in a 3x3, and by none in the others."""
    reach = {}
    for kind in fpn_parts.CONVOLUTIONS:
        node = fpn_parts.begun(fpn_parts.Run(convolution=kind)).eval().fusion.cells[0]["P6_td"]
        x = torch.zeros(1, 32, 7, 7)
        spot = x.clone()
        spot[..., 3, 3] = 1
        with torch.no_grad():
            changed = (node([spot], x.shape[-2:]) - node([x], x.shape[-2:])).abs().amax(1)[0] > 0
        reach[kind] = changed.sum().item()
    assert reach == {"3x3": 9, "1x1": 1, "none": 1}


def test_block_ratios_of_known_maps(fpn_parts):
    noise = torch.rand(1, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    copies = F.interpolate(noise, scale_factor=2, mode="nearest")
    assert fpn_parts.block_ratio(copies) == float("inf")
    assert fpn_parts.block_ratio(noise) == pytest.approx(1, abs=0.05)
    # Columns 0, 1, 3, 4, 6, 7: one step of 1 inside each block, one of 2 between.
    stairs = torch.tensor([0.0, 1, 3, 4, 6, 7]).expand(1, 1, 2, 6)
    assert fpn_parts.block_ratio(stairs) == pytest.approx(2)
    with pytest.raises(ValueError, match="at least 4 columns"):
        fpn_parts.block_ratio(noise[..., :3])


def test_every_run_is_planned_once(fpn_parts):
    runs = fpn_parts.planned()
    assert len(runs) == len(set(runs)) == 30
    for seed in fpn_parts.SEEDS:
        some = [run for run in runs if run.seed == seed]
        assert {run.parts for run in some if run.convolution == "3x3"} == set(fpn_parts.GRAPHS)
        assert {run.convolution for run in some if run.parts == "both"} == {"3x3", "1x1", "none"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["1x1", "none"])
def test_a_neck_without_three_by_threes_is_trained_and_scored(fpn_parts, kind, monkeypatch):
    dots = ShapesInContext("train", 128, 64, seed=1, cache=True)
    monkeypatch.setattr(fpn_parts.necks, "pictures", lambda task, train: dots)
    row = fpn_parts.trained(fpn_parts.Run(convolution=kind), steps=2)
    assert len(row["losses"]) == 2 and row["convolution"] == kind
    assert len(row["block_ratios"]) == 3 and min(row["block_ratios"]) > 0
