"""Checks of arguments that many functions share: each gives the value back, or raises one sentence.

A whole number may come from numpy and a real one from anywhere; True and "3" are neither.
"""

import math
import numbers


def whole_number(name: str, value: object, least: int = 1, most: int | None = None) -> int:
    """`value` as an int. Raises ValueError unless it is whole, and from `least` to `most`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        limits = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be a whole number {limits}, got {shown(value)}.")
    return int(value)


def positive_number(name: str, value: object) -> float:
    """`value` as a float. Raises ValueError unless it is a finite number above 0."""
    if not is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a positive number, got {shown(value)}.")
    return float(value)


def not_negative(name: str, value: object) -> float:
    """`value` as a float. Raises ValueError unless it is a finite number of at least 0."""
    if not is_number(value) or not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a number of at least 0, got {shown(value)}.")
    return float(value)


def share(name: str, value: object) -> float:
    """`value` as a float. Raises ValueError unless it is a number from 0 to 1."""
    if not is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, got {shown(value)}.")
    return float(value)


def positive_share(name: str, value: object) -> float:
    """`value` as a float. Raises ValueError unless it is a number above 0 and at most 1."""
    if not is_number(value) or not 0 < value <= 1:
        raise ValueError(f"{name} must be a number above 0 and at most 1, got {shown(value)}.")
    return float(value)


def one_of(name: str, value: object, choices: tuple[str, ...]) -> str:
    """`value`. Raises ValueError unless it is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {shown(value)}.")
    return value


def is_number(value: object) -> bool:
    """Whether `value` is a real number, and not a bool."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def shown(value: object) -> str:
    """The value in an error's sentence: one line, and not a page of it."""
    # numpy's repr is np.int64(3), which says more about the type than a reader wants to know.
    number = isinstance(value, numbers.Number)
    try:
        words = " ".join((str(value) if number else repr(value)).split())
    except ValueError:  # Python prints no integer of more than 4,300 digits
        words = "a number too long to print"
    return words if len(words) <= 60 else f"{words[:60]}…"
