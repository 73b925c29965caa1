"""YOLOX-nano of the package libreyolo, from fresh weights.

What a user writes:

    model = LibreYOLOX(size="n", nb_classes=3)
    model.train(data="bccd.yaml", epochs=40, imgsz=384, pretrained=False)
    found = [model(photo) for photo in PHOTOS]
"""

import time
from pathlib import Path

from contestants.common import (
    CLASSES,
    LOWEST_SCORE,
    MOST_BOXES,
    Found,
    Task,
    Trained,
    counted,
    main,
)

NAME = "yolox_nano"
PACKAGE = "libreyolo"
PINNED = "1.6.0"
LICENSE = "MIT"

AS_IT_COMES = {"imgsz": [288, 384]}
# The defaults are for 300 epochs: 5 of warm-up, 15 without mosaic at the end, an average over
# thousands of steps. "warmup" and "no_aug" are shares of the epochs that the time allows.
BASE = {
    "imgsz": [288, 384],
    "batch": 8,
    "warmup": 0.05,
    "no_aug": 0.15,
    "ema_decay": 0.998,
    "mixup_prob": 0.0,
    "mosaic_scale": [0.5, 1.5],
    "flipud": 0.5,
}
SEARCH = [
    BASE,
    BASE | {"lr0": 0.02},
    BASE | {"lr0": 0.005},
    BASE | {"mosaic_prob": 0.0},
    BASE | {"mosaic_prob": 0.0, "lr0": 0.02},
    BASE | {"mosaic_prob": 0.0, "optimizer": "adamw", "lr0": 0.002},
    BASE | {"mosaic_prob": 0.5, "no_aug": 0.3},
    BASE | {"mosaic_prob": 0.0, "imgsz": [192, 256]},
]
NO_AUG = 15  # the package's default
TIMED_EPOCHS = 4  # two with mosaic and two without, of which the second ones count


class Clock:
    """Seconds of a training and of its epochs: the package's callback."""

    def __init__(self):
        self.start = self.end = time.perf_counter()
        self.epochs = []

    def on_train_start(self, event) -> None:
        self.start = time.perf_counter()

    def on_train_epoch_end(self, event) -> None:
        self.epochs.append(event.epoch_seconds)

    def on_train_end(self, event) -> None:
        self.end = time.perf_counter()


def train(task: Task) -> Trained:
    """As many epochs as fit into the time, from a timed start."""
    clock = Clock()
    options = for_epochs(task.setting, TIMED_EPOCHS) | {"no_aug_epochs": TIMED_EPOCHS // 2}
    one_training(task, "timed", TIMED_EPOCHS, options, clock)
    with_mosaic, without = clock.epochs[1], clock.epochs[3]
    epochs = epochs_that_fit(task.seconds, task.setting, with_mosaic, without)

    clock = Clock()
    model = one_training(task, "run", epochs, for_epochs(task.setting, epochs), clock)
    return finished(task, model, clock.end - clock.start, f"{epochs} epochs")


def for_epochs(setting: dict, epochs: int) -> dict:
    """The package's options of a setting, its shares turned into epochs."""
    options = dict(setting)
    for name, option in (("warmup", "warmup_epochs"), ("no_aug", "no_aug_epochs")):
        if name in options:
            options[option] = max(1, round(options.pop(name) * epochs))
    for name in ("imgsz", "mosaic_scale"):
        if name in options:
            options[name] = tuple(options[name])
    return options


def epochs_that_fit(seconds: float, setting: dict, with_mosaic: float, without: float) -> int:
    """The largest number of epochs that takes no more than `seconds`, at least one; with_mosaic,
    without: seconds of an epoch of either kind.
    """
    epochs = 0
    while True:
        last = for_epochs(setting, epochs + 1).get("no_aug_epochs", NO_AUG)
        plain = min(epochs + 1, last)
        if (epochs + 1 - plain) * with_mosaic + plain * without > seconds:
            return max(1, epochs)
        epochs += 1


def one_training(task: Task, name: str, epochs: int, options: dict, clock: Clock):
    """A fresh model, trained without a validation."""
    from libreyolo.models.yolox.model import LibreYOLOX

    model = LibreYOLOX(size="n", nb_classes=len(CLASSES), device="cpu")
    model.train(
        data=str(task.yaml),
        epochs=epochs,
        device="cpu",
        workers=0,
        cache="ram",
        amp=False,
        pretrained=False,
        eval_interval=0,
        seed=task.seed,
        project=task.output,
        name=name,
        callbacks=clock,
        **options,
    )
    return model


def finished(task: Task, model, seconds: float, steps: str) -> Trained:
    """The moving average at the end of the training: last.pt, chosen on no picture."""
    from libreyolo.models.yolox.model import LibreYOLOX

    parameters = counted(model.model.parameters())
    weights = Path(task.output) / "run" / "weights" / "last.pt"
    model = LibreYOLOX(str(weights), size="n", nb_classes=len(CLASSES), device="cpu")
    size = tuple(task.setting["imgsz"])

    def find(path: Path) -> Found:
        result = model(str(path), conf=LOWEST_SCORE, max_det=MOST_BOXES, imgsz=size)
        return as_found(result.boxes)

    return Trained(find, seconds, steps, parameters)


def as_found(boxes) -> Found:
    """The package's `Boxes` of a picture."""
    return boxes.xyxy.tolist(), boxes.conf.tolist(), [int(label) for label in boxes.cls.tolist()]


if __name__ == "__main__":
    main(train)
