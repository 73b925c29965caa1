"""A training before its first step: its data, its model, and what it goes on from."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.data import Dataset

from effdet_lite.batches import check_batches, check_boxes
from effdet_lite.checkpoint import check_described
from effdet_lite.data.opening import VALIDATION, check_datasets, open_dataset, open_datasets
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.files import clear_partial
from effdet_lite.optimizing import make_optimizer
from effdet_lite.processes import share_weights, this_process
from effdet_lite.randomness import own_numbers
from effdet_lite.run import Run, read_history, saved_model
from effdet_lite.settings import UNTESTED, TrainConfig
from effdet_lite.starting import transfer_weights, zero_init_residual


def open_sets(
    config: TrainConfig, train_set: Dataset | None, test_set: Dataset | None
) -> tuple[Dataset, Dataset | None]:
    """The pictures to train on and those to test on, None for no test; see `train`."""
    size = config.image_size
    drawn = {"length": config.steps * config.batch_size, "seed": config.seed}  # never runs out
    drawn |= {"augment": config.augment, "cache": config.cache}
    if train_set is None and test_set is None and config.test_data != UNTESTED:
        train_set, test_set = open_datasets(config.data, size, test_data=config.test_data, **drawn)
    elif train_set is None:
        is_whole = config.test_data is not None
        train_set = open_dataset(config.data, size, train=True, whole=is_whole, **drawn)
    elif test_set is None and config.test_data == VALIDATION:
        raise ValueError(
            "test_data='validation' is a part of the data that the settings name: pass your own "
            "validation pictures as test_set, beside train_set."
        )
    elif test_set is None and config.test_data not in (None, UNTESTED):
        test_set = open_dataset(
            config.test_data,
            size,
            train=False,
            whole=True,
            cache=config.cache,
            classes=train_set.classes,
        )
    check_datasets(train_set, test_set)
    return train_set, test_set


def begin(
    config: TrainConfig,
    train_set: Dataset,
    test_set: Dataset | None,
    model: EfficientDet | None = None,
) -> Run:
    """The run before its next step: a fresh one, or as its checkpoint left it.

    Raises ValueError for another run's checkpoint and for what cannot work, and WriteError for an
    output that cannot be written.
    """
    process = this_process()
    checkpoint = checkpoint_of(config)
    if checkpoint and process.is_main_process:
        clear_partial(checkpoint)
    goes_on = checkpoint is not None and has_steps(checkpoint)
    if model is None:
        model = first_model(config, train_set.classes)
    else:
        check_model(model, train_set.classes)
    if checkpoint:
        check_described(model)  # or nobody could open the detector in the end
    model.to(process.device, memory_format=torch.channels_last)
    share_weights(model)
    run = Run(config, train_set, test_set, model, make_optimizer(model, config), checkpoint)
    if goes_on:
        run.restore()
    if run.step < config.steps:
        check_batches(train_set, config, model.config.max_level, process.num_processes)
        if process.is_main_process and (told := check_boxes(train_set, config.image_size)):
            warnings.warn(told, stacklevel=3)
        run.save()  # now, and not after hours: can it be written at all?
    return run


def checkpoint_of(config: TrainConfig) -> Path | None:
    """The file that a run of this configuration is saved to, and goes on from."""
    return Path(config.output) / "last.safetensors" if config.output else None


def has_steps(checkpoint: Path) -> bool:
    """Whether there is a checkpoint that a run could go on from: one without a step holds nothing.

    Raises ValueError for a file that is damaged.
    """
    return checkpoint.exists() and bool(read_history(checkpoint))


def check_model(model: EfficientDet, classes: Sequence[str]) -> None:
    """Raise ValueError for a model that could not be trained on these classes, or not be kept."""
    if not isinstance(model, EfficientDet):
        raise ValueError(
            f"model must be an EfficientDet or a subclass of it, got a {type(model).__name__}."
        )
    if model.num_classes != len(classes):
        raise ValueError(
            f"the model has {model.num_classes} classes and the data have {len(classes)}: make it "
            f"with num_classes={len(classes)}."
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("no weight of the model requires a gradient: leave some to learn.")
    if any(tensor.is_meta for tensor in model.state_dict().values()):
        raise ValueError("the model has no weights, for it was made on torch's meta device.")


def first_model(config: TrainConfig, classes: Sequence[str]) -> EfficientDet:
    """The detector that `train` makes where it is given none: a fresh one, or one as the
    checkpoint's, whose weights come with it.
    """
    checkpoint = checkpoint_of(config)
    if checkpoint and has_steps(checkpoint):
        return saved_model(checkpoint)
    return new_model(config, classes)


def new_model(config: TrainConfig, classes: Sequence[str]) -> EfficientDet:
    """The detector that `train` makes for these classes: fresh, from config.seed, or with the
    weights that config.start names.
    """
    with own_numbers(config.seed):
        model = EfficientDet(config.model_config, len(classes))
    zero_init_residual(model)
    if config.start:
        transfer_weights(model, config.start, classes)
    return model
