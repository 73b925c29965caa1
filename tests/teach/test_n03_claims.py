"""The closing table of notebook 03. Oracles: rows made by hand, and torch's counts."""

import pytest

from effdet_lite.cost import Cost
from effdet_lite.experiments import window
from effdet_lite.experiments.compound import GRID
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
    assert list(claim.measured) == [
        "96 px › accuracy, 1 block",
        "96 px › accuracy, blocks along",
        "128 px › accuracy, 1 block",
        "128 px › accuracy, blocks along",
    ]


def test_the_steps_are_near_the_product_for_four_of_seven():
    """By the official sizes: B2, B3 and B4 cost 30, 33 and 16 % less than 1.92^i."""
    claim = n03_claims.claim_on_steps()
    assert claim.verdict == "confirmed, with care"
    assert claim.why.endswith("3 of 7 depart")
    assert claim.measured["the paper's product"] == f"{1.2 * 1.1**2 * 1.15**2:.4f}"


def test_three_seeds_of_a_grid_say_nothing_and_no_size_keeps_the_formula():
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
    assert kept.measured["have all three sizes of the formula"] == "0 of 7"
