"""Guesses on the pages of the site, made and kept in a browser without a network.

Oracles: the course's own questions, `questions.off` and `typed`, and the stored closing tables.
"""

import re

import pytest
from lab import new_page
from lessons import NOTEBOOKS, read

from effdet_lite.teach.kit.questions import Choice, Number, Order, off
from effdet_lite.teach.kit.typed import number_text, read_number
from effdet_lite.teach.site.build import build_site
from effdet_lite.teach.site.guesses import number_of

pytestmark = pytest.mark.slow
ASKED = re.compile(r"^guess\($|^guess\(", re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course") / "site"
    build_site(folder, explorers=(), detectors=())
    return folder


@pytest.fixture
def page(browser, site):
    with new_page(browser, offline=True) as page:
        yield page
        assert not page.complaints


def opened(page, site, number):
    (path,) = (site / "notebooks").glob(f"{number}_*.html")
    page.goto(path.as_uri())


def box_of(page, name):
    return page.get_by_role("region", name=f"Guess {name}")


def lock(page, name):
    box_of(page, name).get_by_role("button", name="Lock in my guess").press("Enter")


def told(page, name):
    return box_of(page, name).get_by_role("status").inner_text()


def row_of(page, name):
    return page.locator(f"tr[data-guess='{name}'] td").all_inner_texts()


def beside(page, name):
    return page.locator(f".guessed[data-guess='{name}']").first.inner_text()


def test_every_question_has_its_form_and_its_row(page, site):
    for path in NOTEBOOKS:
        sources = [cell.source for cell in read(path).cells if cell.cell_type == "code"]
        asked = sum(len(ASKED.findall(source)) for source in sources)
        opened(page, site, path.name[:2])
        assert page.locator(".guess form").count() == asked > 0, path.name
        names = page.locator(".guess").evaluate_all("(all) => all.map((one) => one.dataset.guess)")
        assert {*names} == {
            *page.locator("tr[data-guess]").evaluate_all(
                "(all) => all.map((one) => one.dataset.guess)"
            )
        }


def test_a_number_is_kept_and_stands_beside_the_answer(page, site):
    opened(page, site, "03")
    question, _, answer, _ = row_of(page, "03.b")
    assert beside(page, "03.b") == "" and told(page, "03.b") == "no guess yet"
    field = box_of(page, "03.b").get_by_label("Your guess, in ×")
    field.fill("2.5×")
    lock(page, "03.b")
    apart = off(2.5, number_of(answer), "×")
    assert told(page, "03.b") == "✓ Your guess: 2.5 ×"
    assert beside(page, "03.b") == (
        f"Your guess (03.b): 2.5 ×. The answer: {answer}. Your guess is {apart}."
    )
    assert row_of(page, "03.b") == [question, "2.5 ×", answer, apart]
    field.fill("900")
    lock(page, "03.b")
    asks = Number("03.b", question, 1, 8, "×").asks()
    assert told(page, "03.b") == (f"That reads as 900 ×. Pick {asks}. Your guess stays 2.5 ×.")
    page.reload()
    assert told(page, "03.b") == "✓ Your guess: 2.5 ×" and field.input_value() == "2.5"
    assert row_of(page, "03.b")[1] == "2.5 ×"


def test_a_choice_is_made_by_keyboard(page, site):
    opened(page, site, "04")
    lock(page, "04.a")
    assert told(page, "04.a") == "Choose one first."
    box = box_of(page, "04.a")
    box.get_by_label("A", exact=True).press("Space")
    box.get_by_label("A", exact=True).press("ArrowDown")
    lock(page, "04.a")
    question, guess, answer, apart = row_of(page, "04.a")
    assert guess == "B" and apart == Choice("04.a", question, ["A", "B", "C"]).distance("B", answer)


def test_an_order_is_made_by_keyboard(page, site):
    opened(page, site, "02")
    question, _, answer, _ = row_of(page, "02.e")
    box = box_of(page, "02.e")
    names = box.locator("li span").all_inner_texts()
    box.get_by_role("button", name=f"{names[2]}: one place up").press("Enter")
    lock(page, "02.e")
    guess = [names[0], names[2], names[1]]
    apart = Order("02.e", question, names).distance(guess, answer.split(", "))
    assert row_of(page, "02.e") == [question, ", ".join(guess), answer, apart]


def test_a_browser_that_keeps_nothing_keeps_it_for_the_page(page, site):
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('none'); } })"
    )
    opened(page, site, "03")
    box_of(page, "03.b").get_by_label("Your guess").fill("3")
    lock(page, "03.b")
    assert row_of(page, "03.b")[1] == "3 ×"
    page.reload()
    assert told(page, "03.b") == "no guess yet"


PAIRS = [(2.5, 3.758), (3.758, 3.758), (0.5, 0.602), (1e6, 49_152), (7, 6.99), (0, 5), (3, 2.9)]


@pytest.mark.parametrize("unit", ["", "×", "%", "million"])
def test_distances_are_told_as_python_tells_them(page, site, unit):
    opened(page, site, "03")
    ask = "([pairs, unit]) => pairs.map(([one, other]) => window.course.off(one, other, unit))"
    assert page.evaluate(ask, [PAIRS, unit]) == [off(*pair, unit) for pair in PAIRS]


def test_numbers_are_read_and_written_as_in_python(page, site):
    opened(page, site, "03")
    typed = [
        ("49,152", ""),
        ("2,5", "×"),
        ("1/2", ""),
        ("~ 3 x", "×"),
        ("12 %", "%"),
        ("1.7e6", ""),
    ]
    typed += [("5.3 M", ""), ("4 million", "million"), ("3 * 4", "")]
    ask = "(all) => all.map(([text, unit]) => window.course.guessedNumber(text, unit))"
    assert page.evaluate(ask, typed) == [read_number(*one) for one in typed]
    values = [49_152, 2.03, 0.000123456789, 1234.56789, 12_345_678.9, 0.1, 3, -2.5]
    ask = "(all) => all.map((one) => window.course.inWords(one))"
    assert page.evaluate(ask, values) == [number_text(one) for one in values]
