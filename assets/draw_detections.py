"""Draw assets/detections.png, the picture of the README: three test photographs, what is there and
what is found.

uv run python assets/draw_detections.py FOLDER_OF_THE_BLOOD_CELLS
"""

import sys
import warnings
from pathlib import Path

from effdet_lite.checkpoint import load_detector
from effdet_lite.data import BCCDDetection, collate, eval_transforms
from effdet_lite.teach.kit.boxes import image_grid

ASSETS = Path(__file__).parent


def main(cells: str) -> None:
    """Every twentieth photograph of the test split, with the detections that score 0.4 or more."""
    warnings.simplefilter("ignore")
    model, about = load_detector(ASSETS / "checkpoints" / "bccd.safetensors")
    dataset = BCCDDetection(cells, "test", transforms=eval_transforms(about["size"]))
    images, targets = collate([dataset[index] for index in (0, 20, 40)])
    figure = image_grid(
        images, targets, dataset.classes, model.detect(images), columns=3, min_score=0.4
    )
    figure.savefig(ASSETS / "detections.png", dpi=100)


if __name__ == "__main__":
    main(sys.argv[1])
