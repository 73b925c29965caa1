"""What every detection dataset here gives, whatever its pixels come from.

An item is `(image, {"boxes", "labels", "image_id"})`: image a tv_tensors.Image [3, H, W], RGB,
float32 in 0-1; boxes tv_tensors.BoundingBoxes [n, 4], xyxy, float32 pixels of that image; labels
int64 [n], an index into `classes`.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F


class DetectionDataset(torch.utils.data.Dataset):
    """The common half of a dataset; a subclass adds `__len__` and `load`.

    transforms: called with (image, target); the image is still uint8 there, where torchvision's v2
    is fastest.
    cache: keep the loaded pixels (uint8) in this process's memory, so that later epochs do not
    decode or draw again.
    """

    def __init__(
        self, classes: Iterable[str], transforms: Callable | None = None, cache: bool = False
    ):
        self.classes = tuple(classes)
        self.transforms = transforms
        self._cache = {} if cache else None

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Pixels uint8 [3, H, W], boxes float32 [n, 4], labels int64 [n], image_id."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> tuple[tv_tensors.Image, dict]:
        index = range(len(self))[
            index
        ]  # negative indices count from the end; beyond the end is an IndexError
        item = self._cache.get(index) if self._cache is not None else None
        if item is None:
            item = self.load(index)
            if self._cache is not None:
                self._cache[index] = item
        pixels, boxes, labels, image_id = item
        image = tv_tensors.Image(torch.from_numpy(pixels))
        target = {
            "boxes": tv_tensors.BoundingBoxes(
                torch.tensor(boxes), format="XYXY", canvas_size=pixels.shape[1:]
            ),
            "labels": torch.tensor(labels),
            "image_id": image_id,
        }
        if self.transforms is not None:
            image, target = self.transforms(image, target)
        return F.to_dtype(image, torch.float32, scale=True), target
