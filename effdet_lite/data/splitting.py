"""Which images of a folder are kept for testing, where nobody has said.

It depends on each image's own name, and not on how many there are: an image that was learned from
must not become a test image because others were added.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from torch.utils.data import Dataset

from effdet_lite.data.dataset import Subset
from effdet_lite.data.folders import FolderDataset
from effdet_lite.data.twins import groups_of
from effdet_lite.download import file_sha256

HELD_OUT = 0.2  # share of the images


def hold_out(dataset: FolderDataset) -> list[int]:
    """The indices of the images that are kept for testing: about a fifth, and at least one.

    Copies of one file are on one side, whatever their names, and a new copy brings no image that
    may have been learned from into the test. ValueError where there are not two images.
    """
    copies = {}
    for index, content in enumerate(_contents(dataset)):
        copies.setdefault(content, []).append(index)
    if len(copies) < 2:
        raise ValueError(
            "one image cannot be shared between training and test: pass more, or test_data."
        )
    names = dataset.names
    # The furthest of the copies' places: one that is added can only lead away from the test.
    places = {content: max(_place(names[index]) for index in copies[content]) for content in copies}
    ordered = sorted(copies, key=places.get)
    groups = [copies[content] for content in ordered]
    held_out = [copies[content] for content in ordered if places[content] < HELD_OUT]
    # One at least on each side.
    held_out = held_out[: len(groups) - 1] or groups[:1]
    return sorted(index for group in held_out for index in group)


def twins_on_one_side(dataset: FolderDataset, twins: Sequence[tuple[float, int, int]]) -> list[int]:
    """The indices to test on as `hold_out` has them, but each picture on the side of most of those
    that show its scene, and boxes on both sides where two pictures have some.

    twins: (correlation, index, index). Where more than half of the pictures are of one scene, they
    say nothing. ValueError as `hold_out`.
    """
    number, held_out = len(dataset), set(hold_out(dataset))
    if not is_one_scene(twins, number):
        groups = groups_of(twins)
        for group in groups:
            tested = held_out & set(group)
            held_out = held_out | set(group) if 2 * len(tested) > len(group) else held_out - tested
        alone = set(range(number)) - {index for group in groups for index in group}
        if not held_out and alone:
            held_out = {min(alone)}
        held_out = held_out or set(groups[0])
    with_boxes = [index for index, one in enumerate(dataset.samples) if len(one.labels)]
    return with_boxes_on_both_sides(held_out, with_boxes, number)


def is_one_scene(twins: Sequence[tuple[float, int, int]], number: int) -> bool:
    """Whether more than half of the pictures are twins of one another: a camera that stands still,
    or pictures so plain that they cannot be told apart.
    """
    return max(map(len, groups_of(twins)), default=0) > number / 2


def with_boxes_on_both_sides(
    held_out: Iterable[int], with_boxes: Sequence[int], number: int
) -> list[int]:
    """The held-out ones of `number` pictures, changed where boxes would stand on one side alone.

    Both sides have a picture with boxes where there are two; the only one is learned from.
    """
    held_out = set(held_out)
    tested = [index for index in with_boxes if index in held_out]
    learned = [index for index in with_boxes if index not in held_out]
    if not tested and len(learned) > 1:
        held_out.add(learned[0])
    elif not learned:
        held_out.remove(tested[0])
        if not held_out:  # it was the only one to test on
            held_out.add(next(index for index in range(number) if index != tested[0]))
    return sorted(held_out)


def shared_images(train_set: Dataset, test_set: Dataset) -> list[Path]:
    """The files that both sets show, where files are what they show."""
    learned = {os.path.realpath(path) for path in _files(train_set)}
    return [path for path in _files(test_set) if os.path.realpath(path) in learned]


def _files(dataset: Dataset) -> list[Path]:
    if isinstance(dataset, Subset):
        files = _files(dataset.dataset)
        return [files[index] for index in dataset.indices] if files else []
    return [one.path for one in dataset.samples] if isinstance(dataset, FolderDataset) else []


def _place(name: str) -> float:
    """A number in 0-1 that depends on nothing but the name."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _contents(dataset: FolderDataset) -> list[object]:
    """Of each image something that is equal for equal files; only files of one length are read."""
    paths = [sample.path for sample in dataset.samples]
    lengths = [path.stat().st_size for path in paths]
    common = {length for length, count in Counter(lengths).items() if count > 1}
    return [
        file_sha256(path) if length in common else index
        for index, (path, length) in enumerate(zip(paths, lengths, strict=True))
    ]
