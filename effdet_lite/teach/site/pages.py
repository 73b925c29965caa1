"""Which pages there are, and how they link to one another and to files of the course.

Each page lies where its source lies in the course, with .html at its end, so a relative link stays
as it is but for that.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

TEXTS = ("notebooks/NOTATION.md", "notebooks/CLAIMS.md", "notebooks/INSTRUCTOR.md", "README.md")
READABLE = {".ipynb", ".md", ".py", ".cff", ".toml", ".yml"}  # anything else is copied


class Pages:
    """The pages of a site, and the files that they need beside them.

    course: the course's folder. order: the sources of the pages that a reader goes through, one
    after the other, as paths inside the course. A page that is only linked to is found on the way.
    """

    def __init__(self, course: Path):
        self.course = course
        notebooks = sorted(course.glob("notebooks/[0-9][0-9]_*.ipynb"))
        self.order = [PurePosixPath(path.relative_to(course).as_posix()) for path in notebooks]
        self.order += [PurePosixPath(name) for name in TEXTS]
        solutions = [PurePosixPath(f"notebooks/solutions/{one.name[:2]}.py") for one in self.order]
        self.found = [*self.order, *(path for path in solutions if (course / path).is_file())]
        self.copied: list[PurePosixPath] = []

    def __iter__(self) -> Iterator[PurePosixPath]:
        """Every page, also those that are found while one goes through them."""
        place = 0
        while place < len(self.found):
            yield self.found[place]
            place += 1

    def link(self, source: PurePosixPath, url: str) -> str:
        """What a link to `url` on the page of `source` is on its page of the site.

        Raises ValueError where it leads to nothing.
        """
        parts = urlsplit(url)
        if parts.scheme or parts.netloc or not parts.path:
            return url
        there = os.path.normpath(self.course / source.parent / unquote(parts.path))
        target = PurePosixPath(Path(os.path.relpath(there, self.course)).as_posix())
        if target.parts[0] == ".." or not (self.course / target).is_file():
            raise ValueError(f"{source} links to {url}, and there is no such file in the course.")
        known = self.found if target.suffix in READABLE else self.copied
        if target not in known:
            known.append(target)
        there = page_of(target) if target.suffix in READABLE else target
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        return relative(page_of(source), there) + fragment

    def neighbors(self, source: PurePosixPath) -> tuple[PurePosixPath | None, PurePosixPath | None]:
        """The pages before and behind this one, where it is one that is gone through."""
        if source not in self.order:
            return None, None
        place = self.order.index(source)
        return self.order[place - 1] if place else None, next(iter(self.order[place + 1 :]), None)


def page_of(source: PurePosixPath) -> PurePosixPath:
    """Where the page of this file lies in the site."""
    if source.suffix in {".ipynb", ".md"}:
        return source.with_suffix(".html")
    return source.with_name(f"{source.name}.html")


def relative(page: PurePosixPath, target: PurePosixPath) -> str:
    """The link from one file of the site to another."""
    return quote(Path(os.path.relpath(target, page.parent)).as_posix())
