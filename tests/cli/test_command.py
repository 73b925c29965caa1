"""The command as a process: consoles, Ctrl-C, OpenMP's waiting, and installations of odd kinds.

Each process that imports torch takes seconds, so a process is asked everything that it can tell.
Oracles: exit statuses, what OpenMP says of itself, files on the disk.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lessons import ROOT
from PIL import Image

from effdet_lite import cli, console

WEIGHTS = ROOT / "assets" / "checkpoints" / "shapes.safetensors"


def command(*arguments, python=(), root=ROOT, cwd=None, **environment):
    """A finished `python -m effdet_lite.cli` of the package in `root`; None: without a variable."""
    # The virtual environment's own packages, but this package.
    variables = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", **environment}
    variables = {name: value for name, value in variables.items() if value is not None}
    words = [sys.executable, *python, "-m", "effdet_lite.cli", *map(str, arguments)]
    return subprocess.run(
        words, cwd=cwd, env=variables, capture_output=True, timeout=300, check=False
    )


# --- consoles ---


class Console:
    """A stream like a Windows console's or pipe's: cp1252, which has no ϕ."""

    def __init__(self, monkeypatch, tmp_path):
        self.file = open(tmp_path / "console", "w+", encoding="cp1252")  # noqa: SIM115
        monkeypatch.setattr(sys, "stdout", self.file)

    def said(self):
        self.file.seek(0)
        return self.file.read()


def test_what_a_console_cannot_show_is_no_failure(monkeypatch, tmp_path):
    shown = Console(monkeypatch, tmp_path)
    Image.new("RGB", (64, 64)).save(tmp_path / "苹果.png")
    output = tmp_path / "aus ϕ"
    cli.main(
        ["detect", str(tmp_path), "--weights", str(WEIGHTS), "--output", str(output), "--score=1"]
    )
    assert (output / "detections.json").is_file() and (output / "苹果.png.png").is_file()
    assert "0 objects on 1 photo, in " in shown.said() and r"aus \u03d5." in shown.said()


def test_an_error_that_a_console_cannot_show_is_still_one_sentence(monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["detect", str(tmp_path / "ϕ"), "--weights", str(WEIGHTS)])
    assert stopped.value.code == 2
    assert "there is no photo" in capsys.readouterr().err


def test_a_reader_that_has_left_is_no_failure():
    """As in `effdet-lite doctor | head -1`."""
    read, write = os.pipe()
    os.close(read)
    code = "from effdet_lite.console import say; say('one'); say('two')"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, cwd=ROOT, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


# --- Ctrl-C ---


# Ctrl-C while torch is imported, by a library that goes on as if nothing had happened.
SWALLOWED = """
import os, signal, sys, time
from effdet_lite import cli
# As a terminal starts a command; a script that runs in the background would have it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
class Library:
    def find_spec(self, name, *_):
        if name == "torch":
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(20)
            except KeyboardInterrupt:
                pass
sys.meta_path.insert(0, Library())
cli.main(sys.argv[1:])
"""


@pytest.mark.skipif(os.name != "posix", reason="other systems have no SIGINT for one process")
@pytest.mark.parametrize(
    "words", ["train", "detect x --weights y", "export y", "page y", "doctor", "prefetch"]
)
def test_ctrl_c_in_the_first_seconds_is_one_line(words):
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED, *words.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "effdet-lite: stopped.\n")


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN])
def test_after_the_libraries_are_loaded_ctrl_c_is_what_it_was(before):
    """Python's own handler, or ignored, as a script has it that runs in the background."""
    of_this_process = signal.signal(signal.SIGINT, before)
    try:
        with console.stopping_at_once():
            if before is signal.default_int_handler:
                assert signal.getsignal(signal.SIGINT) is not before
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGINT, of_this_process)


# --- OpenMP on a busy machine ---


def policy(**environment):
    """$OMP_WAIT_POLICY after `import effdet_lite`, which loads no torch."""
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")
    variables = {name: value for name, value in os.environ.items() if name not in names}
    code = "import os, sys, effdet_lite; assert 'torch' not in sys.modules; "
    code += "print(os.environ.get('OMP_WAIT_POLICY'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=variables | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_threads_wait_passively_unless_the_learners_environment_says_otherwise():
    assert policy() == "PASSIVE"
    assert policy(OMP_WAIT_POLICY="ACTIVE") == "ACTIVE"
    for name in ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY"):
        assert policy(**{name: "1000"}) == "None"


def spins(said):
    """What GNU's OpenMP says of itself, of each copy of it that was loaded."""
    return re.findall(r"GOMP_SPINCOUNT = '(\d+)'", said)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="torch has GNU's OpenMP on Linux")
def test_openmp_was_told_before_torch_was_loaded(tmp_path):
    """Of the command and, by inheritance, of whatever it starts: a kernel of JupyterLab's."""
    told = {"OMP_DISPLAY_ENV": "VERBOSE", "OMP_WAIT_POLICY": None, "GOMP_SPINCOUNT": None}
    done = command("train", "--steps", "0", cwd=tmp_path, **told)
    assert done.returncode == 2 and b"steps must be a whole number from 1" in done.stderr
    assert spins(done.stderr.decode()) and set(spins(done.stderr.decode())) == {"0"}
    done = command("train", "--steps", "0", cwd=tmp_path, **(told | {"GOMP_SPINCOUNT": "777"}))
    assert set(spins(done.stderr.decode())) == {"777"}


def test_lab_hands_it_to_its_kernels(monkeypatch):
    """A kernel inherits the server's environment."""
    import jupyterlab.labapp

    seen = []
    monkeypatch.setattr(
        jupyterlab.labapp.LabApp, "launch_instance", lambda words: seen.append(dict(os.environ))
    )
    cli.main(["lab"])
    assert seen[0]["OMP_WAIT_POLICY"]


# --- installations of odd kinds ---


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What a clone holds and the command needs, in a folder with a blank and an umlaut."""
    folder = tmp_path_factory.mktemp("clone") / "mein Kürs ϕ (1)"
    shutil.copytree(ROOT / "effdet_lite", folder / "effdet_lite")
    shutil.copytree(ROOT / "assets" / "checkpoints", folder / "assets" / "checkpoints")
    (folder / "notebooks").mkdir()
    return folder


ODD = {
    "LC_ALL": "C",
    "LANG": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "HOME": "/proc/nowhere",
    "EFFDET_LITE_CACHE": None,
    "XDG_CACHE_HOME": None,
    "MPLCONFIGDIR": None,
}


@pytest.mark.slow
def test_a_clone_with_an_umlaut_optimised_python_no_locale_and_no_home(clone, tmp_path):
    """`python -O` leaves assertions out; the home cannot be written, even by root."""
    Image.new("RGB", (64, 64)).save(tmp_path / "phöto.png")
    words = ["detect", tmp_path / "phöto.png", "--weights"]
    words += [clone / "assets/checkpoints/shapes.safetensors", "--output", tmp_path / "aus ϕ"]
    done = command(*words, python=["-O"], root=clone, cwd=clone, **ODD)
    assert done.returncode == 0 and b"1 photo, in" in done.stdout, done.stderr
    assert sorted(os.listdir(tmp_path / "aus ϕ")) == ["detections.json", "phöto.png.png"]
    words = ["train", "--size", "64", "64", "--steps", "2", "--batch-size", "2", "--warmup", "1"]
    done = command(*words, python=["-O"], root=clone, cwd=clone, **ODD)
    assert done.returncode == 0 and b"2 steps in" in done.stdout, done.stderr
    assert (clone / "runs" / "shapes-phi-3" / "detector.safetensors").is_file()


@pytest.mark.slow
def test_doctor_in_such_a_clone_finds_it_healthy(clone, tmp_path):
    """With a file where the home folder's cache should be; without extras and development group."""
    (tmp_path / ".cache").write_text("a file")
    hidden = tmp_path / "hide"
    hidden.mkdir()
    code = """
import importlib.metadata as metadata
true = metadata.version
def version(name):
    if name in ("onnx", "onnxruntime", "onnxscript", "effdet", "timm", "pytest", "hypothesis"):
        raise metadata.PackageNotFoundError(name)
    return true(name)
metadata.version = version
"""
    (hidden / "sitecustomize.py").write_text(code)
    paths = os.pathsep.join([str(clone), str(hidden)])
    environment = ODD | {"HOME": str(tmp_path)}
    done = command("doctor", python=["-O"], root=paths, cwd=clone / "notebooks", **environment)
    said = done.stdout.decode()
    assert done.returncode == 0 and "FIX" not in said, said + done.stderr.decode()
    assert "ok    packages" in said and "ok    trained detectors" in said
    assert re.search(r"note  published weights +No b0 and d0 at ~/\.cache/effdet_lite", said)


def test_prefetch_where_the_cache_cannot_be_is_one_sentence_for_each(tmp_path, monkeypatch, capsys):
    """Nothing is fetched for a folder that cannot be made."""
    (tmp_path / "a file").write_text("x")
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path / "a file" / "cache"))
    monkeypatch.setenv("EFFDET_LITE_BCCD", str(tmp_path / "a file" / "cells"))
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("it was asked"))
    monkeypatch.setattr("shutil.which", lambda name: name)  # there is an npm
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("npm was asked"))
    with pytest.raises(SystemExit) as stopped:
        cli.main(["prefetch"])
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and "Traceback" not in said
    assert len(said.splitlines()) == 5 and said.count("a file") == 4


def test_a_user_without_a_home_folder_is_told_what_to_set(monkeypatch, capsys):
    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    for name in ("EFFDET_LITE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EFFDET_LITE_BCCD", "/proc/nowhere")
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("it was asked"))
    with pytest.raises(SystemExit) as stopped:
        cli.main(["prefetch"])
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.count("name a folder for downloads in EFFDET_LITE_CACHE") >= 2


# --- outputs ---


def test_an_export_never_takes_the_place_of_its_detector(tmp_path, capsys):
    weights = tmp_path / "detector.safetensors"
    shutil.copy(WEIGHTS, weights)
    (tmp_path / "link.onnx").symlink_to(weights)
    for output in (weights, tmp_path / "link.onnx"):
        with pytest.raises(SystemExit) as stopped:
            cli.main(["export", str(weights), "--output", str(output)])
        assert stopped.value.code == 2
        assert "is the detector itself: pass another --output" in capsys.readouterr().err
    assert weights.read_bytes() == WEIGHTS.read_bytes()


def test_an_export_that_cannot_be_written_is_found_before_the_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("effdet_lite.export.export_onnx", lambda *_, **__: pytest.fail("begun"))
    (tmp_path / "a file").write_text("x")
    with pytest.raises(SystemExit) as stopped:
        cli.main(["export", str(WEIGHTS), "--output", str(tmp_path / "a file" / "x.onnx")])
    assert stopped.value.code == 2 and "cannot be written" in capsys.readouterr().err


def test_the_options_of_export_reach_it(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        "effdet_lite.export.export_onnx", lambda *_, **options: seen.update(options)
    )
    words = ["--score", "0.1", "--iou", "0.4", "--max-detections", "321", "--threads", "1"]
    cli.main(["export", str(WEIGHTS), "--output", str(tmp_path / "x.onnx"), *words])
    assert (seen["score_threshold"], seen["iou_threshold"], seen["max_detections"]) == (
        0.1,
        0.4,
        321,
    )


def test_threads_are_those_that_were_asked_for(monkeypatch, tmp_path):
    import torch

    seen = []
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    monkeypatch.setattr("effdet_lite.export.export_onnx", lambda *_, **__: None)
    for words in ([], ["--threads", "3"]):
        cli.main(["export", str(WEIGHTS), "--output", str(tmp_path / "x.onnx"), *words])
    assert seen == [3]
