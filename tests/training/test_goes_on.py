"""A run goes on as the run it was, with its own pictures and settings, or not at all.

Oracles: a run that was not stopped; the files and data sets made here; the kernel's list of mapped
files.
"""

import random
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import write_coco

from effdet_lite.beginning import begin, new_model
from effdet_lite.checkpoint import load_detector, load_tensors, save_detector, save_tensors
from effdet_lite.data import DetectionDataset, ShapesDetection, eval_transforms
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.identity import fingerprint
from effdet_lite.run import read_history
from effdet_lite.training import TrainConfig, train

# Each test trains, and most of them twice: many seconds in all.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
SIZE = (64, 64)


def shapes(length: int = 5, split: str = "train", seed: int = 0) -> ShapesDetection:
    return ShapesDetection(split, 64, length, seed, transforms=eval_transforms(SIZE), cache=True)


def config(output: Path | None = None, **changes) -> TrainConfig:
    standard = {"size": SIZE, "batch_size": 2, "steps": 4, "warmup": 1, "save_every": 1}
    standard |= {"width": 0.25, "depth": 0.25}
    return TrainConfig(**standard | {"output": output} | changes)


def run(settings: TrainConfig, train_set=None, test_set=None, stop: int | None = None, **options):
    train_set = shapes() if train_set is None else train_set
    return train(
        settings,
        train_set,
        test_set,
        progress=False,
        on_step=lambda row: row["step"] == stop,
        **options,
    )


def losses(history):
    return [row["loss"] for row in history]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The checkpoint of a run that was stopped at step 2, tested at each step."""
    folder = tmp_path_factory.mktemp("stopped")
    run(config(folder, evaluate_every=1), test_set=shapes(2, "test"), stop=2)
    return folder / "last.safetensors"


def copied(stopped: Path, folder: Path) -> TrainConfig:
    (folder / "last.safetensors").write_bytes(stopped.read_bytes())
    return config(folder, evaluate_every=1)


# --- Other pictures ---


@pytest.mark.parametrize("other", [shapes(6), shapes(seed=1)], ids=["more", "others"])
def test_other_training_pictures_are_refused(tmp_path, stopped, other):
    settings = copied(stopped, tmp_path)
    before = (tmp_path / "last.safetensors").read_bytes()
    with pytest.raises(ValueError, match="was trained on other pictures or boxes") as caught:
        run(settings, other, shapes(2, "test"))
    assert "\n" not in str(caught.value)
    assert (tmp_path / "last.safetensors").read_bytes() == before


def test_figures_are_told_for_the_pictures_that_they_were_measured_on(tmp_path, stopped):
    settings = copied(stopped, tmp_path)
    with pytest.raises(ValueError, match="has figures of other test pictures"):
        run(settings, test_set=shapes(3, "test"))
    with pytest.raises(ValueError, match="max_detections"):
        run(replace(settings, max_detections=7), test_set=shapes(2, "test"))
    assert len(run(settings, test_set=shapes(2, "test"))) == 4
    with pytest.raises(ValueError, match="has figures of other test pictures"):  # finished, too
        run(settings, test_set=shapes(3, "test"))


def test_the_test_pictures_are_free_while_nothing_is_measured(tmp_path):
    run(config(tmp_path), test_set=shapes(2, "test"), stop=2)
    history = run(config(tmp_path), test_set=shapes(3, "test"))
    assert len(history) == 4 and "ap" in history[-1]


def test_a_held_out_fifth_stays_held_out(tmp_path):
    """Stopped with test data, it trains on all pictures; without, on four fifths of them."""
    spec, other = (write_coco(tmp_path / name, number=10) for name in ("own", "other"))
    settings = config(tmp_path / "run", data=spec, test_data=other)
    train(settings, progress=False, on_step=lambda row: row["step"] == 2)
    with pytest.raises(ValueError, match="was trained on other pictures or boxes"):
        train(replace(settings, test_data=None), progress=False)
    assert len(train(settings, progress=False)) == 4


class Listed(list):
    """A data set that a person made of a list: it describes itself by nothing but its items."""

    classes = shapes().classes


def test_other_pictures_of_a_list_are_refused(tmp_path):
    mine, others = (Listed(shapes(3, seed=seed)[index] for index in range(3)) for seed in (0, 1))
    run(config(tmp_path), mine, stop=2)
    with pytest.raises(ValueError, match="was trained on other pictures or boxes"):
        run(config(tmp_path), others)
    assert len(run(config(tmp_path), mine)) == 4


# --- Another model: its tensors may have the names and shapes of the first one's ---


class HeavyLoss(EfficientDet):
    """Its loss is seven times as large."""

    def loss(self, *arguments, **options):
        losses = super().loss(*arguments, **options)
        return type(losses)(*(7 * part for part in losses))


def fresh(kind=EfficientDet, frozen=False, **changes) -> EfficientDet:
    torch.manual_seed(0)
    model = kind(replace(config().model_config, **changes), len(shapes().classes))
    model.backbone.requires_grad_(not frozen)
    return model


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({}, {"weighting": "softmax"}, "differs in weighting"),
        ({}, {"anchor_scale": 2.5}, "differs in anchor_scale"),
        ({}, {"kind": HeavyLoss}, "detector EfficientDet .now HeavyLoss"),
        ({"frozen": True}, {}, "trainable"),
    ],
    ids=["weighting", "anchors", "class", "frozen"],
)
def test_another_model_is_refused(tmp_path, first, second, message):
    run(config(tmp_path), model=fresh(**first), stop=2)
    before = (tmp_path / "last.safetensors").read_bytes()
    with pytest.raises(ValueError, match=message) as caught:
        run(config(tmp_path), model=fresh(**second))
    assert "\n" not in str(caught.value)
    assert (tmp_path / "last.safetensors").read_bytes() == before
    assert len(run(config(tmp_path), model=fresh(**first))) == 4


def test_without_a_model_it_goes_on_as_the_one_that_it_was(tmp_path, monkeypatch):
    straight = losses(run(config(), model=fresh(HeavyLoss)))
    run(config(tmp_path), model=fresh(HeavyLoss), stop=2)
    with monkeypatch.context() as unknown:
        unknown.delitem(EfficientDet.subclasses, "HeavyLoss")
        with pytest.raises(ValueError, match="HeavyLoss; import the module that defines it"):
            run(config(tmp_path))
    assert losses(run(config(tmp_path))) == straight


# --- Going on ---


class Drawing(DetectionDataset):
    """Pictures whose augmentation draws from torch, numpy and Python's own generator."""

    def __init__(self):
        super().__init__(shapes().classes)
        self.inner = shapes()

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        image, target = self.inner[index]
        return image * (torch.rand(1).item() * np.random.rand() + random.random()) / 2, target


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_augmentation_of_any_library_goes_on_exactly(tmp_path, workers):
    straight = losses(run(config(), Drawing()))
    before = torch.get_rng_state(), np.random.get_state()[1], random.getstate()
    run(config(tmp_path, workers=workers), Drawing(), stop=2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1]) and random.getstate() == before[2]
    np.random.seed(3), random.seed(4)
    assert losses(run(config(tmp_path, workers=workers), Drawing())) == straight


def test_stochastic_depth_of_the_model_is_of_the_seed():
    def model():
        plain = config().model_config
        drops = replace(plain, backbone=replace(plain.backbone, stochastic_depth=0.5))
        torch.manual_seed(0)
        return EfficientDet(drops, 4)

    first = losses(run(config(), model=model()))
    torch.manual_seed(9)
    trained = model()
    torch.manual_seed(8)
    assert losses(run(config(), model=trained)) == first


def test_a_run_goes_on_without_the_weights_that_it_started_from(tmp_path):
    """With their padding and norm epsilon besides, which fresh weights would not have."""
    source = new_model(config(seed=3), shapes().classes)
    backbone = replace(source.config.backbone, norm_epsilon=0.25)
    source = EfficientDet(replace(source.config, backbone=backbone), 4)
    weights = tmp_path / "start.safetensors"
    save_detector(weights, source, shapes().classes, SIZE)
    straight = losses(run(config(tmp_path / "straight", start=weights)))
    run(config(tmp_path / "run", start=weights), stop=2)
    weights.unlink()
    assert losses(run(config(tmp_path / "run", start=weights))) == straight
    model, header = load_detector(tmp_path / "run" / "detector.safetensors")
    assert model.config.backbone.norm_epsilon == 0.25
    assert header["training"]["start"] == "start.safetensors"


def test_a_test_that_fails_loses_no_step_and_is_made_up_for(tmp_path, monkeypatch):
    from effdet_lite import training

    def broken(*_, **__):
        raise RuntimeError("the test failed")

    whole = run(config(evaluate_every=2), test_set=shapes(2, "test"))
    with monkeypatch.context() as patch:
        patch.setattr(training, "evaluate", broken)
        with pytest.raises(RuntimeError, match="the test failed"):
            run(config(tmp_path, evaluate_every=2, save_every=0), test_set=shapes(2, "test"))
    assert len(read_history(tmp_path / "last.safetensors")) == 2
    found = run(config(tmp_path, evaluate_every=2, save_every=0), test_set=shapes(2, "test"))
    assert [row.get("ap") for row in found] == [row.get("ap") for row in whole]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no list of mapped files here")
def test_a_checkpoint_that_was_read_is_let_go(tmp_path, stopped):
    settings = copied(stopped, tmp_path)
    resumed = begin(settings, shapes(), shapes(2, "test"))
    assert resumed.step == 2
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_the_history_is_no_part_of_the_header(tmp_path, stopped):
    settings = copied(stopped, tmp_path)
    short = begin(settings, shapes(), shapes(2, "test"))
    short.save()
    header = len(str(load_tensors(short.checkpoint)[1]))
    short.history = [short.history[0] | {"step": step} for step in range(1, 5001)]
    short.save()
    assert len(str(load_tensors(short.checkpoint)[1])) == header
    assert read_history(short.checkpoint) == short.history


def test_rows_come_back_as_they_were(stopped):
    history = read_history(stopped)
    assert [list(row)[:3] for row in history] == [["step", "seconds", "learning_rate"]] * 2
    assert [type(row["step"]) for row in history] == [int, int]
    assert all("ap75" in row for row in history)


# --- Files that are damaged ---


def test_a_count_of_steps_that_is_no_number_is_refused(stopped):
    """A scale has two numbers too, so that the shape alone does not tell."""
    tensors, header = load_tensors(stopped)
    weights = {name.rpartition(".")[0] for name in tensors if name.startswith("optimizer.")}
    pairs = [name for name in weights if tensors[f"{name}.exp_avg"].shape == (2,)]
    for weight in pairs or sorted(weights)[:1]:
        tensors[f"{weight}.step"] = torch.zeros(tensors[f"{weight}.exp_avg"].shape)
    folder = stopped.parent / "steps"
    folder.mkdir()
    save_tensors(folder / "last.safetensors", tensors, **header)
    with pytest.raises(ValueError, match=r"is damaged: its optimizer\..*step fits no weight"):
        begin(config(folder, evaluate_every=1), shapes(), shapes(2, "test"))


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_a_damaged_checkpoint_is_one_sentence(stopped, data):
    """A tensor lost, renamed or of another shape; or a part of the header."""
    tensors, header = load_tensors(stopped)
    kind = data.draw(st.sampled_from(["lost", "renamed", "shape", "header", "cut"]))
    path = stopped.with_name("damaged.safetensors")
    if kind == "cut":
        whole = stopped.read_bytes()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    else:
        name = data.draw(st.sampled_from(sorted(tensors)))
        if kind == "lost":
            del tensors[name]
        elif kind == "renamed":
            tensors[data.draw(st.sampled_from(["x", "optimizer.x.y", f"{name}2"]))] = tensors.pop(
                name
            )
        elif kind == "shape":
            tensors[name] = torch.zeros(*tensors[name].shape, 2)
        else:
            part = data.draw(st.sampled_from(["trained_on", "config", "tested_on"]))
            header[part] = data.draw(
                st.one_of(st.none(), st.integers(), st.text(max_size=3), st.just([]), st.just({}))
            )
        save_tensors(path, tensors, **header)
    folder = path.parent / "damaged"
    folder.mkdir(exist_ok=True)
    path.rename(folder / "last.safetensors")
    kept = config(folder, evaluate_every=1)
    try:
        begin(kept, shapes(), shapes(2, "test"))
    except ValueError as error:
        assert "\n" not in str(error) and len(str(error)) < 600
    else:  # what is not needed to go on may be lost: the figures of a test, momenta altogether
        assert kind in ("lost", "header", "renamed")


# --- Before the first step ---


def test_an_output_that_cannot_be_written_is_found_before_the_first_step(tmp_path):
    (tmp_path / "a file").write_text("x")
    rows = []
    with pytest.raises(OSError, match="could not be written") as caught:
        train(config(tmp_path / "a file" / "run"), shapes(), progress=False, on_step=rows.append)
    assert not rows and "\n" not in str(caught.value)


def test_settings_may_change_until_there_is_a_step(tmp_path):
    with pytest.raises(FloatingPointError):
        run(config(tmp_path, learning_rate=1e30, warmup=0, steps=2, seed=1))
    (tmp_path / "last.safetensors").unlink()
    begin(config(tmp_path), shapes(), None)  # stopped before its first step
    assert read_history(tmp_path / "last.safetensors") == []
    assert len(run(config(tmp_path, batch_size=3))) == 4


def test_one_value_a_channel_is_refused_before_the_first_step():
    rows = []
    with pytest.raises(ValueError, match=r"batch_size 1 at 64 x 64 pixels .* raise batch_size"):
        train(config(batch_size=1), shapes(), progress=False, on_step=rows.append)
    assert not rows
    assert len(run(config(batch_size=1, size=(128, 64)), wide())) == 4


def wide() -> DetectionDataset:
    class Wide(Drawing):
        def __getitem__(self, index):
            image, target = self.inner[index]
            return torch.nn.functional.pad(image, (0, 0, 0, 64)), target

    return Wide()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.nn.Conv2d(3, 3, 1), "must be an EfficientDet or a subclass"),
        (lambda: EfficientDet(config().model_config, 9), "num_classes=4"),
        (lambda: EfficientDet(config().model_config, 2), "num_classes=4"),
        (lambda: fresh().requires_grad_(False), "leave some to learn"),
        (lambda: fresh(max_level=7, resolution=128), "multiple of 128"),
    ],
    ids=["no detector", "more classes", "fewer classes", "all frozen", "coarser levels"],
)
def test_a_model_that_cannot_be_trained_is_refused_before_the_first_step(tmp_path, make, message):
    rows = []
    with pytest.raises(ValueError, match=message) as caught:
        train(config(tmp_path), shapes(), model=make(), progress=False, on_step=rows.append)
    assert "\n" not in str(caught.value) and not rows


IMAGE, TARGET = shapes()[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([(IMAGE, TARGET)], "names of its `classes`, and this list lacks some"),
        (torch.utils.data.Subset(shapes(), [0, 1]), r"`subset\(indices\)` has them"),
        ((item for item in ()), "this generator lacks some"),
        ("shapes", "this str lacks some"),
        (Listed([(255 * IMAGE, TARGET)]), "from 0 to 255"),
        (Listed([((255 * IMAGE).byte(), TARGET)]), "must be floats in 0-1"),
        (Listed([(IMAGE[:1], TARGET)]), r"must be \[N, 3, H, W\]"),
        (Listed([(IMAGE.repeat(1, 2, 2), TARGET)]), r"128 x 128 pixels.*pass size=\(128, 128\)"),
    ],
    ids=["list", "subset", "generator", "text", "to 255", "bytes", "gray", "another size"],
)
def test_pictures_that_cannot_be_trained_on_are_refused_before_the_first_step(data, message):
    rows = []
    with pytest.raises(ValueError, match=message) as caught:
        train(config(), data, progress=False, on_step=rows.append)
    assert "\n" not in str(caught.value) and not rows


def test_too_little_shared_memory_is_told_before_the_first_step(monkeypatch):
    from effdet_lite import batches

    free = type("Usage", (), {"free": 10_000})
    monkeypatch.setattr(batches.shutil, "disk_usage", lambda path: free)
    with pytest.raises(ValueError, match=r"workers=2 need .* MB of shared memory"):
        run(config(workers=2))


class Tiny(Drawing):
    """Boxes of which some, or all, are too small to be seen."""

    def __init__(self, sides):
        super().__init__()
        self.sides = sides

    def annotations(self):
        return [((1000, 1000), np.array([[10, 10, 10 + side, 10 + side]])) for side in self.sides]


def test_boxes_that_vanish_are_told_and_refused_if_all_do():
    rows = []
    with pytest.raises(ValueError, match=r"all 3 boxes .* under one pixel at 64 x 64"):
        train(config(), Tiny([12, 3, 0.5]), progress=False, on_step=rows.append)
    assert not rows
    with pytest.warns(UserWarning, match="2 of 3 boxes of the training set are under one pixel"):
        run(config(steps=1), Tiny([12, 3, 200]))


def test_pictures_with_more_objects_than_are_looked_for_are_told():
    most = max(len(shapes(2, "test")[index][1]["labels"]) for index in range(2))
    with pytest.warns(UserWarning, match=f"has {most} objects, and no more than 1 are looked for"):
        run(config(steps=1, max_detections=1), test_set=shapes(2, "test"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(config(steps=1), test_set=shapes(2, "test"))


def test_without_a_test_nothing_is_tested(tmp_path):
    history = run(config(tmp_path))
    assert not any("ap" in row for row in history)
    assert load_detector(tmp_path / "detector.safetensors")[1]["result"] == {}
    assert "ap" not in train(config(test_data="none", steps=1), progress=False)[-1]


def test_fingerprints_of_sets_that_torch_made():
    plain = list(shapes())
    part = torch.utils.data.Subset(plain, [0, 1])
    assert fingerprint(part) == fingerprint(torch.utils.data.Subset(plain, [0, 1]))
    others = [plain, plain[:3], torch.utils.data.Subset(plain, [0, 2])]
    assert len({fingerprint(one) for one in [part, *others]}) == 4


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4"),
        ("ACCELERATE_MIXED_PRECISION", "bf16"),
    ],
)
def test_the_environment_changes_no_training(monkeypatch, variable, value):
    """A launcher's variable that is left over from another project, say. Plain gradient descent,
    since AdamW would not mind gradients that are all divided by four.
    """
    settings = config(optimizer="sgd", clip=1e9, learning_rate=1e-3)
    usual = run(settings)
    monkeypatch.setenv(variable, value)
    assert [row["loss"] for row in run(settings)] == [row["loss"] for row in usual]
