"""The training loop: its parts against torch's own, stopping and going on, several processes, and
what can go wrong.

Oracles: torch.optim.lr_scheduler, torch.optim.swa_utils, nn.BatchNorm2d on the whole batch, a run
that was not stopped.
"""

import errno
import os
import socket
import subprocess
import sys
import warnings
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from effdet_lite import checkpoint as checkpoint_module
from effdet_lite.batches import Seeded, check_batches, keys
from effdet_lite.checkpoint import load_detector, load_tensors, save_tensors
from effdet_lite.data import ShapesDetection, eval_transforms, train_transforms
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.norms import recalibrate_norms
from effdet_lite.optimizing import learning_rate, make_optimizer, update_ema
from effdet_lite.run import read_history
from effdet_lite.training import TrainConfig, train

SIZE = (64, 64)
TEST_SET = ShapesDetection("test", 64, 2, transforms=eval_transforms(SIZE), cache=True)


pytestmark = pytest.mark.usefixtures("one_thread")


def shapes(length: int = 5, **options) -> ShapesDetection:
    """A few small pictures, with random augmentation."""
    return ShapesDetection(
        "train", 64, length, transforms=train_transforms(SIZE), cache=True, **options
    )


def settings(output: Path | None = None, **changes) -> TrainConfig:
    """A model smaller than phi -3, and a training of a second."""
    standard = {
        "phi": -3.0,
        "width": 0.25,
        "depth": 0.25,
        "size": SIZE,
        "batch_size": 2,
        "steps": 6,
        "warmup": 2,
        "save_every": 1,
    }
    return TrainConfig(**standard | {"output": str(output) if output else None} | changes)


def run(config: TrainConfig, train_set=None, test_set=TEST_SET, **options) -> list[dict]:
    return train(config, train_set or shapes(), test_set, progress=False, **options)


def assert_same_files(
    first: Path, second: Path, names: tuple[str, ...] = ("last", "detector")
) -> None:
    """The same tensors, bit for bit."""
    for name in names:
        mine, theirs = (
            load_tensors(folder / f"{name}.safetensors")[0] for folder in (first, second)
        )
        # How long it took, and when it was tested, may differ.
        mine, theirs = (
            {key: x for key, x in tensors.items() if key.partition(".")[0] != "tests"}
            for tensors in (mine, theirs)
        )
        assert mine.keys() == theirs.keys() and len(mine) > 100
        different = [key for key in mine if not torch.equal(mine[key], theirs[key])]
        assert set(different) <= {"history.seconds"}


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    """The folder of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("straight")
    run(settings(folder))
    return folder


# --- The parts ---


@pytest.mark.parametrize(("warmup", "steps"), [(0, 10), (4, 20), (10, 11)])
def test_learning_rate_is_torchs_linear_warmup_and_cosine(warmup, steps):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    cosine = CosineAnnealingLR(optimizer, steps - warmup)
    schedule = cosine
    if warmup:
        linear = LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
        schedule = SequentialLR(optimizer, [linear, cosine], [warmup])
    config = settings(learning_rate=0.3, warmup=warmup, steps=steps)
    for step in range(steps):
        assert learning_rate(step, config) == pytest.approx(
            optimizer.param_groups[0]["lr"], rel=1e-9
        )
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # SequentialLR still passes the epoch, which torch itself deprecates
            schedule.step()


def test_the_moving_average_is_torchs():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    average = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    average.load_state_dict(model.state_dict())
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    theirs.update_parameters(model)  # the first time it copies
    for _ in range(5):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        model[1](torch.randn(2, 4, 3, 3))  # moves the running statistics
        update_ema(average, model, 0.9)
        theirs.update_parameters(model)
    moved = theirs.module.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, moved[name])
            assert not torch.equal(value, model.state_dict()[name])


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_only_the_weights_of_convolutions_decay(optimizer):
    config = settings(optimizer=optimizer, weight_decay=0.25)
    model = EfficientDet(config.model_config, 4)
    kernels = {
        id(module.weight) for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)
    }
    decay = {
        id(p): group["weight_decay"]
        for group in make_optimizer(model, config).param_groups
        for p in group["params"]
    }
    assert decay == {id(p): 0.25 if id(p) in kernels else 0.0 for p in model.parameters()}
    assert {type(make_optimizer(model, config)).__name__.lower()} == {optimizer}


def batches(
    length: int, start: int = 0, process: tuple[int, int] = (0, 1), **changes
) -> list[list[tuple[int, int]]]:
    return list(keys(length, settings(**changes), start, *process))


@pytest.mark.parametrize(("length", "batch_size"), [(12, 4), (10, 4), (3, 8), (1, 2)])
def test_an_epoch_shows_each_image_once_in_an_order_of_its_own(length, batch_size):
    whole = batches(length, batch_size=batch_size, steps=30)
    assert [len(batch) for batch in whole] == [batch_size] * 30
    keys = [key for batch in whole for key in batch]
    orders = [keys[first : first + length] for first in range(0, len(keys) - length + 1, length)]
    for number, order in enumerate(orders):
        assert sorted(order) == [(number, index) for index in range(length)]
    if length >= 10:
        assert len({tuple(index for _, index in order) for order in orders}) == len(orders)
        assert batches(length, batch_size=batch_size, steps=30, seed=1) != whole


@pytest.mark.parametrize("start", [0, 1, 7, 29, 30])
def test_starting_in_the_middle_is_skipping(start):
    assert batches(5, start, batch_size=4, steps=30) == batches(5, batch_size=4, steps=30)[start:]


def test_the_shares_of_two_processes_make_the_batch_of_one():
    shares = [batches(7, process=(index, 2), batch_size=6, steps=9) for index in (0, 1)]
    for whole, *parts in zip(batches(7, batch_size=6, steps=9), *shares, strict=True):
        assert [len(part) for part in parts] == [3, 3]
        assert sorted(parts[0] + parts[1]) == sorted(whole)


def test_augmentation_depends_on_seed_epoch_and_index_alone_and_leaves_the_random_numbers_alone():
    first, again, other = Seeded(shapes(), 0), Seeded(shapes(), 0), Seeded(shapes(), 1)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    image, target = first[2, 1]
    assert torch.equal(torch.get_rng_state(), before)
    again[0, 0]
    torch.manual_seed(4)
    same, same_target = again[2, 1]
    assert torch.equal(image, same) and torch.equal(target["boxes"], same_target["boxes"])
    for different in (first[1, 1], other[2, 1]):
        assert not torch.equal(image, different[0])


def test_history_has_a_row_a_step_and_the_model_ends_as_the_file(straight):
    model = EfficientDet(settings().model_config, 4)
    torch.manual_seed(0)
    rows = []
    history = run(settings(decay=0.5, evaluate_every=2), model=model, on_step=rows.append)
    assert rows == history
    assert [row["step"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert ["ap" in row for row in history] == [False, True] * 3
    for row in history:
        assert row["loss"] == pytest.approx(row["class_loss"] + 50 * row["box_loss"], rel=1e-5)
    seconds = [row["seconds"] for row in history]
    assert seconds == sorted(seconds) and seconds[0] > 0
    found, header = load_detector(straight / "detector.safetensors")
    assert header["classes"] == TEST_SET.classes and header["size"] == SIZE
    tensors, _ = load_tensors(straight / "last.safetensors")
    for name, value in found.named_parameters():  # the statistics of the norms are settled besides
        torch.testing.assert_close(
            value.data, tensors[f"ema.{name}"].to(value.dtype), rtol=1e-3, atol=1e-6
        )


def test_a_second_precision_in_one_process():
    losses = {p: run(settings(steps=2, precision=p))[0]["loss"] for p in ("no", "bf16", "auto")}
    assert (
        losses["bf16"] == pytest.approx(losses["no"], rel=0.02) and losses["bf16"] != losses["no"]
    )


# --- Stopping and going on ---


class Stop(Exception):
    pass


def stop_at(step: int, error: type[BaseException] = Stop):
    def on_step(row):
        if row["step"] == step:
            raise error

    return on_step


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="adamw"),
        pytest.param({"optimizer": "sgd", "workers": 2}, id="sgd, workers", marks=pytest.mark.slow),
        pytest.param({"save_every": 2, "evaluate_every": 3}, id="seldom saved"),
    ],
)
def test_stopped_and_resumed_is_never_stopped(tmp_path, changes, straight):
    if changes.get("optimizer"):
        straight = tmp_path / "straight"
        run(settings(straight, **changes))
    for step, error in ((1, Stop), (3, KeyboardInterrupt), (5, Stop)):
        with pytest.raises(error):
            run(settings(tmp_path, **changes), on_step=stop_at(step, error))
        torch.manual_seed(step)  # whatever the caller does with the random numbers in between
    history = run(settings(tmp_path, **changes))
    assert [row["step"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert_same_files(straight, tmp_path)


@pytest.mark.parametrize("save_every", [0, 1])
def test_on_step_stops_the_run_by_returning_true(tmp_path, straight, save_every):
    rows = []
    config = settings(tmp_path, save_every=save_every)
    assert len(run(config, on_step=lambda row: row["step"] == 2)) == 2
    assert len(run(config, on_step=lambda row: row["step"] == 5)) == 5
    assert os.listdir(tmp_path) == ["last.safetensors"]
    assert len(run(config, on_step=lambda row: rows.append(row) or 1)) == 6  # 1 is not True
    assert [row["step"] for row in rows] == [6]
    assert_same_files(straight, tmp_path)


def test_stopped_at_its_last_step_a_training_is_finished(tmp_path, straight):
    run(settings(tmp_path), on_step=lambda row: row["step"] == 6)
    assert_same_files(straight, tmp_path)


def test_a_stopped_run_leaves_the_averaged_weights_to_look_at(tmp_path):
    """Those of its own checkpoint; the norms' statistics are then those of `recalibrate_norms`."""
    model = EfficientDet(settings().model_config, 4)
    run(settings(tmp_path, decay=0.5), model=model, on_step=lambda row: row["step"] == 3)
    tensors, _ = load_tensors(tmp_path / "last.safetensors")
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, tensors[f"ema.{name}"])
    assert any(not torch.equal(p, tensors[f"model.{name}"]) for name, p in model.named_parameters())
    average = EfficientDet(settings().model_config, 4)
    average.load_state_dict({name[4:]: x for name, x in tensors.items() if name.startswith("ema.")})
    for name, value in recalibrate_norms(average, shapes()).state_dict().items():
        assert torch.equal(value, model.state_dict()[name])


def test_a_finished_training_is_not_repeated(tmp_path, straight):
    rows = []
    before = (straight / "last.safetensors").read_bytes()
    history = run(settings(straight), on_step=rows.append)
    assert not rows and len(history) == 6 and "ap50" in history[-1]
    assert (straight / "last.safetensors").read_bytes() == before


def test_stopped_between_the_last_checkpoint_and_the_detector(tmp_path, straight):
    with pytest.raises(Stop):
        run(settings(tmp_path), on_step=stop_at(6))
    assert os.listdir(tmp_path) == ["last.safetensors"]
    run(settings(tmp_path))
    assert_same_files(straight, tmp_path)


def test_the_disk_fills_up(tmp_path, monkeypatch, straight):
    real, calls = checkpoint_module.save_file, []

    def full(tensors, path, metadata):
        calls.append(path)
        if len(calls) == 4:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(tensors, path, metadata)

    monkeypatch.setattr(checkpoint_module, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        run(settings(tmp_path))
    assert os.listdir(tmp_path) == ["last.safetensors"]
    assert len(read_history(tmp_path / "last.safetensors")) == 2
    run(settings(tmp_path))
    assert_same_files(straight, tmp_path)


# --- Numbers that are none ---


class Poisoned(torch.utils.data.Dataset):
    """Shapes of which one has no numbers."""

    classes = TEST_SET.classes

    def __init__(self, poisoned: int):
        self.dataset, self.poisoned = shapes(), poisoned

    def __len__(self) -> int:
        return len(self.dataset)

    def fingerprint(self) -> str:
        return self.dataset.fingerprint()

    def __getitem__(self, index: int):
        image, target = self.dataset[index]
        return (image * float("nan") if index == self.poisoned else image), target


def test_a_loss_that_is_no_number_leaves_the_last_good_checkpoint(tmp_path, straight):
    first_two, third = islice(batches(5), 2), batches(5)[2]
    seen = {index for batch in first_two for _, index in batch}
    poisoned = next(index for _, index in third if index not in seen)
    with pytest.raises(
        FloatingPointError,
        match=r"at step 3; lower learning_rate .* checkpoint is .*last\.safetensors",
    ):
        run(settings(tmp_path), Poisoned(poisoned))
    tensors, _ = load_tensors(tmp_path / "last.safetensors")
    assert len(read_history(tmp_path / "last.safetensors")) == 2
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    run(settings(tmp_path))  # with images that are sound it goes on, as if nothing had been
    assert_same_files(straight, tmp_path)


def test_a_gradient_that_is_no_number_is_not_applied(tmp_path):
    model = EfficientDet(settings().model_config, 4)
    count = iter(range(10))
    model.backbone.stem.conv.weight.register_hook(
        lambda gradient: gradient * (1 if next(count) < 2 else torch.nan)
    )
    with pytest.raises(FloatingPointError, match="step 3"):
        run(settings(tmp_path), model=model)
    tensors, _ = load_tensors(tmp_path / "last.safetensors")
    assert len(read_history(tmp_path / "last.safetensors")) == 2
    assert all(
        tensor.isfinite().all() for tensor in [*tensors.values(), *model.state_dict().values()]
    )


@pytest.mark.parametrize("rate", [1e3, 1e30])
def test_an_absurd_learning_rate_never_leaves_a_detector_without_numbers(tmp_path, rate):
    with pytest.raises((FloatingPointError, ValueError)) as caught:
        run(settings(tmp_path, learning_rate=rate, warmup=0))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "detector.safetensors").exists()
    for path in tmp_path.iterdir():
        assert all(tensor.isfinite().all() for tensor in load_tensors(path)[0].values())


# --- Checkpoints that do not fit ---


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def strange(path: Path) -> None:
    save_tensors(path, {"model.weight": torch.zeros(3)}, note="hello")


def other_model(path: Path) -> None:
    tensors, header = load_tensors(path)
    tensors["model.class_head.predict.pointwise.bias"] = torch.zeros(7)
    save_tensors(path, tensors, **header)


@pytest.mark.parametrize(
    ("spoil", "changes", "classes", "message"),
    [
        (truncate, {}, None, "not a whole safetensors file"),
        (strange, {}, None, "no checkpoint of a training"),
        (other_model, {}, None, "of another model: size mismatch for class_head"),
        (
            None,
            {"phi": -2.9, "batch_size": 4},
            None,
            r"another run: phi -3\.0 \(now -2\.9\), batch_size 2 \(now 4\)\. Use",
        ),
        (None, {}, ("dot", *TEST_SET.classes[1:]), "another run: classes"),
        (None, {}, (*TEST_SET.classes, "dot"), "another run: classes"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_and_kept(
    tmp_path, straight, spoil, changes, classes, message
):
    path = tmp_path / "last.safetensors"
    path.write_bytes((straight / "last.safetensors").read_bytes())
    if spoil:
        spoil(path)
    before = path.read_bytes()
    sets = shapes(), ShapesDetection("test", 64, 2, transforms=eval_transforms(SIZE))
    for dataset in sets:
        dataset.classes = classes or dataset.classes
    with pytest.raises(ValueError, match=message) as caught:
        run(settings(tmp_path, **changes), *sets)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_where_and_how_often_files_are_written_may_change(tmp_path, straight):
    moved = tmp_path / "moved"
    with pytest.raises(Stop):
        run(settings(tmp_path), on_step=stop_at(2))
    tmp_path.joinpath("last.safetensors").rename(moved.mkdir() or moved / "last.safetensors")
    run(settings(moved, save_every=0, evaluate_every=4, workers=1))
    assert_same_files(straight, moved)


# --- Data and options that do not fit ---


class Empty(torch.utils.data.Dataset):
    classes = TEST_SET.classes

    def __len__(self) -> int:
        return 0


def other_classes() -> ShapesDetection:
    dataset = shapes()
    dataset.classes = ("dot",) * 4
    return dataset


@pytest.mark.parametrize(
    ("train_set", "test_set", "message"),
    [
        (Empty(), TEST_SET, "training set has no images"),
        (shapes(), Empty(), "test set has no images"),
        (shapes(), other_classes(), "the same, in the same order"),
    ],
)
def test_data_that_cannot_be_used_are_refused_before_the_first_step(train_set, test_set, message):
    rows = []
    with pytest.raises(ValueError, match=message):
        train(settings(), train_set, test_set, progress=False, on_step=rows.append)
    assert not rows


def test_validation_is_for_data_that_the_settings_name():
    with pytest.raises(ValueError, match="pass your own validation pictures as test_set"):
        train(settings(test_data="validation"), shapes(), progress=False)


def test_images_without_boxes_train(tmp_path):
    class Bare(Poisoned):
        def __getitem__(self, index):
            image, target = self.dataset[index]
            return image, target | {"boxes": target["boxes"][:0], "labels": target["labels"][:0]}

    history = run(settings(tmp_path, steps=2), Bare(0), Bare(0))
    assert all(np.isfinite(row["loss"]) and row["box_loss"] == 0 for row in history)
    assert np.isnan(history[-1]["ap"])  # COCO: no object, no precision
    file = tmp_path / "detector.safetensors"
    assert load_detector(file)[1]["result"] == {"ap": None, "ap50": None, "ap75": None}
    assert b"NaN" not in file.read_bytes()[:20_000]  # which is no JSON
    assert (
        len(run(settings(tmp_path, steps=2), Bare(0), Bare(0))) == 2
    )  # and the file can be read again


NAN = float("nan")
BAD = {
    "steps": (0, -1),
    "batch_size": (0,),
    "optimizer": ("adam",),
    "learning_rate": (0.0, -1.0, NAN, float("inf")),
    "warmup": (-1,),
    "weight_decay": (-1.0, NAN, float("inf")),
    "clip": (0.0, -1.0, NAN),
    "decay": (1.0, -0.1, NAN),
    "alpha": (-0.1, 1.1, NAN),
    "gamma": (-1.0, NAN),
    "precision": ("fp16",),
    "evaluate_every": (-1,),
    "save_every": (-1,),
    "workers": (-1,),
    "cache": (-0.1, 1.5, NAN),
    "seed": (-1, 2**64),
    "anchor_scale": (0.0, -2.0, NAN),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_an_option_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=name):
        TrainConfig(**{name: value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phi": 9.0}, "phi"),
        ({"phi": NAN}, "phi"),
        ({"levels": (5, 3)}, "levels must"),
        ({"levels": (0, 5)}, "levels must"),
        ({"size": (100, 64)}, "height must be a multiple of 64 .* use 64 or 128"),
        ({"size": (0, 64)}, "use 64"),
        ({"size": (-64, 64)}, "size must be a whole number from 0"),
        ({"size": (64, 128)}, "shapes are square"),
        ({"data": "circles"}, "data must be"),
        ({"data": "coco:images"}, "data must be"),
        ({"data": "voc:"}, "data must be"),
        ({"test_data": "shapes:3"}, "data must be .* got 'shapes:3'"),
        ({"data": "voc:nowhere"}, "there is no folder nowhere"),
        ({"data": "coco:nowhere,x.json"}, "there is no folder nowhere"),
        ({"data": "bccd:nowhere"}, "no blood cells in nowhere: .*--download.*bccd:FOLDER"),
    ],
)
def test_a_model_size_or_data_that_are_not_there_are_one_sentence(changes, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        train(settings(**changes), progress=False)
    assert "\n" not in str(caught.value)


def test_a_level_above_the_formulas_needs_only_a_size_that_it_divides():
    assert settings(levels=(3, 8), size=(256, 512)).image_size == (256, 512)
    assert settings(levels=(3, 8), size=None).image_size == (256, 256)


# --- Two processes ---

TWO = """
import sys
import torch
from torch import nn
from accelerate import Accelerator
from effdet_lite.cli import main
from effdet_lite.norms import synchronized_norms
from effdet_lite.beginning import new_model
from effdet_lite.training import TrainConfig, train

torch.set_num_threads(1)
torch.manual_seed(0)
accelerator = Accelerator(cpu=True, mixed_precision="bf16")  # a caller's own, of another precision
rank, processes = accelerator.process_index, accelerator.num_processes
assert processes == 2
ours, theirs = (nn.Sequential(nn.BatchNorm2d(3, eps=1e-3, momentum=0.2)) for _ in range(2))
nn.init.normal_(ours[0].weight), nn.init.normal_(ours[0].bias)
theirs.load_state_dict(ours.state_dict())
close = lambda a, b: torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
with synchronized_norms(ours):
    for step in range(2):
        whole = torch.randn(4, 3, 5, 6) * 3 + 40
        pull = torch.randn(4, 3, 5, 6)  # gradient of the output
        mine = whole[rank::2].clone().requires_grad_()
        whole.requires_grad_()
        expected, found = theirs(whole), ours(mine)
        (expected * pull).sum().backward(), (found * pull[rank::2]).sum().backward()
        close(found, expected[rank::2])
        close(mine.grad, whole.grad[rank::2])
    for name, parameter in ours.named_parameters():  # each process has its share's gradient
        close(accelerator.reduce(parameter.grad, "sum"), theirs.get_parameter(name).grad)
    for name, value in ours.state_dict().items():
        close(value, theirs.state_dict()[name])
    half = torch.randn(4, 3, 5, 6).bfloat16()
    expected = theirs(half.float())[rank::2].bfloat16()
    torch.testing.assert_close(ours(half[rank::2]), expected, rtol=0.02, atol=0.02)
    close(ours.eval()(whole), theirs.eval()(whole))
share = torch.randn(2, 3, 5, 6)
close(ours.train()(share), theirs.train()(share))  # afterwards each for itself again
config = TrainConfig(size=(64, 64), batch_size=4, steps=5, warmup=2)
model = new_model(config, "abcd")
model.unread = nn.Conv2d(1, 1, 1)  # as a node that nothing reads
stopped = train(
    config, progress=False, model=model, on_step=lambda row: rank == 1 and row["step"] == 2
)
assert len(stopped) == 2, f"process {rank} went on alone"
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_same_batch(tmp_path):
    """`accelerate launch` for the norms on their own, and for the command; the losses differ by
    rounding alone.

    With SGD and no clipping, which feel a gradient's length; AdamW would not.
    """
    script = tmp_path / "two.py"
    script.write_text(TWO)
    options = [
        "--data",
        "shapes",
        "--size",
        "64",
        "64",
        "--batch-size",
        "4",
        "--steps",
        "5",
        "--warmup",
        "2",
        *("--optimizer", "sgd"),
        *("--learning-rate", "2e-3"),
        *("--clip", "1e9"),
        *("--width", "0.25"),
        *("--depth", "0.25"),
    ]
    if os.name == "nt":
        pytest.skip("several processes meet by libuv, and PyTorch for Windows is built without it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Without a GPU, --multi_gpu is how Accelerate is told to start several processes; --cpu starts
    # one, in silence.
    launch = [
        "--multi_gpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
    ]
    command = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        *launch,
        "--main_process_port",
        str(port),
        script,
    ]
    result = subprocess.run(
        [*command, "train", *options, "--output", tmp_path / "two"],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count("AP50") == 1  # one of them tells
    assert "Warning" not in result.stderr

    train(
        settings(
            tmp_path / "one", batch_size=4, steps=5, learning_rate=2e-3, optimizer="sgd", clip=1e9
        ),
        progress=False,
    )
    two, one = (read_history(tmp_path / name / "last.safetensors") for name in ("two", "one"))
    for name in ("loss", "class_loss", "box_loss"):
        np.testing.assert_allclose(
            [row[name] for row in two], [row[name] for row in one], rtol=1e-4
        )


def test_a_batch_that_processes_cannot_share_is_refused():
    with pytest.raises(ValueError, match="batch_size=2 must be a multiple of the 3 processes"):
        check_batches(shapes(), settings(), max_level=6, processes=3)


def test_a_backbone_of_another_size_than_phis():
    """The rest of the detector stays what phi says; B0's stem has 32 channels and its deepest stage
    4 blocks.
    """
    own, plain = TrainConfig(width=0.5, depth=0.25).model_config, TrainConfig().model_config
    assert (own.backbone.width, own.backbone.depth) == (0.5, 0.25)
    assert own.fusion_channels == plain.fusion_channels and own.levels == plain.levels
    model = EfficientDet(own, 2)
    assert model.backbone.stem.conv.out_channels == 16 and len(model.backbone.stages[5]) == 1
    with pytest.raises(ValueError, match="width must be a positive number of at most 100, got 0"):
        settings(width=0)
