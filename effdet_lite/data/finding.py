"""Which file an annotation means, where its name is not quite the file's.

Names come from other systems: with backslashes, with the folder's own name in front, with blanks at
the end, in other case, with %20, or with letters composed otherwise (macOS). Such a name is read
where exactly one file of the folder can be meant that no other name means exactly.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from effdet_lite.places import expanded

Key = tuple[str, ...]


def existing_folder(folder: str | Path) -> Path:
    """The folder, ~ read as home; FileNotFoundError where there is none."""
    place = expanded(folder)
    if not place.is_dir():
        raise FileNotFoundError(f"there is no folder {place}.")
    return place


def is_file(path: Path) -> bool:
    """Whether there is such a file; no, too, for what cannot be a name."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def key_of(name: str) -> Key:
    """The parts of a path, of which equal ones differ only in how a system spells them."""
    text = unicodedata.normalize("NFC", unquote(name)).replace("\\", "/").casefold()
    # Composed once more, since small letters may be composed in another way than capitals.
    parts = (part.strip() for part in unicodedata.normalize("NFC", text).split("/"))
    return tuple(part for part in parts if part not in ("", "."))


class Finder:
    """Finds the files of one folder by the names that annotations give."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.own_key = key_of(str(folder.resolve()))
        self._files = None

    def find(self, names: Iterable[str]) -> dict[str, Path]:
        """Of each name, its file: FOLDER/NAME, where it is or else should be."""
        found = {name: self.folder / name for name in names}
        missing = {name for name, path in found.items() if not is_file(path)}
        claimed = {path for name, path in found.items() if name not in missing}
        for name in missing:
            meant = [path for path in self.similar(name) if path not in claimed]
            if len(meant) == 1:
                found[name] = meant[0]
        return found

    def similar(self, name: str) -> list[Path]:
        """The files whose names differ from this one only in how they are spelled."""
        files = self._by_key()
        return next((files[key] for key in self._keys(name) if key in files), [])

    def hint(self, name: str) -> str:
        """What is there instead, in words, or ""."""
        names = {path.name.casefold(): path for paths in self._by_key().values() for path in paths}
        last = name.replace("\\", "/").rstrip("/").rpartition("/")[2].casefold()
        near = difflib.get_close_matches(last, list(names)[:10_000], 1)
        if not near:
            return "nothing similar is there"
        return f"similar is there: {names[near[0]].relative_to(self.folder)}"

    def _keys(self, name: str) -> list[Key]:
        """The key of a name, and of what is left of it without the folder's own in front."""
        parts = key_of(name.rpartition("?d=")[2])  # Label Studio's /data/local-files/?d=PATH
        own = self.own_key
        is_absolute = re.match(r"[\\/]|\w+:", name) is not None
        keys = [parts]
        for length in range(len(parts) - 1, 0, -1):
            front = parts[:length]
            # The whole of the front is the folder, or a path of another machine ends with it.
            if front == own[-length:] or (is_absolute and own and front[-1] == own[-1]):
                keys.append(parts[length:])
        return keys

    def _by_key(self) -> dict[Key, list[Path]]:
        if self._files is None:
            self._files = {}
            for path in sorted(self.folder.rglob("*")):
                if path.name[0] != "." and path.is_file():
                    key = key_of(path.relative_to(self.folder).as_posix())
                    self._files.setdefault(key, []).append(path)
        return self._files
