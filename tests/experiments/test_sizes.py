"""Networks in three numbers, and the arms of the scaling experiment.

Oracles: torch.utils.flop_counter; gradients that do or do not reach a pixel; the paper's formula.
"""

import math

import pytest
import torch
from oracles import macs, parameters

from effdet_lite.experiments.arms import arms
from effdet_lite.experiments.balance import EXAMPLE as BASE
from effdet_lite.experiments.balance import LARGEST_MISS, candidates
from effdet_lite.experiments.sizes import DIRECTIONS, Size, Stack, grown, largest_miss


def network_of(size, classes):
    with torch.device("meta"):
        network = Stack(size, classes).eval()
        return network, torch.empty(1, 1, size.resolution, size.resolution)


@pytest.mark.slow
def test_the_costs_are_what_torch_counts():
    for size in {arm.size for arm in arms(BASE)} | {Size(3, 1, 7)}:
        for classes in (3, 64):
            network, picture = network_of(size, classes)
            assert macs(network, picture) == size.cost(classes).macs
            assert parameters(network) == size.cost(classes).params


@pytest.mark.parametrize(
    "base", [size for size in candidates() if largest_miss(size) <= LARGEST_MISS]
)
def test_every_arm_costs_what_was_wished_for(base):
    """Within 5 %: of the base, or for a grown network of the narrowest grown one."""
    by_key = {arm.key: arm.size for arm in arms(base)}
    for (task, direction, factor), size in by_key.items():
        first = by_key[task, "grown", 1] if direction == "grown" else base
        ratio = size.cost().macs / first.cost().macs
        assert ratio == pytest.approx(factor, rel=0.05), (direction, factor)


def test_a_single_direction_changes_one_number_only():
    place = {"width": 0, "depth": 1, "resolution": 2}
    for direction, changed in place.items():
        for factor in (2, 4, 8):
            size = grown(BASE, direction, factor)
            numbers = list(vars(size).values())
            before = list(vars(BASE).values())
            assert numbers[changed] > before[changed]
            del numbers[changed], before[changed]
            assert numbers == before


def test_compound_takes_depth_and_resolution_from_the_papers_formula():
    for factor in (2, 4, 8):
        size = grown(BASE, "compound", factor)
        phi = math.log(factor) / math.log(1.2 * 1.1**2 * 1.15**2)
        assert abs(size.blocks - BASE.blocks * 1.2**phi) < 1
        assert abs(size.resolution - BASE.resolution * 1.15**phi) < 2
        assert abs(size.channels - BASE.channels * 1.1**phi) < 1


def test_an_unknown_direction_is_refused():
    with pytest.raises(ValueError, match="direction must be one of depth, width"):
        grown(BASE, "length", 2)
    assert DIRECTIONS == ("depth", "width", "resolution", "compound")


def test_the_window_is_what_gradients_reach():
    """The gradient of one position reaches the pixels of its window, and no others: there is no
    squeeze-and-excitation by which it could see the rest.
    """
    size = Size(4, 3, 64)
    torch.manual_seed(0)
    network = Stack(size, 2).eval()
    picture = torch.rand(1, 1, 64, 64, requires_grad=True)
    maps = network.blocks(network.stem((picture - 0.5) / 0.25))
    maps[0, :, 16, 16].sum().backward()
    columns = picture.grad[0, 0].abs().sum(0).nonzero()
    assert (columns.max() - columns.min() + 1).item() == size.window.size == 15
