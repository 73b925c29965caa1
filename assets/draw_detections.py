"""Draw assets/detections.png, the picture of the README: test photographs of blood with what the
shipped detector finds, counted below each.

uv run python assets/draw_detections.py FOLDER_OF_THE_BLOOD_CELLS
"""

import sys
import warnings
from pathlib import Path

from effdet_lite.data import BCCDDetection, eval_transforms
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.found import CELL_NAMES, detected, draw_counted
from effdet_lite.teach.kit.plots import new_panels, png
from effdet_lite.teach.kit.shared import shipped

ASSETS = Path(__file__).parent
SCORE = 0.5


def main(cells: str) -> None:
    """Every fifteenth photograph whose scene was in no training, from the 31st on."""
    warnings.simplefilter("ignore")
    model, about = shipped("bccd")
    change = eval_transforms(about["size"])
    dataset = BCCDDetection(cells, "test-unseen", transforms=change)
    names = [CELL_NAMES[name] for name in dataset.classes]
    places = [(left, 0.14, 0.326, 0.86) for left in (0.002, 0.337, 0.672)]
    figure, axes = new_panels(12, 3.41, *places)
    for axis, index in zip(axes, range(30, 61, 15), strict=True):
        image, _ = dataset[index]
        draw_picture(axis, image)
        draw_counted(axis, detected(model, image, SCORE), names)
    (ASSETS / "detections.png").write_bytes(png(figure, dpi=100, compression=9))


if __name__ == "__main__":
    main(sys.argv[1])
