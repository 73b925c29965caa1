"""The way down through an FPN, step by step, with the maps of a trained detector."""

from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import as_array, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n04_levels import LEVELS, ring_of, test_pictures

TWINS = 5  # a test picture with a red ring; its twin has the same ring in blue
ACROSS, TALL = 0.165, 0.37  # of a panel, in 0-1 of the figure
COLUMNS = (0.01, 0.215, 0.42, 0.625, 0.83)  # the panels' left edges
ROWS = (0.5, 0.03)  # their lower edges


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
        numbers = {
            "step": f"{number + 1} of {len(self.steps)}: P{step.level}, {side} × {side} positions",
            "channel that is added": f"{self.channels[number]} of {step.total.shape[1]}",
            "channel of the output": f"{self.out_channels[number]} of {step.total.shape[1]}",
        }
        return View(figure, words, numbers)

    def show_last(self) -> None:
        """The last step as a figure."""
        show(*self.drawn(len(self.steps) - 1))

    @styled
    def drawn(self, number: int) -> tuple[Figure, str]:
        """Step 0 (P6) ... 4 (P2) as a figure, and what it shows in words."""
        step = self.steps[number]
        here = f"P{step.level}"
        channel = slice(self.channels[number], self.channels[number] + 1)
        added = {
            f"P{step.level + 1}, enlarged": step.from_above,
            f"lateral of {here}": step.lateral,
            "sum": step.total,
        }
        low, high = _limits([x[:, channel] for x in added.values() if x is not None])
        figure, axes = new_panels(
            8.8, 4.0, *((left, bottom, ACROSS, TALL) for bottom in ROWS for left in COLUMNS)
        )
        out = step.out[:, self.out_channels[number]]
        look = {"vmin": low, "vmax": high, "cmap": "cividis", "interpolation": "nearest"}
        look_of_out = look | {"vmin": out.min().item(), "vmax": out.max().item()}
        for twin, row in enumerate((axes[:5], axes[5:])):
            draw_picture(row[0], self.images[twin])
            for axis, x in zip(row[1:4], added.values(), strict=True):
                axis.set_axis_off()
                if x is not None:
                    axis.imshow(as_array(x[twin, channel.start]), **look)
            row[4].imshow(as_array(out[twin]), **look_of_out)
            row[4].set_axis_off()
        titles = ("the picture", *added, f"3 × 3: {here}")
        if step.from_above is None:
            titles = ("the picture", "", *titles[2:])
        signs = ("", "", "+" if step.from_above is not None else "", "=", "→")
        for axis, title, left, sign in zip(axes, titles, COLUMNS, signs, strict=False):
            axis.set_title(title, fontsize=11, y=1.0)
            for bottom in ROWS:
                words = {"fontsize": 15, "ha": "center", "va": "center"}
                figure.text(left - 0.02, bottom + TALL / 2, sign, **words)
        return figure, self._words(number)

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


def _limits(maps: list[Tensor]) -> tuple[float, float]:
    values = torch.cat([x.flatten() for x in maps])
    return values.min().item(), values.max().item()
