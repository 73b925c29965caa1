"""The opening of notebook 08, a detector before and after its training; and the three piles of
pictures that a training needs.
"""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from effdet_lite.beginning import new_model
from effdet_lite.data.shapes import LENGTHS
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.teach.kit.boxes import draw_boxes, draw_picture
from effdet_lite.teach.kit.found import detected
from effdet_lite.teach.kit.judged import Judged, draw_judged, draw_key, judged
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import new_panels, styled
from effdet_lite.teach.kit.shared import shipped
from effdet_lite.teach.nb.n08_small import CLASSES, pictures
from effdet_lite.training import TrainConfig

PICTURES = (1, 3, 4, 5)  # the first four of the validation pile with four objects or more
SURE = 0.5  # the lowest score of a box that is drawn
PILES = {
    "train": ("training", "learn from it"),
    "val": ("validation", "choose settings by it"),
    "test": ("test", "judge with it, once"),
}
LARGE = 9.6  # inches across


def show_before_and_after() -> None:
    """Four pictures that no training saw, with what the shapes detector finds in them: fresh, and
    when it is trained.
    """
    trained, about = shipped("shapes")
    steps = f"{about['training']['steps']:,}"
    rows = {"before its first step": untrained(), f"after {steps} steps": trained}
    results = {name: judged_pictures(model, PICTURES) for name, model in rows.items()}
    figure = rows_of_pictures(results, PICTURES)
    objects = sum(len(pictures("val")[index][1]["labels"]) for index in PICTURES)
    right = {name: sum(one.count("right") for _, one in found) for name, found in results.items()}
    told = ", ".join(f"{count} of {objects} objects {name}" for name, count in right.items())
    show(figure, f"The same network finds {told}.")


def untrained() -> EfficientDet:
    """The shapes detector before its first step."""
    return new_model(TrainConfig(**shipped("shapes")[1]["training"]), CLASSES)


def judged_pictures(
    model: EfficientDet, indices: Sequence[int], split: str = "val"
) -> list[tuple[dict, Judged]]:
    """What a model finds in each picture of a pile, from SURE on, and what it is worth."""
    dataset = pictures(split)
    found = [detected(model, dataset[index][0], SURE) for index in indices]
    return [
        (one, judged(one, dataset[index][1])) for one, index in zip(found, indices, strict=True)
    ]


def places_of_pictures(
    rows: int, columns: int, side: float, height: float, *, foot: float = 0.0, head: float = 0.0
) -> list[tuple[float, float, float, float]]:
    """Places for `new_panels`, row by row: square pictures across the whole width of a figure.

    side, height, foot, head: in inches, of a picture, of the figure, below the last row, and above
    each row.
    """
    return [
        (
            (column + 0.01) / columns,
            (foot + (rows - 1 - row) * (side + head)) / height,
            0.98 / columns,
            0.98 * side / height,
        )
        for row in range(rows)
        for column in range(columns)
    ]


@styled
def rows_of_pictures(
    results: Mapping[str, list[tuple[dict, Judged]]], indices: Sequence[int], split: str = "val"
) -> Figure:
    """A row of the same pictures for each entry, whose name is its title, with boxes as judged."""
    rows, columns, head, foot = len(results), len(indices), 0.3, 0.35  # inches
    side = LARGE / columns
    height = rows * (side + head) + foot
    places = places_of_pictures(rows, columns, side, height, foot=foot, head=head)
    figure, axes = new_panels(LARGE, height, *places)
    for row, (name, found) in enumerate(results.items()):
        own = axes[row * columns : (row + 1) * columns]
        own[0].set_title(name, loc="left", fontsize=11)
        for axis, index, (boxes, result) in zip(own, indices, found, strict=True):
            image, target = pictures(split)[index]
            draw_picture(axis, image)
            draw_judged(axis, boxes, target, CLASSES, result, names_missed=False)
    draw_key(figure)
    return figure


@styled
def show_three_piles() -> None:
    """The three piles of pictures, with two of each and what it is for."""
    head, gap = 0.62, 0.2  # inches
    side = (LARGE - 2 * gap) / 6
    height = side + head
    places = [
        (
            (pile * (2 * side + gap) + column * side) / LARGE,
            0.0,
            0.97 * side / LARGE,
            0.97 * side / height,
        )
        for pile in range(3)
        for column in range(2)
    ]
    figure, axes = new_panels(LARGE, height, *places)
    told = []
    for pile, (split, (name, use)) in enumerate(PILES.items()):
        number = f"{LENGTHS[split]:,} pictures"
        axes[2 * pile].set_title(f"{name}: {number}\n{use}", loc="left", fontsize=11)
        told.append(f"{name}, {number}: {use}")
        for column in range(2):
            image, target = pictures(split)[column + 1]
            axis = axes[2 * pile + column]
            draw_boxes(image, target["boxes"], target["labels"], CLASSES, axis=axis, words=False)
    show(figure, f"Three piles of pictures, of which none shares a picture. {'. '.join(told)}.")
