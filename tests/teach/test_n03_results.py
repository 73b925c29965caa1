"""Who won the bet of notebook 03. Oracle: rows made by hand, with losses that are known."""

import pytest

from effdet_lite.experiments.arms import arms
from effdet_lite.experiments.balance import EXAMPLE
from effdet_lite.experiments.directions import SEEDS
from effdet_lite.experiments.sizes import DIRECTIONS
from effdet_lite.teach.nb import n03_results as results

FAVORITE = {"span": "depth", "kinds": "width", "detail": "resolution"}


@pytest.fixture(scope="module")
def rows():
    """The favorite of a task reaches .9 with eight times the MACs, compound .85, the others .6.
    Width takes as many seconds as it has times the MACs, and the others twice as many.
    """
    found = []
    for seed, draw in SEEDS:
        for arm in arms(EXAMPLE):
            if draw == "validation" and arm.direction not in DIRECTIONS:
                continue
            top = 0.85 if arm.direction == "compound" else 0.6
            top = 0.9 if arm.direction == FAVORITE[arm.task] else top
            share = (arm.factor - 1) / 7
            row = {"task": arm.task, "direction": arm.direction, "factor": arm.factor}
            row |= {"seed": seed, "draw": draw, "accuracy": 0.5 + share * (top - 0.5)}
            row["seconds"] = arm.factor * (1 if arm.direction in ("base", "width") else 2)
            found.append(row | {"improved": 0.05 if arm.direction == "depth" else 0.0})
    return found


@pytest.fixture(scope="module")
def validation(rows):
    return [row for row in rows if row["draw"] == "validation"]


@pytest.fixture(scope="module")
def scored(rows):
    return results.scored_on_test(rows)


def printed(monkeypatch, function, *arguments):
    """The table that a function shows: its head, and {first cell: the others}."""
    shown = []
    monkeypatch.setattr(results, "table", lambda head, lines: shown.append((head, lines)))
    function(*arguments)
    ((head, lines),) = shown
    return head, {line[0]: line[1:] for line in lines}


def test_compound_never_wins_and_loses_least(validation, scored):
    assert results.safest(validation, scored) == "compound"
    assert results.safest_bet(validation, scored) == "a little of each"


def test_the_regrets_are_the_differences_at_eight_times_the_macs(monkeypatch, validation, scored):
    head, lines = printed(monkeypatch, results.regret_table, validation, scored)
    assert head[1:] == ["span", "kinds", "detail", "worst"]
    assert lines["compound"][:3] == ["0.050"] * 3
    assert lines["depth"][:3] == ["0.000", "0.300", "0.300"]
    assert lines["width"][3].startswith("0.300")


def test_the_accuracies_are_those_of_the_rows(monkeypatch, scored):
    _, lines = printed(monkeypatch, results.accuracy_table, scored)
    assert lines["depth"][:4] == [
        "0.900 (0.900 – 0.900)",
        "0.600 (0.600 – 0.600)",
        "0.600 (0.600 – 0.600)",
        "0.700 (0.700 – 0.700)",
    ]
    assert lines["base (1 ×)"][0] == "0.500 (0.500 – 0.500)"
    # README.md of the results: the base has 7 channels, 4 blocks and 32 px.
    assert lines["base (1 ×)"][4] == "4 blocks, 7 channels, 32 px"
    assert lines["depth"][4].endswith(" blocks, 7 channels, 32 px")


def test_each_doubling_has_its_gain(monkeypatch, scored):
    shown = []
    monkeypatch.setattr(results, "table", lambda head, lines: shown.extend(lines))
    results.gains_table(scored)
    (line,) = [line for line in shown if line[:2] == ["depth", "span"]]
    assert [cell.split(" ")[0] for cell in line[2:]] == ["+0.057", "+0.114", "+0.229"]


def test_the_runs_that_still_learned_are_counted(scored):
    own = sum(row["direction"] == "depth" for row in scored)
    told = sum(row["direction"] != "grown" for row in scored)  # no line of the table is of these
    found = results.learning_left(scored)
    assert found.startswith(f"{own} of {told} runs were still learning after 2,000 steps")


def test_longer_trainings_stand_beside_the_same_seed(monkeypatch, scored):
    shown = []
    monkeypatch.setattr(results, "table", lambda head, lines: shown.extend(lines))
    keys = {(row["task"], row["direction"], row["factor"]) for row in scored}
    largest = [key for key in keys if key[2] == (1 if key[1] == "base" else results.MOST)]
    names = ("task", "direction", "factor")
    more = {"draw": "test", "seed": 0, "accuracy": 0.875}
    long_rows = [dict(zip(names, key, strict=True)) | more for key in largest]
    results.longer_table(long_rows, scored)
    assert [line[0] for line in shown] == ["base", *results.DIRECTIONS]
    own = {
        row["task"]: row["accuracy"]
        for row in scored
        if (row["direction"], row["factor"], row["seed"]) == ("depth", results.MOST, 0)
    }
    (depth,) = [line for line in shown if line[0] == "depth"]
    assert depth[1:-1] == [f"{own[task]:.2f} → 0.88" for task in results.TASKS]
    assert depth[-1] == "0.00"  # all are equal
    long_rows[0]["accuracy"] = 0.375
    results.longer_table(long_rows, scored)
    assert {line[0]: line[-1] for line in shown}[long_rows[0]["direction"]] == "0.50"


def test_the_bet_is_marked_in_both_figures(validation, scored):
    figure = results.accuracy_view(scored, "more channels").figure
    figure.draw_without_rendering()
    thick = {line.get_label() for line in figure.axes[0].lines if line.get_linewidth() == 4}
    assert "width" in thick and "depth" not in thick
    figure, words, _, _ = results.regret_view(validation, scored, "more channels")
    figure.draw_without_rendering()
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["depth", "width\n(your bet)", "resolution", "compound"]
    assert "compound 0.050" in words
    results.accuracy_view(scored, None).figure.draw_without_rendering()


def test_at_equal_time_width_pays_for_more(monkeypatch, validation, scored):
    """The time of eight times the MACs in width is that of four times in any other direction: there
    depth has .5 + 3/7 · .4 on "span", and compound .5 + 3/7 · .35 everywhere.
    """
    # validation was timed on another machine, which is ten times as slow
    base = [row for row in scored if row["direction"] == "base"]
    slow = [row | {"seconds": 10 * row["seconds"]} for row in [*validation, *base]]
    head, lines = printed(monkeypatch, results.time_table, slow, scored)
    assert head[2] == "regret at 8.0 × the time: span"
    assert lines["width"] == ["8.0", f"{0.4 * 3 / 7 - 0.1:.3f}", "0.000", "0.071", "0.071 (span)"]
    assert lines["compound"][:3] == ["16.0", f"{0.05 * 3 / 7:.3f}", f"{0.4 - 0.35 * 3 / 7:.3f}"]
