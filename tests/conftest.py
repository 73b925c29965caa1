"""What several test modules share."""

import importlib

import pytest


@pytest.fixture(scope="module")
def one_thread():
    """The order of a sum depends on the number of threads, so runs that are compared bit for bit
    have one.
    """
    # Here, because the process that hands out the tests reads this file too, and runs none.
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def experiment_script(one_thread):
    """A function that imports one of the course's experiments by name, on one thread."""
    return lambda name: importlib.import_module(f"effdet_lite.experiments.{name}")


def channels_last(x):
    import torch

    return x.to(memory_format=torch.channels_last)


LAYOUTS = {
    "double": lambda x: x.double(),
    "channels last": channels_last,
    "transposed": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "strided": lambda x: x.repeat_interleave(2, 3)[..., ::2],
}


@pytest.fixture(params=LAYOUTS)
def lay_out(request):
    """A function that gives the same images in another type or memory layout."""
    return LAYOUTS[request.param]
