"""Batch norm over the whole batch, when that is spread over several processes.

Without it each process would normalise by its own share, and two processes would train another model than one.
"""

import torch
from torch import Tensor, nn


def synchronise_norms(model: nn.Module) -> nn.Module:
    """Make each batch norm in the model see the batches of all processes; in place where there is no GPU."""
    if next(model.parameters()).is_cuda:
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = GlobalBatchNorm2d
    return model


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the batches of all processes, which torch has for GPUs only. Every share has the same size."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        from torch.distributed.nn.functional import all_reduce  # not every torch is built with it

        dtype, x = x.dtype, x.float()  # half precision cannot hold the statistics
        processes = torch.distributed.get_world_size()
        mean = all_reduce(x.mean((0, 2, 3))) / processes
        centred = x - mean[:, None, None]
        variance = all_reduce(centred.square().mean((0, 2, 3))) / processes
        samples = x.numel() / x.shape[1] * processes
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * samples / max(samples - 1, 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(dtype)
