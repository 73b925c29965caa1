"""Pictures made worse in ways that we control, for notebook 09."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms import v2

from effdet_lite.evaluation import detect_dataset
from effdet_lite.randomness import own_numbers
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.judged import draw_judged, draw_key, judged
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import new_panels, styled
from effdet_lite.teach.nb.n09_results import CLASSES, ap50, detector, kept_from, pictures_of

FEW = 60  # pictures
SCORE = 0.4
PICTURE = 56
CHANGES = {
    "noise, deviation": {s: v2.GaussianNoise(sigma=s) for s in (0.05, 0.1, 0.2)},
    "blur, deviation in px": {s: v2.GaussianBlur(9, sigma=s) for s in (0.5, 1.0, 2.0)},
    "brightness, factor": {f: v2.ColorJitter(brightness=(f, f)) for f in (0.25, 0.5, 2.0)},
}
SHOWN = (
    ("", 0),
    ("noise, deviation", 0.2),
    ("blur, deviation in px", 2.0),
    ("brightness, factor", 0.25),
    ("brightness, factor", 2.0),
)


class _Changed:
    """The first test pictures, after a change."""

    classes = CLASSES

    def __init__(self, change: Callable):
        self.change = change

    def __len__(self) -> int:
        return FEW

    def __getitem__(self, index: int) -> tuple[Tensor, dict]:
        return seeded(self.change, index), pictures_of("test")[index][1]


def seeded(change: Callable, index: int) -> Tensor:
    """The picture after the change, with the same noise in every run."""
    with own_numbers(index):
        return change(pictures_of("test")[index][0])


@functools.cache
def ap50_after(name: str = "", amount: float = 0) -> float:
    """AP50 on the changed pictures; without a name, on the pictures as they are."""
    return ap50(*detect_dataset(detector(), _Changed(_change(name, amount)), progress=False))


def _change(name: str, amount: float) -> Callable:
    return CHANGES[name][amount] if name else torch.nn.Identity()


def show_worse_table() -> None:
    """A table: AP50 by kind and strength of the change."""
    rows = [["unchanged", "", f"{ap50_after():.2f}"]]
    for name, some in CHANGES.items():
        rows += [[name, f"{amount:g}", f"{ap50_after(name, amount):.2f}"] for amount in some]
    table(["", "strength", f"AP50 on {FEW} pictures"], rows)


@styled
def show_worse() -> None:
    """One picture as it is and in four bad versions, with the boxes that the detector finds."""
    places = [(0.003 + 0.2 * column, 0.1, 0.194, 0.66) for column in range(5)]
    figure, axes = new_panels(10.4, 3.1, *places)
    told = []
    for axis, (name, amount) in zip(axes, SHOWN, strict=True):
        image, target = seeded(_change(name, amount), PICTURE), pictures_of("test")[PICTURE][1]
        found = kept_from(detector().detect(image[None]), SCORE)[0]
        result = judged(found, target)
        draw_picture(axis, image)
        draw_judged(axis, found, target, CLASSES, result, labels="none")
        hits = f"{result.count('right')} of {len(target['labels'])}"
        short = f"{name.split(',')[0]} {amount:g}" if name else "unchanged"
        axis.set_title(f"{short}:\n{hits} objects found", fontsize=10, y=1.0)
        told.append(f"{name} {amount:g}: {hits}" if name else f"unchanged: {hits}")
    figure.suptitle(f"One picture, made worse; boxes with a score of {SCORE} or more", fontsize=11)
    draw_key(figure, meanings={"missed": "object without a right box"}, signed=False)
    words = f"One picture as it is and in four bad versions; objects found: {'; '.join(told)}."
    show(figure, words, photo=True)
