"""Why the three belong together, for notebook 03: what a sharper image asks for, in one picture,
and what became of it in `experiments.window`.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

import torch
from matplotlib.patches import Circle, Rectangle
from torch import Tensor

from effdet_lite.cost import receptive_field
from effdet_lite.efficientnet import scaled_stages
from effdet_lite.experiments import partners, window
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
STRIPE = 2.5  # px of the finest stripe there: wide enough to be seen in print
FINER = 96  # pixels of the images at which the blocks are asked
# Where the marks of four pictures lie, in pixels of `partners`: each pair's left one, and the row
# of the upper pair.
LEFTS, TOPS = [[14, 44], [48, 22], [30, 12], [18, 50]], [26, 38, 30, 22]
GUESSES_BELOW = 0.6  # of two answers a half are right by chance


@styled
def show_why() -> None:
    """One picture at two resolutions: what a window of the same size covers of it, and what there
    is to see in a part of it.
    """
    pictures, _ = draw(Task("detail", STRIPE), 64, seed=3)
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
        look = {"fill": False, "edgecolor": PALETTE["sky"], "linewidth": 2, "linestyle": "--"}
        whole.add_patch(Rectangle((left - 0.5, top - 0.5), width, width, **look))
        detail = image[top : top + width, left : left + width]
        part.imshow(detail, cmap="gray", vmin=0, vmax=1)
        part.set_title(f"the dashed part:\n{width} × {width} px", fontsize=10)
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
    the mean.

    rows: of `experiments.window`. guess: the accuracy in % with the blocks as they are at FINER px.
    """
    figure, (axis,) = new_panels(7.2, 3.5, (0.1, 0.14, 0.87, 0.74))
    for number, (label, with_depth) in enumerate(
        (("one block", False), ("with more blocks", True))
    ):
        found = window.accuracies(rows, with_depth=with_depth)
        look = line_look(number)
        means = [100 * fmean(own.values()) for own in found.values()]
        axis.plot(list(found), means, **look | {"marker": ""}, label=f"{label}, mean")
        for resolution, own in found.items():
            places = [resolution + 1.1 * (2 * number - 1)] * len(own)
            values = [100 * value for value in own.values()]
            axis.plot(places, values, **look | {"linestyle": "none", "alpha": 0.6})
    failed = _at_chance(rows)
    if failed:
        largest = window.RESOLUTIONS[-1]
        words = f"{len(failed)} of {len(window.SEEDS)} seeds never begin"
        place = {"xytext": (-14, 22), "textcoords": "offset points", "ha": "right", "fontsize": 9}
        arrow = {"arrowstyle": "-", "color": "#444444"}
        where = largest + 1.1, 100 * fmean(failed)
        axis.annotate(words, where, **place, arrowprops=arrow)
    axis.axhline(50, color="#777777", linestyle=":", marker="")
    axis.text(30, 46, "chance", fontsize=9)
    axis.set(
        xlabel="pixels a side of the image",
        ylabel="accuracy (%), a dot a seed",
        ylim=(40, 104),
    )
    axis.set(xlim=(28, 136), xticks=list(window.RESOLUTIONS))
    axis.set_title("With sharper images alone, the answer leaves the window", fontsize=11)
    axis.legend(loc="center left", fontsize=9)
    draw_guess(axis, guess, x=FINER)
    fixed = accuracy_with_one_block(rows)
    deeper = 100 * fmean(window.accuracies(rows, with_depth=True)[FINER].values())
    near = control(rows)
    words = (
        f"At {window.RESOLUTIONS[0]} px the network is right in nearly all cases. At {FINER} px it "
        f"is right in {fixed:.0f} % with the same blocks, and in {deeper:.0f} % with more."
    )
    told = f"{spread(near)}, {len(near)} seeds" if near else "not measured"
    label = f"marks close together, {window.RESOLUTIONS[-1]} px, one block: accuracy"
    return View(figure, words, {label: told})


def _at_chance(rows: Sequence[Mapping]) -> list[float]:
    """The accuracies, at the highest resolution and with depth along, of seeds that guess."""
    deeper = window.accuracies(rows, with_depth=True).get(window.RESOLUTIONS[-1], {})
    return [accuracy for accuracy in deeper.values() if accuracy < GUESSES_BELOW]


def control(rows: Sequence[Mapping]) -> list[float]:
    """The accuracies at the highest resolution, with one block, where the marks are near."""
    found = window.accuracies(rows, distance=window.NEAR)
    return list(found.get(window.RESOLUTIONS[-1], {}).values())


@styled
def show_partners(noise: float = partners.NOISE, seed: int = 3) -> None:
    """Pictures of `experiments.partners`, two of each class, with a line between partners."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.tensor([1, 1, 0, 0])
    bright = partners.brightness(labels, torch.tensor([[1, 1], [-1, 1], [1, 1], [1, -1]]))
    left, top = torch.tensor(LEFTS), torch.tensor(TOPS)
    pictures = partners.paint(left, top, bright)
    pictures += noise * torch.randn(pictures.shape, generator=random)
    figure, axes = new_figure(1, len(labels), width=8.0, height=2.5)
    for axis, number in zip(axes[0], range(len(labels)), strict=True):
        axis.imshow(pictures[number].numpy(), cmap="gray", vmin=0, vmax=1)
        for pair in range(2):
            x, y = int(left[number, pair]), int(top[number]) + pair * partners.SIDE // 2
            ends = x + partners.RADIUS + 3, x + partners.FAR - partners.RADIUS - 3
            look = {"color": PALETTE["orange"], "marker": "", "linestyle": "-", "linewidth": 2}
            axis.plot(ends, (y, y), **look)
        axis.set_title("alike" if labels[number] else "different", fontsize=10)
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
    title = "Two bright and two dark marks in each: only the pairs (orange) differ"
    figure.suptitle(title, fontsize=11)
    show(
        figure,
        "Four pictures with two pairs of marks, an orange line between partners. Alike: one pair "
        "is bright and one is dark. Different: in each pair one mark is bright and one is dark.",
    )


@styled
def show_windows() -> None:
    """Two marks at each resolution, the gap between their rims, and the window of one block."""
    figure, axes = new_figure(1, len(window.RESOLUTIONS), width=8.8, height=2.5)
    told = []
    for axis, resolution in zip(axes[0], window.RESOLUTIONS, strict=True):
        run = window.Run(resolution, window.BLOCKS)
        scale = resolution / window.SIDE
        radius, middle = window.RADIUS * scale, resolution / 2
        for side in (-1, 1):
            x = middle + side * run.distance * scale / 2
            axis.add_patch(Circle((x, middle), radius, color="#888888"))
        first = middle - run.field / 2
        look = {"fill": False, "edgecolor": PALETTE["orange"], "linewidth": 2.5}
        axis.add_patch(Rectangle((first, first), run.field, run.field, **look))
        rims = middle - run.gap / 2, middle + run.gap / 2
        arrow = {"arrowstyle": "<->", "color": PALETTE["black"], "shrinkA": 0, "shrinkB": 0}
        axis.annotate("", (rims[1], middle), (rims[0], middle), arrowprops=arrow)
        axis.set(xlim=(0, resolution), ylim=(resolution, 0), aspect="equal")
        axis.set(xticks=[0, resolution], yticks=[])
        axis.grid(visible=False)
        sees = _sees(run.field, run.gap, 2 * radius)
        seen = sees if sees.startswith("never") else f"sees {sees}"
        axis.set_title(f"{resolution} px: gap {run.gap:.0f} px\n{seen}", fontsize=9)
        told.append(f"{resolution} px: a gap of {run.gap:.0f} px, {sees}")
    figure.suptitle(f"Sharper images move two marks out of a window of {run.field} px", fontsize=11)
    show(figure, f"Two marks and a window of {run.field} px. {'; '.join(told)}.")


def _sees(field: float, gap: float, mark: float) -> str:
    """What a window of this side can hold of two marks, all in pixels. mark: across one of them."""
    if field <= gap:
        return "never both"
    return "both" if field >= gap + 2 * mark else "a part of each"


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
        lines.append([f"{resolution} px", len(own), *cells])
    heads = ["seeds", "gap between the marks, px", "window of 1 block, px", "accuracy, 1 block"]
    heads += ["blocks that see nearly the whole image", "their window, px", "accuracy, more blocks"]
    print("accuracy: mean (lowest – highest)")
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
