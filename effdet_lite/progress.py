"""How far a training is, and how long it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm

from effdet_lite.processes import this_process
from effdet_lite.run import Run


class Stopwatch:
    """Seconds of training, without those of tests and checkpoints."""

    def __init__(self, history: list[dict]):
        before = history[-1]["seconds"] if history else 0.0
        self.started = time.perf_counter() - before

    def seconds(self) -> float:
        """So far, those before a run was stopped included."""
        return time.perf_counter() - self.started

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside does not count."""
        paused = time.perf_counter()
        yield
        self.started += time.perf_counter() - paused


@contextmanager
def progress_bar(run: Run, progress: bool) -> Iterator["_Bar"]:
    """A bar with the losses of the last step and the last AP50; closed at the end."""
    shown = progress and this_process().is_main_process
    with _Bar(
        total=run.config.steps, initial=run.step, desc="train", unit="step", disable=not shown
    ) as bar:
        yield bar


class _Bar(tqdm):
    def show(self, row: dict) -> None:
        """One step more."""
        words = f"loss {row['loss']:.3f}, class {row['class_loss']:.3f}, box {row['box_loss']:.4f}"
        self.last_ap50 = row.get("ap50", getattr(self, "last_ap50", None))
        if self.last_ap50 is not None:
            words += f", AP50 {self.last_ap50:.3f}"
        self.set_postfix_str(words, refresh=False)
        self.update()
