"""Detection datasets (drawn shapes, blood cells, your own folders), augmentation and batching."""

from effdet_lite.data.bccd import BCCDDetection
from effdet_lite.data.coco import CocoFolder
from effdet_lite.data.context import ShapesInContext
from effdet_lite.data.dataset import DetectionDataset
from effdet_lite.data.marks import PatternedMarks
from effdet_lite.data.opening import check_datasets, open_dataset, open_datasets
from effdet_lite.data.shapes import ShapesDetection
from effdet_lite.data.transforms import collate, eval_transforms, train_transforms
from effdet_lite.data.voc import VocFolder

__all__ = [
    "BCCDDetection",
    "CocoFolder",
    "DetectionDataset",
    "PatternedMarks",
    "ShapesDetection",
    "ShapesInContext",
    "VocFolder",
    "check_datasets",
    "collate",
    "eval_transforms",
    "open_dataset",
    "open_datasets",
    "train_transforms",
]
