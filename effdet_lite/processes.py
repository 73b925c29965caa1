"""One training over several processes: who they are, and what they add up.

Accelerate finds the device and connects the processes that `accelerate launch` or `torchrun`
started; for a single process everything here is the identity.
"""

import os
from datetime import timedelta

import torch
from accelerate import PartialState
from torch import Tensor, nn

# While one process tests, the others wait; the backends' own patience is ten minutes to half an
# hour, and a test may take longer. Who launches processes ends them all if one of them dies.
PATIENCE = timedelta(days=1)


def this_process() -> PartialState:
    """This process among those of the training: `device`, `process_index`, `num_processes`,
    `is_main_process`.
    """
    if os.name == "nt":  # PyTorch's packages for Windows are built without libuv
        os.environ.setdefault("USE_LIBUV", "0")
    # Without a GPU, Accelerate connects processes that were launched together only if told so.
    together_on_cpus = "LOCAL_RANK" in os.environ and not torch.cuda.is_available()
    return PartialState(cpu=together_on_cpus or _leaves_apples_gpu(), timeout=PATIENCE)


def _leaves_apples_gpu() -> bool:
    """Is there an Apple GPU that nobody asked for?

    Accelerate would take it by itself, and send what it cannot do back to the CPU in silence. What
    the course says of seeds, seconds and equal weights was measured on CPUs, so it is a choice.
    """
    return torch.backends.mps.is_available() and os.environ.get("EFFDET_LITE_DEVICE") != "mps"


def added_up(tensor: Tensor) -> Tensor:
    """The sum of the processes' tensors, the same in each of them; gradients flow through it."""
    if PartialState().num_processes == 1:
        return tensor
    return _Sum.apply(tensor)


class _Sum(torch.autograd.Function):
    """torch.distributed's all_reduce, whose gradient is the sum of the processes' gradients."""

    @staticmethod
    def forward(context: object, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:
        return _Sum.apply(gradient)


def any_process(wish: bool) -> bool:
    """Whether one of the processes wishes it: they stop together."""
    return bool(added_up(torch.tensor(float(wish), device=this_process().device)))


@torch.no_grad()
def add_up_gradients(model: nn.Module) -> None:
    """Give each process the sum of all processes' gradients, in place.

    Nobody has to use every parameter: what no process used keeps None, as in a single process.
    """
    if PartialState().num_processes == 1:
        return
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    used = torch.tensor([parameter.grad is not None for parameter in parameters])
    used = added_up(used.to(parameters[0].device, torch.int32)) > 0
    parameters = [
        parameter for parameter, is_used in zip(parameters, used.tolist(), strict=True) if is_used
    ]
    gradients = [
        torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for parameter in parameters
    ]
    # One message for all, since each message takes its time however short it is.
    total = added_up(torch.cat([gradient.reshape(-1) for gradient in gradients]))
    sizes = [gradient.numel() for gradient in gradients]
    for parameter, gradient, values in zip(parameters, gradients, total.split(sizes), strict=True):
        parameter.grad = gradient.copy_(values.view(gradient.shape))


@torch.no_grad()
def share_weights(model: nn.Module) -> None:
    """Give every process the main one's weights and buffers, in place."""
    if PartialState().num_processes == 1:
        return
    for tensor in model.state_dict().values():
        torch.distributed.broadcast(tensor, src=0)
