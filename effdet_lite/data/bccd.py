"""BCCD: 364 photographs of blood smears (640 x 480) with boxes of red cells, white cells and
platelets.

Source: https://github.com/Shenggan/BCCD_Dataset (MIT license), at one commit. Its known flaws stay
in: two boxes without area, 15 images without the red cells that they show, nine test photographs of
a scene that a training photograph shows as well. The split "test-unseen" leaves these nine out.
"""

import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from effdet_lite.data.voc import VocFolder
from effdet_lite.download import DownloadError, download, file_sha256
from effdet_lite.places import cells_folder, expanded

CLASSES = ("RBC", "WBC", "Platelets")
COMMIT = "d272fb14cdff6e473fafeeeba32aba5f560e9e43"
URL = f"https://github.com/Shenggan/BCCD_Dataset/archive/{COMMIT}.zip"
# GitHub packs an archive anew from time to time, so what is verified is the content: see
# content_digest.
DIGEST = "59eb0d826c422ae58c4c46f2dac8de1af80c371950dbf0593d8aeb0c8f74f265"
WANTED = re.compile(
    r"(?:[^/]+/)*BCCD/"
    r"(Annotations/\w+\.xml|JPEGImages/\w+\.jpg|ImageSets/Main/(?:train|val|trainval|test)\.txt)",
    re.ASCII,
)
# Test photographs that show a scene of training, each with a training photograph of that scene,
# the slide moved by 24 to 290 pixels; found by `experiments.scenes`.
SEEN_SCENES = {
    "BloodImage_00019": "BloodImage_00020",
    "BloodImage_00205": "BloodImage_00276",
    "BloodImage_00226": "BloodImage_00261",
    "BloodImage_00227": "BloodImage_00260",
    "BloodImage_00229": "BloodImage_00258",
    "BloodImage_00233": "BloodImage_00254",
    "BloodImage_00249": "BloodImage_00242",
    "BloodImage_00253": "BloodImage_00236",
    "BloodImage_00391": "BloodImage_00386",
}
UNSEEN = "test-unseen"
MAX_FILES, MAX_BYTES = 1000, 50_000_000  # the data: 732 files, 9 MB


class BCCDDetection(VocFolder):
    """The blood cells. split: "train" (205 images), "val" (87), "trainval" (292), "test" (72), or
    "test-unseen": the 63 of these whose scene is in no training photograph.

    root: the folder that holds JPEGImages/, Annotations/ and ImageSets/, or a folder with BCCD/ in
    it; with download=True and neither there, the data are fetched into root/BCCD (about 9 MB).
    options: cache, max_side, verify (FolderDataset). Raises FileNotFoundError, or DownloadError.
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        download: bool = False,
        transforms: Callable | None = None,
        *,
        url: str = URL,
        **options,
    ):
        root = expanded(root)
        folder = root if (root / "Annotations").is_dir() else root / "BCCD"
        if not folder.is_dir():
            if not download:
                raise FileNotFoundError(
                    f"there is no BCCD data in {root}: pass download=True to fetch it from {url}."
                )
            fetch_bccd(folder, url)
        listed = "test" if split == UNSEEN else split
        super().__init__(folder, listed, CLASSES, transforms, **options)
        if split == UNSEEN:
            self.samples = [one for one in self.samples if one.path.stem not in SEEN_SCENES]


def photo_names(folder: Path, split: str) -> list[str]:
    """The names in a list of the data, as "BloodImage_00007"."""
    return (folder / "ImageSets" / "Main" / f"{split}.txt").read_text(encoding="utf-8").split()


def fetch_bccd(folder: Path, url: str = URL, *, progress: bool = True) -> None:
    """Fetch the archive at url and make folder from it, whole and verified or not at all; else
    DownloadError.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".bccd-") as temporary:
        archive, unpacked = Path(temporary) / "BCCD.zip", Path(temporary) / "BCCD"
        download(url, archive, progress=progress)
        try:
            unpack(archive, unpacked)
        except Exception as error:  # zipfile raises many kinds for archives that are broken
            raise DownloadError(f"{url} is no archive that can be unpacked: {error}.") from error
        found = content_digest(unpacked)
        if found != DIGEST:
            raise DownloadError(
                f"{url} does not hold the BCCD data of commit {COMMIT[:7]}: content digest {found}."
            )
        try:
            os.rename(unpacked, folder)
        except OSError:
            if not folder.is_dir():  # it is there when another process was faster
                raise


def unpack(archive: Path, folder: Path) -> None:
    """Write the wanted files of a zip archive below folder.

    A member's own path is never used: only a name that WANTED knows is written, as a plain file,
    links included.
    """
    with zipfile.ZipFile(archive) as source:
        members = {
            match[1]: info
            for info in source.infolist()
            if (match := WANTED.fullmatch(info.filename))
        }
        if len(members) > MAX_FILES or sum(info.file_size for info in members.values()) > MAX_BYTES:
            raise zipfile.BadZipFile("it holds more than this dataset does")
        for name, info in members.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read(info))


def content_digest(folder: Path) -> str:
    """SHA-256 over "path sha256" lines of every file below folder, in the order of the paths."""
    files = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    return hashlib.sha256(
        "".join(f"{name} {file_sha256(folder / name)}\n" for name in files).encode()
    ).hexdigest()


def fetch_cells(folder: str | Path | None = None) -> Path:
    """Bring the blood cells into `folder`, by default where the package looks for them."""
    folder = Path(folder or cells_folder())
    BCCDDetection(folder, "trainval", download=True, url=URL, verify=False)
    return folder
