"""The guide for teachers follows the notebooks: the minutes of its table "At a glance"."""

from effdet_lite.files import whole_file
from effdet_lite.teach.kit.minutes import exercise_minutes

import re
from pathlib import Path

from proofreading.minutes import stated_minutes
from proofreading.pages import Page


def write_guide(guide: Path, page: Page) -> None:
    """Put the minutes that a notebook prints, and its exercises', into its row of the table. A guide without that
    row, or without a change, is left alone.
    """
    minutes = stated_minutes(page)
    exercises = sum(exercise_minutes("\n\n".join(source for _, source in page.markdown())).values())
    before = guide.read_text(encoding="utf-8")
    row = rf"^(\| {re.escape(page.path.stem)} \|) \d+ \| \d+ \|"
    after = re.sub(row, rf"\g<1> {minutes} | {exercises} |", before, flags=re.MULTILINE)
    if minutes is not None and after != before:
        with whole_file(guide) as temporary:
            temporary.write_text(after, encoding="utf-8")
