"""Numbers as people type them. Oracle: what each form means, written as a Python number."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effdet_lite.teach.kit.typed import in_percent, number_text, read_number, with_unit


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("3", 3),
        (" 3. ", 3),
        (".5", 0.5),
        ("−3", -3),
        ("+3", 3),
        ("49,152", 49152),
        ("1,234.5", 1234.5),
        ("1 234 567", 1234567),
        ("1\u202f234", 1234),
        ("1_000", 1000),
        ("1'000", 1000),
        ("1.234.567", 1234567),
        ("1.234,5", 1234.5),
        ("2,5", 2.5),
        ("0,125", 0.125),
        ("1.7e6", 1.7e6),
        ("1E-5", 1e-5),
        ("1,7e6", 1.7e6),
        ("1.7 × 10^6", 1.7e6),
        ("1.7·10⁶", 1.7e6),
        ("1.7x10**6", 1.7e6),
        ("10⁻³", 0.001),
        ("2^10", 1024),
        ("3×3×32", 288),
        ("3 * 3 * 32", 288),
        ("390 M", 390e6),
        ("390M", 390e6),
        ("1.7 million", 1.7e6),
        ("2.5k", 2500),
        ("½", 0.5),
        ("1½", 1.5),
        ("1 1/2", 1.5),
        ("1/3", 1 / 3),
        ("2 %", 0.02),
        ("~3", 3),
        ("about 3?", 3),
        ("３", 3),
        ("٣", 3),
    ],
)
def test_a_number_in_any_form_that_can_be_read_in_one_way(typed, number):
    assert read_number(typed) == pytest.approx(number, rel=1e-12)


@pytest.mark.parametrize(
    ("typed", "unit", "number"),
    [
        ("3×", "×", 3),
        ("3x", "×", 3),
        ("3 times", "×", 3),
        ("200 %", "×", 2),
        ("2 %", "%", 2),
        ("2", "% of all", 2),
        ("½ percent", "%", 0.5),
        ("12 pixels", "px", 12),
        ("12px", "px", 12),
        ("390 M MACs", "MACs", 390e6),
        ("1 image", "images", 1),
        ("1.7 million", "million", 1.7),
    ],
)
def test_the_unit_may_be_typed_along(typed, unit, number):
    assert read_number(typed, unit) == pytest.approx(number, rel=1e-12)


NONSENSE = "abc three nan inf 1e999 9^999 0^-1 1/0 1__000 1,23,456 1.2.3 $3 0x10 1m () *3 3* --3"


@pytest.mark.parametrize(
    "typed", [*NONSENSE.split(), "1 2", "3\n4", "2**3**4", "1e3e3", "½½", "3=2", "x", "%"]
)
def test_what_is_no_number_is_refused_in_one_sentence(typed):
    with pytest.raises(ValueError, match=r"^Type a number, like 3, 0.5, 49,152, 1.7e6 or 1/2\.$"):
        read_number(typed)


@pytest.mark.parametrize(
    ("typed", "unit", "sentence"),
    [
        ("", "", "Type a number first."),
        ("  ", "", "Type a number first."),
        ("3-4", "", "Pick one number, not a range."),
        ("3 to 4", "×", "Pick one number, not a range."),
        ("3 ± 1", "", "Pick one number, not a range."),
        ("> 3", "", "Pick one number, not a range."),
        ("20 %", "px", "The question asks for px, not for a share."),
        ("1/2", "%", "Type it in percent: 50 for a half."),
        ("12 cm", "px", "Type a number (in px), like 3, 0.5, 49,152, 1.7e6 or 1/2."),
        ("9" * 70, "", "That is longer than a number."),
    ],
)
def test_what_is_wrong_is_said(typed, unit, sentence):
    with pytest.raises(ValueError) as refused:
        read_number(typed, unit)
    assert str(refused.value) == sentence


@given(st.text(max_size=70), st.sampled_from(["", "%", "×", "px"]))
def test_whatever_is_typed_is_a_number_or_one_sentence(typed, unit):
    try:
        assert math.isfinite(read_number(typed, unit))
    except ValueError as error:
        assert str(error).endswith(".") and "\n" not in str(error)


@given(st.floats(-1e14, 1e14))
def test_what_we_write_is_read_again(number):
    assert read_number(number_text(number)) == pytest.approx(number, rel=1e-2)


def test_numbers_for_people():
    assert [number_text(one) for one in (49152.0, 2.0345678, 12345.678, 1234567.8, 1e-5, 0)] == [
        "49,152",
        "2.03457",
        "12,345.7",
        "1,234,568",
        "1e-05",
        "0",
    ]
    assert with_unit(2.0345678, "×", 4) == "2.035 ×" and with_unit(3, "") == "3"


def test_a_share_is_written_with_a_space_before_its_percent_sign():
    told = [in_percent(0.5), in_percent(1 / 3), in_percent(0.125, 1), in_percent(68.29)]
    assert told == ["50 %", "33 %", "12.5 %", "6,829 %"]
