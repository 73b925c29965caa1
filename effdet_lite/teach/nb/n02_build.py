"""The comparison of notebook 02: a B0 built by hand, and torchvision's, part by part."""

import torch
from torch import Tensor, nn
from torchvision.models import EfficientNet

from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, new_figure, styled

PARTS = ("stem", *(f"stage {number}" for number in range(1, 8)), "head")
SHOWN = 60  # of the 1,000 answers; more could not be told apart


def parts_of(reference: EfficientNet) -> list[nn.Module]:
    """torchvision's network as its stem, seven stages and head."""
    head = (reference.features[8], reference.avgpool, nn.Flatten(), reference.classifier)
    return [*reference.features[:8], nn.Sequential(*head)]


def same_outputs(mine: nn.Sequential, reference: EfficientNet, images: Tensor) -> list[bool]:
    """For each part, whether both put out the same, given the same: one after another."""
    found, x = [], images
    with torch.no_grad():
        for own, other in zip(mine, parts_of(reference), strict=True):
            expected = other(x)
            found.append(bool(torch.allclose(own(x), expected, atol=1e-4)))
            x = expected
    return found


def compare_part_by_part(mine: nn.Sequential, reference: EfficientNet, images: Tensor) -> None:
    """A table: each part's tensors and parameters, the parameters so far, and whether both networks
    put out the same. Raises AssertionError where one part does not.
    """
    same = same_outputs(mine, reference, images)
    rows, so_far, tensors = [], 0, 0
    for name, part, is_same in zip(PARTS, mine, same, strict=True):
        own = [weights.numel() for weights in part.parameters()]
        so_far += sum(own)
        tensors += len(own)
        words = "the same" if is_same else "different"
        rows.append([name, len(own), f"{sum(own):,}", f"{so_far:,}", words])
    table(["part", "tensors", "parameters", "so far", "both outputs"], rows)
    print(f"{tensors} tensors, {so_far:,} parameters")
    assert all(same), "one part puts out something else than torchvision's"


@styled
def show_both_answers(mine: Tensor, theirs: Tensor) -> None:
    """The first answers of two networks to the first image, on top of each other.

    mine, theirs: [N, 1000].
    """
    figure, axes = new_figure(width=8.2, height=2.8)
    axis = axes[0, 0]
    look = {"linestyle": "none", "marker": "o"}
    ring = look | {"color": PALETTE["black"], "markersize": 8, "markerfacecolor": "none"}
    dot = look | {"color": PALETTE["vermillion"], "markersize": 4}
    axis.plot(theirs[0, :SHOWN], **ring, label="torchvision")
    axis.plot(mine[0, :SHOWN], **dot, label="yours")
    axis.set(xlabel=f"class (the first {SHOWN} of 1,000)", ylabel="answer", xlim=(-1, SHOWN))
    axis.set_title("Every answer of your network is torchvision's", fontsize=11)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.25 * (high - low))  # room for the legend
    axis.legend(loc="upper left", ncols=2, fontsize=9)
    apart = in_bound((mine - theirs).abs().max().item())
    show(
        figure,
        f"The answers of both networks to one image lie on top of each other; of all, the largest "
        f"difference is {apart}.",
    )
    print(f"largest difference of {mine.numel():,} answers: {apart}")


def in_bound(difference: float) -> str:
    """A difference with four decimals, or that it is below what four decimals can say."""
    return f"{difference:.4f}" if difference >= 0.0001 else "less than 0.0001"
