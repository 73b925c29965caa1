"""The map of the course, which notebook 00 draws with what is done."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from effdet_lite.places import course_folder
from effdet_lite.teach.kit.minutes import minutes_of_course
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.progress import Done, done


class Stop(NamedTuple):
    """A notebook on the map: its title, and the notebooks that it builds on."""

    title: str
    after: tuple[str, ...] = ()


# Each part is a row.
PARTS = {
    "Start, then a\nstrong, cheap\nclassifier": {
        "00": Stop("Start here"),
        "01": Stop("What does a\nconvolution cost?", ("00",)),
        "02": Stop("EfficientNet:\nmore for less", ("01",)),
        "03": Stop("How large should\na network be?", ("02",)),
    },
    "From\nclassifier\nto detector": {
        "04": Stop("See small and\nlarge at once", ("02",)),
        "05": Stop("Mix the scales\nbetter", ("04",)),
        "06": Stop("From maps to\nboxes, and a loss", ("04",)),
        "07": Stop("EfficientDet,\nput together", ("03", "05", "06")),
    },
    "Train it,\njudge it,\nuse it": {
        "08": Stop("Train a detector\nin minutes", ("07",)),
        "09": Stop("How good is it,\nreally?", ("08",)),
        "10": Stop("Pictures of\nyour own", ("09",)),
    },
}
MARGIN = 1.3  # inches, for the names of the parts
WIDE, HIGH = 1.78, 0.84  # of a card
LINE = 0.165  # from one line of a title to the next
ACROSS, DOWN = 2.0, 1.38  # from one card to the next
FULL, BEGUN = "#CDEBDD", "#E3F1FA"  # faces of cards: all exercises done, some done
# Arrows that would cross a card go around it through a gap between rows. Where they leave their
# card and enter the next one (from its middle, inches), and how far below the cards the gap's lane
# is.
LANES = {
    ("02", "04"): (0.0, -0.4, 0.18),
    ("04", "06"): (0.4, 0.0, 0.37 - DOWN),
    ("05", "07"): (0.0, -0.4, 0.18),
    ("07", "08"): (0.4, 0.0, 0.37),
}


def draw_map_of_course() -> None:
    """The notebooks with their minutes, what builds on what, and which exercises are done on this
    computer; and a link to each.
    """
    states = done()
    correct, total = (
        sum(one.correct for one in states.values()),
        sum(one.total for one in states.values()),
    )
    minutes = sum(own for own, _ in minutes_of_course().values())
    words = f"The {len(states)} notebooks in three rows, {minutes / 60:.1f} hours to read: "
    words += f"{_parts_in_words()}. {correct} of {total} exercises are done."
    show(map_figure(states), words)
    links = " · ".join(f"[{path.stem[:2]}]({path.name})" for path in _notebooks())
    display({"text/markdown": f"Open: {links}", "text/plain": ""}, raw=True)


def _parts_in_words() -> str:
    return "; ".join(" ".join(part.split()).lower() for part in PARTS)


def _notebooks() -> list[Path]:
    return sorted((course_folder() / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@styled
def map_figure(states: Mapping) -> Figure:
    """The map. states: what is done of each notebook, by its number (`progress.done`)."""
    across, down = MARGIN + 4 * ACROSS, len(PARTS) * DOWN - 0.34
    figure, (axis,) = new_panels(across, down, (0, 0, 1, 1))
    axis.set(xlim=(0, across), ylim=(down, 0))
    axis.set_axis_off()
    middles = {}
    for row, (part, stops) in enumerate(PARTS.items()):
        y = row * DOWN + 0.1 + HIGH / 2
        axis.text(0.05, y, part, fontsize=10.5, fontweight="bold", va="center")
        for column, (number, stop) in enumerate(stops.items()):
            middles[number] = MARGIN + column * ACROSS + WIDE / 2, y
            _draw_card(axis, middles[number], number, stop.title, states[number])
    for stops in PARTS.values():
        for number, stop in stops.items():
            for earlier in stop.after:
                _draw_arrow(axis, middles, earlier, number)
    return figure


def _draw_card(
    axis: Axes, middle: tuple[float, float], number: str, title: str, state: Done
) -> None:
    x, y = middle
    face = "white"
    if state.correct:
        face = FULL if state.correct == state.total else BEGUN
    left = x - WIDE / 2
    style = {"boxstyle": "round,pad=0,rounding_size=0.08", "facecolor": face, "linewidth": 1.3}
    corner = left, y - HIGH / 2
    axis.add_patch(FancyBboxPatch(corner, WIDE, HIGH, edgecolor=PALETTE["blue"], **style))
    axis.text(left + 0.07, y - 0.13, number, fontsize=14, va="center", color=PALETTE["blue"])
    # Line by line: as one text, lines without a g or a y would stand closer together.
    lines = title.split("\n")
    for row, line in enumerate(lines):
        down = y - 0.085 + LINE * (row - (len(lines) - 1) / 2)
        axis.text(left + 0.38, down, line, fontsize=10)
    own, _ = minutes_of_course().get(number, (0, 0))
    told = f"{own} min · {state.correct} of {state.total} done"
    axis.text(left + 0.38, y + 0.27, told, fontsize=9, va="center", color="#444444")


def _draw_arrow(axis: Axes, middles: Mapping, earlier: str, number: str) -> None:
    (x, y), (to_x, to_y) = middles[earlier], middles[number]
    if (earlier, number) in LANES:
        out, into, lane = LANES[earlier, number]
        height = y + HIGH / 2 + lane
        start = y + HIGH / 2 if height > y else y - HIGH / 2
        end = to_y - HIGH / 2 if height < to_y else to_y + HIGH / 2
        corners = [(x + out, start), (x + out, height), (to_x + into, height), (to_x + into, end)]
    elif y == to_y:
        corners = [(x + WIDE / 2, y), (to_x - WIDE / 2, to_y)]
    else:
        corners = [(x, y + HIGH / 2), (to_x, to_y - HIGH / 2)]
    color = "#666666"
    axis.plot(
        *zip(*corners[:-1], strict=True), color=color, linestyle="-", linewidth=1.4, marker=""
    )
    look = {"arrowstyle": "->", "color": color, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 1}
    axis.annotate("", corners[-1], corners[-2], arrowprops=look)
