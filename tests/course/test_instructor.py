"""The page for teachers: whatever it names exists, its plans add up, and no exercise is left out.

Oracles: the notebooks' headings, exercises and stated minutes, the command's own parser, and the
package's source.
"""

import ast
import builtins
import re
from collections import Counter
from itertools import pairwise

import pytest
from lessons import NOTEBOOKS, ROOT, code_cells, exercise_cells, number, read
from proofreading import pages
from proofreading.minutes import GUESS, KEPT, Reading, reading
from proofreading.words import count_words

from effdet_lite import cli
from effdet_lite.teach.kit.minutes import exercise_minutes, printed_minutes
from effdet_lite.teach.site.names import Names

PAGE = (ROOT / "notebooks" / "INSTRUCTOR.md").read_text(encoding="utf-8")
SHEETS = sorted((ROOT / "notebooks" / "workshop").glob("*.md"))
NOT_YET = set(
    re.findall(r"`(\w+)`", PAGE.partition("Not yet in this guide:")[2].partition("\n")[0])
)
COVERED = {number(path): read(path) for path in NOTEBOOKS if path.stem not in NOT_YET}
EXERCISE = re.compile(r"\b\d\d\.\d\b")
PLANS = {"90 minutes": 90, "Half a day": 4 * 60, "Two evenings": 2 * 150, "A day": 7 * 60}
# Terms that no exercise explains again: a plan with such an exercise needs a section that does.
TERMS = (
    "MAC",
    "depthwise",
    "depthwise-separable",
    "image pyramid",
    "lateral",
    "node",
    "BiFPN",
    "anchors",
    "scale",
    "IoU",
    "box head",
    "NMS",
    "prior",
    "α, β and γ",
)


def part(heading):
    """What stands below this heading, down to the next one."""
    return re.split(
        r"^#+ ", re.split(rf"^#+ (?:\d\. )?{re.escape(heading)}$", PAGE, flags=re.M)[1], flags=re.M
    )[0]


def rows(text):
    """The body of each table in the text, cell by cell."""
    lines = [
        [cell.strip() for cell in line.strip()[1:-1].split("|")]
        for line in text.splitlines()
        if line[:1] == "|"
    ]
    rules = {index for index, (first, *_) in enumerate(lines) if set(first) == {"-"}}
    return [row for index, row in enumerate(lines) if not {index, index + 1} & rules]


def texts(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def headings(notebook):
    """Each heading, without its number."""
    return {
        found.strip()
        for text in texts(notebook)
        for found in re.findall(r"^#+ (?:\d+(?:\.| ·) )?(.+)$", text, flags=re.MULTILINE)
    }


def minutes(notebook):
    """(of the notebook, of each of its exercises), as the notebook states them."""
    own = next(filter(None, map(printed_minutes, texts(notebook))))
    return own, exercise_minutes("\n\n".join(texts(notebook)))


EXERCISE_MINUTES = {
    name: time for notebook in COVERED.values() for name, time in minutes(notebook)[1].items()
}


def test_each_notebook_has_its_row_with_its_own_minutes():
    table = {
        name: (int(own), int(exercises)) for name, own, exercises, *_ in rows(part("At a glance"))
    }
    expected = {}
    for path in NOTEBOOKS:
        if path.stem not in NOT_YET:
            own, exercises = minutes(COVERED[number(path)])
            expected[path.stem] = own, sum(exercises.values())
    assert table == expected


def test_each_exercise_has_its_row_with_its_minutes_and_one_question():
    table = rows(part("Exercises: what goes wrong, and what to ask"))
    assert [name for name, *_ in table] == [
        name for notebook in COVERED.values() for name, _ in exercise_cells(notebook)
    ]
    for name, time, mistake, question in table:
        assert int(time) == EXERCISE_MINUTES[name], name
        assert mistake, name
        assert question.count("?") == 1, name
        assert question.endswith("?"), name
    assert set(EXERCISE.findall(PAGE)) <= set(EXERCISE_MINUTES)


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_adds_up(name):
    now = 0
    for start, duration, where, exercises, *_ in rows(part(name)):
        assert int(start) == now, where
        now += int(duration)
        assert sum(EXERCISE_MINUTES[one] for one in EXERCISE.findall(exercises)) < int(duration), (
            where
        )
        assert {one[:2] for one in EXERCISE.findall(exercises)} <= {where[:2]}
    assert now == PLANS[name]


def sections_of(path):
    """(minutes of each section by its heading, the terms that it explains), by the rule of
    `proofreading.minutes`; "" is the opening, with the machine's minutes of the whole core path.
    """
    page = pages.read(path)
    words, lines, guesses, explained, at, here = Counter(), Counter(), Counter(), {}, {}, ""
    for sentence, section in page.sentences():
        at[sentence.cell] = pages.NUMBER_OF_SECTION.sub("", section.whole)
        if section.part == "core":
            words[at[sentence.cell]] += count_words(sentence.text)
            bold = re.findall(r"\*\*([^*]+)\*\*", sentence.text)
            explained.setdefault(at[sentence.cell], set()).update(bold)
    parts, visible = page.parts(), dict(page.code())
    for place in range(len(page.notebook.cells)):
        here = at.get(place, here)
        if parts[place] == "core" and place in visible:
            source = visible[place].source
            lines[here] += sum(bool(line.strip()) for line in source.splitlines())
            guesses[here] += len(GUESS.findall(source))
    machine = {"": page.notebook.metadata[KEPT]["core"]}
    return {
        name: (
            Reading(words[name], lines[name], guesses[name], machine.get(name, 0)).minutes,
            explained.get(name, set()),
        )
        for name in words
    }


SECTIONS = {number(path): sections_of(path) for path in NOTEBOOKS}


def test_sections_add_up_to_the_notebook():
    for path in NOTEBOOKS:
        page = pages.read(path)
        whole = reading(page).minutes
        parts = [time for time, _ in SECTIONS[number(path)].values()]
        assert sum(parts) == pytest.approx(whole), path.name


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_keeps_a_tenth_in_hand(name):
    """Oracle: what the notebooks say of their own minutes, section by section."""
    needed = there = 0
    for _, duration, where, exercises, *_ in rows(part(name)):
        if not where:
            continue
        own = SECTIONS[where[:2]]
        named = ["", *re.findall(r"\*([^*]+)\*", where)]
        time = sum(own[section][0] for section in named if section in own)
        time += sum(EXERCISE_MINUTES[one] for one in EXERCISE.findall(exercises))
        assert time <= int(duration), f"{where}: {time:.0f} minutes in {duration}"
        needed, there = needed + time, there + int(duration)
    assert needed <= 0.9 * there, f"{needed:.0f} of {there} minutes"


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_begins_with_a_welcome_and_nobody_sits_for_longer_than_ninety_minutes(name):
    plan = rows(part(name))
    assert plan[0][4].startswith("welcome") and not plan[0][2]
    rests = {int(start) for start, *_, what, _ in plan if what in ("break", "lunch")}
    ends = [*rests, PLANS[name], *({150} if name == "Two evenings" else ())]
    starts = [int(start) + int(length) for start, length, *_ in plan if int(start) in rests]
    starts += [0, *({150} if name == "Two evenings" else ())]
    for start in starts:
        assert min(end for end in ends if end > start) - start <= 90, start


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_does_not_leave_a_training_without_its_end(name):
    """Notebook 08 trains sixty steps to an AP50 near 0, and says in a later section why."""
    (where,) = (where for _, _, where, *_ in rows(part(name)) if where[:2] == "08")
    opened, resolved = "From twelve lines to a real loop", "The time machine"
    assert {opened, resolved} <= set(re.findall(r"\*([^*]+)\*", where))
    texts_of_08 = "\n".join(texts(COVERED["08"]))
    assert "After sixty steps AP50 is near 0" in texts_of_08.partition(f". {resolved}\n")[2]


def test_no_page_gives_the_answers_away_before_the_guesses():
    """A figure draws its answer, whether somebody has guessed or not."""
    for path in (ROOT / "notebooks" / "INSTRUCTOR.md", *SHEETS):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "Run All Cells" in line:
                assert "Not *Run All Cells*" in line, f"{path.name}: {line}"
    for name in PLANS:
        assert "Run All" not in part(name)


def test_the_first_cell_that_all_run_needs_no_cell_above():
    """It stands at the end of notebook 00. Oracle: the names that its code reads."""
    (cell,) = (cell for cell in code_cells(COVERED["00"]) if "show_preflight()" in cell.source)
    names = Names()
    names.visit(ast.parse(cell.source))
    assert names.read <= set(dir(builtins))
    assert "it needs no cell above it" in PAGE


def test_what_doctor_printed_is_asked_for_in_any_case():
    """Silence would mean either that all is well or that nobody has tried."""
    setup = (ROOT / "notebooks" / "workshop" / "SETUP.md").read_text(encoding="utf-8")
    for text in (PAGE, setup):
        asked = re.search(r"Send (?:me what|your teacher all)[^.]*", text)[0]
        assert "also if all is well" in asked, asked
    assert "everybody who has not sent what `doctor` printed" in PAGE


def test_a_section_of_a_notebook_is_called_by_its_number_there():
    for path in (ROOT / "notebooks" / "INSTRUCTOR.md", *SHEETS):
        text = " ".join(path.read_text(encoding="utf-8").split())
        for said, section, notebook in re.findall(
            r"(?:\*([^*]+)\*, in )?section (\d+) of notebook (\d\d)", text
        ):
            parts = re.split(r"^## ", "\n\n".join(texts(COVERED[notebook])), flags=re.M)
            (body,) = (one for one in parts if one.startswith(f"{section}. "))
            assert not said or re.search(rf"^###? (?:\d+\. )?{said}$", body, re.M), said


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_has_the_sections_that_its_exercises_need(name):
    explained, asked = set(), {}
    for _, _, where, exercises, *_ in rows(part(name)):
        if where:
            own = SECTIONS[where[:2]]
            for section in ["", *re.findall(r"\*([^*]+)\*", where)]:
                explained |= own.get(section, (0, set()))[1]
            asked |= {one: COVERED[where[:2]] for one in EXERCISE.findall(exercises)}
    for one, notebook in asked.items():
        text = next(text for text in texts(notebook) if f"**{one}** (" in text)
        text = text.partition(f"**{one}** (")[2]
        for term in TERMS:
            if re.search(rf"(?<!\w){re.escape(term)}s?(?!\w)", text):
                assert term in explained, f"{one} asks about {term}"


def test_each_term_is_explained_somewhere():
    known = {term for own in SECTIONS.values() for _, terms in own.values() for term in terms}
    assert set(TERMS) <= known


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_ends_with_the_feedback_sheet(name):
    assert "(workshop/FEEDBACK.md)" in rows(part(name))[-1][4]


def test_the_sum_of_all_minutes():
    hours = sum(int(own) + int(more) for _, own, more, *_ in rows(part("At a glance"))) / 60
    (told,) = re.findall(r"All of it is about (\w+) hours", PAGE)
    names = ("nine", "ten", "eleven", "twelve")
    assert names.index(told) + 9 == round(hours)


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_names_sections_that_are_there(name):
    for _, _, where, *_ in rows(part(name)):
        if where:
            named = re.findall(r"\*([^*]+)\*", where)
            assert named, where
            assert set(named) <= headings(COVERED[where[:2]]), where


def test_the_day_stops_in_every_notebook():
    assert {where[:2] for _, _, where, *_ in rows(part("A day")) if where} == set(COVERED)


def test_seconds_of_machine_time_stand_in_one_table():
    table = rows(part("Machine time"))
    assert [name for name, *_ in table] == list(COVERED)
    for name, whole, slowest, where in table:
        if whole == "not yet measured":
            continue
        assert float(slowest) <= float(whole), name
        assert float(slowest) < 60, f"{name} promises that no cell takes longer than a minute"
        assert where in headings(COVERED[name]), where
    measured = {name for name, whole, *_ in table if whole != "not yet measured"}
    for name in set(COVERED) - measured:  # "took at most four minutes when it was last stored"
        assert sum(COVERED[name].metadata[KEPT].values()) <= 4, name
    assert not re.findall(r"\d (?:s|sec|seconds?)\b", PAGE), "a number of seconds outside the table"


def test_controls_to_show_are_labels_of_the_notebook():
    for where, *_ in rows(part("Gestures that work on a projector")):
        name, _, label = where.partition(": ")
        source = "".join(cell.source for cell in code_cells(COVERED[name]))
        shown_by = {"Stop": "LiveTraining", "learning rate": "RateTrials", "test": "Clinic"}.get(
            label
        )
        assert f'"{label}' in source or (shown_by and shown_by in source), where


def test_behind_each_explorer_stands_a_still_picture():
    for name, notebook in COVERED.items():
        cells = code_cells(notebook)
        for cell, after in pairwise(cells):
            if "Explorer(" in cell.source and cell.source.rstrip().endswith(".show()"):
                kinds = {kind for output in after.outputs for kind in output.get("data", {})}
                assert kinds & {"image/png", "image/jpeg"}, (name, cell.source)


def test_commands_are_known(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    known = set(re.findall(r"^ {4}(\w+) ", capsys.readouterr().out, flags=re.MULTILINE))
    pages = PAGE + "".join(path.read_text(encoding="utf-8") for path in SHEETS)
    named = set(re.findall(r"\beffdet-lite ([a-z]+)(?=[ `\n])", pages))
    assert {"lab", "doctor", "prefetch", "train", "detect", "progress"} <= named <= known


def test_variables_are_read_by_the_package():
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "effdet_lite").rglob("*.py")
    )
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", PAGE))
    assert {"EFFDET_LITE_BCCD", "EFFDET_LITE_CACHE"} <= named
    assert {name for name in named if f'"{name}"' not in source} == set()


def is_there(folder, page, target):
    """Is there the file of this link, and the heading? GitHub names a heading by its words:
    small letters, hyphens for spaces, no other signs.
    """
    name, _, anchor = target.partition("#")
    path = folder / name if name else page
    if not path.is_file() or not anchor:
        return path.is_file()
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.M)
    return anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_files_that_it_links_to_are_there():
    guide = ROOT / "notebooks" / "INSTRUCTOR.md"
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert is_there(guide.parent, guide, target), target
    assert (ROOT / "environment.yml").is_file()


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_each_sheet_is_linked_and_what_it_links_to_is_there(path):
    assert f"](workshop/{path.name})" in PAGE
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        assert target.startswith("https://") or is_there(path.parent, path, target), target


@pytest.mark.parametrize(
    "path", [ROOT / "notebooks" / "INSTRUCTOR.md", *SHEETS], ids=lambda path: path.stem
)
def test_what_is_typed_needs_nothing_that_a_laptop_may_lack(path):
    """Git: a ZIP and a stick bring no .git. Python: macOS and Ubuntu have no `python`."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if "git checkout" in line:
            assert "with git, `git checkout" in line and "without git" in line, line
        assert not re.match(r"`?python ", line) and "`python " not in line, line


def test_the_self_test_asks_what_it_answers():
    """The first two answers by Python, the others by their number."""
    text = (ROOT / "notebooks" / "workshop" / "QUESTIONS.md").read_text(encoding="utf-8")
    questions, _, answers = text.partition("<details>")
    (code,) = re.findall(r"```python\n(numbers.*?)```", questions, flags=re.DOTALL)
    printed = []
    exec(code, {"print": printed.append})
    assert f"1. {printed[0]}." in answers and f"= {32 * 32 * 3:,}." in answers
    asked = re.findall(r"^\*\*(\d)\.\*\*", questions, flags=re.MULTILINE)
    assert asked == re.findall(r"^(\d)\. ", answers, flags=re.MULTILINE) == list("12345")
