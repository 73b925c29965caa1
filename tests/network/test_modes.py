"""Ways to run a network for a while. Oracles: the modes before, and torch's own autocast."""

import threading

import pytest
import torch
from torch import nn

from effdet_lite.modes import evaluation_mode, half_precision


@pytest.fixture
def network():
    """In training, with a frozen norm inside."""
    network = nn.Sequential(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)), nn.Dropout())
    network.train()
    network[0][1].eval()
    return network


def modes(network):
    return [module.training for module in network.modules()]


def test_each_part_is_as_it_was_afterwards(network):
    before = modes(network)
    with evaluation_mode(network):
        assert not any(modes(network))
        with evaluation_mode(network[0]):
            assert not any(modes(network))
        assert not any(modes(network))
    assert modes(network) == before
    with pytest.raises(ZeroDivisionError), evaluation_mode(network):
        _ = 1 / 0
    assert modes(network) == before


@pytest.mark.parametrize("part", [False, True], ids=["the whole twice", "the whole and a part"])
@pytest.mark.parametrize("first_leaves_first", [False, True])
def test_two_threads_at_once(network, part, first_leaves_first):
    """Whoever leaves first, the other still finds the network in evaluation mode."""
    before = modes(network)
    inside, leave = [threading.Event(), threading.Event()], [threading.Event(), threading.Event()]
    found = [None, None]

    def run(index, module):
        with evaluation_mode(module):
            inside[index].set()
            leave[index].wait(60)
            found[index] = any(modes(module))

    targets = (network, network[0] if part else network)
    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(targets)]
    for thread, entered in zip(threads, inside, strict=True):
        thread.start()
        entered.wait(60)
    order = (0, 1) if first_leaves_first else (1, 0)
    for index in order:
        leave[index].set()
        threads[index].join(60)
    assert found == [False, False] and modes(network) == before


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("groups", [1, 4])
def test_half_precision_is_autocast_but_for_large_depthwise_kernels(kernel, groups):
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 4, kernel, padding=kernel // 2, groups=groups)
    x = torch.randn(1, 4, 8, 8)
    with half_precision("cpu"):
        found = conv(x)
    if kernel > 3 and groups > 1:
        assert found.dtype == torch.float32 and torch.equal(found, conv(x))
    else:
        with torch.autocast("cpu", torch.bfloat16):
            expected = conv(x)
        assert found.dtype == torch.bfloat16 and torch.equal(found, expected)
    found.float().sum().backward()
    assert conv.weight.grad.isfinite().all()


def test_half_precision_that_is_not_wanted_changes_nothing():
    conv, x = nn.Conv2d(2, 2, 5, groups=2), torch.randn(1, 2, 8, 8)
    with half_precision("cpu", enabled=False):
        assert torch.equal(conv(x), nn.functional.conv2d(x, conv.weight, conv.bias, groups=2))
