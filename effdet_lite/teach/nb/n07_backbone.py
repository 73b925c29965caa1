"""The backbone of notebook 07 is a classifier's: torchvision's EfficientNet-B0 moves into it."""

import copy
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor, nn

from effdet_lite.efficientnet import EfficientNet, normalized
from effdet_lite.pretrained import load_torchvision, set_style
from effdet_lite.randomness import own_numbers
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.widgets import View

FEATURES = (1, 2, 3, 5, 7)  # the parts of torchvision's `features` that put out P1 ... P5


@torch.no_grad()
def make_lively(model: nn.Module, images: Tensor) -> nn.Module:
    """Give the norms of a fresh network random values, and the statistics of a batch of images.

    A fresh network answers nearly the same to every picture, and so do two different ones. Its
    maps fade from layer to layer, since each norm still believes in mean 0 and variance 1.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.normal_(0, 0.3)
        norm.momentum = 1.0  # the statistics of this one batch
    model.train()(images)
    for norm in norms:
        norm.running_var += 0.1  # where two pictures happen to agree
    return model.eval()


class Moved(NamedTuple):
    """What moves from torchvision's classifier into a backbone.

    params, tensors: how many. of_params, of_tensors: how many the classifier has. shapes: of each
    map P1 ... P5, [C, H, W]. apart: by how much the maps of both differ at most.
    """

    params: int
    of_params: int
    tensors: int
    of_tensors: int
    shapes: list[list[int]]
    apart: list[float]


def move_classifier_into(backbone: EfficientNet) -> Moved:
    """Copy the weights of torchvision's B0, random ones here, into a copy of the backbone, and show
    both the same images. Raises RuntimeError where a tensor has no place, or a place no tensor.
    """
    with own_numbers(0):
        images = torch.rand(2, 3, 256, 256)
        theirs = make_lively(torchvision.models.efficientnet_b0(), normalized(images))
    whole = EfficientNet.from_name("b0")
    load_torchvision(whole, theirs.state_dict())
    names = ("head.", "classifier.")
    moved = {name: x for name, x in whole.state_dict().items() if not name.startswith(names)}
    mine = copy.deepcopy(backbone).eval()
    mine.load_state_dict(moved)
    set_style(mine, "symmetric", whole.config.norm_epsilon)
    with torch.no_grad():
        expected, x = [], normalized(images)
        for number, part in enumerate(theirs.features):
            x = part(x)
            if number in FEATURES:
                expected.append(x)
        found = mine.features(images)
    return Moved(
        sum(p.numel() for p in mine.parameters()),
        sum(p.numel() for p in theirs.parameters()),
        len(moved),
        len(whole.state_dict()),
        [list(x.shape[1:]) for x in found],
        [(a - b).abs().max().item() for a, b in zip(found, expected, strict=True)],
    )


@styled
def moved_view(moved: Moved, guess: float | None) -> View:
    """Which share of the classifier's parameters moves into the detector. guess: of it, in %."""
    share = 100 * moved.params / moved.of_params
    figure, (axis,) = new_panels(7.6, 1.9, (0.02, 0.32, 0.96, 0.34))
    axis.barh([0], [share], color=PALETTE["sky"], height=0.9)
    axis.barh([0], [100 - share], left=share, color="#DDDDDD", height=0.9)
    words = {"ha": "center", "va": "center", "fontsize": 10}
    axis.text(share / 2, 0, f"moves into the detector: {share:.0f} %", **words)
    axis.text((share + 100) / 2, 0, "stays: the last layers", **words)
    axis.set(xlim=(0, 100), ylim=(-0.5, 0.5), yticks=[], xlabel="share of B0's parameters (%)")
    axis.set_title("Two thirds of the classifier become the detector's backbone", fontsize=11)
    axis.title.set_y(1.35)
    axis.grid(visible=False)
    draw_guess(axis, guess, y=0)
    numbers = {
        "parameters that move": f"{moved.params:,}, {share:.0f}% of the classifier's",
        "tensors that move": f"{moved.tensors} of {moved.of_tensors}",
        "parameters that stay behind": f"{moved.of_params - moved.params:,}",
    }
    return View(figure, f"{share:.0f} % of B0's parameters move into the detector.", numbers)


def show_moved(moved: Moved) -> None:
    """A table: each map, and how far the detector's is from the classifier's."""
    rows = []
    for level, (shape, apart) in enumerate(zip(moved.shapes, moved.apart, strict=True), start=1):
        used = "yes" if level >= 3 else "no"
        rows.append([f"P{level}", used, " × ".join(map(str, shape)), f"{apart:.4f}"])
    table(
        ["map", "used by D0", "channels × height × width (images of 256 px)", "largest difference"],
        rows,
    )
