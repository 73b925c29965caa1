"""The command `effdet-lite kit`: from its options to a kit, and to what people do with it."""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from effdet_lite.course import PUBLISHED
from effdet_lite.places import course_folder, expanded
from effdet_lite.stick.making import Sources, make_kit


def bring_kit(
    options: argparse.Namespace,
    cells: Callable[[], Path],
    weights: Callable[[str], Path],
    runtime: Callable[[], Path],
) -> Iterator[str]:
    """Make the kit that the options ask for, and tell about it, line by line.

    cells: brings the blood cells; weights: brings the published weights of a name; runtime: brings
    what runs a detector in a page. Raises what `make_kit` does, and ValueError for a --site that is
    none.
    """
    site = options.site
    if site is not None and not (site / "index.html").is_file():
        raise ValueError(f"{site} has no index.html: pass the folder that `effdet-lite site` made.")
    published = {name: partial(weights, name) for name in PUBLISHED}
    made = make_kit(
        expanded(options.folder),
        Sources(course_folder(), cells, published, site, runtime),
        systems=options.systems,
        pythons=options.python,
        torch=options.torch,
        without=options.without,
    )
    if made.missing:
        more = f" ({len(made.missing) - 1} more like it)" if len(made.missing) > 1 else ""
        yield f"Laptops need a Python of their own. Not in the kit is {made.missing[0]}{more}"
    if made.no_runtime:
        yield f"Laptops cannot make a page of a detector: {made.no_runtime}"
    yield f"{made.folder} holds {made.size / 1e9:.2f} GB. On a laptop, from the stick:"
    yield "  Windows        powershell -ExecutionPolicy ByPass -File E:\\install.ps1"
    yield "  macOS, Linux   sh install.sh"
    yield "For the room:"
    serve = "uv run --no-project python -m http.server"
    yield f"  {serve} --bind ADDRESS --directory {made.folder} 8000"
