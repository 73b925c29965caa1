"""When a box is right: the sketch of notebook 00."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from torchvision.ops import box_iou

from effdet_lite.teach.kit.judged import LOOKS, draw_one
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import new_panels, styled

# A shape's tight box, and a detector's that is just right and just wrong (xyxy, of the sketch).
TIGHT = (0, 0, 40, 40)
SKETCHED = {"right": (6, 6, 46, 46), "wrong": (10, 10, 50, 50)}


def show_rule() -> None:
    """A shape with the tight box around it, and two boxes of a detector: one that overlaps it
    enough to be right, and one that does not.
    """
    told = "; ".join(f"{overlap:.2f}: {kind}" for kind, overlap in sketched().items())
    words = "A detector's box on the tight box around a shape, twice. Shared ÷ covered area is "
    show(_rule_figure(), f"{words}{told}.")


def sketched() -> dict[str, float]:
    """The overlap of the two boxes of the sketch with the shape's, by what they are worth."""
    boxes = torch.tensor(list(SKETCHED.values()), dtype=torch.float32)
    overlaps = box_iou(torch.tensor([TIGHT], dtype=torch.float32), boxes)[0].tolist()
    return dict(zip(SKETCHED, overlaps, strict=True))


@styled
def _rule_figure() -> Figure:
    panels = [(left, 0.0, 0.48, 0.86) for left in (0.01, 0.51)]
    figure, axes = new_panels(7.0, 2.5, *panels)
    for axis, (kind, overlap) in zip(axes, sketched().items(), strict=True):
        _draw_rule(axis, kind)
        told = f"shared ÷ covered = {overlap:.2f}: {LOOKS[kind].sign} {LOOKS[kind].meaning}"
        axis.set_title(told, loc="left", fontsize=10)
    return figure


def _draw_rule(axis: Axes, kind: str) -> None:
    """The tight box around a triangle, a detector's box, in color what they share, and in gray what
    they cover together.
    """
    axis.set(xlim=(-8, 92), ylim=(56, -4), aspect="equal")
    axis.set_axis_off()
    left, top, right, bottom = TIGHT
    own_left, own_top, own_right, own_bottom = SKETCHED[kind]
    for x, y, end, foot in (TIGHT, SKETCHED[kind]):
        covered = Rectangle((x, y), end - x, foot - y, facecolor="#E6E6E6", edgecolor="none")
        axis.add_patch(covered)
    corners = [(left, bottom), ((left + right) / 2, top), (right, bottom)]
    axis.add_patch(Polygon(corners, facecolor="#BBBBBB", edgecolor="none"))
    shared = (own_left, own_top), right - own_left, bottom - own_top
    axis.add_patch(Rectangle(*shared, facecolor=LOOKS[kind].color, alpha=0.3, edgecolor="none"))
    frame = Rectangle((left, top), right - left, bottom - top, fill=False)
    frame.set(edgecolor="#444444", linewidth=1.4)
    axis.add_patch(frame)
    draw_one(axis, SKETCHED[kind], kind)
    middle = (own_left + right) / 2, (own_top + bottom) / 2
    axis.text(*middle, "shared", fontsize=9, ha="center", va="center")
    axis.text(own_right + 2, top + 1, "tight box around\nthe shape", fontsize=9, va="top")
    told = "covered: all that is\ninside at least one box"
    axis.text(own_right + 2, (top + own_bottom) / 2, told, fontsize=9, va="center", color="#555555")
    axis.text(own_right + 2, own_bottom - 1, "detector's box", fontsize=9, color=LOOKS[kind].color)
