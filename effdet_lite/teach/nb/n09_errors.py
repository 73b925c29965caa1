"""What a detector does wrong, for notebook 09: how many errors of each kind there are, and what AP
would gain if there were none.
"""

import functools
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from torchvision.ops import box_iou, nms

from effdet_lite.evaluation import KINDS, TIDE_NAMES, detect_dataset, error_kinds
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.judged import draw_key, draw_one
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n09_results import (
    CLASSES,
    ap50,
    detector,
    found_in,
    kept_from,
    pictures_of,
)

SURE = 0.3  # from this score on errors are counted, except beside their prices
NMS = (0.1, 0.5, 0.9)
ERRORS = KINDS[1:]
MEANINGS = {"right": "an object", "wrong": "the box"}  # in the pictures of one box of each kind


def tally(detections: Sequence[dict], targets: Sequence[dict]) -> dict[str, int]:
    """How many boxes, and at the end missed objects, there are of each of KINDS."""
    judged = error_kinds(detections, targets)
    counts = {kind: sum(one["kinds"].count(kind) for one in judged) for kind in KINDS}
    return counts | {"missed": sum(int(one["missed"].sum()) for one in judged)}


# --- what they cost ---


def fix_all(
    kind: str, detections: Sequence[dict], targets: Sequence[dict]
) -> tuple[list[dict], list[dict]]:
    """Detections and targets as they would be without this kind of error, as TIDE fixes them.

    A box of the wrong class gets the class, a badly placed one the place of its object, unless that
    object has a right box; then it goes, as all double, both and background boxes do. A missed
    object leaves the targets.
    """
    boxes_after, targets_after = [], []
    judged = error_kinds(detections, targets)
    for found, target, one in zip(detections, targets, judged, strict=True):
        boxes_after.append(_fixed_boxes(kind, found, target, one))
        there = ~one["missed"] if kind == "missed" else torch.ones_like(one["missed"])
        targets_after.append(target | {name: target[name][there] for name in ("boxes", "labels")})
    return boxes_after, targets_after


def _fixed_boxes(kind: str, found: Mapping, target: Mapping, one: Mapping) -> dict:
    after = {name: value.clone() for name, value in found.items()}
    numbers = one["objects"].tolist()
    taken = {at for at, own in zip(numbers, one["kinds"], strict=True) if own == "right"}
    keep = torch.ones(len(after["scores"]), dtype=torch.bool)
    for number in after["scores"].argsort(descending=True, stable=True).tolist():
        if one["kinds"][number] != kind:
            continue
        at = numbers[number]
        if kind in ("wrong class", "badly placed") and at not in taken:
            after["boxes"][number] = target["boxes"][at]
            after["labels"][number] = target["labels"][at]
            taken.add(at)
        else:
            keep[number] = False
    return {name: value[keep] for name, value in after.items()}


@styled
def show_prices(gains: Mapping[str, float]) -> None:
    """Bars by kind of error: how many there are among all boxes of the test pictures, weak ones
    too, as `fix_all` fixes them; and the AP50 that `gains` says.
    """
    counts = tally(*found_in("test"))
    names = [f"{kind} ({TIDE_NAMES[kind]})" for kind in gains]
    figure, (many, dear) = new_panels(9.2, 3.5, (0.2, 0.15, 0.34, 0.65), (0.62, 0.15, 0.34, 0.65))
    _bars(many, names, [counts[kind] for kind in gains], "{:,.0f}", PALETTE["orange"])
    _bars(dear, names, list(gains.values()), "{:+.3f}", PALETTE["blue"])
    dear.tick_params(labelleft=False)
    many.set_title("how many, among all boxes", fontsize=11)
    dear.set_title("AP50 gained if all are fixed", fontsize=11)
    told = "; ".join(f"{kind}: {counts[kind]:,} and {gains[kind]:+.3f}" for kind in gains)
    frequent, dearest = max(gains, key=counts.get), max(gains, key=gains.get)
    title = f'The most frequent kind is "{frequent}", the most expensive one "{dearest}"'
    figure.suptitle(title, fontsize=11, y=0.98)
    show(figure, f"{title}. Number and AP50 gained: {told}.")


def _bars(axis: Axes, names: Sequence[str], values: Sequence[float], form: str, color: str) -> None:
    axis.barh(names, values, 0.6, color=color, edgecolor="black", linewidth=0.6)
    low, high = min(0, *values), max(0, *values)
    span = (high - low) or 1
    for row, value in enumerate(values):
        axis.text(max(value, 0) + 0.02 * span, row, form.format(value), va="center", fontsize=10)
    axis.set(xlim=(low - 0.02 * span, high + 0.24 * span), ylim=(len(names) - 0.4, -0.6))
    axis.locator_params(axis="x", nbins=5)


# --- suppression ---


@functools.cache
def with_nms(overlap: float, across: bool = False) -> tuple[list[dict], list[dict]]:
    """(detections, targets) of the test pictures with another NMS threshold; across: boxes of all
    classes suppress one another.
    """
    if across:
        detections, targets = with_nms(overlap)
        kept = [(found, nms(found["boxes"], found["scores"], overlap)) for found in detections]
        return [{name: value[at] for name, value in found.items()} for found, at in kept], targets
    if overlap == 0.5:
        return found_in("test")
    return detect_dataset(detector(), pictures_of("test"), iou_threshold=overlap, progress=False)


def taken_away(overlap: float = 0.5) -> dict[str, tuple[int, float]]:
    """What suppression across classes takes from the test pictures' boxes: {which boxes: (how many
    go, the AP50 then)} for the wrong ones alone, the right ones alone, and both.
    """
    detections, targets = with_nms(overlap)
    judged = error_kinds(detections, targets)
    result = {}
    for name, kinds in {
        "the wrong ones alone": KINDS[1:],
        "the right ones alone": KINDS[:1],
        "both, as it does": KINDS,
    }.items():
        left, gone = [], 0
        for found, one in zip(detections, judged, strict=True):
            survive = torch.zeros(len(found["scores"]), dtype=torch.bool)
            survive[nms(found["boxes"], found["scores"], overlap)] = True
            keep = survive | torch.tensor([kind not in kinds for kind in one["kinds"]]).bool()
            gone += int((~keep).sum())
            left.append({key: value[keep] for key, value in found.items()})
        result[name] = gone, ap50(left, targets)
    return result


def taken_away_table() -> None:
    """A line without suppression across classes, and one for each row of `taken_away`; below them
    how many of the right ones go because of a box of a wrong class.
    """
    before = ap50(*with_nms(0.5))
    rows = [["none", "0", f"{before:.3f}"]]
    rows += [[name, f"{gone:,}", f"{value:.3f}"] for name, (gone, value) in taken_away().items()]
    table(["boxes that suppression across classes takes away", "number", "AP50 then"], rows)
    by = suppressors()
    wrong = f"{by.count('wrong class')} of the {len(by)} right ones"
    print(f"{wrong} are suppressed by a stronger box of a wrong class")


def suppressors(overlap: float = 0.5) -> list[str]:
    """Of each right box that goes across classes the kind of the strongest box that takes it."""
    kinds = []
    for found, target in zip(*with_nms(overlap), strict=True):
        (one,) = error_kinds([found], [target])
        kept = nms(found["boxes"], found["scores"], overlap).tolist()  # the strongest first
        for number in set(range(len(one["kinds"]))) - set(kept):
            if one["kinds"][number] == "right":
                near = box_iou(found["boxes"][number][None], found["boxes"][kept])[0] > overlap
                kinds.append(one["kinds"][kept[int(near.int().argmax())]])
    return kinds


@styled
def across_view(guesses: Mapping) -> View:
    """Errors and AP50 with suppression within classes and across them. guesses: "09.d"."""
    figure, (many, ap) = new_panels(7.6, 3.3, (0.1, 0.12, 0.36, 0.72), (0.6, 0.12, 0.36, 0.72))
    ways = {"within classes": False, "across classes": True}
    numbers, heights = {}, []
    for name, across in ways.items():
        detections, targets = with_nms(0.5, across)
        counts = tally(kept_from(detections, SURE), targets)
        wrong = sum(counts[kind] for kind in ERRORS[:-1])
        heights.append((wrong, ap50(detections, targets)))
        numbers[name] = f"{wrong:,} boxes with an error, AP50 {heights[-1][1]:.3f}"
    look = {"edgecolor": "black", "linewidth": 0.6}
    for axis, values, color, form in zip(
        (many, ap),
        zip(*heights, strict=True),
        (PALETTE["orange"], PALETTE["blue"]),
        ("{:,.0f}", "{:.3f}"),
        strict=True,
    ):
        axis.bar(list(ways), values, 0.5, color=color, **look)
        for place, value in enumerate(values):
            axis.text(place, value, form.format(value), ha="center", va="bottom", fontsize=11)
        axis.set(ylim=(0, 1.15 * max(values)), xlim=(-0.6, 1.6))
    many.set_title(f"boxes with an error, score ≥ {SURE}", fontsize=11)
    before, after = heights[0][1], heights[1][1]
    move = moved(before, after)
    ap.set_title(
        f"AP50 {move}" + (f"; your guess: it {guesses['09.d']}" if guesses["09.d"] else "")
    )
    ap.title.set_fontsize(11)
    words = "; ".join(f"{name}: {told}" for name, told in numbers.items())
    return View(figure, f"With suppression across classes AP50 {move}. {words}.", numbers)


def moved(before: float, after: float) -> str:
    """What AP50 does, as one says it: "rises", "stays" (within 0.005) or "falls"."""
    if abs(after - before) <= 0.005:
        return "stays"
    return "rises" if after > before else "falls"


def show_nms_table() -> None:
    """A table: AP50 and the errors of each kind, by the threshold of NMS."""
    rows = []
    for overlap, across in [*((overlap, False) for overlap in NMS), (0.5, True)]:
        detections, targets = with_nms(overlap, across)
        counts = tally(kept_from(detections, SURE), targets)
        name = f"{overlap}, across classes" if across else f"{overlap}"
        cells = [f"{count:,}" for count in counts.values()]
        rows.append([name, f"{ap50(detections, targets):.3f}", *cells])
    table(["NMS threshold", "AP50", *KINDS], rows)


# --- one of each ---


def strongest(kind: str) -> tuple[int, int]:
    """(picture, number of the box) of the strongest box of this kind from SURE on."""
    detections, targets = found_in("test")
    best = (-1.0, -1, -1)
    for picture, one in enumerate(error_kinds(kept_from(detections, SURE), targets)):
        scores = kept_from(detections[picture : picture + 1], SURE)[0]["scores"].tolist()
        for number, own in enumerate(one["kinds"]):
            if own == kind:
                best = max(best, (scores[number], picture, number))
    return best[1:]


@styled
def show_strongest() -> None:
    """The strongest wrong box of each kind that is a box, with the objects around it."""
    detections, targets = found_in("test")
    places = [(0.005 + 0.335 * (at % 3), 0.53 - 0.47 * (at // 3), 0.32, 0.39) for at in range(5)]
    figure, axes = new_panels(8.8, 7.0, *places)
    told = []
    for axis, kind in zip(axes, ERRORS[:-1], strict=True):
        picture, number = strongest(kind)
        found, target = kept_from(detections[picture : picture + 1], SURE)[0], targets[picture]
        box = found["boxes"][number].tolist()
        draw_picture(axis, pictures_of("test")[picture][0])
        _show_around(axis, box)
        for own in target["boxes"].tolist():
            draw_one(axis, own, "right", signed=False)
        draw_one(axis, box, "wrong", signed=False)
        says = f"{CLASSES[int(found['labels'][number])]} {float(found['scores'][number]):.2f}"
        says += _truth(kind, found, target, number)
        title = f"{kind} ({TIDE_NAMES[kind]}), picture {picture}\nsays {says}"
        axis.set_title(title, fontsize=11, y=1.0)
        told.append(f"{kind}: {says}")
    draw_key(figure, ("right", "wrong"), meanings=MEANINGS, signed=False)
    words = f"Five pictures or parts, each with the strongest box of one kind: {'; '.join(told)}."
    show(figure, words)


def _truth(kind: str, found: Mapping, target: Mapping, number: int) -> str:
    """What is wrong with this box, by the object that `error_kinds` gives it."""
    if kind == "background":
        return ", IoU below 0.1"
    at = int(error_kinds([found], [target])[0]["objects"][number])
    name = CLASSES[int(target["labels"][at])]
    if kind == "badly placed":
        overlap = float(box_iou(found["boxes"][number][None], target["boxes"][at][None]))
        return f", IoU with one {overlap:.2f}"
    verb = "is" if kind == "wrong class" else "overlaps"
    return ", but it is taken" if kind == "double" else f", {verb} a {name}"


def _show_around(axis: Axes, box: Sequence[float]) -> None:
    """Show a square part of the picture, with the box in its middle where it can be."""
    left, top, right, bottom = box
    (_, width), (height, _) = axis.get_xlim(), axis.get_ylim()  # y counts downward
    side = min(max(2.2 * max(right - left, bottom - top), 44), width, height)
    x = min(max((left + right - side) / 2, 0), width - side)
    y = min(max((top + bottom - side) / 2, 0), height - side)
    axis.set(xlim=(x, x + side), ylim=(y + side, y))


def ap50_moves() -> str:
    """What AP50 does when all classes suppress each other, as `moved` says it."""
    before, after = (ap50(*with_nms(0.5, across)) for across in (False, True))
    return moved(before, after)
