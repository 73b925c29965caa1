"""A training to watch: its curves and its detections while it runs, with a button that stops it and
lets it go on.

The training runs in a thread of its own, so that the kernel stays free to hear the button and to
run other cells: whatever they draw, the training's random numbers are its own
(`randomness.own_numbers`). What it shows goes into one HTML widget, as an explorer's page does.
Stopping and going on are those of `training.train`: a checkpoint, and the same call again.
"""

import asyncio
import copy
import html
import threading
from collections.abc import Mapping, Sequence

import ipywidgets
import torch
from IPython.display import display
from torch import Tensor

from effdet_lite.arguments import whole_number
from effdet_lite.beginning import first_model
from effdet_lite.efficientdet import check_range, check_size
from effdet_lite.efficientnet import check_images
from effdet_lite.teach.kit.boxes import image_grid
from effdet_lite.teach.kit.page import img
from effdet_lite.teach.kit.plots import training_curves
from effdet_lite.teach.kit.widgets import WIDGET, button
from effdet_lite.training import TrainConfig, train


class LiveTraining:
    """A run of `train` on the page: `LiveTraining(config, images, targets, classes).show()` as a
    cell's last line.

    config: its output, a folder, is where the run is stopped to and goes on from. images: a few of
    [3, H, W] in 0-1, with their targets, drawn with what the model finds every `every` steps.
    options: train_set, test_set and model, as `train` takes them. Raises ValueError for a config
    without output, and for images that the model could not be run on.
    """

    def __init__(
        self,
        config: TrainConfig,
        images: Sequence[Tensor],
        targets: Sequence[Mapping],
        classes: Sequence[str],
        *,
        every: int = 10,
        **options,
    ):
        if not config.output:
            raise ValueError(
                "a run that can be stopped needs a folder for its checkpoint: pass output=."
            )
        self.config, self.every = config, whole_number("every", every)
        _check(config, images, targets, options)
        self.images, self.targets, self.classes = images, targets, tuple(classes)
        self.model = options.pop("model", None)
        if self.model is None:
            self.model = first_model(config, self.classes)  # the one that `train` would make
        self.options = options
        self.history: list[dict] = []
        self.error: Exception | None = None
        self.thread, self._stopping = None, threading.Event()
        self.page, self.button = ipywidgets.HTML("<p>Not started yet.</p>"), button("Stop")
        self.button.observe(self._press, names="value")

    def show(self) -> None:
        """Put the run on the page and start it; returns at once."""
        box = ipywidgets.VBox([self.button, self.page])
        view = {"model_id": box.model_id, "version_major": 2, "version_minor": 0}
        words = "With a kernel, a training runs here; how it ended stands below."
        display(
            {WIDGET: view, "text/html": f"<p><em>{words}</em></p>", "text/plain": words}, raw=True
        )
        self.start()

    def start(self) -> None:
        """Begin, or go on from the checkpoint; nothing happens if it runs already."""
        if self.thread and self.thread.is_alive():
            return
        self.error = None
        self._stopping.clear()
        self.button.description = "Stop"
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Ask for the end of the run after the step under way; `wait` tells when that is."""
        self._stopping.set()

    def wait(self) -> list[dict]:
        """Wait until the run is stopped, finished or broken off; returns its history, or raises
        what broke it off.
        """
        if self.thread:
            self.thread.join()
        if self.error:
            raise self.error
        return self.history

    async def ended(self) -> list[dict]:
        """`wait` for a notebook's cell, `history = await live.ended()`: meanwhile the kernel hears
        the button.

        ipykernel does so from 7.4 on; an older one hears it when the cell is done.
        """
        while self.thread and self.thread.is_alive():
            await asyncio.sleep(0.1)
        return self.wait()

    def _press(self, change: object) -> None:
        if self.thread and self.thread.is_alive():
            self.button.description = "stopping …"
            self.stop()
        else:
            self.start()

    def _run(self) -> None:
        try:
            history = train(
                self.config, model=self.model, progress=False, on_step=self._on_step, **self.options
            )
            self.history = history
            done = len(history) == self.config.steps
            self._draw("Finished" if done else "Stopped; Resume goes on")
            self.button.description, self.button.disabled = (
                ("Finished", True) if done else ("Resume", False)
            )
        except Exception as error:  # a thread's traceback would stay where nobody looks
            self.error = error
            kind = (
                ""
                if isinstance(error, FloatingPointError | ValueError | OSError)
                else f"{type(error).__name__}: "
            )
            self.page.value += (
                f"<p><strong>The training broke off: {html.escape(f'{kind}{error}')}</strong></p>"
            )
            self.button.description = "Resume"

    def _on_step(self, row: dict) -> bool:
        self.history = [*self.history[: row["step"] - 1], row]
        if row["step"] % self.every == 0 and row["step"] < self.config.steps:
            self._draw("Running")
        return self._stopping.is_set()

    def _draw(self, state: str) -> None:
        """Curves, and what a copy of the model finds now; the training's own numbers stay as they
        are.
        """
        watched = copy.deepcopy(self.model).eval()
        device = next(watched.parameters()).device
        with torch.no_grad():
            found = watched.detect(
                torch.stack([image.as_subclass(Tensor) for image in self.images]).to(device)
            )
        step, loss = self.history[-1]["step"], self.history[-1]["loss"]
        words = f"{state}: step {step} of {self.config.steps}, loss {loss:.3f}"
        curves = img(
            training_curves(self.history, "step"), f"Loss and AP up to step {step}.", dpi=80
        )
        grid = image_grid(self.images, self.targets, self.classes, found, columns=len(self.images))
        self.page.value = (
            f"<p>{words}</p>{curves}{img(grid, f'What the model finds after step {step}.', dpi=80)}"
        )


def _check(
    config: TrainConfig, images: Sequence[Tensor], targets: Sequence[Mapping], options: Mapping
) -> None:
    """Raise ValueError for what would break the training off when it is drawn."""
    if unknown := options.keys() - {"train_set", "test_set", "model"}:
        raise ValueError(
            f"of what train takes, pass train_set, test_set or model, not {min(unknown)}."
        )
    if len(images) == 0 or len(images) != len(targets):
        raise ValueError(
            f"pass an image to watch, or a few, and a target for each: got {len(images)} images "
            f"and {len(targets)} targets."
        )
    if len({tuple(image.shape) for image in images}) > 1:
        raise ValueError("the images to watch must be of one size: use eval_transforms(size).")
    batch = torch.stack([image.as_subclass(Tensor) for image in images])
    check_images(batch)
    check_range(batch)
    if "model" not in options:
        check_size(*batch.shape[-2:], config.model_config.max_level)
