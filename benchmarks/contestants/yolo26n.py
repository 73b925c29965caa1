"""YOLO26n of the package ultralytics, from its description and not from trained weights.

Settings: https://docs.ultralytics.com/usage/cfg. Its training takes a limit of time itself.

What a user writes:

    model = YOLO("yolo26n.yaml")
    model.train(data="bccd.yaml", time=600 / 3600, imgsz=384, pretrained=False)
    found = model.predict(PHOTOS)
"""

import time
from pathlib import Path

from contestants.common import LOWEST_SCORE, MOST_BOXES, Found, Task, Trained, counted, main

NAME = "yolo26n"
PACKAGE = "ultralytics"
PINNED = "8.4.190"
LICENSE = "AGPL-3.0"

AS_IT_COMES = {"imgsz": 384}
# The defaults are for hundreds of epochs: 3 of warm-up, 10 without mosaic at the end, and batches
# of 16 that add up to 64 before the weights change. Here 12 to 60 epochs have to do.
BASE = {"imgsz": 384, "nbs": 16, "warmup_epochs": 1.0, "close_mosaic": 4, "flipud": 0.5}
SEARCH = [
    BASE,
    BASE | {"batch": 8, "nbs": 8},
    BASE | {"imgsz": 320},
    BASE | {"optimizer": "AdamW", "lr0": 0.003},
    BASE | {"optimizer": "MuSGD", "lr0": 0.01},
    BASE | {"mosaic": 0.0, "rect": True},
    BASE | {"mosaic": 0.0, "rect": True, "optimizer": "AdamW", "lr0": 0.003},
    BASE | {"mosaic": 0.0, "rect": True, "batch": 8, "nbs": 8},
]


def train(task: Task) -> Trained:
    """With the package's own limit of time; the clock is read when the last epoch ends."""
    from ultralytics import YOLO

    model, times = YOLO("yolo26n.yaml"), {"steps": 0}

    def count(trainer) -> None:
        times["steps"] += 1

    model.add_callback("on_train_start", lambda trainer: times.update(start=time.time()))
    model.add_callback("on_train_batch_end", count)
    model.add_callback("on_train_epoch_end", lambda trainer: times.update(end=time.time()))
    model.train(
        data=str(task.yaml),
        time=task.seconds / 3600,
        device="cpu",
        workers=0,
        cache="ram",
        pretrained=False,
        amp=False,
        plots=False,
        val=False,
        verbose=False,
        seed=task.seed,
        project=task.output,
        name="run",
        **task.setting,
    )
    seconds = times["end"] - times["start"]
    return finished(task, seconds, f"{times['steps']} steps")


def finished(task: Task, seconds: float, steps: str) -> Trained:
    """The moving average at the end of the training: last.pt, chosen on no picture."""
    from ultralytics import YOLO

    model = YOLO(Path(task.output) / "run" / "weights" / "last.pt")
    parameters = counted(model.model.parameters())

    def find(path: Path) -> Found:
        results = model.predict(
            path,
            imgsz=task.setting["imgsz"],
            conf=LOWEST_SCORE,
            max_det=MOST_BOXES,
            device="cpu",
            verbose=False,
        )
        return as_found(results[0].boxes)

    return Trained(find, seconds, steps, parameters)


def as_found(boxes) -> Found:
    """The package's `Boxes` of a picture."""
    return boxes.xyxy.tolist(), boxes.conf.tolist(), [int(label) for label in boxes.cls.tolist()]


if __name__ == "__main__":
    main(train)
