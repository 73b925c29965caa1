"""Random numbers that belong to one piece of work, and leave everybody else's as they were."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


@contextmanager
def own_numbers(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Inside the `with` block, random numbers follow from `seed`; afterwards the caller's go on.

    In a process's main thread these are torch's (on the CPU and on `device`), numpy's and Python's
    own. In any other thread they are torch's alone, and even inside the block they are this
    thread's: the generators of numpy and of Python belong to the whole process, and another thread
    may be drawing from them at this moment. Both ways, torch gives the same numbers.
    """
    if threading.current_thread() is not threading.main_thread():
        with _OfThisThread(seed):
            yield
        return
    numpy_state, python_state, torch_state = (
        np.random.get_state(),
        random.getstate(),
        torch.get_rng_state(),
    )
    accelerator = _accelerator(device)
    accelerator_state = accelerator.get_rng_state() if accelerator else None
    np.random.seed(seed % 2**32)
    random.seed(seed)
    # torch.manual_seed would also seed every GPU, for good.
    torch.set_rng_state(torch.Generator().manual_seed(seed).get_state())
    if accelerator:
        accelerator.manual_seed(seed)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        torch.set_rng_state(torch_state)
        if accelerator:
            accelerator.set_rng_state(accelerator_state)


def _accelerator(device: torch.device | str) -> Any:
    """torch.cuda, torch.mps … for a device of that kind; None for the CPU."""
    kind = torch.device(device).type
    return None if kind in ("cpu", "meta") else torch.get_device_module(kind)


# What draws and takes a generator.
_DRAWS = {
    torch.rand,
    torch.randn,
    torch.randint,
    torch.randperm,
    torch.normal,
    torch.bernoulli,
    torch.multinomial,
    torch.poisson,
    Tensor.bernoulli,
    Tensor.multinomial,
    Tensor.bernoulli_,
    Tensor.cauchy_,
    Tensor.exponential_,
    Tensor.geometric_,
    Tensor.log_normal_,
    Tensor.normal_,
    Tensor.random_,
    Tensor.uniform_,
    nn.init.uniform_,
    nn.init.normal_,
    nn.init.trunc_normal_,
    nn.init.kaiming_uniform_,
    nn.init.kaiming_normal_,
    nn.init.xavier_uniform_,
    nn.init.xavier_normal_,
}


class _OfThisThread(TorchFunctionMode):
    """Gives each of torch's functions that draw a generator of this thread's own.

    A mode of torch's holds for the thread that entered it. Dropout takes no generator, and so
    draws from the process's even here.
    """

    def __init__(self, seed: int):
        super().__init__()
        self.seed = seed
        self.generators: dict[torch.device, torch.Generator] = {}

    def __torch_function__(
        self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in _DRAWS and kwargs.get("generator") is None:
            tensor = next((value for value in args if isinstance(value, Tensor)), None)
            device = kwargs.get("device") if tensor is None else tensor.device
            kwargs = kwargs | {"generator": self._generator(device)}
        return function(*args, **kwargs)

    def _generator(self, device: torch.device | str | None) -> torch.Generator:
        device = torch.device(device or "cpu")
        if device not in self.generators:
            self.generators[device] = torch.Generator(device).manual_seed(self.seed)
        return self.generators[device]
