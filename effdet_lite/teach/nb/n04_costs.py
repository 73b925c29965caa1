"""What a pyramid of images costs, and what a pyramid of maps, for notebook 04."""

import functools
from dataclasses import replace

import torch

from effdet_lite import cost
from effdet_lite.cost import Cost
from effdet_lite.costs import cost_by_part, cost_by_stage, fusion_cost
from effdet_lite.efficientnet import level_channels
from effdet_lite.experiments.one_level import image_pyramid_share
from effdet_lite.experiments.plain import LEVELS, SIZE, detector
from effdet_lite.fusion import fpn
from effdet_lite.scaling import EFFICIENTDETS
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.widgets import View

PARTS = ("backbone", "between", "heads")
SIDE = 512  # px, of D0's images
IMAGES = 5  # of an image pyramid, one for each level from P3 to P7


def backbone_cost(side: int) -> Cost:
    """B0 without its classifier, on an image of side x side px."""
    return sum(cost_by_stage(1.0, 1.0, side, None))


def reduced_images_share() -> float:
    """MACs of B0 on one image in five sizes, each half as wide and high as the one before, over
    those on the image alone.
    """
    return image_pyramid_share(backbone_cost, SIDE, IMAGES)


def feature_pyramid_share() -> float:
    """MACs of B0 on one image with an FPN over its maps, P3 to P7, over those of B0 alone."""
    parts = pyramid_costs(SIDE)["feature pyramid"]
    return (parts["backbone"] + parts["between"]).macs / parts["backbone"].macs


def runs_for_all_levels() -> tuple[int, int]:
    """(how often the small detector's backbone runs, how many maps its FPN puts out), counted while
    it looks at one picture.
    """
    model, runs = detector(fpn(LEVELS), 6).eval(), []
    hook = model.backbone.levels[0].register_forward_hook(lambda *call: runs.append(1))
    with torch.no_grad():
        maps = model.pyramid(torch.zeros(1, 3, SIZE, SIZE))
    hook.remove()
    return len(runs), len(maps)


@functools.cache
def pyramid_costs(resolution: int, coarsest: int = 7) -> dict[str, dict[str, Cost]]:
    """Cost of D0's parts, if one image of so many pixels gets an answer at each level from P3 on,
    in three ways.

    All have the same heads on maps of the same sizes. "images, whole backbone": for each level an
    image of such a size that the backbone's last map, with stride 32, fits. "images, layers up to
    P3": of such a size that P3 fits. "feature
    pyramid": one image, and FPN. The 1x1 convolutions to the heads' 64 channels, and FPN, count as
    "between". Raises ValueError where the coarsest map would not be a whole number of positions.
    """
    if coarsest < 5 or resolution % 2**coarsest:
        raise ValueError(
            f"P{coarsest} asks for a multiple of {2**coarsest} px and is P5 at least, "
            f"got {resolution}."
        )
    config = replace(EFFICIENTDETS["d0"], resolution=resolution, max_level=coarsest)
    channels, widths, sides = (
        config.fusion_channels,
        level_channels(1.0),
        [resolution >> x for x in config.levels],
    )
    heads = sum(part for name, part in cost_by_part(config).items() if name.endswith("head"))

    def images(level: int, stages: slice) -> dict[str, Cost]:
        """An image for each side, and of the backbone the layers as far as this level; weights are
        stored once.
        """
        layers = [sum(cost_by_stage(1.0, 1.0, side << level, None)[stages]) for side in sides]
        to_heads = [
            cost.conv2d(widths[level - 1], channels, 1, side, side, bias=True) for side in sides
        ]
        parts = [Cost(some[0].params, sum(some).macs) for some in (layers, to_heads)]
        return dict(zip(PARTS, (*parts, heads), strict=True))

    neck = fusion_cost(
        fpn(config.levels), widths[2:], channels, 1, "sum", [(side, side) for side in sides]
    )
    whole = sum(cost_by_stage(1.0, 1.0, resolution, None))
    return {
        "images, whole backbone": images(5, slice(None)),
        "images, layers up to C3": images(3, slice(4)),
        "feature pyramid": dict(zip(PARTS, (whole, neck, heads), strict=True)),
    }


def shares() -> dict[str, float]:
    """MACs over those of the backbone on one image, by way."""
    return {
        "one image, one map": 1.0,
        "five images": reduced_images_share(),
        "one image, FPN": feature_pyramid_share(),
    }


@styled
def shares_view(guess: float | None = None) -> View:
    """The bars of `shares`. guess: of the five images."""
    found = shares()
    figure, (axis,) = new_panels(7.4, 2.8, (0.24, 0.21, 0.66, 0.63))
    more = found["one image, FPN"] - 1
    axis.set_title(f"FPN gives five maps for {more:.0%} more MACs", fontsize=12)
    colors = [PALETTE[name] for name in ("sky", "orange", "green")]
    places = range(len(found) - 1, -1, -1)
    axis.barh(places, list(found.values()), 0.6, color=colors, edgecolor="black")
    for place, share in zip(places, found.values(), strict=True):
        axis.text(share + 0.02, place, f"{share:.2f} ×", va="center", fontsize=11)
    axis.set_yticks(places, list(found), fontsize=11)
    axis.set(xlim=(0, 1.6), xlabel="MACs, as multiples of the backbone on one image")
    draw_guess(axis, guess, y=1)
    numbers = {name: f"{share:.2f} ×" for name, share in found.items()}
    told = ", ".join(f"{name} {share}" for name, share in numbers.items())
    return View(figure, f"MACs beside those of the backbone on one image: {told}.", numbers)


def sides_of(way: str) -> list[int]:
    """The images (px) that a way of `pyramid_costs` looks at, for P3 to P7 of an image of SIDE."""
    positions = [SIDE >> level for level in range(3, 3 + IMAGES)]
    stride = {"images, whole backbone": 32, "images, layers up to C3": 8}.get(way)
    return [SIDE] if stride is None else [side * stride for side in positions]


def ways_table() -> None:
    """Three ways to get five maps of the sizes of P3 to P7, with what they cost."""
    costs = pyramid_costs(SIDE)
    base = sum(costs["feature pyramid"].values()).macs
    rows = []
    for name, parts in costs.items():
        total = sum(parts.values()).macs
        macs = [f"{part.macs / 1e9:.3f}" for part in parts.values()]
        params = f"{parts['backbone'].params:,}"
        sides = ", ".join(str(side) for side in sides_of(name))
        rows.append([name, sides, *macs, f"{total / 1e9:.2f}", f"{total / base:.2f}×", params])
    head = ["way", "images, px", "backbone, billion MACs", "1 × 1 or FPN", "heads", "sum"]
    table([*head, "times the feature pyramid's sum", "backbone's parameters"], rows)


def extra_levels_table() -> None:
    """How P6 and P7 are made of B0's last map of a 512 px image, here and in RetinaNet."""
    channels, last, side = 64, level_channels(1.0)[-1], SIDE >> 5
    project = cost.conv2d(last, channels, 1, side, side, bias=True) + Cost(2 * channels, 0)  # norm
    rows = [
        ["P6, EfficientDet", "C5: 1 × 1 convolution, batch norm, max pool", project],
        ["P7, EfficientDet", "P6: max pool", Cost(0, 0)],
    ]
    for level, source, c_in, size in (
        (6, "C5", last, side),
        (7, "ReLU of P6", channels, side // 2),
    ):
        own = cost.conv2d(c_in, channels, 3, size, size, stride=2, bias=True)
        rows.append([f"P{level}, RetinaNet", f"{source}: 3 × 3 convolution with stride 2", own])
    table(
        ["level", "made from", "parameters", "million MACs at 512 px"],
        [[*words, f"{own.params:,}", f"{own.macs / 1e6:.2f}"] for *words, own in rows],
    )
