"""The preflight, here and on machines where something is wrong: each fault is told in a sentence
and the rest still is.

Oracles: files deleted, cut short and moved for real, and version numbers that pyproject.toml does
not allow.
"""

import functools
import importlib.metadata
import shutil
import socket
import sys
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
import torch
from packaging.requirements import Requirement

from effdet_lite import checkpoint, course, missing
from effdet_lite.checkpoint import load_detector
from effdet_lite.cli import main
from effdet_lite.course import preflight, required_packages
from effdet_lite.pretrained import published_url

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXPORT_EXTRA = PYPROJECT["project"]["optional-dependencies"]["export"]
ESSENTIAL = {"Python", "packages", "device", "sliders", "trained detectors"}


def wrong():
    """name: (sentence, essential) of what the preflight finds wrong."""
    return {
        finding.name: (finding.sentence, finding.essential)
        for finding in preflight()
        if not finding.ok
    }


def load_once(path):
    """As load_detector, which reads a file again only when it has changed."""
    return load_version(path, path.stat().st_mtime_ns if path.exists() else None)


@functools.cache
def load_version(path, changed):
    return load_detector(path)


@pytest.fixture(autouse=True)
def photographs(tmp_path_factory, monkeypatch):
    """Folders as the blood cells and the weights have them, so that what is found does not depend
    on a download.
    """
    folder = tmp_path_factory.mktemp("bccd")
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    (folder / "JPEGImages" / "BloodImage_00000.jpg").touch()
    monkeypatch.setenv("EFFDET_LITE_BCCD", str(folder))
    cache = tmp_path_factory.mktemp("cache")
    for name in course.PUBLISHED:
        (cache / published_url(name).rpartition("/")[2]).touch()
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(cache))
    # Each look at the shipped detectors takes seconds, and few tests touch a file of them.
    monkeypatch.setattr(checkpoint, "load_detector", load_once)
    # However busy the machine that runs the tests may be.
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: 2.0)


def versions(monkeypatch, **other):
    """Let these packages have other versions; None: not installed."""
    true = importlib.metadata.version

    def version(name):
        if name not in other:
            return true(name)
        if other[name] is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return other[name]

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A checkout with the detectors and without the photographs, and nothing else, to damage."""
    for name in ("effdet_lite", "notebooks", "assets"):
        (tmp_path / name).mkdir()
    shutil.copytree(ROOT / "assets" / "checkpoints", tmp_path / "assets" / "checkpoints")
    monkeypatch.delenv("EFFDET_LITE_BCCD", raising=False)
    monkeypatch.chdir(tmp_path / "notebooks")
    return tmp_path


def test_nothing_essential_is_wrong_here_and_nobody_is_asked(monkeypatch):
    def ask(*arguments):
        raise AssertionError(f"the network was asked: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", ask)
    monkeypatch.setattr(socket, "getaddrinfo", ask)
    findings = preflight()
    assert {finding.name for finding in findings} >= ESSENTIAL | {"memory", "disk", "blood cells"}
    assert not {name: sentence for name, (sentence, essential) in wrong().items() if essential}
    assert all(
        finding.sentence.endswith(".") and "\n" not in finding.sentence for finding in findings
    )


def requirements(monkeypatch, *lines):
    """Let these be the lines that the installed package's metadata carry."""
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: list(lines) or None)


@pytest.mark.parametrize(
    ("line", "have", "fits"),
    [
        ("thing>=2.6", "2.14.1+cpu", True),
        ("thing>=2.6.0", "2.6", True),
        ("thing>=2.6", "2.5.9", False),
        ("thing>=9.5", "10.0", True),
        ("thing>=0.4.10", "0.4.5", False),
        ("thing>=2.6", "2.6.0a0+ecf3bae40a.nv25.01", True),  # a vendor's 2.6.0
        ("thing>=2.6", "2.5.0rc1", False),
        ("thing", "0.0.1", True),
        ("thing~=1.4", "1.9", True),
        ("thing~=1.4", "2.0", False),
        ("thing==1.4.*", "1.4.7", True),
        ("thing<3,>=2,!=2.5", "2.5", False),
        ("thing<3,>=2,!=2.5", "2.5.1", True),
        ("thing (>=2)", "2", True),
        ("thing[fast,big]>=2", "1", False),
        ("thing @ https://example.org/thing.whl", "1", True),
        ("thing>=2", "built-by-hand", True),
        ("thing>=2", None, False),
        ("thing>=2; python_version >= '3'", "1", False),
        ("thing>=2; python_version < '3'", None, True),
        ("thing>=2; sys_platform == 'nowhere'", None, True),
        ("thing>=2; extra == 'export'", None, True),
        ('thing>=2 ; (sys_platform != "nowhere") and extra == "export"', None, True),
    ],
)
def test_a_requirement_of_any_form_is_read_as_pip_reads_it(monkeypatch, line, have, fits):
    """By hand from PEP 440 and PEP 508: https://peps.python.org/pep-0508."""
    requirements(monkeypatch, line, "torch>=2")
    versions(monkeypatch, thing=have)
    assert (wrong() == {}) is fits, wrong()
    if not fits:
        sentence, essential = wrong()["packages"]
        assert essential and sentence.startswith(
            "thing is missing" if have is None else f"thing {have} is not "
        )


def test_an_installation_without_extras_and_development_packages_is_healthy(monkeypatch):
    """What pip and conda install; the list that they read is pyproject.toml's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {Requirement(line).name for line in project["project"]["dependencies"]}
    extras = project["project"]["optional-dependencies"].values()
    optional = [line for lines in extras for line in lines] + project["dependency-groups"]["dev"]
    others = {Requirement(line).name for line in optional} - needed
    assert {"onnx", "onnxruntime", "onnxscript"} <= others
    assert not {requirement.name for requirement in required_packages()} & others
    versions(monkeypatch, **dict.fromkeys(others))
    assert "packages" not in wrong()


def test_metadata_without_requirements(monkeypatch):
    requirements(monkeypatch)
    assert "packages" not in wrong()


def test_packages_too_old_or_missing(monkeypatch):
    versions(monkeypatch, numpy="1.9.3", tqdm=None)
    assert wrong().keys() == {"packages"}
    sentence, essential = wrong()["packages"]
    assert "numpy 1.9.3 is not >=1.26" in sentence and "tqdm is missing" in sentence
    assert "uv sync" in sentence and essential


def test_python_too_old(monkeypatch):
    monkeypatch.setattr("platform.python_version", lambda: "3.9.18")
    assert wrong() == {
        "Python": ("Python 3.9.18 does not fit: make an environment with Python >=3.10.", True)
    }


@pytest.mark.parametrize(
    "pair",
    [{"jupyterlab": "3.6.8"}, {"ipywidgets": "7.8.5"}, {"jupyterlab_widgets": "1.1.11"}],
    ids=str,
)
def test_jupyterlab_and_sliders_that_do_not_fit_together(monkeypatch, pair):
    versions(monkeypatch, **pair)
    sentence, essential = wrong()["sliders"]
    assert "do not fit together" in sentence and essential


def test_jupyterlab_without_its_part_of_the_sliders(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "jupyter_core.paths.jupyter_path", lambda *names: [str(tmp_path.joinpath(*names))]
    )
    assert "JupyterLab's part of the sliders is missing" in wrong()["sliders"][0]


def test_a_checkpoint_is_missing(copy):
    (copy / "assets" / "checkpoints" / "shapes.safetensors").unlink()
    sentence, essential = wrong()["trained detectors"]
    assert "shapes.safetensors: get it back with `git checkout" in sentence and essential
    assert "without git copy that folder again" in sentence  # a ZIP or a stick brings no .git


def test_a_checkpoint_is_cut_short(copy):
    path = copy / "assets" / "checkpoints" / "bccd.safetensors"
    path.write_bytes(path.read_bytes()[:100_000])
    assert "bccd.safetensors is not a whole safetensors file" in wrong()["trained detectors"][0]


def test_the_photographs_may_be_missing_or_elsewhere(copy, monkeypatch):
    sentence, essential = wrong()["blood cells"]
    assert "effdet-lite prefetch" in sentence and not essential
    assert "Not at data/bccd in the course's folder, " in sentence
    monkeypatch.setenv("EFFDET_LITE_BCCD", str(copy.parent / "nowhere"))
    assert f"Not at {copy.parent / 'nowhere'}, " in wrong()["blood cells"][0]
    for name in ("Annotations", "JPEGImages"):
        (copy / "mine" / "BCCD" / name).mkdir(parents=True)
    (copy / "mine" / "BCCD" / "JPEGImages" / "a.jpg").touch()
    for folder in (copy / "mine", copy / "mine" / "BCCD"):
        monkeypatch.setenv("EFFDET_LITE_BCCD", str(folder))
        assert "blood cells" not in wrong()


def test_published_weights_may_be_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path))
    (tmp_path / published_url("b0").rpartition("/")[2]).touch()
    sentence, essential = wrong()["published weights"]
    assert (
        f"No d0 at {tmp_path}" in sentence and "effdet-lite prefetch" in sentence and not essential
    )
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path.parent)
    assert f"No d0 at ~/{tmp_path.name}, " in wrong()["published weights"][0]


def test_little_memory_and_a_full_disk_are_worth_a_note(monkeypatch):
    space = namedtuple("space", "total used free available")(9e9, 8.9e9, 1e8, 1e8)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: space)
    monkeypatch.setattr("shutil.disk_usage", lambda path: space)
    assert wrong().keys() == {"memory", "disk"}
    assert not any(essential for _, essential in wrong().values())


@pytest.mark.parametrize(("system", "needed"), [("Linux", 7), ("Windows", 2), ("Darwin", 2)])
def test_packages_that_are_still_to_come_need_room_too(monkeypatch, system, needed):
    """By README.md: 6.0 GB on Linux, 0.8 and 0.9 elsewhere; and 1 GB for trainings and data."""
    space = namedtuple("space", "total used free")(9e9, 7.5e9, 1.5e9)
    monkeypatch.setattr("shutil.disk_usage", lambda path: space)
    monkeypatch.setattr("platform.system", lambda: system)
    assert "disk" not in wrong()
    versions(monkeypatch, tqdm=None)
    sentence, essential = wrong()["disk"]
    assert f"1.5 GB free, and {needed} GB are needed for trainings and data, and pack" in sentence
    assert not essential


def test_busy_cores_are_worth_a_note(monkeypatch):
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: 75.0)
    monkeypatch.setattr(psutil, "cpu_count", lambda: 4)
    sentence, essential = wrong()["cores"]
    assert "Other programs use 3.0 of 4 cores: training takes longer" in sentence and not essential


def test_a_user_without_a_home_folder(monkeypatch):
    """Oracle: what Python itself raises for a user whom the system does not know."""

    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.home", nobody)
    for name in ("EFFDET_LITE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert wrong() == {
        "published weights": (
            "this user has no home folder: name a folder for downloads in EFFDET_LITE_CACHE.",
            False,
        )
    }
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *names: nobody())
    assert "set the variable HOME to a folder" in wrong()["sliders"][0]


def test_what_notebook_10_exports_with_is_looked_for(monkeypatch):
    """Without it the course runs, and its end does not."""
    assert tuple(sorted(Requirement(line).name for line in EXPORT_EXTRA)) == missing.EXPORT
    monkeypatch.setattr(missing, "find_spec", lambda name: name == "onnx" or None)
    sentence, essential = wrong()["export"]
    assert sentence.startswith("No onnxruntime and onnxscript, and notebook 10 writes no ONNX")
    assert "`uv pip install onnxruntime onnxscript` in the course's folder" in sentence
    assert not essential


def test_no_checkout_anywhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("effdet_lite.places.__file__", str(tmp_path / "lib/effdet_lite/places.py"))
    assert wrong().keys() == {"trained detectors"}
    assert "clone the repository" in wrong()["trained detectors"][0]


def test_one_broken_library_does_not_hide_the_rest(monkeypatch):
    def fail():
        raise OSError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(torch, "get_num_threads", fail)
    assert wrong().keys() == {"device"}
    assert "libcudart.so.12" in wrong()["device"][0]


def test_a_torch_that_cannot_be_imported_is_a_finding(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "device" in wrong() and "ModuleNotFoundError" in wrong()["device"][0]


def test_doctor_prints_each_finding_and_its_status_tells(copy, capsys):
    main(["doctor"])  # the photographs are missing, and that is no fault
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(preflight())
    assert {line[:4] for line in lines} == {"ok  ", "note"}
    (copy / "assets" / "checkpoints" / "bccd.safetensors").write_bytes(b"")
    with pytest.raises(SystemExit) as stop:
        main(["doctor"])
    assert stop.value.code == 1
    assert [
        line
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("FIX   trained detectors")
    ]


@pytest.mark.parametrize("version", [None, "unknown", "", "conda_build_0"])
def test_metadata_without_a_version_are_no_reason_to_call_the_sliders_broken(monkeypatch, version):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    assert "sliders" not in wrong()


def test_what_cannot_be_looked_at_is_as_little_essential_as_what_it_looks_for(monkeypatch):
    def fail(*arguments, **options):
        raise PermissionError("/proc/stat")

    monkeypatch.setattr(psutil, "cpu_percent", fail)
    monkeypatch.setattr(psutil, "virtual_memory", fail)
    monkeypatch.setattr(shutil, "disk_usage", fail)
    found = {name: essential for name, (_, essential) in wrong().items()}
    assert found.items() >= {"cores": False, "memory": False, "disk": False}.items()
    assert not any(found.values())
