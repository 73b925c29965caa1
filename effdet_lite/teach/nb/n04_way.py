"""The way down through an FPN, step by step, with the maps of a trained detector."""

from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import as_array, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n04_levels import LEVELS, SIDE, ring_of, test_pictures

TWINS = 5  # a test picture with a red ring; its twin has the same ring in blue
GAP = 28  # px of the drawing between two panels, which have SIDE px each
ROWS = (38, 38 + SIDE + 14)  # where the twins' rows begin
TITLE = ROWS[0] - 4  # and where the titles end
WIDE, TALL = 5 * SIDE + 4 * GAP, ROWS[1] + SIDE


class Step(NamedTuple):
    """One level on the way down, for two pictures: maps [2, C, H, W]. from_above: the map of the
    level above, enlarged; None at the top. lateral: the level's own map in the neck's channels.
    total: their sum. out: after SiLU, 3x3 and norm.
    """

    level: int
    from_above: Tensor | None
    lateral: Tensor
    total: Tensor
    out: Tensor


def twins(index: int = TWINS) -> Tensor:
    """A test picture with a red ring, and the same picture with a blue one, [2, 3, H, W]. All else
    is gray but for noise, so red and blue change places.
    """
    if ring_of(index) != "red":
        raise ValueError(f"the ring of test picture {index} is {ring_of(index)}; take a red one.")
    image = test_pictures()[index][0].as_subclass(Tensor)
    return torch.stack([image, image.flip(0)])


@torch.no_grad()
def way_down(model: EfficientDet, images: Tensor) -> list[Step]:
    """The steps of an FPN, coarse to fine, as `fusion.FusionNode` takes them."""
    model = model.eval()
    incoming = model.fusion.extend(list(model.backbone.features(images)[1:]))
    cell, steps, above = model.fusion.cells[0], [], None
    for level, x in list(zip(LEVELS, incoming, strict=True))[::-1]:
        node = cell[f"P{level}_td"]
        total = lateral = node.project[0](x)
        enlarged = None
        if above is not None:
            enlarged = F.interpolate(above, lateral.shape[-2:], mode="nearest")
            total = lateral + enlarged
        above = node.norm(node.conv(node.activation(total)))
        steps.append(Step(level, enlarged, lateral, total, above))
    return steps


def telling_channel(step: Step) -> int:
    """The channel to show: what comes from above differs between the twins, and what comes from the
    side has structure of its own. At the top: the lateral that differs most.
    """
    if step.from_above is None:
        return int(_apart(step.lateral).argmax())
    contrast = step.lateral.std((0, 2, 3))
    return int((_apart(step.from_above) * contrast).argmax())


def _apart(x: Tensor) -> Tensor:
    """Of each channel [2, C, H, W] -> [C]: how far the middles of the twins' maps are apart."""
    side = x.shape[-1]
    middle = slice(side // 4, max(side // 4 + 1, side - side // 4))
    means = x[:, :, middle, middle].mean((2, 3))
    return (means[0] - means[1]).abs()


class WayDown:
    """The way down of one trained FPN detector, for a picture and its twin."""

    def __init__(self, model: EfficientDet):
        self.images = twins()
        self.steps = way_down(model, self.images)
        # A step shows one channel of what is added, and one of its output: the one that the next
        # step shows as what comes from above.
        self.channels = [telling_channel(step) for step in self.steps]
        last = int(_apart(self.steps[-1].out).argmax())
        self.out_channels = [*self.channels[1:], last]

    def view(self, presses: int) -> View:
        """The step after so many presses: P6, P5 ... P2, and P6 again."""
        number = presses % len(self.steps)
        figure, words = self.drawn(number)
        step = self.steps[number]
        side = step.total.shape[-1]
        is_last = number == len(self.steps) - 1
        why = "where the twins differ most" if is_last else "which the next step enlarges"
        numbers = {
            "step": f"{number + 1} of {len(self.steps)}: P{step.level}, {side} × {side} positions",
            "channel shown": f"{self.channels[number]} of {step.total.shape[1]}",
            "channel at the right": f"{self.out_channels[number]} of {step.total.shape[1]}, {why}",
        }
        return View(figure, words, numbers)

    def show_last(self) -> None:
        """The last step as a figure."""
        show(*self.drawn(len(self.steps) - 1))

    @styled
    def drawn(self, number: int) -> tuple[Figure, str]:
        """Step 0 (P6) ... 4 (P2) as a figure, and what it shows in words."""
        step = self.steps[number]
        panels = self.panels(number)
        sheet = np.ones((TALL, WIDE, 3))
        figure, (axis,) = new_panels(8.8, 4.15, (0.01, 0.02, 0.98, 0.96))
        for column, (title, pair) in enumerate(panels.items()):
            left = column * (SIDE + GAP)
            if pair is None:
                middle = left + SIDE / 2, (ROWS[1] + ROWS[0] + SIDE) / 2
                axis.text(
                    *middle, "nothing\ncomes from\nabove", ha="center", va="center", fontsize=11
                )
                continue
            for pixels, top in zip(pair, ROWS, strict=True):
                sheet[top : top + SIDE, left : left + SIDE] = pixels
            axis.text(left + SIDE / 2, TITLE, title, ha="center", va="bottom", fontsize=11)
        signs = {3: "=", 4: "→"} if step.from_above is None else {2: "+", 3: "=", 4: "→"}
        for column, sign in signs.items():
            for top in ROWS:
                place = column * (SIDE + GAP) - GAP / 2, top + SIDE / 2
                axis.text(*place, sign, ha="center", va="center", fontsize=15)
        # One picture in place of ten: an explorer has no time for ten axes.
        axis.imshow(sheet, interpolation="nearest")
        axis.set_axis_off()
        return figure, self._words(number)

    def panels(self, number: int) -> dict[str, tuple[np.ndarray, np.ndarray] | None]:
        """The columns of a step by their titles: for both twins the pixels [SIDE, SIDE, 3]."""
        step, channel = self.steps[number], self.channels[number]
        added = {
            f"P{step.level + 1}, enlarged": step.from_above,
            f"lateral of P{step.level}": step.lateral,
            f"sum\n(channel {channel})": step.total,
        }
        shown = {name: None if x is None else x[:, channel] for name, x in added.items()}
        values = torch.cat([x.flatten() for x in shown.values() if x is not None])
        limits = values.min().item(), values.max().item()
        found = {"the picture": tuple(as_array(self.images).transpose(0, 2, 3, 1))}
        for name, x in shown.items():
            found[name] = None if x is None else _colored(x, *limits)
        out = step.out[:, self.out_channels[number]]
        limits = out.min().item(), out.max().item()
        return found | {
            f"3 × 3: P{step.level}\n(channel {self.out_channels[number]})": _colored(out, *limits)
        }

    def _words(self, number: int) -> str:
        step = self.steps[number]
        if step.from_above is None:
            return (
                "P6 of a picture with a red ring and of its twin with a blue one: nothing comes "
                "from above, and the two maps differ."
            )
        return (
            f"P{step.level} of a picture with a red ring and of its twin with a blue one: what "
            f"comes enlarged from P{step.level + 1} differs with the color, the lateral has finer "
            "outlines, and the sum has both."
        )


def _colored(maps: Tensor, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Maps [2, H, W] as pixels [SIDE, SIDE, 3] each, every position as a square."""
    scaled = (as_array(maps) - low) / (high - low)
    one, other = matplotlib.colormaps["cividis"](scaled)[..., :3]
    times = SIDE // maps.shape[-1]
    return tuple(pixels.repeat(times, 0).repeat(times, 1) for pixels in (one, other))
