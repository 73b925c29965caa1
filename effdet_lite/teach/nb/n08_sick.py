"""Sick trainings for the clinic of notebook 08: each learns six small pictures by heart, with one
fault in it.

Whoever reads on learns what the faults do.
"""

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from effdet_lite.beginning import new_model
from effdet_lite.data import ShapesDetection
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.evaluation import coco_ap
from effdet_lite.norms import recalibrate_norms
from effdet_lite.randomness import own_numbers
from effdet_lite.settings import TrainConfig
from effdet_lite.teach.nb.n08_small import ALPHA, SMALL, Batch, batch_of

SIDE, PICTURES, STEPS = 64, 6, 40
RATE = 0.01
FIRST = 100  # each seed has pictures of its own, so many apart
PARTS = ("backbone", "fusion", "class_head", "box_head")


@dataclass(frozen=True)
class Fault:
    """One fault, as what it does to each part of a training.

    meaning: in words. rate: of every step. prepare: changes the fresh model. batch: from the
    pictures and the number of the step to what is trained on. loss: what is minimized. keeps:
    whether gradients are kept from step to step.
    """

    meaning: str
    rate: float = RATE
    prepare: Callable[[EfficientDet], object] = lambda model: None
    batch: Callable[[Batch, int], Batch] = lambda batch, step: batch
    loss: Callable = lambda losses: losses.total
    keeps: bool = False


def without_prior(model: EfficientDet) -> None:
    """Let the class head begin with 50 % for everything."""
    nn.init.zeros_(model.class_head.predict.pointwise.bias)


def slow_statistics(model: EfficientDet) -> None:
    """Let the running statistics of every norm follow by a thousandth."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.001


def one_picture(batch: Batch, step: int) -> Batch:
    """The first picture in the place of all."""
    images, targets = batch
    return images[:1].expand_as(images), [targets[0]] * len(targets)


def other_labels(batch: Batch, step: int) -> Batch:
    """The boxes with labels that are drawn anew in each step."""
    images, targets = batch
    numbers = torch.Generator().manual_seed(step)
    return images, [
        one | {"labels": torch.randint(0, 4, one["labels"].shape, generator=numbers)}
        for one in targets
    ]


def flipped_pictures(batch: Batch, step: int) -> Batch:
    """Every other time the pictures from left to right, and their boxes as they were."""
    images, targets = batch
    return (images.flip(-1) if step % 2 else images), targets


SOUND = Fault("none")
FAULTS = {
    "high rate": Fault("the learning rate is fifty times too high", rate=0.5),
    "low rate": Fault("the learning rate is a hundred times too low", rate=1e-4),
    "no prior": Fault("the class head begins without its prior", prepare=without_prior),
    "kept gradients": Fault("optimizer.zero_grad() is missing", keeps=True),
    "evaluation mode": Fault(
        "a test called model.eval(), and model.train() is missing after it",
        prepare=nn.Module.eval,
    ),
    "slow statistics": Fault(
        "running statistics follow by only a thousandth a step, and nobody recalibrates",
        prepare=slow_statistics,
    ),
    "one picture": Fault("every batch repeats the first picture", batch=one_picture),
    "random labels": Fault("the labels are shuffled anew in each step", batch=other_labels),
    "flipped pictures": Fault("pictures are flipped, their boxes are not", batch=flipped_pictures),
    "no box loss": Fault(
        "the chart counts the box loss, but no step minimizes it",
        loss=lambda losses: losses.class_loss,
    ),
}


class Patient(NamedTuple):
    """A training that is over.

    losses [steps, 3]: total, class and box. gradients [steps]: length of the gradient. before,
    after: the model at the beginning, and at the end in evaluation mode. batches: of the first two
    steps, as they were trained on. seed: of its pictures.
    """

    losses: list[list[float]]
    gradients: list[float]
    before: EfficientDet
    after: EfficientDet
    batches: list[Batch]
    seed: int


@functools.cache
def learned(seed: int) -> ShapesDetection:
    """The pictures that the trainings of this seed learn."""
    first = FIRST + PICTURES * seed
    whole = ShapesDetection("train", SIDE, first + PICTURES, cache=True)
    return whole.subset(range(first, first + PICTURES))


@functools.cache
def trained_with(name: str, seed: int, steps: int = STEPS) -> Patient:
    """The training with the fault of this name, "" for none."""
    fault = FAULTS.get(name, SOUND)
    settings = TrainConfig(**SMALL | {"size": (SIDE, SIDE)}, seed=seed)
    pictures = learned(seed)
    batch = batch_of(pictures, range(PICTURES))
    model = new_model(settings, pictures.classes).train()
    fault.prepare(model)
    before = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), fault.rate)
    losses, gradients, batches = [], [], []
    with own_numbers(seed):
        for step in range(steps):
            images, targets = fault.batch(batch, step)
            found = model.loss(model(images), targets, (SIDE, SIDE), alpha=ALPHA)
            if not fault.keeps:
                optimizer.zero_grad()
            fault.loss(found).backward()
            optimizer.step()
            losses.append([value.item() for value in found])
            gradients.append(_length([one.grad for one in model.parameters()]))
            if step < 2:
                batches.append((images.clone(), targets))
    return Patient(losses, gradients, before, model.eval(), batches, seed)


def _length(gradients: list[Tensor | None]) -> float:
    return torch.stack([one.norm() for one in gradients if one is not None]).norm().item()


# --- what a test measures ---


def grades(patient: Patient) -> tuple[float, float]:
    """AP50 on the pictures that were learned, in evaluation mode and after recalibration."""
    pictures = learned(patient.seed)
    models = patient.after, recalibrate_norms(patient.after, pictures, images=PICTURES)
    first, second = (coco_ap(one, pictures, progress=False)["ap50"] for one in models)
    return first, second


def moved(patient: Patient) -> dict[str, float]:
    """How far the weights of each part moved, as a share of how long they were."""
    shares = {}
    for part in PARTS:
        old, new = (
            torch.cat([one.detach().flatten() for one in getattr(model, part).parameters()])
            for model in (patient.before, patient.after)
        )
        shares[part] = ((new - old).norm() / old.norm()).item()
    return shares


def statistics_moved(patient: Patient) -> float:
    """How far the running variances moved from the 1 that they began with: the mean of |v − 1|."""
    buffers = [
        buffer for name, buffer in patient.after.named_buffers() if name.endswith("running_var")
    ]
    return (torch.cat(buffers) - 1).abs().mean().item()
