"""A network in evaluation mode for a while."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

_LOCK = threading.RLock()
_AWAY: dict[int, tuple[int, dict[nn.Module, bool]]] = {}  # of each module: how often, and its modes


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """`module.eval()` inside the `with` block; afterwards each submodule is as it was.

    Frozen norms included. Several threads may do so at once: the last to leave restores the modes.
    """
    with _LOCK:
        count, modes = _AWAY.get(id(module), (0, {}))
        if count == 0:
            modes = {child: child.training for child in module.modules()}
            module.eval()
        _AWAY[id(module)] = count + 1, modes
    try:
        yield
    finally:
        with _LOCK:
            count, modes = _AWAY.pop(id(module))
            if count > 1:
                _AWAY[id(module)] = count - 1, modes
            else:
                for child, mode in modes.items():
                    child.training = mode
