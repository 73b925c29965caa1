"""The rule that makes a verdict of numbers.

Oracles: hand-made cases, one for each line of the rule; p-values by hand.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effdet_lite.experiments.verdicts import (
    CONFIRMED,
    NOT_SEEN,
    NOT_SO,
    PAPERS_WORD,
    VERDICTS,
    WITH_CARE,
    Finding,
    counted,
    gained,
    held,
    higher,
    solved,
    verdict,
)

SEEN, OPEN, AGAINST = Finding(0.01, 0.99), Finding(0.3, 0.7), Finding(0.99, 0.01)


@pytest.mark.parametrize(
    ("findings", "care", "expected"),
    [
        ([], "", PAPERS_WORD),
        ([SEEN], "", CONFIRMED),
        ([SEEN, SEEN], "", CONFIRMED),
        ([SEEN], "only if both channels double", WITH_CARE),
        ([SEEN, Finding(0.01, 0.99, "one task is behind")], "", WITH_CARE),
        ([SEEN, OPEN], "", NOT_SEEN),
        ([OPEN], "whatever the care", NOT_SEEN),
        ([AGAINST], "", NOT_SO),
        ([SEEN, AGAINST], "", NOT_SO),
        ([OPEN, AGAINST], "", NOT_SO),
        # One part of three that speaks against with p = .03 may do so by luck: Holm makes it .09.
        ([Finding(0.9, 0.03)], "", NOT_SO),
        ([Finding(0.9, 0.03), SEEN, SEEN], "", NOT_SEEN),
        # Seen, though smaller than what matters.
        ([Finding(0.01, 0.01, "small")], "", WITH_CARE),
        ([Finding(0.05, 0.95)], "", NOT_SEEN),
    ],
)
def test_each_line_of_the_rule(findings, care, expected):
    assert verdict(*findings, care=care) == expected


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=5), st.text(max_size=3))
def test_a_verdict_is_one_of_five_and_no_part_makes_it_stronger(parts, care):
    strength = [NOT_SO, NOT_SEEN, WITH_CARE, CONFIRMED]
    findings = [Finding(*part) for part in parts]
    found = verdict(*findings, care=care)
    assert found in VERDICTS
    if findings and found != NOT_SO:
        more = verdict(*findings, OPEN, care=care)
        assert strength.index(more) <= strength.index(found)


def test_what_is_counted_is_exact_near_or_not_so():
    assert verdict(counted(6912, 6912)) == CONFIRMED
    # Width doubled costs 3.76 times as much, not 4.
    assert verdict(counted(3.76, 4, within=0.1)) == WITH_CARE
    assert counted(3.76, 4, within=0.1).exception == "3.76 in place of 4"
    assert verdict(counted(3.76, 4, within=0.05)) == NOT_SO
    assert verdict(counted(2.03, 2, 0.1), counted(3.76, 4, 0.1), counted(2, 4, 0.1)) == NOT_SO
    with pytest.raises(ValueError, match="compare two finite numbers"):
        counted(1, 0)


def test_a_rule_holds_in_all_most_or_few_cases():
    assert verdict(held(32, 32)) == CONFIRMED
    assert verdict(held(26, 32)) == WITH_CARE and held(26, 32).exception == "6 of 32 depart"
    assert held(26, 32, "the six stop").exception == "the six stop"
    assert not held(32, 32, "none").exception
    assert verdict(held(16, 32)) == verdict(held(0, 7)) == NOT_SO
    with pytest.raises(ValueError, match="5 of 4 is no count"):
        held(5, 4)


def test_gains_are_pooled_over_seeds_and_tasks():
    """Three seeds alone have p = 1/8; the same in each of two tasks 1/64."""
    seeds = [0.05, 0.04, 0.06]
    assert gained(seeds).p_for == 1 / 8 and verdict(gained(seeds)) == NOT_SEEN
    both = gained({"dots": seeds, "discs": seeds})
    assert both.p_for == 1 / 64 and verdict(both) == CONFIRMED
    assert verdict(gained([0.05, 0.04, 0.06, 0.01, 0.02])) == CONFIRMED
    assert verdict(gained([-0.05, -0.04, -0.06, -0.01, -0.02])) == NOT_SO
    assert verdict(gained([0.05, -0.04, 0.06, -0.01, 0.02])) == NOT_SEEN


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=8))
def test_exchanged_arms_exchange_what_speaks_for_and_against(gains):
    one, other = gained(gains), gained([-gain for gain in gains])
    assert (one.p_for, one.p_against) == (other.p_against, other.p_for)


def test_a_task_that_loses_is_an_exception_and_no_secret():
    found = gained({"dots": [0.5, 0.6, 0.55], "discs": [0.4, 0.5, 0.6], "shapes": [-0.01, 0, 0]})
    assert verdict(found) == WITH_CARE and found.exception == "no gain: shapes"


def test_a_gain_too_small_to_matter():
    """Seen but small: with care. Not even seen, and surely smaller than what matters: not so."""
    small = [0.002, 0.003, 0.001, 0.002, 0.003]
    assert verdict(gained(small, least=0.01)) == WITH_CARE
    assert "below 0.01" in gained(small, least=0.01).exception
    nothing = [0.001, -0.001, 0.002, -0.002, 0.0005]
    assert verdict(gained(nothing, least=0.01)) == NOT_SO
    assert verdict(gained(nothing)) == NOT_SEEN
    with pytest.raises(ValueError, match="least is a gain that matters"):
        gained(small, least=-1)


def test_solved_or_not_by_fishers_test():
    """Of the stored runs FPN solved 1 of 12, necks with a path up 33 of 42: p = 1.7e-5 (R)."""
    up, fpn = [True] * 33 + [False] * 9, [True] + [False] * 11
    assert solved(up, fpn).p_for == pytest.approx(1.70e-5, rel=0.01)
    assert verdict(solved(up, fpn)) == CONFIRMED and verdict(solved(fpn, up)) == NOT_SO
    assert verdict(solved([True, True, False], [False, True, False])) == NOT_SEEN


def test_times_without_pairs_by_welch():
    """A claim that softmax is slower, by at least a second of thirty."""
    fast, softmax = [29.8, 31.2, 32.9], [29.5, 30.0, 29.9]
    assert verdict(higher(softmax, fast)) == NOT_SEEN
    assert verdict(higher([39.5, 40.0, 39.9], fast)) == CONFIRMED
    assert verdict(higher(fast, [39.5, 40.0, 39.9])) == NOT_SO
    equal = [30.0, 30.01, 29.99]
    assert verdict(higher(equal, [30.0, 30.02, 29.98], least=1.0)) == NOT_SO
    with pytest.raises(ValueError, match="at least 0; got -1"):
        higher(fast, softmax, least=-1)


def test_no_finding_without_chances():
    with pytest.raises(ValueError, match="p-values lie between 0 and 1"):
        Finding(1.5, 0)
