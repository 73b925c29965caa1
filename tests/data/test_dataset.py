"""What every data set shares: items, cache, subsets, fingerprints.

Oracles: numpy and arithmetic.
"""

import pickle

import numpy as np
import pytest
import torch

from effdet_lite.data import DetectionDataset, ShapesDetection, ShapesInContext, memory
from effdet_lite.data.transforms import eval_transforms, train_transforms


class Squares(DetectionDataset):
    """Pictures of one value each; `made` counts how often one was loaded."""

    def __init__(self, length=6, side=10, boxes=((1, 1, 5, 5),), labels=(0,), **options):
        super().__init__(("square", "other"), **options)
        self.length, self.side, self.boxes, self.labels = length, side, boxes, labels
        self.made = 0

    def __len__(self):
        return self.length

    def load(self, index):
        self.made += 1
        pixels = np.full((3, self.side, self.side), 10 * index, np.uint8)
        return pixels, self.boxes, self.labels, index


def blacken(image, target):
    """Cutout as it is often written: in place."""
    image[:, :5] = 0
    target["boxes"][:] = 0
    target["labels"][:] = 1
    return image, target


@pytest.mark.parametrize("cache", [True, 0.01, False])
def test_a_transform_that_writes_in_place_spoils_nothing(cache):
    data = Squares(transforms=blacken, cache=cache)
    for _ in range(3):
        image, target = data[3]
        assert image[:, 5:].unique().tolist() == [pytest.approx(30 / 255)]
    data.transforms = None
    image, target = data[3]
    assert image.unique().tolist() == [pytest.approx(30 / 255)]
    assert target["boxes"].tolist() == [[1, 1, 5, 5]] and target["labels"].tolist() == [0]


def test_a_data_set_that_keeps_its_own_arrays_is_not_written_to_either():
    pixels = np.zeros((3, 8, 8), np.uint8)
    pixels.flags.writeable = False
    data = Squares(length=1)
    data.load = lambda index: (pixels[:, ::-1], [], [], 0)
    image, _ = data[0]
    image += 1
    assert not pixels.any()


@pytest.mark.parametrize("boxes", [[], (), np.zeros((0,)), np.zeros((0, 4)), np.zeros(0, int)])
@pytest.mark.parametrize("labels", [[], np.zeros(0), ()])
def test_a_picture_without_objects_has_no_boxes_whatever_its_empty_list_is(boxes, labels):
    _, target = Squares(boxes=boxes, labels=labels)[0]
    assert target["boxes"].shape == (0, 4) and target["boxes"].dtype == torch.float32
    assert target["labels"].shape == (0,) and target["labels"].dtype == torch.int64


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ((np.zeros((3, 8, 8), np.float32), [], [], 0), "uint8"),
        ((np.zeros((8, 8, 3), np.uint8), [], [], 0), r"\[3, H, W\]"),
        ((np.zeros((3, 8, 8), np.uint8), [[1, 1, 2, 2]], [], 0), "1 boxes and 0 labels"),
    ],
)
def test_what_load_may_not_give_is_said(item, words):
    data = Squares()
    data.load = lambda index: item
    with pytest.raises(ValueError, match=words):
        data[0]


def test_the_cache_holds_its_share_of_the_free_memory_and_no_more(monkeypatch):
    each = 3 * 10 * 10
    monkeypatch.setattr(memory, "free_memory", lambda: 10 * each)
    data = Squares(cache=0.25)  # room for two
    for index in (0, 1, 2, 0, 1, 2):
        data[index]
    assert data.made == 4
    everything = Squares(cache=1.0)
    for index in [*range(6), *range(6)]:
        everything[index]
    assert everything.made == 6
    nothing = Squares(cache=False)
    nothing[0], nothing[0]
    assert nothing.made == 2
    assert not pickle.loads(pickle.dumps(everything))._cache.items  # nor does a process get it
    for share in (-0.1, 1.5):
        with pytest.raises(ValueError, match="cache must be"):
            Squares(cache=share)


def test_each_worker_has_its_part_of_the_share(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 12 * 300)
    monkeypatch.setattr(
        torch.utils.data, "get_worker_info", lambda: type("", (), {"num_workers": 3})
    )
    data = Squares(cache=0.5)
    for index in (0, 1, 2, 0, 1, 2):
        data[index]
    assert data.made == 4  # 12 * 0.5 / 3 = 2 fit


def test_a_container_s_limit_counts(tmp_path, monkeypatch):
    limit, used = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(memory, "GROUPS", ((limit, used),))
    machine = memory.free_memory()
    limit.write_text("5000\n")
    used.write_text("2000\n")
    assert memory.free_memory() == 3000 < machine
    limit.write_text("max\n")
    assert memory.free_memory() > 3000


def test_a_subset_is_a_data_set_of_the_same_classes():
    data = Squares(cache=True)
    some = data.subset([4, 1, -1])
    assert isinstance(some, DetectionDataset) and some.classes == data.classes
    assert some.dataset is data and some.indices == [4, 1, 5]
    assert [target["image_id"] for _, target in some] == [4, 1, 5]
    assert [target["image_id"] for _, target in some.subset([2, 0])] == [5, 4]
    assert data.made == 3  # they share the pictures
    some.transforms = blacken
    assert data[4][0].unique().numel() == 1
    with pytest.raises(IndexError):
        data.subset([6])
    with pytest.raises(IndexError):
        some[3]


def test_a_fingerprint_is_of_the_items_and_of_nothing_else():
    sets = [
        ShapesDetection("train"),
        ShapesDetection("test"),
        ShapesDetection("train", seed=1),
        ShapesDetection("train", length=7),
        ShapesDetection("train", 64),
        ShapesInContext("train"),
        ShapesInContext("train", direction="bottom-up"),
        ShapesInContext("train", small=(7, 10)),
        ShapesDetection("train").subset([0, 1]),
        ShapesDetection("train").subset([1, 0]),
        ShapesDetection("train", seed=1).subset([0, 1]),
        Squares(),
    ]
    prints = [data.fingerprint() for data in sets]
    assert len(set(prints)) == len(prints)
    same = ShapesDetection("train", 128, 3000, 0, train_transforms((64, 64)), cache=True)
    assert same.fingerprint() == prints[0]
    assert same.subset(range(2)).fingerprint() == prints[8]


def test_a_class_that_is_named_twice_is_refused():
    with pytest.raises(ValueError, match="'cell' is named twice"):
        DetectionDataset(("cell", "dot", "cell"))


def test_crowd_regions_move_with_an_evaluation_and_are_dropped_by_augmentation():
    data = Squares(side=20)
    data.crowds = lambda index: (np.array([[2, 4, 10, 20]], np.float32), np.array([1]))
    data.transforms = eval_transforms((40, 40))
    _, target = data[0]
    assert target["crowd_boxes"].tolist() == [[4, 8, 20, 40]]
    assert target["crowd_labels"].tolist() == [1] and target["boxes"].tolist() == [[2, 2, 10, 10]]
    for size, zoom in (((40, 40), (0.75, 1.5)), ((20, 20), (1, 1))):
        data.transforms = train_transforms(size, zoom=zoom)
        assert set(data[0][1]) == {"boxes", "labels", "image_id"}


def test_boxes_that_vanish_are_counted_by_arithmetic():
    data = Squares()
    assert data.vanishing_boxes((64, 64)) == (0, 0)
    boxes = np.array([[0, 0, 12, 12], [0, 0, 20, 12], [0, 0, 20, 20]], np.float32)
    data.annotations = lambda: [((1000, 500), boxes), ((64, 64), boxes)] + [((9, 9), boxes[:0])] * 4
    # 64 / 1000 of 12 px is 0.77 px, and of 20 px 1.28 px; at 128 all are over one pixel.
    assert data.vanishing_boxes((64, 64)) == (2, 6)
    assert data.vanishing_boxes((128, 128)) == (0, 6)
    assert data.subset([0]).vanishing_boxes((64, 64)) == (2, 3)
