"""What a training does besides learning: it tests its model, and in the end writes the detector."""

import copy
import math
import warnings
from dataclasses import asdict, replace
from pathlib import Path

from torch import nn
from torch.utils.data import Dataset

from effdet_lite.checkpoint import save_detector
from effdet_lite.evaluation import coco_ap_from_detections, detect_dataset
from effdet_lite.folding import folded
from effdet_lite.processes import this_process
from effdet_lite.randomness import own_numbers
from effdet_lite.run import FIGURES, Run
from effdet_lite.settings import TrainConfig


def evaluate(
    model: nn.Module, test_set: Dataset, max_detections: int = 100, progress: bool = True
) -> dict:
    """AP, AP50 and AP75 of the model as a detector's file keeps it: in half precision.

    Warns of pictures with more objects than max_detections, of which some must be missed. Raises
    ValueError as `evaluation.detect_dataset` does.
    """
    model = copy.deepcopy(model).half().float()
    with own_numbers(0, next(model.parameters()).device):
        detections, targets = detect_dataset(
            folded(model), test_set, max_detections=max_detections, progress=progress
        )
    most = max((len(target["labels"]) for target in targets), default=0)
    if most > max_detections:
        warnings.warn(
            f"a test picture has {most} objects, and no more than {max_detections} are looked for: "
            "raise max_detections.",
            stacklevel=2,
        )
    figures = coco_ap_from_detections(
        detections, targets, test_set.classes, max_detections=max_detections
    )
    return {name: figures[name] for name in FIGURES}


def finish(run: Run) -> None:
    """Give the model the moving average of its weights, and write detector.safetensors if all steps
    are done. Raises WriteError where it cannot be written.
    """
    detector = run.recalibrated()
    run.model.load_state_dict(detector.state_dict())
    run.model.eval()
    process, config = this_process(), run.config
    if run.checkpoint and process.is_main_process and run.step == config.steps:
        last = run.history[-1]
        save_detector(
            run.checkpoint.with_name("detector.safetensors"),
            detector,
            run.train_set.classes,
            config.image_size,
            training=_without_folders(config),
            seconds=round(last["seconds"], 1),
            result=_as_json({name: last[name] for name in FIGURES if name in last}),
        )
    process.wait_for_everyone()


def _without_folders(config: TrainConfig) -> dict:
    """The settings for the header of a file that is passed on: without the folders of the machine
    that it was trained on.
    """
    return asdict(
        replace(
            config,
            output=None,
            start=config.start and Path(config.start).name,
            data=config.data.partition(":")[0],
            test_data=config.test_data and config.test_data.partition(":")[0],
        )
    )


def _as_json(figures: dict[str, float]) -> dict[str, float | None]:
    """The figures, with null where there is none: JSON knows no nan."""
    return {name: None if math.isnan(value) else value for name, value in figures.items()}
