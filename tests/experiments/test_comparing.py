"""The statistics that the experiments share.

Oracles: published examples (Fisher's tea and Darwin's maize, Student's sleep data as R prints
them, tables of t, scipy's and Wikipedia's examples), and samples small enough to enumerate.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from effdet_lite.experiments.comparing import (
    bootstrap_interval,
    fisher_p,
    holm,
    mean_interval,
    paired_gains,
    sign_flip_p,
    spread,
    student_quantile,
    student_tail,
    welch,
)

# Hours of sleep that ten patients gained with two drugs (Student 1908; R's data set `sleep`).
FIRST_DRUG = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND_DRUG = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
# Crossed minus self-fertilized maize, in eighths of an inch (Darwin; Fisher 1935, section 21).
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def test_spread_is_what_one_writes_down():
    found = spread([0.545, 0.607, 0.600])
    assert str(found) == "0.584 (0.545 – 0.607)"
    assert (found.count, found.lowest, found.highest) == (3, 0.545, 0.607)
    deviations = [value - found.mean for value in (0.545, 0.607, 0.600)]
    variance = sum(one**2 for one in deviations) / 2
    assert found.standard_error == pytest.approx(math.sqrt(variance / 3))
    assert math.isnan(spread([1.0]).standard_error)


def test_pairs_need_both_members():
    one, other = {("a", 0): 0.7, ("b", 0): 0.4}, {("b", 0): 0.5, ("a", 0): 0.2}
    assert paired_gains(one, other) == pytest.approx([0.5, -0.1])
    with pytest.raises(ValueError, match="only one arm has 2"):
        paired_gains({0: 1.0, 2: 1.0}, {0: 1.0})


def test_the_sign_flip_test_is_fishers_of_darwins_maize():
    """Of the 32,768 choices of signs 863 have a sum of at least 314."""
    assert sum(MAIZE) == 314
    assert sign_flip_p(MAIZE) == 863 / 32768
    assert sign_flip_p(MAIZE, "two-sided") == 2 * 863 / 32768
    assert sign_flip_p([-gain for gain in MAIZE], "less") == 863 / 32768


@pytest.mark.parametrize("pairs", range(1, 8))
def test_few_pairs_cannot_give_a_small_p(pairs):
    """All gain: one choice of signs of 2^n is as extreme."""
    assert sign_flip_p([0.1] * pairs) == 2.0**-pairs
    assert sign_flip_p([0.1] * pairs, "less") == 1
    assert sign_flip_p([0.0] * pairs) == 1


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=7))
def test_the_sign_flip_test_tries_all_signs(gains):
    signs = list(itertools.product((1, -1), repeat=len(gains)))
    sums = [sum(sign * gain for sign, gain in zip(some, gains, strict=True)) for some in signs]
    share = sum(one >= sum(gains) for one in sums) / len(sums)
    assert sign_flip_p(gains) == pytest.approx(share)


def test_many_pairs_take_random_signs_near_the_exact_p():
    """Of equal gains the sum is binomial: 16 or more of 24 plus, by math.comb."""
    gains = [1.0] * 16 + [-1.0] * 8
    exact = sum(math.comb(24, plus) for plus in range(16, 25)) / 2**24
    assert sign_flip_p(gains) == pytest.approx(exact, abs=0.004)
    assert sign_flip_p(gains) == sign_flip_p(gains)
    assert sign_flip_p([1.0] * 40) > 0


def test_fishers_exact_test_is_fishers():
    """The lady tasting tea, 3 of 4 right: 17/70; scipy's example of whales and sharks: .0350."""
    assert fisher_p(3, 4, 1, 4) == pytest.approx(17 / 70)
    assert fisher_p(3, 4, 1, 4, "two-sided") == pytest.approx(34 / 70)
    assert fisher_p(8, 10, 1, 6, "two-sided") == pytest.approx(0.0349650, abs=1e-7)
    # Either all of a tail, or the other tail with it: they share the table that was seen.
    assert fisher_p(3, 4, 1, 4) + fisher_p(3, 4, 1, 4, "less") == pytest.approx(1 + 16 / 70)
    assert fisher_p(0, 3, 0, 5) == fisher_p(3, 3, 5, 5) == 1


def test_students_t_is_that_of_the_tables():
    table = {1: 12.706, 2: 4.303, 4: 2.776, 9: 2.262, 30: 2.042, 120: 1.980}
    for degrees, t in table.items():
        assert student_quantile(0.025, degrees) == pytest.approx(t, abs=6e-4)
        assert student_tail(t, degrees) == pytest.approx(0.025, abs=2e-5)
        assert student_tail(-t, degrees) == pytest.approx(0.975, abs=2e-5)
    assert student_tail(0, 3.7) == pytest.approx(0.5)
    assert student_tail(1, 1) == pytest.approx(0.25)  # Cauchy's: 1/2 - atan(1)/pi


def test_welch_and_the_paired_interval_are_what_r_prints_of_the_sleep_data():
    found = welch(FIRST_DRUG, SECOND_DRUG)
    assert (found.t, found.degrees) == pytest.approx((-1.8608, 17.776), abs=5e-4)
    assert found.p("two-sided") == pytest.approx(0.07939, abs=5e-6)
    assert found.p("less") == pytest.approx(0.07939 / 2, abs=5e-6)
    assert found.interval() == pytest.approx((-3.3654832, 0.2054832), abs=5e-7)
    gains = np.subtract(FIRST_DRUG, SECOND_DRUG)
    assert mean_interval(gains) == pytest.approx((-2.4598858, -0.7001142), abs=5e-7)


def test_arms_without_any_spread_are_not_compared():
    with pytest.raises(ValueError, match="neither arm has a spread"):
        welch([1.0, 1.0], [2.0, 2.0])
    assert welch([1.0, 1.0], [2.0, 4.0]).degrees == 1


def test_the_bootstrap_is_the_enumerated_one():
    """Of three numbers there are 27 draws; of 1 and 3 against 0 and 4 there are 16."""
    means = [sum(draw) / 3 for draw in itertools.product([1, 2, 6], repeat=3)]
    for level in (0.5, 0.8):
        ends = [(1 - level) / 2, (1 + level) / 2]
        expected = np.quantile(means, ends, method="inverted_cdf")
        assert bootstrap_interval([1, 2, 6], level=level) == pytest.approx(tuple(expected))
    pairs = itertools.product([1, 2, 3], [-1, 0, 1])  # means, of chances 1, 2, 1 each
    weights = {1: 1, 2: 2, 3: 1, -1: 1, 0: 2}
    differences = [a - b for a, b in pairs for _ in range(weights[a] * weights[b])]
    expected = np.quantile(differences, [0.1, 0.9], method="inverted_cdf")
    assert bootstrap_interval([1, 3], [-1, 1], 0.8) == pytest.approx(tuple(expected))


def test_holms_method_on_its_textbook_example():
    """p = .01, .04, .03, .005: at .05 the first and the last are rejected (Wikipedia)."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([0.03]) == [0.03] and holm([]) == []


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, 1.0], [[1.0, 2.0]]])
def test_what_are_no_numbers_are_refused_in_one_sentence(values):
    for function in (spread, sign_flip_p, mean_interval, bootstrap_interval):
        with pytest.raises(ValueError, match=r"^pass a list of at least . finite numbers, not "):
            function(values)


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ValueError, match="alternative must be one of"):
        sign_flip_p([1.0], "bigger")
    with pytest.raises(ValueError, match="5 of 3 and 0 of 2 are no counts"):
        fisher_p(5, 3, 0, 2)
    with pytest.raises(ValueError, match="level must lie between"):
        mean_interval([1.0, 2.0], 95)
    with pytest.raises(ValueError, match="p-values lie between"):
        holm([1.5])
    with pytest.raises(ValueError, match="degrees of freedom"):
        student_tail(1.0, 0.5)
    with pytest.raises(ValueError, match="the chance must be"):
        student_quantile(0.7, 3)
