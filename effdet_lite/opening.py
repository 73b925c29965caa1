"""Open the course in JupyterLab, at its first notebook: `effdet-lite lab`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from effdet_lite.places import course_folder


def open_lab(rest: Sequence[str]) -> None:
    """Run JupyterLab in the course's folder until it is stopped.

    rest: options of JupyterLab's own. Raises FileNotFoundError outside a checkout.
    """
    from jupyterlab.labapp import LabApp

    root = hasattr(os, "geteuid") and os.geteuid() == 0
    shown_by = ("DISPLAY", "WAYLAND_DISPLAY")
    display = not sys.platform.startswith("linux") or any(map(os.environ.get, shown_by))
    LabApp.launch_instance(lab_arguments(course_folder(), rest, root=root, display=display))


def lab_arguments(course: Path, rest: Sequence[str], *, root: bool, display: bool) -> list[str]:
    """JupyterLab's arguments to open the course; `root`: is the user root, `display`: can a browser
    be shown.
    """
    first = next(iter(sorted(course.glob("notebooks/[0-9]*.ipynb"))), course / "README.md")
    arguments = [
        f"--ServerApp.root_dir={course}",
        f"--LabApp.default_url=/lab/tree/{quote(first.relative_to(course).as_posix())}",
    ]
    if not any(option.startswith(("--ip", "--ServerApp.ip")) for option in rest):
        # The learner's own machine, whatever a configuration file says.
        arguments.append("--ip=127.0.0.1")
    if root:
        arguments.append("--allow-root")
    if not display:
        arguments.append("--no-browser")  # JupyterLab then prints the URL
    return [*arguments, *rest]
