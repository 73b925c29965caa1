"""There and back through a neck, for notebook 05: what one position of an output can depend on."""

from collections.abc import Mapping

from torch import Tensor

from effdet_lite.scaling import EFFICIENTDETS
from effdet_lite.teach.kit.plots import PALETTE, as_array, new_panels, styled
from effdet_lite.teach.kit.widgets import View

GRAY = 0.93


@styled
def round_trip_view(
    seen: Mapping[str, Tensor], place: tuple[int, int], guess: float | None
) -> View:
    """For each neck a map of P2's positions: filled where the output position depends on it.

    seen: booleans [side, side] by the neck's name. place: (row, column) of the output position.
    guess: of the number of positions of the first neck.
    """
    count = len(seen)
    figure, axes = new_panels(
        7.6, 3.9, *((number / count + 0.04, 0.1, 1 / count - 0.08, 0.76) for number in range(count))
    )
    told = {}
    for axis, (name, mask) in zip(axes, seen.items(), strict=True):
        pixels = as_array(mask).astype(float)
        axis.imshow(GRAY - 0.5 * pixels, cmap="gray", vmin=0, vmax=1)
        row, column = place
        look = {"marker": "D", "markersize": 8, "markeredgecolor": "black", "linestyle": ""}
        axis.plot(column, row, color=PALETTE["orange"], **look)
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
        for side in axis.spines.values():
            side.set_visible(True)
        told[f"positions seen, {name}"] = f"{int(pixels.sum()):,} of {pixels.size:,}"
        axis.set_title(f"{name}: {told[f'positions seen, {name}']}", fontsize=12)
    figure.text(
        0.5, 0.03, "dark: what the output at the diamond depends on", ha="center", fontsize=10
    )
    if guess is not None:
        told["your guess for one cell"] = f"{guess:,.0f}"
    words = "; ".join(f"{name}: {value}" for name, value in told.items())
    return View(
        figure, f"Dark: positions of P2_in on which one output of P2 depends. {words}.", told
    )


def cells_of_detectors() -> dict[str, int]:
    """How many cells of BiFPN each published detector has."""
    return {name.upper().replace("X", "x"): one.fusion_repeats for name, one in _published()}


def weightings_of_detectors() -> dict[str, str]:
    """How each published detector adds the inputs of a node, as the official settings have it."""
    return {name.upper().replace("X", "x"): one.weighting for name, one in _published()}


def _published():
    return EFFICIENTDETS.items()
