"""Blood cells and published weights, brought to this machine, for the commands that fetch them.

Both load torch first. A Ctrl-C meanwhile stops the command at once, before anything is written.
"""

from pathlib import Path

from effdet_lite.console import stopping_at_once


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
