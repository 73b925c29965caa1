"""What may befall a training from outside, told in one sentence that says what is left of it."""

import functools
import re
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from effdet_lite.files import WriteError


def last_good(path: Path | None) -> str:
    """What is left of a training that ends early: its checkpoint at path, if there is one."""
    return f"the last good checkpoint is {path}" if path and path.exists() else "nothing was saved"


def ends_in_a_sentence(train: Callable) -> Callable:
    """Make what may befall a training from outside end in one sentence that says what is left of
    it.

    An interruption stays a KeyboardInterrupt, and a file that cannot be written an OSError; too
    little memory, on a GPU or not, becomes a MemoryError. Takes the place of `train`, whose first
    argument is its TrainConfig.
    """

    @functools.wraps(train)
    def told(config, *arguments, **options):
        saved = Path(config.output) / "last.safetensors" if config.output else None
        try:
            return train(config, *arguments, **options)
        except (KeyboardInterrupt, Exception) as error:
            frames = error.__traceback__
            if isinstance(error, FloatingPointError):
                ending = error.with_traceback(None)  # the loop has said it
            elif isinstance(error, KeyboardInterrupt | WriteError):
                what = (
                    str(error).rstrip(".") if isinstance(error, WriteError) else "training stopped"
                )
                then = ", and the same call goes on from there" if saved and saved.exists() else ""
                ending = type(error)(f"{what}; {last_good(saved)}{then}.")
            elif _is_memory(error):
                images = "{} images of {} x {} pixels".format(config.batch_size, *config.image_size)
                what = f"out of memory: a batch of {images} does not fit; lower batch_size or size"
                ending = MemoryError(f"{what}; {last_good(saved)}.")
            elif _is_silent_worker(error):
                what = f"a process that prepares images died or does not answer ({_line(error)})"
                ending = RuntimeError(
                    f"{what}: lower workers, now {config.workers}; {last_good(saved)}."
                )
            elif sentence := _from_worker(error):
                ending = type(error)(sentence)
            else:
                raise
            # What the loop held is let go: its bar closes, and a notebook has the memory for a
            # smaller batch.
            traceback.clear_frames(frames)
        raise ending

    return told


def _is_silent_worker(error: Exception) -> bool:
    words = r"DataLoader (timed out|worker .*(killed by signal|exited unexpectedly))"
    return isinstance(error, RuntimeError) and bool(re.search(words, str(error)))


def _from_worker(error: Exception) -> str | None:
    """The sentence that a worker ended with, which comes with its traceback, the sentence last;
    None where it is no sentence of this kind: then the traceback is worth having.
    """
    caught = re.match(r"Caught (\S+) in DataLoader worker process", str(error))
    if not caught or not isinstance(error, ValueError | OSError):
        return None
    *_, sentence = re.split(rf"^(?:\w+\.)*{caught[1]}: ", str(error), flags=re.MULTILINE)
    return None if sentence == str(error) else " ".join(sentence.split())


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def _is_memory(error: Exception) -> bool:
    # torch has an exception for GPUs alone; its CPU allocator, oneDNN, cuBLAS and the C++ library
    # say it in words.
    words = (
        "out of memory|allocate memory|not enough memory|ALLOC_FAILED|bad_alloc"
        "|could not create a (primitive|memory)"
    )
    if isinstance(error, RuntimeError | OSError):
        return isinstance(error, torch.OutOfMemoryError) or bool(re.search(words, str(error)))
    return isinstance(error, MemoryError)
