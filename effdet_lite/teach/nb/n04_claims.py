"""The closing table of notebook 04: what its numbers say of claims 13, 14 and 15."""

from collections.abc import Mapping, Sequence
from functools import partial

from effdet_lite.experiments import neck_findings
from effdet_lite.experiments.comparing import spread
from effdet_lite.experiments.plain import LEVELS, detector
from effdet_lite.experiments.verdicts import held
from effdet_lite.fusion import fpn
from effdet_lite.teach.kit.claims import Claim
from effdet_lite.teach.nb.n04_costs import (
    feature_pyramid_share,
    reduced_images_share,
    runs_for_all_levels,
)
from effdet_lite.teach.nb.n04_parts import FIGURES, KINDS, PARTS, by_size, values

Rows = Sequence[Mapping]


def claim_on_maps() -> Claim:
    """Claim 13, first part: several maps in place of several images."""
    runs, maps = runs_for_all_levels()
    images, feature = reduced_images_share(), feature_pyramid_share()
    return Claim(
        "C13a",
        "FPN uses maps of several resolutions in place of several images",
        {
            "runs of the backbone › feature pyramid": f"{runs}",
            "five images": f"{images:.2f} ×",
            "one image, FPN": f"{feature:.2f} ×",
        },
        (held(int(runs == 1 and maps == len(LEVELS)), 1),),
        says=f"All {maps} maps come from {runs} run of the backbone. The article names no price: "
        f"FPN takes {feature:.2f} times the backbone's MACs, five images {images:.2f} times",
    )


def claim_on_sizes(rows: Rows) -> Claim:
    """Claim 13, second part, of the rows of `experiments.one_level`."""
    words = "several resolutions capture small and large things"
    several, *alone = [("no fusion", level) for level in (0, 2, 4, 6)]
    told = {}
    for label, arm in {
        "all five levels": several,
        "P2 alone": alone[0],
        "P6 alone": alone[2],
    }.items():
        small, _, large = by_size(rows, arm)
        told |= {f"{label} › AP, small": str(small), f"{label} › AP, large": str(large)}
    findings = tuple(neck_findings.several_levels(rows).values())
    small, large = (
        ", ".join(f"{spreads[size].mean:.2f}" for spreads in map(partial(by_size, rows), alone))
        for size in (0, 2)
    )
    found = by_size(rows, several)
    return Claim(
        "C13b",
        words,
        told,
        findings,
        care="on drawn shapes of 8 to 96 px, after 800 steps",
        says="Graded more strictly than by AP50, small shapes get "
        f"{found[0].mean:.2f} with all five levels, and with P2, P4 or P6 alone {small}; "
        f"large ones get {found[2].mean:.2f}, and alone {large}",
    )


def claim_on_laterals(rows: Rows) -> Claim:
    """Claim 14, of the rows of `experiments.fpn_parts`."""
    told = {}
    for parts in ("both", "no path down", "no laterals"):
        for figure, words in FIGURES.items():
            label = f"{PARTS[parts]} › AP50, {words}".replace("\n", " ")
            told[label] = str(spread(values(rows, figure, parts)))
    boxes = {parts: spread(values(rows, "asked_boxes", parts)).mean for parts in PARTS}
    named = {parts: spread(values(rows, "asked", parts)).mean for parts in PARTS}
    return Claim(
        "C14",
        "laterals join coarse maps rich in meaning with fine ones poor in it",
        told,
        (neck_findings.laterals(rows), neck_findings.path_down(rows)),
        care="where the fine map's window does not hold what tells the class",
        says=f"Without the way down the dots' boxes are found (AP50 {boxes['no path down']:.2f}), "
        f"and their classes guessed ({named['no path down']:.2f}); without laterals not even the "
        f"boxes ({boxes['no laterals']:.2f}); with both, {named['both']:.2f}",
    )


def three_by_threes() -> tuple[int, int]:
    """(nodes of the small detector's FPN whose convolution looks at 3 x 3 positions and whose map
    is an output, all nodes), counted in the network.
    """
    network = detector(fpn(LEVELS), 6).fusion
    nodes = network.cells[0]
    outputs = set(network.graph.outputs)
    with_one = [
        name
        for name, node in nodes.items()
        if node.conv.depthwise.kernel_size == (3, 3) and name in outputs
    ]
    return len(with_one), len(nodes)


def claim_on_convolution(rows: Rows) -> Claim:
    """Claim 15, of the rows of `experiments.fpn_parts`."""
    with_one, nodes = three_by_threes()
    means = {kind: spread(values(rows, "asked", convolution=kind)).mean for kind in KINDS}
    return Claim(
        "C15",
        "a 3 × 3 makes the final maps",
        {
            f"{words} › AP50 of the dots": str(spread(values(rows, "asked", convolution=kind)))
            for kind, words in KINDS.items()
        },
        (held(with_one, nodes),),
        care="that a detector needs it is not seen here",
        says=f"Each of {nodes} nodes has one. The article does not say what it is for: here "
        f"the dots' AP50 is {means['3x3']:.2f} with it, {means['1x1']:.2f} with a 1 × 1 and "
        f"{means['none']:.2f} without",
    )
