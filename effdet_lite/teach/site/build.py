"""`effdet-lite site`: every notebook, the notation, the claims and the guide as pages in a folder.

They open by a double click, without Python and without a network, and ask for nothing outside
their folder.
"""

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import nbformat
from tqdm.auto import tqdm

from effdet_lite.download import DownloadError
from effdet_lite.files import whole_folder
from effdet_lite.places import course_folder
from effdet_lite.teach.kit.minutes import minutes_of_course
from effdet_lite.teach.site import search
from effdet_lite.teach.site.detectors import PHIS, name_of, page_with_detectors
from effdet_lite.teach.site.detectors import SOURCE as DETECTORS_SOURCE
from effdet_lite.teach.site.exercises import add_forms
from effdet_lite.teach.site.explorers import add_explorers
from effdet_lite.teach.site.export import (
    FOLDER,
    PageExporter,
    link_of,
    pictures_to_files,
    texts_as_html,
)
from effdet_lite.teach.site.frames import MOST
from effdet_lite.teach.site.guesses import add_guesses
from effdet_lite.teach.site.inference import LIVE, write_networks
from effdet_lite.teach.site.live import write_tables
from effdet_lite.teach.site.markdown import Markdown
from effdet_lite.teach.site.pads import pads_of, write_modules
from effdet_lite.teach.site.pages import Pages, page_of, relative
from effdet_lite.teach.site.running import draw, frames_needed
from effdet_lite.teach.site.stored import prepared, read, title_of

PICTURE = re.compile(r"^!\[[^\]]+\]\([^)]+\)$", re.MULTILINE)  # the README's, with its words
NOTEBOOKS = "notebooks/[0-9][0-9]_*.ipynb"
SCRIPTS = ("static/answers.js", "static/explorers.js")
CONTENTS = """# EfficientDet, piece by piece

From the cost of one convolution to a detector that you trained on your own computer: the course
as pages. They need no Python and no network.

{picture}

## Notebooks

{notebooks}

## Around them

{detectors}- [{notation}](notebooks/NOTATION.md): every symbol and every term
- [{claims}](notebooks/CLAIMS.md): what the article says, and what we measured
- [{guide}](notebooks/INSTRUCTOR.md): plans, and sheets to print
- [The course itself](README.md): how to run it, and change every cell

## What works here, and what does not

Outputs are stored: they are what each cell printed and drew when it ran last. {explorers}
{no_detectors}
Exercises whose answer is a number check it. Guesses stay in this browser and stand beside the
answers. Code does not run here. To run it, open the course in
JupyterLab: [how to set it up](notebooks/workshop/SETUP.md).
"""
MOVING = (
    "The controls of explorers move. Twelve explorers compute in the page, among them all with a "
    "sheet to click or drag on; {networks}the rest have pictures that Python drew, some at fewer "
    "settings than in JupyterLab."
)
ANSWERED = "in two of notebook 00, detectors answer; "
STILL = "Six explorers compute in the page; the others stand still."
DETECTORS = (
    '- <a href="detectors.html">Four sizes of one detector</a>: they run in the page, on drawings '
    "and on pictures of yours\n"
)
NO_DETECTORS = (
    "Detectors do not run here, and two explorers of notebook 00 stand still: whoever made these "
    "pages had no onnxruntime-web to run them."
)
IN_NOTEBOOKS = {"00": ("shapes", "bccd")}  # detectors that answer explorers


class Site:
    """The site in the making.

    folder: where it is written. course: the folder of what it is made from. drawn: the folder with
    the explorers' frames. detectors: their page and the scripts
    that it needs, or None.
    """

    def __init__(self, folder: Path, course: Path, drawn: Path, detectors: tuple | None = None):
        self.folder, self.course, self.drawn = folder, course, drawn
        self.detectors = detectors
        self.pages = Pages(course)
        self.exporter = PageExporter()
        self.titles: dict[PurePosixPath, str] = {}
        self.index: list[search.Entry] = []

    def write(self) -> None:
        """Write every page, and what pages share."""
        contents = self._contents()
        self._write(PurePosixPath("index.md"), contents)
        if self.detectors:
            self._write(DETECTORS_SOURCE, *self.detectors)
        bar = tqdm(total=len(self.pages.found), desc="pages", unit="page")
        with bar:
            for source in self.pages:
                self._write(source, read(self.course / source))
                bar.total = len(self.pages.found)
                bar.update()
        for name in self.pages.copied:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.course / name, self.folder / name)
        static = shutil.copytree(FOLDER / "static", self.folder / "static")
        write_tables(self.folder)
        write_modules(self.folder)
        (static / "search.js").write_text(search.script(self.index), encoding="utf-8")

    def _write(
        self, source: PurePosixPath, notebook: nbformat.NotebookNode, scripts: Sequence[str] = ()
    ) -> None:
        """The page of this source, with these scripts and those of a notebook."""
        page = page_of(source)
        title = title_of("\n".join(one.source for one in notebook.cells[:1])) or source.name
        prepared(notebook)
        is_notebook = source.suffix == ".ipynb"
        if is_notebook:
            add_forms(notebook)
            has_guesses = add_guesses(notebook)
            frames = add_explorers(notebook, page, self.drawn, self.folder)
            guesses = ("static/numbers.js", "static/guesses.js") if has_guesses else ()
            scripts = list(dict.fromkeys((*SCRIPTS, *map(str, frames), *guesses)))
        headings = texts_as_html(notebook, Markdown(lambda url: self.pages.link(source, url)))
        before, behind = (self._neighbor(source, one) for one in self.pages.neighbors(source))
        solutions = PurePosixPath("notebooks/solutions") / f"{source.name[:2]}.py"
        has_solutions = is_notebook and solutions in self.pages.found
        about = {
            "title": title,
            "root": "../" * (len(page.parts) - 1),
            "headings": [one for one in headings if one.level == 2],
            "scripts": scripts,
            "before": before,
            "behind": behind,
            "solutions": link_of(source, solutions) if has_solutions else "",
        }
        markup = pictures_to_files(self.exporter.page(notebook, about), page, self.folder)
        self.index += search.entries(relative(PurePosixPath(), page), title, markup)
        (self.folder / page).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / page).write_text(markup, encoding="utf-8")

    def _neighbor(self, source: PurePosixPath, other: PurePosixPath | None) -> dict | None:
        return other and {"link": link_of(source, other), "title": self._title(other)}

    def _title(self, source: PurePosixPath) -> str:
        if source not in self.titles:
            self.titles[source] = title_of(read(self.course / source).cells[0].source)
        return self.titles[source]

    def _contents(self) -> nbformat.NotebookNode:
        """The page that the site opens with."""
        rows, minutes = [], minutes_of_course()
        for source in self.pages.order:
            if source.suffix == ".ipynb":
                own, exercises = minutes[source.name[:2]]
                words = f"{own} minutes, and {exercises} for the exercises"
                rows.append(f"- [{self._title(source)}]({source})<br>{words}")
        picture = PICTURE.search((self.course / "README.md").read_text(encoding="utf-8"))
        titles = {
            name.lower(): self._title(PurePosixPath(f"notebooks/{file}.md"))
            for name, file in [
                ("notation", "NOTATION"),
                ("claims", "CLAIMS"),
                ("guide", "INSTRUCTOR"),
            ]
        }
        text = CONTENTS.format(
            picture=picture[0] if picture else "",
            notebooks="\n".join(rows),
            explorers=self._what_moves(),
            detectors=DETECTORS if self.detectors else "",
            no_detectors="" if self.detectors else NO_DETECTORS,
            **titles,
        )
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])

    def _what_moves(self) -> str:
        """A sentence about the explorers."""
        if not any(self.drawn.iterdir()):
            return STILL
        return MOVING.format(networks=ANSWERED if self.detectors else "")


def build_site(
    output: str | Path,
    *,
    explorers: Sequence[str] | None = None,
    most: int = MOST,
    detectors: Sequence[int] = PHIS,
) -> list[str]:
    """Write the site into the folder `output`, which is made where it is missing.

    explorers: the numbers of the notebooks whose explorers move, ("03", "05") for instance; by
    default all. The others stand still. most: settings that an explorer has. detectors: the phi of
    those that run in a page. Returns a sentence about each notebook whose explorers could not be
    drawn, and about detectors that cannot run.

    Raises WriteError where `output` is a file, or a folder that is not empty; ValueError for a link
    in the course that leads to nothing.
    """
    course = course_folder()
    with whole_folder(output) as folder, tempfile.TemporaryDirectory() as drawn:
        live, notes = _write_detectors(folder, detectors, explorers)
        notes += _draw_explorers(course, Path(drawn), explorers, most)
        Site(folder, course, Path(drawn), live).write()
    return notes


def _write_detectors(
    folder: Path, phis: Sequence[int], numbers: Sequence[str] | None
) -> tuple[tuple | None, list[str]]:
    """Write the detectors of these phi, and those of these notebooks' explorers, with a bar.
    Returns the page of the former, None where there is none, and why.
    """
    names = [name_of(phi) for phi in phis]
    for number, own in IN_NOTEBOOKS.items():
        names += own if numbers is None or number in numbers else ()
    if not names:
        return None, []
    with tqdm(total=len(names), desc="detectors", unit="network") as bar:
        try:
            write_networks(folder, names, bar.update)
        except (ImportError, DownloadError) as error:
            shutil.rmtree(folder / LIVE, ignore_errors=True)
            return None, [f"No detector runs in the site: {error}"]
    return page_with_detectors(phis) if phis else None, []


def _draw_explorers(
    course: Path, drawn: Path, numbers: Sequence[str] | None, most: int
) -> list[str]:
    """Draw the frames of these notebooks' explorers, with a bar."""
    found = {}
    for path in sorted(course.glob(NOTEBOOKS)):
        notebook = read(path)
        found[path] = [*frames_needed(notebook), *pads_of(notebook)]
    chosen = [
        path
        for path, places in found.items()
        if places and (numbers is None or path.name[:2] in numbers)
    ]
    if not chosen:
        return []
    total = sum(len(found[path]) for path in chosen)
    frames = []
    with tqdm(total=total, desc="explorers", unit="explorer") as bar:

        def tell(number: int) -> None:
            frames.append(number)
            bar.set_postfix_str(f"{sum(frames)} pictures", refresh=False)
            bar.update()

        return draw(chosen, drawn, tell, most)
