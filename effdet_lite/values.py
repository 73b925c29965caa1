"""How the command reads the values of its options; argparse tells what does not fit."""

import argparse

THREADS = 256  # more than any use has; beyond, systems refuse to start them


def read_share(text: str) -> float:
    """A number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must lie in 0-1, got {text}")
    return value


def read_count(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if not 1 <= value < 2**31:
        raise argparse.ArgumentTypeError(f"must be at least 1 and below 2^31, got {text}")
    return value


def read_threads(text: str) -> int:
    """How many threads, from 1 to THREADS."""
    value = int(text)
    if not 1 <= value <= THREADS:
        raise argparse.ArgumentTypeError(f"must be from 1 to {THREADS}, got {text}")
    return value


def read_names(text: str) -> list[str]:
    """The words of a list with commas."""
    return [word.strip() for word in text.split(",") if word.strip()]
