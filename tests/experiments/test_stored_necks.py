"""The result files of the experiments on necks: what they hold, what it cost, and whether the code
still makes it.

Oracles: the planned runs, torch's own counters, and a training of the first tenth of a stored run.
"""

import math

import pytest
import torch
from oracles import macs, parameters

from effdet_lite.data import PatternedMarks
from effdet_lite.experiments.run import stored_results
from effdet_lite.training import train

TRAINED = ["way_up", "round_trip", "pairs", "fpn_parts", "one_level"]


@pytest.fixture(params=TRAINED)
def stored(request, experiment_script):
    """(the module, its stored document)"""
    return experiment_script(request.param), stored_results(request.param)


def run_of(script, row):
    """The planned run that a row is of."""
    kind = type(script.planned()[0])
    return kind(**{name: row[name] for name in kind.__dataclass_fields__})


def model_of(script, run):
    if hasattr(script, "begun"):
        return script.begun(run)
    torch.manual_seed(run.seed)
    return script.necks.detector(script.GRAPHS[run.graph], 6, run.weighting)


def train_set_of(script, run, steps):
    """What the run learns from."""
    name = script.__name__.rpartition(".")[2]
    if name == "way_up":
        return PatternedMarks("train", 128, 600 * 8, seed=1, asks="disc")
    if name == "round_trip":
        return PatternedMarks("train", 128, 8000, seed=1, asks="far")
    if name == "one_level":
        return script.pictures("train", 8 * steps)
    return script.necks.pictures("top-down" if name == "fpn_parts" else run.task, True)


def steps_of(document, run):
    steps = getattr(run, "steps", None) or document["settings"]["steps"]
    return steps[run.task] if isinstance(steps, dict) else steps


@pytest.mark.slow
def test_every_row_is_of_a_planned_run_at_the_cost_counted_now(stored):
    script, document = stored
    planned = set(script.planned())
    runs = [run_of(script, row) for row in document["runs"]]
    assert len(set(runs)) == len(runs) and set(runs) <= planned
    assert document["settings"] == script.plan().settings | {"torch": document["settings"]["torch"]}
    image = torch.empty(1, 3, 128, 128)
    for run, row in zip(runs, document["runs"], strict=True):
        if run.seed == runs[0].seed:
            model = model_of(script, run).eval()
            assert (row["params"], row["macs"]) == (parameters(model), macs(model, image))
        assert 0 <= row["ap"] <= 1 and row["seconds"] > 0 and len(row["losses"]) == 10
        assert all(math.isfinite(loss) for loss in row["losses"])


@pytest.mark.slow
def test_the_first_tenth_of_a_stored_run_is_learned_again(stored):
    """Bit for bit on one kind of processor; on another the last bits of sums differ, and training
    makes more of them.
    """
    script, document = stored
    row = document["runs"][-1]
    run = run_of(script, row)
    steps = steps_of(document, run)
    losses = []

    def note(step):
        losses.append(step["loss"])
        return len(losses) == steps // 10

    model = model_of(script, run)
    config = script.necks.recipe_for(steps, run.seed)
    train(config, train_set_of(script, run, steps), model=model, progress=False, on_step=note)
    assert sum(losses) / len(losses) == pytest.approx(row["losses"][0], abs=0.02)
