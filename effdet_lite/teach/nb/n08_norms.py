"""What batch norm does to a detector that sees few pictures at a time, for notebook 08."""

import copy
import functools
from collections.abc import Mapping

import torch
from torch import nn

from effdet_lite.norms import recalibrate_norms
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.plots import PALETTE, new_figure, styled
from effdet_lite.teach.kit.shared import shipped
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n08_small import ALPHA, SIDE, ap50, pictures, training_batches

PASSES = 32  # batches that go through the network
SIZES = {1: "pictures, one at a time", 4: "batches of four", 8: "batches of eight"}
JUDGED = 60  # validation pictures
SETTLED_ON = 64  # training pictures


def settled(model: nn.Module, number: int = SETTLED_ON) -> nn.Module:
    """A copy whose norms have the statistics of just these weights, from the first training
    pictures.
    """
    return recalibrate_norms(model, pictures("train", number), images=number)


def passed_through(model: nn.Module, size: int, passes: int = PASSES) -> nn.Module:
    """A copy that has seen so many batches in training mode, and of which no weight has moved."""
    model = copy.deepcopy(model).train()
    with torch.no_grad():
        for images, _ in training_batches(passes, size):
            model(images)
    return model.eval()


@functools.cache
def measured_norms() -> dict[str, float]:
    """AP50 on validation pictures of the shapes detector, whose weights stay the same: as it is,
    after batches of several sizes, and recalibrated.
    """
    judges = pictures("val", JUDGED)
    models = {"as it is shipped": shipped("shapes")[0]}
    models |= {f"after {PASSES} {words}": after_passes(size) for size, words in SIZES.items()}
    models["after the single pictures, recalibrated"] = settled(after_passes(1))
    return {name: ap50(one, judges) for name, one in models.items()}


@functools.cache
def after_passes(size: int) -> nn.Module:
    """The shapes detector after batches of this size have passed through it."""
    return passed_through(shipped("shapes")[0], size)


@functools.cache
def too_small() -> float:
    """The share of the running variances, after single pictures, that are smaller than those of
    the same weights, recalibrated.
    """
    alone = after_passes(1)
    pairs = zip(alone.named_buffers(), settled(alone).buffers(), strict=True)
    smaller = [one < other for (name, one), other in pairs if name.endswith("running_var")]
    return torch.cat(smaller).float().mean().item()


def ap50_after_single_pictures() -> float:
    """AP50 after single pictures went through the network."""
    return list(measured_norms().values())[1]


@styled
def norms_view(guesses: Mapping) -> View:
    """AP50 of the same weights, with five statistics. guesses: "08.b", after single pictures."""
    found = measured_norms()
    figure, axes = new_figure(width=8.6, height=3.4)
    axis = axes[0, 0]
    batches = [PALETTE["vermillion"], PALETTE["sky"], PALETTE["sky"]]
    colors = [PALETTE["blue"], *batches, PALETTE["green"]]
    axis.barh(list(found), list(found.values()), 0.6, color=colors)
    for row, value in enumerate(found.values()):
        axis.text(value + 0.01, row, f"{value:.2f}", va="center", fontsize=11)
    axis.set(xlim=(0, 1), ylim=(4.6, -0.6), xlabel=f"AP50 on {JUDGED} validation pictures (0–1)")
    axis.set_title("Not one weight differs between these five", loc="left")
    axis.tick_params(axis="y", labelsize=10)
    axis.grid(visible=False, axis="y")
    draw_guess(axis, guesses["08.b"], y=1.3)
    numbers = {name: f"AP50 {value:.2f}" for name, value in found.items()}
    numbers["running variances below recalibrated ones, after the single pictures"] = (
        f"{too_small():.0%}"
    )
    told = "; ".join(f"{name}: {value:.2f}" for name, value in found.items())
    return View(figure, f"AP50 of the same weights, {told}.", numbers)


# --- training on ---

RATE, STEPS = 0.001, 60


def trained_on(is_frozen: bool, size: int = 1, steps: int = STEPS) -> nn.Module:
    """A copy of the shapes detector after some more steps on small batches, in evaluation mode.

    is_frozen: whether the norms stayed in evaluation mode.
    """
    model = copy.deepcopy(shipped("shapes")[0]).train()
    if is_frozen:
        freeze_norms(model)
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    for images, targets in training_batches(steps, size):
        loss = model.loss(model(images), targets, (SIDE, SIDE), alpha=ALPHA)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
    return model.eval()


def freeze_norms(model: nn.Module) -> None:
    """Evaluation mode for the batch norms alone: their statistics stay as they are."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def show_single_pictures() -> None:
    """A table: AP50 after training on with single pictures, norms free or frozen."""
    judges = pictures("val", JUDGED)
    before, free, frozen = shipped("shapes")[0], trained_on(False), trained_on(True)
    models = {
        "before": (before, settled(before)),
        "norms free": (free, settled(free)),
        "norms frozen": (frozen, settled(frozen)),
    }
    rows = [
        [name, f"{ap50(one, judges):.2f}", f"{ap50(other, judges):.2f}"]
        for name, (one, other) in models.items()
    ]
    table([f"{STEPS} steps on single pictures", "AP50", "AP50, recalibrated"], rows)
