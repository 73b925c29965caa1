"""The one reader of picture files: 8 bits, RGB, upright; for training and for `detect`.

EXIF says how a camera was held. Pillow turns some formats (TIFF) by it while it loads them, and
others not; and its `exif_transpose` writes the whole EXIF block anew, which fails where any entry
of it is damaged. So a picture is turned here by the one number that matters, where it was not yet.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError, features

SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"}
if features.check("avif"):
    SUFFIXES.add(".avif")
# What cameras and browsers write too, and nobody here can read.
OTHER_SUFFIXES = {".heic", ".heif", ".avif", ".jxl", ".jp2", ".dng", ".cr2", ".nef", ".arw"}
OTHER_SUFFIXES -= SUFFIXES

ORIENTATION = 0x0112  # the EXIF entry
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
UNDONE = TURNS | {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
QUARTER_TURNS = (5, 6, 7, 8)  # width and height change places
MISSING = "images missing"


class PictureError(ValueError):
    """One sentence on a picture that cannot be used; `kind`: the same for many, to be counted."""

    def __init__(self, sentence: str, kind: str):
        super().__init__(sentence)
        self.kind = kind


@dataclass(frozen=True)
class Look:
    """What a file says before it is used. problem: why it cannot be ("" if it can); stored, shown:
    (width, height) in the file and turned by its orientation, the EXIF's number from 1 to 8.
    """

    problem: str = ""
    stored: tuple[int, int] = (0, 0)
    shown: tuple[int, int] = (0, 0)
    orientation: int = 1


def read_picture(path: str | Path) -> np.ndarray:
    """A picture as uint8 [3, H, W], RGB, upright.

    Raises FileNotFoundError where there is none, and PictureError, a ValueError, for a file that is
    no picture, damaged, deeper than 8 bits a channel or too large.
    """
    return np.array(open_picture(path)).transpose(2, 0, 1)


def picture_of(content: bytes, name: str) -> np.ndarray:
    """The picture that a file's content holds, as `read_picture` has it.

    name: the file's, for the sentence of the PictureError where it cannot be read.
    """
    path = Path(name)
    with _sentences(path), Image.open(io.BytesIO(content)) as image:
        return np.array(_loaded(path, image, None, upright=True)[0]).transpose(2, 0, 1)


def open_picture(
    path: str | Path, size: tuple[int, int] | None = None, *, upright: bool = True
) -> Image.Image:
    """A picture in RGB, at least `size` (width, height) large where a JPEG decodes faster so.

    upright: turned as its EXIF says, or else as it is stored. Errors: `read_picture`.
    """
    return _opened(Path(path), size, upright)[0]


def look_at(path: str | Path, verify: bool) -> Look:
    """What a picture file says of itself; verify: decode it too, as loading it will do, a JPEG at
    an eighth of its size.
    """
    try:
        if verify:
            return _opened(Path(path), (1, 1), upright=True)[1]
        with _image(Path(path)) as image:
            return _checked_header(path, image)
    except FileNotFoundError:
        return Look(MISSING)
    except PictureError as error:
        return Look(error.kind)


def list_pictures(folder: str | Path) -> tuple[list[Path], list[Path]]:
    """The pictures of a folder, sorted, and the files that are pictures by their name but of a
    format that is not read. Hidden files (macOS' "._a.jpg" among them) and folders are neither.
    """
    files = sorted(
        path for path in Path(folder).iterdir() if path.name[0] != "." and path.is_file()
    )
    return (
        [path for path in files if path.suffix.lower() in SUFFIXES],
        [path for path in files if path.suffix.lower() in OTHER_SUFFIXES],
    )


def _opened(path: Path, size: tuple[int, int] | None, upright: bool) -> tuple[Image.Image, Look]:
    with _image(path) as image:
        return _loaded(path, image, size, upright)


def _loaded(
    path: Path, image: Image.Image, size: tuple[int, int] | None, upright: bool
) -> tuple[Image.Image, Look]:
    look = _checked_header(path, image)
    if size is not None:
        turned = look.orientation in QUARTER_TURNS
        image.draft("RGB", size[::-1] if turned else size)
    image.load()
    # Pillow forgets the orientation of what it has turned itself.
    is_upright = _orientation(image) != look.orientation
    if look.orientation != 1 and upright and not is_upright:
        image = image.transpose(TURNS[look.orientation])
    if look.orientation != 1 and is_upright and not upright:
        image = image.transpose(UNDONE[look.orientation])
    return image.convert("RGB"), look


def _checked_header(path: Path, image: Image.Image) -> Look:
    if image.mode[0] in "IF":  # Pillow would clip them to white
        raise PictureError(
            f"{path} has more than 8 bits a channel: save it with 8.",
            "images of more than 8 bits a channel",
        )
    orientation = _orientation(image)
    stored = image.size
    if image.format == "TIFF":  # whose size Pillow reports as it will be shown
        stored = image.tag_v2[256], image.tag_v2[257]
    shown = stored[::-1] if orientation in QUARTER_TURNS else stored
    return Look("", stored, shown, orientation)


def _orientation(image: Image.Image) -> int:
    """1 to 8; 1, as it is stored, where the EXIF block is damaged or says anything else."""
    try:
        number = image.getexif().get(ORIENTATION)
    except Exception:  # Pillow raises a dozen kinds for entries that are broken
        return 1
    return int(number) if isinstance(number, (int, float)) and number in TURNS else 1


@contextmanager
def _image(path: Path) -> Iterator[Image.Image]:
    """The picture of a file, with its header read; what goes wrong with it as one sentence."""
    with _sentences(path):
        if path.exists() and not path.is_file():  # to open a pipe is to wait for ever
            raise OSError("it is no file")
        # As a file and not by name: from a name Pillow maps some formats into memory, and a TIFF
        # that is to be turned comes out with its rows mixed up.
        with open(path, "rb") as file, Image.open(file) as image:
            yield image


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Whatever Pillow raises about a file, as one sentence."""
    try:
        yield
    except PictureError:
        raise
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no picture {path}.") from error
    except Image.DecompressionBombError as error:
        million = 2 * Image.MAX_IMAGE_PIXELS // 1_000_000
        raise PictureError(
            f"{path} has more than {million} million pixels, and larger pictures are not opened: "
            "shrink it or cut it into parts.",
            f"images of more than {million} million pixels, which must be shrunk or cut first",
        ) from error
    except Exception as error:  # Pillow raises a dozen kinds, SyntaxError among them
        why, kind = _one_line(error), "images that cannot be read"
        if isinstance(error, UnidentifiedImageError):
            why = "what it holds is of no format that is known"
        if path.suffix.lower() in OTHER_SUFFIXES:
            name = path.suffix[1:].upper()
            why = f"{name} is not supported, save it as JPEG or PNG"
            kind = f"images in {name}, which must be saved as JPEG or PNG first"
        raise PictureError(f"{path} is not a picture that can be read: {why}.", kind) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
