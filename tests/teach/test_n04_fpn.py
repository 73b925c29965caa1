"""What the explorers of notebook 04 show, against torch's own counter, gradients and the result
file.

Oracles: torch.utils.flop_counter on built networks, autograd through the small detector, the pixels
of the pictures.
"""

import json

import numpy as np
import pytest
import torch
from lessons import ROOT
from oracles import macs

from effdet_lite.cost import Cost
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.fusion import FusionNetwork, fpn
from effdet_lite.teach.nb import n04_fpn as pyramids
from effdet_lite.teach.nb.n04_fpn import (
    SIDE,
    pyramid_costs,
    pyramid_view,
    reach_view,
    scene,
    window,
)

RESULTS = ROOT / "assets" / "results"


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
        "images, layers up to P3": (sum(cheap), 40 * 64 * positions, heads),
        "feature pyramid": (once, joined, heads),
    }
    found = pyramid_costs(resolution, coarsest)
    assert {
        name: tuple(part.macs for part in parts.values()) for name, parts in found.items()
    } == expected
    for name, module in (
        ("images, whole backbone", model.backbone),
        ("images, layers up to P3", first),
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
        pyramid_costs(resolution, coarsest)


def test_every_setting_of_the_cost_explorer_has_bars_as_long_as_the_costs():
    for resolution in range(256, 1025, 128):
        for coarsest in (5, 6, 7):
            figure, _, numbers, _ = pyramid_view(resolution, coarsest)
            figure.draw_without_rendering()
            ends = np.array(
                [bar.get_x() + bar.get_width() for bar in figure.axes[0].patches]
            ).reshape(3, 3)[-1]
            totals = [
                sum(parts.values(), Cost()).macs / 1e9
                for parts in pyramid_costs(resolution, coarsest).values()
            ]
            assert np.allclose(ends, totals)
            assert numbers["feature pyramid: MACs"].endswith(" 1.00 × the feature pyramid's")


@pytest.fixture
def experiment(experiment_script):
    """effdet_lite/experiments/necks.py, as the notebook imports it."""
    return experiment_script("necks")


@pytest.mark.parametrize(("row", "column"), [(16, 16), (9, 20)])
def test_the_window_is_where_gradients_of_the_detector_come_from(experiment, row, column):
    """Of an answer at P2 without fusion; and with FPN it is no limit."""
    torch.manual_seed(0)
    image = torch.rand(1, 3, SIDE, SIDE, requires_grad=True)
    seen = {}
    for name in ("no fusion", "FPN"):
        model = experiment.detector(experiment.GRAPHS[name], 6).eval()
        logits, _ = model(image)
        answers = logits[0, : 9 * 32 * 32].view(32, 32, -1)  # P2 comes first
        (gradient,) = torch.autograd.grad(answers[row, column].sum(), image)
        rows, columns = (
            gradient[0].abs().sum(0).sum(dim).nonzero().flatten().tolist() for dim in (1, 0)
        )
        seen[name] = ((columns[0], columns[-1]), (rows[0], rows[-1]))
    assert seen["no fusion"] == (window(4 * column + 1.7, 3), window(4 * row + 2.2, 3))
    assert seen["FPN"] == ((0, SIDE - 1), (0, SIDE - 1))


@pytest.mark.parametrize("convolutions", [0, 3, 7])
@pytest.mark.parametrize("ring", [36, 54, 72, 120])
def test_the_share_of_dots_that_see_their_ring_is_that_of_windows_with_colored_pixels(
    ring, convolutions
):
    holds = []
    for picture in range(16):
        _, dots, colored = scene(ring, picture)
        for x, y in dots:
            (left, right), (top, bottom) = window(x, convolutions), window(y, convolutions)
            holds.append(colored[max(top, 0) : bottom + 1, max(left, 0) : right + 1].any())
    told = reach_view(ring, convolutions).numbers["dots that see their ring"]
    assert told == f"{np.mean(holds):.0%} of {len(holds)}"


def test_only_the_ring_is_colored():
    for picture in range(8):
        _, dots, colored = scene(80, picture)
        rows, columns = np.nonzero(colored)
        assert 78 <= np.ptp(rows) + 1 <= 82 and 78 <= np.ptp(columns) + 1 <= 82
        assert not any(colored[int(y), int(x)] for x, y in dots)


def test_the_measured_points_are_those_of_the_file_and_every_setting_can_be_drawn():
    runs = json.loads((RESULTS / "reach.json").read_text(encoding="utf-8"))["runs"]
    assert sorted(
        (ring, value) for ring, values in pyramids.measured().items() for value in values
    ) == sorted((run["ring"], run["asked"]) for run in runs)
    for ring in range(36, 121, 12):
        figure, words, numbers, _ = reach_view(ring, ring // 8, ring // 4 % 8)
        figure.draw_without_rendering()
        assert f"A ring of {ring} px" in words and len(numbers) == 4
        line = figure.axes[1].lines[1].get_xydata()
        assert sorted(map(tuple, line)) == sorted((run["ring"], run["asked"]) for run in runs)
