"""What the numbers of a few seeds can say: their spread, tests of two arms, and intervals.

An arm is one setting of an experiment, and a gain is what one arm has more than another with the
same seed and task. Plain formulas on plain numbers; `verdicts` makes a verdict of them.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MOST_EXACT = 20  # pairs up to which all signs are tried
DRAWS = 2**16  # of a random test or interval
ALTERNATIVES = ("greater", "less", "two-sided")


def _numbers(values: Sequence[float], least: int = 1) -> np.ndarray:
    """The values as an array; ValueError where they are too few, or no numbers."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < least or not np.isfinite(array).all():
        raise ValueError(f"pass a list of at least {least} finite numbers, not {values!r}.")
    return array


@dataclass(frozen=True)
class Spread:
    """Several seeds of one arm. standard_error: of the mean; nan for one seed."""

    count: int
    mean: float
    lowest: float
    highest: float
    standard_error: float

    def __str__(self):
        return f"{self.mean:.3f} ({self.lowest:.3f} – {self.highest:.3f})"


def spread(values: Sequence[float]) -> Spread:
    """Mean, lowest, highest and standard error of the mean; as text "0.584 (0.545 – 0.607)"."""
    array = _numbers(values)
    count = len(array)
    error = array.std(ddof=1) / math.sqrt(count) if count > 1 else math.nan
    return Spread(count, float(array.mean()), float(array.min()), float(array.max()), float(error))


def paired_gains(one: Mapping, other: Mapping) -> list[float]:
    """What `one` has more than `other`, key by key, in the order of `one`.

    The keys are what a pair shares: a seed, or (task, seed). Raises ValueError where the two have
    different keys, since a pair with one member tells nothing.
    """
    if set(one) != set(other):
        lonely = sorted(map(str, set(one) ^ set(other)))
        raise ValueError(f"pairs need both members; only one arm has {', '.join(lonely)}.")
    return [one[key] - other[key] for key in one]


def sign_flip_p(gains: Sequence[float], alternative: str = "greater") -> float:
    """The p-value of Fisher's paired test by randomization (The Design of Experiments, section 21).

    If the two arms of a pair were alike, each gain could as well have had the other sign. The
    p-value is the share of all choices of signs whose sum is at least as extreme as the one seen.
    It is exact up to 20 pairs; with more, random signs from a generator of its own are taken. Three
    pairs cannot give less than 1/8, four 1/16, five 1/32.

    alternative: "greater" (the mean gain is above 0), "less", or "two-sided". ValueError for
    another one.
    """
    _check(alternative)
    array = _numbers(gains)
    if alternative == "less":
        array = -array
    if len(array) <= MOST_EXACT:
        sums = np.zeros(1)
        for gain in array:
            sums = np.concatenate([sums + gain, sums - gain])
    else:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (DRAWS, len(array)))
        sums = np.append(signs @ array, array.sum())
    seen = array.sum()
    if alternative == "two-sided":
        sums, seen = abs(sums), abs(seen)
    rounding = 1e-9 * abs(array).sum()
    return float((sums >= seen - rounding).mean())


def fisher_p(
    solved: int, runs: int, other_solved: int, other_runs: int, alternative: str = "greater"
) -> float:
    """The p-value of Fisher's exact test: do more of the one arm's runs solve the task?

    alternative: "greater" (one arm solves a larger share than the other), "less", or "two-sided":
    all tables that are at most as likely as the one seen, as R has it. Raises ValueError for counts
    that cannot be.
    """
    _check(alternative)
    if not (0 <= solved <= runs and 0 <= other_solved <= other_runs and runs and other_runs):
        raise ValueError(
            f"{solved} of {runs} and {other_solved} of {other_runs} are no counts of solved runs."
        )
    all_runs, all_solved = runs + other_runs, solved + other_solved
    possible = range(max(0, all_solved - other_runs), min(runs, all_solved) + 1)
    ways = {k: math.comb(runs, k) * math.comb(other_runs, all_solved - k) for k in possible}
    if alternative == "greater":
        extreme = sum(ways[k] for k in possible if k >= solved)
    elif alternative == "less":
        extreme = sum(ways[k] for k in possible if k <= solved)
    else:
        extreme = sum(number for number in ways.values() if number <= ways[solved])
    return extreme / math.comb(all_runs, all_solved)


def student_tail(t: float, degrees: float) -> float:
    """The chance that Student's t with these degrees of freedom (at least 1) is above t.

    With t = sqrt(degrees) tan(angle) the density becomes a power of the cosine, which is integrated
    by Gauss and Legendre's rule.
    """
    if not degrees >= 1:
        raise ValueError(f"degrees of freedom must be at least 1, got {degrees}.")
    if t < 0:
        return 1 - student_tail(-t, degrees)
    nodes, weights = _gauss_legendre()
    low = math.atan(t / math.sqrt(degrees))
    half = (math.pi / 2 - low) / 2
    angles = low + half * (nodes + 1)
    area = half * (weights * np.cos(angles) ** (degrees - 1)).sum()
    log_whole = math.lgamma(degrees / 2) - math.lgamma((degrees + 1) / 2)
    return float(area / (math.sqrt(math.pi) * math.exp(log_whole)))


@functools.cache
def _gauss_legendre() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(200)


def student_quantile(chance: float, degrees: float) -> float:
    """The t above which Student's t lies with this chance, 0 < chance <= 0.5."""
    if not 0 < chance <= 0.5:
        raise ValueError(f"the chance must be above 0 and at most 0.5, got {chance}.")
    low, high = 0.0, 1.0
    while student_tail(high, degrees) > chance:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        if student_tail(middle, degrees) > chance:
            low = middle
        else:
            high = middle
    return high


def mean_interval(gains: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Student's interval of the mean of at least two gains: (lower end, upper end)."""
    array = _numbers(gains, 2)
    _check_level(level)
    reach = student_quantile((1 - level) / 2, len(array) - 1) * spread(array).standard_error
    return float(array.mean() - reach), float(array.mean() + reach)


@dataclass(frozen=True)
class Difference:
    """The difference of two unpaired arms' means. degrees: of freedom, after Welch."""

    mean: float
    standard_error: float
    degrees: float

    @property
    def t(self) -> float:
        """The difference in standard errors."""
        return self.mean / self.standard_error

    def p(self, alternative: str = "greater") -> float:
        """The p-value: the first mean is greater, less, or another ("two-sided")."""
        _check(alternative)
        if alternative == "two-sided":
            return 2 * student_tail(abs(self.t), self.degrees)
        return student_tail(self.t if alternative == "greater" else -self.t, self.degrees)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Of the difference: (lower end, upper end)."""
        _check_level(level)
        reach = student_quantile((1 - level) / 2, self.degrees) * self.standard_error
        return self.mean - reach, self.mean + reach


def welch(values: Sequence[float], others: Sequence[float]) -> Difference:
    """Welch's comparison of two arms without pairs and with spreads of their own.

    At least two numbers an arm. Raises ValueError where no number of either arm differs from its
    mean, for then there is no spread to compare with.
    """
    one, other = _numbers(values, 2), _numbers(others, 2)
    variances = [array.var(ddof=1) / len(array) for array in (one, other)]
    total = sum(variances)
    if total == 0:
        raise ValueError("neither arm has a spread: compare the two numbers as they are.")
    parts = zip(variances, (one, other), strict=True)
    degrees = total**2 / sum(variance**2 / (len(array) - 1) for variance, array in parts)
    degrees = max(1.0, float(degrees))  # rounding may bring it a hair below
    return Difference(float(one.mean() - other.mean()), math.sqrt(total), degrees)


def bootstrap_interval(
    values: Sequence[float], others: Sequence[float] | None = None, level: float = 0.95
) -> tuple[float, float]:
    """The bootstrap's interval of a mean, or of the difference of two means: (lower, upper end).

    Percentiles of 65,536 draws with replacement, from a generator of its own. For many numbers,
    such as one a test picture: with five seeds it comes out a third too narrow, and `mean_interval`
    or `welch` is the one to take.
    """
    _check_level(level)
    random = np.random.default_rng(0)
    means = _drawn_means(_numbers(values, 2), random)
    if others is not None:
        means = means - _drawn_means(_numbers(others, 2), random)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _drawn_means(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The means of DRAWS draws with replacement, some at a time for the memory's sake."""
    at_once = max(1, 2**20 // len(array))
    means = []
    for begin in range(0, DRAWS, at_once):
        draws = min(at_once, DRAWS - begin)
        means.append(random.choice(array, (draws, len(array))).mean(1))
    return np.concatenate(means)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values, raised by Holm's method: the chance that any of them is this low by luck.

    Each stays in its place. Several comparisons of one question are better pooled into one test;
    this is for questions that cannot be.
    """
    if any(not 0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values lie between 0 and 1, got {list(p_values)}.")
    raised = [0.0] * len(p_values)
    so_far = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        so_far = max(so_far, min(1.0, (len(p_values) - rank) * p_values[place]))
        raised[place] = so_far
    return raised


def _check(alternative: str) -> None:
    if alternative not in ALTERNATIVES:
        raise ValueError(f"alternative must be one of {ALTERNATIVES}, got {alternative!r}.")


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}.")
