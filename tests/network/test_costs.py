"""Costs by arithmetic, against torch's counter on the network that is built and known figures."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from effdet_lite import cost
from effdet_lite.cost import Cost
from effdet_lite.costs import cost_by_part, cost_by_stage, fusion_cost
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.fusion import FusionNetwork, bifpn, fpn, panet
from effdet_lite.graphs import WEIGHTINGS, FusionGraph, Node
from effdet_lite.scaling import EFFICIENTDETS, EfficientDetConfig, EfficientNetConfig
from effdet_lite.scaling import efficientdet as by_formula

# Parameters and MACs of backbone, fusion, class head and box head, 90 classes, counted on effdet's
# tf_efficientdet_*.
PARTS = {
    "d0": ((3595388, 1901490688), (196281, 136203264), (69354, 362452992), (19044, 92184576)),
    "d1": ((6101024, 4467988480), (390972, 450639200), (101394, 832722000), (32508, 252067200)),
    "d2": ((7202562, 7430027200), (708159, 1216329408), (136890, 1625145984), (49428, 560964096)),
    "d3": (
        (10103336, 14888439104),
        (1559474, 3755971520),
        (247050, 3996792800),
        (122436, 1927550240),
    ),
    "d4": (
        (16742216, 30502916448),
        (3349829, 10744760320),
        (402890, 8559896576),
        (228740, 4776138752),
    ),
    "d5": (
        (27288112, 75039058752),
        (5405893, 27275414400),
        (591498, 19710345600),
        (367812, 12109046400),
    ),
    "d6": (
        (39403992, 107284332384),
        (10583808, 54062592000),
        (1090986, 36454809600),
        (792996, 26319744000),
    ),
    "d7": (
        (39403992, 154486146912),
        (10583808, 77850132480),
        (1090986, 52494925824),
        (792996, 37900431360),
    ),
    "d7x": (
        (62143440, 238646285312),
        (13112064, 78520430592),
        (1094826, 52533411840),
        (796836, 37928217600),
    ),
}
# --- costs ---


@pytest.fixture
def quick_meta(monkeypatch):
    """On the meta device norms take most of the time, and neither they nor first values have
    MACs.
    """
    monkeypatch.setattr(nn.BatchNorm2d, "forward", lambda self, x: x)
    for name in ("normal_", "uniform_", "zeros_", "xavier_uniform_", "kaiming_uniform_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)


def counted(config, num_classes=90):
    """(params of each part, MACs of all of it), of the network that is built."""
    with torch.device("meta"):
        model = EfficientDet(config, num_classes)
    parts = {
        name: sum(p.numel() for p in child.parameters()) for name, child in model.named_children()
    }
    return parts, cost.count(model, 1, 3, config.resolution, config.resolution).macs


def assert_cost_is_counted(config, num_classes=90):
    costs = cost_by_part(config, num_classes)
    params, macs = counted(config, num_classes)
    assert {name: part.params for name, part in costs.items()} == params
    assert sum(costs.values()).macs == macs


@pytest.mark.parametrize("name", PARTS)
def test_cost_by_part_of_d0_to_d7x(name):
    names = ["backbone", "fusion", "class_head", "box_head"]
    expected = {part: Cost(*figures) for part, figures in zip(names, PARTS[name], strict=True)}
    assert cost_by_part(EFFICIENTDETS[name]) == expected


@pytest.mark.parametrize("phi", [-3 + step / 2 for step in range(21)])
def test_cost_by_part_equals_count_for_any_phi(phi, quick_meta):
    assert_cost_is_counted(by_formula(phi))


@pytest.mark.parametrize(
    ("change", "num_classes"),
    [
        ({"min_level": 2, "max_level": 6}, 1),
        ({"max_level": 8}, 2),
        ({"min_level": 1, "max_level": 5}, 7),
        ({"min_level": 5, "max_level": 7}, 90),
        ({"min_level": 4, "max_level": 5, "weighting": "sum"}, 3),
        ({"weighting": "softmax", "fusion_channels": 40}, 3),  # as wide as P3: no projection there
        (
            {"weighting": "unbounded", "fusion_channels": 320},
            3,
        ),  # as wide as P5: none for P6 either
        (
            {
                "backbone": EfficientNetConfig(0.35, 2.3, 999, padding="symmetric"),
                "resolution": 768,
            },
            20,
        ),
    ],
)
def test_cost_by_part_of_altered_configurations_by_torchs_counter(change, num_classes, quick_meta):
    config = dataclasses.replace(
        EfficientDetConfig(256, head_repeats=2, fusion_repeats=2), **change
    )
    assert_cost_is_counted(config, num_classes)
    with torch.device("meta"):
        model = EfficientDet(config, num_classes).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(1, 3, config.resolution, config.resolution, device="meta"))
    macs = {name: sum(flops.values()) // 2 for name, flops in counter.get_flop_counts().items()}
    parts = {name: macs[f"EfficientDet.{name}"] for name in ("fusion", "class_head", "box_head")}
    costs = {name: part.macs for name, part in cost_by_part(config, num_classes).items()}
    assert costs == parts | {"backbone": macs["EfficientDet"] - sum(parts.values())}


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("graph", [bifpn, panet, fpn])
def test_cost_equals_count(graph, weighting):
    network = FusionNetwork(graph(range(2, 7)), (4, 6, 8), 8, 2, weighting)
    sizes = [(-(-100 // 2**level), -(-72 // 2**level)) for level in range(2, 7)]

    class Alone(nn.Module):
        """cost.count passes one tensor."""

        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x):
            maps = [x.new_empty(1, c, *size) for c, size in zip((4, 6, 8), sizes, strict=False)]
            return self.network(maps)

    assert fusion_cost(graph(range(2, 7)), (4, 6, 8), 8, 2, weighting, sizes) == cost.count(
        Alone(), 1
    )


def crossed(levels):
    """BiFPN's nodes with other edges: a top-down node also reads the finest map that comes in."""
    nodes = []
    for node in bifpn(levels).nodes:
        extra = (f"P{levels[0]}_in",) if node.name.endswith("_td") else ()
        inputs = dict.fromkeys((*node.inputs, *extra))  # a node names each input once
        nodes.append(Node(node.name, node.level, tuple(inputs)))
    return FusionGraph("crossed", tuple(nodes))


@pytest.mark.parametrize("weighting", ["fast", "sum"])
@pytest.mark.parametrize("neck", ["bifpn", "fpn", "panet", crossed(range(3, 8))], ids=str)
def test_cost_by_part_equals_count_for_every_neck(neck, weighting, quick_meta):
    config = EfficientDetConfig(256, neck=neck, weighting=weighting, fusion_repeats=2)
    assert_cost_is_counted(config, 7)


def test_the_names_of_before_lead_here():
    from effdet_lite import efficientdet, efficientnet

    assert efficientdet.cost_by_part is cost_by_part
    assert efficientnet.cost_by_stage is cost_by_stage
    with pytest.raises(AttributeError, match="has no attribute 'cost_by_color'"):
        efficientdet.cost_by_color  # noqa: B018


def test_sizes_may_be_numpys_and_true_is_no_number():
    assert cost_by_stage(1.0, 1.0, np.int64(224)) == cost_by_stage(1.0, 1.0, (224, 224))
    assert cost_by_part(EFFICIENTDETS["d0"], np.int32(90)) == cost_by_part(EFFICIENTDETS["d0"])
    for wrong in (True, 2.0, 0):
        with pytest.raises(ValueError, match="num_classes must be a whole number of at least 1"):
            cost_by_part(EFFICIENTDETS["d0"], wrong)
