"""The losses of notebook 06: the seesaw of "yes" and "no", the first loss, Huber's two pieces."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from matplotlib.transforms import Affine2D
from torch import Tensor
from torch.nn import functional as F

from effdet_lite.anchors import Matches, match
from effdet_lite.efficientdet import PRIOR, EfficientDet
from effdet_lite.losses import detection_loss
from effdet_lite.randomness import own_numbers
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import PALETTE, new_figure, new_panels, styled
from effdet_lite.teach.kit.shared import shipped, unseen_pictures
from effdet_lite.teach.kit.typed import in_percent
from effdet_lite.teach.kit.widgets import View

BATCH, SURE = 8, 0.9  # pictures; the probability from which an answer is sure
YES, UNSURE, SURE_NO = "“yes”", "unsure “no”", "sure “no”"
HATCHES = {YES: "", UNSURE: "//", SURE_NO: ".."}
GROUPS = {YES: PALETTE["blue"], UNSURE: PALETTE["orange"], SURE_NO: PALETTE["sky"]}


# --- the seesaw ---


@functools.cache
def batch() -> tuple[Tensor, Matches]:
    """The first BATCH test pictures [N, 3, H, W], and what the detector's anchors should say."""
    model, _ = shipped("shapes")
    items = [unseen_pictures()[index] for index in range(BATCH)]
    images = torch.stack([image for image, _ in items]).as_subclass(Tensor)
    boxes = [target["boxes"].as_subclass(Tensor) for _, target in items]
    matches = match(model.anchors(*images.shape[-2:]), boxes, [one["labels"] for _, one in items])
    return images, matches


@functools.cache
def right_answers() -> dict[str, Tensor]:
    """The probability that the trained detector gives to the right answer, for each question of the
    batch, by kind of answer.
    """
    model, _ = shipped("shapes")
    images, matches = batch()
    with torch.no_grad():
        logits, _ = model(images)
    yes = F.one_hot(matches.labels.clamp(min=0), logits.shape[-1]).bool()
    yes &= (matches.labels >= 0)[..., None]
    right = torch.where(yes, logits, -logits).sigmoid().double()
    sure = right > SURE
    return {YES: right[yes], UNSURE: right[~yes & ~sure], SURE_NO: right[~yes & sure]}


def shares(gamma: float, alpha: float) -> dict[str, float]:
    """Each kind's share of the loss (0–1), with this focus γ and this weight α of "yes"."""
    sums = {}
    for name, right in right_answers().items():
        weight = alpha if name == YES else 1 - alpha
        sums[name] = float(weight * ((1 - right) ** gamma * -right.log()).sum())
    total = sum(sums.values())
    if not total:
        raise ValueError("with these settings no answer weighs anything.")
    return {name: value / total for name, value in sums.items()}


@styled
def seesaw_view(gamma: float, alpha: float) -> View:
    """What weighs how much in the trained detector's loss. gamma: 0 or more; alpha: 0–1."""
    found = shares(gamma, alpha)
    figure, (axis,) = new_panels(6.6, 3.3, (0.01, 0.02, 0.98, 0.86))
    _draw_seesaw(axis, found)
    axis.set_title(_verdict(found), fontsize=11)
    numbers = {
        name: f"{len(right_answers()[name]):,} answers, {in_percent(share, digits=1)} of the loss"
        for name, share in found.items()
    }
    told = ", ".join(f"{name} {in_percent(share, digits=1)}" for name, share in found.items())
    return View(figure, f"Shares of the loss with γ = {gamma:g}, α = {alpha:g}: {told}.", numbers)


def _verdict(found: Mapping[str, float]) -> str:
    yes, no = found[YES], found[UNSURE] + found[SURE_NO]
    if abs(yes - no) < 0.04:
        return "“yes” and “no” weigh about the same"
    heavier, share = ("“yes”", yes) if yes > no else ("“no”", no)
    return f"{heavier} weighs more: {in_percent(share)} of the loss"


def _draw_seesaw(axis: Axes, found: Mapping[str, float]) -> None:
    """A beam on a wedge: "yes" on its left end, both kinds of "no" on its right one, each as high
    as its share of the loss. The beam leans to the heavier side.
    """
    axis.set(xlim=(-1.65, 2.95), ylim=(-0.6, 1.25), aspect="equal", xticks=[], yticks=[])
    axis.set_frame_on(False)
    axis.grid(visible=False)
    lean = 14 * (found[YES] - found[UNSURE] - found[SURE_NO])  # degrees, up on the right
    turn = Affine2D().rotate_deg(lean)
    axis.add_artist(Polygon([(0, -0.03), (-0.16, -0.5), (0.16, -0.5)], color="#666666"))
    beam = [(-1.4, -0.03), (1.4, -0.03), (1.4, 0.03), (-1.4, 0.03)]
    axis.add_artist(Polygon(beam, color="#333333", transform=turn + axis.transData))
    low = 0.03
    no_low = {UNSURE: low, SURE_NO: low + found[UNSURE]}
    stands = {YES: (-1.35, -0.75, low)} | {name: (0.75, 1.35, y) for name, y in no_low.items()}
    for name, (left, right, bottom) in stands.items():
        top = bottom + found[name]
        corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
        look = {"facecolor": GROUPS[name], "edgecolor": "black", "linewidth": 0.8}
        where = turn + axis.transData
        axis.add_artist(Polygon(corners, hatch=HATCHES[name], transform=where, **look))
    x, y = turn.transform((-1.05, low + found[YES] + 0.06))
    axis.text(
        x, y, f"{YES} {in_percent(found[YES], digits=1)}", ha="center", va="bottom", fontsize=9
    )
    apart = 0.26  # between the two lines of words
    heights = [turn.transform((1.35, no_low[name] + found[name] / 2))[1] for name in no_low]
    heights[1] = max(heights[1], heights[0] + apart)
    for name, height in zip(no_low, heights, strict=True):
        x = turn.transform((1.35, no_low[name]))[0] + 0.14
        axis.text(
            x,
            height,
            f"{name} {in_percent(found[name], digits=1)}",
            ha="left",
            va="center",
            fontsize=9,
        )


def show_seesaws(settings: Mapping[str, tuple[float, float]]) -> None:
    """The seesaw at several settings (γ, α), by name, side by side."""
    _show_seesaws({name: shares(*values) for name, values in settings.items()})


@styled
def _show_seesaws(found: Mapping[str, Mapping[str, float]]) -> None:
    figure, axes = new_figure(1, len(found), width=3.1 * len(found), height=2.1)
    told = []
    for axis, (name, one) in zip(axes[0], found.items(), strict=True):
        _draw_seesaw(axis, one)
        axis.set_title(name, fontsize=10)
        told.append(
            f"{name}: "
            + ", ".join(f"{kind} {in_percent(share, digits=1)}" for kind, share in one.items())
        )
    figure.suptitle("γ silences the sure “no”, and α weighs “yes” against “no”", fontsize=11)
    show(figure, f"Shares of the loss. {'; '.join(told)}.")


@styled
def share_view(guess: float | None) -> View:
    """The share of each kind of answer in the number of answers and in the cross-entropy; the guess
    stands at the sure "no".
    """
    counts = {name: right.numel() for name, right in right_answers().items()}
    total, found = sum(counts.values()), shares(0, 0.5)
    figure, (axis,) = new_panels(7.2, 2.9, (0.16, 0.2, 0.8, 0.64))
    places = range(len(counts))
    bars = {
        "of the answers": [100 * count / total for count in counts.values()],
        "of the cross-entropy": [100 * share for share in found.values()],
    }
    for number, (name, values) in enumerate(bars.items()):
        at = [place + 0.38 * (number - 0.5) for place in places]
        hatch = ("", "//")[number]
        color = ("#BBBBBB", PALETTE["purple"])[number]  # none of GROUPS
        axis.barh(at, values, 0.36, label=name, color=color, hatch=hatch, edgecolor="black")
        for place, value in zip(at, values, strict=True):
            axis.text(value + 1, place, f"{value:.1f} %", va="center", fontsize=9)
    names = [YES, f"{UNSURE}\np ≤ {SURE}", f"{SURE_NO}\np > {SURE}"]
    axis.set(yticks=list(places), yticklabels=names, ylim=(2.6, -0.6), xlim=(0, 118))
    axis.set(xlabel="share (%)", xticks=range(0, 101, 20))
    axis.set_title("What is right already makes most of the cross-entropy", fontsize=11)
    axis.legend(loc="upper right", fontsize=9)
    draw_guess(axis, guess, y=2.19)
    numbers = {
        name: f"{counts[name]:,} answers, {in_percent(found[name], digits=1)} of the cross-entropy"
        for name in counts
    }
    told = ", ".join(f"{name} {in_percent(share, digits=1)}" for name, share in found.items())
    return View(figure, f"Shares of the cross-entropy: {told}.", numbers)


# --- the first loss ---


class First(NamedTuple):
    """A class loss at the first step, by formula and measured (None: not measured)."""

    prior: float
    formula: float
    measured: float | None


@functools.cache
def first_losses_measured() -> dict[float, float]:
    """The class loss of a fresh detector of the course's own size on the batch, with the prior and
    with a bias of 0.
    """
    images, matches = batch()
    config = shipped("shapes")[0].config
    found = {}
    for prior in (0.5, PRIOR):
        with own_numbers(0):
            fresh = EfficientDet(config, len(unseen_pictures().classes))
        bias = fresh.class_head.predict.pointwise.bias
        torch.nn.init.constant_(bias, math.log(prior / (1 - prior)))
        with torch.no_grad():
            found[prior] = float(detection_loss(*fresh(images), matches).class_loss)
    return found


@styled
def first_loss_view(formula: Mapping[str, float], guess: float | None) -> View:
    """First class losses by formula, beside those of a fresh detector; the guess is of the one
    without the prior. formula: by "without the prior" and "with the prior".
    """
    measured = dict(zip(formula, first_losses_measured().values(), strict=True))
    figure, (axis,) = new_panels(7.2, 2.7, (0.19, 0.22, 0.77, 0.62))
    for number, (kind, values) in enumerate({"formula": formula, "measured": measured}.items()):
        at = [place + 0.38 * (number - 0.5) for place in range(len(values))]
        color, hatch = (PALETTE["sky"], PALETTE["orange"])[number], ("", "//")[number]
        look = {"color": color, "hatch": hatch, "edgecolor": "black"}
        axis.barh(at, list(values.values()), 0.36, label=kind, **look)
        for place, value in zip(at, values.values(), strict=True):
            axis.text(value * 1.1, place, f"{value:,.2f}", va="center", fontsize=9)
    ticks = (1, 10, 100, 1000)
    axis.set(xscale="log", xlim=(0.3, 4000), ylim=(1.6, -0.8))
    axis.set(yticks=[0, 1], yticklabels=list(formula))
    axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel("class loss at the first step")
    axis.set_title("The prior makes the first loss about two hundred times smaller", fontsize=11)
    axis.legend(loc="lower right", fontsize=9)
    draw_guess(axis, guess, y=0.19)
    numbers = {
        name: f"formula {formula[name]:,.2f}, measured {measured[name]:,.2f}" for name in formula
    }
    told = "; ".join(f"{name}: {words}" for name, words in numbers.items())
    return View(figure, f"Class loss at the first step. {told}.", numbers)


# --- curves ---


@styled
def show_focal_curves(gammas: Sequence[float] = (0, 1.5, 2)) -> None:
    """The loss of one answer against the probability that the model gives to the right answer."""
    p = np.append(np.linspace(0.001, 0.999, 400), 1 - np.geomspace(9e-4, 1e-7, 60))
    marked = slice(0, 400, 50)  # not the many points near 1
    figure, axes = new_figure(1, 2, width=6.4, height=2.6)
    for gamma in gammas:
        name = "γ = 0: cross-entropy" if gamma == 0 else f"γ = {gamma:g}"
        for axis in axes[0]:
            axis.plot(p, (1 - p) ** gamma * -np.log(p), label=name, markevery=marked)
    figure.supxlabel("p: probability given to the right answer", fontsize=10)
    for axis in axes[0]:
        axis.set_ylabel("loss of one answer")
    axes[0, 0].set(ylim=(0, 3), title="as it is")
    axes[0, 1].set(yscale="log", ylim=(1e-6, 10), title="on a logarithmic scale")
    axes[0, 0].legend()
    told = ", ".join(f"{0.01**gamma * -math.log(0.99):.6f} with γ = {gamma:g}" for gamma in gammas)
    show(figure, f"The larger γ, the less a sure answer costs. At p = 0.99: {told}.")


@styled
def show_huber(delta: float = 0.1) -> None:
    """Square, absolute value and Huber of an error, and how hard each pulls."""
    errors = torch.linspace(-0.5, 0.5, 201)
    huber = F.huber_loss(errors, torch.zeros_like(errors), reduction="none", delta=delta)
    losses = {
        "square: ½ e²": errors**2 / 2,
        f"{delta} · |e|": delta * errors.abs(),
        f"Huber, δ = {delta}": huber,
    }
    figure, axes = new_figure(1, 2, width=6.4, height=2.6)
    for name, loss in losses.items():
        axes[0, 0].plot(errors, loss, label=name, markevery=25)
        axes[0, 1].plot(errors[1:], loss.diff() / errors.diff(), label=name, markevery=25)
    for axis in axes[0]:
        axis.set_xlabel("error e of one number")
    axes[0, 0].set_ylabel("loss")
    axes[0, 1].set_ylabel("pull: slope of the loss")
    axes[0, 0].set_title("Huber: a bowl inside, lines outside", fontsize=10)
    axes[0, 1].set_title(f"its pull stops growing at {delta}", fontsize=10)
    axes[0, 0].legend()
    show(
        figure,
        f"Huber's loss is the square up to {delta}, and a line from there on; its pull never "
        f"exceeds {delta}.",
    )
