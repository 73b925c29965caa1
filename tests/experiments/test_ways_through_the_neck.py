"""Two tasks that only the neck can solve: who can know what, in networks that nobody trained.

Oracles: pictures that differ in a pattern alone, and so must get equal answers where nothing can
carry the pattern; pooling by means; the planned runs.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from effdet_lite.data import marks
from effdet_lite.experiments.plain import LEVELS, PooledBackbone
from effdet_lite.experiments.run import stored_results

# Sums of equal numbers in another order differ in their last bits; what a pattern changes is more.
LAST_BITS, SEEN = 1e-4, 0.01


@pytest.fixture(scope="module")
def way_up(experiment_script):
    return experiment_script("way_up")


@pytest.fixture(scope="module")
def round_trip(experiment_script):
    return experiment_script("round_trip")


def pictures(asks, seed=0):
    """Three pictures [3, 3, 128, 128] that differ in the mark's pattern alone, and their boxes."""
    drawn = [
        marks.draw_marks(np.random.Generator(np.random.PCG64(seed)), 128, asks, label)
        for label in range(3)
    ]
    images = torch.stack([torch.from_numpy(pixels) for pixels, _ in drawn]).float() / 255
    return images, drawn[0][1]


def wide_awake(model):
    """With norms that fit its maps, and without the bias that would drown the answers: what a fresh
    model knows anywhere shows then.
    """
    torch.nn.init.zeros_(model.class_head.predict.pointwise.bias)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)))
    return model.eval()


def differences(model, images):
    """For each level, how far the three pictures' outputs of the neck differ, [H, W]."""
    with torch.no_grad():
        maps = model.pyramid(images)
    return [abs(level - level[:1]).amax((0, 1)) for level in maps]


def test_each_level_of_the_backbone_sees_its_own_pooled_picture_alone():
    backbone = PooledBackbone().eval()
    images = torch.rand(1, 3, 128, 128)
    maps = backbone.features(images)
    assert [tuple(level.shape[1:]) for level in maps] == [
        (channels, 64 >> index, 64 >> index)
        for index, channels in enumerate(backbone.level_channels)
    ]
    # What is finer than the pooled picture changes nothing.
    coarse = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2)
    again = backbone.features(coarse)
    assert abs(again[1] - maps[1]).max() > SEEN
    for level, same in zip(maps[2:], again[2:], strict=True):
        assert abs(level - same).max() < LAST_BITS


def test_only_a_way_up_brings_the_pattern_to_the_coarse_levels(way_up):
    images, _ = pictures("disc")
    for graph in way_up.GRAPHS:
        finest, *coarser = differences(wide_awake(way_up.begun(way_up.Run(graph))), images)
        assert finest.max() > SEEN
        knows = [level.max() > LAST_BITS for level in coarser]
        assert all(knows) if graph in way_up.WITH_A_WAY_UP else not any(knows), graph


@pytest.mark.parametrize("seed", range(3))
def test_one_cell_cannot_tell_a_far_mark_and_two_can(round_trip, seed):
    """Around the plain mark, P2's output of one cell is the same whatever the pattern is."""
    images, boxes = pictures("far", seed)
    left, top, right, bottom = boxes[0].astype(int) // 4
    # Two more 3x3 convolutions of the heads look two positions further.
    around = (
        slice(max(0, top - 2), bottom + 3),
        slice(max(0, left - 2), right + 3),
    )
    for cells in (1, 2, 3):
        model = wide_awake(round_trip.begun(round_trip.Run(cells)))
        finest = differences(model, images)[0]
        assert finest.max() > SEEN  # at the patterned mark itself
        assert (finest[around].max() > LAST_BITS) == (cells > 1)


def test_every_run_is_planned_once(way_up, round_trip):
    runs = way_up.planned()
    assert len(runs) == len(set(runs)) == 20
    assert {(run.graph, run.seed) for run in runs} == {
        (graph, seed) for graph in way_up.GRAPHS for seed in range(5)
    }
    runs = round_trip.planned()
    assert len(runs) == len(set(runs)) == 20
    for seed in range(5):
        some = {(run.cells, run.steps) for run in runs if run.seed == seed}
        assert {(1, 1000), (2, 1000), (3, 1000)} < some


def test_the_heads_see_what_the_neck_gives(way_up):
    """What no level knows no answer tells: FPN's answers beyond P2 are the same."""
    images, _ = pictures("disc")
    model = wide_awake(way_up.begun(way_up.Run("FPN")))
    with torch.no_grad():
        logits, _ = model(images)
    on_finest = 9 * (128 // 2 ** LEVELS[0]) ** 2
    told = abs(logits - logits[:1]).amax((0, 2))
    assert told[:on_finest].max() > SEEN and told[on_finest:].max() < LAST_BITS


def test_runs_are_counted_by_what_their_neck_can(way_up, round_trip):
    rows = [
        {"graph": "FPN", "asked": 0.36},
        {"graph": "PANet", "asked": 0.99},
        {"graph": "no fusion", "asked": 0.61},
        {"graph": "BiFPN", "asked": 0.5},
        {"graph": "FPN", "asked": 0.34},
    ]
    assert way_up.by_way_up(rows) == ([True, False], [False, True, False])
    assert way_up.by_way_up(rows, above=0.35) == ([True, True], [True, True, False])
    assert way_up.asked_by_neck(rows)["FPN"] == [0.36, 0.34]

    rows = [
        {"cells": 1, "steps": 1000, "asked": 0.35},
        {"cells": 3, "steps": 1000, "asked": 0.4},
        {"cells": 2, "steps": 1000, "asked": 1.0},
        {"cells": 3, "steps": 2000, "asked": 0.9},
    ]
    assert round_trip.one_and_more_cells(rows) == ([False, True], [False])
    assert round_trip.asked_by_cells(rows)[3, 2000] == [0.9]


def test_the_stored_runs_on_colored_dots_count_as_another_hand_counted_them(way_up):
    """Of the bottom-up task in the results of notebook 05: 33 of 42 runs with a way up solve it, 1
    of 12 with FPN, 1 of 6 without fusion.
    """
    rows = [row for row in stored_results("necks")["runs"] if row["task"] == "bottom-up"]
    rows += [row for row in stored_results("pruning")["runs"] if row["task"] == "bottom-up"]
    known = {"BiFPN, not pruned": "BiFPN", "PANet, pruned": "PANet"}
    rows = [row | {"graph": known.get(row["graph"], row["graph"])} for row in rows]
    up, others = way_up.by_way_up(rows)
    assert (sum(up), len(up), sum(others), len(others)) == (33, 42, 2, 18)
