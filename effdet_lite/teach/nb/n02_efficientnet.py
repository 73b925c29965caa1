"""Pictures of all of B0 for notebook 02: its fame, its stages to scale, and where its cost sits."""

from effdet_lite import cost
from effdet_lite.cost import Cost
from effdet_lite.scaling import EFFICIENTNETS
from effdet_lite.teach.kit.drawings import network_drawing
from effdet_lite.teach.kit.famous import OTHERS, efficientnets, imagenet_curve
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import PALETTE, new_figure, new_panels, styled
from effdet_lite.teach.kit.shared import outline
from effdet_lite.teach.kit.typed import in_percent
from effdet_lite.teach.kit.widgets import View


@styled
def show_fame_of_b0() -> None:
    """ImageNet accuracy against MACs, with an arrow from ResNet-50 to B0."""
    figure, axes = new_figure(width=6.6, height=3.6)
    axis = axes[0, 0]
    imagenet_curve(axis)
    old, new = OTHERS["ResNet-50"], efficientnets()["B0"]
    arrow = {"arrowstyle": "->", "color": PALETTE["black"], "shrinkA": 6, "shrinkB": 6}
    axis.annotate("", new, old, arrowprops=arrow)
    axis.text(1.25, 75.7, "a tenth of the work", ha="center", fontsize=9)
    axis.set_title("B0 is more accurate than ResNet-50, for a tenth of the work", fontsize=11)
    show(
        figure,
        f"B0 reaches {new.top1} % with {new.macs:g} billion MACs, ResNet-50 {old.top1:.1f} % with "
        f"{old.macs:g} billion. B0 to B7 form a curve to the left of all other networks.",
    )


@styled
def show_b0_to_scale() -> None:
    """B0's stem, stages and head as slabs, darker where more of the MACs are."""
    maps = outline(EFFICIENTNETS["b0"]).maps
    figure, (axis,) = new_panels(8.2, 3.6, (0, 0, 1, 0.93))
    network_drawing(axis, maps, marked=6)
    axis.set_title("Stage 6 does the most work: 24 % of the MACs", fontsize=11, y=0.97)
    show(
        figure,
        "B0 as nine groups of slabs, from a fine, thin map of 112 × 112 × 32 to a coarse, thick "
        "one of 7 × 7 × 1280. Stage 6 is the darkest, with 24 % of the MACs.",
    )


def receptive_fields(variant: str = "b0") -> list[int]:
    """Of stem, seven stages and head: the side in px of the window that one position of each could
    see through the convolutions.
    """
    table, _, _ = outline(EFFICIENTNETS[variant])
    layers, found = [], []
    for row in table:
        layers += [(row.kernel, row.stride)] + [(row.kernel, 1)] * (row.blocks - 1)
        found.append(cost.receptive_field(layers).size)
    return found


@styled
def stage_view(stage: int, variant: str) -> View:
    """One stage of "b0" ... "b7" at its own resolution: what goes in and comes out, its cost, its
    receptive field.

    stage: 0 is the stem, 1-7 are the rows of the table, 8 is the head: 1x1 convolution, mean,
    classifier.
    """
    config = EFFICIENTNETS[variant]
    table, costs, maps = outline(config)
    total, here, own = sum(costs), table[stage], costs[stage]
    figure, (axis,) = new_panels(8.2, 3.5, (0, 0, 1, 1))
    network_drawing(axis, maps, marked=stage)
    side, c_in = (
        (maps[stage - 1].side, table[stage - 1].channels) if stage else (config.resolution, 3)
    )
    kind = "convolution" if stage in (0, 8) else f"MBConv{here.expand_ratio}"
    of_the_first = " of the first" if here.blocks > 1 else ""
    field = receptive_fields(variant)[stage]
    numbers = {
        "in": f"{side} × {side} × {c_in}",
        "out": f"{maps[stage].side} × {maps[stage].side} × {here.channels}",
        "blocks": f"{here.blocks} × {kind}, kernel {here.kernel} × {here.kernel}, "
        f"stride{of_the_first} {here.stride}",
        "parameters": f"{own.params:,} ({in_percent(own.params / total.params, 1)})",
        "MACs": f"{own.macs / 1e6:,.1f} million ({in_percent(own.macs / total.macs, 1)})",
        "receptive field of its convolutions": f"{field:,} px; the image has {config.resolution}",
    }
    return View(
        figure,
        f"{variant.upper()} to scale, from fine maps to coarse; marked: {maps[stage].name}.",
        numbers,
    )


@styled
def show_cost_shares(costs: list[Cost]) -> None:
    """Each part's share of B0's parameters and MACs, as bars with their numbers.

    costs: of stem, seven stages and head.
    """
    total = sum(costs)
    figure, axes = new_figure(width=8.2, height=3.4)
    axis = axes[0, 0]
    for offset, kind, label, hatch in (
        (-0.21, "params", "parameters", ""),
        (0.21, "macs", "MACs at 224 px", "//"),
    ):
        shares = [100 * getattr(own, kind) / getattr(total, kind) for own in costs]
        places = [number + offset for number in range(len(costs))]
        axis.bar(places, shares, 0.4, label=label, hatch=hatch, edgecolor="white")
        for x, share in zip(places, shares, strict=True):
            words = f"{share:.0f}" if share >= 1 else f"{share:.1g}"
            axis.text(x, share + 0.6, words, ha="center", fontsize=9)
    names = ["stem", *(f"stage {number}" for number in range(1, 8)), "head"]
    axis.set(ylabel="share of B0 (%)", xticks=range(9), xticklabels=names, ylim=(0, 44))
    axis.set_title("Parameters sit late; the work is spread out", fontsize=11)
    axis.legend(loc="upper left")
    show(
        figure,
        "Share of parameters and of MACs by part: stage 6 has 38 % of the parameters and the head "
        "32 %; the MACs are spread over stages 2 to 7, from 8 % to 24 %.",
    )
