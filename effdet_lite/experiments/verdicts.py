"""From numbers to one of five verdicts on a claim, by a rule that is written down: `verdict`.

A claim is cut into parts, and each part becomes a `Finding`: `counted` and `held` for what is
exact, `gained`, `solved` and `higher` for what was trained with several seeds or timed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from effdet_lite.experiments.comparing import (
    fisher_p,
    holm,
    sign_flip_p,
    spread,
    student_tail,
    welch,
)

CONFIRMED = "confirmed"
WITH_CARE = "confirmed, with care"
NOT_SEEN = "not seen at this scale"
NOT_SO = "not so"
PAPERS_WORD = "the paper's word"
VERDICTS = (CONFIRMED, WITH_CARE, NOT_SEEN, NOT_SO, PAPERS_WORD)
LEVEL = 0.05  # a p-value below this counts as evidence


@dataclass(frozen=True)
class Finding:
    """What the numbers say of one part of a claim.

    p_for: the chance of numbers that speak for the part as much as these, if it were not so.
    p_against: the same of numbers that speak against it. What is counted has no chance in it: 0 and
    1. exception: what keeps the part from holding everywhere, in words; "" if nothing does.
    """

    p_for: float
    p_against: float
    exception: str = ""

    def __post_init__(self):
        if not (0 <= self.p_for <= 1 and 0 <= self.p_against <= 1):
            raise ValueError(f"p-values lie between 0 and 1, got {self}.")

    @property
    def is_seen(self) -> bool:
        """Whether the numbers speak for the part, p_for below LEVEL."""
        return self.p_for < LEVEL


HOLDS, FAILS = Finding(0.0, 1.0), Finding(1.0, 0.0)


def verdict(*findings: Finding, care: str = "") -> str:
    """The verdict on a claim whose parts were found to be so.

    - No finding: "the paper's word". Nothing here can test it.
    - "not so": at least one part is contradicted. It is not seen (p_for at least .05), and the
      numbers speak against it with p < .05, raised by Holm's method over all parts, since any of
      them may end here by luck.
    - "not seen at this scale": no part is contradicted, and at least one is not seen. A claim is as
      strong as its weakest part, so to see all parts needs no such correction.
    - "confirmed, with care": each part is seen, but one of them has an exception, or the article's
      words need the condition that `care` names.
    - "confirmed": each part is seen, without exception and condition.

    Several comparisons of one question (seeds, tasks, sizes) are one part: pool their pairs in
    `gained`, or their runs in `solved`, before they come here. A claim whose parts fare differently
    is better told as several rows, each with its own verdict.
    """
    if not findings:
        return PAPERS_WORD
    raised = holm([finding.p_against for finding in findings])
    if any(p < LEVEL and not one.is_seen for p, one in zip(raised, findings, strict=True)):
        return NOT_SO
    if not all(finding.is_seen for finding in findings):
        return NOT_SEEN
    if care or any(finding.exception for finding in findings):
        return WITH_CARE
    return CONFIRMED


def counted(found: float, said: float, within: float = 0.0) -> Finding:
    """A number that is counted, not sampled, beside the one that the claim says.

    Equal: it holds. Off by at most the share `within`: it holds, and the distance is its exception.
    Further off: it is contradicted.
    """
    if not (math.isfinite(found) and math.isfinite(said) and said):
        raise ValueError(f"compare two finite numbers, the second not 0: got {found} and {said}.")
    off = found / said - 1
    if found == said:
        return HOLDS
    if abs(off) <= within:
        return Finding(0.0, 1.0, f"{found:g} in place of {said:g}")
    return FAILS


def held(cases: int, of: int, exception: str = "") -> Finding:
    """A rule that is checked case by case, without chance.

    In all cases: it holds. In more than half of them: it holds, with the rest as its exception. In
    half or fewer: it is contradicted. exception: words for the rest, by default "6 of 32 depart".
    """
    if not 0 <= cases <= of or not of:
        raise ValueError(f"{cases} of {of} is no count of cases.")
    if cases == of:
        return HOLDS
    rest = exception or f"{of - cases} of {of} depart"
    return Finding(0.0, 1.0, rest) if 2 * cases > of else FAILS


def gained(gains: Mapping[str, Sequence[float]] | Sequence[float], least: float = 0.0) -> Finding:
    """Paired gains in the direction that the claim says, pooled into one exact sign-flip test.

    gains: one a seed; or, by group (task, size), one a seed. least: the smallest mean gain that
    would matter, at least 0. It is seen where the mean gain is above 0, and contradicted where it
    is below `least`. Exceptions: a group whose own mean is not above 0, a mean gain below `least`.
    Four pairs cannot reach p < .05, whatever they say; five that all gain do.
    """
    if least < 0:
        raise ValueError(f"least is a gain that matters, at least 0; got {least}.")
    groups = gains if isinstance(gains, Mapping) else {"all": gains}
    means = {name: spread(some).mean for name, some in groups.items()}
    pooled = [gain for some in groups.values() for gain in some]
    behind = [name for name, mean in means.items() if not mean > 0]
    exceptions = [f"no gain: {', '.join(map(str, behind))}"] if behind else []
    mean = spread(pooled).mean
    if mean < least:
        exceptions.append(f"the mean gain, {mean:.3g}, is below {least:g}")
    short = [gain - least for gain in pooled]
    return Finding(sign_flip_p(pooled), sign_flip_p(short, "less"), "; ".join(exceptions))


def solved(runs: Sequence[bool], other_runs: Sequence[bool]) -> Finding:
    """More runs of the one arm solve a task than of the other: Fisher's exact test.

    For figures of which a run has nearly all or next to nothing, so that a mean says little. Pool
    what differs in nothing that the claim speaks of.
    """
    counts = sum(runs), len(runs), sum(other_runs), len(other_runs)
    return Finding(fisher_p(*counts), fisher_p(*counts, alternative="less"))


def higher(values: Sequence[float], others: Sequence[float], least: float = 0.0) -> Finding:
    """The first arm's mean is higher, without pairs: Welch's test. For times, and where seeds pair
    nothing.

    least: the smallest difference that would matter, at least 0; see `gained`.
    """
    if least < 0:
        raise ValueError(f"least is a difference that matters, at least 0; got {least}.")
    found = welch(values, others)
    p_against = student_tail((least - found.mean) / found.standard_error, found.degrees)
    small = f"the difference, {found.mean:.3g}, is below {least:g}" if found.mean < least else ""
    return Finding(found.p("greater"), p_against, small)
