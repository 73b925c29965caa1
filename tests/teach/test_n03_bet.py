"""The bet of notebook 03. Oracle: torchvision's networks with torch.utils.flop_counter."""

import functools

import pytest
import torch
import torchvision
from oracles import macs

from effdet_lite.scaling import EFFICIENTNETS
from effdet_lite.teach.nb import n03_bet
from effdet_lite.teach.nb.n03_bet import BUDGET, MOST, NEAR, bet_view, four_ways, in_words, spent


@functools.cache
def counted(variant):
    """The MACs of torchvision's network at its own resolution."""
    side = EFFICIENTNETS[variant].resolution
    with torch.device("meta"):
        network = torchvision.models.get_model(f"efficientnet_{variant}").eval()
        return macs(network, torch.empty(1, 3, side, side))


@pytest.mark.parametrize("variant", ["b0", "b1", "b3", "b7"])
def test_what_is_spent_is_what_torch_counts(variant):
    config = EFFICIENTNETS[variant]
    times = spent(config.depth, config.width, config.resolution / 224)
    assert times == pytest.approx(counted(variant) / counted("b0"), rel=1e-9)


def test_each_of_the_four_ways_spends_the_budget():
    ways = four_ways()
    for sizes in ways.values():
        assert spent(*sizes) == pytest.approx(BUDGET, rel=NEAR)
    moved = {name: [size > 1 for size in sizes] for name, sizes in ways.items()}
    assert moved == {
        "more layers": [True, False, False],
        "more channels": [False, True, False],
        "sharper images": [False, False, True],
        "a little of each": [True, True, True],
    }


@pytest.mark.parametrize(
    ("times", "told"),
    [(1, "7.0 of 8 left to spend"), (7.7, "all spent"), (8.3, "all spent"), (9, "too much")],
)
def test_the_bar_says_how_much_is_left(times, told):
    assert in_words(times) == told


def test_beyond_the_bar_it_says_so_in_a_sentence():
    with pytest.raises(ValueError, match=r"needs \d+\.\d times B0's MACs, and you have 8 times"):
        bet_view(8, 3, 3)


@pytest.mark.parametrize(
    "sizes", [(1, 1, 1), (8, 1, 1), (1, 3, 1), (1, 1, 3), (8, 1.1, 1), (2, 1.5, 1.4)]
)
def test_every_drawing_stays_inside_its_axes(sizes):
    assert spent(*sizes) <= MOST
    figure, words, numbers, _ = bet_view(*sizes)
    figure.draw_without_rendering()
    assert f"{spent(*sizes):.2f}" in words and numbers["MACs"].startswith(f"{spent(*sizes):.2f}")
    drawing = figure.axes[0]
    (left, right), (low, high) = drawing.get_xlim(), drawing.get_ylim()
    for collection in drawing.collections:
        for path in collection.get_paths():
            x, y = path.vertices.T
            assert left <= x.min() and x.max() <= right and low <= y.min() and y.max() <= high


def test_a_network_that_is_too_large_for_the_drawing_shrinks_with_b0_beside_it():
    row = n03_bet.scaled_stages(1, 100)[n03_bet.STAGE - 1]
    _, axes = n03_bet.new_figure()
    n03_bet.draw_stages(axes[0, 0], row, 14)
    x = [path.vertices[:, 0].max() for path in axes[0, 0].collections[-1].get_paths()]
    assert max(x) <= 100


@pytest.mark.parametrize("resolution", [1, 1.1, 2.7895, 3])
def test_the_map_that_is_drawn_has_the_side_of_torchvisions(resolution):
    pixels = round(n03_bet.RESOLUTION * resolution)
    with torch.device("meta"):
        stages = torchvision.models.efficientnet_b0().eval().features[: n03_bet.STAGE + 1]
        found = stages(torch.zeros(1, 3, pixels, pixels))
    assert found.shape[-1] == n03_bet.side_of_stage(resolution)
