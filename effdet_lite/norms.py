"""What batch norm needs besides: one batch over several processes, and statistics that fit the
final weights.
"""

import copy
import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from effdet_lite.processes import added_up, this_process
from effdet_lite.randomness import own_numbers

Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


@contextmanager
def synchronized_norms(model: nn.Module) -> Iterator[None]:
    """Inside the `with` block, each BatchNorm2d of the model sees the batches of all processes.

    Otherwise each process would normalize by its own share, and two processes would train another
    model than one. Afterwards the model is as it was. Every process needs a share of the same size.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if this_process().num_processes == 1:
        norms = []
    for norm in norms:
        norm.forward = functools.partial(global_batch_norm, norm)
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


@contextmanager
def training_mode(model: nn.Module) -> Iterator[None]:
    """Training mode inside the `with` block, with norms over all processes; evaluation mode
    afterwards.
    """
    with synchronized_norms(model):
        model.train()
        try:
            yield
        finally:
            model.eval()


def global_batch_norm(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Batch norm of x [N, C, H, W] over the batches of all processes.

    torch's own SyncBatchNorm is for GPUs only.
    """
    if not norm.training:
        return nn.BatchNorm2d.forward(norm, x)
    processes = this_process().num_processes
    dtype = x.dtype
    x = x.float()  # half precision cannot hold the statistics
    mean = added_up(x.mean((0, 2, 3))) / processes
    centered = x - mean[:, None, None]
    variance = added_up(centered.square().mean((0, 2, 3))) / processes
    samples = x.numel() / x.shape[1] * processes
    with torch.no_grad():
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * samples / max(samples - 1, 1), norm.momentum)
    scale = norm.weight * (variance + norm.eps).rsqrt()
    return (centered * scale[:, None, None] + norm.bias[:, None, None]).to(dtype)


@torch.no_grad()
def recalibrate_norms(
    model: nn.Module,
    train_set: Dataset,
    images: int = 256,
    batch_size: int = 64,
    seed: int = 0,
) -> nn.Module:
    """A copy in evaluation mode, whose batch norms have the statistics of just these weights.

    Running statistics lag behind the weights, and those of small batches are biased. "Precise BN",
    arXiv 2105.07576, section 3.

    Args:
        train_set: its items begin with an image [C, H, W]; augmented as it is in training.
        images: how many are drawn from all of the set, or all of them if there are fewer.
        batch_size: the most at a time; the batches are equal, but for one image.
        seed: of the choice of images and of their augmentation.

    Each norm's mean and variance are those of everything that it saw, whatever batch it came in.
    """
    model = copy.deepcopy(model).train()
    norms = [module for module in model.modules() if isinstance(module, Norm)]
    moments = {norm: _Moments() for norm in norms}
    hooks = [
        norm.register_forward_pre_hook(lambda norm, inputs: moments[norm].add(inputs[0]))
        for norm in norms
    ]
    device = next(model.parameters()).device
    for indices in _equal_batches(len(train_set), images, batch_size, seed):
        with own_numbers(seed + indices[0], device):
            batch = [train_set[index][0].as_subclass(Tensor) for index in indices]
            model(torch.stack(batch).to(device))
    for hook in hooks:
        hook.remove()
    for norm, seen in moments.items():
        if seen.count and norm.track_running_stats:
            norm.running_mean.copy_(seen.mean)
            norm.running_var.copy_(seen.variance())
    return model.eval()


class _Moments:
    """Mean and variance of each channel over all that was added, as if it had come at once."""

    def __init__(self):
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, x: Tensor) -> None:
        channels = x.detach().transpose(0, 1).flatten(1).float()
        # On the CPU, since not every device has doubles.
        variance, mean = (
            value.double().cpu() for value in torch.var_mean(channels, 1, correction=0)
        )
        count = channels.shape[1]
        total = self.count + count
        # Chan, Golub and LeVeque 1983: the squares around the common mean.
        apart = (mean - self.mean) ** 2 * self.count * count / total
        self.squares = self.squares + variance * count + apart
        self.mean = self.mean + (mean - self.mean) * count / total
        self.count = total

    def variance(self) -> Tensor:
        return self.squares / max(self.count - 1, 1)  # unbiased, as torch's running variance is


def _equal_batches(length: int, images: int, batch_size: int, seed: int) -> list[list[int]]:
    """Indices in a random order, in batches that differ by one at most; never a batch of one,
    from which no variance can be told.
    """
    order = torch.randperm(length, generator=torch.Generator().manual_seed(seed))[:images]
    if len(order) == 1:
        order = order.repeat(2)
    number = max(1, min(math.ceil(len(order) / batch_size), len(order) // 2))
    return [batch.tolist() for batch in torch.tensor_split(order, number)]
