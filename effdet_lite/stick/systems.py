"""The systems that a kit is made for, and how uv, its packages and Python's builds name them."""

import re
from collections.abc import Sequence
from typing import NamedTuple


class System(NamedTuple):
    """One kind of laptop.

    target: what uv calls it; environment: what uv must be told besides; build: os, architecture and
    C library of Python's own builds, as uv lists them; program: uv's file name.
    """

    name: str
    target: str
    environment: tuple[tuple[str, str], ...]
    build: tuple[str, str, str]
    program: str


SYSTEMS = {
    # manylinux_2_28: Ubuntu 20.04, Debian 11, Fedora 30 and whatever is newer.
    "linux": System("linux", "x86_64-manylinux_2_28", (), ("linux", "x86_64", "gnu"), "uv"),
    "windows": System(
        "windows", "x86_64-pc-windows-msvc", (), ("windows", "x86_64", "none"), "uv.exe"
    ),
    # PyTorch's packages ask for macOS 14.
    "macos": System(
        "macos",
        "aarch64-apple-darwin",
        (("MACOSX_DEPLOYMENT_TARGET", "14.0"),),
        ("macos", "aarch64", "none"),
        "uv",
    ),
}


def chosen_systems(names: Sequence[str]) -> list[System]:
    """The systems of these names, each once. Raises ValueError for one that is not known."""
    known = ", ".join(SYSTEMS)
    if not names:
        raise ValueError(f"no system is named: choose from {known}.")
    for name in names:
        if name not in SYSTEMS:
            raise ValueError(f"there is no system {name!r}: choose from {known}.")
    return [SYSTEMS[name] for name in dict.fromkeys(names)]


def chosen_pythons(versions: Sequence[str], allowed) -> list[str]:
    """These versions of Python, 3.12 for instance, each once.

    allowed: the `SpecifierSet` of the course. Raises ValueError for what is no such version.
    """
    if not versions:
        raise ValueError("no version of Python is named: write --python 3.12, for instance.")
    for version in versions:
        if not re.fullmatch(r"3\.\d{1,2}", version):
            raise ValueError(
                f"{version!r} is no version of Python: write two numbers, 3.12 for instance."
            )
        if not allowed.contains(version):
            raise ValueError(f"the course does not run on Python {version}: it asks {allowed}.")
    return list(dict.fromkeys(versions))
