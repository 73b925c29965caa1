"""What each part of the published detectors costs, for notebook 07."""

from collections.abc import Mapping

from effdet_lite.cost import Cost
from effdet_lite.costs import cost_by_part
from effdet_lite.scaling import EFFICIENTDETS, PUBLISHED
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, new_figure, styled
from effdet_lite.teach.nb.n07_efficientdet import NAMES
from effdet_lite.teach.nb.n07_ladder import NAMES as TITLES

LOOKS = {
    "backbone": ("sky", ""),
    "fusion": ("orange", "//"),
    "class_head": ("green", ".."),
    "box_head": ("purple", "xx"),
}
KINDS = {"params": "parameters", "macs": "MACs"}


def share(parts: Mapping[str, Cost], part: str, kind: str) -> float:
    """One part's share (0-1) of all parameters or MACs."""
    return getattr(parts[part], kind) / getattr(sum(parts.values()), kind)


def show_costs_by_part() -> None:
    """A table: each published detector, counted, beside the paper's figures, and its parts."""
    rows = []
    for name, config in EFFICIENTDETS.items():
        parts, paper = cost_by_part(config), PUBLISHED[name]
        total = sum(parts.values())
        rows.append(
            [
                TITLES[name],
                f"{total.params / 1e6:.2f}",
                f"{paper.params / 1e6:g}",
                f"{total.macs / 1e9:.2f}",
                f"{paper.macs / 1e9:g}",
                f"{total.macs / paper.macs - 1:+.1%}",
                *(f"{share(parts, part, 'macs'):.0%}" for part in NAMES),
            ]
        )
    heads = ["", "million parameters", "paper", "billion MACs", "paper's “FLOPs”"]
    table([*heads, "ours to theirs", *(f"MACs: {name}" for name in NAMES.values())], rows)


@styled
def show_shares() -> None:
    """Shares of the parts in parameters and MACs, from D0 to D7x."""
    counted = {TITLES[name]: cost_by_part(config) for name, config in EFFICIENTDETS.items()}
    figure, axes = new_figure(columns=2, width=9.4, height=3.9)
    for axis, (kind, words) in zip(axes[0], KINDS.items(), strict=True):
        below = [0.0] * len(counted)
        for part, (color, hatch) in LOOKS.items():
            high = [100 * share(parts, part, kind) for parts in counted.values()]
            look = {"hatch": hatch, "color": PALETTE[color], "edgecolor": "white"}
            axis.bar(list(counted), high, bottom=below, **look, label=NAMES[part])
            below = [low + more for low, more in zip(below, high, strict=True)]
        axis.set(ylabel=f"share of the {words} (%)", ylim=(0, 100))
        axis.tick_params(axis="x", labelsize=9)
    figure.legend(
        *axis.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False
    )
    figure.suptitle(
        "The backbone keeps most parameters; its share of MACs is lowest in D6 and D7", fontsize=12
    )
    first, last = counted["D0"], counted["D7"]
    show(
        figure,
        "The backbone keeps most of the parameters. Of the MACs it takes "
        f"{share(first, 'backbone', 'macs'):.0%} in D0 and {share(last, 'backbone', 'macs'):.0%} "
        "in D6 and D7, and BiFPN and box head grow.",
    )
