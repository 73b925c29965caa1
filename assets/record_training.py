"""Record a training for notebook 08: what the small detector finds in ten validation pictures,
every 25 steps.

    python assets/record_training.py           500 steps, into assets/training.json
    python assets/record_training.py --quick   50 steps, into runs/training.json

The weights are those of the step, and not their moving average; their norms are recalibrated on 64
training pictures. Boxes with a score of 0.3 or more are kept.
"""

import argparse
import json
from pathlib import Path

from torch import nn

from effdet_lite.data import ShapesDetection
from effdet_lite.evaluation import coco_ap
from effdet_lite.files import whole_file
from effdet_lite.norms import recalibrate_norms
from effdet_lite.teach.nb.n08_small import SIDE, SMALL, fresh_detector, pictures
from effdet_lite.training import TrainConfig, train

STEPS, QUICK_STEPS, EVERY = 500, 50, 25
WATCHED, JUDGED, SETTLED_ON = 10, 60, 64  # pictures
SURE, MOST = 0.3, 20  # the lowest score of a box that is kept, and the most boxes of a picture
FOLDER = Path(__file__).resolve().parent


def moment(model: nn.Module, step: int) -> dict:
    """What the model finds after this step: {"step", "ap50", "found"}, where found has for each
    picture its boxes, [left, top, right, bottom, label, score in percent].
    """
    settled = recalibrate_norms(model, pictures("train", SETTLED_ON), images=SETTLED_ON)
    found = []
    for index in range(WATCHED):
        image, _ = pictures("val", JUDGED)[index]
        (one,) = settled.detect(image[None], score_threshold=SURE, max_detections=MOST)
        rows = zip(
            one["boxes"].tolist(), one["labels"].tolist(), one["scores"].tolist(), strict=True
        )
        found.append(
            [
                [*(round(side, 1) for side in box), label, round(100 * score)]
                for box, label, score in rows
            ]
        )
    ap50 = coco_ap(settled, pictures("val", JUDGED), progress=False)["ap50"]
    return {"step": step, "ap50": round(ap50, 4), "found": found}


def recorded(steps: int) -> dict:
    """The whole recording."""
    config = TrainConfig(
        **SMALL,
        steps=steps,
        batch_size=16,
        learning_rate=0.02,
        warmup=min(60, steps),
        test_data="none",
    )
    model = fresh_detector()
    moments, losses = [moment(model, 0)], []

    def on_step(row: dict) -> None:
        losses.append([round(row["class_loss"], 4), round(row["box_loss"], 5)])
        if row["step"] % EVERY == 0:
            moments.append(moment(model, row["step"]))
            print(row["step"], moments[-1]["ap50"], flush=True)

    train_set = ShapesDetection("train", SIDE, steps * config.batch_size)
    train(config, train_set, model=model, progress=False, on_step=on_step)
    settings = {"steps": steps, "batch_size": config.batch_size, "seed": config.seed}
    settings |= {"learning_rate": config.learning_rate, "warmup": config.warmup}
    return {"settings": settings, "losses": losses, "moments": moments}


def main() -> None:
    """Record it, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, into runs/")
    quick = parser.parse_args().quick
    target = Path("runs/training.json") if quick else FOLDER / "training.json"
    target.parent.mkdir(exist_ok=True)
    recording = recorded(QUICK_STEPS if quick else STEPS)
    with whole_file(target) as temporary:
        Path(temporary).write_text(json.dumps(recording, separators=(",", ":")) + "\n")
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
