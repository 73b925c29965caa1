"""Which anchor answers for which object: the plain function and the fast one against effdet's, in
which boxes are yxyx, and the fast one against the plain one.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import effdet_assign, effdet_match

from effdet_lite.anchors import anchor_grid as grid
from effdet_lite.anchors import match
from effdet_lite.matching import fast_match


def random_boxes(number, height, width, largest=None, generator=None):
    corner = torch.rand(number, 2, generator=generator) * torch.tensor([width, height]) * 0.95
    side = torch.rand(number, 2, generator=generator) ** 2 * (largest or min(height, width)) + 1
    return torch.cat([corner, torch.minimum(corner + side, torch.tensor([width, height]) * 1.0)], 1)


@pytest.fixture(params=[match, fast_match], ids=["plain", "fast"])
def assign(request):
    return request.param


def assert_matches_equal_effdets(assign, height, width, boxes, labels, levels=(3, 7), scale=4.0):
    ours = assign(grid(height, width, range(levels[0], levels[1] + 1), scale), boxes, labels)
    for index, (image_boxes, image_labels) in enumerate(zip(boxes, labels, strict=True)):
        classes, offsets = effdet_match(height, width, image_boxes, image_labels, levels, scale)
        assert torch.equal(ours.labels[index], classes)
        torch.testing.assert_close(ours.deltas[index], offsets, rtol=1e-4, atol=1e-5)
    return ours


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("numbers", [(1,), (20, 3), (0, 7, 1, 0, 40)])
def test_matches_equal_effdets(assign, seed, numbers):
    """Images with many boxes, with one and with none in the same batch."""
    generator = torch.Generator().manual_seed(seed)
    height, width = [(256, 256), (128, 384), (384, 256)][seed % 3]
    largest = None if seed < 3 else 60
    boxes = [random_boxes(number, height, width, largest, generator) for number in numbers]
    labels = [torch.randint(90, (number,), generator=generator) for number in numbers]
    ours = assert_matches_equal_effdets(assign, height, width, boxes, labels)
    assert (ours.labels >= 0).sum() >= max(numbers) // 2


def assert_matches_equal_effdets_assigner(assign, places, boxes, labels, threshold=0.5):
    """As above, for any anchors: every object must overlap one of them, or effdet gives it anchor
    0.
    """
    classes, offsets = effdet_assign(places, boxes, labels, threshold)
    ours = assign(places, [boxes], [labels], threshold)
    assert torch.equal(ours.labels[0], classes)
    torch.testing.assert_close(ours.deltas[0], offsets, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("threshold", [0.1, 0.4, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(
    "sides", [(0.01, 0.5), (1, 12), (20, 150), (200, 900)], ids=["specks", "small", "mixed", "huge"]
)
def test_boxes_of_any_size_at_any_threshold(assign, threshold, sides):
    """Smaller than every anchor, larger than the image, partly outside it; 200 x 140 has no whole
    number of strides.
    """
    generator = torch.Generator().manual_seed(0)
    center = torch.rand(25, 2, generator=generator) * torch.tensor([160, 220]) - 10
    half = (sides[0] + torch.rand(25, 2, generator=generator) * (sides[1] - sides[0])) / 2
    boxes, labels = (
        torch.cat([center - half, center + half], 1),
        torch.randint(90, (25,), generator=generator),
    )
    assert_matches_equal_effdets_assigner(
        assign, grid(200, 140, (3, 4, 5, 6, 7), 4.0), boxes, labels, threshold
    )


@pytest.mark.parametrize("number", [1, 35, 36, 37, 1000])
@pytest.mark.parametrize("equal", [False, True], ids=["all differ", "some are equal"])
def test_anchors_need_not_be_a_grid(assign, number, equal):
    """Anchors in no order and of all sizes; objects that are anchors, and others. The last anchor
    overlaps them all.
    """
    generator = torch.Generator().manual_seed(number)
    places = random_boxes(number, 100, 160, generator=generator)
    places[-1] = torch.tensor([0.0, 0, 160, 100])
    if equal:
        places = places[torch.randint(number, (number,), generator=generator).sort().values]
        places[number // 2 :] = torch.tensor([0.0, 0, 160, 100])
    some = torch.randint(number, (12,), generator=generator)
    boxes = torch.cat([places[some], random_boxes(12, 100, 160, generator=generator)])
    assert_matches_equal_effdets_assigner(assign, places, boxes, torch.arange(24))


def test_an_object_below_the_threshold_finds_its_best_anchor_in_the_last_group_too(assign):
    """One anchor among many far ones overlaps the object a little, wherever it stands in the
    list.
    """
    object_box, label = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([2])
    far = torch.tensor([500.0, 500, 510, 510])
    for place in (0, 35, 36, 99):
        places = far.repeat(100, 1)
        places[place] = torch.tensor([9.0, 9, 19, 19])
        assert (assign(places, [object_box], [label]).labels[0] >= 0).nonzero().tolist() == [
            [place]
        ]


def test_ties_go_to_the_first(assign):
    """Equal boxes of different class, and boxes centered between anchors, which overlap several of
    them equally.
    """
    between = torch.tensor([[48.0, 48, 80, 80], [56, 56, 72, 72], [64, 64, 64.5, 64.5]])
    boxes = torch.cat([between, between, torch.tensor([[0.0, 0, 128, 128]]).repeat(3, 1)])
    labels = torch.arange(len(boxes))
    for order in (labels, labels.flip(0)):
        assert_matches_equal_effdets(assign, 128, 128, [boxes[order]], [labels[order]])


def test_an_object_keeps_its_best_anchor_though_another_overlaps_it_more(assign):
    """Two objects with one best anchor: the first has it, as in effdet."""
    places = grid(128, 128, (3, 4, 5, 6, 7), 4.0)
    best = places[1000]
    boxes = torch.stack([best + torch.tensor([0.0, 0, 9, 9]), best])
    ours = assert_matches_equal_effdets(assign, 128, 128, [boxes], [torch.tensor([4, 7])])
    assert {4, 7} <= set(ours.labels.unique().tolist())


def test_the_threshold_is_reached_at_exactly_half(assign):
    places = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 4], [0, 0, 8, 3.99]])
    assert assign(
        places, [torch.tensor([[0.0, 0, 8, 8]])], [torch.tensor([3])]
    ).labels.tolist() == [[3, 3, -1]]


def test_an_object_beyond_all_anchors_is_left_out_where_effdet_takes_anchor_0(assign):
    """A box outside the image, or without area: nothing can answer for it, least of all an anchor
    far away.
    """
    nowhere = torch.tensor([[5000.0, 5000, 5040, 5040]])
    somewhere = torch.tensor([[40.0, 40, 80, 80]])
    labels = torch.tensor([5])
    classes, _ = effdet_match(128, 128, nowhere, labels)
    assert classes.tolist() == [5] + [-1] * (len(classes) - 1)
    places = grid(128, 128, (3, 4, 5, 6, 7), 4.0)
    for empty in (nowhere, torch.tensor([[30.0, 30, 30, 60]])):
        assert (assign(places, [empty], [labels]).labels == -1).all()
        together = assign(places, [torch.cat([empty, somewhere])], [torch.tensor([5, 6])])
        alone = assign(places, [somewhere], [torch.tensor([6])])
        assert torch.equal(together.labels, alone.labels) and torch.equal(
            together.deltas, alone.deltas
        )


def test_no_boxes_at_all(assign):
    places = grid(64, 64, (3, 4), 4.0)
    for boxes, labels in (
        ([], []),
        ([torch.zeros(0, 4)] * 2, [torch.zeros(0, dtype=torch.int64)] * 2),
    ):
        ours = assign(places, boxes, labels)
        assert ours.labels.shape == (len(boxes), len(places)) and ours.deltas.shape == (
            len(boxes),
            len(places),
            4,
        )
        assert (
            (ours.labels == -1).all() and ours.labels.dtype == torch.int64 and not ours.deltas.any()
        )


def test_empty_tensors_of_another_type_are_empty(assign):
    """`torch.tensor([])` is of floats, and has one dimension."""
    places, box, label = (
        grid(64, 64, (3, 4), 4.0),
        torch.tensor([[8.0, 8, 40, 40]]),
        torch.tensor([1]),
    )
    expected = assign(places, [torch.zeros(0, 4), box], [torch.zeros(0, dtype=torch.int64), label])
    ours = assign(places, [torch.tensor([]), box], [torch.tensor([]), label])
    assert torch.equal(ours.labels, expected.labels) and torch.equal(ours.deltas, expected.deltas)


@pytest.mark.parametrize(
    ("boxes", "labels"),
    [
        ([torch.rand(2, 4), torch.rand(2, 4)], [torch.tensor([1]), torch.tensor([1, 2])]),
        ([torch.rand(2, 4)], [torch.tensor([1, 2]), torch.tensor([1])]),
        (torch.rand(2, 4), torch.tensor([1, 2])),
        ([torch.rand(1, 4)], [torch.tensor([[1]])]),
        ([torch.rand(2, 5)], [torch.tensor([1, 2])]),
        ([torch.rand(4)], [torch.tensor([1, 2, 3, 4])]),
    ],
    ids=[
        "a label is missing",
        "an image is missing",
        "not a list",
        "labels [n, 1]",
        "boxes [n, 5]",
        "boxes [n]",
    ],
)
def test_boxes_and_labels_that_do_not_belong_together(assign, boxes, labels):
    with pytest.raises(ValueError, match=r"for each image give boxes \[n, 4\] and labels \[n\]"):
        assign(grid(64, 64, (3, 4), 4.0), boxes, labels)


def test_labels_that_are_not_whole(assign):
    with pytest.raises(ValueError, match=r"labels must be whole numbers, got torch.float32"):
        assign(grid(64, 64, (3, 4), 4.0), [torch.rand(1, 4)], [torch.tensor([1.5])])


def test_objects_with_a_label_below_0_take_no_anchor_from_others(assign):
    """effdet drops them before it assigns (`AnchorLabeler.label_anchors`)."""
    boxes = torch.tensor([[32.0, 32, 96, 96], [34, 34, 98, 98], [0, 0, 40, 40]])
    labels = torch.tensor([-7, 6, -2])
    ours = assert_matches_equal_effdets(assign, 128, 128, [boxes], [labels])
    assert set(ours.labels.unique().tolist()) == {-1, 6}
    alone = assign(grid(128, 128, range(3, 8), 4.0), [boxes[1:2]], [labels[1:2]])
    assert torch.equal(ours.labels, alone.labels) and torch.equal(ours.deltas, alone.deltas)


def test_flushed_denormals_change_nothing(assign):
    """A processor that takes the smallest numbers for 0 leaves far objects out all the same."""
    places, nowhere = grid(64, 64, (3, 4), 4.0), torch.tensor([[5000.0, 5000, 5040, 5040]])
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush denormals")
    try:
        assert (assign(places, [nowhere], [torch.tensor([5])]).labels == -1).all()
    finally:
        torch.set_flush_denormal(False)


@pytest.mark.parametrize("threshold", [0, -0.1, 1.01, float("nan"), "0.5", None])
def test_thresholds_that_cannot_be(assign, threshold):
    with pytest.raises(ValueError, match="threshold must be a number above 0 and at most 1"):
        assign(grid(64, 64, (3, 4), 4.0), [torch.rand(1, 4)], [torch.tensor([0])], threshold)


coordinate = st.one_of(
    st.integers(-20, 150).map(float), st.floats(-1e4, 1e4, width=32), st.just(float("nan"))
)
objects = st.lists(
    st.tuples(*[coordinate] * 4, st.integers(-2, 5)).map(lambda row: row), max_size=6
)


@settings(max_examples=60, deadline=None)
@given(st.lists(objects, max_size=3), st.sampled_from([0.05, 0.5, 0.8, 1.0]))
def test_the_fast_one_equals_the_plain_one(images, threshold):
    """On any boxes at all: turned around, without area, far outside, not a number."""
    boxes = [torch.tensor([row[:4] for row in image]).reshape(-1, 4) for image in images]
    labels = [torch.tensor([row[4] for row in image], dtype=torch.long) for image in images]
    places = grid(128, 128, (3, 4, 5, 6, 7), 4.0)
    plain, fast = (
        match(places, boxes, labels, threshold),
        fast_match(places, boxes, labels, threshold),
    )
    assert torch.equal(plain.labels, fast.labels)
    torch.testing.assert_close(plain.deltas, fast.deltas, rtol=0, atol=0, equal_nan=True)
