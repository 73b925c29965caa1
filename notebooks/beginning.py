"""The files that a new notebook begins with: `python notebooks/store.py new 11 "Quantization"`."""

import re
import unicodedata
from pathlib import Path

import nbformat

OPENING = """# {number} · {title}

Open with something to want: a picture, a surprise, or a small failure that this notebook resolves.

**By the end** you will be able to do something, in a sentence that says what. All terms stand in the
[notation](NOTATION.md).

*5 minutes · builds on 07 (the whole detector) · no GPU, no network*"""

PICTURE = """from effdet_lite.teach.kit.checks import check
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import STYLE, new_figure

import matplotlib

matplotlib.rcParams.update(STYLE)
figure, axes = new_figure(width=5, height=3)
axis = axes[0, 0]
axis.plot([0, 1], [0, 1])
axis.set(xlabel="what is changed (unit)", ylabel="what comes of it (unit)")
axis.set_title("The finding, as a sentence")
show(figure, "The finding in words, for those who cannot see the picture")"""

SECTION = """## 1. The question that this section answers

Question → guess → the smallest experiment → what we saw → the rule in words → the formula."""

EXERCISE = """**{name}** ({minutes} minutes) What is asked here?"""

FOUND = """table(["", "measured here"], [["what was measured", "with its spread"]])"""

CLOSING = """What you can do now that you could not do before, and one sentence that leads to the next notebook.

## References

- Authors: *Title*, [arXiv 0000.00000](https://arxiv.org/abs/0000.00000)."""

EXERCISES = '''"""The exercises of notebook {two}: right answers, wrong ones that people give, and a hint for each."""

from effdet_lite.teach.kit.checks import Exercise

EXERCISES = {{
{entries}}}
'''

ENTRY = """    "{name}": Exercise(
        {right},
        [
            ({right} + 1, "the hint for whoever counts one too many."),
            ({right} - 1, "the hint for whoever counts one too few."),
            (2 * {right}, "the hint for whoever counts each twice."),
        ],
        "the hint for any other answer.",
    ),
"""

SOLUTIONS = '''"""The solutions of notebook {two}; each takes the place of what stands above `check(...)`."""
{sections}'''

EXPLORERS = '''"""The explorers and drawings of notebook {two}."""
'''


def new_notebook(notebooks: Path, number: int, title: str) -> list[Path]:
    """Write a notebook that holds to every rule and still says nothing, its exercises, their solutions
    and the module for its explorers. Returns the four files.

    Raises ValueError where the number or the title does not do, and FileExistsError where one of the
    files, or another notebook of this number, is there: nothing is overwritten.
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()  # é becomes e
    name = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    if not 0 <= number <= 99:
        raise ValueError(f"a notebook's number has two digits, so it is one of 0 to 99, not {number}.")
    if not name or not title.isprintable():
        raise ValueError(f"the title {title!r} gives no file name: use one line, with a letter from a to z in it.")
    two = f"{number:02}"
    names = [f"{two}.{index}" for index in (1, 2, 3)]
    texts = {
        notebooks / f"{two}_{name}.ipynb": nbformat.writes(_notebook(number, title, names)) + "\n",
        notebooks / "exercises" / f"{two}.py": EXERCISES.format(
            two=two, entries="".join(ENTRY.format(name=one, right=20 + index) for index, one in enumerate(names))
        ),
        notebooks / "solutions" / f"{two}.py": SOLUTIONS.format(
            two=two, sections="".join(f"\n# %% {one}\nanswer = {20 + index}\n" for index, one in enumerate(names))
        ),
        notebooks.parent / "effdet_lite" / "teach" / "nb" / f"n{two}_{name}.py": EXPLORERS.format(two=two),
    }
    taken = [*notebooks.glob(f"{two}_*.ipynb"), *(path for path in texts if path.exists())]
    if taken:
        raise FileExistsError(f"{taken[0]} is there already: choose another number.")
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def _notebook(number: int, title: str, names: list[str]) -> nbformat.NotebookNode:
    """The cells of a new notebook that has not run yet."""
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    cells = [markdown(OPENING.format(number=number, title=title)), code(PICTURE), markdown(SECTION)]
    cells.append(markdown("## Exercises"))
    for name in names:
        cells.append(markdown(EXERCISE.format(name=name, minutes=4)))
        cells.append(code(f'answer = None\ncheck("{name}", answer)'))
    cells += [markdown("## What we found"), code(FOUND), markdown(CLOSING)]
    for index, cell in enumerate(cells):
        cell["id"] = f"c{index:02}"
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def steps(notebooks: Path) -> list[str]:
    """The steps to a new notebook that notebooks/README.md lists, from the second one on: the first is
    this command.
    """
    page = (notebooks / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^\d+\. (.+(?:\n {3,}.+)*)", page, re.MULTILINE)
    return [re.sub(r"\s+", " ", step) for step in found[1:]]
