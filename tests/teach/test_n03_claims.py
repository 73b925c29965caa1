"""The closing table of notebook 03. Oracles: rows made by hand, and torch's counts."""

import pytest

from effdet_lite.cost import Cost
from effdet_lite.experiments import window
from effdet_lite.experiments.arms import arms
from effdet_lite.experiments.balance import EXAMPLE
from effdet_lite.experiments.compound import GRID
from effdet_lite.experiments.directions import SEEDS
from effdet_lite.experiments.sizes import DIRECTIONS
from effdet_lite.teach.nb import n03_claims, n03_grid


def test_costs_near_the_rule_need_care_and_others_are_not_so():
    b0 = Cost(5_288_548, 385_814_752)
    doubled = {
        "depth × 2": Cost(10_222_984, 782_300_000),
        "width × 2": Cost(18_150_000, 1_450_000_000),
        "resolution × 2": Cost(5_288_548, 1_540_000_000),
    }
    ways, rule = n03_claims.claims_on_cost(b0, doubled)
    assert ways.verdict == "confirmed"
    assert ways.measured["all MACs › width × 2"] == "3.76"
    assert ways.measured["parameters › resolution × 2"] == "1.00"
    assert rule.verdict == "confirmed, with care"
    assert "3.76 in place of 4" in rule.why
    linear = doubled | {"width × 2": Cost(1, 2 * b0.macs)}
    assert n03_claims.claims_on_cost(b0, linear)[1].verdict == "not so"


@pytest.mark.parametrize(
    ("fixed", "deeper", "told"),
    [
        (0.5, 1.0, "confirmed, with care"),
        (1.0, 1.0, "not seen at this scale"),
        (0.5, 0.5, "not seen at this scale"),
    ],
)
def test_the_window_is_missed_and_comes_back_with_depth(fixed, deeper, told):
    rows = []
    for run in window.planned():
        alone = run.blocks == window.BLOCKS
        accuracy = 1.0 if run.resolution == 32 else fixed if alone else deeper
        rows.append(vars(run) | {"accuracy": accuracy})
    claim = n03_claims.claim_on_window(rows)
    assert claim.verdict == told
    assert claim.says.count(" px") == 4
    assert list(claim.measured) == [
        "96 px › accuracy, 1 block",
        "96 px › accuracy, more blocks",
        "128 px › accuracy, 1 block",
        "128 px › accuracy, more blocks",
    ]


def test_the_steps_are_near_the_product_for_four_of_seven():
    """By the official sizes: B2, B3 and B4 cost 30, 33 and 16 % less than 1.92^i."""
    claim = n03_claims.claim_on_steps()
    assert claim.verdict == "confirmed, with care"
    assert claim.why.endswith("B2, B3 and B4 are not near 1.92^i")
    assert "B1, B5, B6 and B7 are within 10% of 1.92^i, and B2, B3 and B4 are not" in claim.says
    assert claim.measured["the paper's product"] == f"{1.2 * 1.1**2 * 1.15**2:.4f}"


def test_three_seeds_of_a_grid_say_nothing_and_few_sizes_keep_the_formula():
    rows = [
        {"direction": n03_grid.CORNERS.get(name, name), "factor": 2, "seed": seed, "accuracy": 0.4}
        for name in [*GRID, "compound"]
        for seed in range(3)
    ]
    for row in rows:
        row["accuracy"] += 0.5 * (row["direction"] == "compound")
    found, kept = n03_claims.claims_on_the_grid(rows)
    assert found.verdict == "not seen at this scale"
    assert found.measured["with the paper's 1.2, 1.1, 1.15, scaled to the same cost"].startswith(
        "0.900"
    )
    assert kept.verdict == "not so"
    assert kept.measured["have all three sizes from one ϕ"] == "3 of 7"


def direction_rows(favorite, own=0.3, compound=0.25):
    """Rows of `directions`: the favorite of a task gains most, compound nearly as much."""
    gains = {"compound": compound, "grown": compound}
    found = []
    for seed, draw in SEEDS:
        for arm in arms(EXAMPLE):
            if draw == "validation" and arm.direction not in DIRECTIONS:
                continue
            gain = own if arm.direction == favorite[arm.task] else gains.get(arm.direction, 0.01)
            row = {"task": arm.task, "direction": arm.direction, "factor": arm.factor}
            accuracy = 0.5 + gain * (1 - 1 / arm.factor) + 0.002 * seed
            found.append(row | {"seed": seed, "draw": draw, "accuracy": accuracy})
    return found


def test_the_bets_are_judged_by_what_was_measured():
    favorite = {"span": "depth", "kinds": "width", "detail": "resolution"}
    rows = direction_rows(favorite)
    validation, test = (
        [row for row in rows if row["draw"] == draw] for draw in ("validation", "test")
    )
    two, five, eleven, twelve = n03_claims.claims_on_bets(validation, test)
    assert [claim.name for claim in (two, five, eleven, twelve)] == ["C2", "C5", "C11", "C12"]
    assert two.verdict == "confirmed, with care"
    assert two.measured["depth › span › 1 → 2 × the MACs"] == "+0.150 ± 0.000"
    assert twelve.verdict == "confirmed, with care"
    assert "no gain: span" in twelve.why
    assert eleven.measured["what a choice for this task gains › kinds › width"] == "+0.044 ± 0.000"
    assert eleven.verdict == "confirmed, with care"
    label = "8 × the MACs, accuracy › compound › mean of the three"
    assert twelve.measured[label] == "0.723 (0.719 – 0.727)"
