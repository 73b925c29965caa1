"""A file of results: what a stop leaves, what is refused, and the command.

Oracles: arithmetic (a "training" that only counts), numpy, the file system.
"""

import functools
import json
import os
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effdet_lite.experiments import run as experiments_run
from effdet_lite.experiments.run import Plan, load, loss_in_parts, main, run_all
from effdet_lite.files import WriteError


@dataclass(frozen=True)
class Run:
    name: str
    seed: int


def trained(run, note=None):
    """A row; run "broken" breaks. note: a folder that shows which runs were trained."""
    if note:
        (note / f"{run.name}-{run.seed}").touch()
    if run.name == "broken":
        raise ValueError("this run is broken.")
    return {"name": run.name, "seed": run.seed, "twice": 2 * run.seed}


RUNS = [Run("a", 0), Run("b", 0), Run("a", 1)]
ROWS = [trained(run) for run in RUNS]


def test_results_that_are_not_there_yet_name_the_command_that_makes_them(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments_run, "results_file", lambda name: tmp_path / f"{name}.json")
    with pytest.raises(FileNotFoundError, match=r"run python -m effdet_lite.experiments.rates\.$"):
        experiments_run.stored_results("rates")


@pytest.mark.slow
def test_a_stop_loses_the_runs_under_way_only(tmp_path):
    """Finished runs stay as they are, and the file has the plan's order whatever ended first."""
    path, note = tmp_path / "results.json", tmp_path / "trained"
    note.mkdir()
    train_one = functools.partial(trained, note=note)
    with pytest.raises(ValueError, match="this run is broken"):
        run_all(path, Plan([RUNS[0], Run("broken", 0), RUNS[2]], train_one, {"steps": 1}), 1)
    assert load(path)["runs"] == [ROWS[0]]
    for entry in note.iterdir():
        entry.unlink()
    whole = run_all(path, Plan(RUNS, train_one, {"steps": 1}), 1)
    assert whole["runs"] == load(path)["runs"] == ROWS
    assert {entry.name for entry in note.iterdir()} == {"b-0", "a-1"}
    assert {entry.name for entry in tmp_path.iterdir()} == {"results.json", "trained"}
    assert run_all(path, Plan(RUNS, None, {"steps": 1})) == whole, "nothing is left to train"
    with pytest.raises(ValueError, match="move it away"):
        run_all(path, Plan(RUNS, train_one, {"steps": 2}))


def test_a_place_that_cannot_be_written_is_found_before_the_first_run(tmp_path):
    (tmp_path / "file").touch()
    plan = Plan(RUNS, functools.partial(trained, note=tmp_path), {})
    with pytest.raises(WriteError, match="could not be written"):
        run_all(tmp_path / "file" / "results.json", plan)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    with pytest.raises(ValueError, match="processes must be at least 1, got 0"):
        run_all(tmp_path / "results.json", plan, 0)


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=40)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["settings", "runs", "name"]), inner, max_size=3)
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
def test_a_file_that_holds_no_results_is_one_sentence_and_stays(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "given.json"
    path.write_bytes(content)
    try:
        document = json.loads(content)
        is_right = isinstance(document["settings"], dict) and isinstance(document["runs"], list)
    except (ValueError, KeyError, TypeError):
        is_right = False
    if is_right:
        assert load(path) == document
    else:
        with pytest.raises(ValueError, match=r"given\.json is not a file of results: "):
            load(path)
    if not is_right or document["runs"]:
        with pytest.raises(ValueError, match="move it away"):
            run_all(path, Plan(RUNS, trained, {}))
        assert path.read_bytes() == content


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60))
def test_losses_in_tenths_are_numpys_means(losses):
    history = [{"loss": loss, "step": step} for step, loss in enumerate(losses, 1)]
    parts = np.array_split(losses, min(10, len(losses)))
    assert loss_in_parts(history) == pytest.approx([part.mean() for part in parts], abs=6e-5)
    assert loss_in_parts([]) == []


def test_the_command_says_what_is_wrong_in_one_sentence(tmp_path, capsys):
    def plan(quick, long):
        assert (quick, long) == (True, False)
        return Plan(RUNS, trained, {"steps": 1})

    path = tmp_path / "results.json"
    path.write_text("{}", encoding="utf-8")
    arguments = ["--quick", "--output", str(path)]
    with pytest.raises(SystemExit) as stopped:
        main("necks", "What it is.", plan, {"long": "longer runs"}, arguments)
    told = capsys.readouterr().err.strip()
    assert stopped.value.code == 2 and len(told.splitlines()) == 1
    assert told.startswith("python -m effdet_lite.experiments.necks: ") and str(path) in told


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "balance",
        "compound",
        "directions",
        "fpn_parts",
        "longer",
        "necks",
        "one_level",
        "pairs",
        "pruning",
        "rates",
        "reach",
        "recipe",
        "round_trip",
        "search",
        "stability",
        "towers",
        "towers_again",
        "transfer",
        "way_up",
        "weighting_times",
        "window",
    ],
)
def test_every_experiment_says_what_it_trains(name, experiment_script, capsys, monkeypatch):
    """`--help` shows the commands as they are written, each on a line of its own."""
    script = experiment_script(name)
    with pytest.raises(SystemExit) as stopped:
        main(name, script.__doc__, script.plan, arguments=["--help"])
    told = capsys.readouterr().out
    assert stopped.value.code == 0
    for command in ("", " --quick"):
        assert f"{os.linesep}    python -m effdet_lite.experiments.{name}{command} " in told
    quick, whole = script.plan(quick=True), script.plan()
    assert 0 < len(quick.runs) < len(whole.runs) and quick.settings != whole.settings


def followed(rows):
    """After both first runs, two more; after those, one that needs their sum."""
    if len(rows) < 2:
        return []
    runs = [Run("c", rows[0]["twice"] + 1), Run("c", rows[1]["twice"] + 5)]
    if len(rows) < 4:
        return runs
    return [*runs, Run("d", rows[2]["twice"] + rows[3]["twice"])]


def test_runs_that_follow_from_results_are_trained_until_none_is_left(tmp_path, monkeypatch):
    # In this process: that others can do it is tested above.
    monkeypatch.setattr(
        "effdet_lite.experiments.run._rows", lambda runs, train_one, _: map(train_one, runs)
    )
    plan = Plan([Run("a", 0), Run("b", 1)], trained, {}, followed)
    path = tmp_path / "results.json"
    whole = run_all(path, plan)
    names = [(row["name"], row["seed"]) for row in whole["runs"]]
    assert names == [("a", 0), ("b", 1), ("c", 1), ("c", 7), ("d", 16)] and load(path) == whole
    # A stop between two rounds: what follows is asked of the rows that are there.
    stopped = whole | {"runs": whole["runs"][:3]}
    path.write_text(json.dumps(stopped), encoding="utf-8")
    assert run_all(path, plan) == whole
    assert run_all(path, Plan(plan.runs, None, {}, followed)) == whole, "nothing is left to train"
