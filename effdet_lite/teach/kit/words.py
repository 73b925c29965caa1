"""Names from data, written in figures as they are: no `$` begins a formula, no glyph is missing."""

import functools
from collections.abc import Sequence

import matplotlib
from matplotlib.font_manager import fontManager, get_font
from matplotlib.text import Text

LONGEST = 40  # characters of a name; more would not fit into any figure
OWN_FAMILY = "DejaVu Sans"  # it comes with matplotlib


def writable(name: str, number: int) -> str:
    """The name of class `number` as a figure can show it: on one line, not longer than LONGEST.

    Where no font of this computer has all of its characters, it is "class 3" for number 3.
    """
    printable = "".join(letter if letter.isprintable() else " " for letter in str(name))
    words = " ".join(printable.split())
    if (name and not words) or any(_family_with(letter) is None for letter in words):
        return f"class {number}"
    return words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"


def how_many(count: int, name: str) -> str:
    """A number of things: "1 cross", "2 crosses", "0 red cells"."""
    if count == 1:
        return f"{count} {name}"
    return f"{count} {name}{'es' if name.endswith('s') else 's'}"


def writable_names(classes: Sequence[str]) -> list[str]:
    """`writable` for each class of a data set."""
    return [writable(name, number) for number, name in enumerate(classes)]


def write_plainly(*texts: Text) -> None:
    """Let these words of a figure (labels, legends, ticks, titles) be words: never parsed as a
    formula, and in fonts that have their characters.
    """
    for text in texts:
        text.set_parse_math(False)
        families = {_family_with(letter) for letter in text.get_text()} - {OWN_FAMILY, None}
        if families:
            text.set_fontfamily([OWN_FAMILY, *sorted(families)])


def with_minus(number: float) -> str:
    """A number as it is set in text: with a minus in place of a hyphen, and no idle digits."""
    return f"{number:g}".replace("-", "−")


@functools.cache
def _family_with(letter: str) -> str | None:
    """The first font family that can draw this character; None where no font can."""
    # Of matplotlib's other fonts some have a box for every character, and some are for formulas.
    candidates = [
        font
        for font in fontManager.ttflist
        if font.name == OWN_FAMILY or not font.fname.startswith(matplotlib.get_data_path())
    ]
    candidates = [font for font in candidates if (font.style, font.weight) == ("normal", 400)]
    families = sorted({font.name for font in candidates}, key=lambda name: name != OWN_FAMILY)
    for family in families:
        # Of several files of one family matplotlib draws with one; the others' characters are lost.
        if _has(fontManager.findfont(family, fallback_to_default=False), ord(letter)):
            return family
    return None


def _has(path: str, code: int) -> bool:
    """Whether the font in this file draws the character with this code."""
    try:
        font = get_font(path)
        if code not in font.get_charmap():
            return False
        font.set_size(10, 72)
        font.load_char(code)
        return chr(code).isspace() or len(font.get_path()[0]) > 0  # emoji may be bitmaps only
    except (OSError, RuntimeError, ValueError):  # a font file that matplotlib cannot read
        return False
