"""What all pads have in common: name, picture, looks, and a still for pages without a kernel."""

import base64
import html
import io
import math
from collections.abc import Iterable, Mapping

import anywidget
import numpy as np
import traitlets
from matplotlib.figure import Figure
from PIL import Image

from effdet_lite.teach.kit.boxes import draw_picture, shrunken_pixels
from effdet_lite.teach.kit.plots import COLORS, as_array, new_figure, styled
from effdet_lite.teach.kit.touch.modules import FOLDER
from effdet_lite.teach.kit.widgets import page_of, put_on_page

SHOWN = 420  # CSS pixels: the longer side of a picture on the page
PIXELATED = 256  # px: up to here a picture's pixels are shown as they are, and PNG keeps them


class BadValueError(traitlets.TraitError, ValueError):
    """One sentence on a value that a pad cannot have. As a TraitError it leaves the pad as it was;
    as a ValueError it is what all of the course raises.
    """


class Pad(anywidget.AnyWidget):
    """A drawing to touch. Subclasses have a `value`, say it in words, and draw it in a figure.

    description: the pad's name, shown above it and read out. `size`: (width, height) of the drawing
    in its own pixels; `shown`: its width on the page, in CSS pixels. `value` moves while something
    is dragged; `settled` counts the changes that were finished, for what should not run each time.
    """

    module = ""  # the name of its ES module
    _css = (FOLDER / "touch.css").read_text(encoding="utf-8")

    description = traitlets.Unicode().tag(sync=True)
    picture = traitlets.Unicode().tag(sync=True)
    size = traitlets.List(traitlets.Float()).tag(sync=True)
    shown = traitlets.Float().tag(sync=True)
    colors = traitlets.List(traitlets.Unicode(), list(COLORS)).tag(sync=True)
    settled = traitlets.Int(0).tag(sync=True)
    value = traitlets.Any().tag(sync=True)  # what it may be, `checked` says, in a sentence

    @traitlets.validate("value")
    def _validate_value(self, proposal: dict) -> object:
        return self.checked(proposal["value"])

    def checked(self, value: object) -> object:
        """The value as the pad keeps it; BadValueError for one that it cannot have."""
        raise NotImplementedError

    def in_words(self) -> str:
        """The value as a person would say it; the page shows the same words."""
        raise NotImplementedError

    def still(self, words: str) -> str:
        """The pad as it is now, as HTML; words: for those who cannot see it."""
        raise NotImplementedError

    def show(self) -> None:
        """Put the pad on the page: alive with a kernel, a picture of how it is now without."""
        put_on_page(*self._parts())

    def _parts(self) -> tuple:
        words = f"{self.description}: {self.in_words()}"
        rest = f"<p><em>Without a kernel this rests at: {html.escape(words)}</em></p>"
        return self, rest + self.still(words), words

    def _repr_mimebundle_(self, **_: object) -> tuple[dict, dict]:
        return page_of(*self._parts()), {}


def as_picture(picture) -> np.ndarray:
    """A picture [3, H, W], 0-1 or uint8, as an array; ValueError for anything else."""
    pixels = as_array(picture)
    if pixels.ndim != 3 or pixels.shape[0] != 3 or 0 in pixels.shape:
        raise ValueError(f"a picture has the shape [3, H, W], not {list(pixels.shape)}.")
    if pixels.dtype != np.uint8 and not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError("a picture that is not uint8 holds numbers from 0 to 1.")
    return pixels


def picture_traits(pixels: np.ndarray, shown: float | None) -> dict[str, object]:
    """The traits of a pad over a picture [3, H, W]; shown: how wide, by default so that the longer
    side has SHOWN CSS pixels.
    """
    height, width = pixels.shape[1:]
    if shown is None:
        shown = SHOWN * width / max(width, height)
    if not (math.isfinite(shown) and shown > 0):
        raise ValueError(f"shown is the width on the page in CSS pixels, not {shown!r}.")
    size = [float(width), float(height)]
    return {"picture": picture_uri(pixels), "size": size, "shown": float(shown)}


def picture_uri(pixels: np.ndarray) -> str:
    """A picture [3, H, W] as a data URI, which no host is asked for."""
    image, file = Image.fromarray(shrunken_pixels(pixels)), io.BytesIO()
    kind = "png" if max(pixels.shape[1:]) <= PIXELATED else "jpeg"
    image.save(file, kind, **({"quality": 90} if kind == "jpeg" else {}))
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def finite(values, count: int, what: str) -> list[float]:
    """`count` finite numbers as floats; BadValueError that says `what` they should be."""
    try:
        numbers = [float(value) for value in as_list(values, what)]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise BadValueError(f"{what}, not {values!r}.")
    return numbers


def as_list(values: object, what: str) -> list:
    """Values as a list; BadValueError that says `what` they should be where they are none."""
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise BadValueError(f"{what}, not {values!r}.")
    return list(values)


@styled
def plain_figure(picture, side: float = 4.5) -> Figure:
    """A picture [3, H, W] and nothing else, its longer side that many inches."""
    height, width = picture.shape[-2:]
    scale = side / max(height, width)
    margins = {"left": 0, "right": 1, "bottom": 0, "top": 1}
    figure, axes = new_figure(width=width * scale, height=height * scale, margins=margins)
    draw_picture(axes[0, 0], picture)
    return figure


def whole(number: float) -> int:
    """The nearest whole number, as the page has it: halves go up."""
    return math.floor(number + 0.5)
