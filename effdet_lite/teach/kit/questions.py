"""The kinds of questions that can be guessed: a number, a choice, an order, a point on a plot.

A question knows its words, which guesses are legal, how a guess is written, and how far it is from
the answer. It shows nothing: `answering` has the controls.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from effdet_lite.teach.kit.typed import in_percent, number_text, read_number, with_unit

NAME = re.compile(r"\d\d\.[a-z]\w*")
SAME = "the same"
CLOSE = 0.005  # relative: closer than anybody would tell apart
ANSWER_DIGITS = 4


@dataclass(frozen=True)
class Question:
    """One question. Raises ValueError where it could not be asked.

    name: the notebook and a letter, "03.a". words: the question itself.
    """

    name: str
    words: str

    def __post_init__(self):
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise ValueError(
                f'a guess is named like "03.a", by its notebook and a letter; got {self.name!r}.'
            )
        if not isinstance(self.words, str) or not self.words.strip():
            raise ValueError(f"the guess {self.name} asks nothing: pass the question in words.")

    def fits(self, value: object) -> bool:
        """Whether this is a legal guess, as it is kept."""
        raise NotImplementedError

    def kept(self, value: object) -> object:
        """A legal guess as `guessed` hands it out, from what JSON made of it."""
        return value

    def text(self, value: object, digits: int = 6) -> str:
        """A guess, or the answer, in words."""
        return str(value)

    def distance(self, guess: object, answer: object) -> str:
        """How far the guess is from the answer; "" where there is nothing to be said."""
        return SAME if guess == answer else ""

    def asks(self) -> str:
        """What can be guessed, in words: what a page without controls shows."""
        raise NotImplementedError


@dataclass(frozen=True)
class Number(Question):
    """A number in `unit`, from `low` to `high`, which may be left out."""

    low: float | None = None
    high: float | None = None
    unit: str = ""

    def __post_init__(self):
        super().__post_init__()
        if None not in (self.low, self.high) and not self.low < self.high:
            raise ValueError(
                f"the guess {self.name} needs low < high, got {self.low}, {self.high}."
            )

    def read(self, typed: str) -> float:
        """The guess that somebody typed. Raises ValueError with a sentence for the learner."""
        value = read_number(typed, self.unit)
        if not self.fits(value):
            raise ValueError(f"That reads as {self.text(value)}. Pick {self.asks()}.")
        return value

    def fits(self, value: object) -> bool:
        """Whether it is a number between the bounds."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        low = -sys.float_info.max if self.low is None else self.low
        high = sys.float_info.max if self.high is None else self.high
        return low <= value <= high  # which neither nan nor an endless integer is

    def text(self, value: float, digits: int = 6) -> str:
        """With its unit."""
        return value if isinstance(value, str) else with_unit(value, self.unit, digits)

    def distance(self, guess: float, answer: float) -> str:
        """As a factor, 2× too low; for a percentage, in points. "" for an answer in words."""
        return "" if isinstance(answer, str) else off(guess, answer, self.unit)

    def asks(self) -> str:
        """The bounds in words."""
        unit = f" {self.unit}" if self.unit else ""
        if None not in (self.low, self.high):
            return f"a number from {number_text(self.low)} to {number_text(self.high)}{unit}"
        if self.low is not None:
            return f"a number from {number_text(self.low)} up{unit and f', in{unit}'}"
        if self.high is not None:
            return f"a number up to {number_text(self.high)}{unit}"
        return f"a number{unit and f' in{unit}'}"


@dataclass(frozen=True)
class Choice(Question):
    """One of several options, which are words or numbers."""

    options: Sequence = ()

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "options", _listed(self.name, self.options))

    def fits(self, value: object) -> bool:
        """Whether it is one of the options."""
        return _place(value, self.options) is not None

    def kept(self, value: object) -> object:
        """The option itself."""
        return self.options[_place(value, self.options)]

    def asks(self) -> str:
        """The options."""
        return "one of: " + ", ".join(map(str, self.options))


@dataclass(frozen=True)
class Order(Question):
    """Several things to be put in order; they are asked in the order in which they are passed."""

    order: Sequence = ()

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "order", _listed(self.name, self.order))

    def fits(self, value: object) -> bool:
        """Whether it has each of the things once."""
        if not isinstance(value, list | tuple) or len(value) != len(self.order):
            return False
        places = [_place(one, self.order) for one in value]
        return None not in places and len(set(places)) == len(places)

    def kept(self, value: Sequence) -> tuple:
        """As a tuple."""
        return tuple(self.order[_place(one, self.order)] for one in value)

    def text(self, value: Sequence, digits: int = 6) -> str:
        """One after another."""
        return ", ".join(map(str, value))

    def distance(self, guess: Sequence, answer: Sequence) -> str:
        """How many things stand in their place."""
        placed = sum(one == other for one, other in zip(guess, answer, strict=True))
        return SAME if placed == len(answer) else f"the same in {placed} of {len(answer)} places"

    def asks(self) -> str:
        """The things as they are asked."""
        return "put in order: " + ", ".join(map(str, self.order))


@dataclass(frozen=True)
class Point(Question):
    """A point on a plot. ranges: of x and then y, what it is with its unit, and (low, high):
    `{"MACs (billions)": (0, 10), "top-1 (%)": (70, 90)}`. plot: matplotlib's axes to place it on,
    in place of the ranges, with whatever is drawn there.
    """

    ranges: Mapping[str, tuple[float, float]] = ()
    plot: Axes | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.plot is not None:
            x, y = sorted(self.plot.get_xlim()), sorted(self.plot.get_ylim())
            labels = self.plot.get_xlabel() or "x", self.plot.get_ylabel() or "y"
            object.__setattr__(self, "ranges", dict(zip(labels, (x, y), strict=True)))
        if not isinstance(self.ranges, Mapping) or len(self.ranges) != 2:
            raise ValueError(
                f"the guess {self.name} is a point: pass the ranges of x and y by their names, "
                '{"MACs": (0, 10), "AP": (0, 1)}.'
            )
        for label, ends in self.ranges.items():
            if not isinstance(ends, Sequence) or len(ends) != 2 or None in ends:
                raise ValueError(f"the guess {self.name} needs both ends of {label}, got {ends!r}.")
        _ = self.axes  # which have to be questions for a number each

    @property
    def axes(self) -> list[Number]:
        """x and y as questions for a number each."""
        axes = []
        for label, (low, high) in self.ranges.items():
            unit = re.search(r"\(([^()]+)\)\s*$", label)
            axes.append(Number(self.name, label, low, high, unit[1] if unit else ""))
        return axes

    def fits(self, value: object) -> bool:
        """Whether it is a pair of numbers within the ranges."""
        if not isinstance(value, list | tuple) or len(value) != 2:
            return False
        return all(axis.fits(one) for axis, one in zip(self.axes, value, strict=True))

    def kept(self, value: Sequence) -> tuple:
        """As a tuple."""
        return tuple(value)

    def text(self, value: Sequence, digits: int = 6) -> str:
        """Both numbers by name."""
        pairs = zip(self.axes, value, strict=True)
        return ", ".join(f"{axis.words}: {number_text(one, digits)}" for axis, one in pairs)

    def distance(self, guess: Sequence, answer: Sequence) -> str:
        """How far it is along each axis."""
        parts = [
            (axis.words, off(one, other, axis.unit))
            for axis, one, other in zip(self.axes, guess, answer, strict=True)
        ]
        if all(words == SAME for _, words in parts):
            return SAME
        return ", ".join(f"{name}: {words}" for name, words in parts)

    def asks(self) -> str:
        """The ranges."""
        return "a point; " + "; ".join(f"{axis.words}: {axis.asks()}" for axis in self.axes)


def off(guess: float, answer: float, unit: str = "") -> str:
    """How far a guess is from the answer: "2× too low", "12 % too high", for percentages "3 points
    too low".
    """
    if guess == answer:
        return SAME
    side = "too high" if guess > answer else "too low"
    if unit.startswith("%") or guess <= 0 or answer <= 0:
        apart = abs(guess - answer)
        if apart < CLOSE * abs(answer):
            return SAME
        apart = float(f"{apart:.2g}")
        if unit.startswith("%"):
            unit = "point" if apart == 1 else "points"
        return f"{with_unit(apart, unit)} {side}"
    ratio = max(guess, answer) / min(guess, answer)
    if ratio < 1 + CLOSE:
        return SAME
    if ratio < 1.5:
        return f"{in_percent(abs(guess / answer - 1))} {side}"
    return f"{number_text(float(f'{ratio:.2g}'))}× {side}"


def plain(value: object) -> object:
    """A number or a list as Python has it, of NumPy's or torch's; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def _listed(name: str, options: Iterable) -> list:
    """The options as a list. Raises ValueError for what cannot be chosen from."""
    if isinstance(options, str) or not isinstance(options, Iterable):
        raise ValueError(f"the guess {name} needs its options as a list, got {options!r}.")
    options = [plain(option) for option in options]
    if len(options) < 2:
        raise ValueError(f"the guess {name} needs two options or more.")
    if not all(isinstance(option, str | int | float) for option in options):
        raise ValueError(f"the options of the guess {name} have to be words or numbers.")
    if len(set(options)) < len(options) or len({str(one) for one in options}) < len(options):
        raise ValueError(f"the guess {name} has an option twice.")
    return options


def _place(value: object, options: Sequence) -> int | None:
    """Where the value stands among the options; True is not 1."""
    for place, option in enumerate(options):
        if option == value and isinstance(option, bool) == isinstance(value, bool):
            return place
    return None
