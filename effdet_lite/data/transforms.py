"""Augmentation and batching on torchvision.transforms.v2, which moves the boxes with the pixels.

Training on a CPU leaves a few milliseconds for an image, so every geometric change is one crop and
resize of uint8 pixels, and float comes last. Sizes are (height, width) as everywhere in v2.
"""

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

GRAY = torch.tensor([0.299, 0.587, 0.114])  # luma of RGB, ITU-R BT.601


class RandomWindow(v2.Transform):
    """Look at the image through a random window with the shape of size, and resize what it shows to
    size.

    zoom: range of the magnification, drawn log-uniformly; at 1 the whole image just fits. A larger
    one crops, a smaller one leaves a black border. A box is dropped, with its label, where less
    than min_visible of its area is left or a side is under one pixel (what SanitizeBoundingBoxes
    would drop, at a tenth of its time). Crowd regions are dropped: nothing learns from them.
    """

    def __init__(
        self,
        size: tuple[int, int],
        zoom: tuple[float, float] = (0.75, 1.5),
        min_visible: float = 0.3,
    ):
        super().__init__()
        low, high = zoom
        if not 0 < low <= high:
            raise ValueError(f"zoom must be a range (low, high) with 0 < low <= high, not {zoom}.")
        self.size, self.zoom, self.min_visible = _checked(size), (low, high), min_visible

    def forward(self, image: torch.Tensor, target: dict) -> tuple[torch.Tensor, dict]:
        target = {name: target[name] for name in target if not name.startswith("crowd_")}
        height, width = image.shape[-2:]
        chance = torch.rand(3).tolist()
        low, high = self.zoom
        scale = min(self.size[0] / height, self.size[1] / width) * low * (high / low) ** chance[0]
        window = max(1, round(self.size[0] / scale)), max(1, round(self.size[1] / scale))
        if window == (height, width) == self.size:
            return image, target
        # Between flush with one side and flush with the other, whether the window or the image is
        # the larger one.
        top, left = round(chance[1] * (height - window[0])), round(chance[2] * (width - window[1]))
        image = F.resized_crop(image, top, left, *window, size=list(self.size), antialias=True)

        before = target["boxes"]
        boxes = F.clamp_bounding_boxes(
            F.resized_crop(before, top, left, *window, size=list(self.size))
        )
        sides, whole = boxes[:, 2:] - boxes[:, :2], before[:, 2:] - before[:, :2]
        magnified = self.size[0] * self.size[1] / (window[0] * window[1])
        seen = (sides.prod(1) >= self.min_visible * magnified * whole.prod(1)) & (sides >= 1).all(1)
        target = target | {
            "boxes": tv_tensors.wrap(boxes[seen], like=boxes),
            "labels": target["labels"][seen],
        }
        return image, target


class FitInside(v2.Transform):
    """Resize to the largest picture that fits into size with its aspect ratio kept; pad right and
    bottom in black.
    """

    def __init__(self, size: tuple[int, int]):
        super().__init__()
        self.size = _checked(size)

    def make_params(self, flat_inputs: list) -> dict:
        height, width = v2.query_size(flat_inputs)
        scale = min(self.size[0] / height, self.size[1] / width)
        return {"inner": [max(1, round(height * scale)), max(1, round(width * scale))]}

    def transform(self, inpt, params: dict):
        height, width = params["inner"]
        inpt = F.resize(inpt, [height, width], antialias=True)
        return F.pad(inpt, [0, 0, self.size[1] - width, self.size[0] - height])


class RandomColor(v2.Transform):
    """Change saturation, contrast and brightness by factors in 1 - strength to 1 + strength; float
    images in 0-1.

    Each is linear in the pixel, so the three are one matrix and one offset: under half of
    v2.ColorJitter's time.
    """

    _transformed_types = (tv_tensors.Image,)

    def __init__(self, strength: float):
        super().__init__()
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must lie in 0-1, not {strength}.")
        self.strength = strength

    def make_params(self, flat_inputs: list) -> dict:
        factors = 1 + self.strength * (2 * torch.rand(3) - 1)
        return dict(zip(("saturation", "contrast", "brightness"), factors.tolist(), strict=True))

    def transform(self, inpt: torch.Tensor, params: dict) -> torch.Tensor:
        saturation, contrast, brightness = params.values()
        pixels = inpt.as_subclass(torch.Tensor).flatten(1)  # [3, H * W]
        mix = (
            contrast
            * brightness
            * (saturation * torch.eye(3) + (1 - saturation) * GRAY.expand(3, 3))
        )
        offset = (1 - contrast) * brightness * (GRAY @ pixels.mean(1, keepdim=True))
        changed = torch.addmm(offset.expand(3, 1), mix, pixels).clamp_(0, 1)
        return tv_tensors.wrap(changed.view(inpt.shape), like=inpt)


def train_transforms(
    size: tuple[int, int],
    *,
    zoom: tuple[float, float] = (0.75, 1.5),
    min_visible: float = 0.3,
    horizontal_flip: float = 0.5,
    vertical_flip: float = 0.0,
    color: float = 0.3,
) -> v2.Compose:
    """Random window, flips and color, for training at size (height, width); takes (image, target)
    of a dataset.

    horizontal_flip, vertical_flip: probabilities; cells have no upright, so turn both on there.
    color: strength of the change of brightness, contrast and saturation (0 leaves colors alone).
    """
    steps = [RandomWindow(size, zoom, min_visible)]
    if horizontal_flip:
        steps.append(v2.RandomHorizontalFlip(horizontal_flip))
    if vertical_flip:
        steps.append(v2.RandomVerticalFlip(vertical_flip))
    steps.append(to_float())
    if color:
        steps.append(RandomColor(color))
    return v2.Compose(steps)


def eval_transforms(size: tuple[int, int]) -> v2.Compose:
    """The whole image at its own aspect ratio inside size (height, width), nothing random and no
    box dropped.
    """
    return v2.Compose([FitInside(size), to_float()])


def to_float() -> v2.ToDtype:
    """uint8 images to float32 in 0-1; boxes and labels stay as they are."""
    return v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True)


def collate(batch: list[tuple[torch.Tensor, dict]]) -> tuple[torch.Tensor, list[dict]]:
    """Items of a dataset as (images [N, 3, H, W], list of N targets); ValueError where the sizes
    differ.
    """
    images, targets = zip(*batch, strict=True)
    sizes = {tuple(image.shape[-2:]) for image in images}
    if len(sizes) > 1:
        raise ValueError(
            f"a batch needs images of one size, not {sorted(sizes)}: use eval_transforms(size)."
        )
    return torch.stack([image.as_subclass(torch.Tensor) for image in images]), list(targets)


def _checked(size: tuple[int, int]) -> tuple[int, int]:
    if isinstance(size, int) or len(size) != 2 or min(size) < 1:
        raise ValueError(f"size must be (height, width) in pixels, not {size!r}.")
    return tuple(int(side) for side in size)
