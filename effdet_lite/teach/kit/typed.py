"""Numbers as people type them: 49,152, 1.7e6, 2 %, ½, 3×3×32, 390 M. And numbers as we write them.

What can be read in one way only is read. Anything else is answered with a sentence.
"""

import math
import re
import unicodedata

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
SCALES = {
    "k": 1e3,
    "K": 1e3,
    "thousand": 1e3,
    "M": 1e6,
    "mio": 1e6,
    "million": 1e6,
    "millions": 1e6,
    "G": 1e9,
    "B": 1e9,
    "bn": 1e9,
    "billion": 1e9,
    "billions": 1e9,
    "T": 1e12,
    "trillion": 1e12,
}
TIMES = ("×", "x", "times", "fold", "-fold")  # how people write the unit ×
PERCENT = ("%", "percent", "per cent", "pct")
ABOUT = re.compile(
    r"^(?:~|≈|≃|about|around|approximately|approx\.?|roughly|circa|ca\.?|=)\s*", re.I
)
RANGE = re.compile(r"\d\s*(?:-|to|or|…|\.\.+|±|\+-)\s*\d|[<>≤≥]", re.I)
ONE_FORM = {"’": "'", "‘": "'", "⁄": "/", "·": "*", "⋅": "*", "％": "%"}
LONGEST = 60  # characters; no number that is typed by hand is longer

GROUPED = re.compile(r"\d{1,3}([,_' ])\d{3}(?:\1\d{3})*(?:\.\d+)?")  # 49,152 or 49 152.5
GROUPED_BY_POINTS = re.compile(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}")  # 1.234.567
DECIMAL_COMMA = re.compile(r"\d+(?: \d{3})*,\d+")  # 2,5
PLAIN = re.compile(r"(?:\d+\.?\d*|\.\d+)")
EXPONENT = re.compile(r"(.+?)\s*[eE]([+-]?\d{1,3})")
POWER = re.compile(r"(.+?)\s*(?:\^|\*\*)\s*\(?([+-]?\d{1,3})\)?")
FRACTION = re.compile(r"(?:(\d+) +)?(\d+\.?\d*) ?/ ?(\d+\.?\d*)")


def read_number(text: str, unit: str = "") -> float:
    """The number that somebody typed as an answer in `unit`, which may be typed along, or left out.

    A share, 2 %, is 2 where the unit is %, and 0.02 where there is no unit. Raises ValueError with
    a sentence for the learner.
    """
    words = _tidy(text)
    if not words:
        raise ValueError("Type a number first.")
    words = ABOUT.sub("", words).rstrip("?").strip()
    if RANGE.search(words) and not EXPONENT.fullmatch(words):
        raise ValueError("Pick one number, not a range.")
    words, is_share = _without(words, PERCENT)
    if is_share and not (unit.startswith("%") or unit in ("", *TIMES)):
        raise ValueError(f"The question asks for {unit}, not for a share.")
    if unit.startswith("%") and "/" in words and not is_share:
        raise ValueError("Type it in percent: 50 for a half.")
    value = _value(_without(words, _names_of(unit))[0])
    if value is None or not math.isfinite(value):
        example = f" (in {unit})" if unit else ""
        raise ValueError(f"Type a number{example}, like 3, 0.5, 49,152, 1.7e6 or 1/2.")
    return value / 100 if is_share and not unit.startswith("%") else value


def number_text(value: float, digits: int = 6) -> str:
    """A number for people: 49,152, 2.03, 1.7e-05; at most so many significant digits behind the
    point.
    """
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if 1e6 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    if 1e-4 <= abs(value) < 1e6:
        whole = len(str(int(abs(value))))
        return f"{value:,.{max(digits, whole)}g}"
    return f"{value:.3g}"


def with_unit(value: float, unit: str, digits: int = 6) -> str:
    """The number and its unit, as in 2.03 ×."""
    return f"{number_text(value, digits)} {unit}".strip()


def in_percent(share: float, digits: int = 0) -> str:
    """A share of 0-1 for people, as in 24 %; so many digits behind the point."""
    return f"{100 * share:,.{digits}f} %"


def _tidy(text: str) -> str:
    """One kind of minus, of space, of digit, of fraction and of power."""
    if len(text) > LONGEST:
        raise ValueError("That is longer than a number.")
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+", lambda found: f"^{found[0].translate(SUPERSCRIPTS)}", text)
    letters = []
    for letter in text:
        if letter.isdecimal():
            letters.append(str(unicodedata.decimal(letter)))
        elif letter in "−–—‐‑﹣－":
            letters.append("-")
        elif letter.isspace():
            letters.append(" ")
        elif unicodedata.category(letter) == "No":  # ½ has the compatible form 1⁄2
            letters.append(f" {unicodedata.normalize('NFKC', letter)}".replace("⁄", "/"))
        else:
            letters.append(ONE_FORM.get(letter, letter))
    return " ".join("".join(letters).split())


def _names_of(unit: str) -> tuple[str, ...]:
    """How people write this unit."""
    if unit in TIMES:
        return TIMES
    if not unit or unit.startswith("%"):
        return ()
    other = unit[:-1] if unit.endswith("s") else f"{unit}s"
    return (unit, other, *(("pixels", "pixel") if unit == "px" else ()))


def _without(words: str, endings: tuple[str, ...]) -> tuple[str, bool]:
    """`words` without one of these endings, and whether it had one."""
    for ending in sorted(endings, key=len, reverse=True):
        rest = words[: len(words) - len(ending)]
        if rest and words.lower().endswith(ending.lower()):
            return rest.strip(), True
    return words, False


def _value(words: str) -> float | None:
    """None where it is no number."""
    if words.lower().startswith("0x"):
        return None
    if words.startswith(("-", "+")):
        value = _value(words[1:].strip()) if words[1:2] not in ("-", "+") else None
        return -value if value is not None and words[0] == "-" else value
    scaled = re.fullmatch(r"(.*?[\d.])\s*([A-Za-z]+)", words)
    if scaled and scaled[2] in SCALES:
        value = _value(scaled[1])
        return None if value is None else value * SCALES[scaled[2]]
    factors = re.split(r"\s*(?:×|\*(?!\*)(?<!\*\*)|(?<=[\d ])x(?=[\d ]))\s*", words)
    values = [_factor(factor) for factor in factors]
    return None if None in values else math.prod(values)


def _factor(words: str) -> float | None:
    for form in (EXPONENT, POWER):
        if found := form.fullmatch(words):
            base = 10.0 if form is EXPONENT else _plain(found[1])
            first = _plain(found[1]) if form is EXPONENT else 1.0
            return None if base is None or first is None else first * _power(base, int(found[2]))
    if found := FRACTION.fullmatch(words):
        whole, above, below = found.groups()
        return float(whole or 0) + float(above) / float(below) if float(below) else None
    return _plain(words)


def _power(base: float, exponent: int) -> float:
    try:
        return base**exponent
    except (OverflowError, ZeroDivisionError):
        return math.inf


def _plain(words: str) -> float | None:
    """A number without a sign, an exponent or a unit."""
    if PLAIN.fullmatch(words):
        return float(words)
    if GROUPED.fullmatch(words) and not words.startswith("0"):
        return float(re.sub("[,_' ]", "", words))
    if GROUPED_BY_POINTS.fullmatch(words):
        return float(words.replace(".", "").replace(",", "."))
    if DECIMAL_COMMA.fullmatch(words):
        return float(words.replace(" ", "").replace(",", "."))
    return None
