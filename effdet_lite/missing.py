"""Packages that a few parts of the course need: which are missing, and what to type for them."""

from collections.abc import Sequence
from importlib.util import find_spec

EXPORT = ("onnx", "onnxruntime", "onnxscript")  # the extra `export` of pyproject.toml


def missing(names: Sequence[str]) -> list[str]:
    """Those of these packages that cannot be imported here."""
    return [name for name in names if not find_spec(name)]


def how_to_install(names: Sequence[str]) -> str:
    """What to type for packages that are missing, as a piece of a sentence.

    An environment of uv's has no pip, and uv finds the one in the working folder:
    https://docs.astral.sh/uv/pip/environments. `uv run` leaves there what it finds.
    """
    words = " ".join(names)
    return f"`uv pip install {words}` in the course's folder (with conda: `pip install {words}`)"
