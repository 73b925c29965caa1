"""Files and folders that are written whole or not at all: whoever reads one finds the old or the
new.
"""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WINDOWS = os.name == "nt"
PATIENCE = 2.0  # seconds that another program may hold a file which is to be replaced


class WriteError(OSError):
    """A file that could not be written, in one sentence; what stood in its place is still there."""


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A path to write to; what stands there at the end of the `with` block is moved to `path`.

    The folder of `path` is made where it is missing. If the block raises, `path` stays as it was
    and nothing is left beside it. The file gets the permissions that the user's umask gives.
    Raises WriteError where the disk or the folder refuses.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A folder, since some writers (safetensors) put a second file beside theirs.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            temporary = Path(folder) / path.name
            temporary.touch()
            permissions = temporary.stat().st_mode
            yield temporary
            with open(temporary, "rb+") as written:  # Windows syncs nothing that is read-only
                os.fsync(written.fileno())
            os.chmod(temporary, permissions)
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            _put(temporary, path)
    except OSError as error:
        if error.errno is None:  # the block's own sentence
            raise
        reason = error.strerror or error
        raise WriteError(f"{path} could not be written: {reason}.") from error


def _put(temporary: Path, path: Path) -> None:
    """Move a file to its place. Windows refuses that while another program has the old one open, a
    virus scanner for instance, so it is asked again for a while.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            os.replace(temporary, path)
            return
        except PermissionError:
            if not WINDOWS or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """A folder to write into; what is in it at the end of the `with` block is then in `path`.

    `path` is not there yet, or an empty folder; the folder that it stands in is made where it is
    missing. If the block raises, nothing is left. Raises WriteError where `path` is a file or a
    folder with something in it, and where the disk or the folder refuses.
    """
    path = Path(os.path.abspath(path))
    try:
        if path.is_dir() and any(path.iterdir()):
            raise WriteError(f"{path} is not empty: name a folder that is not there yet.")
        if not path.is_dir() and os.path.lexists(path):
            raise WriteError(f"{path} is a file: name a folder that is not there yet.")
        # An empty folder may be a disk of its own, onto which nothing could be moved whole.
        place = path if path.is_dir() else path.parent
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place, prefix=f".{path.name}.") as temporary:
            folder = Path(temporary) / path.name
            folder.mkdir()
            yield folder
            if place == path:
                for child in list(folder.iterdir()):
                    os.replace(child, path / child.name)
            else:
                os.replace(folder, path)
    except OSError as error:
        if error.errno is None:  # the block's own sentence, or ours
            raise
        reason = error.strerror or error
        raise WriteError(f"{path} could not be written: {reason}.") from error


def ensure_writable(path: str | Path) -> None:
    """Raise WriteError if no file could be written to `path`: found before the work, not after.

    Makes the folder of `path` where it is missing; writes nothing that stays.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise WriteError(f"{path} cannot be written: {reason}.") from error


def clear_partial(path: str | Path) -> None:
    """Remove what a `whole_file(path)` left when its process was killed.

    Nobody else may be writing to `path`.
    """
    path = Path(path)
    for folder in path.parent.glob(f".{path.name}.*"):
        # Ours holds that one file or nothing; a folder of somebody else's stays.
        inside = {child.name for child in folder.iterdir()} if folder.is_dir() else {""}
        if all(name == path.name or name.startswith(".tmp") for name in inside):
            shutil.rmtree(folder, ignore_errors=True)
