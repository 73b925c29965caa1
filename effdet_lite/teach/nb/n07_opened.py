"""What a detector is made of, for notebook 07: one that finds cells, opened, and D0 to scale."""

from dataclasses import replace

from matplotlib.figure import Figure

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.scaling import EFFICIENTDETS, EfficientDetConfig, efficientdet
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.found import counted_names, detected, detector_at_work, draw_counted
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import new_panels, styled
from effdet_lite.teach.kit.words import with_minus
from effdet_lite.teach.nb.n07_efficientdet import NAMES, costs_of, detector_drawing

SCORE = 0.5  # from which on a box is drawn
LEVELS = {3: "P3", 5: "P4", 7: "P5"}  # the stages whose maps go on, and what they are called
SIZES = (-3, 0, 7)  # phi of the three drawings


def show_opened() -> None:
    """A picture, the detector that looks at it with its four parts, and what it finds."""
    model, image, classes = detector_at_work()
    found = detected(model, image, SCORE)
    names = ", ".join(counted_names(found["labels"], classes))
    show(
        opened_figure(model, image, found, classes),
        f"A picture goes through backbone, BiFPN and two heads, and comes out with boxes: {names}.",
    )


@styled
def opened_figure(model: EfficientDet, image, found, classes) -> Figure:
    """The picture, the detector's slabs, and the picture with its boxes, side by side."""
    ratio = image.shape[-2] / image.shape[-1]
    inches, middle, foot, head = 3.0, 3.6, 0.45, 0.3
    width, height = 2 * inches + middle, inches * ratio + foot + head
    wide, high = inches / width, inches * ratio / height
    top = foot / height + high + 0.02
    figure, (before, network, after) = new_panels(
        width,
        height,
        (0.003, foot / height, wide, high),
        (wide + 0.015, 0.06, middle / width - 0.03, 0.86),
        (1 - wide - 0.003, foot / height, wide, high),
    )
    for axis, title in ((before, "in: a picture"), (after, "out: what is there, and where")):
        draw_picture(axis, image)
        axis.set_title(title, loc="left", fontsize=11)
    draw_counted(after, found, classes)
    # Its key is wider than the picture.
    after.get_legend().set(loc="upper right", bbox_to_anchor=(1.01, 0))
    names = NAMES | {"class_head": "two heads", "box_head": "", "fusion": "BiFPN"}
    # As high as the maps of this picture are.
    config = replace(model.config, resolution=image.shape[-2])
    detector_drawing(network, config, words=names, classes=model.num_classes)
    figure.text(wide + 0.02, top, "between: the detector", fontsize=11)
    return figure


def show_d0_to_scale() -> None:
    """D0, the smallest published EfficientDet, to scale."""
    config = EFFICIENTDETS["d0"]
    figure, (axis,) = new_panels(9.4, 4.2, (0, 0.08, 1, 0.86))
    detector_drawing(axis, config, words=told(config), names=LEVELS)
    axis.set_title("D0 to scale: the last slab of the class head is by far the thickest")
    axis.title.set(fontsize=11)
    show(
        figure,
        "D0 to scale: a backbone of fine to coarse maps, three BiFPN cells of 64 channels, and "
        "two heads, of which one ends in slabs that are much thicker than all others.",
    )


def told(config: EfficientDetConfig) -> dict[str, str]:
    """What stands below each part of the drawing: its name, its layers, its share of the MACs."""
    costs = costs_of(config)
    total = sum(costs.values()).macs
    layers = {
        "backbone": "stem, 7 stages",
        "fusion": f"{config.fusion_repeats} × {config.fusion_channels} channels",
        "class_head": f"{config.head_repeats} layers, and the answer",
        "box_head": f"{config.head_repeats} layers, answer",
    }
    return {
        part: f"{name}\n{layers[part]}\n{costs[part].macs / total:.0%} of the MACs"
        for part, name in NAMES.items()
    }


def show_three_sizes() -> None:
    """The formula's detectors of phi = -3, 0 and 7, each as large as its frame."""
    places = [(0, row / 3, 1, 0.3) for row in (2, 1, 0)]
    figure, axes = new_panels(9.4, 9.6, *places)
    sides = []
    for axis, phi in zip(axes, SIZES, strict=True):
        config = efficientdet(phi)
        detector_drawing(axis, config)
        sides.append(f"{config.resolution} px")
        axis.set_title(
            f"ϕ = {with_minus(phi)}: an image of {config.resolution} px", fontsize=11, y=0.95
        )
    show(
        figure,
        f"ϕ = −3, 0 and 7 ({', '.join(sides)}), each filling its frame: one, three and ten BiFPN "
        "cells, and a class head that takes ever less of the drawing.",
    )
