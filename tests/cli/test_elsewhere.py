"""What is there for machines that nobody here has: Codespaces, Binder, Colab, GitHub's, and another
system's ways, simulated. Oracles: the formats' own readers, pickle, and processes that are spawned.
"""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from effdet_lite import course, files, processes
from effdet_lite.files import WriteError, whole_file

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


# --- other people's machines ---


def test_the_workflow_runs_on_three_systems_and_four_pythons():
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    (job,) = yaml.safe_load(text)["jobs"].values()
    matrix = job["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["system"]} == {"ubuntu", "windows", "macos"}
    allowed = SpecifierSet(re.search(r'requires-python = "(.*?)"', PROJECT)[1])
    assert len(matrix["python"]) == 4 and all(map(allowed.contains, matrix["python"]))
    commands = [step["run"] for step in job["steps"] if "run" in step]
    # One form for every shell: GitHub's Windows machines run PowerShell.
    assert not [line for line in commands if "&&" in line or "\n" in line]
    assert commands[-1].endswith(re.search(r'pytest (-m ".*?")', README)[1])


def test_codespaces_and_binder_leave_out_the_graphics_cards_libraries():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    post = ROOT / "binder" / "postBuild"
    for command in (container["postCreateCommand"], post.read_text()):
        assert re.search(r"--torch-backend cpu -e '?\.\[export\]'?$", command.strip()), command
    assert os.name == "nt" or post.stat().st_mode & stat.S_IXUSR
    runtime = (ROOT / "binder" / "runtime.txt").read_text().strip()
    assert runtime.removeprefix("python-") == container["image"].removeprefix("python:")


def test_the_cell_for_colab_is_python_and_installs_what_is_listed():
    """IPython's lines are taken out as IPython does: those that begin with ! or %."""
    (cell,) = re.findall(r"```python\n(!git clone.*?)```", README, re.DOTALL)
    lines = cell.splitlines()
    compile("\n".join(line for line in lines if not line.startswith(("!", "%"))), "cell", "exec")
    (install,) = [line for line in lines if line.startswith("%pip") and "editable" not in line]
    listed = re.search(r"^dependencies = \[(.*?)^\]", PROJECT, re.DOTALL | re.MULTILINE)[1]
    names = {Requirement(line).name for line in re.findall(r'"(.*?)",', listed)}
    assert {word for word in install.split()[2:] if not word.startswith("-")} <= names


def test_no_file_names_a_package_index():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    hosts = r"pythonhosted\.org|pypi\.org/simple|download\.pytorch\.org/whl|registry\.npmjs\.org"
    command = ["git", "grep", "-lE", hosts, "--", ".", ":!tests/cli/test_elsewhere.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == ""


# --- Apple's GPU ---


@pytest.fixture
def apple(monkeypatch):
    """A Mac with a GPU, as Accelerate sees it: https://huggingface.co/docs/accelerate."""
    from accelerate import PartialState, state

    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(state, "is_mps_available", lambda *arguments, **options: True)
    monkeypatch.setenv("PYTORCH_ENABLE_MPS_FALLBACK", "0")
    for name in ("LOCAL_RANK", "EFFDET_LITE_DEVICE", "ACCELERATE_USE_CPU"):
        monkeypatch.delenv(name, raising=False)
    PartialState._reset_state()
    yield PartialState
    PartialState._reset_state()


def test_an_apple_gpu_is_used_when_it_is_asked_for_and_not_by_accident(apple, monkeypatch):
    assert apple().device.type == "mps"  # what Accelerate does by itself
    apple._reset_state()
    assert processes.this_process().device.type == "cpu"
    apple._reset_state()
    monkeypatch.setenv("EFFDET_LITE_DEVICE", "mps")
    assert processes.this_process().device.type == "mps"


def test_doctor_says_how_an_apple_gpu_is_used(apple, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "a GPU, Apple's, used with EFFDET_LITE_DEVICE=mps." in course._device()[1]
    monkeypatch.setenv("EFFDET_LITE_DEVICE", "mps")
    assert "a GPU, Apple's, used as EFFDET_LITE_DEVICE asks." in course._device()[1]


# --- Windows ---


def held(monkeypatch, refusals):
    """os.replace as Windows has it for a file that another program maps or reads, so many times:
    https://learn.microsoft.com/windows/win32/debug/system-error-codes--0-499-, code 5.
    """
    true, calls = os.replace, []

    def replace(source, target):
        calls.append(target)
        if len(calls) <= refusals:
            raise PermissionError(13, "Access is denied", str(source))
        true(source, target)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(files, "WINDOWS", True)
    return calls


def test_a_file_that_is_held_for_a_moment_is_replaced_all_the_same(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("old")
    calls = held(monkeypatch, 3)
    with whole_file(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new" and len(calls) == 4


def test_a_file_that_stays_held_stays_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("old")
    held(monkeypatch, 10**6)
    monkeypatch.setattr(files, "PATIENCE", 0.1)
    refused = pytest.raises(WriteError, match="could not be written: Access is denied")
    with refused, whole_file(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "old" and [one.name for one in tmp_path.iterdir()] == ["a"]


def test_other_systems_do_not_wait(tmp_path, monkeypatch):
    calls = held(monkeypatch, 10**6)
    monkeypatch.setattr(files, "WINDOWS", False)
    with pytest.raises(WriteError), whole_file(tmp_path / "a") as temporary:
        temporary.write_text("new")
    assert len(calls) == 1


SPAWNED = """
import multiprocessing
import sys

import torch

from effdet_lite.batches import batches
from effdet_lite.data import ShapesDetection, train_transforms
from effdet_lite.training import TrainConfig

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    shapes = ShapesDetection("train", 64, length=6, seed=0, transforms=train_transforms((64, 64)))

    def first(workers):
        config = TrainConfig(size=(64, 64), batch_size=2, steps=2, workers=workers)
        return list(batches(shapes, config))

    for (ours, _), (theirs, _) in zip(first(0), first(1), strict=True):
        assert torch.equal(ours, theirs)
    print("equal", multiprocessing.get_start_method())
"""


@pytest.mark.slow
def test_workers_that_are_spawned_prepare_the_same_batches(tmp_path):
    """Windows and macOS spawn their workers: all that one needs has to be pickled, and nothing that
    a forked one would find in memory is there.
    """
    script = tmp_path / "spawned.py"
    script.write_text(SPAWNED, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stdout.split() == ["equal", "spawn"], done.stderr[-2000:]
