"""Your own folder in one call: what is in it, what looks wrong, and what to begin with.

    from effdet_lite.checking import check_folder

    print(check_folder("birds"))

Nothing is trained, and no file is changed.
"""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from effdet_lite.data import CocoFolder, VocFolder, eval_transforms, train_transforms
from effdet_lite.data.dataset import DetectionDataset
from effdet_lite.data.fitting import Setting, boxes_at, first_guess, setting
from effdet_lite.data.folders import FolderDataset, Sample
from effdet_lite.data.layouts import FolderError, Layout, layout_of, named_place, sentence
from effdet_lite.data.splitting import is_one_scene, twins_on_one_side
from effdet_lite.data.suspects import KINDS, Suspect, suspects
from effdet_lite.data.twins import similar_pairs, small_and_gray

LONGER = 256  # longer side in px at which the course trains
STEP = 64  # sides are multiples of it: the coarsest level is P6
LONGER_SIDES = (128, 256, 384, 512)
LEAST_SIDE = 10  # px that most boxes should have at the size that the network sees
PHIS = (-3.0, -2.5, -2.0, -1.0, 0.0)
AFFORDABLE = 250e6  # MACs a picture; a step of 8 then takes about half a second on two cores
MOST_BOXES = 5000  # that anchors are tried on
RARE = 20  # boxes of a class, below which AP says little of it


@dataclass(frozen=True)
class FolderReport:
    """A folder of pictures with boxes, looked at.

    dataset: those that can be used, as they are annotated. layout: what the folder holds. left_out:
    what opening it said. held_out: the indices of those to test on, about a fifth, twins on one
    side. twins: (correlation, index, index). suspects: boxes to look at again. first: size, levels
    and anchors to begin with; phi: the network's.
    """

    dataset: FolderDataset
    layout: Layout
    left_out: str
    held_out: list[int]
    twins: list[tuple[float, int, int]]
    suspects: list[Suspect]
    first: Setting
    phi: float

    @property
    def samples(self) -> list[Sample]:
        """The pictures with their boxes."""
        return self.dataset.samples

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the labels."""
        return self.dataset.classes

    @property
    def name(self) -> str:
        """As `effdet-lite train --data` takes it."""
        return self.layout.name

    def __len__(self) -> int:
        return len(self.dataset)

    def __str__(self) -> str:
        """What was found, a line each."""
        return "\n".join(f"{what}: {told}" for what, told in self.rows())

    def rows(self) -> list[tuple[str, str]]:
        """(what, what was found) of all that was looked at."""
        form = {"coco": "COCO", "voc": "Pascal VOC"}[self.layout.kind]
        counts = Counter(label for one in self.samples for label in one.labels.tolist())
        empty = sum(not len(one.labels) for one in self.samples)
        sizes = Counter(one.size for one in self.samples).most_common(3)
        told = ", ".join(f"{width} × {height} px ({count})" for (width, height), count in sizes)
        rows = [
            ("pictures", f"{len(self)} pictures can be used, labels as {form}"),
            ("on opening", self.left_out or "nothing was left out"),
            ("boxes", ", ".join(f"{counts[n]:,} {name}" for n, name in enumerate(self.classes))),
            ("pictures without a box", f"{empty}"),
            ("sizes", told),
            ("classes", "; ".join(self._class_notes(counts)) or "each has boxes enough to begin"),
            ("twins", self._twins_told()),
            ("boxes to look at again", self._suspects_told()),
        ]
        one = self.first
        rows += [
            (
                "to begin with",
                f"ϕ = {self.phi:g}, {one.size[1]} × {one.size[0]} px, "
                f"P{one.levels[0]}–P{one.levels[-1]}, anchor scale {one.scale:g}",
            ),
            (
                "anchors",
                f"{one.share:.1%} of the boxes have one with IoU ≥ 0.5; "
                f"{one.macs / 1e6:,.0f} million MACs a picture",
            ),
            ("held out for the test", self._held_out_told()),
        ]
        return rows

    def photos(self, number: int) -> list[Path]:
        """The files of the first pictures."""
        return [sample.path for sample in self.samples[:number]]

    def size_near(self, longer: int = LONGER, step: int = STEP) -> tuple[int, int]:
        """(height, width) of about this longer side, in multiples of `step`, with the shape that
        most pictures have.
        """
        return _size_near(self.samples, longer, step)

    def fit(self, longer: int, finest: int, scale: float) -> Setting:
        """Other anchors for these boxes, judged."""
        return setting(self.samples, len(self.classes), self.phi, longer, finest, scale)

    def split(
        self, size: tuple[int, int], augment: float
    ) -> tuple[DetectionDataset, DetectionDataset]:
        """Pictures to learn from, and the held-out ones, at size (height, width). augment: strength
        of the random zoom and color, 0-1.
        """
        held_out = set(self.held_out)
        train_set = self.dataset.subset(
            index for index in range(len(self)) if index not in held_out
        )
        train_set.transforms = train_transforms(
            size, zoom=(1 - 0.25 * augment, 1 + 0.5 * augment), color=0.3 * augment
        )
        test_set = self.dataset.subset(self.held_out)
        test_set.transforms = eval_transforms(size)
        return train_set, test_set

    def _class_notes(self, counts: Counter) -> list[str]:
        notes = []
        by_spelling: dict[str, list[str]] = {}
        for name in self.classes:
            by_spelling.setdefault("".join(name.casefold().split()), []).append(name)
        for names in by_spelling.values():
            if len(names) > 1:
                notes.append(f"are {' and '.join(map(repr, names))} one class")
        rare = [name for n, name in enumerate(self.classes) if 0 < counts[n] < RARE]
        none = [name for n, name in enumerate(self.classes) if not counts[n]]
        notes += [f"fewer than {RARE} boxes: {', '.join(rare)}"] if rare else []
        notes += [f"without a box: {', '.join(none)}"] if none else []
        return notes

    def _twins_told(self) -> str:
        if not self.twins:
            return "no two pictures look like one scene"
        number = len(set(index for _, *pair in self.twins for index in pair))
        names = [self.samples[index].path.name for index in self.twins[0][1:]]
        told = f"{number} pictures look like one scene with another (first: {' and '.join(names)})"
        if is_one_scene(self.twins, len(self)):
            return f"{told}: so many that you should choose the test pictures by hand"
        return f"{told}; twins are on one side, training or test"

    def _suspects_told(self) -> str:
        counts = Counter(one.kind for one in self.suspects)
        return ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]) or "none"

    def _held_out_told(self) -> str:
        told = "1 picture" if len(self.held_out) == 1 else f"{len(self.held_out)} pictures"
        if sum(bool(len(one.labels)) for one in self.samples) == 1:
            told += "; one picture has boxes and is learned from, so AP will be nan"
        return told


def check_folder(place: str | Path, annotations: str | Path | None = None) -> FolderReport:
    """Look at a folder of labeled pictures: Pascal VOC's layout, or pictures with one COCO file
    anywhere in it.

    annotations: the COCO file, where the folder has several. A path may be written as the system
    writes it; of Windows as r"C:\\Users\\me\\birds". Raises FolderError, one sentence, where there
    is nothing to train and test on.
    """
    named = None if annotations is None else named_place(annotations)
    try:
        layout = layout_of(named_place(place), named)
    except OSError as error:
        reason = error.strerror if error.errno else error
        raise FolderError(sentence(f"{place} cannot be looked through: {reason}")) from error
    dataset, left_out = _opened(layout)
    samples = dataset.samples
    _check(samples, left_out)
    twins = _twins(samples)
    try:
        held_out = twins_on_one_side(dataset, twins)
    except ValueError:
        raise FolderError(
            f"the {len(samples)} pictures are copies of one, so there is none to test on."
        ) from None
    phi, first = _to_begin_with(samples, len(dataset.classes))
    found = suspects(samples, dataset.classes, max(first.size))
    return FolderReport(dataset, layout, left_out, held_out, twins, found, first, phi)


def _opened(layout: Layout) -> tuple[FolderDataset, str]:
    """The data set, and what opening it said."""
    options = {"cache": True, "max_side": 2 * LONGER}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            make = VocFolder if layout.kind == "voc" else CocoFolder
            dataset = make(*layout.places, **options)
        except OSError as error:
            reason = error.strerror if error.errno else error
            raise FolderError(sentence(f"your data cannot be opened: {reason}")) from error
        except ValueError as error:
            raise FolderError(sentence(str(error))) from error
    return dataset, " ".join(str(one.message).partition(": ")[2] for one in told)


def _check(samples: Sequence[Sample], left_out: str) -> None:
    """Raise FolderError where there is too little to train and test on."""
    why = f" ({left_out.rstrip('.')})" if left_out else ""
    if len(samples) < 2:
        raise FolderError(
            f"only one picture can be used, and two are needed, one to learn from and one to test "
            f"on{why}."
        )
    if not any(len(one.labels) for one in samples):
        raise FolderError(
            f"none of the {len(samples)} pictures has a box, so there is nothing to learn{why}."
        )
    height, width = _size_near(samples, LONGER, STEP)
    boxes = boxes_at(samples, (height, width))
    if ((boxes[:, 2:] - boxes[:, :2]) < 1).any(1).all():
        raise FolderError(
            f"every box is smaller than a pixel once its picture is {width} × {height} px: give "
            "boxes in pixels of the picture, not in shares of it, or cut large pictures into parts."
        )


def _size_near(samples: Sequence[Sample], longer: int, step: int) -> tuple[int, int]:
    width, height = np.median([one.size for one in samples], axis=0)
    scale = longer / max(height, width) / step
    return tuple(max(1, round(side * scale)) * step for side in (height, width))


def _twins(samples: Sequence[Sample]) -> list[tuple[float, int, int]]:
    return similar_pairs(np.stack([small_and_gray(one.path, one.upright) for one in samples]))


def _to_begin_with(samples: Sequence[Sample], num_classes: int) -> tuple[float, Setting]:
    """The smallest pictures on which 19 of 20 boxes have a side of LEAST_SIDE px, the anchors that
    fit them, and the largest ϕ that is affordable at this size.
    """
    total = sum(len(one.labels) for one in samples)
    with_boxes = [one for one in samples if len(one.labels)]
    some = with_boxes[:: max(1, total // MOST_BOXES)]
    for longer in LONGER_SIDES:
        boxes = boxes_at(some, _size_near(some, longer, 32))
        sides = (boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt()
        if torch.quantile(sides, 0.05) >= LEAST_SIDE:
            break
    best = first_guess(some, num_classes, PHIS[0], longer)[0]
    phi = PHIS[0]
    for one in PHIS:
        judged = setting(some, num_classes, one, longer, best.levels[0], best.scale)
        if one == PHIS[0] or judged.macs <= AFFORDABLE:
            phi, best = one, judged
    return phi, best
