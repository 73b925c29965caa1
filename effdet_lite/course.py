"""Is this machine ready for the course? `effdet-lite doctor` and the first notebook ask here."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from effdet_lite.missing import EXPORT, how_to_install, missing
from effdet_lite.places import cache_folder, cells_folder, course_folder, shipped_detector

# Detectors in assets/checkpoints.
SHIPPED = ("shapes", "bccd", *(f"shapes-phi{phi}" for phi in (-3, -2, -1, 0)))
PUBLISHED = ("b0", "d0")  # the published weights that notebook 10 can begin from
MEMORY, DISK = 2.0, 1.0  # GB that the longest notebook needs free, with room to spare
# GB that packages take where they are still to be installed: README.md has what was measured.
PACKAGES = {"Linux": 6.0}
PACKAGES_ELSEWHERE = 1.0
BUSY = 0.4  # of the cores: with so many at work already, training takes noticeably longer
# The doctor tells it, and the page of the first notebook does not: what is otherwise a minute
# later, and what the last notebook alone asks for.
PASSING = ("cores", "export")
OPTIONAL = ("cores", "memory", "disk", "blood cells", "published weights", "export")
INSTALL = (
    "run `uv sync --extra export` in the course's folder, or with conda `pip install --upgrade -e "
    "'.[export]'` there (by the short way for Linux: `uv pip install --torch-backend cpu -e "
    "'.[export]'`)"
)


class Finding(NamedTuple):
    """One line of `preflight`: what was looked at, whether it is fine, and what was found or how to
    fix it, in a sentence.

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
        "cores": _cores,
        "memory": _memory,
        "disk": _disk,
        "sliders": _sliders,
        "trained detectors": _checkpoints,
        "blood cells": _blood_cells,
        "published weights": _published_weights,
        "export": _export,
    }
    return [_look(name, look) for name, look in looks.items()]


def _look(name: str, look: Callable[[], tuple]) -> Finding:
    try:
        return Finding(name, *look())
    except Exception as error:
        # A broken installation raises whatever it likes, and the other lines still matter.
        told = f"looking failed with {type(error).__name__}: {error}; {INSTALL}."
        return Finding(name, False, told, essential=name not in OPTIONAL)


def _satisfies(version: str, allowed: SpecifierSet) -> bool:
    """Is `version`, 2.14.1+cpu for instance, among those that are allowed?

    A pre-release counts as the release that it leads to: vendors ship 2.6.0a0 as their 2.6.0. What
    is no version of Python's own scheme cannot be compared, and is not called wrong.
    """
    try:
        found = Version(version)
    except (InvalidVersion, TypeError):  # TypeError: metadata without a version give None
        return True
    return any(allowed.contains(one, prereleases=True) for one in (found, found.base_version))


def _python() -> tuple[bool, str]:
    version = platform.python_version()
    allowed = SpecifierSet(importlib.metadata.metadata("effdet-lite").get("Requires-Python", ""))
    if _satisfies(version, allowed):
        return True, f"Python {version}."
    return False, f"Python {version} does not fit: make an environment with Python {allowed}."


def required_packages() -> list[Requirement]:
    """What an installation must have to run the course here: neither extras nor what only another
    system or Python needs. The installed package carries pyproject.toml's list.
    """
    lines = importlib.metadata.requires("effdet-lite") or ()
    requirements = [Requirement(line) for line in lines]
    return [
        requirement
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    ]


def _packages() -> tuple[bool, str]:
    requirements = required_packages()
    wrong = []
    for requirement in requirements:
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not _satisfies(version, requirement.specifier):
            wrong.append(f"{requirement.name} {version} is not {requirement.specifier}")
    if wrong:
        return False, f"{', '.join(wrong)}: {INSTALL}."
    shown = ("torch", "torchvision", "numpy", "matplotlib")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in shown)
    return True, f"All {len(requirements)} are there and fit: {versions} and the rest."


def _device() -> tuple[bool, str]:
    import torch

    if torch.cuda.is_available():
        device = f"a GPU, {torch.cuda.get_device_name()}"
    elif torch.backends.mps.is_available():
        asked = os.environ.get("EFFDET_LITE_DEVICE") == "mps"
        use = "used as EFFDET_LITE_DEVICE asks" if asked else "used with EFFDET_LITE_DEVICE=mps"
        device = f"a GPU, Apple's, {use}"
    else:
        device = "no GPU, and none is needed"
    number = torch.get_num_threads()
    return True, f"PyTorch computes with {number} CPU thread{'s' * (number > 1)}; {device}."


def _cores() -> tuple[bool, str, bool]:
    import psutil

    number = psutil.cpu_count() or 1
    busy = psutil.cpu_percent(interval=0.3) / 100
    found = f"Other programs use {busy * number:.1f} of {number} cores"
    if busy < BUSY:
        return True, f"{found}.", False
    return False, f"{found}: training takes longer; close what you can, or train later.", False


def _memory() -> tuple[bool, str, bool]:
    import psutil

    free = psutil.virtual_memory().available / 1e9
    found = f"There are {free:.1f} GB free"
    if free >= MEMORY:
        return True, f"{found}.", False
    needed = f"{MEMORY:g} GB are needed: close other programs and notebooks"
    return False, f"{found}, and {needed}.", False


def _disk() -> tuple[bool, str, bool]:
    free = shutil.disk_usage(_course() or Path.cwd()).free / 1e9
    found = f"There are {free:.1f} GB free"
    needed, uses = DISK, "trainings and data"
    if not _packages()[0]:
        needed += PACKAGES.get(platform.system(), PACKAGES_ELSEWHERE)
        uses += ", and packages that are still to be installed"
    if free >= needed:
        return True, f"{found}.", False
    wanted = f"{needed:g} GB are needed for {uses}: delete what you can spare"
    return False, f"{found}, and {wanted}.", False


def _sliders() -> tuple[bool, str]:
    """JupyterLab 4 draws the widgets of ipywidgets 8 through jupyterlab_widgets 3, and no other
    combination.
    """
    from jupyter_core.paths import jupyter_path

    series = {"jupyterlab": "==4.*", "ipywidgets": "==8.*", "jupyterlab_widgets": "==3.*"}
    versions = {name: importlib.metadata.version(name) for name in series}
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    if not all(_satisfies(versions[name], SpecifierSet(one)) for name, one in series.items()):
        return False, f"{found} do not fit together (4, 8 and 3 do): {INSTALL}."
    try:
        places = jupyter_path("labextensions", "@jupyter-widgets", "jupyterlab-manager")
    except RuntimeError:  # Python's, where it finds no home folder
        home = "this user has no home folder, and JupyterLab needs one"
        return False, f"{found} fit together, but {home}: set the variable HOME to a folder."
    if not any((Path(place) / "package.json").is_file() for place in places):
        again = (
            "`uv pip install --reinstall jupyterlab_widgets` in the course's folder (with conda: "
            "`pip install --force-reinstall jupyterlab_widgets`)"
        )
        return False, f"JupyterLab's part of the sliders is missing: {again}."
    return True, f"{found} fit together."


def _checkpoints() -> tuple[bool, str]:
    from effdet_lite.checkpoint import load_detector

    if _course() is None:
        return False, "the course is not here: clone the repository and run this in its folder."
    try:
        for name in SHIPPED:
            load_detector(shipped_detector(name))
    except (OSError, ValueError) as error:
        again = (
            "get it back with `git checkout -- assets/checkpoints`, or without git copy that "
            "folder again from the ZIP or the stick"
        )
        return False, f"{str(error).rstrip('.')}: {again}."
    return True, f"All {len(SHIPPED)} load."


def _told(path: Path) -> str:
    """A folder as people are told of it, and as a stored notebook may show it: from the course or
    from home (~) on.
    """
    course, home = _course(), _home()
    if course is not None and path.is_relative_to(course):
        return f"{path.relative_to(course).as_posix()} in the course's folder"
    if home is not None and path.is_relative_to(home):
        return f"~/{path.relative_to(home).as_posix()}"
    return str(path)


def _course() -> Path | None:
    try:
        return course_folder()
    except FileNotFoundError:
        return None


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # this user has none
        return None


def _blood_cells() -> tuple[bool, str, bool]:
    try:
        folder = cells_folder()
    except FileNotFoundError as error:  # there is no home folder
        return False, f"{error}", False
    root = folder if (folder / "Annotations").is_dir() else folder / "BCCD"
    number = sum(1 for _ in root.glob("JPEGImages/*.jpg"))
    if number:
        return True, f"There are {number} photographs, for notebooks 00, 08 and 10.", False
    without = "notebooks 08 and 10 skip some cells without them"
    remedy = "`effdet-lite prefetch` fetches them (9 MB)"
    return False, f"Not at {_told(folder)}, and {without}; {remedy}.", False


def _published_weights() -> tuple[bool, str, bool]:
    from effdet_lite.pretrained import published_url

    try:
        folder = cache_folder()
    except FileNotFoundError as error:  # there is no home folder
        return False, f"{error}", False
    files = {name: folder / published_url(name).rpartition("/")[2] for name in PUBLISHED}
    missing = [name for name, path in files.items() if not path.is_file()]
    if not missing:
        return True, f"{' and '.join(PUBLISHED)} are there, for notebooks 00 and 10.", False
    without = (
        "notebook 10 skips a cell without them; `effdet-lite prefetch` fetches them (37 MB in all)"
    )
    return False, f"No {' and '.join(missing)} at {_told(folder)}, and {without}.", False


def _export() -> tuple[bool, str, bool]:
    absent = missing(EXPORT)
    if not absent:
        return True, f"{', '.join(EXPORT[:-1])} and {EXPORT[-1]} are there, for notebook 10.", False
    without = "notebook 10 writes no ONNX file without them"
    return False, f"No {' and '.join(absent)}, and {without}: {how_to_install(absent)}.", False
