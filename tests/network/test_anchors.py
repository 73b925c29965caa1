"""Anchors, IoU, box offsets and matching against effdet (whose boxes are yxyx) and torchvision."""

import pytest
import torch
from effdet.object_detection.box_coder import FasterRcnnBoxCoder
from effdet.object_detection.box_list import BoxList
from oracles import YX, effdet_anchors, effdet_assign, effdet_match
from torchvision.ops import box_iou

from effdet_lite import anchors
from effdet_lite.anchors import decode, encode, grid, iou, match


def random_boxes(number, height, width, largest=None, generator=None):
    corner = torch.rand(number, 2, generator=generator) * torch.tensor([width, height]) * 0.95
    side = torch.rand(number, 2, generator=generator) ** 2 * (largest or min(height, width)) + 1
    return torch.cat([corner, torch.minimum(corner + side, torch.tensor([width, height]) * 1.0)], 1)


# --- the grid ---


@pytest.mark.parametrize(
    ("height", "width", "levels", "scale"),
    [
        (512, 512, (3, 7), 4.0),
        (640, 384, (3, 7), 4.0),
        (512, 768, (3, 8), 4.0),
        (256, 384, (3, 7), 5.0),
        (128, 192, (2, 6), 2.0),
        (500, 340, (3, 7), 4.0),
    ],
    ids=["D0", "not square", "P8", "D7's scale", "small models", "odd"],
)
def test_grid_equals_effdets(height, width, levels, scale):
    expected = effdet_anchors(height, width, levels, scale).boxes[:, YX]
    ours = grid(height, width, range(levels[0], levels[1] + 1), scale)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-4)
    assert ours.dtype == torch.float32 and ours.is_contiguous()


def test_d0_has_its_49104_anchors():
    assert len(grid(512, 512, (3, 4, 5, 6, 7), 4.0)) == 49_104


def test_order_is_level_row_column_shape():
    """By hand: 128 x 192 at P6 and P7 has 2 x 3 and 1 x 2 positions; the scale changes slowest."""
    boxes = grid(128, 192, (6, 7), 4.0)
    centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    expected = [(32, 32), (96, 32), (160, 32), (32, 96), (96, 96), (160, 96), (48, 64), (144, 64)]
    torch.testing.assert_close(centres[::9], torch.tensor(expected, dtype=torch.float32))
    factors = torch.tensor([[1, 1], [1.4, 0.7], [0.7, 1.4]])
    expected = torch.cat([256 * 2 ** (octave / 3) * factors for octave in range(3)])
    torch.testing.assert_close(sides[:9], expected)


def test_the_grid_is_shared_and_fit_for_training():
    """Made first in inference mode, it may still be saved for a backward pass."""
    with torch.inference_mode():
        made = grid(64, 96, [3, 4], 3.25)
    assert grid(64, 96, (3, 4), 3.25, torch.device("cpu")) is made
    weight = torch.ones(len(made), 4, requires_grad=True)
    (weight * made).sum().backward()
    torch.testing.assert_close(weight.grad, made)


@pytest.mark.parametrize(
    "arguments", [(0, 64, (3,), 4.0), (64, -1, (3,), 4.0), (64, 64, (3,), 0), (64, 64, (3,), -2)]
)
def test_grids_that_cannot_be(arguments):
    with pytest.raises(ValueError, match="must be positive"):
        grid(*arguments)


# --- IoU and offsets ---


def test_iou_equals_torchvisions():
    torch.manual_seed(0)
    boxes, others = random_boxes(40, 200, 300), random_boxes(60, 200, 300)
    torch.testing.assert_close(iou(boxes, others), box_iou(boxes, others))
    batch = boxes.reshape(4, 10, 4)
    torch.testing.assert_close(
        iou(batch, others), torch.stack([box_iou(part, others) for part in batch])
    )


def test_iou_of_whole_numbers_equals_torchvisions():
    boxes, others = (
        torch.tensor([[0, 0, 10, 10], [3, 3, 4, 9]]),
        torch.tensor([[5, 5, 15, 15], [0, 0, 10, 10]]),
    )
    torch.testing.assert_close(iou(boxes, others), box_iou(boxes.float(), others.float()))
    torch.testing.assert_close(iou(boxes.float(), others), iou(boxes, others.float()))


def test_iou_of_boxes_without_area_is_zero():
    """torchvision gives nan for two of them."""
    points = torch.tensor([[5.0, 5, 5, 5], [0, 0, 0, 9], [2, 2, 8, 2]])
    assert (iou(points, torch.cat([points, torch.tensor([[0.0, 0, 10, 10]])])) == 0).all()
    assert iou(points[:0], points).shape == (0, 3)


def test_iou_with_other_areas_by_hand():
    """The overlap 25 of boxes of 100: 25 / (100 + 100 - 25), and 25 / (100 + 50 - 25) if the anchor
    counts as 50.
    """
    box, anchor = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[5.0, 5, 15, 15]])
    assert iou(box, anchor).item() == pytest.approx(1 / 7)
    assert iou(box, anchor, torch.tensor([50.0])).item() == pytest.approx(0.2)


def test_iou_of_batches_of_boxes_with_batches_of_anchors():
    torch.manual_seed(0)
    boxes, others = (
        random_boxes(12, 200, 300).reshape(4, 3, 4),
        random_boxes(20, 200, 300).reshape(4, 5, 4),
    )
    expected = torch.stack([box_iou(*pair) for pair in zip(boxes, others, strict=True)])
    torch.testing.assert_close(iou(boxes, others), expected)


def test_offsets_equal_effdets():
    torch.manual_seed(0)
    places = grid(128, 128, (3, 4, 5), 4.0)
    boxes = random_boxes(len(places), 128, 128)
    reference = FasterRcnnBoxCoder().encode(
        BoxList(boxes[:, YX]), BoxList(places[:, YX])
    )  # (dy, dx, dh, dw)
    torch.testing.assert_close(encode(boxes, places), reference[:, YX], rtol=1e-4, atol=1e-5)
    deltas = torch.randn(len(places), 4)
    reference = FasterRcnnBoxCoder().decode(deltas[:, YX], BoxList(places[:, YX])).boxes()[:, YX]
    torch.testing.assert_close(decode(deltas, places), reference, rtol=1e-4, atol=1e-3)


def test_decode_undoes_encode():
    torch.manual_seed(0)
    places, boxes = (random_boxes(500, 300, 200).double() for _ in range(2))
    torch.testing.assert_close(decode(encode(boxes, places), places), boxes, rtol=1e-5, atol=1e-5)
    assert (encode(places, places) == 0).all() and torch.equal(
        decode(torch.zeros_like(places), places), places
    )


def test_a_box_without_area_has_finite_offsets():
    assert encode(torch.tensor([[5.0, 5, 5, 5]]), torch.tensor([[0.0, 0, 8, 8]])).isfinite().all()


# --- matching ---


def assert_matches_equal_effdets(height, width, boxes, labels, levels=(3, 7), scale=4.0):
    ours = match(grid(height, width, range(levels[0], levels[1] + 1), scale), boxes, labels)
    for index, (image_boxes, image_labels) in enumerate(zip(boxes, labels, strict=True)):
        classes, offsets = effdet_match(height, width, image_boxes, image_labels, levels, scale)
        assert torch.equal(ours.labels[index], classes)
        torch.testing.assert_close(ours.deltas[index], offsets, rtol=1e-4, atol=1e-5)
    return ours


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("numbers", [(1,), (20, 3), (0, 7, 1, 0, 40)])
def test_matches_equal_effdets(seed, numbers):
    """Images with many boxes, with one and with none in the same batch."""
    generator = torch.Generator().manual_seed(seed)
    height, width = [(256, 256), (128, 384), (384, 256)][seed % 3]
    largest = None if seed < 3 else 60
    boxes = [random_boxes(number, height, width, largest, generator) for number in numbers]
    labels = [torch.randint(90, (number,), generator=generator) for number in numbers]
    ours = assert_matches_equal_effdets(height, width, boxes, labels)
    assert (ours.labels >= 0).sum() >= max(numbers) // 2


def assert_matches_equal_effdets_assigner(places, boxes, labels, threshold=0.5):
    """As above, for any anchors: every object must overlap one of them, or effdet gives it anchor
    0.
    """
    classes, offsets = effdet_assign(places, boxes, labels, threshold)
    ours = match(places, [boxes], [labels], threshold)
    assert torch.equal(ours.labels[0], classes)
    torch.testing.assert_close(ours.deltas[0], offsets, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("threshold", [0.1, 0.4, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(
    "sides", [(0.01, 0.5), (1, 12), (20, 150), (200, 900)], ids=["specks", "small", "mixed", "huge"]
)
def test_boxes_of_any_size_at_any_threshold(threshold, sides):
    """Smaller than every anchor, larger than the image, partly outside it; 200 x 140 has no whole
    number of strides.
    """
    generator = torch.Generator().manual_seed(0)
    centre = torch.rand(25, 2, generator=generator) * torch.tensor([160, 220]) - 10
    half = (sides[0] + torch.rand(25, 2, generator=generator) * (sides[1] - sides[0])) / 2
    boxes, labels = (
        torch.cat([centre - half, centre + half], 1),
        torch.randint(90, (25,), generator=generator),
    )
    assert_matches_equal_effdets_assigner(
        grid(200, 140, (3, 4, 5, 6, 7), 4.0), boxes, labels, threshold
    )


@pytest.mark.parametrize("number", [1, 35, 36, 37, 1000])
@pytest.mark.parametrize("equal", [False, True], ids=["all differ", "some are equal"])
def test_anchors_need_not_be_a_grid(number, equal):
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
    assert_matches_equal_effdets_assigner(places, boxes, torch.arange(24))


def test_an_object_below_the_threshold_finds_its_best_anchor_in_the_last_group_too():
    """One anchor among many far ones overlaps the object a little, wherever it stands in the
    list.
    """
    object_box, label = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([2])
    far = torch.tensor([500.0, 500, 510, 510])
    for place in (0, 35, 36, 99):
        places = far.repeat(100, 1)
        places[place] = torch.tensor([9.0, 9, 19, 19])
        assert (match(places, [object_box], [label]).labels[0] >= 0).nonzero().tolist() == [[place]]


def test_ties_go_to_the_first():
    """Equal boxes of different class, and boxes centred between anchors, which overlap several of
    them equally.
    """
    between = torch.tensor([[48.0, 48, 80, 80], [56, 56, 72, 72], [64, 64, 64.5, 64.5]])
    boxes = torch.cat([between, between, torch.tensor([[0.0, 0, 128, 128]]).repeat(3, 1)])
    labels = torch.arange(len(boxes))
    for order in (labels, labels.flip(0)):
        assert_matches_equal_effdets(128, 128, [boxes[order]], [labels[order]])


def test_an_object_keeps_its_best_anchor_though_another_overlaps_it_more():
    """Two objects with one best anchor: the first has it, as in effdet."""
    places = grid(128, 128, (3, 4, 5, 6, 7), 4.0)
    best = places[1000]
    boxes = torch.stack([best + torch.tensor([0.0, 0, 9, 9]), best])
    ours = assert_matches_equal_effdets(128, 128, [boxes], [torch.tensor([4, 7])])
    assert {4, 7} <= set(ours.labels.unique().tolist())


def test_the_threshold_is_reached_at_exactly_half():
    places = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 4], [0, 0, 8, 3.99]])
    assert match(places, [torch.tensor([[0.0, 0, 8, 8]])], [torch.tensor([3])]).labels.tolist() == [
        [3, 3, -1]
    ]


def test_an_object_beyond_all_anchors_is_left_out_where_effdet_takes_anchor_0():
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
        assert (match(places, [empty], [labels]).labels == -1).all()
        together = match(places, [torch.cat([empty, somewhere])], [torch.tensor([5, 6])])
        alone = match(places, [somewhere], [torch.tensor([6])])
        assert torch.equal(together.labels, alone.labels) and torch.equal(
            together.deltas, alone.deltas
        )


def test_no_boxes_at_all():
    places = grid(64, 64, (3, 4), 4.0)
    for boxes, labels in (
        ([], []),
        ([torch.zeros(0, 4)] * 2, [torch.zeros(0, dtype=torch.int64)] * 2),
    ):
        ours = match(places, boxes, labels)
        assert ours.labels.shape == (len(boxes), len(places)) and ours.deltas.shape == (
            len(boxes),
            len(places),
            4,
        )
        assert (
            (ours.labels == -1).all() and ours.labels.dtype == torch.int64 and not ours.deltas.any()
        )


def test_empty_tensors_of_another_type_are_empty():
    """`torch.tensor([])` is of floats, and has one dimension."""
    places, box, label = (
        grid(64, 64, (3, 4), 4.0),
        torch.tensor([[8.0, 8, 40, 40]]),
        torch.tensor([1]),
    )
    expected = match(places, [torch.zeros(0, 4), box], [torch.zeros(0, dtype=torch.int64), label])
    ours = match(places, [torch.tensor([]), box], [torch.tensor([]), label])
    assert torch.equal(ours.labels, expected.labels) and torch.equal(ours.deltas, expected.deltas)


@pytest.mark.parametrize(
    ("boxes", "labels"),
    [
        ([torch.rand(2, 4), torch.rand(2, 4)], [torch.tensor([1]), torch.tensor([1, 2])]),
        ([torch.rand(2, 4)], [torch.tensor([1, 2]), torch.tensor([1])]),
        (torch.rand(2, 4), torch.tensor([1, 2])),
        ([torch.rand(1, 4)], [torch.tensor([[1]])]),
    ],
    ids=["a label is missing", "an image is missing", "not a list", "labels [n, 1]"],
)
def test_boxes_and_labels_that_do_not_belong_together(boxes, labels):
    with pytest.raises(ValueError, match=r"for each image give boxes \[n, 4\] and labels \[n\]"):
        match(grid(64, 64, (3, 4), 4.0), boxes, labels)


def test_constants():
    assert anchors.ANCHORS_PER_POSITION == 9 == effdet_anchors(64, 64).get_anchors_per_location()
