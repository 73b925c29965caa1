"""This package.

What a user writes:

    effdet-lite train --data coco:IMAGES,ANNOTATIONS.json --size 256 384 --steps 600
    effdet-lite detect PHOTOS --weights runs/coco-phi-3/detector.safetensors
"""

import time
from pathlib import Path

from contestants.common import LOWEST_SCORE, MOST_BOXES, Found, Task, Trained, counted, main

NAME = "effdet_lite"
PACKAGE = "effdet-lite"
PINNED = None  # runs in the project's own environment
LICENSE = "MIT"

# phi -3 has levels up to P6, so sides are multiples of 64: 256 x 384 is the nearest to 288 x 384.
AS_IT_COMES = {"size": [256, 384]}
# The small detector with three levels of the README, and what one would vary first.
BASE = {
    "size": [288, 384],
    "phi": -2.5,
    "levels": [3, 5],
    "fused_stages": 4,
    "precision": "bf16",
    "augment": 0.2,
    "vertical_flip": 0.5,
    "warmup": 60,
}
SEARCH = [
    BASE,
    BASE | {"anchor_scale": 3.0},
    BASE | {"anchor_scale": 3.0, "learning_rate": 0.02},
    BASE | {"anchor_scale": 3.0, "learning_rate": 0.01},
    BASE | {"anchor_scale": 3.0, "augment": 0.5},
    BASE | {"anchor_scale": 3.0, "phi": -3.0},
    BASE | {"size": [192, 256]},
    BASE | {"size": [192, 256], "learning_rate": 0.02},
]
TIMED_STEPS = 12  # of which the first third is left out


def train(task: Task) -> Trained:
    """As many steps as fit into the time, from a timed start."""
    from effdet_lite.training import TrainConfig
    from effdet_lite.training import train as train_detector

    options = dict(task.setting)
    vertical_flip = options.pop("vertical_flip", 0.0)
    options |= {"seed": task.seed, "save_every": 0, "size": tuple(options["size"])}
    data = training_set(task, options.get("augment", 1.0), vertical_flip, options["size"])

    rows, start = [], time.perf_counter()
    train_detector(
        TrainConfig(steps=TIMED_STEPS, **options), data, progress=False, on_step=rows.append
    )
    whole = time.perf_counter() - start
    first = rows[TIMED_STEPS // 3 - 1]
    step = (rows[-1]["seconds"] - first["seconds"]) / (TIMED_STEPS - first["step"])
    # Making the model, and at the end its norms' statistics.
    around = whole - rows[-1]["seconds"]
    steps = max(1, int((task.seconds - around) / step))

    config = TrainConfig(steps=steps, output=task.output, **options)
    start = time.perf_counter()
    train_detector(config, data, progress=False)
    seconds = time.perf_counter() - start
    return finished(task, seconds, steps)


def training_set(task: Task, augment: float, vertical_flip: float, size: tuple[int, int]):
    """The pictures, in memory, augmented as `--augment` says."""
    from effdet_lite.data import CocoFolder, train_transforms

    transforms = train_transforms(
        size,
        zoom=(1 - 0.25 * augment, 1 + 0.5 * augment),
        color=0.3 * augment,
        vertical_flip=vertical_flip,
    )
    options = {"cache": 0.25, "max_side": 2 * max(size)}
    data = CocoFolder(Path(task.data) / "images", task.coco, transforms, **options)
    for index in range(len(data)):
        data.loaded(index)
    return data


def finished(task: Task, seconds: float, steps: int) -> Trained:
    """The detector that the training wrote."""
    import torch
    from torchvision import tv_tensors

    from effdet_lite.checkpoint import load_detector
    from effdet_lite.data import eval_transforms
    from effdet_lite.data.pictures import read_picture
    from effdet_lite.folding import folded

    model, about = load_detector(Path(task.output) / "detector.safetensors")
    parameters = counted(model.parameters())
    model = folded(model)
    height, width = about["size"]
    fit = eval_transforms((height, width))

    @torch.inference_mode()
    def find(path: Path) -> Found:
        picture = tv_tensors.Image(torch.from_numpy(read_picture(path)))
        scale = max(picture.shape[-2] / height, picture.shape[-1] / width)
        image = fit(picture)[None].as_subclass(torch.Tensor)
        found = model.detect(image, score_threshold=LOWEST_SCORE, max_detections=MOST_BOXES)[0]
        boxes = found["boxes"] * scale
        return boxes.tolist(), found["scores"].tolist(), found["labels"].tolist()

    return Trained(find, seconds, f"{steps} steps", parameters)


if __name__ == "__main__":
    main(train)
