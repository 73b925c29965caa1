"""What can be checked of a notebook without running it: results in its prose, terms, minutes, cells, guesses.

`python notebooks/store.py --look 01` prints what is found; the tests hold the notebooks of REWRITTEN to it. These
checks guard the writing and never shape it: what they cannot place gets a line in `allowed.json`, with its reason.
"""

from pathlib import Path

from proofreading.asked import stale_guesses
from proofreading.cells import blocks_of_imports, explorers_without_task
from proofreading.minutes import wrong_minutes
from proofreading.pages import read
from proofreading.results import stale_results
from proofreading.terms import early_terms

# A notebook joins this list when it has been rewritten.
REWRITTEN: list[str] = ["00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10"]


def look(path: Path) -> list[str]:
    """What is found in the notebook in this file, a sentence each."""
    page = read(path)
    minutes = wrong_minutes(page)
    return [
        *map(str, stale_results(page)),
        *map(str, early_terms(page)),
        *([minutes] if minutes else []),
        *blocks_of_imports(page),
        *explorers_without_task(page),
        *stale_guesses(page),
    ]
