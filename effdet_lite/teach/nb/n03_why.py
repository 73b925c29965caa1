"""Why the three belong together, for notebook 03: what a sharper image asks for, in one picture,
and what became of it in `experiments.window`.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean, median

from matplotlib.patches import Rectangle
from torch import Tensor

from effdet_lite.cost import receptive_field
from effdet_lite.efficientnet import scaled_stages
from effdet_lite.experiments import window
from effdet_lite.experiments.balance import EXAMPLE
from effdet_lite.experiments.bottlenecks import SIDE, SLOT, Task, at_resolution, draw
from effdet_lite.experiments.comparing import spread
from effdet_lite.scaling import EFFICIENTNETS
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, line_look, new_figure, new_panels, styled
from effdet_lite.teach.kit.typed import in_percent
from effdet_lite.teach.kit.widgets import View

COARSE, FINE = 32, SIDE  # pixels a side of one picture
FINER = 96  # pixels of the images at which the blocks are asked


@styled
def show_why() -> None:
    """One picture at two resolutions: what a window of the same size covers of it, and what there
    is to see in a part of it.
    """
    pictures, _ = draw(Task("detail", 2.5), 64, seed=3)
    clearest = int(pictures.float().flatten(1).std(1).argmax())
    picture = pictures[clearest : clearest + 1]
    side = EXAMPLE.window.size
    figure, axes = new_figure(1, 4, width=8.8, height=2.9)
    for place, pixels in enumerate((COARSE, FINE)):
        whole, part = axes[0, 2 * place], axes[0, 2 * place + 1]
        image = at_resolution(picture, pixels)[0, 0]
        whole.imshow(image, cmap="gray", vmin=0, vmax=1)
        first = (pixels - side) / 2 - 0.5
        look = {"fill": False, "edgecolor": PALETTE["orange"], "linewidth": 3}
        whole.add_patch(Rectangle((first, first), side, side, **look))
        share = min(1, side / pixels) ** 2
        whole.set_title(f"{pixels} px: the window\ncovers {in_percent(share)}", fontsize=10)
        width = SLOT * pixels // SIDE
        top, left = (width * slot for slot in _busiest(picture))
        detail = image[top : top + width, left : left + width]
        part.imshow(detail, cmap="gray", vmin=0, vmax=1)
        part.set_title(f"a part of it:\n{width} × {width} px", fontsize=10)
    for axis in axes[0]:
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
    figure.suptitle(
        "A sharper image: the window covers less, and there is more to see", fontsize=11
    )
    show(
        figure,
        f"One picture at {COARSE} and at {FINE} px. A window of {side} px covers "
        f"{in_percent((side / COARSE) ** 2)} of the first and {in_percent((side / FINE) ** 2)} of "
        "the second. The same part is a checkerboard in the first; in the second it shows fine "
        "stripes.",
    )


def _busiest(picture: Tensor) -> tuple[int, int]:
    """The row and the column, counted in slots, of the slot whose pixels differ most."""
    slots = picture[0].float().unfold(0, SLOT, SLOT).unfold(1, SLOT, SLOT)  # [4, 4, SLOT, SLOT]
    return divmod(int(slots.flatten(2).std(2).argmax()), slots.shape[1])


# --- what became of it ---


@styled
def window_view(rows: Sequence[Mapping], guess: float | None) -> View:
    """Accuracy by resolution, with the blocks left as they are and with depth along: each seed, and
    the median.

    rows: of `experiments.window`. guess: the accuracy in % with the blocks as they are at FINER px.
    """
    figure, (axis,) = new_panels(7.2, 3.5, (0.1, 0.14, 0.87, 0.74))
    for number, (label, with_depth) in enumerate(
        (("one block", False), ("with more blocks", True))
    ):
        found = window.accuracies(rows, with_depth=with_depth)
        look = line_look(number)
        middle = [100 * median(own.values()) for own in found.values()]
        axis.plot(list(found), middle, **look, label=label)
        for resolution, own in found.items():
            places = [resolution + 0.6 * (2 * number - 1)] * len(own)
            values = [100 * value for value in own.values()]
            axis.plot(places, values, **look | {"linestyle": "none", "alpha": 0.4})
    axis.axhline(50, color="#777777", linestyle=":", marker="")
    axis.text(30, 46, "chance", fontsize=9)
    axis.set(
        xlabel="pixels a side of the image",
        ylabel="accuracy (%); line: middle seed",
        ylim=(40, 104),
    )
    axis.set(xlim=(28, 136), xticks=list(window.RESOLUTIONS))
    axis.set_title("With sharper images alone, the answer leaves the window", fontsize=11)
    axis.legend(loc="center left", fontsize=9)
    draw_guess(axis, guess, x=FINER)
    fixed = accuracy_with_one_block(rows)
    deeper = 100 * fmean(window.accuracies(rows, with_depth=True)[FINER].values())
    words = (
        f"At {window.RESOLUTIONS[0]} px the network is right in nearly all cases. At {FINER} px it "
        f"is right in {fixed:.0f} % with the same blocks, and in {deeper:.0f} % with more."
    )
    return View(figure, words, {})


def accuracy_with_one_block(rows: Sequence[Mapping]) -> float:
    """The mean accuracy in % at FINER px with the block left as it is."""
    return 100 * fmean(window.accuracies(rows)[FINER].values())


def window_table(rows: Sequence[Mapping]) -> None:
    """A line for each resolution: the windows and accuracies, with the same block and with more."""
    fixed, deeper = window.accuracies(rows), window.accuracies(rows, with_depth=True)
    lines = []
    for resolution, own in fixed.items():
        run = window.Run(resolution, window.BLOCKS)
        more = window.Run(resolution, window.blocks_for(resolution))
        cells = [f"{run.gap:.0f}", f"{run.field}", str(spread(list(own.values())))]
        cells += [f"{more.blocks}", f"{more.field}", str(spread(list(deeper[resolution].values())))]
        lines.append([f"{resolution} px", *cells])
    heads = ["gap between the marks, px", "window of 1 block, px", "accuracy, 1 block"]
    heads += ["more blocks", "their window, px", "accuracy, more blocks"]
    table(["image", *heads], lines)


# --- deeper: the windows of B0 to B7 ---


def field_of(depth: float) -> int:
    """The side in px of the window that B0 with `depth` times the blocks has."""
    layers = [(3, 2)]
    for stage in scaled_stages(1, depth):
        layers += [(stage.kernel, stage.stride)] + [(stage.kernel, 1)] * (stage.blocks - 1)
    return receptive_field(layers).size


def fields_table() -> None:
    """A line for each of B0 ... B7: its window beside its image, and B0's window beside it."""
    rows = []
    for name, config in EFFICIENTNETS.items():
        own, side = field_of(config.depth), config.resolution
        cells = [f"{config.depth:g}", str(side), f"{own:,}", f"{own / side:.1f}"]
        rows.append([name.upper(), *cells, f"{field_of(1) / side:.1f}"])
    heads = ["d", "image, px", "receptive field, px", "field / image", "B0's field / this image"]
    table(["", *heads], rows)
