"""From a few words to a data set: shapes, bccd, bccd:FOLDER, voc:FOLDER or
coco:IMAGES,ANNOTATIONS.json.
"""

from pathlib import Path

import torch
from torch.utils.data import Dataset

from effdet_lite.data.bccd import BCCDDetection
from effdet_lite.data.folders import CocoFolder, VocFolder
from effdet_lite.data.shapes import ShapesDetection
from effdet_lite.data.transforms import eval_transforms, train_transforms
from effdet_lite.places import cells_folder


def open_dataset(
    spec: str,
    size: tuple[int, int],
    *,
    train: bool,
    whole: bool = False,
    augment: float | None = None,
    length: int | None = None,
    seed: int = 0,
) -> Dataset:
    """The data that `spec` names at size (height, width): with augmentation for training, or
    without for testing.

    whole: a COCO file is taken whole; otherwise a fifth of its images is held out for testing.
    augment: strength of random zoom and color, 0-1; None is 0 for shapes and 1 else.
    length, seed: of shapes to train on, each of which is a new one.
    """
    kind, _, place = spec.partition(":")
    strength = augment if augment is not None else float(kind != "shapes")
    # Shapes and cells have no upright; a photograph has.
    augmentation = train_transforms(
        size,
        zoom=(1 - 0.25 * strength, 1 + 0.5 * strength),
        color=0.3 * strength,
        vertical_flip=0.5 if kind in ("shapes", "bccd") else 0.0,
    )
    options = {"transforms": augmentation if train else eval_transforms(size), "cache": True}
    if kind == "shapes" and not place:
        if size[0] != size[1]:
            raise ValueError(f"shapes are square, so size must be too, got {size}.")
        if train:
            options |= {"length": length, "seed": seed, "cache": False}
        return ShapesDetection("train" if train else "test", size[0], **options)
    # Four times the pixels of the model's input are enough to zoom into.
    options["max_side"] = 2 * max(size)
    if kind == "bccd":
        folder = Path(place) if place else cells_folder()
        if not any((folder / name).is_dir() for name in ("BCCD", "Annotations")):
            raise FileNotFoundError(
                f"there are no blood cells in {folder}: fetch them with `effdet-lite train --data {spec} --download`, "
                "or name the folder of your copy, bccd:FOLDER."
            )
        return BCCDDetection(folder, "trainval" if train else "test", **options)
    if kind == "voc" and place:
        return VocFolder(place, "trainval" if train else "test", **options)
    if kind == "coco" and place.count(",") == 1:
        dataset = CocoFolder(*place.split(","), **options)
        return dataset if whole else _fifth(dataset, held_out=not train)
    raise ValueError(
        f"data must be shapes, bccd, bccd:FOLDER, voc:FOLDER or coco:IMAGES,ANNOTATIONS.json, got {spec!r}."
    )


def _fifth(dataset: Dataset, held_out: bool) -> Dataset:
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0)).tolist()
    if len(order) < 2:
        raise ValueError(
            "one image cannot be shared between training and test: pass more, or test_data."
        )
    cut = max(1, len(dataset) // 5)
    return dataset.subset(order[:cut] if held_out else order[cut:])


def check_datasets(train_set: Dataset, test_set: Dataset) -> None:
    """Raise ValueError unless both hold images, of the same classes: found now, and not at the
    first test.
    """
    for name, dataset in (("training", train_set), ("test", test_set)):
        if not len(dataset):
            raise ValueError(f"the {name} set has no images: pass one with at least one image.")
    if tuple(train_set.classes) != tuple(test_set.classes):
        raise ValueError(
            f"the training set has the classes {', '.join(train_set.classes)} and the test set "
            f"{', '.join(test_set.classes)}: they must be the same, in the same order."
        )
