"""What every contestant shares: the task it gets as a file, and the answers that it leaves.

Only Python's own library is used here, for each contestant runs in an environment of its own.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

CLASSES = ("RBC", "WBC", "Platelets")
LOWEST_SCORE = 0.001
MOST_BOXES = 100  # on a picture

# Of a picture: (boxes [n, 4] as xyxy in its pixels, scores [n], labels [n] from 0), as lists.
Found = tuple[list[list[float]], list[float], list[int]]


@dataclass(frozen=True)
class Task:
    """What a contestant is to do.

    data: folder that `budget_data.export` filled. train, score: names of its lists. seconds: of
    training. setting: the contestant's own options. output: an empty folder for its files.
    """

    data: str
    train: str
    score: str
    seconds: float
    seed: int
    setting: dict
    output: str

    @property
    def yaml(self) -> Path:
        """The YOLO description of the training pictures."""
        return Path(self.data) / f"{self.train}.yaml"

    @property
    def coco(self) -> Path:
        """The COCO file of the training pictures."""
        return Path(self.data) / f"{self.train}.json"

    def pictures(self, name: str) -> list[Path]:
        """The pictures of a list."""
        lines = (Path(self.data) / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        return [Path(line) for line in lines]


@dataclass(frozen=True)
class Trained:
    """A detector and what its training took.

    find: from a picture's path to what is on it. seconds: of training. steps: batches or epochs, in
    words. parameters: how many numbers were trained.
    """

    find: Callable[[Path], Found]
    seconds: float
    steps: str
    parameters: int


def main(train: Callable[[Task], Trained]) -> None:
    """The command of a contestant: train as the task file says, then look at its pictures."""
    task = Task(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    trained = train(task)
    rows, milliseconds = look(trained.find, task.pictures(task.score))
    report = {
        "train_seconds": round(trained.seconds, 1),
        "steps": trained.steps,
        "parameters": trained.parameters,
        "ms": round(milliseconds, 1),
    }
    for name, content in (("detections", rows), ("report", report)):
        path = Path(task.output) / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")


def look(find: Callable[[Path], Found], pictures: list[Path]) -> tuple[list[dict], float]:
    """COCO results of all pictures, and the median of the milliseconds from a file to its boxes."""
    for _ in range(3):  # the first calls are slower, and do not count
        find(pictures[0])
    rows, times = [], []
    for path in pictures:
        start = time.perf_counter()
        found = find(path)
        times.append(time.perf_counter() - start)
        rows += coco_rows(image_number(path), *found)
    return rows, 1000 * statistics.median(times)


def image_number(path: Path) -> int:
    """The COCO image_id of a picture: 7 for BloodImage_00007.jpg."""
    return int(path.stem.rpartition("_")[2])


def coco_rows(
    image_id: int, boxes: list[list[float]], scores: list[float], labels: list[int]
) -> list[dict]:
    """One picture in COCO's results format, the surest box first, category ids from 1.

    Of every contestant: no box under LOWEST_SCORE or without area, and no more than MOST_BOXES.
    """
    rows = [
        {
            "image_id": image_id,
            "category_id": int(label) + 1,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "score": score,
        }
        for (x0, y0, x1, y1), score, label in zip(boxes, scores, labels, strict=True)
        if score >= LOWEST_SCORE and x1 > x0 and y1 > y0
    ]
    return sorted(rows, key=lambda row: -row["score"])[:MOST_BOXES]


def counted(parameters: Iterable) -> int:
    """How many numbers a model's parameters hold."""
    return sum(parameter.numel() for parameter in parameters)
