"""IoU and matching in notebook 06: two boxes to drag, and the matcher's work to do by hand."""

import functools
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from effdet_lite.anchors import anchor_grid, iou, match
from effdet_lite.teach.kit.boxes import RIM, draw_outlines, draw_picture
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.judged import LOOKS, Look, draw_key
from effdet_lite.teach.kit.labels import label_where_free
from effdet_lite.teach.kit.plots import DASHED, PALETTE, as_array, new_panels, styled
from effdet_lite.teach.kit.shared import unseen_pictures
from effdet_lite.teach.kit.touch import BoxPad, PickPad
from effdet_lite.teach.kit.widgets import Explorer, View

# --- two boxes ---

SHEET = 64  # px: the sheet on which two boxes lie
FIXED, MOVED = (12.0, 12.0, 42.0, 42.0), (21.0, 21.0, 51.0, 51.0)


def two_boxes_pad() -> BoxPad:
    """Two boxes of 30 × 30 px on a sheet, which are moved and resized."""
    return BoxPad(
        torch.ones(3, SHEET, SHEET),
        [FIXED, MOVED],
        [0, 1],
        ("first", "second"),
        "two boxes",
        most=2,
        shown=300,
    )


@styled
def iou_view(boxes: list[dict]) -> View:
    """What two boxes share and cover together. boxes: as a BoxPad has them. Raises ValueError for
    another number of boxes.
    """
    if len(boxes) != 2:
        raise ValueError(f"two boxes are needed, and there are {len(boxes)}.")
    one, other = (torch.tensor([row["box"]]) for row in boxes)
    shared, together = shared_and_union(one[0], other[0])
    value = float(iou(one, other))
    figure, (axis,) = new_panels(3.6, 3.8, (0.03, 0.02, 0.94, 0.88))
    axis.set(xlim=(0, SHEET), ylim=(SHEET, 0), aspect="equal", xticks=[], yticks=[])
    axis.grid(visible=False)
    axis.set_frame_on(False)
    for (left, top, right, bottom), color in ((one[0], "blue"), (other[0], "vermillion")):
        size = float(right - left), float(bottom - top)
        place = float(left), float(top)
        axis.add_artist(Rectangle(place, *size, color=PALETTE[color], alpha=0.25))
        outline = {"fill": False, "edgecolor": PALETTE[color], "linewidth": 2}
        axis.add_artist(Rectangle(place, *size, **outline))
    left, top = torch.maximum(one[0, :2], other[0, :2]).tolist()
    right, bottom = torch.minimum(one[0, 2:], other[0, 2:]).tolist()
    if shared:
        look = {"fill": False, "hatch": "///", "linewidth": 0}
        axis.add_artist(Rectangle((left, top), right - left, bottom - top, **look))
    axis.set_title(f"IoU = {shared:,.0f} / {together:,.0f} = {value:.2f}", fontsize=11)
    numbers = {
        "shared (hatched)": f"{shared:,.0f} px²",
        "covered together": f"{together:,.0f} px²",
        "IoU": f"{value:.2f}",
    }
    return View(figure, f"Two boxes with an IoU of {value:.2f}.", numbers)


def shared_and_union(one: Tensor, other: Tensor) -> tuple[float, float]:
    """The area that two boxes [4] share, and the area that they cover together, in px²."""
    sides = (torch.minimum(one[2:], other[2:]) - torch.maximum(one[:2], other[:2])).clamp(min=0)
    areas = [(box[2:] - box[:2]).prod() for box in (one, other)]
    shared = sides.prod()
    return float(shared), float(sum(areas) - shared)


@styled
def moved_view(side: float, moves: tuple[float, ...], guess: float | None) -> View:
    """IoU of two squares of `side` px, one moved along x, and along x and y, by up to `side` px.

    moves: the px at which the numbers are read off; the guess stands over the last one.
    """
    figure, (axis,) = new_panels(6.6, 3.2, (0.1, 0.17, 0.86, 0.68))
    by = torch.linspace(0, side, 101)
    along_x = (side - by) / (side + by)
    shared = (side - by) ** 2
    along_both = shared / (2 * side**2 - shared)
    axis.plot(by, along_x, label="to the right", markevery=10)
    axis.plot(by, along_both, label="to the right and down", markevery=10)
    axis.set(xlabel=f"moved by (px); the sides are {side:g} px", ylabel="IoU")
    axis.set(xlim=(0, side), ylim=(0, 1.02), xticks=range(0, int(side) + 1))
    rest = float((side - moves[-1]) ** 2 / (2 * side**2 - (side - moves[-1]) ** 2))
    title = f"Moved {moves[-1]:g} px right and down, {side:g} px boxes keep an IoU of {rest:.2f}"
    axis.set_title(title, fontsize=11)
    axis.legend()
    draw_guess(axis, guess, x=moves[-1])
    numbers = {}
    for move in moves:
        base = torch.tensor([[0.0, 0.0, side, side]])
        right, both = (base + torch.tensor([move, down, move, down]) for down in (0.0, move))
        numbers[f"moved by {move:g} px to the right"] = f"IoU {float(iou(base, right)):.2f}"
        numbers[f"moved by {move:g} px to the right and down"] = f"IoU {float(iou(base, both)):.2f}"
    told = ", ".join(f"{name}: {value}" for name, value in numbers.items())
    return View(figure, f"IoU of two equal squares. {told}.", numbers)


# --- be the matcher ---

GAME_PICTURE = 9  # two crosses, far apart
# The IoU that each anchor of the game should have with its object, as nearly as the grid allows.
WISHES = ((0, 0.9), (0, 0.58), (0, 0.42), (0, 0.26), (1, 0.46), (1, 0.38), (1, 0.3))
EMPTY = ((40, 8), (56, 104))  # px: about where two anchors without an object stand


class Game(NamedTuple):
    """A picture [3, H, W] with objects and a few anchors [n, 4]. wins [n]: what the rule says.
    overlaps [n]: the largest IoU of each anchor with an object.
    """

    picture: Tensor
    boxes: Tensor
    labels: Tensor
    anchors: Tensor
    wins: list[bool]
    overlaps: list[float]


# Objects are black and dashed, as where one clicks, so no anchor is black.
ANCHORS = {
    "right": Look(PALETTE["blue"], "-", "✓", "taken, wins"),
    "wrong": Look(PALETTE["vermillion"], LOOKS["wrong"].dashes, "✗", "taken, loses"),
    "missed": Look(PALETTE["blue"], LOOKS["missed"].dashes, "?", "wins"),
}
OBJECT = {"linewidths": 1.6, "linestyles": [DASHED], "path_effects": RIM}


@functools.cache
def game() -> Game:
    """Anchors of P2 to P6 that win, nearly win, and do not."""
    image, target = unseen_pictures()[GAME_PICTURE]
    image = gaussian_blur(image, 5)  # thin frames stand out from less noise
    boxes = target["boxes"].as_subclass(Tensor)
    every = anchor_grid(*image.shape[-2:], (2, 3, 4, 5, 6), 2.0)
    table = iou(boxes, every)
    inside = (every[:, :2] >= 0).all(1) & (every[:, 2:] <= image.shape[-1]).all(1)
    chosen: list[int] = []
    for thing, wish in WISHES:
        off = (table[thing] - wish).abs()
        off[~inside] = torch.inf
        chosen.append(int(off.argmin()))
    middles = (every[:, :2] + every[:, 2:]) / 2
    sides = every[:, 2:] - every[:, :2]
    for place in EMPTY:
        off = (middles - torch.tensor(place)).abs().sum(1) + (sides - 26).abs().sum(1)
        off[(table.amax(0) > 0) | ~inside] = torch.inf
        chosen.append(int(off.argmin()))
    anchors = every[sorted(chosen)]
    overlaps = iou(boxes, anchors).amax(0)
    wins = match(anchors, [boxes], [target["labels"]]).labels[0] >= 0
    return Game(image, boxes, target["labels"], anchors, wins.tolist(), overlaps.tolist())


def matcher_pad() -> PickPad:
    """The game's anchors, to be clicked; its objects are dashed."""
    names = [f"anchor {number}" for number in range(1, len(game().anchors) + 1)]
    return PickPad(
        game().picture.as_subclass(Tensor),
        game().anchors,
        "anchors that should win",
        names=names,
        marked=game().boxes,
    )


@styled
def rule_view(taken: list[int]) -> View:
    """What the rule says of each anchor, and what was taken. taken: numbers of anchors, from 0."""
    figure, (axis,) = new_panels(4.4, 5.0, (0.02, 0.12, 0.96, 0.81))
    draw_picture(axis, game().picture)
    kinds = [_kind(number in taken, wins) for number, wins in enumerate(game().wins)]
    _draw_anchors(axis, kinds)
    draw_outlines(axis, game().boxes, "black", **OBJECT)
    looks = {
        f"{look.sign} {look.meaning}": {"color": look.color, "linestyle": look.dashes}
        for look in ANCHORS.values()
    }
    draw_key(figure, (), 2, others=looks | {"object": {"color": "black", "linestyle": DASHED}})
    winners = sum(game().wins)
    right = kinds.count("right")
    axis.set_title(f"{winners} of {len(kinds)} anchors win; you took {right} of them", fontsize=11)
    numbers = {
        f"anchor {number}": f"IoU {value:.2f}: {'wins' if wins else 'background'}"
        for number, (value, wins) in enumerate(zip(game().overlaps, game().wins, strict=True), 1)
    }
    numbers["you took wrongly"] = str(kinds.count("wrong"))
    words = (
        f"{winners} of {len(kinds)} anchors win: those with an IoU of at least 0.5, and each "
        "object's best."
    )
    return View(figure, words, numbers)


def _draw_anchors(axis: Axes, kinds: list[str]) -> None:
    """All anchors of the game; winners and those that were taken thick. Each has its number at a
    corner of its own, off the edges of the objects.
    """
    rows, edges = list(zip(game().anchors, kinds, strict=True)), as_array(game().boxes)
    for box, kind in rows:
        if kind != "left":
            look = ANCHORS[kind]
            draw_outlines(axis, box[None], "white", linewidths=3.6)
            draw_outlines(axis, box[None], look.color, linewidths=2.0, linestyles=[look.dashes])
    for box, kind in rows:
        if kind == "left":
            draw_outlines(axis, box[None], "#DDDDDD", linewidths=1.3)
    for number, (box, kind) in enumerate(rows, 1):
        if kind != "left":
            look = ANCHORS[kind]
            words = f"{look.sign} {number}"
            label_where_free(axis, as_array(box), (words,), look.color, lines=edges)
    for number, (box, kind) in enumerate(rows, 1):
        if kind == "left":
            label_where_free(axis, as_array(box), (str(number),), "#888888", lines=edges)


def _kind(is_taken: bool, wins: bool) -> str:
    """What became of an anchor: a kind of `judged.LOOKS`, or "left"."""
    if wins:
        return "right" if is_taken else "missed"
    return "wrong" if is_taken else "left"


def show_rule(pad: PickPad) -> None:
    """Put the rule's answer on the page, and redraw it whenever the game's pad changes."""
    explorer = Explorer(rule_view, taken=pad)
    explorer.box.children = explorer.box.children[1:]  # the pad stands above already
    explorer.show()
