"""A notebook's closing table: verdicts made of numbers, and held to CLAIMS.md.

Oracles: hand-made rows of the table, and a stored file of results in which two arms have changed
places.
"""

import json
from pathlib import Path

import pytest

from effdet_lite.experiments.comparing import paired_gains, spread
from effdet_lite.experiments.run import load
from effdet_lite.experiments.verdicts import HOLDS, counted, gained
from effdet_lite.teach.kit import claims
from effdet_lite.teach.kit.claims import Claim, Row, closing_table

ROW = "| C1 | words | [03](03.ipynb): 1. This | **8 ×** depth: 0.508; width: 0.502 | **{}** |"
CLAIM = Claim("C1", "words", {"8 × › depth": "0.508", "8 × › width": "0.502"}, (HOLDS,))


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A function that writes CLAIMS.md of a course, in which a notebook then works."""
    for folder in ("notebooks", "effdet_lite"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    return lambda text: Path("CLAIMS.md").write_text(text, encoding="utf-8")


@pytest.fixture
def shown(monkeypatch):
    """The rows of the tables that were shown."""
    found = []
    monkeypatch.setattr(claims, "table", lambda header, rows: found.extend(rows))
    return found


def test_what_agrees_is_shown(course, shown):
    course(ROW.format("confirmed"))
    closing_table(CLAIM)
    assert shown == [["C1: words", "8 × › depth: 0.508; 8 × › width: 0.502", "confirmed"]]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"care": "only here"},
            "C1: the numbers say 'confirmed, with care', CLAIMS.md 'confirmed'",
        ),
        ({"findings": (counted(2, 4),)}, "the numbers say 'not so'"),
        ({"findings": ()}, 'the numbers say "the paper\'s word"'),
        ({"measured": {"8 × › depth": "0.502"}}, "depth: 0.502 here, CLAIMS.md says 0.508"),
        ({"measured": {"4 × › depth": "0.508"}}, "4 × › depth: 0.508 here, CLAIMS.md says nothing"),
        (
            {"measured": {"8 × › width": "0.502", "8 × › depth": "0.508"}},
            "the values stand in another order",
        ),
    ],
)
def test_what_differs_is_shown_and_then_refused(changes, complaint, course, shown):
    course(ROW.format("confirmed"))
    given = {"words": "words", "measured": CLAIM.measured, "findings": CLAIM.findings} | changes
    with pytest.raises(AssertionError) as raised:
        closing_table(Claim("C1", **given))
    assert complaint in str(raised.value) and len(shown) == 1


def test_a_condition_stands_behind_the_verdict(course, shown):
    course(ROW.format("confirmed, with care") + "\n" + ROW.format("confirmed").replace("C1", "C2"))
    near = counted(3.76, 4, within=0.1)
    closing_table(Claim("C1", "words", {}, (near,), care="width alone"))
    assert shown[0][2] == "confirmed, with care: width alone; 3.76 in place of 4"
    closing_table(Claim("C1", "words", {}, (near,), care="width alone", is_part=True))
    assert shown[1][0] == "C1 (part): words"
    assert shown[1][2] == "part of it: notebook 03 has the verdict"
    with pytest.raises(ValueError, match=r"CLAIMS\.md has no row 'C9'"):
        closing_table(Claim("C9", "words"))


def test_a_sentence_stands_for_the_values_and_they_are_held_all_the_same(course, shown):
    course(ROW.format("confirmed"))
    closing_table(Claim("C1", "words", CLAIM.measured, (HOLDS,), says="Both are alike"))
    assert shown[0][1] == "Both are alike"
    with pytest.raises(AssertionError, match=r"depth: 0\.1 here, CLAIMS\.md says 0\.508"):
        closing_table(Claim("C1", "words", {"8 × › depth": "0.1"}, (HOLDS,), says="Both"))


def test_an_open_claim_has_no_verdict_until_the_table_has_one(course, shown):
    course(ROW.format("not tested yet"))
    closing_table(Claim("C1", "words", says="It runs", is_open=True))
    assert shown == [["C1: words", "It runs", "not tested yet"]]
    course(ROW.format("confirmed"))
    with pytest.raises(AssertionError, match=r"say 'not tested yet', CLAIMS\.md 'confirmed'"):
        closing_table(Claim("C1", "words", says="It runs", is_open=True))


def test_live_numbers_may_differ_from_the_table(course, shown):
    """What is trained before the learner's eyes ends a little differently on each machine."""
    course(ROW.format("confirmed"))
    closing_table(Claim("C1", "words", {"8 × › depth": "0.510"}, (counted(2, 4),), is_live=True))
    assert shown[0][2] == "not so (on this machine; in CLAIMS.md: confirmed)"


# Accuracies of two arms at 2, 4 and 8 times the MACs, three seeds each.
ACCURACIES = {
    "width": [(0.46, 0.45, 0.50), (0.37, 0.44, 0.54), (0.48, 0.49, 0.53)],
    "resolution": [(0.49, 0.48, 0.51), (0.58, 0.62, 0.66), (0.63, 0.65, 0.73)],
}
STORED = Row(
    "C2",
    "resolution gains more than width",
    "",
    "**8 × the MACs** resolution: 0.670 (0.630 – 0.730); width: 0.500 (0.480 – 0.530)",
    "confirmed",
    "",
)


def result_file(path, accuracies):
    """A file of results as an experiment writes it."""
    rows = [
        {"direction": name, "factor": factor, "seed": seed, "accuracy": accuracy}
        for name, by_factor in accuracies.items()
        for factor, by_seed in zip((2, 4, 8), by_factor, strict=True)
        for seed, accuracy in enumerate(by_seed)
    ]
    path.write_text(json.dumps({"settings": {}, "runs": rows}), encoding="utf-8")
    return path


def closing_claim(path):
    """A claim as a notebook's closing cell makes it: read the results, compute the verdict."""
    found = {}
    for run in load(path)["runs"]:
        found.setdefault(run["direction"], {})[run["factor"], run["seed"]] = run["accuracy"]
    measured = {
        f"8 × the MACs › {name}": str(spread([found[name][8, seed] for seed in range(3)]))
        for name in ("resolution", "width")
    }
    gains = gained(paired_gains(found["resolution"], found["width"]))
    return Claim("C2", "resolution gains more than width", measured, (gains,))


def test_exchanging_two_arms_of_a_result_file_makes_the_closing_cell_fail(tmp_path):
    """In all sizes, the verdict turns; in the one size that is told, the values do."""
    right = result_file(tmp_path / "right.json", ACCURACIES)
    assert closing_claim(right).differences(STORED) == []
    width, resolution = ACCURACIES.values()
    turned = result_file(tmp_path / "turned.json", {"width": resolution, "resolution": width})
    verdict, *values = closing_claim(turned).differences(STORED)
    assert verdict == "C2: the numbers say 'not so', CLAIMS.md 'confirmed'"
    assert len(values) == 2
    partly = {
        "width": [*width[:2], resolution[2]],
        "resolution": [*resolution[:2], width[2]],
    }
    told = closing_claim(result_file(tmp_path / "partly.json", partly)).differences(STORED)
    assert "resolution: 0.500 (0.480 – 0.530) here, CLAIMS.md says 0.670" in " ".join(told)
