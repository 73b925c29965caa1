"""Make a trained detector's file half as large: its kernels in 8 bits, the rest in 16 as before.

    python assets/checkpoints/eight_bits.py runs/shapes-phi0/detector.safetensors assets/checkpoints/shapes-phi0.safetensors

The format is float8 e4m3 (arXiv 2209.05433), which `load_detector` reads like any other. Small tensors stay as they
are: they hold little, and norms and biases mind the rounding. The header's result is measured anew, of what is written.
"""  # noqa: E501

import sys

import torch

from effdet_lite.checkpoint import load_detector, load_tensors, save_tensors
from effdet_lite.data import open_dataset
from effdet_lite.evaluation import coco_ap

SMALLEST = 4096  # numbers in a tensor that is rounded


def shrink(source: str, target: str) -> dict:
    """Write the file `target`; returns the result on the test pictures that its header now has."""
    tensors, header = load_tensors(source)
    rounded = {
        name: x.to(torch.float8_e4m3fn) if x.ndim == 4 and x.numel() >= SMALLEST else x for name, x in tensors.items()
    }
    save_tensors(target, rounded, **header)
    model, _ = load_detector(target)
    test_set = open_dataset(header["training"]["data"], tuple(header["size"]), train=False)
    found = coco_ap(model, test_set, progress=False)
    header["result"] = {name: found[name] for name in header["result"]}
    save_tensors(target, rounded, **header)
    return header["result"]


if __name__ == "__main__":
    print(", ".join(f"{name} {value:.3f}" for name, value in shrink(*sys.argv[1:]).items()))
