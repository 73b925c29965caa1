"""Blood cells, published weights and the runtime of a detector's page, brought to this machine, for
the commands that fetch them.

What loads torch does so first. A Ctrl-C meanwhile stops the command at once, before anything is
written.
"""

import sys
from functools import partial
from pathlib import Path

from effdet_lite.console import say, stopping_at_once
from effdet_lite.course import PUBLISHED
from effdet_lite.page.runtime import NoNpmError, runtime_archive


def fetch_everything() -> None:
    """Bring all that the course can make use of, and tell of each part where it is. What is there
    already is kept.

    Raises ValueError, in one sentence, for what could not be fetched; the rest is there then.
    """
    wanted = {"blood cells": fetch_cells}
    wanted |= {name: partial(fetch_weights, name) for name in PUBLISHED}
    wanted["onnxruntime-web"] = fetch_runtime
    failed = []
    for name, bring in wanted.items():
        try:
            say(f"{name}: in {bring()}")
        except (
            NoNpmError
        ) as error:  # another try would not help, and one exercise alone asks for it
            print(f"{name}: {error}", file=sys.stderr)
        except (OSError, ValueError) as error:
            failed.append(name)  # what can be fetched is worth having without the rest
            print(f"{name}: {error}", file=sys.stderr)
    if failed:
        raise ValueError(
            f"{', '.join(failed)} could not be fetched: try again, the same command keeps what is "
            "there."
        )


def fetch_cells(folder: Path | None = None) -> Path:
    """Bring the blood cells into a folder, by default where the package looks for them."""
    with stopping_at_once():
        from effdet_lite.data import bccd

    return bccd.fetch_cells(folder)


def fetch_weights(name: str) -> Path:
    """Bring the published weights of this name, checked, into the cache folder."""
    with stopping_at_once():
        from effdet_lite.pretrained import fetch, published_url

    return fetch(published_url(name))


def fetch_runtime() -> Path:
    """Bring what runs a detector in a page, checked, into the cache folder."""
    return runtime_archive()
