"""The two bottlenecks and the spiral of notebook 02.

Oracles: torch.utils.flop_counter, numpy's pseudo-inverse, the binomial rule, loops.
"""

import numpy as np
import pytest
import torch
from oracles import macs
from torch import nn

from effdet_lite.teach.nb import n02_bottleneck as bottleneck

DEPTHWISE = nn.Sequential(
    nn.Conv2d(8, 32, 1, bias=False),
    nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False),
    nn.Conv2d(32, 8, 1, bias=False),
)


def test_a_blocks_bars_are_what_torch_counts():
    numbers = bottleneck.macs_view({"one": DEPTHWISE}, 28, None).numbers
    image, written = torch.zeros(1, 8, 28, 28), 0
    x = image
    for layer in DEPTHWISE[:-1]:  # what the last one puts out has left the block
        x = layer(x)
        written += x.numel()
    assert numbers["one"] == (
        f"{macs(DEPTHWISE, image) / 1e6:.1f} million MACs, 800 parameters, "
        f"{image.numel():,} numbers go from block to block, {written:,} are written inside"
    )


@pytest.mark.parametrize("dimensions", [2, 3, 7, 30])
def test_the_way_back_is_numpys_and_a_point_needs_two_numbers(dimensions):
    lift = bottleneck.random_lift(dimensions, 3)
    assert lift.shape == (dimensions, 2)
    back, kept = bottleneck.cut_and_back(bottleneck.spiral(), lift)
    for point, found, is_kept in zip(bottleneck.spiral(), back, kept, strict=True):
        cut = np.maximum(lift.numpy() @ point.numpy(), 0)
        expected = np.linalg.pinv(lift.numpy()) @ cut
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)
        assert is_kept == (np.count_nonzero(cut) >= 2)


def test_without_the_cut_the_spiral_comes_back():
    lift = bottleneck.random_lift(5, 1)
    points = bottleneck.spiral()
    torch.testing.assert_close(
        points @ lift.T @ torch.linalg.pinv(lift).T, points, atol=1e-5, rtol=0
    )


def test_more_dimensions_of_one_draw_destroy_no_more_points():
    for draw in range(1, 9):
        lost = [
            (~bottleneck.cut_and_back(bottleneck.spiral(), bottleneck.random_lift(n, draw))[1])
            .sum()
            .item()
            for n in range(2, 31)
        ]
        assert lost == sorted(lost, reverse=True) and lost[0] > 0 == lost[-1]


@pytest.mark.parametrize("dimensions", [2, 4, 6, 7, 9])
def test_the_share_that_is_lost_follows_the_binomial_rule(dimensions):
    """None or one of n numbers above 0, each with a chance of one half. Points of one draw are
    lost together, so 2,000 draws have a standard error of one in forty of the share's root.
    """
    expected = (dimensions + 1) / 2**dimensions
    error = (expected * (1 - expected) / 2000) ** 0.5
    assert bottleneck.share_lost(dimensions) == pytest.approx(expected, abs=4 * error)


def test_a_guess_stands_at_its_multiple_of_the_first_block():
    figure = bottleneck.macs_view({"one": DEPTHWISE, "two": DEPTHWISE}, 28, 2.0).figure
    (flag,) = [line for line in figure.axes[0].lines if line.get_label() == "_guess"]
    assert flag.get_xdata()[0] == pytest.approx(
        2 * macs(DEPTHWISE, torch.zeros(1, 8, 28, 28)) / 1e6
    )
    assert not bottleneck.macs_view({"one": DEPTHWISE}, 28, None).figure.axes[0].lines


def test_enough_dimensions_are_the_first_that_destroy_nothing():
    """By a loop over numpy's signs; more dimensions of a draw can only help."""
    for draw in (1, 2, 5):
        needed = 2
        points = bottleneck.spiral().numpy()
        while True:
            lift = bottleneck.random_lift(needed, draw).numpy()
            if ((points @ lift.T > 0).sum(1) >= 2).all():
                break
            needed += 1
        assert bottleneck.enough(draw) == needed
