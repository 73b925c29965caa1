"""Numbers as people write them, and whether one that was written can be a rounding of another."""

import math
import re
from typing import NamedTuple

SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
SCALES |= {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
SCALES |= {"kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
NUMBER = re.compile(
    rf"""(?<![\w.,])                              # not inside a word or another number
    (?P<digits>{DIGITS})
    (?:e(?P<exponent>[+-]?\d+)\b)?
    (?:[ \u00a0\u202f-]?(?P<scale>{"|".join(sorted(SCALES, key=len, reverse=True))})(?:illion)?\b)?
    (?P<percent>[ \u00a0\u202f]?(?:%|percent\b))?
    (?P<times>[ \u00a0\u202f]?×(?![ \u00a0]?\d)|[ \u00a0]times\b)?
    """,
    re.VERBOSE,
)
# "11 to 14 %", "0.2–0.4 million": what stands behind the second number holds for the first one as well.
RANGE = re.compile(r"\s*(?:–|-|to|and|or|,)\s*")


class Written(NamedTuple):
    """A number in a text.

    value: in the unit that is written, so 386 for "386 million". step: one of its last digit, in the same unit.
    scale: what it is multiplied with, 1,000,000 here. at: where it stands in the text, from and to.
    """

    text: str
    value: float
    step: float
    scale: float
    is_percent: bool
    is_factor: bool
    at: tuple[int, int]

    @property
    def has_point(self) -> bool:
        """Whether it is written with decimals."""
        return self.step < 1

    @property
    def digits(self) -> int:
        """How many digits say something: 3 in .787 and in 0.00320, 5 in 24,000."""
        return max(1, math.floor(math.log10(self.value / self.step) + 1e-9) + 1) if self.value else 1


def numbers(text: str) -> list[Written]:
    """The numbers of a text, in order. A range's first number has the unit of its second one."""
    found = [_written(match) for match in NUMBER.finditer(text)]
    for place in range(len(found) - 2, -1, -1):
        first, second = found[place], found[place + 1]
        is_bare = first.scale == 1 and not first.is_percent and not first.is_factor
        if is_bare and RANGE.fullmatch(text[first.at[1] : second.at[0]]):
            found[place] = first._replace(scale=second.scale, is_percent=second.is_percent, is_factor=second.is_factor)
    return found


def _written(match: re.Match) -> Written:
    digits = match["digits"].replace(",", "")
    power = 10.0 ** int(match["exponent"] or 0)
    decimals = len(digits.partition(".")[2])
    scale = SCALES.get(match["scale"], 1)
    step = 10.0**-decimals * power
    percent, factor = bool(match["percent"]), bool(match["times"])
    return Written(match[0].strip(), float(digits) * power, step, scale, percent, factor, match.span())


def can_be(written: Written, source: Written, hedge: str = "") -> bool:
    """Whether `written` is `source`, rounded as it is written.

    A percentage may stand for a fraction, and the reverse; "386 million" may stand for 385.8 in a column of
    millions. hedge: what stands before the number. Behind "about", zeros at its end may be rounded; behind "limit"
    ("less than", "nearly") it may also be off by one of its last digit.
    """
    step = written.step
    if hedge and not written.has_point and written.value:
        while written.value % (10 * step) == 0:
            step *= 10
    candidates = [source.value * source.scale / written.scale]
    if written.scale != 1 and source.scale == 1:
        candidates += [source.value * shift for shift in (1, 1e-3, 1e3)]
    if written.is_percent and not source.is_percent:
        # A column may have its % in its head. But "3 %" is no 3 that was counted.
        is_count = written.digits == 1 and not source.has_point
        candidates = [100 * source.value, *([] if is_count else candidates)]
    if source.is_percent and not written.is_percent:
        candidates = [source.value / 100, *(candidates if written.digits > 1 else [])]
    # Half a step, and a little: the source may be rounded, and 0.125 is both 0.12 and 0.13.
    reach = (1.0 if hedge == "limit" else 0.5) * step * (1 + 1e-6)
    return any(abs(candidate - written.value) <= reach for candidate in candidates)
