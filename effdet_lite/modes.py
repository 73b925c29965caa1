"""How a network runs for a while: in evaluation mode, or in half precision."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_LOCK = threading.RLock()
# Of each module in evaluation mode: how many `with` blocks hold it there, and its mode before.
_HELD: dict[nn.Module, tuple[int, bool]] = {}


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """`module.eval()` inside the `with` block; afterwards each submodule is as it was.

    Frozen norms included. Several threads may do so at once, also with a part of the module: the
    last to leave restores the modes.
    """
    children = list(module.modules())
    with _LOCK:
        for child in children:
            count, mode = _HELD.get(child, (0, child.training))
            _HELD[child] = count + 1, mode
            child.training = False
    try:
        yield
    finally:
        with _LOCK:
            for child in children:
                count, mode = _HELD.pop(child)
                if count > 1:
                    _HELD[child] = count - 1, mode
                else:
                    child.training = mode


@contextmanager
def half_precision(device_type: str, enabled: bool = True) -> Iterator[None]:
    """`torch.autocast` to bfloat16, but for the one operation that it makes slower.

    device_type: "cpu", "cuda" ... On a CPU with bf16 units half precision makes a 3x3 depthwise
    convolution up to 5 times as fast in the backward pass; with a 5x5 kernel the gradient of the
    kernel takes 2 to 4 times as long, so that those stay in float32.
    """
    with torch.autocast(device_type, torch.bfloat16, enabled=enabled):
        if enabled and device_type == "cpu":
            with _LargeDepthwiseInSingle():
                yield
        else:
            yield


class _LargeDepthwiseInSingle(TorchFunctionMode):
    """Runs depthwise convolutions with kernels above 3x3 in float32."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is not torch.conv2d:
            return function(*args, **kwargs)
        image, weight = args[0], args[1]
        depthwise = weight.shape[1] == 1 and weight.shape[0] > 1
        if not depthwise or weight.shape[2] <= 3:
            return function(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            return function(image.float(), weight.float(), *args[2:], **kwargs)
