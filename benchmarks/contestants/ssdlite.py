"""SSDLite320 with MobileNetV3 of torchvision, from fresh weights.

torchvision has the network and its loss; the loop is the user's. The recipe is the one of
https://github.com/pytorch/vision/tree/main/references/detection: SGD with momentum, a learning
rate of 0.15 for a batch of 192, a cosine, random crops. The cosine ends with the time.

What a user writes:

    model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4)
    parameters = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = SGD(parameters, lr=0.00625, momentum=0.9, weight_decay=4e-5)
    transform = v2.Compose([v2.RandomIoUCrop(), v2.RandomHorizontalFlip(), v2.ToDtype(...)])
    start = time.time()
    while time.time() - start < SECONDS:
        for images, targets in batches(transform):
            for group in optimizer.param_groups:
                group["lr"] = cosine((time.time() - start) / SECONDS)
            loss = sum(model(images, targets).values())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    found = [model([read_image(photo) / 255])[0] for photo in PHOTOS]

and a data set that reads the boxes, of some thirty lines more.
"""

import json
import math
import random
import time
from contextlib import nullcontext
from pathlib import Path

from contestants.common import (
    CLASSES,
    LOWEST_SCORE,
    MOST_BOXES,
    Found,
    Task,
    Trained,
    counted,
    image_number,
    main,
)

NAME = "ssdlite"
PACKAGE = "torchvision"
PINNED = None  # runs in the project's own environment
LICENSE = "BSD-3-Clause"

RECIPE_RATE = 0.15 / 192  # learning rate for each picture of a batch
AS_IT_COMES = {"size": [320, 320], "batch": 8, "learning_rate": 8 * RECIPE_RATE}
BASE = AS_IT_COMES | {"warmup": 0.05, "learning_rate": 0.02, "vertical_flip": 0.5}
SEARCH = [
    BASE,
    BASE | {"crop": False},
    BASE | {"crop": False, "precision": "bf16"},
    BASE | {"crop": False, "precision": "bf16", "learning_rate": 0.05},
    BASE | {"crop": False, "precision": "bf16", "size": [288, 384]},
    BASE | {"crop": False, "precision": "bf16", "size": [192, 256]},
    BASE | {"crop": False, "precision": "bf16", "optimizer": "adamw", "learning_rate": 0.002},
    BASE | {"crop": False, "precision": "bf16", "norm_momentum": 0.1, "batch": 4},
]


def train(task: Task) -> Trained:
    """Batch after batch until the time is over."""
    import torch

    torch.manual_seed(task.seed)
    random.seed(task.seed)
    setting = task.setting
    model, items, transform = build(setting), pictures(task), augmentation(setting)
    parameters = [weight for weight in model.parameters() if weight.requires_grad]
    rate = setting["learning_rate"]
    if setting.get("optimizer") == "adamw":
        optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01)
    else:
        optimizer = torch.optim.SGD(parameters, lr=rate, momentum=0.9, weight_decay=4e-5)
    half = torch.autocast("cpu", torch.bfloat16)
    context = half if setting.get("precision") == "bf16" else nullcontext()
    model.train()
    start, steps, waiting = time.perf_counter(), 0, []
    while (done := (time.perf_counter() - start) / task.seconds) < 1:
        if len(waiting) < setting["batch"]:
            waiting += random.sample(items, len(items))
        batch = [transform(*waiting.pop()) for _ in range(setting["batch"])]
        for group in optimizer.param_groups:
            group["lr"] = rate * schedule(done, setting.get("warmup", 0.0))
        with context:
            losses = model([image for image, _ in batch], [target for _, target in batch])
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        steps += 1
    seconds = time.perf_counter() - start
    return Trained(finder(model), seconds, f"{steps} steps", counted(model.parameters()))


def schedule(done: float, warmup: float) -> float:
    """The learning rate at a share `done` of the time, as a share of the highest."""
    if done < warmup:
        return done / warmup
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


def build(setting: dict):
    """A fresh model that sees pictures at the setting's size, (height, width)."""
    from torch import nn
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    model = ssdlite320_mobilenet_v3_large(
        weights=None,
        weights_backbone=None,
        num_classes=len(CLASSES) + 1,  # 0 is the background
        score_thresh=LOWEST_SCORE,
        detections_per_img=MOST_BOXES,
    )
    height, width = setting["size"]
    model.transform.fixed_size = (width, height)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = setting.get("norm_momentum", module.momentum)
    return model


def pictures(task: Task) -> list[tuple]:
    """(picture uint8 [3, H, W], its target) of each training picture, all in memory."""
    import torch
    from torchvision import tv_tensors
    from torchvision.io import read_image

    objects = {}
    for row in json.loads(task.coco.read_text(encoding="utf-8"))["annotations"]:
        objects.setdefault(row["image_id"], []).append(row)
    items = []
    for path in task.pictures(task.train):
        image = read_image(str(path))
        rows = objects.get(image_number(path), [])
        corners = [[x, y, x + w, y + h] for x, y, w, h in (row["bbox"] for row in rows)]
        boxes = torch.tensor(corners, dtype=torch.float32).reshape(-1, 4)
        boxes = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=image.shape[-2:])
        labels = torch.tensor([row["category_id"] for row in rows], dtype=torch.int64)
        items.append((tv_tensors.Image(image), {"boxes": boxes, "labels": labels}))
    return items


def augmentation(setting: dict):
    """The recipe's "ssdlite" augmentation: crops around boxes, and flips."""
    import torch
    from torchvision.transforms import v2

    steps = [v2.RandomIoUCrop()] if setting.get("crop", True) else []
    steps += [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip(setting.get("vertical_flip", 0.0))]
    steps += [v2.ToDtype(torch.float32, scale=True), v2.SanitizeBoundingBoxes(), v2.ToPureTensor()]
    return v2.Compose(steps)


def finder(model):
    """From a file to boxes, with the model in evaluation mode."""
    import torch
    from torchvision.io import read_image

    model.eval()

    @torch.inference_mode()
    def find(path: Path) -> Found:
        return as_found(model([read_image(str(path)) / 255])[0])

    return find


def as_found(result: dict) -> Found:
    """torchvision's answer for a picture; its labels count from 1, for 0 is the background."""
    labels = [label - 1 for label in result["labels"].tolist()]
    return result["boxes"].tolist(), result["scores"].tolist(), labels


if __name__ == "__main__":
    main(train)
