"""One window over a picture: where a probe looks, where a kernel stands."""

import traitlets
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from effdet_lite.teach.kit.boxes import RIM
from effdet_lite.teach.kit.page import img
from effdet_lite.teach.kit.plots import PALETTE, styled
from effdet_lite.teach.kit.touch.modules import module_text
from effdet_lite.teach.kit.touch.pad import (
    BadValueError,
    Pad,
    as_picture,
    finite,
    picture_traits,
    plain_figure,
    whole,
)


class WindowPad(Pad):
    """A rectangle dragged over a picture [3, H, W]; `value`: [left, top, right, bottom] in its
    pixels.

    window: where it stands first. It keeps its size unless it `can_resize`, stays within the
    picture unless it `may_leave` it (then its middle stays inside), and moves by `step` pixels.
    shown: the picture's width on the page in CSS pixels. Raises ValueError for a window that is
    empty or leaves the picture.
    """

    module = "window"
    _esm = module_text(module)

    step = traitlets.Float(1).tag(sync=True)
    can_resize = traitlets.Bool(False).tag(sync=True)
    may_leave = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        picture,
        window,
        description: str = "window",
        *,
        step: float = 1,
        can_resize: bool = False,
        may_leave: bool = False,
        shown: float | None = None,
    ):
        self.pixels = as_picture(picture)
        if not step > 0:
            raise ValueError(f"step is the number of pixels of a move, above 0, not {step!r}.")
        super().__init__(
            description=description,
            step=step,
            can_resize=can_resize,
            may_leave=may_leave,
            value=window,
            **picture_traits(self.pixels, shown),
        )

    def checked(self, value: object) -> list[float]:
        """A window within the picture; BadValueError for any other."""
        what = "a window is [left, top, right, bottom] in pixels of the picture"
        left, top, right, bottom = finite(value, 4, what)
        if not (left < right and top < bottom):
            raise BadValueError(f"{what}, left of right and top above bottom, not an empty one.")
        height, width = self.pixels.shape[1:]
        middle = (left + right) / 2, (top + bottom) / 2
        low, high = (middle, middle) if self.may_leave else ((left, top), (right, bottom))
        if low[0] < 0 or low[1] < 0 or high[0] > width or high[1] > height:
            raise BadValueError(f"the window leaves the picture of {width} × {height} pixels.")
        return [left, top, right, bottom]

    def in_words(self) -> str:
        """Size and place, as "32 × 32 px from (48, 16)"."""
        left, top, right, bottom = self.value
        size = f"{whole(right - left)} × {whole(bottom - top)} px"
        return f"{size} from ({whole(left)}, {whole(top)})"

    def still(self, words: str) -> str:
        """The picture with its window."""
        return img(window_figure(self.pixels, self.value), words)


@styled
def window_figure(picture, window) -> Figure:
    """A picture [3, H, W] with a window (xyxy, pixels) outlined on it."""
    figure = plain_figure(picture)
    left, top, right, bottom = window
    look = {"fill": False, "edgecolor": PALETTE["vermillion"], "linewidth": 2}
    frame = Rectangle((left, top), right - left, bottom - top, **look)
    frame.set_path_effects(RIM)
    figure.axes[0].add_artist(frame)
    return figure
