"""The terms of the notation exist in the package. Oracle: Python's import system."""

import importlib
import re

import pytest
from lessons import ROOT

NOTATION = (ROOT / "notebooks" / "NOTATION.md").read_text("utf-8")


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`(\w+\.[\w.]+)` \|$", NOTATION, flags=re.MULTILINE)))
)
def test_what_the_notation_names_is_in_the_package(name):
    parts = name.split(".")
    depth = 3 if parts[0] == "teach" else 1  # teach.nb.n01_convolution, or cost
    thing = importlib.import_module("effdet_lite." + ".".join(parts[:depth]))
    for part in parts[depth:]:
        thing = (
            thing.__dataclass_fields__[part]
            if part in getattr(thing, "__dataclass_fields__", {})
            else getattr(thing, part)
        )
