"""Explorers whose control is a pad: what the page needs to answer them without Python.

Their cells run while the site is made. Here their pads are recorded, their other controls, and a
table: what their arithmetic in `static/touched.js` starts from, or the networks that answer in
`static/finding.js`. These files have a function for each name in VIEWS, which answers with the
numbers and words of the view in Python; tests hold the two together.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from effdet_lite.teach.kit.touch.pad import Pad
from effdet_lite.teach.kit.widgets import Explorer
from effdet_lite.teach.site.frames import axis_of
from effdet_lite.teach.site.inference import known
from effdet_lite.teach.site.live import picture_as_text
from effdet_lite.teach.site.pads import state_of

DIGITS = 6  # of the numbers of a table: float32 has no more


def recorded(explorer: Explorer) -> dict | None:
    """The explorer as the page has it: view, controls and table; None for one without a pad, or
    whose view is not among VIEWS.
    """
    has_pad = any(isinstance(control, Pad) for control in explorer.controls.values())
    name = getattr(explorer.view, "__qualname__", "")
    if not has_pad or name not in VIEWS:
        return None
    view, table = VIEWS[name]
    controls = [_control(name, control) for name, control in explorer.controls.items()]
    if None in controls:
        return None
    found = {"view": view, "controls": controls, "table": table(explorer)}
    return _with_example(found) if view == "boxes_on_picture" else found


def record(explorer: Explorer, path: Path) -> bool:
    """Write what the page needs into a file; False and no file where it cannot answer."""
    found = recorded(explorer)
    if found:
        path.write_text(json.dumps({"touched": found}), encoding="utf-8")
    return found is not None


def _control(name: str, control) -> dict | None:
    if isinstance(control, Pad):
        return {"kind": "pad", "name": name, **state_of(control)}
    axis = axis_of(name, control)
    if axis is None or axis.kind not in ("range", "select"):
        return None
    own = {"kind": axis.kind, "name": name, "label": axis.label}
    if axis.kind == "range":
        ends = {"low": control.min, "high": control.max, "step": control.step}
        return own | ends | {"rest": axis.values[axis.rest]}
    return own | {"options": axis.words, "rest": axis.rest}


# --- the tables ---


def _window(explorer: Explorer) -> dict:
    from effdet_lite.teach.nb.n04_levels import COLOR_NAMES, SIDE
    from effdet_lite.teach.nb.n04_window import PROBED, STRIDE

    listener = explorer.view.__self__
    return {
        "picture": picture_as_text(listener.image),
        "side": SIDE,
        "stride": STRIDE,
        "probed": PROBED,
        "ring": listener.color,
        "colors": list(COLOR_NAMES),
        "sums": {name: _short(sums) for name, sums in listener.sums.items()},
        "ends": [listener.lowest, listener.highest],
    }


def _own(explorer: Explorer) -> dict:
    from effdet_lite.teach.nb.n05_bifpn import SMALL
    from effdet_lite.teach.nb.n05_switches import known_macs

    return {
        "levels": list(SMALL.levels),
        "incoming": list(SMALL.in_channels),
        "channels": SMALL.channels,
        "side": SMALL.side,
        "known": known_macs(),
    }


def _position(explorer: Explorer) -> dict:
    from effdet_lite.teach.kit.shared import unseen_pictures
    from effdet_lite.teach.nb import n06_position as nb

    channels, scores, deltas, anchors = nb.answers()
    pictures = unseen_pictures()
    return {
        "picture": picture_as_text(pictures[nb.PICTURE][0]),
        "side": nb.SIDE,
        "level": nb.LEVEL,
        "stride": nb.STRIDE,
        "across": nb.ACROSS,
        "names": list(nb.NAMES),
        "classes": list(pictures.classes),
        "channels": _short(channels.permute(1, 2, 0), 2),
        "scores": _short(scores),
        "deltas": _short(deltas),
        "anchors": _short(anchors[0, 0]),  # of the first position; others are moved by the stride
    }


def _rule(explorer: Explorer) -> dict:
    from effdet_lite.teach.nb.n06_matcher import game

    own = game()
    return {
        "picture": picture_as_text(own.picture),
        "side": own.picture.shape[-1],
        "objects": _short(own.boxes),
        "anchors": _short(own.anchors),
        "wins": own.wins,
        "overlaps": own.overlaps,
    }


def _game(explorer: Explorer) -> dict:
    from effdet_lite.teach.nb.n09_game import OBJECTS

    return {"objects": OBJECTS.tolist()}


def _sheet(explorer: Explorer) -> dict:
    from effdet_lite.teach.nb.n06_matcher import SHEET

    return {"side": SHEET}


def _drawing(explorer: Explorer) -> dict:
    from effdet_lite.teach.kit.found import OVERLAP
    from effdet_lite.teach.kit.touch.drawing import PAPER
    from effdet_lite.teach.nb.n00_start import FOUND

    pad = explorer.controls["drawing"]
    gray = round(255 * PAPER)
    return {
        "networks": {"shapes": known("shapes") | {"colors": list(FOUND)}},
        "sheet": {
            "side": pad.pixels.shape[-1],
            "paper": f"rgb({gray}, {gray}, {gray})",
            "stamps": pad.stamps,
        },
        "overlap": OVERLAP,
    }


def _photograph(explorer: Explorer) -> dict:
    from effdet_lite.teach.kit.found import OVERLAP
    from effdet_lite.teach.nb import n00_own as nb

    networks = {}
    for name, file in nb.FILES.items():
        classes, colors = list(nb.detector_named(name)[2]), list(nb.colors_of(name))
        networks[name] = known(file) | {"classes": classes, "colors": colors}
    return {"networks": networks, "overlap": OVERLAP, "most": nb.MOST}


def _with_example(found: dict) -> dict:
    """`boxes_on_picture` as the page has it: the example with the pixels of its file, for the pad's
    copy has others, and only the detectors that the page has.
    """
    from effdet_lite.teach.nb.n00_own import example_file

    for control in found["controls"]:
        if control["name"] == "picture":
            text = base64.b64encode(example_file()).decode()
            control["state"]["picture"] = f"data:image/jpeg;base64,{text}"
        elif control["name"] == "detector":
            control["options"] = [
                one for one in control["options"] if one in found["table"]["networks"]
            ]
    return found


def _short(numbers: Tensor, digits: int = DIGITS) -> list:
    """The numbers as nested lists, with a few significant digits."""
    if numbers.ndim:
        return [_short(part, digits) for part in numbers]
    return float(f"{numbers:.{digits}g}")


VIEWS: dict[str, tuple[str, Callable[[Explorer], dict]]] = {  # by the view's qualified name
    "Listener.view": ("window_view", _window),
    "own_view": ("own_view", _own),
    "position_view": ("position_view", _position),
    "iou_view": ("iou_view", _sheet),
    "rule_view": ("rule_view", _rule),
    "ap_view": ("ap_view", _game),
    "boxes_on_drawing": ("boxes_on_drawing", _drawing),
    "boxes_on_picture": ("boxes_on_picture", _photograph),
}
