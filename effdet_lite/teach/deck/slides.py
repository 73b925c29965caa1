"""Which slides a notebook has.

The rule, on the core path alone ("Deeper:" stays out): a section begins with its heading and its
first sentences. Then come, in the notebook's order, the sentences that explain a term, the
formulas, the guesses, the pictures, the code that is the lesson itself, small tables, and what is
printed right after a guess. All text becomes speaker's notes, each paragraph once.

A cell that has a *Slide Type* (JupyterLab's, in its metadata) overrides the rule: "skip" leaves it
out, "notes" shows nothing of it, and any other one shows the whole cell, code included.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from nbformat import NotebookNode

from effdet_lite.teach.deck import bodies, reading, words
from effdet_lite.teach.deck.reading import Lesson, Section, Text

ON_ONE_SLIDE = 420  # characters of text
WITH_A_HEADING = 260
MOST_CODE = 23, 110  # lines and columns that can be read from the last row
MOST_PRINTED = 7, 78
ANSWERS = ("question", "the answer")
VERDICTS = ("claim", "verdict")


@dataclass
class Slide:
    """One slide. kind: names its looks. begins: whether a section begins here.

    about: the section, for the slide's foot. body: HTML. notes: Markdown, what the teacher says.
    """

    kind: str
    about: str
    body: str
    begins: bool = False
    notes: list[str] = field(default_factory=list)


def slides(lesson: Lesson) -> list[Slide]:
    """The slides of a notebook, in order."""
    found = []
    for section in lesson.of("opening", "core", "exercises", "found"):
        if section.part == "opening":
            found += _Core(section, _title(lesson)).slides()
        elif section.part == "core":
            found += _Core(section, _heading(section)).slides()
        elif section.part == "exercises":
            found += exercises(section)
        else:
            found += _Found(section, _heading(section)).slides()
    return found


def _title(lesson: Lesson) -> Slide:
    """The notebook's title, with what one will be able to do."""
    body = f"<h1>{bodies.inline(lesson.title)}</h1>"
    if lesson.aim:
        body += f'<p class="lead">{bodies.inline(words.lead([lesson.aim], most=240))}</p>'
    return Slide("title", f"Notebook {lesson.number}", body, begins=True)


def _heading(section: Section) -> Slide:
    """A section's heading, with its first sentences."""
    number = f"{section.number}. " if section.number else ""
    body = f"<h2>{number}{bodies.inline(section.title)}</h2>"
    if section.part == "core" and (lead := words.lead(section.texts)):
        body += f'<p class="lead">{bodies.inline(lead)}</p>'
    return Slide("section", section.title, body, begins=True)


class _Section:
    """The slides of one section, as they come. first: the slide that it begins with."""

    def __init__(self, section: Section, first: Slide):
        self.section = section
        self.found = [first]
        self.about = first.about if section.title == "" else section.title
        self.waiting: list[str] = []  # for the slide of words, until the next cell
        self.formulas: list[str] = []
        self.notes: list[str] = []

    def slides(self) -> list[Slide]:
        """All of them."""
        for piece in self.section.pieces:
            if isinstance(piece, Text):
                self.notes.append(piece.markdown)
                self.add_text(piece)
            else:
                self.add_cell(piece)
        self.flush()
        return self.found

    def add_text(self, text: Text) -> None:
        """Take up a paragraph."""
        raise NotImplementedError

    def add_cell(self, cell: NotebookNode) -> None:
        """Take up a cell of code."""
        raise NotImplementedError

    def add(self, kind: str, body: str) -> None:
        """Put a slide behind those that wait."""
        self.flush()
        self.found.append(Slide(kind, self.about, body))

    def flush(self) -> None:
        """Make slides of the words that wait. Notes go to the first of them; where there is none,
        to the slide before.
        """
        rules = "".join(f'<p class="rule">{bodies.inline(rule)}</p>' for rule in self.formulas)
        groups = list(in_slides(self.waiting))
        first = len(self.found)
        if groups and self._joins(groups[0]):
            self.found[-1].body += bodies.listed(groups.pop(0))
            first -= 1
        for group in groups:
            self.found.append(Slide(words_kind(group), self.about, bodies.listed(group)))
        if rules:
            self.found.append(Slide("formula", self.about, rules))
        self.found[min(first, len(self.found) - 1)].notes += self.notes
        self.waiting, self.formulas, self.notes = [], [], []

    def _joins(self, group: list[str]) -> bool:
        """Whether words have room below the heading that stands alone."""
        is_heading = self.found[-1].kind == "section" and "<li>" not in self.found[-1].body
        return is_heading and len(group) < 5 and sum(map(len, group)) <= WITH_A_HEADING


class _Core(_Section):
    """A section of the core path."""

    def __init__(self, section: Section, first: Slide):
        super().__init__(section, first)
        self.told = set(words.sentences(words.lead(section.texts)))  # in the heading
        self.task = ""  # of the next explorer
        self.announced = ""  # of the next table
        self.is_asked = False  # a guess waits for its answer

    def add_text(self, text: Text) -> None:
        """Its terms, rules and formulas."""
        self.task = words.task(text.markdown) or self.task
        self.announced = words.announces(text.markdown)
        if text.shown == "notes":
            return
        if text.shown:
            self.add("words", words.as_html(text.markdown))
            return
        keys = words.key_sentences(text.markdown)
        self.waiting += [key for key in keys if not self.told & set(words.sentences(key))]
        self.formulas += words.formulas(text.markdown)

    def add_cell(self, cell: NotebookNode) -> None:
        """Its guesses, code, pictures and results."""
        shown = reading.setting(cell)
        if shown == "notes" or reading.is_check(cell):
            return
        questions = reading.guesses(cell)
        for guess in questions:
            self.add("guess", bodies.asked(guess))
        if shown or is_the_lesson(cell):
            self.add("code", bodies.code(cell.source))
        pictures = reading.pictures(cell)
        for picture in pictures:
            self.add("picture", bodies.pictured(picture, self.task))
            self.task = ""
        if not questions and not pictures:
            self._results(cell, always=bool(shown))
        if questions:
            self.is_asked = True
        elif cell.outputs:
            self.is_asked, self.announced = False, ""

    def _results(self, cell: NotebookNode, *, always: bool) -> None:
        for table in filter(bodies.fits, reading.tables(cell)):
            self.add("table", bodies.tabled(table, self.announced))
        lines = reading.printed(cell).splitlines()
        most, widest = MOST_PRINTED
        is_short = 0 < len(lines) <= most and max(map(len, lines)) <= widest
        if is_short and (always or self.is_asked):
            self.add("printed", bodies.printed(lines, self.announced))


class _Found(_Section):
    """The closing: its lists, the paragraphs after its last cell, the answers and the verdicts."""

    def __init__(self, section: Section, first: Slide):
        super().__init__(section, first)
        self.cells_left = len(section.cells)

    def add_text(self, text: Text) -> None:
        """The items of a list; a paragraph that closes the notebook."""
        is_closing = not self.cells_left and not words.DEEPER.search(text.markdown)
        if words.is_list(text.markdown) or is_closing:
            self.waiting += words.items(text.markdown)

    def add_cell(self, cell: NotebookNode) -> None:
        """Two columns of the tables that close the notebook."""
        self.cells_left -= 1
        for table in reading.tables(cell):
            for names in (ANSWERS, VERDICTS):
                for part in bodies.columns(table, names):
                    self.add("table", part)


def exercises(section: Section) -> list[Slide]:
    """What the learners do now: each exercise with its minutes and its first sentences."""
    found = filter(None, map(words.exercise, section.texts))
    items = [f"**{name}** · {minutes} min · {task}" for name, minutes, task in found]
    some = [Slide("words", "Your turn", bodies.listed(group)) for group in in_slides(items)]
    if some:
        some[0].begins = True
        some[0].notes = section.texts
    return some


def words_kind(group: list[str]) -> str:
    """Few words are written larger."""
    return "words few" if sum(map(len, group)) <= 170 and len(group) <= 3 else "words"


def in_slides(items: list[str]) -> Iterator[list[str]]:
    """Items in groups that are short enough for one slide each."""
    some: list[str] = []
    for item in items:
        if some and (len(some) > 5 or sum(map(len, some)) + len(item) > ON_ONE_SLIDE):
            yield some
            some = []
        some.append(item)
    if some:
        yield some


def is_the_lesson(cell: NotebookNode) -> bool:
    """Whether the code itself is what is taught: a function of the learner's, short enough."""
    lines = cell.source.splitlines()
    most, widest = MOST_CODE
    return reading.defines(cell) and len(lines) <= most and max(map(len, lines)) <= widest
