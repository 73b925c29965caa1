"""What the explorer of notebook 02 shows: one stage of an EfficientNet in its network, to scale."""

from effdet_lite import cost
from effdet_lite.scaling import EFFICIENTNETS
from effdet_lite.teach.kit.drawings import network_drawing
from effdet_lite.teach.kit.plots import new_panels, styled
from effdet_lite.teach.kit.shared import outline
from effdet_lite.teach.kit.widgets import View


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
    layers = [
        (row.kernel, row.stride if first else 1)
        for row in table[: stage + 1]
        for first in [True] + [False] * (row.blocks - 1)
    ]
    figure, (axis,) = new_panels(7.6, 3.4, (0, 0, 1, 1))
    network_drawing(axis, maps, marked=stage)
    side, c_in = (
        (maps[stage - 1].side, table[stage - 1].channels) if stage else (config.resolution, 3)
    )
    kind = "convolution" if stage in (0, 8) else f"MBConv{here.expand_ratio}"
    field = cost.receptive_field(layers).size
    numbers = {
        "in": f"{side} × {side} × {c_in}",
        "out": f"{maps[stage].side} × {maps[stage].side} × {here.channels}",
        "blocks": f"{here.blocks} × {kind}, kernel {here.kernel} × {here.kernel}, "
        f"stride {here.stride}",
        "parameters": f"{own.params:,} ({own.params / total.params:.1%})",
        "MACs": f"{own.macs / 1e6:,.1f} million ({own.macs / total.macs:.1%})",
        "receptive field of its convolutions": f"{field:,} px; the image has {config.resolution}",
    }
    return View(
        figure,
        f"{variant.upper()} to scale, from fine maps to coarse; marked: {maps[stage].name}.",
        numbers,
    )
