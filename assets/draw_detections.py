"""Draw assets/detections.png, the picture of the README: what the shipped detectors find on pictures they never saw.

uv run python assets/draw_detections.py FOLDER_OF_THE_BLOOD_CELLS
"""

import sys
import warnings
from pathlib import Path

from effdet_lite.checkpoint import load_detector
from effdet_lite.data import BCCDDetection, ShapesDetection, eval_transforms
from effdet_lite.teach.plots import draw_boxes, new_figure

ASSETS = Path(__file__).parent


def main(cells: str) -> None:
    """Three test pictures of each kind, with the detections that score 0.4 or more."""
    warnings.simplefilter("ignore")
    figure, axes = new_figure(2, 3, width=10, height=6.6)
    for row, (name, indices) in enumerate({"shapes": (1, 4, 6), "bccd": (3, 17, 30)}.items()):
        model, about = load_detector(ASSETS / "checkpoints" / f"{name}.safetensors")
        size = about["size"]
        if name == "shapes":
            dataset = ShapesDetection("test", size[0])
        else:
            dataset = BCCDDetection(cells, "test", transforms=eval_transforms(size))
        for axis, index in zip(axes[row], indices, strict=True):
            image, _ = dataset[index]
            found = model.detect(image[None], score_threshold=0.4)[0]
            draw_boxes(image, found["boxes"], found["labels"], about["classes"], found["scores"], axis=axis)
    figure.savefig(ASSETS / "detections.png", dpi=80)


if __name__ == "__main__":
    main(sys.argv[1])
