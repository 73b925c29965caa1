"""Towers of convolutions with and without skips and batch norm.

Oracles: torch.utils.flop_counter; a tower without remedies is a chain of torch's own functions;
torch's gradient by hand; rows made by hand; a run that is stored.
"""

import itertools
import math

import pytest
import torch
from oracles import macs, parameters
from torch.nn import functional as F

from effdet_lite.experiments import towers, towers_again
from effdet_lite.experiments.run import stored_results
from effdet_lite.experiments.towers import Run

FEW = (6, 6)  # pictures to learn from and to validate on


def test_a_tower_is_what_its_kind_says():
    images = torch.rand(3, 3, 24, 24)
    for skip, norm in towers.KINDS.values():
        torch.manual_seed(0)
        tower = towers.Tower(3, skip, norm).eval()
        x = F.conv2d(images, tower.stem.weight, tower.stem.bias, stride=2, padding=1)
        for conv in tower.convs:
            # Statistics of a fresh norm: mean 0, variance 1.
            y = F.conv2d(x, conv.weight, padding=1) / math.sqrt(1 + 1e-5 * norm)
            x = F.silu(y) + (x if skip else 0)
        expected = F.linear(x.mean((2, 3)), tower.classifier.weight, tower.classifier.bias)
        torch.testing.assert_close(tower(images), expected)
        norms = [one for one in tower.modules() if isinstance(one, torch.nn.BatchNorm2d)]
        assert len(norms) == 3 * norm


def test_every_tower_is_planned_once_and_both_remedies_come_first():
    runs = towers.planned()
    assert len(runs) == len(set(runs)) == 5 * 6 + 3 * 4 + 5 * 6 + 5 * 18
    for kind, depth, seed in itertools.product(towers.KINDS, towers.DEPTHS, range(5)):
        assert Run(kind, depth, seed=seed) in runs
    assert {run.depth for run in runs if run.steps == 1600} == set(towers.DEPTHS)
    assert all(run.kind == "both" for run in runs[:72]), "a part of the runs compares too"


def test_the_comparison_is_made_again_with_seeds_that_chose_nothing():
    runs = towers_again.planned()
    assert len(runs) == len(set(runs)) == 5 * 2 * 4
    assert not {run.seed for run in runs} & {run.seed for run in towers.planned()}
    assert {(run.depth, run.steps) for run in runs} == set(
        itertools.product((2, 4, 16, 64), (400, 1600))
    )
    # Nothing else differs from a run of the first experiment.
    assert {(run.kind, run.learning_rate) for run in runs} == {("both", towers.RATE)}
    assert towers_again.plan().settings == towers.plan().settings


@pytest.mark.slow
def test_a_row_has_the_costs_and_the_gradient_that_torch_finds(one_thread):
    run = Run("both", 4, steps=3, seed=7)
    row = towers.trained(run, FEW)
    again = towers.trained(run, FEW)
    assert {**row, "seconds": 0} == {**again, "seconds": 0}
    other = towers.trained(Run("both", 4, steps=3, seed=8), FEW)
    assert other["losses"] != row["losses"] and len(row["losses"]) == len(row["gradients"]) == 3

    torch.manual_seed(run.seed)
    tower = towers.Tower(4, True, True)
    assert row["params"] == parameters(tower)
    images, labels = towers.crops("train", FEW[0])
    random = torch.Generator().manual_seed(run.seed)
    some = torch.randint(len(images), (towers.BATCH,), generator=random)
    loss = F.cross_entropy(tower(images[some]), labels[some])
    (gradient,) = torch.autograd.grad(loss, [tower.convs[0].weight])
    assert row["before"] == pytest.approx(gradient.norm().item(), rel=6e-3)
    assert row["losses"][0] == pytest.approx(loss.item(), abs=1e-4)
    assert row["macs"] == macs(tower.eval(), torch.zeros(1, 3, 24, 24))


@pytest.mark.slow
def test_a_training_that_breaks_off_says_where(one_thread):
    row = towers.trained(Run("skips only", 8, steps=20, learning_rate=1e30), FEW)
    assert 1 < row["broke_off_at"] <= 20 and 0 <= row["accuracy"] <= 1


# --- What the rows say ---


def rows_of(accuracies, **changes):
    """accuracies: {depth: [seed 0, seed 1, …]}."""
    return [
        vars(Run("both", depth, seed=seed, **changes)) | {"accuracy": accuracy}
        for depth, own in accuracies.items()
        for seed, accuracy in enumerate(own)
    ]


def test_a_doubling_is_a_difference_within_a_seed_and_within_one_kind():
    rows = rows_of({4: [0.5, 0.25], 2: [0.25, 0.25], 8: [0.75]})
    rows += rows_of({4: [1.0]}, steps=1600) + rows_of({4: [0.0]}, learning_rate=0.01)
    rows.append(vars(Run("neither", 2)) | {"accuracy": 0.125})
    found = towers.by_depth(rows)
    assert list(found) == [2, 4, 8]
    assert towers.doublings(found) == {(2, 4): [0.25, 0.0], (4, 8): [0.25]}
    assert towers.by_depth(rows, steps=1600) == {4: {0: 1.0}}
    assert towers.by_depth(rows, "neither") == {2: {0: 0.125}}
    assert towers.by_depth(rows, learning_rate=0.01) == {4: {0: 0.0}}


def both_lengths(shorter, longer):
    return rows_of(shorter) + rows_of(longer, steps=towers.LONGER)


def test_a_growth_is_the_mean_of_both_lengths_within_a_seed():
    shorter = {2: [0.25, 0.125], 4: [0.5, 0.25], 16: [0.75, 0.5], 64: [0.5, 0.5]}
    longer = {2: [0.5, 0.125], 4: [0.75], 16: [1.0, 1.0], 64: [1.0, 0.5]}
    rows = both_lengths(shorter, longer) + rows_of({2: [0.0], 64: [1.0]}, learning_rate=0.01)
    # Seed 0 by hand: 16 layers .875, 2 layers .375, 4 layers .625, 64 layers .75. Seed 1 has no
    # tower of 4 layers that was trained for longer.
    assert towers.growths(rows) == {0: (0.5, 0.25, -0.125)}
    assert towers.growths(rows_of(shorter)) == {}, "one length is not enough"


LOW, MIDDLE = [0.2, 0.25, 0.3, 0.2, 0.25], [0.4, 0.45, 0.4, 0.35, 0.4]
TOP, DOWN = [0.7, 0.65, 0.7, 0.75, 0.7], [0.5, 0.55, 0.6, 0.5, 0.6]


def test_the_claim_has_two_parts_and_five_seeds_see_each_once():
    ends = {2: LOW, 4: MIDDLE, 16: TOP, 64: DOWN}
    found = towers.findings(both_lengths(ends, ends))
    assert list(found) == ["depth works", "only up to a level"]
    # All five seeds have one sign: one of 2^5 choices of signs. Two lengths do not make it 2^10.
    assert [one.p_for for one in found.values()] == [1 / 32, 1 / 32]


def test_depth_that_goes_on_helping_as_much_reaches_no_level():
    steady = {
        2: [0.1] * 5,
        4: [0.2] * 5,
        16: [0.5, 0.45, 0.5, 0.55, 0.5],
        64: [0.8, 0.75, 0.7, 0.8, 0.85],  # 4 -> 16 less 16 -> 64: 0, -.05, .1, .1, -.05
    }
    found = towers.findings(both_lengths(steady, steady))
    assert found["depth works"].is_seen and not found["only up to a level"].is_seen
    with pytest.raises(ValueError, match="at least 1"):
        towers.findings(rows_of(steady))


# --- The stored rows ---


@pytest.mark.parametrize(
    ("name", "planned"),
    [("towers", towers.planned()), ("towers_again", towers_again.planned())],
    ids=["towers", "towers_again"],
)
def test_the_stored_rows_are_every_planned_run_with_torchs_costs(name, planned):
    document = stored_results(name)
    assert document["settings"] | towers.settings() == document["settings"]
    fields = Run.__dataclass_fields__
    stored = [Run(**{name: row[name] for name in fields}) for row in document["runs"]]
    assert len(stored) == len(planned) and set(stored) == set(planned)
    first = min(run.seed for run in planned)
    for row in document["runs"]:
        assert 0 < row["accuracy"] < 1 and row["seconds"] > 0
        if row["seed"] == first and row["depth"] <= 8:
            tower = towers.Tower(row["depth"], *towers.KINDS[row["kind"]]).eval()
            assert row["macs"] == macs(tower, torch.zeros(1, 3, 24, 24))


@pytest.mark.slow
def test_a_stored_tower_trains_to_its_stored_row(one_thread):
    """The cheapest one. On another processor, accuracies differ by some hundredths."""
    run = Run("both", 4, seed=0)
    (stored,) = (
        row
        for row in stored_results("towers")["runs"]
        if all(row[name] == value for name, value in vars(run).items())
    )
    row = towers.trained(run)
    assert row["accuracy"] == pytest.approx(stored["accuracy"], abs=0.06)
    assert row["losses"] == pytest.approx(stored["losses"], abs=0.1)
