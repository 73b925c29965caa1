"""Anchors, IoU, box offsets and matching against effdet (whose boxes are yxyx) and torchvision."""

import pytest
import torch
from effdet.object_detection.box_coder import FasterRcnnBoxCoder
from effdet.object_detection.box_list import BoxList
from oracles import YX, effdet_anchors
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torchvision.ops import box_iou

from effdet_lite import anchors
from effdet_lite.anchors import area, decode, encode, grid, intersection, iou


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
    centers, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    expected = [(32, 32), (96, 32), (160, 32), (32, 96), (96, 96), (160, 96), (48, 64), (144, 64)]
    torch.testing.assert_close(centers[::9], torch.tensor(expected, dtype=torch.float32))
    factors = torch.tensor([[1, 1], [1.4, 0.7], [0.7, 1.4]])
    expected = torch.cat([256 * 2 ** (octave / 3) * factors for octave in range(3)])
    torch.testing.assert_close(sides[:9], expected)


def test_a_grid_may_be_written_into_and_the_next_is_whole():
    """effdet's is the oracle for the next one too, whatever a caller did with the first."""
    expected = effdet_anchors(64, 128).boxes[:, YX]
    grid(64, 128, range(3, 8), 4.0).mul_(0)
    torch.testing.assert_close(grid(64, 128, range(3, 8), 4.0), expected, rtol=0, atol=1e-4)


def test_a_grid_that_was_first_made_without_memory_or_by_a_tracer_is_a_real_one_next():
    """Neither torch's meta device nor its fake tensors, with which it traces, stay behind."""
    with torch.device("meta"):
        grid(64, 32, (3, 4), 3.5)
    with FakeTensorMode():
        assert isinstance(grid(64, 32, (3, 4), 3.75), FakeTensor)
    for scale in (3.5, 3.75):
        made = grid(64, 32, (3, 4), scale)
        assert type(made) is torch.Tensor and made.device.type == "cpu" and made.isfinite().all()


def test_a_grid_is_fit_for_training():
    """Made first in inference mode, it may still be saved for a backward pass."""
    with torch.inference_mode():
        grid(64, 96, [3, 4], 3.25)
    made = grid(64, 96, (3, 4), 3.25, torch.device("cpu"))
    weight = torch.ones(len(made), 4, requires_grad=True)
    (weight * made).sum().backward()
    torch.testing.assert_close(weight.grad, made)


@pytest.mark.parametrize(
    "arguments", [(0, 64, (3,), 4.0), (64, -1, (3,), 4.0), (64, 64, (3,), 0), (64, 64, (3,), -2)]
)
def test_grids_that_cannot_be(arguments):
    with pytest.raises(ValueError, match=r"must be a (whole number of at least 1|positive number)"):
        grid(*arguments)


@pytest.mark.parametrize("level", [-1, 31, 3.5, "3", None])
def test_levels_that_cannot_be(level):
    with pytest.raises(ValueError, match="each of levels must be a whole number from 0 to 30"):
        grid(64, 64, (3, level), 4.0)


@pytest.mark.parametrize("call", [iou, encode, decode])
@pytest.mark.parametrize("shapes", [((2, 2), (2, 4)), ((2, 4), (2, 5)), ((4, 2), (4, 2)), ((), ())])
def test_boxes_without_four_coordinates(call, shapes):
    with pytest.raises(ValueError, match=r"boxes and anchors must be \[..., 4\], got"):
        call(*(torch.rand(shape) for shape in shapes))


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


def test_areas_and_iou_by_hand():
    """Boxes of 100 and 200 that share 25."""
    box, anchor = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[5.0, 5, 15, 25]])
    assert (area(box), area(anchor), intersection(box, anchor)) == (100, 200, 25)
    assert iou(box, anchor).item() == pytest.approx(25 / 275)


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


def test_constants():
    assert anchors.ANCHORS_PER_POSITION == 9 == effdet_anchors(64, 64).get_anchors_per_location()
