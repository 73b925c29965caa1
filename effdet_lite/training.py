"""Training: one loop, from the first batch to the last checkpoint, on one device or on many
processes.

Recipe: official EfficientDet code (`hparams_config.py`: cosine schedule with warm-up, EMA, gradient
clipping), with the constants that small models trained from scratch need. Devices, precision and
processes are Accelerate's.

Everything random is a function of (seed, step): a run that was killed and resumed ends with the
same weights.
"""

import copy
import functools
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from effdet_lite import scaling
from effdet_lite.checkpoint import save_detector
from effdet_lite.data import check_datasets, collate, open_dataset
from effdet_lite.efficientdet import EfficientDet, check_size
from effdet_lite.evaluation import coco_ap
from effdet_lite.files import clear_partial
from effdet_lite.folding import folded
from effdet_lite.modes import half_precision
from effdet_lite.norms import settled, synchronise_norms
from effdet_lite.run import restore_run, save_run
from effdet_lite.starting import start_as_identity, start_from
from effdet_lite.troubles import ends_in_a_sentence, last_good


def _option(default: object, meaning: str) -> object:
    return field(default=default, metadata={"help": meaning})


@dataclass(frozen=True)
class TrainConfig:
    """One training run, complete: the same configuration gives the same weights on the same
    machine.

    The fields are also the options of `effdet-lite train`.
    """

    data: str = _option(
        "shapes", "shapes, bccd, bccd:FOLDER, voc:FOLDER or coco:IMAGES,ANNOTATIONS.json"
    )
    test_data: str | None = _option(
        None, "likewise; by default the data's test split, or a fifth of a COCO file's images"
    )
    phi: float = _option(-3.0, "size of the model, from -3 to 7; 0 is EfficientDet-D0")
    size: tuple[int, int] | None = _option(
        None, "height and width of the images in pixels (default: what phi says)"
    )
    levels: tuple[int, int] | None = _option(
        None, "finest and coarsest pyramid level (default: what phi says)"
    )
    anchor_scale: float | None = _option(
        None, "side of the smallest anchor in strides (default: what phi says)"
    )
    width: float | None = _option(
        None, "the backbone's channels, as a multiple of B0's (default: what phi says)"
    )
    depth: float | None = _option(
        None, "the backbone's blocks, as a multiple of B0's (default: what phi says)"
    )
    fused_stages: int = _option(
        0, "backbone stages with one dense convolution for two, see scaling.EfficientNetConfig"
    )
    start: str | None = _option(
        None, "trained weights to begin from: a detector.safetensors, imagenet or coco"
    )
    augment: float | None = _option(
        None, "strength of random zoom and colour, 0-1 (default: 0 for shapes, else 1)"
    )
    steps: int = _option(1000, "number of batches")
    batch_size: int = _option(8, "images in a batch, over all processes")
    optimizer: str = _option("adamw", "adamw or sgd")
    learning_rate: float = _option(0.016, "the highest; a cosine brings it to 0")
    warmup: int = _option(80, "steps in which the learning rate rises")
    weight_decay: float = _option(1e-2, "of the kernels")
    clip: float = _option(1.0, "largest norm of the gradient")
    decay: float = _option(
        0.998, "of the moving average of the weights, which is what is tested and kept"
    )
    alpha: float = _option(0.5, "weight of the positive answers in the focal loss")
    gamma: float = _option(1.5, "focus of the focal loss")
    precision: str = _option("auto", "no, bf16, or auto: bf16 on a GPU that has it")
    evaluate_every: int = _option(0, "steps between tests; 0: at the end only")
    save_every: int = _option(200, "steps between checkpoints")
    workers: int = _option(0, "processes that prepare images besides")
    seed: int = _option(0, "of everything random")
    output: str | None = _option(
        None, "folder for checkpoints (command: runs/DATA-phiPHI by default; in Python: none)"
    )

    def __post_init__(self):
        counts = dict(
            steps=1, batch_size=1, warmup=0, evaluate_every=0, save_every=0, workers=0, seed=0
        )
        for name, least in counts.items():
            if not least <= getattr(self, name) < 2**32:
                raise ValueError(
                    f"{name} must be at least {least} and below 2^32, got {getattr(self, name)}."
                )
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name)}.")
        for name, most in {"weight_decay": math.inf, "gamma": math.inf, "alpha": 1}.items():
            if not 0 <= getattr(self, name) <= most or math.isinf(getattr(self, name)):
                raise ValueError(
                    f"{name} must be a number from 0 to {most}, got {getattr(self, name)}."
                )
        for name in ("anchor_scale", "width", "depth"):
            if getattr(self, name) is not None and not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name)}.")
        if self.optimizer not in ("adamw", "sgd"):
            raise ValueError(f'optimizer must be "adamw" or "sgd", got {self.optimizer!r}.')
        if self.precision not in ("auto", "no", "bf16"):
            raise ValueError(f'precision must be "auto", "no" or "bf16", got {self.precision!r}.')
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must lie in 0-1, below 1, got {self.decay}.")

    @property
    def model_config(self) -> scaling.EfficientDetConfig:
        """What phi says, with the levels and the anchor scale of this run."""
        config = scaling.efficientdet(self.phi)
        min_level, max_level = self.levels or (config.min_level, config.max_level)
        # A short run is over before slow averages settle, and has no blocks to spare: as torch's
        # default, and off.
        backbone = replace(
            config.backbone,
            norm_momentum=0.1,
            stochastic_depth=0.0,
            fused_stages=self.fused_stages,
            width=self.width or config.backbone.width,
            depth=self.depth or config.backbone.depth,
        )
        legal = -(-config.resolution // 2**max_level) * 2**max_level
        return replace(
            config,
            backbone=backbone,
            resolution=legal,
            min_level=min_level,
            max_level=max_level,
            anchor_scale=self.anchor_scale or config.anchor_scale,
        )

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) that the model is trained and tested at."""
        config = self.model_config
        height, width = self.size or (config.resolution,) * 2
        check_size(height, width, config.max_level)
        return height, width


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
    class_loss, box_loss, and the figures of `evaluation.coco_ap` at the steps where it was
    evaluated.

    config.output gets last.safetensors, from which the same call goes on if it was stopped, and in
    the end, averaged weights in half precision, detector.safetensors. train_set, test_set, model:
    in place of what config would make; the model is trained in place and ends with the averaged
    weights. on_step: called with each row; if it returns True, in one of several processes or in
    all, the run stops: it saves last.safetensors, from which the same call goes on as if never
    stopped, and leaves a model to look at: averaged weights of this moment, norms settled as in the
    end. Raises FloatingPointError when the loss is no longer a number, MemoryError when a batch
    does not fit, OSError when
    the disk is full, and KeyboardInterrupt: each is one sentence that names the last good
    checkpoint, which stays.
    """
    # Without a GPU, Accelerate takes processes launched together for strangers, each alone, unless
    # told cpu=True. It also keeps one precision for the life of a process, so that is not its task
    # here.
    alone = "LOCAL_RANK" not in os.environ or torch.cuda.is_available()
    accelerator = Accelerator(cpu=not alone, mixed_precision="no")
    if config.batch_size % accelerator.num_processes:
        raise ValueError(
            f"batch_size={config.batch_size} must be a multiple of the {accelerator.num_processes} processes."
        )
    options = {"whole": config.test_data is not None, "augment": config.augment}
    if train_set is None:
        length = config.steps * config.batch_size  # of data that never run out
        train_set = open_dataset(
            config.data, config.image_size, train=True, length=length, seed=config.seed, **options
        )
    if test_set is None:
        test_set = open_dataset(
            config.test_data or config.data, config.image_size, train=False, **options
        )
    check_datasets(train_set, test_set)
    torch.manual_seed(config.seed)
    if model is None:
        model = new_model(config, train_set.classes)
    model.to(accelerator.device, memory_format=torch.channels_last)
    optimizer = make_optimizer(model, config)
    average = copy.deepcopy(model).eval().requires_grad_(False)
    checkpoint = Path(config.output) / "last.safetensors" if config.output else None
    history = []
    # A run goes on only with the settings that it began with.
    settings = {name: value for name, value in asdict(config).items() if name not in FREE_TO_CHANGE}
    settings["classes"] = train_set.classes
    if checkpoint and accelerator.is_main_process:
        clear_partial(checkpoint)
    if checkpoint and checkpoint.exists():
        history = restore_run(checkpoint, settings, model, average, optimizer)
    # One process can do without the wrappers that several need.
    network = (
        accelerator.prepare(synchronise_norms(model)) if accelerator.num_processes > 1 else model
    )
    batches = DataLoader(
        Seeded(train_set, config.seed),
        batch_sampler=list(epochs(len(train_set), config, len(history), accelerator)),
        collate_fn=collate,
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
    )
    is_main = accelerator.is_main_process
    bar = tqdm(
        total=config.steps,
        initial=len(history),
        desc="train",
        unit="step",
        disable=not (progress and is_main),
    )
    seconds, best = (history[-1]["seconds"], history[-1]) if history else (0.0, {})
    network.train()
    started = time.perf_counter()
    for images, targets in batches:
        step = len(history)
        torch.manual_seed(config.seed + step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config)

        images = images.to(accelerator.device)
        with half_precision(accelerator.device.type, _is_half(config.precision)):
            outputs = network(images)
        losses = model.loss(
            outputs,
            targets,
            tuple(images.shape[-2:]),
            alpha=config.alpha,
            gamma=config.gamma,
            reduce=functools.partial(accelerator.reduce, reduction="sum"),
        )
        # Processes average their gradients, but the normaliser already counts all of them: so the
        # sum is wanted.
        accelerator.backward(losses.total * accelerator.num_processes)
        norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        loss, class_loss, box_loss = accelerator.reduce(
            torch.stack(losses).detach(), "sum"
        ).tolist()
        # Before the step, so that no weights of a checkpoint are spoilt.
        if not math.isfinite(loss + norm.item()):
            raise FloatingPointError(
                f"the loss is {loss} and its gradient {norm.item()} at step {step + 1}; lower "
                f"learning_rate ({config.learning_rate}) or raise warmup; "
                f"{last_good(checkpoint)}."
            )
        optimizer.step()
        optimizer.zero_grad()
        update_average(average, model, min(config.decay, (1 + step) / (10 + step)))

        seconds += time.perf_counter() - started
        row = {
            "step": step + 1,
            "seconds": seconds,
            "learning_rate": learning_rate(step, config),
            "loss": loss,
            "class_loss": class_loss,
            "box_loss": box_loss,
        }
        if _is_due(step + 1, config.evaluate_every, config.steps) and is_main:
            best = coco_ap(folded(settled(average, train_set)), test_set, progress=progress)
            row |= {name: best[name] for name in ("ap", "ap50", "ap75")}
        history.append(row)
        if checkpoint and is_main and _is_due(step + 1, config.save_every, config.steps):
            save_run(checkpoint, settings, model, average, optimizer, history)
        accelerator.wait_for_everyone()
        bar.set_postfix_str(
            f"loss {loss:.3f} = class {class_loss:.3f} + 50 x box {box_loss:.4f}"
            + (f", AP50 {best['ap50']:.3f}" if "ap50" in best else ""),
            refresh=False,
        )
        bar.update()
        # Processes stop together.
        if on_step and accelerator.reduce(images.new_tensor(on_step(row) is True), "sum"):
            if checkpoint and is_main:
                save_run(checkpoint, settings, model, average, optimizer, history)
            break
        started = (
            time.perf_counter()
        )  # the time of a step is that of its images too, but not of tests and checkpoints
    bar.close()
    average = settled(average, train_set)
    model.load_state_dict(average.state_dict())
    if checkpoint and is_main and len(history) == config.steps:
        result = {name: history[-1][name] for name in ("ap", "ap50", "ap75")}
        # Where it was made is nobody's business.
        made_by = asdict(
            replace(config, output=None, start=config.start and Path(config.start).name)
        )
        save_detector(
            checkpoint.with_name("detector.safetensors"),
            average,
            train_set.classes,
            config.image_size,
            training=made_by,
            seconds=round(seconds, 1),
            result=result,
        )
    return history


def new_model(config: TrainConfig, classes: Sequence[str]) -> EfficientDet:
    """The detector that `train` makes for these classes: fresh, or with the weights that
    config.start names.
    """
    model = EfficientDet(config.model_config, len(classes))
    start_as_identity(model)
    if config.start:
        start_from(model, config.start, classes)
    return model


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up to the highest rate, then half a cosine down to 0."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (1 + math.cos(math.pi * progress)) / 2


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW, or SGD with momentum 0.9. Only kernels decay: not norms, biases and fusion weights
    (official code).
    """
    kernels = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": kernels, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, config.learning_rate, momentum=0.9, foreach=True)
    # A memory of 20 steps for the second moment, not of 1,000: a run is short, and its gradients
    # shrink fast.
    return torch.optim.AdamW(groups, config.learning_rate, betas=(0.9, 0.95), fused=True)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """average = decay * average + (1 - decay) * model, the running statistics of batch norm
    included.
    """
    pairs = zip(average.state_dict().values(), model.state_dict().values(), strict=True)
    old, new = zip(*[pair for pair in pairs if pair[0].is_floating_point()], strict=True)
    torch._foreach_lerp_(old, new, 1 - decay)


def epochs(
    length: int, config: TrainConfig, start: int, accelerator: Accelerator
) -> Iterator[list[tuple[int, int]]]:
    """This process's share of each batch from step `start` on, as (epoch, index); every epoch is a
    new order.
    """
    orders = {}
    for step in range(start, config.steps):
        batch = []
        for position in range(step * config.batch_size, (step + 1) * config.batch_size):
            epoch = position // length
            if epoch not in orders:
                generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
                orders = {
                    epoch - 1: orders.get(epoch - 1),
                    epoch: torch.randperm(length, generator=generator).tolist(),
                }
            batch.append((epoch, orders[epoch][position % length]))
        yield batch[accelerator.process_index :: accelerator.num_processes]


class Seeded(Dataset):
    """A dataset read by (epoch, index), whose random augmentation depends on these and on nothing
    else.
    """

    def __init__(self, dataset: Dataset, seed: int):
        self.dataset, self.seed = dataset, seed

    def __getitem__(self, key: tuple[int, int]):
        epoch, index = key
        with torch.random.fork_rng(devices=[]):
            # Images are drawn on the CPU; torch.manual_seed seeds GPUs too, in half a millisecond.
            torch.default_generator.manual_seed(hash((self.seed, epoch, index)))
            return self.dataset[index]


# Where and how often files are written does not change the weights.
FREE_TO_CHANGE = {"output", "save_every", "evaluate_every", "workers", "test_data"}


def _is_due(step: int, every: int, last: int) -> bool:
    return step == last or (bool(every) and step % every == 0)


def _is_half(precision: str) -> bool:
    return precision == "bf16" or (
        precision == "auto" and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    )
