"""A sheet to draw on: lines, filled outlines and stamps become a picture for a detector."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import torch
import traitlets
from PIL import Image, ImageDraw
from torch import Tensor

from effdet_lite.data.shapes import ARM, CORNERS
from effdet_lite.teach.kit.page import img
from effdet_lite.teach.kit.plots import PALETTE
from effdet_lite.teach.kit.touch.modules import module_text
from effdet_lite.teach.kit.touch.pad import (
    BadValueError,
    Pad,
    as_list,
    as_picture,
    finite,
    picture_traits,
    plain_figure,
)
from effdet_lite.teach.kit.words import how_many

SIDE = 128  # px: of the sheet where no background is given
PAPER = 0.85  # its gray
FINE = 4  # a mark is drawn so many times as large, and shrunk: its edges get soft
LINES = {"pen": "line", "area": "filled outline"}
DRAWING_COLORS = {**PALETTE, "white": "#FFFFFF"}


def _unit_outline(corners: Sequence[tuple[float, float]]) -> list[list[float]]:
    """Corners moved and scaled so that their box has its middle at 0 and a longer side of 1."""
    points = np.array(corners, float)
    low, high = points.min(0), points.max(0)
    return ((points - (low + high) / 2) / (high - low).max()).tolist()


def _turned(quarter: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points, and the same after a quarter, half and three quarters of a turn."""
    points = [complex(x, y) for x, y in quarter]
    return [((p * 1j**turn).real, (p * 1j**turn).imag) for turn in range(4) for p in points]


# The outlines of the course's shapes, upright.
STAMPS = {
    "circle": _unit_outline([(math.cos(t), math.sin(t)) for t in np.linspace(0, math.tau, 73)]),
    "square": _unit_outline(CORNERS["square"]),
    "triangle": _unit_outline(CORNERS["triangle"]),
    "cross": _unit_outline(_turned([(1, -ARM), (1, ARM), (ARM, ARM)])),
}


class DrawPad(Pad):
    """A sheet to draw on; `value`: a list of marks, `image()`: the picture, [3, H, W] in 0-1.

    A mark is a line or a filled outline by hand, {"kind": "pen" or "area", "points": [[x, y], …],
    "width": px, "color": "#RRGGBB"}, or a stamp, {"kind": "circle", "square", "triangle" or
    "cross", "center": [x, y], "side": px, "color": …}; all in pixels of the sheet, `side` being the
    longer side of its box. background: a picture [3, H, W], by default a light gray sheet of `side`
    × `side` pixels. marks: what is there first. Raises ValueError for marks that are none.
    """

    module = "drawing"
    _esm = module_text(module)

    stamps = traitlets.Dict(STAMPS).tag(sync=True)
    drawing_colors = traitlets.Dict(DRAWING_COLORS).tag(sync=True)

    def __init__(
        self,
        description: str = "your drawing",
        *,
        background=None,
        side: int = SIDE,
        marks: Sequence[Mapping] = (),
        shown: float | None = None,
    ):
        if background is None:
            background = np.full((3, side, side), PAPER, np.float32)
        self.pixels = as_picture(background)
        traits = picture_traits(self.pixels, shown)
        super().__init__(description=description, value=list(marks), **traits)

    def checked(self, value: object) -> list[dict]:
        """Marks; BadValueError where one is none."""
        return [checked_mark(mark) for mark in as_list(value, "a drawing is a list of marks")]

    def image(self) -> Tensor:
        """The sheet with its marks, float32 [3, H, W] in 0-1."""
        return torch.from_numpy(with_marks(self.pixels, self.value))

    def in_words(self) -> str:
        """What is on the sheet, in order, as "1 circle, 2 lines, 1 filled outline"."""
        names = [LINES.get(mark["kind"], mark["kind"]) for mark in self.value]
        counted = [how_many(len(list(run)), name) for name, run in groupby(names)]
        return ", ".join(counted) or "nothing drawn"

    def still(self, words: str) -> str:
        """The picture as it is now."""
        return img(plain_figure(with_marks(self.pixels, self.value)), words)


def checked_mark(mark: Mapping) -> dict:
    """A mark as `DrawPad` keeps it; BadValueError for anything else."""
    if not isinstance(mark, Mapping):
        raise BadValueError(f"a mark is a dictionary with a kind and a color, not {mark!r}.")
    kind = mark.get("kind")
    color = _checked_color(mark.get("color"))
    if kind in LINES:
        what = "the points of a line are [[x, y], …] in pixels"
        points = [finite(point, 2, what) for point in as_list(mark.get("points"), what)]
        if not points:
            raise BadValueError(f"{what}, and there is none.")
        width = _positive(mark.get("width"), "the width of a line")
        return {"kind": kind, "points": points, "width": width, "color": color}
    if kind in STAMPS:
        center = finite(mark.get("center"), 2, "the center of a stamp is [x, y] in pixels")
        side = _positive(mark.get("side"), "the side of a stamp")
        return {"kind": kind, "center": center, "side": side, "color": color}
    raise BadValueError(f"a mark is one of {', '.join((*LINES, *STAMPS))}, not {kind!r}.")


def _checked_color(color: object) -> str:
    digits = color[1:] if isinstance(color, str) and color[:1] == "#" else ""
    if len(digits) != 6 or set(digits) - set("0123456789abcdefABCDEF"):
        raise BadValueError(f"a color is written as #RRGGBB, not {color!r}.")
    return color.upper()


def _positive(number: object, what: str) -> float:
    (value,) = finite([number], 1, f"{what} is a number of pixels above 0")
    if value <= 0:
        raise BadValueError(f"{what} is a number of pixels above 0, not {number!r}.")
    return value


def with_marks(background: np.ndarray, marks: Sequence[Mapping]) -> np.ndarray:
    """A picture [3, H, W] (0-1 or uint8) with marks on it, the later over the earlier; float32
    [3, H, W] in 0-1.
    """
    scale = 255 if background.dtype == np.uint8 else 1
    picture = background.astype(np.float32) / scale
    for mark in marks:
        covered = coverage(mark, picture.shape[1:])
        channels = [int(mark["color"][at : at + 2], 16) / 255 for at in (1, 3, 5)]
        color = np.array(channels, np.float32)[:, None, None]
        picture = picture + covered * (color - picture)
    return picture


def coverage(mark: Mapping, size: tuple[int, int]) -> np.ndarray:
    """How much of each pixel a mark covers, float32 [H, W] in 0-1."""
    height, width = size
    sheet = Image.new("L", (width * FINE, height * FINE))
    pen = ImageDraw.Draw(sheet)
    if mark["kind"] in STAMPS:
        pen.polygon(_fine(stamp_outline(mark)), fill=255)
    else:
        points = _fine(mark["points"])
        if mark["kind"] == "area" and len(points) > 2:
            pen.polygon(points, fill=255)
            points = [*points, points[0]]
        _draw_line(pen, points, mark["width"] * FINE)
    return np.asarray(sheet.reduce(FINE), np.float32) / 255


def stamp_outline(mark: Mapping) -> list[list[float]]:
    """The corners of a stamp, [x, y] in pixels of the sheet."""
    x, y = mark["center"]
    side = mark["side"]
    return [[x + side * dx, y + side * dy] for dx, dy in STAMPS[mark["kind"]]]


def _fine(points: Sequence) -> list[tuple[float, float]]:
    # Pillow counts from the middle of a pixel, and we from its corner.
    return [(x * FINE - 0.5, y * FINE - 0.5) for x, y in points]


def _draw_line(pen: ImageDraw.ImageDraw, points: list[tuple[float, float]], width: float) -> None:
    """A line with round ends and corners."""
    pen.line(points, fill=255, width=max(1, round(width)))
    radius = width / 2
    for x, y in points:
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
