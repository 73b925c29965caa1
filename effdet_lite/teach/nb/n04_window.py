"""A window to drag over a picture: what probes on P2 of two detectors say of its middle."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from torch import Tensor

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.experiments import necks
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.touch import WindowPad
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n04_levels import COLOR_NAMES, LEVELS, SIDE, field_of, test_pictures
from effdet_lite.teach.nb.n04_probes import (
    TRAIN_PICTURES,
    Probe,
    maps_of,
    numbers_at,
    places_anywhere,
)

LOOKS = (  # of the three bars
    {"color": PALETTE["vermillion"], "hatch": ""},
    {"color": PALETTE["green"], "hatch": "//"},
    {"color": PALETTE["blue"], "hatch": ".."},
)
ONE = (0.02, 0.1, 0.36, 0.74), (0.5, 0.19, 0.48, 0.65)
TWO = (
    (0.005, 0.08, 0.2, 0.72),
    (0.26, 0.21, 0.22, 0.6),
    (0.53, 0.08, 0.2, 0.72),
    (0.77, 0.21, 0.22, 0.6),
)
# What P2 sees behind the neck, without fusion: the backbone's window, and 4 px on each side for the
# neck's 3 x 3. (The head's two convolutions, which see further, come after the probe.)
PROBED = field_of(LEVELS[0]) + 2 * 4
STRIDE = 2 ** LEVELS[0]
START = (76, 56)  # of the pad's window: plain ground, with no ring and no dot in it
CORNERS = (98, 48), (108, 58)  # (left, top) of the two windows that a figure shows


def nearest_position(x: float, y: float) -> tuple[int, int]:
    """(row, column) of the position of P2 whose window has its middle nearest to (x, y) px."""
    last = SIDE // STRIDE - 1
    row, column = (min(max(round((place - 0.5) / STRIDE), 0), last) for place in (y, x))
    return row, column


def seen_by(index: int) -> tuple[int, int]:
    """The pixels (first, behind the last) that a position of P2 with this row or column sees.

    Its window has pixel STRIDE * index in its middle: each layer of the backbone reads one row and
    column before its position, and one behind.
    """
    first = STRIDE * index - PROBED // 2
    return first, first + PROBED


class Listener:
    """Probes for the ring's color on P2 of two detectors, fitted to places anywhere in pictures.

    models: by name, "no fusion" and "FPN". picture: of the test pictures, the one that is asked.
    """

    def __init__(self, models: Mapping[str, EfficientDet], picture: int):
        self.image = test_pictures()[picture][0].as_subclass(Tensor)
        self.color = COLOR_NAMES[int(test_pictures()[picture][1]["labels"][0])]
        fitted_to = places_anywhere(necks.pictures("top-down", True), TRAIN_PICTURES)
        self.sums = {}
        for name, model in models.items():
            level = LEVELS[0]
            maps = maps_of(model, fitted_to.pictures)["after"]
            probe = Probe(numbers_at(maps, level, fitted_to), fitted_to.color, len(COLOR_NAMES))
            own = maps_of(model, self.image[None])["after"][0][0]  # [C, 32, 32]
            self.sums[name] = probe.sums(own.flatten(1).T).unflatten(0, own.shape[1:])
        every = [sums for sums in self.sums.values()]
        # of a bar, anywhere in the picture
        self.lowest = min(0.0, *(sums.min().item() for sums in every))
        self.highest = max(1.0, *(sums.max().item() for sums in every))

    def says(self, name: str, row: int, column: int) -> list[float]:
        """Of each color, what the probe of this detector's P2 gives at one of its positions."""
        return self.sums[name][row, column].tolist()

    def pad(self) -> WindowPad:
        """The picture, with a window as large as what the probed P2 sees without fusion."""
        left, top = START
        window = [left, top, left + PROBED, top + PROBED]
        return WindowPad(self.image, window, "the window", may_leave=True, shown=300)

    def show_two(self) -> None:
        """Two windows that the pad does not rest at: one with the ring at its rim, and one around
        a piece of it.
        """
        figure, panels = new_panels(8.8, 2.9, *TWO)
        told = []
        for (inside, bars), (left, top) in zip((panels[:2], panels[2:]), CORNERS, strict=True):
            window = [left, top, left + PROBED, top + PROBED]
            numbers = self._drawn(inside, bars, window)
            told.append(", ".join(f"{key} {value}" for key, value in numbers.items()))
        show(
            figure,
            f"With the ring at the window's rim: {told[0]}. Around a piece of it: {told[1]}.",
        )

    @styled
    def view(self, window: Sequence[float]) -> View:
        """What lies in the window, and what the two probes say of its middle."""
        figure, (inside, bars) = new_panels(5.6, 3.3, *ONE)
        numbers = self._drawn(inside, bars, window)
        told = "; ".join(f"{key} {value}" for key, value in numbers.items())
        return View(figure, f"What the probes of P2 say of the window's middle: {told}.", numbers)

    @styled
    def _drawn(self, inside: Axes, bars: Axes, window: Sequence[float]) -> dict[str, str]:
        """Draw the window's pixels and the probes' sums; returns what they say."""
        left, top, right, bottom = window
        row, column = nearest_position((left + right) / 2, (top + bottom) / 2)
        draw_picture(inside, self.image)
        inside.set(xlim=seen_by(column), ylim=seen_by(row)[::-1])
        inside.set_title("what P2 sees there", fontsize=11, y=1.0)
        numbers = {"the ring is": self.color}
        for number, name in enumerate(self.sums):
            sums = self.says(name, row, column)
            for place, (value, look) in enumerate(zip(sums, LOOKS, strict=True)):
                bars.bar(number + 0.27 * (place - 1), value, 0.25, ec="black", **look)
            best = max(range(len(sums)), key=sums.__getitem__)
            numbers[f"{name}: the probe says"] = f"{COLOR_NAMES[best]} ({sums[best]:.2f})"
        bars.axhline(1 / 3, color="black", linestyle=":", marker="", lw=1.2)
        bars.axhline(0, color="black", marker="", lw=1)
        bars.set(ylim=(self.lowest - 0.05, self.highest + 0.05), xlim=(-0.5, len(self.sums) - 0.5))
        bars.set(yticks=[0, 0.5, 1])
        bars.set_xticks(range(len(self.sums)), list(self.sums), fontsize=11)
        bars.set_xlabel("dotted: guessing", fontsize=10)
        bars.set_title("sums for red, green, blue", fontsize=11, y=1.0)
        return numbers
