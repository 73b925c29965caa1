"""Speed against accuracy, for notebook 09: the course's four detectors on this machine."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import line_look, new_panels, styled
from effdet_lite.teach.kit.words import with_minus
from effdet_lite.teach.nb.n07_ladder import aps_by_seed, means, milliseconds_in_turns, rungs


@styled
def speed_figure(took: Mapping[int, float], aps: Mapping[int, float]) -> Figure:
    """AP over milliseconds, a point for each phi; the limits leave room around all of them."""
    figure, (axis,) = new_panels(6.2, 3.8, (0.12, 0.14, 0.85, 0.75))
    for number, (phi, ms) in enumerate(took.items()):
        look = line_look(number) | {"linestyle": "", "markersize": 10}
        axis.plot(ms, aps[phi], label=f"ϕ = {with_minus(phi)}", **look)
    heights = np.array([aps[phi] for phi in took])
    room = max(0.01, 0.25 * np.ptp(heights))
    axis.set(ylim=(heights.min() - room, heights.max() + room), xlim=(0, 1.1 * max(took.values())))
    axis.set(xlabel="milliseconds a picture, on this machine", ylabel="AP on shapes (0–1)")
    axis.legend(loc="lower left", fontsize=9)
    front = pareto_front(took, aps)
    axis.set_title(f"{len(front)} of {len(took)} are on the Pareto front", fontsize=11)
    return figure


def pareto_front(took: Mapping[int, float], aps: Mapping[int, float]) -> list[int]:
    """Those for which none is as fast and as good, and better in one of the two."""
    return [
        phi
        for phi in took
        if not any(
            took[other] <= took[phi]
            and aps[other] >= aps[phi]
            and (took[other], aps[other]) != (took[phi], aps[phi])
            for other in took
        )
    ]


def show_speed() -> None:
    """The four detectors: MACs, milliseconds on this machine, AP; drawn and as a table."""
    took, aps = milliseconds_in_turns(), means()
    told = ", ".join(
        f"ϕ = {with_minus(phi)} {ms:.0f} ms and AP {aps[phi]:.3f}" for phi, ms in took.items()
    )
    show(speed_figure(took, aps), f"AP over milliseconds on this machine: {told}.")
    rows = [
        [with_minus(phi), f"{one.cost.macs / 1e6:.0f}", f"{took[phi]:.1f}", f"{aps[phi]:.3f}"]
        for phi, one in rungs().items()
    ]
    trainings = min(map(len, aps_by_seed().values()))
    mean = f"AP, mean of {trainings} trainings" if trainings > 1 else "AP"
    table(["ϕ", "million MACs", "ms a picture, median", mean], rows)
