"""Loaded pictures kept in memory, up to a share of what was free."""

from pathlib import Path

import psutil
import torch

# A container may have less than the machine: version 2 and version 1 of Linux' control groups.
GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)
SHARE = 0.25  # of the free memory, where the caller just says "cache"


def free_memory() -> int:
    """Bytes that this process may still take: of the machine, or of its container."""
    free = psutil.virtual_memory().available
    for limit, used in GROUPS:
        try:
            left = int(Path(limit).read_text()) - int(Path(used).read_text())
        except (OSError, ValueError):  # no such group, or the word "max"
            continue
        free = min(free, max(0, left))
    return free


class PictureCache:
    """Items by index, until their pixels fill `share` of the memory that was free at the first one.

    What does not fit is simply not kept. The processes of a DataLoader each have a cache of their
    own, so each gets its part of the share. Raises ValueError for a share outside 0-1.
    """

    def __init__(self, share: float):
        if not 0 <= share <= 1:
            raise ValueError(
                f"cache must be True, False or a share of the memory in 0-1, not {share}."
            )
        self.share = share
        self.limit = None
        self.used = 0
        self.items = {}

    def get(self, index: int) -> tuple | None:
        """The item that was kept, or None."""
        return self.items.get(index)

    def keep(self, index: int, item: tuple) -> None:
        """Keep an item whose first part is an array of pixels, if there is room for it."""
        if self.limit is None:
            worker = torch.utils.data.get_worker_info()
            processes = worker.num_workers if worker else 1
            self.limit = self.share * free_memory() / processes
        size = item[0].nbytes
        if self.used + size <= self.limit:
            self.items[index] = item
            self.used += size

    def __getstate__(self) -> dict:
        """A process that is started with this cache begins with an empty one."""
        return {"share": self.share, "limit": None, "used": 0, "items": {}}
