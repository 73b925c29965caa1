"""The rule that makes all sizes of EfficientDet from one number, and the published table beside it,
for notebook 07.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from effdet_lite.costs import cost_by_part
from effdet_lite.scaling import EFFICIENTDETS, EFFICIENTNETS, efficientdet
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n07_efficientdet import activations_by_part

# EfficientDet, arXiv 1911.09070, section 4.2, equations 1-3: what each size is called here, in the
# figure, and the formula there.
SIZES = {
    "resolution": ("image (px)", "512 + 128 ϕ"),
    "fusion_channels": ("BiFPN width (channels)", "64 · 1.35^ϕ"),
    "fusion_repeats": ("BiFPN depth (cells)", "3 + ϕ"),
    "head_repeats": ("head depth (layers)", "3 + ⌊ϕ / 3⌋"),
}
NUMBERED = [name for name in EFFICIENTDETS if name != "d7x"]  # D7x is no step of phi
BY_RULE = "entries that the paper's equations give, widths to 8 channels"
STEP = 8  # channels: widths are multiples of it
TICKS = {
    "resolution": (512, 768, 1024, 1280, 1536),
    "fusion_channels": (64, 128, 256, 384, 512),
    "fusion_repeats": (2, 4, 6, 8, 10),
    "head_repeats": (2, 3, 4, 5, 6),
}


class Entry(NamedTuple):
    """One entry of the paper's table 1, and what the rule says. kind: "as the rule", "rounded" (one
    step of 8 channels away) or "departs".
    """

    phi: int
    size: str
    told: int
    rule: int
    kind: str


def entries() -> list[Entry]:
    """The entries of D0 to D7, size by size."""
    found = []
    for size in SIZES:
        for phi, name in enumerate(NUMBERED):
            told, rule = getattr(EFFICIENTDETS[name], size), getattr(efficientdet(phi), size)
            found.append(Entry(phi, size, told, rule, _kind(size, told - rule)))
    return found


def _kind(size: str, apart: int) -> str:
    if apart == 0:
        return "as the rule"
    return "rounded" if size == "fusion_channels" and abs(apart) <= STEP else "departs"


def departures() -> list[Entry]:
    """The entries that leave the rule by more than rounding."""
    return [entry for entry in entries() if entry.kind == "departs"]


def by_the_rule() -> str:
    """How many of the entries the paper's equations give, apart from rounding: "26 of 32"."""
    every = len(entries())
    return f"{every - len(departures())} of {every}"


@styled
def rule_view(guesses: Mapping) -> View:
    """The four sizes over phi: the rule as a line, the published detectors as dots; departures as
    crosses with their numbers. guesses: "07.d", how many of the entries depart.
    """
    lefts = (0.065, 0.305, 0.545, 0.785)
    places = [(left, 0.36, 0.195, 0.47) for left in lefts]
    figure, (*axes, count) = new_panels(9.6, 4.4, *places, (0.065, 0.13, 0.915, 0.09))
    every = entries()
    for axis, size in zip(axes, SIZES, strict=True):
        _draw_size(axis, size, [entry for entry in every if entry.size == size])
    figure.suptitle("From D5 on, the published detectors leave their own rule", fontsize=12, y=0.99)
    _draw_count(count, len(departures()), len(every), guesses["07.d"])
    told = [_in_words(entry) for entry in departures()]
    numbers = {
        BY_RULE: by_the_rule(),
        "entries depart": f"{len(told)} of {len(every)}",
        "differ by one step of 8 channels": str(sum(one.kind == "rounded" for one in every)),
    }
    numbers |= dict(told)
    words = "; ".join(f"{name}: {values}" for name, values in told)
    near = "; ".join(": ".join(_in_words(one)) for one in every if one.kind == "rounded")
    words = f"The published sizes lie on the rule, except these. {words}."
    words += f" One step of 8 channels away: {near}."
    return View(figure, words, numbers)


def _in_words(entry: Entry) -> tuple[str, str]:
    name = SIZES[entry.size][0].partition(" (")[0]
    return f"D{entry.phi} › {name}", f"{entry.told}, by the rule {entry.rule}"


def _draw_size(axis: Axes, size: str, own: list[Entry]) -> None:
    title, formula = SIZES[size]
    phis = np.arange(8)
    rule = [entry.rule for entry in own]
    style = "steps-post" if size == "head_repeats" else "default"
    axis.plot(phis, rule, color=PALETTE["blue"], marker="", drawstyle=style)
    looks = {
        "as the rule": {"marker": "o", "markersize": 7, "color": PALETTE["blue"]},
        "rounded": {"marker": "D", "markersize": 7, "markerfacecolor": "white"},
        "departs": {"marker": "X", "markersize": 11, "markeredgecolor": "white"},
    }
    colors = {"rounded": PALETTE["blue"], "departs": PALETTE["vermillion"]}
    for entry in own:
        color = {"color": colors[entry.kind]} if entry.kind in colors else {}
        axis.plot(entry.phi, entry.told, linestyle="", **looks[entry.kind] | color)
    low, high = TICKS[size][0], TICKS[size][-1]
    room = 0.12 * (high - low)
    axis.set(xlim=(-0.5, 7.6), ylim=(low - room, max(high, *rule) + 1.3 * room))
    axis.set_xticks(phis, [f"D{phi}" for phi in phis], fontsize=9)
    axis.set_yticks(TICKS[size])
    axis.set_title(f"{title}\n{formula}", fontsize=10)


def _draw_count(axis: Axes, departing: int, every: int, guess: float | None) -> None:
    """A bar of all entries, with those that depart at its left."""
    axis.barh([0], [every], color=PALETTE["sky"], height=0.8)
    axis.barh([0], [departing], color=PALETTE["vermillion"], height=0.8)
    axis.text(departing / 2, 0, departing, ha="center", va="center", color="white", weight="bold")
    axis.text((departing + every) / 2, 0, every - departing, ha="center", va="center")
    axis.set(xlim=(0, every), ylim=(-0.5, 0.5), yticks=[])
    axis.set_xlabel(
        f"✗ {departing} of {every} entries depart; ◇ two widths are one step of 8 channels away"
    )
    axis.set_xticks(range(0, every + 1, 4))
    axis.grid(visible=False)
    draw_guess(axis, guess, y=0)


# --- how the widths may have been rounded ---

ROUNDINGS = {"down": math.floor, "nearest": round, "up": math.ceil}


def show_roundings() -> None:
    """A table: the widths of D0 to D6 by several ways of rounding, beside the published ones."""
    widths = [EFFICIENTDETS[name].fusion_channels for name in NUMBERED[:7]]
    rows = [["published", *widths, ""]]
    for step in (8, 16, 32):
        for name, function in ROUNDINGS.items():
            made = [step * function(64 * 1.35**phi / step) for phi in range(7)]
            right = sum(a == b for a, b in zip(made, widths, strict=True))
            rows.append([f"multiples of {step}, {name}", *made, f"{right} of 7"])
    table(["rounding", *(f"D{phi}" for phi in range(7)), "right"], rows)
    growth = (widths[6] / widths[0]) ** (1 / 6)
    print(f"from D0 to D6 the width grows by {growth:.3f} a step; the formula says 1.35")


# --- D7 ---


def show_largest() -> None:
    """A table: D6, D7, D7x and what the rule's phi = 7 would have been."""
    d6, d7 = EFFICIENTDETS["d6"], EFFICIENTDETS["d7"]
    assert replace(d6, resolution=1536, anchor_scale=5.0) == d7  # nothing else differs
    by_rule = replace(efficientdet(7), backbone=EFFICIENTNETS["b7"])
    detectors = {
        "D6": d6,
        "D7": d7,
        "D7x": EFFICIENTDETS["d7x"],
        "the rule's D7, with B7": by_rule,
    }
    of_d6 = sum(activations_by_part(d6).values())
    rows = []
    for name, config in detectors.items():
        total = sum(cost_by_part(config).values())
        memory = sum(activations_by_part(config).values())
        rows.append(
            [
                name,
                config.resolution,
                f"{config.anchor_scale * 2**config.min_level / config.resolution:.2%}",
                f"{total.params / 1e6:.1f}",
                f"{total.macs / 1e9:.0f}",
                f"{4e-9 * memory:.1f}",
                f"{memory / of_d6:.2f}",
            ]
        )
    heads = ["", "image, px", "smallest square anchor / image", "million parameters"]
    table([*heads, "billion MACs", "activations, GB", "activations, times D6's"], rows)
