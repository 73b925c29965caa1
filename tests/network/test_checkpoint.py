"""Files of tensors: what is written is whole, what is not ours is refused, and nothing in a file is
ever run.

Oracles: the safetensors library reads the files; the file system and pickle give the failures.
"""

import errno
import json
import os
import pickle
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from effdet_lite import checkpoint
from effdet_lite.checkpoint import load_detector, load_tensors, save_detector, save_tensors
from effdet_lite.efficientdet import EfficientDet

TENSORS = {
    "a": torch.arange(6.0).view(2, 3),
    "b": torch.tensor(7),
    "c": torch.ones(2, 2).bfloat16(),
}


@pytest.fixture(scope="module")
def detector() -> EfficientDet:
    """A small detector whose norms have seen data, so that its answers are not all alike."""
    torch.manual_seed(0)
    model = EfficientDet.from_phi(-3, num_classes=3)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return model.eval()


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


def test_a_detector_comes_back_and_half_precision_changes_little(tmp_path, detector):
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


HEADER = {"classes": ["x", "y", "z"], "size": [64, 64]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["x"]}, "does not fit its own configuration"),
        ({"config": None}, "lacks config"),
        ({"classes": 3}, "classes must be names, got 3"),
        ({"config": {}}, "(does not fit its own configuration|must be a multiple of 128)"),
        ({"config": {"backbone": {"width": -1}}}, "width must be a positive number, got -1"),
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
