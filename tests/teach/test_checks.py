"""Exercises that check themselves. Oracle: Python's and torch's arithmetic."""

import math

import numpy as np
import pytest
import torch

from effdet_lite.teach.kit.checks import Exercise, judge

NUMBER = Exercise(12, [(24, "that counts FLOPs"), (6, "half"), (144, "squared")], "count again")


FUNCTION = Exercise(
    lambda a, b: a * b,
    [
        (lambda a, b: a + b, "that adds"),
        (lambda a, b: a**b, "that raises"),
        (lambda a, b: a - b, "that subtracts"),
    ],
    "try 2 and 3 by hand",
    cases=[(2, 3), (4, 5)],
)


def stub(a, b):
    """Nothing yet."""


@pytest.mark.parametrize("answer", [None, ..., "", " "])
def test_no_answer_is_no_mistake(answer):
    assert judge(NUMBER, answer)[0] == "not tried yet"


@pytest.mark.parametrize(
    "answer",
    [
        12,
        12.0,
        torch.tensor(12),
        torch.tensor(12.0, requires_grad=True),
        [12],
        (12.0,),
        np.array([12]),
    ],
)
def test_a_right_number_of_any_type(answer):
    assert judge(NUMBER, answer) == ("correct", "")


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (24, "that counts FLOPs"),
        (13, "count again"),
        ([12, 12], "count again"),
        ("12", "that is text; leave the quotation marks out."),
        (math.nan, "count again"),
    ],
)
def test_a_hint_fits_the_mistake(answer, hint):
    assert judge(NUMBER, answer) == ("not yet", hint)


def note(parts, meant):
    return f"Python makes {parts} numbers of that: write {meant}, without a comma."


@pytest.mark.parametrize(
    ("right", "answer", "told"),
    [
        (49152, (49, 152), ("correct", note(2, 49152))),  # what Python makes of 49,152
        (8128512, (8, 128, 512), ("correct", note(3, 8128512))),
        (1000, (1, 0), ("correct", note(2, 1000))),  # 1,000
        (1234.5, (1, 234.5), ("correct", note(2, 1234.5))),
        (-1500, (-1, 500), ("correct", note(2, -1500))),
        (3.54, (3, 54), ("correct", note(2, 3.54))),  # a comma where the point should be
        (0.5, (0, 5), ("correct", note(2, 0.5))),
        (49152.0, (49, 152), ("correct", note(2, 49152))),
        (torch.tensor(49152), (49, 152), ("correct", note(2, 49152))),
        (49152, (49, 153), ("not yet", f"count again {note(2, 49153)}")),
        (12, (24, 0), ("not yet", f"count again {note(2, 24000)}")),
        (49152, [49, 152], ("not yet", "count again")),
        (49152, (49.0, 152), ("not yet", "count again")),
        (49152, (49, 1520), ("not yet", f"count again {note(2, 49.152)}")),
        (49152, (49, 15, 2), ("not yet", "count again")),
        (49152, (4000, 152), ("not yet", f"count again {note(2, 4000.152)}")),
        (49152, (True, 152), ("not yet", "count again")),
        (
            49152,
            "49,152",
            ("not yet", "that is text; leave the quotation marks and the commas out."),
        ),
        (49152, "49152", ("not yet", "that is text; leave the quotation marks out.")),
    ],
)
def test_a_number_with_commas_counts_as_it_was_meant(right, answer, told):
    assert judge(Exercise(right, [], "count again"), answer) == told


def test_two_numbers_are_not_taken_for_one():
    assert judge(Exercise([49, 152], [], "count again"), (49, 152)) == ("correct", "")
    assert judge(Exercise((1, 500), [], "count again"), (1, 500)) == ("correct", "")


def test_a_mistake_that_divides_by_zero_gets_its_hint():
    """0 / 0 is not equal to itself, and yet it is the same mistake."""
    exercise = Exercise(
        lambda x: x, [(lambda x: x * (x / x), "0 / 0")], "else", cases=[(np.zeros(2),)]
    )
    with np.errstate(invalid="ignore"):
        assert judge(exercise, lambda x: x * x / x) == ("not yet", "0 / 0")


def test_a_shape_that_could_be_a_number_with_commas_gets_the_hint_for_the_shape():
    exercise = Exercise(49152, [((3, 128, 128), "that is a shape.")], "count again")
    assert judge(exercise, (3, 128, 128)) == ("not yet", "that is a shape.")
    assert judge(exercise, (3, 128, 129)) == ("not yet", f"count again {note(3, 3128129)}")


def test_a_mistake_with_commas_gets_its_hint():
    thousands = Exercise(49152, [(16384, "the colors")], "count again")
    assert judge(thousands, (16, 384)) == ("not yet", f"the colors {note(2, 16384)}")


def test_whole_numbers_are_exact_and_others_nearly():
    exact, near = Exercise(49152, [], "count again"), Exercise(49152.0, [], "count again")
    assert judge(exact, 49151)[0] == "not yet" and judge(near, 49151)[0] == "correct"
    assert judge(exact, torch.tensor(49152.0))[0] == judge(exact, 3 * 0.1 * 163840)[0] == "correct"
    assert judge(Exercise(49152, [], "", tolerance=0.01), 49000)[0] == "correct"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((1, 0.5), ""),
        (torch.tensor([1, 0.5]), ""),
        (np.array([1, 0.5]), ""),
        ([[1], torch.tensor(0.5)], ""),
        (1, "2 answers are asked for, as a list."),
        (torch.tensor(1), "2 answers are asked for, as a list."),
        ([1], "2 answers are asked for, as a list."),
        ({"a": 1, "b": 0.5}, "2 answers are asked for, as a list."),
        (["1", "0.5"], "that is text; leave the quotation marks out."),
        ([1, 0.25], "count again"),
    ],
)
def test_two_numbers_in_any_form_and_what_is_wrong_with_other_forms(answer, hint):
    assert judge(Exercise([1.0, 0.5], [], "count again"), answer) == (
        "not yet" if hint else "correct",
        hint,
    )


@pytest.mark.parametrize(
    ("answer", "verdict", "hint"),
    [
        (lambda a, b: b * a, "correct", ""),
        (lambda a, b: None, "not tried yet", ""),
        (stub, "not tried yet", ""),
        (lambda a, b: print(a * b), "not yet", "it gives nothing back: end with `return`."),
        (lambda a, b: f"{a * b}", "not yet", "that is text; leave the quotation marks out."),
        (lambda a, b: b + a, "not yet", "that adds"),
        (lambda a, b: a, "not yet", "try 2 and 3 by hand"),
        (lambda a, b: a / 0, "not yet", "it raised ZeroDivisionError: division by zero"),
        (6, "not yet", "pass the function itself, without calling it."),
    ],
)
def test_functions_are_told_by_what_they_return(answer, verdict, hint):
    assert judge(FUNCTION, answer) == (verdict, hint)


@pytest.mark.parametrize("given", [["Same", "lower"], ["same ", "LOWER"], ("SAME", " Lower")])
def test_words_count_as_they_were_meant(given):
    asked = Exercise(["same", "lower"], [(["lower", "lower"], "look at (a)")], "try again")
    assert judge(asked, given) == ("correct", "")
    assert judge(asked, ["LOWER", "lower"]) == ("not yet", "look at (a)")


def test_a_function_may_use_up_what_it_is_given():
    """The right answer is then still asked about the whole list."""
    last = Exercise(lambda numbers: numbers[-1], [], "", cases=[([3, 5],)])
    assert judge(last, lambda numbers: numbers.pop()) == ("correct", "")
    assert judge(last, lambda numbers: numbers.pop() + numbers.pop())[0] == "not yet"


def test_a_question_with_many_answers():
    even = Exercise(None, [], "", accept=lambda answer: None if answer % 2 == 0 else "that is odd")
    assert judge(even, 4) == ("correct", "") and judge(even, 5) == ("not yet", "that is odd")
    assert judge(even, "x")[0] == "not yet"
