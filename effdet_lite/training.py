"""Training: one loop, from the first batch to the last checkpoint, on one device or on many
processes.

Recipe: official EfficientDet code (`hparams_config.py`: cosine schedule with warm-up, EMA, gradient
clipping), with the constants that small models trained from scratch need.

Everything random is a function of (seed, step): a run that was killed and resumed ends with the
same weights. The caller's own random numbers stay as they were.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from effdet_lite.batches import batches
from effdet_lite.beginning import begin, open_sets
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.milestones import evaluate, finish
from effdet_lite.modes import half_precision
from effdet_lite.norms import training_mode
from effdet_lite.optimizing import ema_decay, learning_rate, update_ema
from effdet_lite.processes import add_up_gradients, added_up, any_process, this_process
from effdet_lite.progress import Stopwatch, progress_bar
from effdet_lite.randomness import own_numbers
from effdet_lite.run import Run
from effdet_lite.settings import TrainConfig
from effdet_lite.troubles import ends_in_a_sentence, last_good


@ends_in_a_sentence
def train(
    config: TrainConfig,
    train_set: Dataset | None = None,
    test_set: Dataset | None = None,
    *,
    model: EfficientDet | None = None,
    progress: bool = True,
    on_step: Callable[[dict], bool | None] | None = None,
) -> list[dict]:
    """Train a detector and return its history, one row a step: step, seconds, learning_rate, loss,
    class_loss, box_loss, and the figures of `evaluation.coco_ap` at the steps where it was tested.

    Args:
        config: its output, a folder, gets last.safetensors, from which the same call goes on if it
            was stopped, and in the end, moving average in half precision, detector.safetensors.
        train_set, test_set: in place of what config names. A train_set without a test_set is
            trained on without a test, unless config.test_data names one.
        model: in place of a fresh one; trained in place. It ends in evaluation mode, with the
            moving average of its weights.
        progress: whether a bar is shown.
        on_step: called with each row. If it returns True, in one of several processes or in all,
            the run stops: it saves last.safetensors, and leaves the model as in the end.

    Raises ValueError for settings or data that cannot work, before the first step;
    FloatingPointError when the loss is no longer a number, MemoryError when a batch does not fit,
    OSError when the disk is full, and KeyboardInterrupt: each is one sentence that names the last
    good checkpoint, which stays.
    """
    train_set, test_set = open_sets(config, train_set, test_set)
    run = begin(config, train_set, test_set, model)
    test_if_due(run, progress)  # of a run that was stopped before it could
    clock = Stopwatch(run.history)
    with training_mode(run.model), progress_bar(run, progress) as bar:
        for images, targets in batches(train_set, config, run.step):
            row = train_step(run, images, targets)
            run.history.append({"step": run.step + 1, "seconds": clock.seconds()} | row)
            with clock.paused():
                save_if_due(run)
                test_if_due(run, progress)
                bar.show(run.history[-1])
                if any_process(on_step is not None and on_step(run.history[-1]) is True):
                    run.save()
                    break
    finish(run)
    return run.history


def train_step(run: Run, images: Tensor, targets: list[dict]) -> dict:
    """One step: from this process's share of a batch, images [n, 3, H, W] and n targets, to new
    weights.

    Returns its learning rate and losses, of all processes together. Raises FloatingPointError.
    """
    config, model = run.config, run.model
    device = this_process().device
    rate = learning_rate(run.step, config)
    images = images.to(device)
    targets = [
        {name: target[name].as_subclass(Tensor).to(device) for name in ("boxes", "labels")}
        for target in targets
    ]
    for group in run.optimizer.param_groups:
        group["lr"] = rate

    half = half_precision(device.type, enabled=_is_half(config.precision))
    with own_numbers(config.seed + run.step, device), half:
        outputs = model(images)
    # Each process divides by what all of them found, so that losses and gradients add up.
    losses = model.loss(
        outputs,
        targets,
        tuple(images.shape[-2:]),
        alpha=config.alpha,
        gamma=config.gamma,
        reduce=added_up,
    )
    losses.total.backward()
    add_up_gradients(model)
    norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    loss, class_loss, box_loss = added_up(torch.stack(losses).detach()).tolist()
    # Before the weights change, so that no checkpoint is spoiled.
    if not math.isfinite(loss + norm.item()):
        raise FloatingPointError(
            f"the loss is {loss} and its gradient {norm.item()} at step {run.step + 1}; lower "
            f"learning_rate ({config.learning_rate}) or raise warmup; {last_good(run.checkpoint)}."
        )
    run.optimizer.step()
    run.optimizer.zero_grad()
    update_ema(run.ema, model, ema_decay(run.step, config))
    return {
        "learning_rate": rate,
        "loss": loss,
        "class_loss": class_loss,
        "box_loss": box_loss,
    }


def save_if_due(run: Run) -> None:
    """Write the checkpoint every so many steps, and before each test: whatever happens in a test,
    no step is lost.
    """
    if _is_due(run.step, run.config.save_every, run.config.steps) or is_test_due(run):
        run.save()


def test_if_due(run: Run, progress: bool) -> None:
    """Test the moving average every so many steps; the figures go into the last row."""
    if is_test_due(run) and this_process().is_main_process:
        figures = evaluate(run.recalibrated(), run.test_set, run.config.max_detections, progress)
        run.history[-1] |= figures
        run.save()


def is_test_due(run: Run) -> bool:
    """Whether the last step has no figures yet, and should have."""
    if run.test_set is None or not run.history or "ap" in run.history[-1]:
        return False
    return _is_due(run.step, run.config.evaluate_every, run.config.steps)


def _is_due(step: int, every: int, last: int) -> bool:
    return step == last or (every > 0 and step % every == 0)


def _is_half(precision: str) -> bool:
    if precision == "auto":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return precision == "bf16"
