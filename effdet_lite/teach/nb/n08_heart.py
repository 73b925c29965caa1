"""Eight pictures learned by heart, for notebook 08: what the loss says, and what AP50 says."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from torch import nn

from effdet_lite.losses import detection_loss
from effdet_lite.matching import fast_match
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import PALETTE, new_figure, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n08_opening import judged_pictures, rows_of_pictures
from effdet_lite.teach.nb.n08_small import ALPHA, GAMMA, SIDE, Batch

SHOWN = (0, 2, 5, 6)  # of the eight: their grounds have no color that boxes are drawn in


# --- what the loss says, and what AP50 says ---


@styled
def heart_view(losses: Sequence[float], ap50: float, guesses: Mapping) -> View:
    """The loss of each step, and AP50 on the same pictures. guesses: "08.a", this AP50."""
    figure, axes = new_figure(1, 2, width=9.4, height=3.4)
    left, right = axes[0]
    steps = range(1, len(losses) + 1)
    left.plot(steps, losses, markevery=[*range(0, len(losses), 5), len(losses) - 1])
    left.set(xlabel="training step", ylabel="loss of the eight pictures", ylim=(0, None))
    left.set(title=f"The loss says “learned”: {losses[-1]:.2f}", xlim=(0, len(losses) + 1))
    right.bar([0], [ap50], width=0.5, color=PALETTE["blue"])
    right.text(0, ap50 + 0.02, f"{ap50:.2f}", ha="center", fontsize=11)
    right.set(xlim=(-1, 1.4), ylim=(0, 1.1), ylabel="AP50 (0–1)")
    right.set_xticks([0], ["the same eight pictures"])
    right.set_title(
        f"AP50 says “not learned”: {ap50:.2f}" if ap50 < 0.9 else f"AP50 says {ap50:.2f}"
    )
    draw_guess(right, guesses["08.a"], x=0.3)
    numbers = {
        "loss at step 1": f"{losses[0]:.2f}",
        f"loss at step {len(losses)}": f"{losses[-1]:.2f}",
        "AP50 on the eight pictures": f"{ap50:.2f}",
    }
    words = (
        f"In {len(losses)} steps the loss falls from {losses[0]:.1f} to {losses[-1]:.1f}, and yet "
        f"AP50 on the same eight pictures is {ap50:.2f}."
    )
    return View(figure, words, numbers)


def show_same_weights(before: nn.Module, after: nn.Module) -> None:
    """Four of the eight pictures, with what the model finds before and after its norms were
    settled.
    """
    rows = {"as training left it": before, "the same weights, recalibrated": after}
    results = {name: judged_pictures(model, SHOWN, "train") for name, model in rows.items()}
    told = {
        name: f"right boxes {sum(one.count('right') for _, one in found)}"
        for name, found in results.items()
    }
    alt = "; ".join(f"{name}: {count}" for name, count in told.items())
    show(rows_of_pictures(results, SHOWN, "train"), f"Four of the eight pictures. {alt}.")


# --- the first loss ---


def parts_of_first_loss(model: nn.Module, batch: Batch) -> dict[str, tuple[int, float]]:
    """(how many answers, what they add to the class loss) of those that should be "yes" and of
    those that should be "no", and under "total" of both.
    """
    images, targets = batch
    with torch.no_grad():
        logits, deltas = model.train()(images)
    matches = fast_match(
        model.anchors(SIDE, SIDE),
        [one["boxes"] for one in targets],
        [one["labels"] for one in targets],
    )
    total = detection_loss(logits, deltas, matches, alpha=ALPHA, gamma=GAMMA).class_loss.item()
    found = matches.labels >= 0
    normalizer = found.sum() + 1
    own = logits[found].gather(1, matches.labels[found][:, None])
    wrong = torch.sigmoid(-own)  # how far each "yes" is from 1
    yes = (ALPHA * wrong**GAMMA * -torch.log(torch.sigmoid(own))).sum() / normalizer
    answers, positives = logits.numel(), int(found.sum())
    return {
        "yes": (positives, float(yes)),
        "no": (answers - positives, total - float(yes)),
        "total": (answers, total),
    }


@styled
def first_loss_view(parts: Mapping[str, tuple[int, float]], guesses: Mapping) -> View:
    """How much of the first class loss each kind of answer gives. guesses: "08.c", the share of
    those that should be "no", in percent.
    """
    total = parts["total"][1]
    shares = {kind: 100 * parts[kind][1] / total for kind in ("yes", "no")}
    figure, axes = new_figure(width=8.4, height=2.5)
    axis: Axes = axes[0, 0]
    names = [f"{parts[kind][0]:,} answers\nshould be “{kind}”" for kind in shares]
    axis.barh([0, 1], list(shares.values()), 0.55, color=(PALETTE["blue"], PALETTE["orange"]))
    for row, (kind, share) in enumerate(shares.items()):
        words = f" {parts[kind][1]:.2f}, {share:.0f} %"
        axis.text(share, row, words, va="center", fontsize=11)
    axis.set_yticks([0, 1], names)
    axis.set(xlim=(0, 118), ylim=(1.6, -0.6), xlabel=f"share of the class loss of {total:.2f} (%)")
    axis.set_xticks(range(0, 101, 20))
    axis.set_title("A few hundred answers make nearly all of the first class loss", loc="left")
    axis.grid(visible=False, axis="y")
    draw_guess(axis, guesses["08.c"], y=1.2)
    numbers = {
        "class loss at step 1": f"{total:.2f}",
        **{
            f"of it from answers that should be “{kind}”": f"{parts[kind][1]:.2f}, {share:.0f} %"
            for kind, share in shares.items()
        },
    }
    words = (
        f"Of the first class loss, {total:.2f}, the {parts['yes'][0]:,} answers that should be yes "
        f"give {shares['yes']:.0f} %, and the {parts['no'][0]:,} that should be no "
        f"{shares['no']:.0f} %."
    )
    return View(figure, words, numbers)
