"""What the command and its console say to one another: lines, names, the last word, Ctrl-C."""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """While libraries are loaded, Ctrl-C ends the process, for there is nothing to tidy up yet.

    A KeyboardInterrupt would be swallowed by some of them, and told as an error by others.
    """

    def stop(number, frame):
        os.write(2, b"effdet-lite: stopped.\n")
        os._exit(130)

    # Only the main thread may say what a signal does, and another program's word on it stays.
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def show_any_text() -> None:
    """Let a console show what it has no letters for as \\u03d5: what was done was done, and a name
    that cannot be printed is no reason to fail.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(words: str) -> None:
    """Print a line, and never fail for who reads it."""
    try:
        print(words, flush=True)
    except BrokenPipeError:  # the reader, `head` for instance, has left, and that is no failure
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def stop_with(status: int, words: str) -> NoReturn:
    """End the process with a status, and the reason on one line."""
    print(f"effdet-lite: {' '.join(words.split())}", file=sys.stderr)
    sys.exit(status)


def counted(count: int, thing: str, things: str | None = None) -> str:
    """1 photo, 2 photos; `things`: where the plural is more than an s."""
    return f"{count} {thing if count == 1 else things or f'{thing}s'}"


def first_of(paths: Sequence[Path], most: int = 5) -> str:
    """The first paths of a list, and how many more there are."""
    shown = ", ".join(str(path) for path in paths[:most])
    return shown + (f" and {len(paths) - most} more" if len(paths) > most else "")


def figures(last: dict) -> str:
    """The figures of a training's last row, in a sentence."""
    if "ap" not in last:
        return "not tested, as asked."
    if last["ap"] != last["ap"]:  # nan
        return "AP nan, for the test images hold no object that could be found."
    return (
        f"AP {last['ap']:.3f}, AP50 {last['ap50']:.3f}, AP75 {last['ap75']:.3f} on the test images."
    )
