"""What a pyramid of images costs, and what a pyramid of maps.

Oracles: torch.utils.flop_counter on built networks, a geometric series, hooks of a network that
runs.
"""

import pytest
import torch
from oracles import macs

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.fusion import FusionNetwork, fpn
from effdet_lite.teach.nb import n04_costs as costs


@pytest.mark.parametrize(("resolution", "coarsest"), [(512, 7), (256, 7), (384, 6)])
def test_costs_are_what_torch_counts(resolution, coarsest):
    with torch.device("meta"):
        model = EfficientDet.from_name("d0").eval()
        neck = FusionNetwork(
            fpn(range(3, coarsest + 1)), (40, 112, 320), 64, weighting="sum"
        ).eval()
        sides = [resolution >> level for level in range(3, coarsest + 1)]
        whole = [
            macs(model.backbone.features, torch.empty(1, 3, 32 * side, 32 * side)) for side in sides
        ]
        blocks = [block for stage in model.backbone.stages[:3] for block in stage]
        first = torch.nn.Sequential(model.backbone.stem, *blocks)
        cheap = [macs(first, torch.empty(1, 3, 8 * side, 8 * side)) for side in sides]
        once = macs(model.backbone.features, torch.empty(1, 3, resolution, resolution))
        incoming = [
            torch.empty(1, width, resolution >> level, resolution >> level)
            for level, width in ((3, 40), (4, 112), (5, 320))
        ]
        maps = [torch.empty(1, 64, side, side) for side in sides]
        heads = sum(macs(head, maps) for head in (model.class_head, model.box_head))
        joined = macs(neck, incoming)
    positions = sum(side**2 for side in sides)
    expected = {
        "images, whole backbone": (sum(whole), 320 * 64 * positions, heads),
        "images, layers up to C3": (sum(cheap), 40 * 64 * positions, heads),
        "feature pyramid": (once, joined, heads),
    }
    found = costs.pyramid_costs(resolution, coarsest)
    assert {
        name: tuple(part.macs for part in parts.values()) for name, parts in found.items()
    } == expected
    for name, module in (
        ("images, whole backbone", model.backbone),
        ("images, layers up to C3", first),
    ):
        assert found[name]["backbone"].params == sum(
            parameter.numel() for parameter in module.parameters()
        )
    assert found["feature pyramid"]["between"].params == sum(
        parameter.numel() for parameter in neck.parameters()
    )


@pytest.mark.parametrize(("resolution", "coarsest"), [(500, 7), (512, 4), (320, 7)])
def test_a_pyramid_that_does_not_fit_is_refused(resolution, coarsest):
    with pytest.raises(ValueError, match=f"P{coarsest} asks for"):
        costs.pyramid_costs(resolution, coarsest)


def test_five_images_cost_a_third_more_than_one():
    """Each has a quarter of the pixels of the one before; rims of odd maps add a little."""
    series = sum(0.25**number for number in range(5))
    assert costs.reduced_images_share() == pytest.approx(series, rel=0.002)
    view = costs.shares_view(2.0)
    view.figure.draw_without_rendering()
    widths = [bar.get_width() for bar in view.figure.axes[0].patches]
    assert widths == list(costs.shares().values())
    assert view.numbers["one image, one map"] == "1.00 ×"


def test_fpn_costs_what_torch_counts():
    with torch.device("meta"):
        model = EfficientDet.from_name("d0").eval()
        neck = FusionNetwork(fpn(range(3, 8)), (40, 112, 320), 64, weighting="sum").eval()
        once = macs(model.backbone.features, torch.empty(1, 3, 512, 512))
        incoming = [
            torch.empty(1, width, 512 >> level, 512 >> level)
            for level, width in ((3, 40), (4, 112), (5, 320))
        ]
        joined = macs(neck, incoming)
    assert costs.feature_pyramid_share() == pytest.approx((once + joined) / once)


def test_one_run_of_the_backbone_gives_all_maps():
    assert costs.runs_for_all_levels() == (1, 5)


def test_extra_levels_cost_what_their_modules_do(monkeypatch):
    """Of the package's neck, and of RetinaNet's convolutions built with torch."""
    shown = []
    monkeypatch.setattr(costs, "table", lambda head, rows: shown.extend(rows))
    costs.extra_levels_table()
    neck = FusionNetwork(fpn(range(3, 8)), (40, 112, 320), 64, weighting="sum")
    built = [
        neck.project_extra,
        None,
        torch.nn.Conv2d(320, 64, 3, stride=2, padding=1),
        torch.nn.Conv2d(64, 64, 3, stride=2, padding=1),
    ]
    inputs = [(320, 16), None, (320, 16), (64, 8)]
    for row, module, entering in zip(shown, built, inputs, strict=True):
        if module is None:
            assert row[2:] == ["0", "0.00"]
            continue
        channels, side = entering
        assert row[2] == f"{sum(one.numel() for one in module.parameters()):,}"
        counted = macs(module.eval(), torch.zeros(1, channels, side, side))
        assert row[3] == f"{counted / 1e6:.2f}"


def test_the_table_of_ways_has_the_costs(monkeypatch):
    shown = []
    monkeypatch.setattr(costs, "table", lambda head, rows: shown.extend(rows))
    costs.ways_table()
    found = costs.pyramid_costs(512)
    assert [row[0] for row in shown] == list(found)
    assert [row[1] for row in shown] == [
        "2048, 1024, 512, 256, 128",
        "512, 256, 128, 64, 32",
        "512",
    ]
    assert [float(row[2]) for row in shown] == [
        round(parts["backbone"].macs / 1e9, 3) for parts in found.values()
    ]
