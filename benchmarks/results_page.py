"""RESULTS.md is a page of sections, one a benchmark; each benchmark writes its own."""

import os
import platform
import re
from pathlib import Path

import torch

from effdet_lite.files import whole_file

PAGE = Path(__file__).with_name("RESULTS.md")
TITLE = "# Benchmarks\n"


def with_section(page: str, section: str) -> str:
    """The page with a section in the place of the one of the same heading, or at the end.

    section: Markdown that begins with its heading, "## …"; the other sections stay as they are.
    Raises ValueError for a section without one heading of this level at its beginning.
    """
    parts = _parts(section)
    if len(parts) != 2 or parts[0].strip():
        raise ValueError(
            "a section is one heading '## …' and what stands below it, not "
            f"{section[:40]!r} with {len(parts) - 1} such headings."
        )
    new = parts[1]
    before, *sections = _parts(page or TITLE)
    headings = [_heading(one) for one in sections]
    if _heading(new) in headings:
        sections[headings.index(_heading(new))] = new
    else:
        sections.append(new)
    return "\n\n".join(one.strip() for one in [before, *sections]) + "\n"


def write_section(section: str, path: Path = PAGE) -> None:
    """Put a section on the page at `path`; see `with_section`."""
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    page = with_section(page, section)
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def describe_machine() -> str:
    """The processor, the system, and the versions of Python and torch, without a date."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":")[1].strip() for line in lines if "model name" in line]
        cpu = names[0] if names else cpu
    return (
        f"{cpu}, {os.cpu_count()} cores, {torch.get_num_threads()} threads; {platform.system()}; "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def _parts(page: str) -> list[str]:
    """What stands before the first heading "## …", and each section with its heading."""
    return re.split(r"^(?=## )", page, flags=re.MULTILINE)


def _heading(section: str) -> str:
    return section.strip().splitlines()[0].strip()
