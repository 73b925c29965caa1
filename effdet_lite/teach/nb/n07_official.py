"""The learner's detector of notebook 07 beside `effdet`, the PyTorch port of the official code.

effdet is not installed with the course. Where it is missing, what needs it says so in a sentence.
"""

import copy
import warnings
from collections.abc import Mapping
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torchvision.ops import box_iou

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.efficientnet import normalized
from effdet_lite.missing import how_to_install
from effdet_lite.modes import evaluation_mode
from effdet_lite.pretrained import effdet_state, load_effdet
from effdet_lite.randomness import own_numbers
from effdet_lite.teach.kit.boxes import draw_outlines, draw_picture
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.shared import one_thread
from effdet_lite.teach.nb.n07_backbone import make_lively

MISSING = (
    "effdet is not installed here, so this comparison did not run: the stored page shows what "
    f"came of it (type {how_to_install(['effdet'])} for it)."
)
SCORE = 0.5  # from which on a box is drawn
SIDE = 512


def has_effdet() -> bool:
    """Whether effdet can be imported."""
    try:
        _effdet()
    except ImportError:
        return False
    return True


def _effdet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about how the port is written
        import effdet.efficientdet
    return effdet


# --- the whole network is the official one ---


class Compared(NamedTuple):
    """The official D0 and the learner's, with the same weights on the same picture.

    tensors, params: of the official one. scores, deltas: how many of each were compared. apart:
    the largest difference, in standard deviations of the official scores or deltas.
    """

    tensors: int
    params: int
    scores: int
    deltas: int
    apart: float


def official_d0() -> nn.Module:
    """effdet's D0 with lively random weights. Raises ImportError where effdet is not installed."""
    effdet = _effdet()
    with own_numbers(0):
        config = effdet.get_efficientdet_config("tf_efficientdet_d0")
        official = effdet.EfficientDet(config, pretrained_backbone=False)
        return make_lively(official, normalized(torch.rand(2, 3, SIDE, SIDE)))


def answers_of(official: nn.Module, image: Tensor) -> tuple[Tensor, Tensor]:
    """The official class logits [1, A, 90] and deltas [1, A, 4] (dx, dy, dw, dh) for an image
    [1, 3, H, W] in 0-1.
    """
    logits, deltas = (
        torch.cat([x.permute(0, 2, 3, 1).reshape(1, -1, outputs) for x in levels], 1)
        for levels, outputs in zip(official(normalized(image)), (90, 4), strict=True)
    )
    return logits, deltas[..., [1, 0, 3, 2]]  # there: dy, dx, dh, dw


def farthest_apart(ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor]) -> float:
    """The largest difference of scores or deltas, each in standard deviations of theirs."""
    pairs = zip(ours, theirs, strict=True)
    return max(((a - b).abs().max() / b.std()).item() for a, b in pairs)


@torch.no_grad()
def compare(mine: nn.Module, official: nn.Module) -> Compared:
    """Load the official weights into the learner's D0, strictly, and ask both."""
    state = official.state_dict()
    load_effdet(mine, state)
    with own_numbers(1):
        image = torch.rand(1, 3, SIDE, SIDE)
    theirs = answers_of(official, image)
    with evaluation_mode(mine):
        apart = farthest_apart(mine(image), theirs)
    params = sum(p.numel() for p in official.parameters())
    return Compared(len(state), params, theirs[0].numel(), theirs[1].numel(), apart)


def compare_with_official(mine: nn.Module) -> None:
    """Print what came of `compare`, and assert that both are one network."""
    if not has_effdet():
        print(MISSING)
        return
    found = compare(mine, official_d0())
    print(f"{found.tensors} tensors, {found.params:,} parameters: each has its place in yours")
    close = found.apart < 1e-4
    same = "all the same" if close else "not the same"
    print(f"{found.scores:,} class scores and {found.deltas:,} deltas: {same}")
    print(f"largest difference below 0.0001 standard deviations: {close}")
    assert close, "the two networks answer differently"


def show_that_a_mistake_is_noticed(mine: nn.Module) -> None:
    """The same comparison for two networks that are not alike."""
    if not has_effdet():
        print(MISSING)
        return
    official = official_d0()
    wrong = copy.deepcopy(mine)
    compare(wrong, official)
    for head in (wrong.class_head, wrong.box_head):
        for norms in head.norms:
            for level in range(len(norms)):
                norms[level] = norms[0]
    with torch.no_grad(), own_numbers(1):
        image = torch.rand(1, 3, SIDE, SIDE)
        theirs = answers_of(official, image)
        with evaluation_mode(wrong):
            apart = farthest_apart(wrong(image), theirs)
    print(f"one norm for all levels: largest difference {apart:.0f} standard deviations")


@torch.no_grad()
def show_fresh_networks_agree() -> None:
    """Two fresh D0 with different random weights, on one picture."""
    image = torch.rand(1, 3, SIDE, SIDE)
    one, other = (EfficientDet.from_name("d0").eval()(image)[0] for _ in range(2))
    count = f"{differing(one, other):,} of {one.numel():,}"
    print(f"class scores that differ by more than 0.0001: {count}")


def differing(one: Tensor, other: Tensor, least: float = 1e-4) -> int:
    """How many numbers of two tensors of one shape differ by more than `least`."""
    return int(((one - other).abs() > least).sum())


# --- both find the same boxes in one picture ---


class OfficialParts(nn.Module):
    """The official BiFPN and heads behind a trained backbone of the course, which may have fused
    stages as no official one has. It is called as effdet's detector is.
    """

    def __init__(self, model: EfficientDet, size: tuple[int, int]):
        super().__init__()
        code = _effdet().efficientdet
        own, first = model.config, model.config.min_level
        self.config = _effdet().get_efficientdet_config("tf_efficientdet_d0")
        self.config.image_size, self.config.num_classes = size, model.num_classes
        self.config.min_level, self.config.max_level = first, own.max_level
        self.config.num_levels = len(own.levels)
        self.config.anchor_scale = own.anchor_scale
        self.config.fpn_channels = own.fusion_channels
        self.config.fpn_cell_repeats = own.fusion_repeats
        self.config.box_class_repeats = own.head_repeats
        incoming = [
            {"num_chs": channels, "reduction": 2**level}
            for level, channels in enumerate(model.backbone.level_channels, start=1)
        ]
        self.fpn = code.BiFpn(self.config, incoming[first - 1 :])
        self.class_net = code.HeadNet(self.config, num_outputs=model.num_classes)
        self.box_net = code.HeadNet(self.config, num_outputs=4)
        state = effdet_state(model).items()
        self.load_state_dict({name: x for name, x in state if not name.startswith("backbone.")})
        self.features, self.first = model.backbone.features, first - 1

    def forward(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Images in 0-1, which the backbone normalizes itself -> class and box answers by level."""
        maps = self.fpn(list(self.features(images)[self.first :]))
        return self.class_net(maps), self.box_net(maps)


def official_detector(model: EfficientDet, size: tuple[int, int]) -> nn.Module:
    """The official BiFPN, heads, anchors and choice of boxes, with the weights of a trained
    detector of this course. size: (height, width) of the picture. Called with images [N, 3, H, W]
    in 0-1, it gives [N, 100, 6]: xyxy, score, class from 1 on. Raises RuntimeError where a tensor
    does not fit.
    """
    return _effdet().DetBenchPredict(OfficialParts(model, size)).eval()


class Pair(NamedTuple):
    """What two detectors find in one picture: boxes [n, 4] (xyxy, pixels), scores and labels."""

    mine: Mapping[str, Tensor]
    official: Mapping[str, Tensor]

    def farthest(self) -> float:
        """The largest distance of two edges, in pixels, each of my boxes beside the official one of
        its class that overlaps it most. Raises ValueError where the two find different numbers.
        """
        if len(self.mine["boxes"]) != len(self.official["boxes"]):
            counts = [len(one["boxes"]) for one in self]
            raise ValueError(f"one finds {counts[0]} boxes and the other {counts[1]}.")
        overlaps = box_iou(self.mine["boxes"], self.official["boxes"])
        same = self.mine["labels"][:, None] == self.official["labels"]
        best = (overlaps * same).argmax(1)
        return (self.mine["boxes"] - self.official["boxes"][best]).abs().max().item()


@torch.no_grad()
def both_detectors(mine: nn.Module, trained: EfficientDet, image: Tensor) -> Pair:
    """What both find in a picture [3, H, W] with a score of SCORE and more.

    mine: gives (class logits, box deltas); its boxes are chosen as `trained.decode` does.
    """
    size = tuple(image.shape[-2:])
    with one_thread(), evaluation_mode(mine):
        (own,) = trained.decode(mine(image[None]), size, SCORE)
        # Its boxes end at the picture's edge, as ours do, if it is told where that is.
        whole = {"img_scale": torch.ones(1), "img_size": torch.tensor([[size[1], size[0]]])}
        (rows,) = official_detector(trained, size)(image[None], whole)
    rows = rows[rows[:, 4] >= SCORE]
    official = {"boxes": rows[:, :4], "scores": rows[:, 4], "labels": rows[:, 5].long() - 1}
    return Pair(own, official)


def show_both_detectors(mine: nn.Module, trained: EfficientDet, image: Tensor) -> None:
    """The boxes of both on one picture, on top of each other."""
    if not has_effdet():
        print(MISSING)
        return
    pair = both_detectors(mine, trained, image)
    count = len(pair.mine["boxes"])
    apart = pair.farthest()
    show(
        both_figure(pair, image),
        f"{count} boxes of effdet, wide and orange, and {count} of your detector, thin "
        "and dark, each in the middle of one of effdet's.",
    )
    print(f"boxes: {count} of yours, {len(pair.official['boxes'])} of effdet")
    print(f"edges of the same box differ by less than 0.01 px: {apart < 0.01}")


@styled
def both_figure(pair: Pair, image: Tensor) -> Figure:
    """The picture with the official boxes as wide pale bands, and mine as thin lines on them."""
    height, width = image.shape[-2:]
    inches, head, foot = 6.2, 0.35, 0.45
    high = inches * height / width
    whole = high + head + foot
    figure, (axis,) = new_panels(inches, whole, (0, foot / whole, 1, high / whole))
    draw_picture(axis, image)
    band = {"linewidths": 6, "alpha": 0.85}
    draw_outlines(axis, pair.official["boxes"], PALETTE["orange"], **band)
    draw_outlines(axis, pair.mine["boxes"], PALETTE["black"], linewidths=1.6)
    count = len(pair.mine["boxes"])
    axis.set_title(f"Your twelve lines and effdet: the same {count} boxes", fontsize=12)
    looks = {
        "effdet": {"color": PALETTE["orange"], "linewidth": 6},
        "yours": {"color": PALETTE["black"], "linewidth": 1.6},
    }
    lines = [axis.plot([], [], marker="", linestyle="-", **look)[0] for look in looks.values()]
    figure.legend(
        lines, list(looks), loc="lower center", ncols=2, fontsize=10, handlelength=3, frameon=False
    )
    return figure
