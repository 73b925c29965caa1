"""Files of tensors: what is written is whole, what is not ours is refused, and nothing in a file is
ever run.

Oracles: the safetensors library reads the files; the file system and pickle give the failures.
"""

import errno
import json
import multiprocessing
import os
import pickle
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import lively_detector
from safetensors import safe_open
from safetensors.torch import save_file

from effdet_lite import checkpoint
from effdet_lite.checkpoint import load_detector, load_tensors, save_detector, save_tensors
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.folding import fold
from effdet_lite.graphs import FusionGraph, Node, bifpn, panet
from effdet_lite.pretrained import set_style
from effdet_lite.scaling import efficientdet

TENSORS = {
    "a": torch.arange(6.0).view(2, 3),
    "b": torch.tensor(7),
    "c": torch.ones(2, 2).bfloat16(),
}


PLAIN = efficientdet(-3)
SMALL = replace(PLAIN, backbone=replace(PLAIN.backbone, width=0.25, depth=0.25))


def with_statistics(config) -> EfficientDet:
    """A detector whose norms have seen data, so that its answers are not all alike."""
    torch.manual_seed(0)
    model = EfficientDet(config, num_classes=3)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return model.eval()


@pytest.fixture(scope="module")
def detector() -> EfficientDet:
    """A small one, quick to write and to read."""
    return with_statistics(SMALL)


def test_tensors_and_header_come_back_and_the_library_reads_the_file(tmp_path):
    header = {"history": [{"loss": 1.5}], "name": "ϕ", "nothing": None}
    sliced = torch.arange(12.0).view(3, 4).T  # not contiguous
    save_tensors(tmp_path / "new" / "x.safetensors", TENSORS | {"sliced": sliced}, **header)
    tensors, found = load_tensors(tmp_path / "new" / "x.safetensors")
    assert found == header
    with safe_open(tmp_path / "new" / "x.safetensors", "pt") as file:
        assert set(file.keys()) == set(tensors) == {*TENSORS, "sliced"}
        for name, tensor in (TENSORS | {"sliced": sliced}).items():
            assert torch.equal(file.get_tensor(name), tensor) and torch.equal(tensors[name], tensor)
            assert tensors[name].dtype == tensor.dtype


def break_save_file(monkeypatch, error):
    def half(tensors, path, metadata):
        Path(path).write_bytes(b"half of a file")
        raise error

    monkeypatch.setattr(checkpoint, "save_file", half)


def break_replace(monkeypatch, error):
    def replace(*_):
        raise error

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize("broken", [break_save_file, break_replace])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_a_write_that_fails_leaves_the_former_file_and_nothing_else(
    tmp_path, monkeypatch, broken, error
):
    path = tmp_path / "x.safetensors"
    save_tensors(path, TENSORS, step=1)
    before = path.read_bytes()
    broken(monkeypatch, error)
    with pytest.raises(type(error)):
        save_tensors(path, {"a": torch.zeros(3)}, step=2)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.safetensors"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a small disk"
)
def test_a_disk_that_is_really_full(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        save_tensors(disk / "x.safetensors", TENSORS, step=1)
        with pytest.raises(OSError, match=r"x\.safetensors|[Nn]o space"):
            save_tensors(disk / "x.safetensors", {"a": torch.zeros(1_000_000)}, step=2)
        assert load_tensors(disk / "x.safetensors")[1] == {"step": 1}
        assert os.listdir(disk) == ["x.safetensors"]
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("share", [0, 4, 0.3, 0.999])
def test_a_truncated_file_is_refused(tmp_path, share):
    save_tensors(tmp_path / "whole", TENSORS, step=1)
    content = (tmp_path / "whole").read_bytes()
    (tmp_path / "x").write_bytes(
        content[: share if isinstance(share, int) else int(share * len(content))]
    )
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load_tensors(tmp_path / "x")


def test_a_pickle_is_refused_and_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "was_here",)

    (tmp_path / "x.safetensors").write_bytes(pickle.dumps(Evil()))
    torch.save({"model": Evil()}, tmp_path / "y.safetensors")
    for name in ("x", "y"):
        with pytest.raises(ValueError, match="not a whole safetensors file"):
            load_detector(tmp_path / f"{name}.safetensors")
    assert not (tmp_path / "was_here").exists()
    pickle.loads((tmp_path / "x.safetensors").read_bytes())
    assert (tmp_path / "was_here").exists()  # so it would have been


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint .*none"):
        load_tensors(tmp_path / "none")


def test_a_detector_comes_back_and_half_precision_changes_little(tmp_path):
    detector = with_statistics(PLAIN)
    images = torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(1))
    save_detector(tmp_path / "d.safetensors", detector, ("x", "y", "z"), (64, 128), note="kept")
    found, header = load_detector(tmp_path / "d.safetensors")
    assert (header["classes"], header["size"], header["note"]) == (
        ("x", "y", "z"),
        (64, 128),
        "kept",
    )
    assert found.config == detector.config and not found.training
    assert all(parameter.dtype == torch.float32 for parameter in found.parameters())
    assert (tmp_path / "d.safetensors").stat().st_size < 2.2 * sum(
        p.numel() for p in detector.state_dict().values()
    )
    with torch.inference_mode():
        for mine, theirs in zip(detector(images), found(images), strict=True):
            assert mine.std() > 1e-3
            torch.testing.assert_close(
                theirs, mine, rtol=1e-3, atol=0.02 * mine.std().item()
            )  # half: 2^-11


# A graph in which a node has the name of one of torch's own methods.
LEVELS = range(3, 8)
TAKEN = {
    "neck": {
        "name": "mine",
        "nodes": [
            {"name": "train" if level == 5 else f"P{level}_out", "level": level, "inputs": [name]}
            for level, name in ((level, f"P{level}_in") for level in LEVELS)
        ],
    }
}
HEADER = {"classes": ["x", "y", "z"], "size": [64, 64]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["x"]}, "does not fit its own configuration"),
        ({"config": None}, "lacks config"),
        ({"classes": 3}, "classes must be names, got 3"),
        ({"config": {}}, "(does not fit its own configuration|must be a multiple of 128)"),
        ({"config": {"backbone": {"width": -1}}}, "width must be a positive number, got -1"),
        (
            {"config": TAKEN, "size": [128, 128]},
            "'train' cannot name a node: torch's modules use that name",
        ),
        ({"config": {"backbone": {}, "color": 1}}, "EfficientDetConfig has no 'color'"),
        ({"config": [1]}, "must be names and values, got"),
    ],
)
def test_a_file_with_another_header_is_refused(tmp_path, detector, change, message):
    save_detector(tmp_path / "good", detector, tuple(HEADER["classes"]), (64, 64))
    tensors, header = load_tensors(tmp_path / "good")
    header = {name: value for name, value in (header | change).items() if value is not None}
    save_tensors(tmp_path / "bad", tensors, **header)
    with pytest.raises(ValueError, match=message) as caught:
        load_detector(tmp_path / "bad")
    assert "\n" not in str(caught.value)


def test_a_header_that_is_not_json_is_refused(tmp_path):
    save_file(TENSORS, tmp_path / "x", {"format": "pt"})
    with pytest.raises(ValueError, match="JSON header"):
        load_tensors(tmp_path / "x")
    save_file(TENSORS, tmp_path / "y", {"format": json.dumps("pt")})
    with pytest.raises(ValueError, match="lacks classes, config, size"):
        load_detector(tmp_path / "y")


def test_weights_that_half_precision_cannot_hold_are_not_written(tmp_path):
    model = EfficientDet.from_phi(-3, num_classes=1)
    model.backbone.stem.norm.running_var.fill_(1e6)
    with pytest.raises(ValueError, match=r"running_var is not finite"):
        save_detector(tmp_path / "d", model, ("x",), (64, 64))
    assert not (tmp_path / "d").exists()


# --- whatever can be trained can be saved and loaded ---


def crossed(levels) -> FusionGraph:
    """BiFPN's nodes by name, and other edges: each top-down node reads what came in above it."""
    nodes = []
    for node in bifpn(levels).nodes:
        inputs = node.inputs
        if node.name.endswith("_td"):
            inputs = (f"P{node.level}_in", f"P{node.level + 1}_in")
        nodes.append(Node(node.name, node.level, inputs))
    return FusionGraph("crossed", tuple(nodes))


NECKS = ["bifpn", "fpn", "panet", crossed((2, 3, 4, 5, 6))]


def rounded(model: EfficientDet) -> EfficientDet:
    """With weights that half precision holds exactly."""
    state = {
        name: x.half().float() if x.is_floating_point() else x
        for name, x in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model.eval()


@pytest.mark.parametrize("weighting", ["fast", "softmax", "sum"])
@pytest.mark.parametrize("neck", NECKS, ids=["bifpn", "fpn", "panet", "crossed"])
def test_a_detector_with_any_neck_answers_alike_after_its_file(tmp_path, neck, weighting):
    torch.manual_seed(0)
    config = replace(SMALL, neck=neck, weighting=weighting)
    images = torch.rand(4, 3, 64, 64)
    model = rounded(lively_detector(EfficientDet(config, 2), images))
    save_detector(tmp_path / "d", model, ("a", "b"), (64, 64))
    found, _ = load_detector(tmp_path / "d")
    assert found.config == config and found.fusion.graph == model.fusion.graph
    with torch.no_grad():
        for ours, theirs in zip(found(images), model(images), strict=True):
            assert torch.equal(ours, theirs)


def test_a_detector_whose_style_was_changed_answers_alike_after_its_file(tmp_path):
    torch.manual_seed(0)
    images = torch.rand(4, 3, 64, 64)
    model = EfficientDet(efficientdet(-3), 2)
    set_style(model, "symmetric", 1e-5)
    model = rounded(lively_detector(model, images))
    save_detector(tmp_path / "d", model, ("a", "b"), (64, 64))
    found, _ = load_detector(tmp_path / "d")
    assert found.config.backbone == found.backbone.config == model.backbone.config
    with torch.no_grad():
        for ours, theirs in zip(found(images), model(images), strict=True):
            assert torch.equal(ours, theirs)


class Renamed(EfficientDet):
    """Asks for more than (config, num_classes)."""

    def __init__(self, config, num_classes, extra):
        super().__init__(config, num_classes)


def another_neck(model):
    model.fusion.graph = panet(model.config.levels)


def another_epsilon(model):
    set_style(model.backbone, "same", 1e-5)


def another_layer(model):
    model.class_head.predict = torch.nn.Conv2d(16, 27, 1)


def no_norms(model):
    fold(model)


@pytest.mark.parametrize("change", [another_neck, another_epsilon, another_layer, no_norms])
def test_a_detector_that_nobody_could_open_is_not_written(tmp_path, change):
    model = EfficientDet(efficientdet(-3), 3)
    change(model)
    with pytest.raises(ValueError, match=r"than its configuration|where its configuration") as told:
        save_detector(tmp_path / "d", model, ("x", "y", "z"), (64, 64))
    assert "\n" not in str(told.value) and not os.listdir(tmp_path)


def test_a_class_that_cannot_be_built_again_is_not_written(tmp_path):
    model = Renamed(efficientdet(-3), 3, "extra")
    with pytest.raises(ValueError, match=r"must be built from \(config, num_classes\) alone"):
        save_detector(tmp_path / "d", model, ("x", "y", "z"), (64, 64))
    with pytest.raises(ValueError, match="has 3 classes, but 2 names"):
        save_detector(tmp_path / "d", EfficientDet(efficientdet(-3), 3), ("x", "y"), (64, 64))
    assert not os.listdir(tmp_path)


@pytest.fixture(scope="module")
def header_and_tensors(tmp_path_factory, detector):
    path = tmp_path_factory.mktemp("good") / "d"
    save_detector(path, detector, ("x", "y", "z"), (64, 64))
    tensors, header = load_tensors(path)
    return header, tensors


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_damage_to_a_header_is_one_sentence(tmp_path, header_and_tensors, data):
    """A detector, or one sentence: whatever a value of the header became."""
    header, tensors = json.loads(json.dumps(header_and_tensors[0])), header_and_tensors[1]
    places = [header, header["config"], header["config"]["backbone"]]
    place = data.draw(st.sampled_from(places))
    name = data.draw(st.sampled_from([*sorted(place), "detector"]))
    if data.draw(st.booleans()):
        place.pop(name, None)
    else:
        place[name] = data.draw(anything)
    save_tensors(tmp_path / "d", tensors, **header)
    try:
        load_detector(tmp_path / "d")
    except ValueError as error:
        assert "\n" not in str(error) and str(error).startswith(str(tmp_path))


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_damage_to_the_bytes_is_one_sentence(tmp_path, header_and_tensors, data):
    """A detector, or one sentence: some bytes of the header changed, or the file cut."""
    header, tensors = header_and_tensors
    path = tmp_path / "d"
    save_tensors(path, tensors, **header)
    content = bytearray(path.read_bytes())
    length = 8 + int.from_bytes(content[:8], "little")
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, length - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), length, 100]))])
    try:
        load_detector(path)
    except ValueError as error:
        assert str(error).startswith(str(tmp_path))


def write_in_turns(path, versions, times):
    for number in range(times):
        save_tensors(path, versions[number % 2])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the writer is a forked process")
def test_a_file_that_is_replaced_while_it_is_read_is_the_old_or_the_new(tmp_path):
    """As a notebook reads the checkpoint of a training that goes on in another process."""
    path = tmp_path / "x.safetensors"
    small = {"a": torch.full((1000,), 1.0)}
    versions = [small, {"a": torch.full((1000,), 2.0), "b" * 99: torch.ones(9)}]
    save_tensors(path, versions[0])
    fork = multiprocessing.get_context("fork")
    writer = fork.Process(target=write_in_turns, args=(path, versions, 500))
    writer.start()
    while writer.is_alive():
        tensors, _ = load_tensors(path)
        assert len(set(tensors["a"].tolist())) == 1
        assert len(tensors) == tensors["a"][0]
    writer.join()
    assert writer.exitcode == 0
