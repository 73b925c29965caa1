"""Pictures whose class no single mark tells: whether marks half a picture apart are alike.

The pictures of `window`.
"""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as transform

CLASSES = ("unlike", "alike")
SIDE = 128  # pixels of a picture as it is drawn; each network gets it at its own resolution
FAR, NEAR = 64, 16  # pixels of SIDE between the middles of two partners
RADIUS = 6.4  # of a mark, in pixels of SIDE
GRAY, CONTRAST, NOISE = 0.5, 0.3, 0.1  # of the ground, of a mark on it, of each pixel


def draw(count: int, seed: int, distance: int = FAR, noise: float = NOISE) -> tuple[Tensor, Tensor]:
    """`count` gray pictures, uint8 [count, SIDE, SIDE], and their labels [count], half of each.

    A picture has two pairs of marks, one pair half a picture below the other; partners stand side
    by side. Two marks are bright and two are dark, in every picture. If partners are alike, one
    pair is bright and the other dark. If they are unlike, each pair has one of each. So whoever
    sees one mark at a time sees the same marks in both classes, as often, and anything that is
    averaged over the picture comes out the same. Two marks have to be seen at once.

    distance: between partners, in pixels of SIDE. noise: standard deviation of each pixel.
    """
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    labels = labels[torch.randperm(count, generator=random)]
    pictures = []
    for some in labels.split(256):
        left = torch.randint(SIDE, (len(some), 2), generator=random)
        top = torch.randint(SIDE, (len(some),), generator=random)
        coins = 1 - 2 * torch.randint(2, (len(some), 2), generator=random)
        picture = paint(left, top, brightness(some, coins), distance)
        picture += noise * torch.randn(picture.shape, generator=random)
        pictures.append((255 * picture + 0.5).clamp(0, 255).to(torch.uint8))
    return torch.cat(pictures), labels


def brightness(labels: Tensor, coins: Tensor) -> Tensor:
    """Of each pair's two marks, [n, pair, mark]: 1 is bright and -1 dark, two of each.

    coins: 1 or -1, [n, 2]. Alike partners need one of them, unlike ones both.
    """
    alike = (labels == 1)[:, None]
    first = torch.where(alike, torch.stack([coins[:, 0], -coins[:, 0]], 1), coins)
    second = torch.where(alike, first, -first)
    return torch.stack([first, second], 2)


def paint(left: Tensor, top: Tensor, bright: Tensor, distance: int = FAR) -> Tensor:
    """Pictures without noise, floats in 0-1, [n, SIDE, SIDE].

    left: of each pair's first mark, [n, 2]. top: of the first pair, [n]. bright: [n, pair, mark].
    All are in pixels of SIDE, and what leaves the picture comes in at its other side.
    """
    picture = torch.full((len(top), SIDE, SIDE), GRAY)
    for pair in range(2):
        y = top + pair * (SIDE // 2)
        for mark in range(2):
            disc = _disc(left[:, pair] + mark * distance, y)
            picture += CONTRAST * bright[:, pair, mark, None, None] * disc
    return picture


def _disc(x: Tensor, y: Tensor) -> Tensor:
    """How much of each pixel a disc around (x, y) covers, [n, SIDE, SIDE]."""
    ruler = torch.arange(SIDE)
    across = (ruler - x[:, None] + SIDE // 2) % SIDE - SIDE // 2
    down = (ruler - y[:, None] + SIDE // 2) % SIDE - SIDE // 2
    away = torch.hypot(across[:, None, :].float(), down[:, :, None].float())
    return (RADIUS + 0.5 - away).clamp(0, 1)


def at_resolution(pictures: Tensor, side: int) -> Tensor:
    """uint8 [n, SIDE, SIDE] -> floats in 0-1, [n, 1, side, side], averaged down as a photograph
    would be.

    The border is averaged with the picture's other side, so that it cannot be told from the rest.
    side: a multiple of 8.
    """
    border, kept = SIDE // 8, side // 8
    around = F.pad(pictures[:, None].float() / 255, (border,) * 4, mode="circular")
    small = transform.resize(around, [side + 2 * kept] * 2, antialias=True)
    return small[..., kept:-kept, kept:-kept]
