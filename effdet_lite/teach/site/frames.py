"""An explorer as frames: what its view answers at each setting, drawn while the site is built.

Where it has more settings than `MOST`, its controls move in larger steps on the page, and the page
says so. A control whose settings cannot be listed, a pad that is drawn on for instance, leaves the
explorer as the still picture that it is without Python.
"""

import base64
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import ipywidgets

from effdet_lite.teach.kit.widgets import CountingButton, Explorer
from effdet_lite.teach.site.export import DATA, as_webp, without_loss

MOST = 30  # settings of one explorer: with many more, the site would not fit into 40 MB
QUALITY = 64  # of a frame with a photograph; there are many
PRESSES = 12  # of a button


class Axis(NamedTuple):
    """A control: its kind on the page, its values on the page with what they are called, the place
    of the one that it rests at, and how many values it has in JupyterLab.
    """

    name: str
    kind: str
    label: str
    values: list
    words: list[str]
    rest: int
    whole: int


def axes_of(explorer: Explorer, most: int = MOST) -> list[Axis] | None:
    """The explorer's controls with at most `most` settings in all; None where they cannot be
    listed.
    """
    axes = [axis_of(name, control) for name, control in explorer.controls.items()]
    if not axes or None in axes:
        return None
    numbers = [len(axis.values) for axis in axes]

    def settings() -> int:
        """How many there are; with two values a control may rest at a third."""
        pairs = zip(axes, numbers, strict=True)
        return math.prod(len(_thinned(axis, number).values) for axis, number in pairs)

    while settings() > most and max(numbers) > 2:
        # The first control is what the explorer is about, and keeps twice as many as others.
        places = [place for place, number in enumerate(numbers) if number > 2]
        numbers[max(places, key=lambda one: numbers[one] / (1 if one else 2))] -= 1
    return [_thinned(axis, number) for axis, number in zip(axes, numbers, strict=True)]


def axis_of(name: str, control: ipywidgets.Widget) -> Axis | None:
    """A control with all its values; None where they cannot be listed."""
    label, rest = control.description, control.value
    if isinstance(control, (ipywidgets.IntSlider, ipywidgets.FloatSlider)):
        count = round((control.max - control.min) / control.step) + 1
        values = [control.min + place * control.step for place in range(count)]
        if isinstance(control, ipywidgets.FloatSlider):
            values = [round(value, 9) for value in values]
        words = [f"{value:g}" for value in values]
        place = min(range(count), key=lambda one: abs(values[one] - rest))
        return Axis(name, "range", label, values, words, place, count)
    if isinstance(control, ipywidgets.Dropdown):
        options = control.options
        pairs = options.items() if isinstance(options, Mapping) else map(_pair, options)
        words, values = (list(column) for column in zip(*pairs, strict=True))
        place = next(place for place, value in enumerate(values) if value == rest)
        return Axis(name, "select", label, values, [str(word) for word in words], place, len(words))
    if isinstance(control, ipywidgets.Checkbox):
        return Axis(name, "tick", label, [False, True], ["off", "on"], int(rest), 2)
    if isinstance(control, CountingButton):
        values = list(range(rest, rest + PRESSES))
        return Axis(name, "button", label, values, [str(one) for one in values], 0, PRESSES)
    return None


def _pair(option: object) -> tuple:
    return option if isinstance(option, tuple) and len(option) == 2 else (str(option), option)


def _thinned(axis: Axis, number: int) -> Axis:
    """About this many of the values: both ends, the one that it rests at, and others between."""
    last = len(axis.values) - 1
    if number > last:
        return axis
    if axis.kind == "button":
        places = list(range(number))
    else:
        places = {round(step * last / (number - 1)) for step in range(number)}
        nearest = min(places - {0, last}, key=lambda one: abs(one - axis.rest), default=None)
        if axis.rest not in places:  # it takes the place of its neighbor
            places -= {nearest}
            places |= {axis.rest}
        places = sorted(places)
    return axis._replace(
        values=[axis.values[place] for place in places],
        words=[axis.words[place] for place in places],
        rest=places.index(axis.rest),
    )


def frames_of(explorer: Explorer, axes: Sequence[Axis]) -> list[str]:
    """What the explorer shows at each setting, as HTML; the last control moves fastest."""
    frames = []
    for values in itertools.product(*(axis.values for axis in axes)):
        setting = dict(zip((axis.name for axis in axes), values, strict=True))
        frames.append(DATA.sub(_smaller, explorer.drawn(setting)))
    return frames


def _smaller(found: re.Match) -> str:
    """The picture as WebP: without loss, but for photographs."""
    picture = base64.b64decode(found[2])
    smaller = as_webp(picture, QUALITY) if found[1] == "jpeg" else without_loss(picture)
    return f'src="data:image/webp;base64,{base64.b64encode(smaller).decode()}"'


def record(explorer: Explorer, path: Path, most: int = MOST) -> int:
    """Write the frames of an explorer into a file, and return how many they are; 0 and no file
    where they cannot be drawn.
    """
    axes = axes_of(explorer, most)
    if axes is None:
        return 0
    frames = frames_of(explorer, axes)
    controls = [
        {
            "kind": axis.kind,
            "label": axis.label,
            "words": axis.words,
            "rest": axis.rest,
            "isCoarse": len(axis.values) < axis.whole,
        }
        for axis in axes
    ]
    path.write_text(json.dumps({"controls": controls, "frames": frames}), encoding="utf-8")
    return len(frames)
