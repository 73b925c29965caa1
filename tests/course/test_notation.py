"""The terms of the notation exist in the package. Oracle: Python's import system."""

import pkgutil
import re

import pytest
from lessons import ROOT

NOTATION = (ROOT / "notebooks" / "NOTATION.md").read_text("utf-8")


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`(\w+\.[\w.]+)` \|$", NOTATION, flags=re.MULTILINE)))
)
def test_what_the_notation_names_is_in_the_package(name):
    """A module, a name in one, or a field of a dataclass."""
    try:
        pkgutil.resolve_name(f"effdet_lite.{name}")
    except AttributeError:
        owner, _, field = name.rpartition(".")
        assert field in pkgutil.resolve_name(f"effdet_lite.{owner}").__dataclass_fields__
