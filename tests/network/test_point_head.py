"""A detector of another kind in one class: heads without anchors, trained, saved, loaded and
exported by the package as it is.

Oracles: the boxes that the targets were made from, the model before it was saved, and onnxruntime.
"""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import clip_boxes_to_image, generalized_box_iou_loss

from effdet_lite import efficientdet
from effdet_lite.checkpoint import load_detector, save_detector
from effdet_lite.data import ShapesDetection
from effdet_lite.efficientdet import Candidates, EfficientDet
from effdet_lite.layers import SeparableConv
from effdet_lite.losses import Losses, focal_loss
from effdet_lite.scaling import EfficientDetConfig, EfficientNetConfig
from effdet_lite.training import TrainConfig, train

CONFIG = EfficientDetConfig(
    64,
    EfficientNetConfig(0.3, 0.3, norm_momentum=0.1),
    fusion_channels=16,
    fusion_repeats=1,
    head_repeats=1,
    min_level=3,
    max_level=6,
    neck="fpn",
)


class PointHead(nn.Module):
    """`outputs` numbers at each position of each level."""

    def __init__(self, channels: int, outputs: int):
        super().__init__()
        self.conv = SeparableConv(channels, channels)
        self.norm = nn.BatchNorm2d(channels)
        self.predict = nn.Conv2d(channels, outputs, 1)

    def forward(self, maps):
        """Maps [N, C, H_l, W_l] -> [N, P, outputs], levels fine to coarse, then rows, columns."""
        answers = [self.predict(F.silu(self.norm(self.conv(x)))) for x in maps]
        return torch.cat([answer.flatten(2).transpose(1, 2) for answer in answers], 1)


class PointDetector(EfficientDet):
    """One point at each position: its class, and how far it is to the four sides of its object.

    An object belongs to the level whose stride fits its size, and there to the points inside it
    (FCOS, arXiv 1904.01355).
    """

    def build_heads(self, config, num_classes):
        self.class_head = PointHead(config.fusion_channels, num_classes)
        self.box_head = PointHead(config.fusion_channels, 4)
        nn.init.constant_(self.class_head.predict.bias, math.log(0.01 / 0.99))

    def points(self, size, device):
        """(x, y) [P, 2] and stride [P] of each position, in pixels."""
        places, strides = [], []
        for level in self.config.levels:
            rows, columns = size[0] // 2**level, size[1] // 2**level
            y = (torch.arange(rows, device=device) + 0.5) * 2**level
            x = (torch.arange(columns, device=device) + 0.5) * 2**level
            grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)  # [rows, columns, (x, y)]
            places.append(grid.reshape(-1, 2))
            strides.append(torch.full((rows * columns,), 2.0**level, device=device))
        return torch.cat(places), torch.cat(strides)

    def boxes(self, distances, size):
        """Answers [N, P, 4], logarithms of the four distances in strides, -> boxes [N, P, 4]."""
        points, strides = self.points(size, distances.device)
        distances = distances.float().clamp(max=8).exp() * strides[:, None]
        low, high = points - distances[..., :2], points + distances[..., 2:]
        return clip_boxes_to_image(torch.cat([low, high], -1), tuple(size))

    def targets(self, boxes, labels, size):
        """The class [P] of each point, -1 for none, and its object's box [P, 4]."""
        points, strides = self.points(size, boxes.device)
        sides = torch.cat([points - boxes[:, None, :2], boxes[:, None, 2:] - points], -1)
        inside = sides.amin(-1) > 0  # [objects, P]
        longest = (boxes[:, 2:] - boxes[:, :2]).amax(-1)
        level = (longest / 4).log2().round().clamp(self.config.min_level, self.config.max_level)
        belongs = inside & (2 ** level[:, None] == strides)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
        # Of several objects a point belongs to the smallest.
        cost = torch.where(belongs, area[:, None], torch.inf)
        best, of = cost.min(0)
        return torch.where(best.isfinite(), labels[of], -1), boxes[of]

    def loss(self, outputs, targets, size, *, alpha=0.25, gamma=1.5, reduce=None):
        logits, distances = outputs[0].float(), outputs[1]
        wanted = []
        for target in targets:
            boxes = target["boxes"].as_subclass(torch.Tensor).to(logits.device)
            labels = target["labels"].to(logits.device)
            if len(boxes) == 0:
                boxes, labels = boxes.new_zeros(1, 4), labels.new_full((1,), -1)
            wanted.append(self.targets(boxes, labels, size))
        labels, boxes = (torch.stack(values) for values in zip(*wanted, strict=True))
        positive = labels >= 0
        count = positive.sum() if reduce is None else reduce(positive.sum())
        class_loss = focal_loss(logits, labels, alpha, gamma) / (count + 1)
        found = self.boxes(distances, size)[positive]
        box_loss = generalized_box_iou_loss(found, boxes[positive], "sum") / (count + 1)
        return Losses(class_loss + box_loss, class_loss, box_loss)

    def candidates(self, outputs, size):
        logits, distances = outputs
        scores, labels = logits.sigmoid().max(-1)
        scores, order = scores.topk(scores.shape[1])  # all, best first
        boxes = self.boxes(distances, size).gather(1, order[..., None].expand(-1, -1, 4))
        return Candidates(boxes, scores, labels.gather(1, order))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(model, history, folder of the run)."""
    folder = tmp_path_factory.mktemp("points")
    pictures = ShapesDetection("train", 64, 16, seed=3)
    torch.manual_seed(0)
    model = PointDetector(CONFIG, len(pictures.classes))
    settings = TrainConfig(
        steps=12, batch_size=8, size=(64, 64), warmup=2, precision="no", output=str(folder)
    )
    few = ShapesDetection("test", 64, 2, seed=3)
    history = train(settings, pictures, few, model=model, progress=False)
    return model.eval(), history, folder


def test_targets_give_each_object_back():
    """What each point should answer, answered exactly, are the boxes that the targets came from."""
    model = PointDetector(CONFIG, 2)
    boxes = torch.tensor([[2.0, 3, 30, 29], [40, 36, 64, 60]])
    labels, wanted = model.targets(boxes, torch.tensor([0, 1]), (64, 64))
    assert {0, 1} == set(labels.unique().tolist()) - {-1}
    points, strides = model.points((64, 64), "cpu")
    positive = labels >= 0
    sides = torch.cat([points - wanted[:, :2], wanted[:, 2:] - points], -1)[positive]
    answers = torch.zeros(1, len(points), 4)
    answers[0, positive] = (sides / strides[positive, None]).log()
    found = model.boxes(answers, (64, 64))[0, positive]
    torch.testing.assert_close(found, boxes[labels[positive]], rtol=1e-4, atol=1e-4)


def test_it_learns(trained):
    _, history, _ = trained
    losses = [row["loss"] for row in history]
    assert len(losses) == 12 and sum(losses[-3:]) < 0.7 * sum(losses[:3])
    assert all(row["class_loss"] + row["box_loss"] == pytest.approx(row["loss"]) for row in history)


def test_its_file_is_opened_as_what_it_is(trained):
    model, _, folder = trained
    found, header = load_detector(folder / "detector.safetensors")
    assert type(found) is PointDetector and header["detector"] == "PointDetector"
    assert found.config == CONFIG
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for ours, theirs in zip(found(images), model(images), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.05)  # stored in half


def test_a_file_whose_class_is_not_here_says_so(trained, monkeypatch, tmp_path):
    model, _, _ = trained
    save_detector(tmp_path / "d", model, tuple("abcdefgh"[: model.num_classes]), (64, 64))
    monkeypatch.delitem(efficientdet.EfficientDet.subclasses, "PointDetector")
    with pytest.raises(ValueError, match="a PointDetector; import the module that defines it"):
        load_detector(tmp_path / "d")


@pytest.mark.slow
def test_onnxruntime_finds_what_it_finds(trained, tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    from effdet_lite.export import export_onnx

    model, _, _ = trained
    export_onnx(model, (64, 64), tmp_path / "points.onnx", score_threshold=0.02)
    session = runtime.InferenceSession(tmp_path / "points.onnx")
    test_set = ShapesDetection("test", 64, 6, seed=3)
    objects = 0
    for index in range(6):
        image = test_set[index][0].as_subclass(torch.Tensor)[None]
        boxes, scores, labels = session.run(None, {"images": image.numpy()})
        (ours,) = model.detect(image, score_threshold=0.02)
        objects += len(boxes)
        assert labels.tolist() == ours["labels"].tolist()
        np.testing.assert_allclose(scores, ours["scores"], atol=1e-4)
        np.testing.assert_allclose(boxes, ours["boxes"], atol=0.02)
    assert objects > 20
