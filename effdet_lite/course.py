"""Where the course lies on this machine."""

from pathlib import Path


def course_folder(start: Path) -> Path:
    """The checkout that `start` lies in, or else the one that this package runs from; FileNotFoundError without any."""
    for folder in (start, *start.parents, Path(__file__).resolve().parents[1]):
        if (folder / "notebooks").is_dir() and (folder / "effdet_lite").is_dir():
            return folder
    raise FileNotFoundError(f"{start} is not inside a checkout of the course: clone the repository and run this in it.")
