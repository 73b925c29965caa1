"""EfficientDet, small enough to read in a few sittings and numerically equal to the official one.

    from effdet_lite import EfficientDet, EfficientNet, from_pretrained, train, coco_ap

Read the modules in this order: cost, layers, graphs, scaling, efficientnet, fusion, anchors,
losses, efficientdet, pretrained, data, evaluation, training. Each imports only modules before it.
"""

import importlib
import os

__version__ = "0.1.0"

# On a busy machine threads that spin while they wait take the cores from those that work: a
# training took nine times as long. torch's OpenMP reads this once, when torch is loaded.
# What the user's own environment says of waiting, to GNU's OpenMP or to Intel's, stays.
_WAITING = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY"}
if not _WAITING & os.environ.keys():
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

_HOMES = {
    "EfficientDet": "efficientdet",
    "EfficientNet": "efficientnet",
    "from_pretrained": "pretrained",
    "TrainConfig": "training",
    "train": "training",
    "coco_ap": "evaluation",
}
__all__ = list(_HOMES)


def __getattr__(name: str):
    """Load what is asked for, and torch with it, only when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
