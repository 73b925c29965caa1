"""Where the course lies on this machine, and whether the machine is ready for it."""

import importlib.metadata
import os
import platform
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SHIPPED = (
    "shapes",
    "bccd",
    *(f"shapes-phi{phi}" for phi in (-3, -2, -1, 0)),
)  # detectors in assets/checkpoints
PUBLISHED = ("b0", "d0")  # the published weights that notebook 10 can begin from
MEMORY, DISK = 2.0, 1.0  # GB that the longest notebook needs free, with room to spare
INSTALL = "run `uv sync` in the course's folder, or `pip install --upgrade -e .` there"


def course_folder(start: Path) -> Path:
    """The checkout that `start` lies in, or else the one that this package runs from;
    FileNotFoundError without any.
    """
    for folder in (start, *start.parents, Path(__file__).resolve().parents[1]):
        if (folder / "notebooks").is_dir() and (folder / "effdet_lite").is_dir():
            return folder
    raise FileNotFoundError(
        f"{start} is not inside a checkout of the course: clone the repository and run this in it."
    )


class Finding(NamedTuple):
    """One line of `preflight`: what was looked at, is it fine, and what was found or how to mend
    it, in a sentence.

    essential: the course does not run without it.
    """

    name: str
    ok: bool
    sentence: str
    essential: bool = True


def preflight() -> list[Finding]:
    """Look at everything that the course needs of this machine, without the network. Raises
    nothing.
    """
    looks = {
        "Python": _python,
        "packages": _packages,
        "device": _device,
        "memory": _memory,
        "disk": _disk,
        "sliders": _sliders,
        "trained detectors": _checkpoints,
        "blood cells": _blood_cells,
        "published weights": _published_weights,
    }
    return [_look(name, look) for name, look in looks.items()]


def _look(name: str, look: Callable[[], tuple]) -> Finding:
    try:
        return Finding(name, *look())
    except (
        Exception
    ) as error:  # a broken installation raises whatever it likes, and the other lines still matter
        return Finding(
            name, False, f"looking failed with {type(error).__name__}: {error}; {INSTALL}."
        )


def _at_least(version: str, least: str) -> bool:
    """Do the first three numbers of `version`, 2.14.1+cpu for instance, reach those of `least`."""
    have, need = (
        [*map(int, re.findall(r"\d+", text.partition("+")[0])[:3]), 0, 0][:3]
        for text in (version, least)
    )
    return have >= need


def _python() -> tuple[bool, str]:
    version = platform.python_version()
    least = importlib.metadata.metadata("effdet-lite")["Requires-Python"].removeprefix(">=")
    if _at_least(version, least):
        return True, f"Python {version}."
    return False, f"Python {version} is too old: make an environment with Python {least} or newer."


def _packages() -> tuple[bool, str]:
    """Of the ranges in pyproject.toml, all of which are "at least"; the installed package carries
    them.
    """
    requirements = [
        line.partition(";")[0].strip() for line in importlib.metadata.requires("effdet-lite") or ()
    ]
    wrong = []
    for name, least in (line.split(">=") for line in requirements):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
        else:
            if not _at_least(version, least):
                wrong.append(f"{name} {version} is older than {least}")
    if wrong:
        return False, f"{', '.join(wrong)}: {INSTALL}."
    versions = (
        f"{name} {importlib.metadata.version(name)}"
        for name in ("torch", "torchvision", "numpy", "matplotlib")
    )
    return True, f"All {len(requirements)} are new enough: {', '.join(versions)} and the rest."


def _device() -> tuple[bool, str]:
    import torch

    if torch.cuda.is_available():
        device = f"a GPU, {torch.cuda.get_device_name()}"
    elif torch.backends.mps.is_available():
        device = "a GPU, Apple's"
    else:
        device = "no GPU, and none is needed"
    number = torch.get_num_threads()
    return True, f"PyTorch computes with {number} CPU thread{'s' * (number > 1)}; {device}."


def _memory() -> tuple[bool, str]:
    import psutil  # ipykernel depends on it

    free = psutil.virtual_memory().available / 1e9
    if free >= MEMORY:
        return True, f"There are {free:.1f} GB free."
    return (
        False,
        f"There are {free:.1f} GB free, and {MEMORY:g} GB are needed: close other programs and notebooks.",
        False,
    )


def _disk() -> tuple[bool, str]:
    free = shutil.disk_usage(course_folder(Path.cwd())).free / 1e9
    if free >= DISK:
        return True, f"There are {free:.1f} GB free."
    return (
        False,
        f"There are {free:.1f} GB free, and {DISK:g} GB are needed for trainings and data: delete what you can spare.",
        False,
    )


def _sliders() -> tuple[bool, str]:
    """JupyterLab 4 draws the widgets of ipywidgets 8 through jupyterlab_widgets 3, and no other
    combination.
    """
    from jupyter_core.paths import jupyter_path

    names = ("jupyterlab", "ipywidgets", "jupyterlab_widgets")
    versions = {name: importlib.metadata.version(name) for name in names}
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    if [version.partition(".")[0] for version in versions.values()] != ["4", "8", "3"]:
        return False, f"{found} do not fit together (4, 8 and 3 do): {INSTALL}."
    folders = [
        Path(path)
        for path in jupyter_path("labextensions", "@jupyter-widgets", "jupyterlab-manager")
    ]
    if not any((folder / "package.json").is_file() for folder in folders):
        return (
            False,
            "JupyterLab's part of the sliders is missing: `pip install --force-reinstall jupyterlab_widgets`.",
        )
    return True, f"{found} fit together."


def _checkpoints() -> tuple[bool, str]:
    from effdet_lite.checkpoint import load_detector

    folder = course_folder(Path.cwd()) / "assets" / "checkpoints"
    try:
        for name in SHIPPED:
            load_detector(folder / f"{name}.safetensors")
    except (OSError, ValueError) as error:
        return (
            False,
            f"{str(error).rstrip('.')}: get it back with `git checkout -- assets/checkpoints`.",
        )
    return True, f"All {len(SHIPPED)} load."


def _told(path: Path) -> str:
    """A folder as people are told of it, and as a stored notebook may show it: from the course or
    from home (~) on.
    """
    for start, words in (
        (course_folder(Path.cwd()), "{} in the course's folder"),
        (Path.home(), "~/{}"),
    ):
        if path.is_relative_to(start):
            return words.format(path.relative_to(start).as_posix())
    return str(path)


def cells_folder() -> Path:
    """Where the blood cells are, or would be fetched to: $EFFDET_LITE_BCCD, or else data/bccd in
    the course.
    """
    from effdet_lite.data.opening import BCCD_FOLDER

    return Path(os.environ.get("EFFDET_LITE_BCCD", course_folder(Path.cwd()) / BCCD_FOLDER))


def _blood_cells() -> tuple[bool, str, bool]:
    folder = cells_folder()
    root = folder if (folder / "Annotations").is_dir() else folder / "BCCD"
    number = sum(1 for _ in root.glob("JPEGImages/*.jpg"))
    if number:
        return True, f"There are {number} photographs, for notebooks 08 and 10.", False
    fetch = "`effdet-lite prefetch` fetches them (9 MB)"
    return False, f"Not at {_told(folder)}, and notebooks 08 and 10 do without; {fetch}.", False


def _published_weights() -> tuple[bool, str, bool]:
    from effdet_lite.pretrained import cache_folder, published_url

    folder = cache_folder()
    missing = [
        name
        for name in PUBLISHED
        if not (folder / published_url(name).rpartition("/")[2]).is_file()
    ]
    if not missing:
        return True, f"{' and '.join(PUBLISHED)} are there, for notebook 10.", False
    fetch = "`effdet-lite prefetch` fetches them (37 MB in all)"
    return (
        False,
        f"No {' and '.join(missing)} at {_told(folder)}, and notebook 10 does without; {fetch}.",
        False,
    )
