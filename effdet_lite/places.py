"""Where things lie: the course, the blood cells, published weights, trained detectors, results,
and the learner's progress.

Every other module asks here, so that what one command fetches the next one finds.
"""

import os
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """`path` with ~ at its beginning read as the user's home folder, as a shell reads it.

    Raises FileNotFoundError where the user has no home folder.
    """
    found = os.path.expanduser(path)
    if found == "~" or found.startswith(("~/", f"~{os.sep}")):
        raise FileNotFoundError(
            f"{path} begins with ~, and this user has no home folder: write the whole path."
        )
    return Path(found)


def course_folder(start: str | Path | None = None) -> Path:
    """The checkout that `start` (by default the working folder) lies in, or else the one that this
    package runs from. Raises FileNotFoundError where there is none.
    """
    start = Path.cwd() if start is None else Path(start)
    for folder in (start, *start.parents, Path(__file__).resolve().parents[1]):
        if (folder / "notebooks").is_dir() and (folder / "effdet_lite").is_dir():
            return folder
    raise FileNotFoundError(
        f"{start} is not inside a checkout of the course: clone the repository and run this in it."
    )


def cache_folder() -> Path:
    """Where published weights are kept.

    $EFFDET_LITE_CACHE, or else effdet_lite in the user's cache folder ($XDG_CACHE_HOME, by default
    ~/.cache). Raises FileNotFoundError where the user has no home folder.
    """
    if folder := os.environ.get("EFFDET_LITE_CACHE"):
        return expanded(folder)
    if folder := os.environ.get("XDG_CACHE_HOME"):
        return expanded(folder) / "effdet_lite"
    try:
        return Path.home() / ".cache" / "effdet_lite"
    except RuntimeError:
        raise FileNotFoundError(
            "this user has no home folder: name a folder for downloads in EFFDET_LITE_CACHE."
        ) from None


def cells_folder() -> Path:
    """Where the blood cells are, or would be fetched to.

    $EFFDET_LITE_BCCD, or else data/bccd in the course; in the cache folder where there is no
    course.
    """
    if folder := os.environ.get("EFFDET_LITE_BCCD"):
        return expanded(folder)
    try:
        return course_folder() / "data" / "bccd"
    except FileNotFoundError:
        return cache_folder() / "bccd"


def progress_file() -> Path:
    """The learner's own file of what they answered and guessed.

    $EFFDET_LITE_PROGRESS, or else effdet_lite/progress.json in the user's data folder
    ($XDG_DATA_HOME, by default ~/.local/share): outside the course, so that a fresh copy of the
    course finds it too. A path that is relative begins in the working folder, a notebook's own: so
    on a machine that people share, "progress.json" gives each copy of the notebooks a file. Raises
    FileNotFoundError where the user has no home folder.
    """
    if path := os.environ.get("EFFDET_LITE_PROGRESS"):
        return expanded(path)
    if folder := os.environ.get("XDG_DATA_HOME"):
        return expanded(folder) / "effdet_lite" / "progress.json"
    try:
        return Path.home() / ".local" / "share" / "effdet_lite" / "progress.json"
    except RuntimeError:
        raise FileNotFoundError(
            "this user has no home folder: name a file for your progress in EFFDET_LITE_PROGRESS."
        ) from None


def shipped_detector(name: str) -> Path:
    """The file of a detector that comes with the course, "shapes" for instance."""
    return course_folder() / "assets" / "checkpoints" / f"{name}.safetensors"


def results_file(name: str) -> Path:
    """The file with the results of an experiment of the course, "necks" for instance."""
    return course_folder() / "assets" / "results" / f"{name}.json"
