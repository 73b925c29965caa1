"""Make a trained detector's file half as large: its kernels in 8 bits, the rest in 16 as before.

    python assets/checkpoints/eight_bits.py runs/shapes-phi0/detector.safetensors
    assets/checkpoints/shapes-phi0.safetensors "validation pictures"

The last word says on what the settings were chosen, and is kept in the header.

The format is float8 e4m3 (arXiv 2209.05433), which `load_detector` reads like any other. Small
tensors stay as they
are: they hold little, and norms and biases mind the rounding. Norms get the statistics of the
rounded kernels: with those of before, one of the course's detectors lost .024 of AP. Another loses
.028 by new statistics, also where nothing is rounded; "as they are" as one more word keeps the old
ones. The header's result is measured anew, of what is written.
"""

import sys

import torch
from torch import Tensor

from effdet_lite.checkpoint import load_detector, save_tensors
from effdet_lite.data import open_dataset
from effdet_lite.evaluation import coco_ap
from effdet_lite.norms import recalibrate_norms

SMALLEST = 4096  # numbers in a tensor that is rounded


def rounded(x: Tensor) -> Tensor:
    """As it is kept: a kernel in 8 bits, another number in 16, a count as it is."""
    if x.ndim == 4 and x.numel() >= SMALLEST:
        return x.to(torch.float8_e4m3fn)
    return x.half() if x.is_floating_point() else x


def shrink(source: str, target: str, chosen_on: str, statistics: str = "anew") -> dict:
    """Write the file `target`; returns the result on the test pictures that its header now has.

    chosen_on: the pictures by which the settings were chosen, for the header. statistics: of the
    norms, "anew" or "as they are".
    """
    model, header = load_detector(source)
    train_set, test_set = (
        open_dataset(header["training"]["data"], tuple(header["size"]), train=train)
        for train in (True, False)
    )
    header["chosen_on"] = chosen_on
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(rounded(parameter))
    if statistics == "anew":
        model = recalibrate_norms(model, train_set)
    kept = {name: rounded(x) for name, x in model.state_dict().items()}
    save_tensors(target, kept, **header)
    model, _ = load_detector(target)
    found = coco_ap(model, test_set, progress=False)
    header["result"] = {name: found[name] for name in header["result"]}
    save_tensors(target, kept, **header)
    return header["result"]


if __name__ == "__main__":
    print(", ".join(f"{name} {value:.3f}" for name, value in shrink(*sys.argv[1:]).items()))
