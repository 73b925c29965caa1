"""What is compared with what, for each claim on necks.

Oracles: rows made by hand, in which one arm is better by construction; exchanged arms; p-values by
hand.
"""

import math

import pytest

from effdet_lite.experiments.verdicts import CONFIRMED, NOT_SEEN, NOT_SO, WITH_CARE, verdict

SEEDS = range(5)


@pytest.fixture(scope="module")
def findings(experiment_script):
    return experiment_script("neck_findings")


def exchanged(rows, field, one, other):
    """The same figures, with two arms in each other's place."""
    places = {one: other, other: one}
    return [row | {field: places.get(row[field], row[field])} for row in rows]


def test_a_way_up_is_counted_by_fishers_test(findings):
    asked = {"no fusion": 0.36, "FPN": 0.35, "PANet": 1.0, "BiFPN": 0.99}
    rows = [
        {"graph": graph, "seed": seed, "asked": value}
        for graph, value in asked.items()
        for seed in SEEDS
    ]
    found = findings.way_up(rows)
    assert found.p_for == pytest.approx(1 / math.comb(20, 10)) and verdict(found) == CONFIRMED
    wrong = exchanged(exchanged(rows, "graph", "FPN", "PANet"), "graph", "no fusion", "BiFPN")
    assert verdict(findings.way_up(wrong)) == NOT_SO


def test_repeats_are_two_and_three_cells_against_one(findings):
    asked = {(1, 1000): 0.36, (2, 1000): 1.0, (3, 1000): 0.9, (3, 2000): 0.4}
    rows = [
        {"cells": cells, "steps": steps, "seed": seed, "asked": value}
        for (cells, steps), value in asked.items()
        for seed in SEEDS
    ]
    # 10 of 10 against 0 of 5; the longer runs are left out.
    assert findings.repeats(rows).p_for == pytest.approx(1 / math.comb(15, 10))
    assert verdict(findings.repeats(rows)) == CONFIRMED
    assert verdict(findings.repeats(exchanged(rows, "cells", 1, 2))) != CONFIRMED


def fpn_rows():
    # (boxes, classes) of the dots by arm.
    arms = {
        ("both", "3x3"): (0.98, 0.9),
        ("no path down", "3x3"): (0.99, 0.35),
        ("no laterals", "3x3"): (0.02, 0.01),
        ("neither", "3x3"): (0.01, 0.01),
        ("both", "1x1"): (0.97, 0.92),
        ("both", "none"): (0.96, 0.8),
    }
    return [
        {
            "parts": parts,
            "convolution": kind,
            "seed": seed,
            "asked_boxes": boxes + 0.001 * seed,
            "asked": classes + 0.001 * seed**2,
        }
        for (parts, kind), (boxes, classes) in arms.items()
        for seed in SEEDS
    ]


def test_laterals_bring_the_place_and_the_path_down_the_class(findings):
    rows = fpn_rows()
    assert verdict(findings.laterals(rows), findings.path_down(rows)) == CONFIRMED
    assert findings.laterals(rows).p_for == findings.path_down(rows).p_for == 1 / 32
    wrong = exchanged(rows, "parts", "no path down", "no laterals")
    # Without the path down the boxes are found as well as with it.
    assert verdict(findings.laterals(wrong)) == NOT_SO
    assert verdict(findings.path_down(exchanged(rows, "parts", "both", "no path down"))) == NOT_SO


def test_the_three_by_three_is_compared_with_both_others(findings):
    found = findings.three_by_three(fpn_rows())
    assert verdict(found["none"]) == CONFIRMED and verdict(found["1x1"]) == NOT_SO


def test_all_levels_are_compared_with_each_alone(findings):
    # AP of small, medium and large objects by level; 0: all five.
    aps = {0: (0.3, 0.4, 0.5), 2: (0.3, 0.2, 0.1), 4: (0.31, 0.41, 0.51), 6: (0.0, 0.1, 0.5)}
    rows = [
        {
            "neck": "no fusion",
            "level": level,
            "seed": seed,
            "ap_small": small + 0.01 * seed,
            "ap_medium": medium,
            "ap_large": large,
        }
        for level, (small, medium, large) in aps.items()
        for seed in SEEDS
    ]
    rows.append(rows[0] | {"neck": "FPN", "level": 2})
    found = findings.several_levels(rows)
    assert verdict(found["P2"]) == verdict(found["P6"]) == WITH_CARE  # equal at one size
    assert found["P2"].exception == "no gain: small" and found["P6"].exception == "no gain: large"
    assert verdict(found["P4"]) == NOT_SO


def pair_rows(graphs):
    """asked and final loss by graph, the same for both tasks, a little other in each seed."""
    return [
        {"graph": graph, "task": task, "seed": seed, "asked": asked + 0.01 * seed, "losses": [loss]}
        for graph, (asked, loss) in graphs.items()
        for task in ("top-down", "bottom-up")
        for seed in SEEDS
    ]


def test_each_switch_is_compared_within_its_pairs(findings):
    rows = pair_rows(
        {
            "PANet": (0.5, 0.5),
            "PANet, pruned": (0.6, 0.4),
            "BiFPN, not pruned": (0.4, 0.5),
            "BiFPN": (0.5, 0.6),
        }
    )
    prune, skip = findings.switch(rows, "prune"), findings.switch(rows, "skip")
    assert verdict(prune["asked"]) == CONFIRMED
    assert verdict(prune["final loss"]) == NOT_SEEN  # lower in one pair, higher in the other
    assert verdict(skip["asked"]) == verdict(skip["final loss"]) == NOT_SO


def factor_rows(weights_of_seed):
    usual = {"graph": "BiFPN", "weighting": "fast", "repeats": 1, "channels": 32}
    return [
        usual | {"task": task, "seed": seed, "weights": weights_of_seed(seed)}
        for task in ("top-down", "bottom-up", "shapes")
        for seed in range(3)
    ]


@pytest.mark.slow
def test_factors_that_agree_over_seeds_are_seen(findings):
    def agreed(seed):
        factors = [0.1 + 0.09 * place for place in range(10)]
        return [
            edge
            for place, factor in enumerate(factors)
            for edge in (["a", f"n{place}", factor], ["b", f"n{place}", 1 - factor])
        ]

    def arbitrary(seed):
        return [
            [source, node, value if (place + seed) % 3 else 1 - value]
            for place, (source, node, value) in enumerate(agreed(seed))
        ]

    found = findings.unequal_factors(factor_rows(agreed))
    assert set(found) == {"top-down", "bottom-up", "shapes"}
    assert verdict(*found.values()) == CONFIRMED
    assert verdict(*findings.unequal_factors(factor_rows(arbitrary)).values()) == NOT_SEEN


def unstable_rows(failing):
    return [
        {
            "weighting": weighting,
            "times": times,
            "norms": norms,
            "seed": seed,
            "losses": [2.0, 3.0 if failing(weighting, times, norms) else 1.0],
            "broke_off_at": None,
        }
        for weighting in ("unbounded", "fast", "softmax")
        for times in (1, 10, 100)
        for norms in (True, False)
        for seed in range(3)
    ]


def test_unbounded_weights_fail_where_bounded_ones_do_not(findings):
    def raised(weighting, times, norms):
        return weighting == "unbounded" and times == 100

    found = findings.unbounded_fails(unstable_rows(raised))
    # 6 of 18 runs against 0 of 36.
    assert found.p_for == pytest.approx(math.comb(18, 6) / math.comb(54, 6))
    assert found.exception == "not at the usual rate with norms" and verdict(found) == WITH_CARE
    always = findings.unbounded_fails(unstable_rows(lambda weighting, *_: weighting == "unbounded"))
    assert verdict(always) == CONFIRMED
    never = findings.unbounded_fails(unstable_rows(lambda *_: False))
    assert verdict(never) == NOT_SEEN
    fast = findings.unbounded_fails(unstable_rows(lambda weighting, *_: weighting == "fast"))
    assert verdict(fast) == NOT_SO


@pytest.mark.parametrize(
    ("ratio", "expected"), [(1.2, CONFIRMED), (1.005, WITH_CARE), (0.97, NOT_SO)]
)
def test_softmax_is_slower_by_ratios_of_the_same_turn(findings, ratio, expected):
    rows = [
        {
            work: {"fast": float(turn), "softmax": turn * (ratio + 0.0001 * turn), "sum": 1.0}
            for work in ("training", "inference")
        }
        for turn in range(1, 13)
    ]
    assert verdict(*findings.softmax_slows(rows).values()) == expected
