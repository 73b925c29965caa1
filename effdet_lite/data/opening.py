"""From a few words to a data set: what `--data` may say, and what is opened for it.

DATASETS is the whole list. Another data set is one function that opens it and one entry there.
"""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch.utils.data import Dataset
from torchvision.transforms import v2

from effdet_lite.data.bccd import BCCDDetection
from effdet_lite.data.coco import CocoFolder
from effdet_lite.data.dataset import DetectionDataset
from effdet_lite.data.finding import existing_folder, is_file
from effdet_lite.data.shapes import ShapesDetection
from effdet_lite.data.splitting import hold_out, shared_images
from effdet_lite.data.transforms import eval_transforms, train_transforms
from effdet_lite.data.voc import VocFolder, voc_lists
from effdet_lite.places import cells_folder, expanded


@dataclass(frozen=True)
class Request:
    """What is asked of an opener; see `open_dataset`, whose arguments these are.

    classes: the names in their order, where other data have set them already.
    validate: the data's training and validation lists, so that settings are chosen without a look
    at the test pictures.
    opened: datasets that were opened for the other part, by a key of the opener's choice, so that
    nothing is read and checked twice.
    """

    size: tuple[int, int]
    train: bool
    whole: bool = False
    augment: float | None = None
    length: int | None = None
    seed: int = 0
    cache: bool | float = True
    classes: tuple[str, ...] | None = None
    validate: bool = False
    opened: dict = field(default_factory=dict)

    def transforms(self, augment: float = 1.0, vertical_flip: float = 0.0) -> v2.Compose:
        """Augmentation for training, by default as strong as `augment` says; none for testing."""
        if not self.train:
            return eval_transforms(self.size)
        strength = self.augment if self.augment is not None else augment
        return train_transforms(
            self.size,
            zoom=(1 - 0.25 * strength, 1 + 0.5 * strength),
            color=0.3 * strength,
            vertical_flip=vertical_flip,
        )

    @property
    def options(self) -> dict:
        """What every folder of pictures is opened with."""
        # Four times the pixels of the model's input are enough to zoom into.
        return {"cache": self.cache, "max_side": 2 * max(self.size)}

    def part_of(self, key: object, make: Callable[[], DetectionDataset]) -> DetectionDataset:
        """Of data without a test split: all of them, or the held-out pictures, or the others."""
        if key not in self.opened:
            self.opened[key] = make()
        dataset = self.opened[key]
        indices = range(len(dataset))
        if not self.whole:
            held_out = set(hold_out(dataset))
            indices = [index for index in indices if (index not in held_out) == self.train]
        part = dataset.subset(indices)
        part.transforms = self.transforms()
        return part


@dataclass(frozen=True)
class Source:
    """One kind of data. open: from what stands behind the colon ("" for nothing) to a dataset.
    forms: how it may be asked for.
    """

    open: Callable[[str, Request], DetectionDataset]
    forms: tuple[str, ...]


def open_shapes(place: str, request: Request) -> DetectionDataset:
    """Drawn shapes, square; for training `length` new ones, and no two alike."""
    height, width = request.size
    if height != width:
        raise ValueError(f"shapes are square, so size must be too, got {request.size}.")
    # Shapes have no upright.
    transforms = request.transforms(augment=0.0, vertical_flip=0.5)
    if not request.train:
        split = "val" if request.validate else "test"
        return ShapesDetection(split, height, transforms=transforms, cache=request.cache)
    return ShapesDetection("train", height, request.length, request.seed, transforms)


def open_bccd(place: str, request: Request) -> DetectionDataset:
    """Blood cells of a folder, or of the one that `prefetch` fills."""
    folder = expanded(place) if place else cells_folder()
    if not any((folder / name).is_dir() for name in ("BCCD", "Annotations")):
        option = f"bccd:{place}" if place else "bccd"
        raise FileNotFoundError(
            f"there are no blood cells in {folder}: fetch them with "
            f"`effdet-lite train --data {option} --download`, or name the folder of your copy, "
            "bccd:FOLDER."
        )
    if request.validate:
        split = "train" if request.train else "val"
    else:
        split = "trainval" if request.train else "test"
    # Cells have no upright; a photograph has.
    transforms = request.transforms(vertical_flip=0.5)
    return BCCDDetection(folder, split, transforms=transforms, **request.options)


def open_voc(place: str, request: Request) -> DetectionDataset:
    """A folder in VOC's layout, by its own lists; without one for testing, a part is held out."""
    lists = voc_lists(existing_folder(place))
    classes, options = request.classes, request.options
    pairs = [("trainval", "test"), ("train", "test"), ("train", "val")]
    if request.validate:
        pairs = pairs[2:]
        if not {"train", "val"} <= set(lists):
            raise ValueError(
                f"{place} has no train.txt and val.txt to validate with: add them, or pass "
                "test_data of your own."
            )
    for training, testing in pairs:
        if training in lists and testing in lists:
            split = training if request.train else testing
            transforms = request.transforms()
            return VocFolder(place, split, classes, transforms, **options)
    for_training, for_testing = (
        next((name for name in names if name in lists), None)
        for names in (("trainval", "train"), ("test", "val"))
    )
    if for_testing and not for_training and not request.whole:
        raise ValueError(
            f"{place} has a list for testing ({for_testing}.txt) and none for training: add "
            "train.txt beside it, or take it away, and a fifth will be held out."
        )
    split = for_training if request.train or not request.whole else for_testing
    return request.part_of(
        ("voc", place, split), lambda: VocFolder(place, split, classes, **options)
    )


def open_coco(place: str, request: Request) -> DetectionDataset:
    """A COCO file and the folder of its images."""
    images, annotations = split_places(place)
    if request.validate:
        raise ValueError(
            f"{annotations} has no pictures for validation of its own: pass test_data, "
            "coco:IMAGES,ANNOTATIONS.json, with those to choose settings by."
        )
    return request.part_of(
        ("coco", place),
        lambda: CocoFolder(images, annotations, classes=request.classes, **request.options),
    )


VALIDATION = "validation"

DATASETS = {
    "shapes": Source(open_shapes, ("shapes",)),
    "bccd": Source(open_bccd, ("bccd", "bccd:FOLDER")),
    "voc": Source(open_voc, ("voc:FOLDER",)),
    "coco": Source(open_coco, ("coco:IMAGES,ANNOTATIONS.json",)),
}


def grammar() -> str:
    """What `--data` may say, in words."""
    *forms, last = (form for source in DATASETS.values() for form in source.forms)
    return f"{', '.join(forms)} or {last}"


def open_dataset(
    spec: str,
    size: tuple[int, int],
    *,
    train: bool,
    whole: bool = False,
    augment: float | None = None,
    length: int | None = None,
    seed: int = 0,
    cache: bool | float = True,
    classes: tuple[str, ...] | None = None,
) -> DetectionDataset:
    """The data that `spec` names at size (height, width): with augmentation for training, or
    without for testing.

    spec: see `grammar`.
    whole: data without a test split of their own are taken whole; otherwise about a fifth of their
    images is held out for testing (`hold_out`).
    augment: strength of random zoom and color, 0-1; None is 0 for shapes and 1 else.
    length, seed: of shapes to train on, each of which is a new one.
    cache: as in DetectionDataset; what is drawn anew each time is not kept.
    classes: names in the order of the labels, for a folder that need not show all of them.
    Raises ValueError for words that name no data, and what the dataset itself raises.
    """
    return _open(spec, Request(tuple(size), train, whole, augment, length, seed, cache, classes))


def open_datasets(
    data: str,
    size: tuple[int, int],
    *,
    test_data: str | None = None,
    augment: float | None = None,
    length: int | None = None,
    seed: int = 0,
    cache: bool | float = True,
) -> tuple[DetectionDataset, DetectionDataset]:
    """The data to train on and to test on, as `open_dataset` gives each; read and checked once
    where they come from one file.

    test_data: where the test images come from, if not from `data`, which is then taken whole; its
    classes are the training data's, in their order. "validation": the validation pictures of
    `data`, which then trains on those that are for training alone.
    """
    validate = test_data == VALIDATION
    if validate:
        test_data = None
    whole = test_data is not None
    request = Request(tuple(size), True, whole, augment, length, seed, cache, validate=validate)
    train_set = _open(data, request)
    # Only data of their own need to be told the classes; the others are the same dataset.
    classes = train_set.classes if whole else None
    return train_set, _open(test_data or data, replace(request, train=False, classes=classes))


def _open(spec: str, request: Request) -> DetectionDataset:
    kind, colon, place = str(spec).partition(":")
    source = DATASETS.get(kind)
    form = colon and place.strip() != ""
    if source is None or not any((":" in known) == bool(form) for known in source.forms):
        raise ValueError(f"data must be {grammar()}, got {spec!r}.")
    return source.open(place if form else "", request)


def split_places(place: str) -> tuple[str, str]:
    """IMAGES and ANNOTATIONS of "IMAGES,ANNOTATIONS", both of which may have commas themselves: the
    comma is the one that stands between a folder and a file that are there.
    """
    commas = [match.start() for match in re.finditer(",", place)]
    if not commas:
        raise ValueError(f"data must be {grammar()}, got {'coco:' + place!r}.")
    ways = [(place[:comma], place[comma + 1 :]) for comma in commas]
    there = [
        (images, annotations)
        for images, annotations in ways
        if expanded(images).is_dir() and is_file(expanded(annotations))
    ]
    if len(there) == 1 or len(ways) == 1:
        return (there or ways)[0]
    what = "several of them part" if there else "none of them parts"
    raise ValueError(
        f"of the commas in {place!r} {what} a folder of images from an annotation file: "
        "pass coco:IMAGES,ANNOTATIONS.json with paths that exist, or rename them without commas."
    )


def check_datasets(train_set: Dataset, test_set: Dataset | None = None) -> None:
    """Raise ValueError unless both hold images, of the same classes: found now, and not at the
    first test. Warn of a set without a single box, and of images that are in both.
    """
    named = [("training", train_set)] + ([("test", test_set)] if test_set is not None else [])
    for name, dataset in named:
        if not all(hasattr(dataset, wanted) for wanted in ("__len__", "__getitem__", "classes")):
            raise ValueError(
                f"the {name} set must have a length, items by their index, and the names of its "
                f"`classes`, and this {type(dataset).__name__} lacks some; of a DetectionDataset, "
                "`subset(indices)` has them."
            )
        if not len(dataset):
            raise ValueError(f"the {name} set has no images: pass one with at least one image.")
    if test_set is not None and tuple(train_set.classes) != tuple(test_set.classes):
        raise ValueError(
            f"the training set has the classes {', '.join(train_set.classes)} and the test set "
            f"{', '.join(test_set.classes)}: they must be the same, in the same order."
        )
    for name, dataset in named:
        known = dataset.annotations() if isinstance(dataset, DetectionDataset) else None
        if known is not None and not any(len(boxes) for _, boxes in known):
            end = "nothing can be learned" if name == "training" else "no AP can be measured"
            warnings.warn(f"the {name} images have no boxes at all: {end}.", stacklevel=2)
    shared = shared_images(train_set, test_set) if test_set is not None else []
    if shared:
        warnings.warn(
            f"{len(shared)} of the {len(test_set)} test images are training images too (first: "
            f"{shared[0].name}): the AP says little of new ones.",
            stacklevel=2,
        )
