"""Results in prose are held by outputs: the check is tested on small notebooks, true and stale.

Oracle: sentences written by hand, of which each says what has to be found.
"""

import nbformat
import pytest
from proofreading.allowed import Allowed
from proofreading.pages import Page, sentences
from proofreading.results import results, stale_results
from proofreading.written import can_be, numbers

PRINTED = """\
MACs of B0      385,814,752
accuracy        0.787
AP50            61.4%
loss falls by   -2.4
depth × 2       2.03 ×
rate            3.2e-4"""
TABLE = (
    "<table><tr><th>part</th><th>MACs (M)</th></tr><tr><td>neck</td><td>912.64</td></tr></table>"
)


def notebook(tmp_path, *texts, name="01_costs.ipynb", printed=PRINTED, code="print(report)"):
    """A page: a title, a cell that printed these lines and a table, and then these texts."""
    outputs = [
        nbformat.v4.new_output("stream", name="stdout", text=printed),
        nbformat.v4.new_output("display_data", {"text/html": TABLE, "text/plain": "neck  912.64"}),
    ]
    cells = [
        nbformat.v4.new_markdown_cell("# 1 · Costs\n\n## 1. Measured"),
        nbformat.v4.new_code_cell(code, outputs=outputs),
        *map(nbformat.v4.new_markdown_cell, texts),
    ]
    return Page(tmp_path / name, nbformat.v4.new_notebook(cells=cells))


def stale(page, *lines):
    return [one.number for one in stale_results(page, Allowed(list(lines)))]


@pytest.mark.parametrize(
    "sentence",
    [
        "B0 needs 385,814,752 MACs.",
        "That is 386 million MACs, or 385.8 million.",
        "That is 0.39 billion, as the table says 0.39 B.",
        "It needs about 400 million.",
        "The accuracy is 0.787, so .787, or 0.79.",
        "It is right in 78.7 % of the pictures, roughly 79%.",
        "AP50 is 0.614 (61 %).",
        "The loss falls by 2.4.",
        "Twice the depth costs 2.03 × as much, 2.0 times in short.",
        "A rate of 0.00032 is best.",
        "The neck takes 913 million MACs: less than one billion, nearly 1,000 million.",
        "The neck takes 912.64 of them.",
        "**0.787** of the pictures; the others, 0.213, are wrong, since 1 − 0.787 is 0.213.",
        "Accuracy and AP50 are 0.79 and 0.61.",
        "- a list, with 0.787 in it\n- and another line, with 61.4 %",
        "| what | value |\n| --- | --- |\n| accuracy | 0.787 |",
    ],
)
def test_a_result_that_an_output_has_is_held(tmp_path, sentence):
    assert stale(notebook(tmp_path, sentence)) == []


@pytest.mark.parametrize(
    ("sentence", "number"),
    [
        ("B0 needs 385,814,753 MACs.", "385,814,753"),
        ("That is 387 million MACs.", "387 million"),
        ("That is 0.38 billion.", "0.38 billion"),
        ("It needs about 300 million.", "300 million"),
        ("The accuracy is 0.788.", "0.788"),
        ("The accuracy is .80.", ".80"),
        ("It is right in 78.1 % of the pictures.", "78.1 %"),
        ("The loss falls by 2.5.", "2.5"),
        ("Twice the depth costs 2.10 × as much.", "2.10 ×"),
        ("Twice the depth costs 2.1 times as much.", "2.1 times"),
        ("A rate of 0.00031 is best.", "0.00031"),
        ("AP50 rises by 3 % for us.", "3 %"),
        ("It trained for 12,000 steps.", "12,000"),
        ("It trained for 4000 steps.", "4000"),
        ("From 0.61 to 0.83 in a week.", "0.83"),
        ("It is between 61–67 % of them.", "67 %"),
        ("| what | value |\n| --- | --- |\n| accuracy | 0.797 |", "0.797"),
    ],
)
def test_a_stale_result_is_found(tmp_path, sentence, number):
    assert stale(notebook(tmp_path, sentence)) == [number]


@pytest.mark.parametrize(
    "sentence",
    [
        "B0 has 0.39 B in the paper's table 2.",
        "They trained for 12,000 steps ([the paper](https://arxiv.org/abs/1905.11946)).",
        "AP is 0.339 (arXiv 1911.09070, table 2).",
        "It is said to be 0.339 (section 4.2).",
        "The run in `assets/results/depth.json` ended at 0.339.",
        "The paper appeared in 2019, version 7.2 of it in 2020.",
        "Section 4.2, figure 3.1 and table 1.5 tell more.",
        "Exercise 01.2 and exercises 01.3 and 01.4 follow.",
        "The image has 2048 × 1024 pixels, or 1,536 × 1,536.",
        "Claim 24 and C24 and claims 3 and 25.",
        "With $\\alpha = 1.237$ and $$d = 1.71^{\\phi}$$ it grows.",
        "Call `f(1.237)` for it.",
        "With α = 1.237 it grows like 2 · 1.71^ϕ.",
        "Is it 0.123, 0.456 or 12,345?",
        "The demands are 0.50, 0.55 … 0.95.",
        "Needs Python 3.10 and PyTorch 2.4.",
        "*35 minutes · builds on 01 (2.5 of it)*",
        "Three of ten, 123 of 999.",
        "```\n0.12345 is code\n```",
        "## Exercises\n\nA map of 12,345 positions is given.",
        "**01.1** (2 minutes) A map of 12,345 positions is given. It has 0.123 of them.",
        "## References\n\n- Somebody: *Something*, pages 1234–1240.",
    ],
)
def test_what_is_no_result_or_has_its_source_is_let_through(tmp_path, sentence):
    assert stale(notebook(tmp_path, sentence)) == []


def test_a_setting_in_the_code_holds_its_own_digits_only(tmp_path):
    code = "train(rate=0.003, steps=12_000)"
    page = notebook(tmp_path, "With a rate of 0.003, 12,000 steps.", code=code)
    assert stale(page) == []
    page = notebook(tmp_path, "With a rate of 0.0031, about 11,900 steps.", code=code)
    assert stale(page) == ["0.0031", "11,900"]


def test_a_few_digits_have_to_stand_in_the_section_or_the_one_before(tmp_path):
    """They are found somewhere in nearly every notebook."""
    far = "## 2. Empty\n\nNothing.\n\n## 3. Further\n\nAnother 0.787."
    assert stale(notebook(tmp_path, far)) == ["0.787"]
    assert stale(notebook(tmp_path, far.replace("0.787", "912.64"))) == []
    assert stale(notebook(tmp_path, far.replace("0.787", "0.787 (section 1)"))) == []
    assert stale(notebook(tmp_path, far.replace("3. Further", "What we found"))) == []
    assert stale(notebook(tmp_path, "## 2. Next\n\nAs we saw, 0.787.")) == []
    (found,) = stale_results(notebook(tmp_path, far), Allowed([]))
    assert 'no output of its section has "0.787"; nearest in the outputs: 0.787' in str(found)


def test_another_notebook_that_the_sentence_names_holds_its_outputs(tmp_path):
    other = notebook(tmp_path, name="02_other.ipynb", printed="anchors 49,104")
    nbformat.write(other.notebook, other.path)
    assert stale(notebook(tmp_path, "Notebook 02 counted 49,104.")) == []
    assert stale(notebook(tmp_path, "There are [49,104](02_other.ipynb) of them.")) == []
    assert stale(notebook(tmp_path, "Notebook 03 counted 49,104.")) == ["49,104"]
    assert stale(notebook(tmp_path, "Notebook 02 counted 49,204.")) == ["49,204"]


def test_alternative_texts_and_tables_are_outputs_and_listings_are_not(tmp_path):
    markup = '<img alt="AP rises to 0.417" src="data:image/png;base64,AAAA0.999">'
    listing = "<details open><summary>effdet_lite/cost.py: conv2d</summary>0.333</details>"
    page = notebook(tmp_path, "To 0.417. Not to 0.999. Nor to 0.333.")
    for one in (markup, listing):
        page.notebook.cells[1].outputs.append(
            nbformat.v4.new_output("display_data", {"text/html": one, "text/plain": "x"})
        )
    assert stale(page) == ["0.999", "0.333"]


def test_a_finding_names_the_place_and_the_nearest_numbers(tmp_path):
    page = notebook(tmp_path, "Fine.", "It was so. The accuracy is 0.788 in the end.")
    (found,) = stale_results(page, Allowed([]))
    assert str(found) == (
        '01_costs.ipynb, cell 3: no output of its section has "0.788"; '
        "nearest in the outputs: 0.787, 61.4%, 3.2e-4. "
        "The sentence: The accuracy is 0.788 in the end."
    )


def test_a_line_of_the_list_lets_one_number_of_one_sentence_through(tmp_path):
    page = notebook(tmp_path, "ImageNet has 1,000 classes. We ran 1,000 steps.")
    line = {"notebook": "01", "number": "1,000", "sentence": "has 1,000 classes", "reason": "known"}
    assert stale(page) == ["1,000", "1,000"]
    assert stale(page, line) == ["1,000"]
    assert stale(page, line | {"notebook": "*"}) == ["1,000"]
    assert stale(page, line | {"notebook": "02"}) == ["1,000", "1,000"]


def test_every_changed_digit_of_a_long_result_is_noticed(tmp_path):
    """The check has teeth: 0.787 becomes each other number of three digits."""
    words = [f"0.{digits}" for digits in range(700, 800)]
    page = notebook(tmp_path, *(f"The accuracy is {word}." for word in words))
    assert stale(page) == [word for word in words if word != "0.787"]


# --- sentences and numbers ---


def test_sentences_end_where_a_reader_ends_them():
    text = (
        "It costs 0.5 MACs, e.g. Here. See Tan et al. This is **new.** "
        "(So is this.) “And this.” Is it? Yes … 0.9."
    )
    assert [one.text for one in sentences(0, text)] == [
        "It costs 0.5 MACs, e.g. Here.",
        "See Tan et al. This is **new.**",
        "(So is this.)",
        "“And this.”",
        "Is it?",
        "Yes … 0.9.",
    ]


@pytest.mark.parametrize(
    ("text", "value", "step", "scale"),
    [
        ("12,345", 12345, 1, 1),
        (".787", 0.787, 0.001, 1),
        ("0.39 B", 0.39, 0.01, 1e9),
        ("5.3M", 5.3, 0.1, 1e6),
        ("1.2e-3", 0.0012, 0.0001, 1),
        ("37.9 MB", 37.9, 0.1, 1e6),
        ("4 million", 4, 1, 1e6),
    ],
)
def test_numbers_are_read_as_they_are_written(text, value, step, scale):
    (found,) = numbers(f"so {text}, then")
    assert found.value == pytest.approx(value) and found.scale == scale
    assert found.step == pytest.approx(step)


def test_a_range_has_one_unit():
    first, second = numbers("11–14 % more")
    assert first.is_percent and second.is_percent
    first, second = numbers("0.2 to 0.4 million")
    assert first.scale == second.scale == 1e6


def test_a_coarser_output_does_not_hold_a_finer_result():
    (coarse,), (fine,) = numbers("0.79"), numbers("0.787")
    assert can_be(coarse, fine) and not can_be(fine, coarse)


def test_words_are_not_numbers():
    assert results("P3 to P7, B0, D7x, C1, conv2d, 3 × 3, float32, K² and 2nd") == []
