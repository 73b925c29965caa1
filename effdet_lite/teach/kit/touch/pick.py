"""Boxes or cells on a picture that are clicked: the anchors that should win, the cells that see."""

from collections.abc import Sequence

import traitlets
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from effdet_lite.teach.kit.boxes import RIM, draw_outlines
from effdet_lite.teach.kit.page import img
from effdet_lite.teach.kit.plots import PALETTE, as_array, styled
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


class PickPad(Pad):
    """Boxes on a picture [3, H, W], each of which can be taken; `value`: the numbers of those that
    are, in order.

    boxes [n, 4] (xyxy, pixels): anchors, or the cells of a grid; they may leave the picture. names:
    what each is called, by default "box 1", "box 2", … taken: the numbers that are taken first.
    marked [m, 4]: boxes drawn dashed, to go by. most: how many may be taken. Raises ValueError for
    numbers that no box has.
    """

    module = "pick"
    _esm = module_text(module)

    boxes = traitlets.List().tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    marked = traitlets.List().tag(sync=True)
    most = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        picture,
        boxes,
        description: str = "boxes to take",
        *,
        names: Sequence[str] | None = None,
        taken: Sequence[int] = (),
        marked=(),
        most: int | None = None,
        shown: float | None = None,
    ):
        self.pixels = as_picture(picture)
        what = "boxes are [left, top, right, bottom] in pixels"
        rows = [finite(box, 4, what) for box in as_array(boxes).tolist()]
        if not rows:
            raise ValueError("there is no box to take.")
        names = [f"box {number}" for number in range(1, len(rows) + 1)] if names is None else names
        if len(names) != len(rows):
            raise ValueError(f"there are {len(rows)} boxes and {len(names)} names.")
        super().__init__(
            description=description,
            boxes=rows,
            names=list(names),
            marked=[finite(box, 4, what) for box in as_array(marked).tolist()],
            most=len(rows) if most is None else most,
            value=taken,
            **picture_traits(self.pixels, shown),
        )

    def checked(self, value: object) -> list[int]:
        """Numbers of boxes, sorted; BadValueError for any others."""
        numbers = as_list(value, "what is taken is a list of numbers of boxes")
        for number in numbers:
            if number not in range(len(self.boxes)):
                raise BadValueError(f"a box is from 0 to {len(self.boxes) - 1}, not {number!r}.")
        if len(set(numbers)) > self.most:
            raise BadValueError(f"{self.most} boxes may be taken, and not {len(set(numbers))}.")
        return sorted({int(number) for number in numbers})

    def in_words(self) -> str:
        """The names of those that are taken."""
        return ", ".join(self.names[number] for number in self.value) or "none taken"

    def still(self, words: str) -> str:
        """The picture with all boxes, and those that are taken filled."""
        return img(pick_figure(self.pixels, self.boxes, self.value, self.marked), words)


@styled
def pick_figure(picture, boxes: Sequence, taken: Sequence[int], marked: Sequence = ()) -> Figure:
    """A picture [3, H, W] with thin boxes [n, 4] (xyxy, pixels), those that are taken filled, and
    marked ones dashed.
    """
    figure = plain_figure(picture)
    axis = figure.axes[0]
    draw_outlines(axis, boxes, "white", linewidths=2.2)
    draw_outlines(axis, boxes, PALETTE["blue"], linewidths=1)
    for number in taken:
        left, top, right, bottom = boxes[number]
        look = {"facecolor": PALETTE["vermillion"] + "55", "edgecolor": PALETTE["vermillion"]}
        frame = Rectangle((left, top), right - left, bottom - top, linewidth=2.2, **look)
        axis.add_artist(frame)
    if len(marked):
        look = {"linewidths": 2, "linestyles": "dashed", "path_effects": RIM}
        draw_outlines(axis, marked, "black", **look)
    return figure
