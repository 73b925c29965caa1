"""What every detection dataset here gives, whatever its pixels come from.

An item is `(image, {"boxes", "labels", "image_id"})`: image a tv_tensors.Image [3, H, W], RGB,
float32 in 0-1; boxes tv_tensors.BoundingBoxes [n, 4], xyxy, float32 pixels of that image; labels
int64 [n], an index into `classes`. A picture with crowd regions, in which nobody counted the
objects, also has "crowd_boxes" [c, 4] and "crowd_labels" [c]: nothing learns from them, and an
evaluation counts what is found there neither as right nor as wrong.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from effdet_lite.data.memory import SHARE, PictureCache

Loaded = tuple[np.ndarray, np.ndarray, np.ndarray, int]


class DetectionDataset(torch.utils.data.Dataset):
    """The common half of a dataset; a subclass adds `__len__` and `load`.

    classes: names in the order of the labels; ValueError if one comes twice.
    transforms: called with (image, target); the image is still uint8 there, where torchvision's v2
    is fastest.
    cache: keep the loaded pixels (uint8) in this process's memory, so that later epochs do not
    decode or draw again. A number in 0-1 is the share of the free memory that they may fill, True
    is a quarter; what does not fit is loaded anew each time.
    """

    def __init__(
        self,
        classes: Iterable[str],
        transforms: Callable | None = None,
        cache: bool | float = False,
    ):
        self.classes = tuple(classes)
        repeated = [name for name, count in Counter(self.classes).items() if count > 1]
        if repeated:
            raise ValueError(f"the class {repeated[0]!r} is named twice: pass each name once.")
        self.transforms = transforms
        self._cache = PictureCache(SHARE if cache is True else cache) if cache else None

    def load(self, index: int) -> Loaded:
        """Pixels uint8 [3, H, W], boxes float32 [n, 4], labels int64 [n], image_id."""
        raise NotImplementedError

    def crowds(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Boxes [c, 4] and labels [c] of the crowd regions, in the pixels that `load` gives."""
        return np.zeros((0, 4), np.float32), np.zeros(0, np.int64)

    def annotations(self) -> list[tuple[tuple[int, int], np.ndarray]] | None:
        """Of each item, without its pixels: (width, height) and boxes [n, 4] as they are annotated;
        None where that is known only by loading them.
        """
        return None

    def vanishing_boxes(self, size: tuple[int, int]) -> tuple[int, int]:
        """How many boxes are under one pixel a side once their picture is fitted into size
        (height, width), and so would be dropped; and how many there are. (0, 0) where that is known
        only by loading them.
        """
        gone = total = 0
        for (width, height), boxes in self.annotations() or []:
            scale = min(size[0] / height, size[1] / width)
            gone += int(((boxes[:, 2:] - boxes[:, :2]) * scale < 1).any(1).sum())
            total += len(boxes)
        return gone, total

    def describe(self) -> dict:
        """What decides what the items are, as values that JSON can hold; for the fingerprint.

        A subclass adds what else decides: the annotations, or the numbers that a drawing begins
        from. Where the files lie and the transforms are no part of it.
        """
        return {"kind": type(self).__name__, "classes": self.classes, "length": len(self)}

    def fingerprint(self) -> str:
        """A digest of what the items are: equal for the same data, wherever it lies."""
        return hashlib.sha256(json.dumps(self.describe()).encode()).hexdigest()

    def subset(self, indices: Iterable[int]) -> "Subset":
        """The items of these indices, in this order, as a dataset of the same classes."""
        return Subset(self, indices)

    def loaded(self, index: int) -> Loaded:
        """`load`, or what the cache kept of it, in the types that it promises."""
        kept = self._cache.get(index) if self._cache is not None else None
        if kept is not None:
            return kept
        pixels, boxes, labels, image_id = self.load(index)
        # A picture without objects may come with an empty list, whose type says nothing.
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
        labels = np.asarray(labels, np.int64).reshape(-1)
        item = pixels, boxes, labels, image_id
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[0] != 3:
            raise ValueError(
                f"load must give pixels as uint8 [3, H, W], not {pixels.dtype} {[*pixels.shape]}."
            )
        if len(boxes) != len(labels):
            raise ValueError(f"load gave {len(boxes)} boxes and {len(labels)} labels.")
        if self._cache is not None:
            self._cache.keep(index, item)
        return item

    def __getitem__(self, index: int) -> tuple[tv_tensors.Image, dict]:
        # Negative indices count from the end; beyond the end is an IndexError.
        index = range(len(self))[index]
        pixels, boxes, labels, image_id = self.loaded(index)
        size = pixels.shape[1:]
        # Copies throughout: a transform may write in place, and the cache must not see it.
        image = tv_tensors.Image(torch.from_numpy(np.array(pixels, copy=True, order="K")))
        target = {
            "boxes": _boxes(boxes, size),
            "labels": torch.tensor(labels),
            "image_id": image_id,
        }
        crowd_boxes, crowd_labels = self.crowds(index)
        if len(crowd_labels):
            target["crowd_boxes"] = _boxes(crowd_boxes, size)
            target["crowd_labels"] = torch.tensor(crowd_labels)
        if self.transforms is not None:
            image, target = self.transforms(image, target)
        return F.to_dtype(image, torch.float32, scale=True), target


class Subset(DetectionDataset):
    """Some items of a dataset, in an order of their own; `DetectionDataset.subset` makes it.

    It shares the dataset's loaded pictures, and begins with its transforms, which may be set to
    others: that is how one folder is used with augmentation for training and without for testing.
    Raises IndexError for an index that the dataset does not have.
    """

    def __init__(self, dataset: DetectionDataset, indices: Iterable[int]):
        super().__init__(dataset.classes, dataset.transforms)
        self.dataset = dataset
        self.indices = [range(len(dataset))[index] for index in indices]

    def __len__(self) -> int:
        return len(self.indices)

    def load(self, index: int) -> Loaded:
        return self.dataset.load(self.indices[index])

    def loaded(self, index: int) -> Loaded:
        return self.dataset.loaded(self.indices[index])

    def crowds(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.dataset.crowds(self.indices[index])

    def annotations(self) -> list[tuple[tuple[int, int], np.ndarray]] | None:
        every = self.dataset.annotations()
        return None if every is None else [every[index] for index in self.indices]

    def describe(self) -> dict:
        return super().describe() | {"of": self.dataset.describe(), "indices": self.indices}


def _boxes(boxes: np.ndarray, size: tuple[int, int]) -> tv_tensors.BoundingBoxes:
    return tv_tensors.BoundingBoxes(torch.tensor(boxes), format="XYXY", canvas_size=size)
