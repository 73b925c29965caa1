"""What may befall a training from outside, with the real command in a process of its own, and what
is left of it.

Oracles: a run that nothing befell; the kernel's own limits (setrlimit) on the size of files and on
memory; signals.
"""

import functools
import os
import random
import re
import signal
import time
import traceback
from pathlib import Path

import pytest
import torch
from oracles import NewProcesses

from effdet_lite import progress, training
from effdet_lite.checkpoint import load_tensors
from effdet_lite.files import clear_partial
from effdet_lite.run import read_history
from effdet_lite.training import TrainConfig, train
from effdet_lite.troubles import ends_in_a_sentence

resource = pytest.importorskip("resource", reason="this system has no limits for a process")

OPTIONS = [
    "train",
    "--size",
    "64",
    "64",
    "--batch-size",
    "2",
    "--warmup",
    "2",
    "--save-every",
    "1",
    "--steps",
]
SENTENCE = r"the last good checkpoint is \S+last\.safetensors"

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def server():
    """The process that starts others."""
    processes = NewProcesses()
    yield processes
    processes.close()


class Command:
    """`effdet-lite train`, started as often as `start` is called, each time in a new process."""

    def __init__(self, server: NewProcesses, output: Path, steps: int, *options: str):
        self.server, self.last, self.said = (
            server,
            output / "last.safetensors",
            output.with_name(f"{output.name}.txt"),
        )
        self.arguments = [*OPTIONS, str(steps), "--output", str(output), *options]

    def start(self, before: str = "") -> int:
        """The new process's id."""
        return self.server.start(self.arguments, self.said, before)

    def status(self) -> int:
        """Of the process that was started last, when it has ended; less than 0: the signal that
        killed it.
        """
        return self.server.status()

    def finish(self) -> None:
        """Run to the end."""
        self.start()
        assert self.status() == 0, self.said.read_text()[-3000:]

    def steps_saved(self) -> int:
        """Readable at any moment, for the file is replaced in one go."""
        return len(read_history(self.last)) if self.last.exists() else 0

    def wait_for_a_checkpoint(self) -> None:
        """A new one."""
        before, deadline = self.steps_saved(), time.monotonic() + 60
        while self.steps_saved() <= before and time.monotonic() < deadline:
            time.sleep(0.01)

    def last_words(self) -> str:
        """The one line that the command ended with, after its bar."""
        said = self.said.read_text()
        assert "Traceback" not in said, said[-3000:]
        return said.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def straight(tmp_path_factory, server):
    """The folder of a run of so many steps that nothing befell."""

    @functools.cache
    def run(steps: int) -> Path:
        output = tmp_path_factory.mktemp("straight") / "run"
        Command(server, output, steps).finish()
        return output

    return run


def assert_same_files(first: Path, second: Path) -> None:
    """The same files, and in them the same tensors, bit for bit."""
    assert (
        sorted(os.listdir(first))
        == sorted(os.listdir(second))
        == ["detector.safetensors", "last.safetensors"]
    )
    for name in ("last", "detector"):
        mine, theirs = (
            load_tensors(folder / f"{name}.safetensors")[0] for folder in (first, second)
        )
        assert mine.keys() == theirs.keys() and len(mine) > 100
        different = [key for key in mine if not torch.equal(mine[key], theirs[key])]
        assert set(different) <= {"history.seconds"}


@pytest.mark.slow
def test_killed_ten_times_at_random_moments(tmp_path, server, straight):
    """SIGKILL at any moment: while it starts, in a step, in a checkpoint. Each time the same
    command goes on.
    """
    moments, command, before = random.Random(20), Command(server, tmp_path / "run", 40), 0
    for kill in range(10):
        child = command.start()
        if kill % 3:  # otherwise it may die before it has done anything
            command.wait_for_a_checkpoint()
        time.sleep(moments.uniform(0, 0.4))
        os.kill(child, signal.SIGKILL)
        assert command.status() == -signal.SIGKILL
        assert before <= (before := command.steps_saved()) < 40
    assert before >= 6
    command.finish()
    assert_same_files(straight(40), tmp_path / "run")


# As a terminal starts a command; a script that runs in the background would have Ctrl-C ignored.
AT_A_TERMINAL = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
"""


@pytest.mark.slow
def test_interrupted_at_the_keyboard_it_says_so_in_one_line(tmp_path, server, straight):
    command = Command(server, tmp_path / "run", 16)
    for wait in (0.0, 0.11):
        child = command.start(AT_A_TERMINAL)
        command.wait_for_a_checkpoint()
        time.sleep(wait)
        os.kill(child, signal.SIGINT)
        assert command.status() == 130
        sentence = (
            f"effdet-lite: training stopped; {SENTENCE}, and the same call goes on from there."
        )
        assert re.fullmatch(sentence, command.last_words())
        assert os.listdir(command.last.parent) == ["last.safetensors"]
    command.finish()
    assert_same_files(straight(16), tmp_path / "run")


# From the third step on, `allowed` bytes are what a file, or the memory, may have.
LIMITED = """
import resource
real, calls = training.{function}, []
def third(*arguments):
    calls.append(1)
    if len(calls) == 3:
        resource.setrlimit(resource.{limit}, ({allowed},) * 2)
    return real(*arguments)
training.{function} = third
"""


@pytest.mark.slow
def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, server, straight):
    """The kernel itself refuses the rest of the file, half-way through the third checkpoint."""
    half = (straight(16) / "last.safetensors").stat().st_size // 2
    command = Command(server, tmp_path / "run", 16)
    command.start(LIMITED.format(function="train_step", limit="RLIMIT_FSIZE", allowed=half))
    assert command.status() == 2
    written = r"\S+last\.safetensors could not be written: .*[Ff]ile too large.*"
    sentence = rf"effdet-lite: {written}; {SENTENCE}"
    assert re.fullmatch(f"{sentence}, and the same call goes on from there.", command.last_words())
    assert os.listdir(command.last.parent) == ["last.safetensors"] and command.steps_saved() == 2
    command.finish()
    assert_same_files(straight(16), tmp_path / "run")


@pytest.mark.slow
@pytest.mark.skipif(
    not os.path.exists("/proc/self/statm"), reason="this system does not tell a process its memory"
)
def test_a_batch_that_memory_does_not_hold(tmp_path, server):
    """The kernel gives no more memory from the third step on, whose batch is made a larger one."""
    used = 'int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + 2**20'
    greedy = LIMITED.format(function="train_step", limit="RLIMIT_AS", allowed=used)
    command = Command(server, tmp_path / "run", 16)
    command.start(greedy.replace("    return real", "        torch.empty(2**28)\n    return real"))
    assert command.status() == 2
    words = (
        "effdet-lite: out of memory: a batch of 2 images of 64 x 64 pixels does not fit; "
        "lower batch_size or size"
    )
    assert re.fullmatch(f"{words}; {SENTENCE}.", command.last_words())
    assert os.listdir(command.last.parent) == ["last.safetensors"] and command.steps_saved() == 2


@pytest.mark.slow
def test_a_loss_that_is_no_number(tmp_path, server):
    """A learning rate far too high, at the command."""
    command = Command(server, tmp_path / "run", 16, "--learning-rate", "1e30", "--warmup", "0")
    command.start()
    assert command.status() == 2
    sentence = f"effdet-lite: the loss is .* lower learning_rate .* or raise warmup; {SENTENCE}."
    assert re.fullmatch(sentence, command.last_words())
    tensors, _ = load_tensors(command.last)
    assert all(tensor.isfinite().all() for tensor in tensors.values())


# --- In Python ---


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, "training stopped; nothing was saved."),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried"),
            MemoryError,
            "a batch of 2 images of 64 x 128 pixels",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            MemoryError,
            "lower batch_size or size",
        ),
        (RuntimeError("std::bad_alloc"), MemoryError, "nothing was saved"),
        (MemoryError(), MemoryError, "does not fit"),
        (RuntimeError("shapes differ"), RuntimeError, "^shapes differ$"),
        (FileNotFoundError("a picture is gone"), FileNotFoundError, "^a picture is gone$"),
    ],
)
def test_errors_are_told_apart_and_let_go_of_what_the_loop_held(monkeypatch, error, kind, message):
    """The last two are not ours to explain, and stay as they are."""
    bars = []

    class Bar(progress._Bar):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            bars.append(len(bars))

        def close(self):
            if not self.disable:
                bars.clear()
            super().close()

    def broken(*_):
        raise error

    monkeypatch.setattr(progress, "_Bar", Bar)
    monkeypatch.setattr(training, "train_step", broken)
    pictures = [
        (
            torch.rand(3, 64, 128),
            {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
        )
    ]
    images = type("Images", (list,), {"classes": ("dot",)})(pictures)
    with pytest.raises(kind, match=message) as caught:
        train(TrainConfig(size=(64, 128), batch_size=2, steps=2), images, images)
    assert "\n" not in str(caught.value)
    if kind is not type(error) or isinstance(error, KeyboardInterrupt):
        assert not bars, "the bar was left open"
        assert caught.value.__context__ is None, "a long traceback stands before the sentence"


def test_only_torchs_own_words_mean_that_memory_is_short():
    """What a learner's own function raises stays as it is, whatever words are in it."""

    def broken(row):
        raise ValueError("the figure is out of memory")

    settings = TrainConfig(size=(64, 64), batch_size=2, steps=2, test_data="none")
    with pytest.raises(ValueError, match="the figure is out of memory"):
        train(settings, progress=False, on_step=broken)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("two\nlines"), "^two lines$"),
        (FileNotFoundError("p.png: gone"), r"^p\.png: gone$"),
        (AssertionError(), "Original Traceback"),
    ],
)
def test_what_a_worker_raised_is_told_whole(error, told):
    """A sentence as a sentence, and a mistake in a learner's data set with its traceback."""
    words = f"Caught {type(error).__name__} in DataLoader worker process 0.\n"
    words += "Original Traceback (most recent call last):\n  File ...\n"
    words += "".join(traceback.format_exception_only(error))

    @ends_in_a_sentence
    def fails(config):
        raise type(error)(words)

    with pytest.raises(type(error), match=told):
        fails(TrainConfig())


def test_what_a_kill_left_beside_the_checkpoint_is_cleared(tmp_path):
    (tmp_path / ".last.safetensors.abc").mkdir()
    (tmp_path / ".last.safetensors.abc" / "last.safetensors").write_bytes(b"half")
    (tmp_path / "last.safetensors").write_bytes(b"whole")
    clear_partial(tmp_path / "last.safetensors")
    assert os.listdir(tmp_path) == ["last.safetensors"]
