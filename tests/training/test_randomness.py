"""Random numbers of one's own, in a main thread and beside other threads.

Oracles: torch's, numpy's and Python's generators, seeded by hand.
"""

import random
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth
from torchvision.transforms import v2

from effdet_lite.randomness import own_numbers


def states():
    return torch.get_rng_state(), np.random.get_state()[1], random.getstate()


def same(first, second):
    return (
        torch.equal(first[0], second[0])
        and np.array_equal(first[1], second[1])
        and first[2] == second[2]
    )


def drawn() -> list[torch.Tensor]:
    """What draws from torch in a training: transforms, initialization, stochastic depth."""
    pictures = torch.arange(48.0).view(1, 3, 4, 4)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(3, 3))
    nn.init.normal_(layers[1].weight)
    nn.init.trunc_normal_(layers[1].weight)
    return [
        torch.rand(3),
        torch.randperm(5),
        torch.randint(9, (3,)),
        torch.normal(0.0, 1.0, (2,)),
        torch.multinomial(torch.ones(5), 2),
        torch.empty(3).uniform_(),
        v2.RandomHorizontalFlip()(pictures),
        v2.RandomResizedCrop(8)(pictures),
        v2.ColorJitter(0.3)(pictures),
        StochasticDepth(0.5, "row").train()(torch.ones(6, 2)),
        *(parameter.detach() for parameter in layers.parameters()),
    ]


def test_the_numbers_are_those_of_the_seed_and_the_callers_stay():
    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    expected = torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()
    before = states()
    with own_numbers(5):
        assert (torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()) == expected
    assert same(states(), before)
    with pytest.raises(RuntimeError), own_numbers(5):
        raise RuntimeError
    assert same(states(), before)


def test_a_thread_has_its_own_and_disturbs_nobody():
    with own_numbers(7):
        expected = drawn()
    found, mine, done = [], [], threading.Event()

    def work():
        for _ in range(20):
            with own_numbers(7):
                found.append(drawn())
        done.set()

    torch.manual_seed(0)
    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set() or len(mine) < 100:
        mine.append(torch.rand(1).item())
    thread.join()
    torch.manual_seed(0)
    assert mine == [torch.rand(1).item() for _ in mine]
    for tensors in found:
        assert all(torch.equal(a, b) for a, b in zip(tensors, expected, strict=True))
