"""The batches of a training: which pictures each step sees, drawn as they are needed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from effdet_lite.data import collate
from effdet_lite.efficientdet import check_range, check_size
from effdet_lite.efficientnet import check_images
from effdet_lite.processes import this_process
from effdet_lite.randomness import own_numbers
from effdet_lite.settings import TrainConfig

SHARED_MEMORY = Path("/dev/shm")
WAITED_FOR = 2  # batches that each worker prepares ahead: torch's own default


def batches(
    train_set: Dataset, config: TrainConfig, start: int = 0
) -> Iterator[tuple[Tensor, list[dict]]]:
    """(images [n, 3, H, W], n targets) of each step from `start` on: this process's share.

    What a step sees follows from the seed and the number of the step, so that a run that was
    stopped goes on with the batches that it would have seen.
    """
    process, processes = this_process().process_index, this_process().num_processes
    return iter(
        DataLoader(
            Seeded(train_set, config.seed),
            batch_sampler=keys(len(train_set), config, start, process, processes),
            collate_fn=collate,
            num_workers=config.workers,
            # A worker that died without a word is not waited for without end.
            timeout=900 if config.workers else 0,
            # Otherwise it would draw from the caller's random numbers.
            generator=torch.Generator(),
        )
    )


def keys(
    length: int, config: TrainConfig, start: int = 0, process: int = 0, processes: int = 1
) -> Iterator[list[tuple[int, int]]]:
    """The pictures of each step as (epoch, index); every epoch shows each picture once, in a new
    order.

    Of several processes, each takes every so many-th picture of a batch.
    """
    current = None
    for step in range(start, config.steps):
        batch = []
        for position in range(step * config.batch_size, (step + 1) * config.batch_size):
            epoch, place = divmod(position, length)
            if epoch != current:
                generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
                order = torch.randperm(length, generator=generator)
                current = epoch
            batch.append((epoch, int(order[place])))
        yield batch[process::processes]


class Seeded(Dataset):
    """A data set read by (epoch, index), whose random augmentation follows from these and the seed.

    Whether it draws from torch, from numpy or from Python's `random`; see
    `randomness.own_numbers`.
    """

    def __init__(self, dataset: Dataset, seed: int):
        self.dataset, self.seed = dataset, seed

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, dict]:
        epoch, index = key
        with own_numbers(hash((self.seed, epoch, index))):
            return self.dataset[index]


def check_batches(
    train_set: Dataset, config: TrainConfig, max_level: int, processes: int = 1
) -> None:
    """Raise ValueError for what would stop a training that is under way: found before its first
    step.
    """
    if config.batch_size % processes:
        raise ValueError(
            f"batch_size={config.batch_size} must be a multiple of the {processes} processes."
        )
    image, _ = Seeded(train_set, config.seed)[0, 0]
    check_images(image.as_subclass(Tensor)[None])
    check_range(image.as_subclass(Tensor)[None])
    height, width = image.shape[-2:]
    if (height, width) != config.image_size:
        raise ValueError(
            f"the training images are {height} x {width} pixels, and the configuration says "
            "{} x {}: pass size=({}, {}).".format(*config.image_size, height, width)
        )
    check_size(height, width, max_level)
    positions = (height >> max_level) * (width >> max_level)
    if config.batch_size * positions == 1:
        raise ValueError(
            f"batch_size 1 at {height} x {width} pixels leaves one value a channel on "
            f"P{max_level}, and batch norm needs two: raise batch_size or size."
        )
    if config.workers and SHARED_MEMORY.is_dir():
        _check_shared_memory(config, 4 * image.numel() * config.batch_size // processes)


def _check_shared_memory(config: TrainConfig, batch: int) -> None:
    """Workers hand over their batches (bytes) in shared memory, and one that finds none left hangs
    without a word.
    """
    needed = batch * (WAITED_FOR * config.workers + 1)
    free = shutil.disk_usage(SHARED_MEMORY).free
    if needed > free:
        raise ValueError(
            f"workers={config.workers} need {needed / 1e6:,.0f} MB of shared memory for their "
            f"batches, and {SHARED_MEMORY} has {free / 1e6:,.0f} MB free: lower workers, "
            "batch_size or size, or give it more (docker run --shm-size=2g)."
        )


def check_boxes(train_set: Dataset, size: tuple[int, int]) -> str | None:
    """What a person should know of boxes that are too small to be seen at size (height, width).

    None where all are seen, or where the data set cannot tell. Raises ValueError where none is:
    a training could learn nothing.
    """
    if not hasattr(train_set, "vanishing_boxes"):
        return None
    lost, boxes = train_set.vanishing_boxes(size)
    if not lost:
        return None
    height, width = size
    where = f"under one pixel at {height} x {width} pixels"
    if lost == boxes:
        raise ValueError(
            f"all {boxes:,} boxes of the training set are {where}, so there is nothing to learn: "
            "raise size, or look whether the boxes are in pixels."
        )
    return f"{lost:,} of {boxes:,} boxes of the training set are {where}, and are left out."
