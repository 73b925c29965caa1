"""Transforms against pixels: a white rectangle is drawn, transformed, and found again by
thresholding.
"""

import pickle

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from effdet_lite.data import ShapesDetection, collate, eval_transforms, train_transforms
from effdet_lite.data.transforms import RandomColor, RandomWindow


def marked(height, width, box):
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    image[:, box[1] : box[3], box[0] : box[2]] = 255
    boxes = tv_tensors.BoundingBoxes(
        [box], format="XYXY", canvas_size=(height, width), dtype=torch.float32
    )
    return tv_tensors.Image(image), {"boxes": boxes, "labels": torch.tensor([7]), "image_id": 5}


def found(image):
    rows, columns = (
        (image[0] > 0.5).any(1).nonzero().ravel(),
        (image[0] > 0.5).any(0).nonzero().ravel(),
    )
    return torch.tensor([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=torch.float32)


@pytest.mark.parametrize("source", [(480, 640), (128, 128), (90, 300)])
@pytest.mark.parametrize("size", [(192, 256), (128, 128)])
def test_training_moves_boxes_with_pixels(source, size):
    height, width = source
    box = [width // 4, height // 3, width // 2, height // 3 + height // 4]
    transform = train_transforms(size, vertical_flip=0.5, color=0, zoom=(0.5, 3))
    torch.manual_seed(0)
    kept, boxes = 0, []
    for _ in range(60):
        image, target = transform(*marked(height, width, box))
        assert image.shape == (3, *size) and image.dtype == torch.float32 and image.max() <= 1
        assert target["boxes"].canvas_size == size and target["image_id"] == 5
        assert len(target["boxes"]) == len(target["labels"])
        if len(target["boxes"]):
            kept += 1
            boxes.append(target["boxes"][0])
            torch.testing.assert_close(
                found(image), target["boxes"][0].as_subclass(torch.Tensor), atol=1.01, rtol=0
            )
    assert kept > 25
    assert torch.stack(boxes).std(0).min() > 5  # it does move


def test_a_box_is_dropped_where_less_than_min_visible_is_left():
    transform = RandomWindow(
        (128, 128), zoom=(2, 2), min_visible=0.4
    )  # twice as large: areas are four times
    torch.manual_seed(0)
    outcomes = set()
    for _ in range(200):
        image, target = transform(*marked(128, 128, [40, 40, 90, 90]))
        share = (image[0] > 127).sum().item() / (4 * 50 * 50)
        outcomes.add(len(target["boxes"]))
        if abs(share - 0.4) > 0.02:  # beyond a pixel's rounding
            assert len(target["boxes"]) == len(target["labels"]) == (share > 0.4)
    assert outcomes == {0, 1}


def test_an_image_without_boxes_stays_legal():
    image, target = marked(60, 80, [1, 1, 2, 2])
    target |= {
        "boxes": tv_tensors.wrap(target["boxes"][:0], like=target["boxes"]),
        "labels": target["labels"][:0],
    }
    for transform in (train_transforms((64, 64)), eval_transforms((64, 64))):
        _, out = transform(image, target)
        assert out["boxes"].shape == (0, 4) and out["labels"].shape == (0,)


@pytest.mark.parametrize(
    "source, size, scale",
    [((480, 640), (192, 256), 0.4), ((100, 300), (128, 128), 128 / 300), ((64, 32), (64, 96), 1)],
)
def test_evaluation_keeps_the_aspect_ratio_and_pads_right_and_bottom(source, size, scale):
    height, width = source
    box = [width // 4, height // 2, width, height]
    image, target = eval_transforms(size)(*marked(height, width, box))
    assert image.shape == (3, *size) and target["boxes"].canvas_size == size
    assert target["boxes"][0].tolist() == pytest.approx([side * scale for side in box], abs=0.51)
    torch.testing.assert_close(
        found(image), target["boxes"][0].as_subclass(torch.Tensor), atol=0.75, rtol=0
    )
    assert (
        image[:, round(height * scale) :].sum() == 0
        and image[:, :, round(width * scale) :].sum() == 0
    )


def test_color_equals_torchvision_s_three_adjustments():
    torch.manual_seed(0)
    image = tv_tensors.Image(
        0.35 + 0.3 * torch.rand(3, 20, 30)
    )  # mid-gray, so that nothing is clipped
    transform = RandomColor(0.3)
    for _ in range(10):
        params = transform.make_params([image])
        expected = F.adjust_saturation(image, params["saturation"])
        expected = F.adjust_brightness(
            F.adjust_contrast(expected, params["contrast"]), params["brightness"]
        )
        out = transform.transform(image, params)
        assert isinstance(out, tv_tensors.Image)
        torch.testing.assert_close(out, expected, atol=1e-3, rtol=0)
        assert all(0.7 <= factor <= 1.3 for factor in params.values())


def test_two_workers_batches_and_errors():
    data = ShapesDetection("train", size=64, length=9, transforms=train_transforms((64, 64)))
    assert len(pickle.loads(pickle.dumps(data))) == 9
    loader = torch.utils.data.DataLoader(data, batch_size=4, num_workers=2, collate_fn=collate)
    sizes = [
        (images.shape, [target["image_id"] for target in targets]) for images, targets in loader
    ]
    assert sizes == [
        ((4, 3, 64, 64), [0, 1, 2, 3]),
        ((4, 3, 64, 64), [4, 5, 6, 7]),
        ((1, 3, 64, 64), [8]),
    ]
    images, _ = collate([data[0], data[1]])
    assert type(images) is torch.Tensor and images.dtype == torch.float32
    with pytest.raises(ValueError, match="one size"):
        collate([data[0], ShapesDetection("train")[0]])


@pytest.mark.parametrize(
    "call",
    [
        lambda: train_transforms(128),
        lambda: train_transforms((8, 8), color=2),
        lambda: eval_transforms((0, 5)),
        lambda: RandomWindow((8, 8), zoom=(2, 1)),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(ValueError, match="must"):
        call()
