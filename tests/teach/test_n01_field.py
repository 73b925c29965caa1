"""Coverage in notebook 01. Oracles: torch's gradients, through padded convolutions and through B0
itself.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from effdet_lite import cost
from effdet_lite.teach.nb.n01_field import (
    b0_layers,
    coverage_view,
    field_after_each_stage,
    field_growth_figure,
    positions_a_side,
    see_the_whole_side,
    seen_span,
    share_that_sees_all,
    window_span,
)
from effdet_lite.teach.nb.n01_gradients import (
    fresh_b0,
    gradient_figure,
    gradient_image,
    side_of_window,
    square_that_holds,
)

some_layers = st.lists(st.tuples(st.sampled_from([1, 3, 5]), st.integers(1, 3)), max_size=4)


def pixels_with_a_gradient(layers, side, position):
    """The first and the last pixel that one output depends on, with TensorFlow's padding "same"."""
    pixels = torch.ones(1, 1, side, dtype=torch.float64, requires_grad=True)
    x = pixels
    for kernel, stride in layers:
        size = x.shape[-1]
        padding = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        x = F.pad(x, (padding // 2, padding - padding // 2))
        x = F.conv1d(x, torch.ones(1, 1, kernel, dtype=torch.float64), stride=stride)
    (gradient,) = torch.autograd.grad(x[0, 0, position], pixels)
    seen = gradient[0, 0].nonzero().flatten().tolist()
    return (seen[0], seen[-1]), x.shape[-1]


@settings(max_examples=60, deadline=None)
@given(some_layers, st.integers(1, 60), st.data())
def test_a_span_is_where_the_gradient_is(layers, side, data):
    """Where no stride is longer than its kernel: else the rim itself may be skipped."""
    layers = [(kernel, min(kernel, stride)) for kernel, stride in layers]
    count = positions_a_side(layers, side)
    position = data.draw(st.integers(0, count - 1))
    seen, positions = pixels_with_a_gradient(layers, side, position)
    assert positions == count
    assert tuple(seen_span(layers, side, position)) == seen
    assert window_span(layers, side, position).size == cost.receptive_field(layers).size


def test_positions_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="positions count from 0 to 18, got 19"):
        seen_span(b0_layers(), 600, 19)


def test_b0_has_a_stem_and_sixteen_blocks_and_the_field_of_its_convolutions():
    """The layers are those of the network that is built."""
    depthwise = [
        (layer.kernel_size[0], layer.stride[0])
        for layer in fresh_b0(0, has_gates=False).modules()
        if isinstance(layer, torch.nn.Conv2d) and layer.kernel_size[0] > 1
    ]
    assert b0_layers() == depthwise
    assert [row[2] for row in field_after_each_stage()][-1] == 851


def test_a_stages_layers_are_told_as_they_are():
    """EfficientNet paper, table 1: layers, kernel and stride of each stage."""
    told = {row[0]: row[1] for row in field_after_each_stage()}
    assert told["stem"] == "one 3 × 3, stride 2"
    assert told["stage 1"] == "one 3 × 3, stride 1"
    assert told["stage 3"] == "two 5 × 5, stride 2, 1"
    assert told["stage 6"] == "four 5 × 5, stride 2, 1, 1, 1"


def test_levels_stand_at_the_last_block_of_their_stage():
    """B0 has 1, 2, 2, 3, 3, 4 and 1 blocks a stage: EfficientNet paper, table 1."""
    axis = field_growth_figure().axes[0]
    told = {text.get_text(): text.xy[0] for text in axis.texts if hasattr(text, "xy")}
    assert told == {"P3": 1 + 2 + 2, "P4": 1 + 2 + 2 + 3 + 3, "P5": 16}


def test_whole_images_are_seen_from_the_middle_only():
    """At 600 px 8 of 19 positions a side, at 224 px all."""
    seen = [pixels_with_a_gradient(b0_layers(), 600, position)[0] for position in range(19)]
    assert see_the_whole_side(b0_layers(), 600) == seen.count((0, 599)) == 8
    assert share_that_sees_all(600) == pytest.approx(64 / 361)
    assert share_that_sees_all(224) == 1


def test_a_view_tells_what_its_position_sees():
    numbers = coverage_view(600, 0, 0).numbers
    assert numbers["this position"] == "row 1, column 1 of 19 × 19"
    assert numbers["what it sees of the image"] == "449 × 449 px = 56%"
    assert numbers["positions that see the whole image"] == "8 × 8 of 19 × 19 = 18%"
    assert coverage_view(224, 1, 0.5).numbers["what it sees of the image"].endswith("100%")


@pytest.mark.parametrize("side", [200, 600, 640])
@pytest.mark.parametrize("corner", [0, 1])
def test_the_whole_window_is_in_the_picture(side, corner):
    """Where the slider's smallest and largest images have it in a corner."""
    axis = coverage_view(side, corner, corner).figure.axes[0]
    position = corner * (positions_a_side(b0_layers(), side) - 1)
    window = window_span(b0_layers(), side, position)
    assert axis.get_xlim()[0] < window.first < window.last < axis.get_xlim()[1]
    assert axis.get_ylim()[1] < window.first < window.last < axis.get_ylim()[0]


def test_gates_see_everything_and_convolutions_their_window():
    networks = {has_gates: fresh_b0(0, has_gates) for has_gates in (False, True)}
    images = {name: gradient_image(one, level=3, side=224) for name, one in networks.items()}
    assert side_of_window(images[False]) == (67, 67)
    assert side_of_window(images[True]) == (224, 224)


def test_the_square_holds_its_share():
    flat = torch.ones(100, 100)
    assert square_that_holds(0.25, flat) == 50  # a quarter of 100 × 100 pixels
    point = torch.zeros(101, 101)
    point[50, 50] = 1
    assert square_that_holds(0.9, point) == 1


def test_a_window_is_drawn_as_large_as_it_is():
    gradient = torch.zeros(224, 224)
    gradient[90:157, 90:157] = 1
    panels = dict.fromkeys(["one", "two"], gradient)
    shades = gradient_figure(panels, {}).axes[0].images[0].get_array()
    assert (shades > -4).any(1).sum() == (shades > -4).any(0).sum() == 67
