"""What batch norm needs besides: one batch over several processes, and statistics that fit the
final weights.
"""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import Dataset


def synchronise_norms(model: nn.Module) -> nn.Module:
    """Make each batch norm in the model see the batches of all processes; in place where there is
    no GPU.

    Each process would normalise by its own share otherwise, and two would train another model than
    one.
    """
    if next(model.parameters()).is_cuda:
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = GlobalBatchNorm2d
    return model


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the batches of all processes, which torch has for GPUs only. Every share has
    the same size.
    """

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


def settled(
    model: nn.Module, train_set: Dataset, images: int = 256, batch_size: int = 64
) -> nn.Module:
    """A copy in evaluation mode, whose batch norms have the statistics of just these weights over
    training images.

    Running statistics lag behind the weights, and those of small batches are biased. "Precise BN",
    arXiv 2105.07576, 3.
    """
    model = copy.deepcopy(model)
    images = min(images, len(train_set))

    def batches() -> Iterator[Tensor]:
        for start in range(0, images, batch_size):
            batch = range(start, min(start + batch_size, images))
            yield torch.stack([train_set[index][0].as_subclass(Tensor) for index in batch])

    with torch.random.fork_rng(devices=[]):  # the augmentation of these images is theirs alone
        torch.manual_seed(0)
        update_bn(batches(), model, next(model.parameters()).device)
    return model.eval()
