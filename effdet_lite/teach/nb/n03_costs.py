"""What depth, width and resolution cost, for notebook 03: counted on B0, and beside the formula."""

import itertools
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from effdet_lite.cost import Cost
from effdet_lite.costs import cost_by_stage
from effdet_lite.efficientnet import EfficientNet
from effdet_lite.scaling import EfficientNetConfig
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import COLORS, MARKERS, new_figure, new_panels, styled
from effdet_lite.teach.kit.widgets import View

RESOLUTION = 224
HUES = dict(zip(("depth", "width", "resolution", "compound"), COLORS, strict=False))
KINDS = ("pointwise", "depthwise", "stem", "gates", "classifier")
STEPS = (1, 1.2, 1.4, 1.6, 1.8, 2)  # of each knob, where the formula meets the count


@styled
def doubled_view(b0: Cost, doubled: Mapping[str, Cost], guess: float | None) -> View:
    """How many times B0's MACs each network takes, as bars; the guess stands on the one for width.

    doubled: by name, "depth × 2" for instance.
    """
    figure, (axis,) = new_panels(7.0, 3.2, (0.1, 0.13, 0.87, 0.74))
    times = {name: cost.macs / b0.macs for name, cost in doubled.items()}
    for place, (name, height) in enumerate(times.items()):
        axis.bar(place, height, 0.55, color=HUES[name.split()[0]])
        axis.text(place, height + 0.08, f"{height:.2f} ×", ha="center")
    axis.axhline(1, color="#777777", linestyle=":", marker="")
    axis.text(-0.44, 1.06, "B0", fontsize=9)
    axis.set(xticks=range(len(times)), xticklabels=list(times), xlim=(-0.5, len(times) - 0.3))
    axis.set(ylim=(0, 5), ylabel="MACs in those of B0")
    axis.set_title("Doubling width or resolution costs nearly twice what doubling depth does")
    draw_guess(axis, guess, x=list(times).index("width × 2") + 0.33)
    words = ", ".join(f"{name}: {value:.2f} times" for name, value in times.items())
    return View(figure, f"MACs in those of B0. {words}.", {})


def costs_table(b0: Cost, doubled: Mapping[str, Cost]) -> None:
    """How many times B0's MACs and parameters each network has."""
    rows = [["all MACs", f"{b0.macs / 1e6:.1f}"], ["parameters", f"{b0.params / 1e6:.1f}"]]
    for cost in doubled.values():
        rows[0].append(f"{cost.macs / b0.macs:.2f}")
        rows[1].append(f"{cost.params / b0.params:.2f}")
    table(["", "B0, million", *(f"{name}: times" for name in doubled)], rows)


# --- deeper: where the last few percent go ---


def kind_of(name: str, layer: nn.Module) -> str:
    """Which of KINDS a layer of EfficientNet is, by its name and its groups."""
    for kind in ("stem", "classifier"):
        if name.startswith(kind):
            return kind
    if "squeeze" in name:
        return "gates"
    return "depthwise" if layer.groups > 1 else "pointwise"


def macs_by_kind(
    depth: float = 1, width: float = 1, resolution: int = RESOLUTION
) -> dict[str, int]:
    """The MACs of each of KINDS, counted while an image goes through B0 with these multiples.

    A layer uses each of its weights once at each position of the map that it puts out. The network
    is on the meta device, which knows shapes and computes nothing.
    """
    found = dict.fromkeys(KINDS, 0)

    def counter(kind: str):
        def count(layer, inputs, output):
            found[kind] += layer.weight.numel() * output.shape[2:].numel()

        return count

    with torch.device("meta"):
        network = EfficientNet(EfficientNetConfig(width, depth, resolution)).eval()
        image = torch.empty(1, 3, resolution, resolution)
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(counter(kind_of(name, layer)))
    with torch.no_grad():
        network(image)
    return found


def kinds_table(doubled: Mapping[str, Mapping[str, float]]) -> None:
    """A line for each kind of layer: B0's MACs, and how many times that each network takes.

    doubled: what `macs_by_kind` takes, by name.
    """
    b0 = macs_by_kind()
    others = [macs_by_kind(**sizes) for sizes in doubled.values()]
    rows = [
        [kind, f"{macs / 1e6:.1f}", *(f"{other[kind] / macs:.2f}" for other in others)]
        for kind, macs in b0.items()
    ]
    table(["kind of layer", "B0, million MACs", *(f"{name}: times" for name in doubled)], rows)


def stages_table(depth: float) -> None:
    """A line for each part of B0: its MACs, and how many times that with `depth` times the
    blocks.
    """
    names = ["stem", *(f"stage {number}" for number in range(1, 8)), "head"]
    once, twice = cost_by_stage(1, 1, RESOLUTION), cost_by_stage(1, depth, RESOLUTION)
    rows = [
        [name, f"{one.macs / 1e6:.1f}", f"{two.macs / 1e6:.1f}", f"{two.macs / one.macs:.2f}"]
        for name, one, two in zip(names, once, twice, strict=True)
    ]
    table(["part", "B0, million MACs", f"depth × {depth:g}", "times"], rows)


def rule_and_count() -> list[tuple[float, float, float]]:
    """(depth, the formula's growth, the counted one) for each combination of STEPS."""
    b0 = sum(cost_by_stage(1, 1, RESOLUTION)).macs
    found = []
    for depth, width, times in itertools.product(STEPS, repeat=3):
        resolution = round(RESOLUTION * times)
        rule = depth * width**2 * (resolution / RESOLUTION) ** 2
        found.append((depth, rule, sum(cost_by_stage(width, depth, resolution)).macs / b0))
    return found


@styled
def show_rule_and_count() -> None:
    """The counted growth over the formula's, for networks between B0 and twice of everything."""
    depths, rule, counted = map(np.array, zip(*rule_and_count(), strict=True))
    ratio, whole = counted / rule, depths == np.floor(depths)
    figure, axes = new_figure(width=7.0, height=3.2)
    axis = axes[0, 0]
    for number, (chosen, words) in enumerate(
        ((whole, "depth × 1 or × 2"), (~whole, "depth in between"))
    ):
        look = {"marker": MARKERS[number], "color": COLORS[number], "linestyle": ""}
        axis.plot(rule[chosen], ratio[chosen], **look, label=words)
    axis.axhline(1, color="black", linestyle="--", marker="", lw=1)
    axis.set(xlabel="growth by the formula, d · w² · r²", ylabel="counted / formula", xscale="log")
    axis.set_xticks([1, 2, 4, 8, 16, 32], ["1", "2", "4", "8", "16", "32"])
    axis.minorticks_off()
    axis.set_title("Between whole depths the formula promises too little", fontsize=11)
    axis.legend(fontsize=9)
    show(
        figure,
        f"Counted growth over the formula's for {len(ratio)} networks: {ratio[whole].min():.2f} to "
        f"{ratio[whole].max():.2f} with whole depths, up to {ratio.max():.2f} between them.",
    )
    for words, some in (("all", ratio), ("whole depths", ratio[whole])):
        print(f"counted / rule, {words}: {some.min():.2f} to {some.max():.2f}")
