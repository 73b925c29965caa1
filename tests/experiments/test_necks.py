"""The experiments of notebook 05: their costs, their runs, what their scores mean, and their result
files.

Oracles: torch.utils.flop_counter, pycocotools, boxes chosen one by one, a run that was made twice.
"""

import math

import pytest
import torch
from oracles import macs, parameters, pycocotools
from torchvision.ops import box_iou

from effdet_lite.data import ShapesInContext
from effdet_lite.evaluation import detect_dataset
from effdet_lite.experiments.run import stored_results
from effdet_lite.fusion import FusionGraph, Node


@pytest.fixture(scope="module")
def necks(experiment_script):
    return experiment_script("necks")


@pytest.fixture(scope="module")
def pruning(experiment_script):
    return experiment_script("pruning")


def counted(script, run, graphs=None):
    """(parameters, MACs) of a run's detector on one picture, as torch counts them."""
    classes = 4 if run.task == "shapes" else 6
    graph = (graphs or script.GRAPHS)[run.graph]
    with torch.device("meta"):
        model = script.detector(graph, classes, run.weighting, run.repeats, run.channels)
        image = torch.empty(1, 3, script.SIZE, script.SIZE)
    return parameters(model), macs(model.eval(), image)


@pytest.mark.slow
def test_costs_are_what_torch_counts_and_equal_cost_is_equal(necks):
    runs = [run for run in necks.planned((0,)) if run.task == "top-down"]
    for run in runs:
        assert counted(necks, run)[1] == necks.macs(
            run.graph, run.weighting, run.repeats, run.channels
        )
    dearest = necks.macs("BiFPN", "fast", 3, necks.CHANNELS)
    wide = [run for run in runs if run.channels != necks.CHANNELS]
    assert {(run.graph, run.weighting) for run in wide} == {
        ("no fusion", "sum"),
        *necks.NECKS.values(),
    }
    for run in wide:
        assert necks.macs(run.graph, run.weighting, 1, run.channels) == pytest.approx(
            dearest, rel=0.03
        )


def test_every_neck_is_planned_for_every_task_and_seed(necks):
    runs = necks.planned()
    assert len(runs) == len(set(runs)) == 168
    for seed in necks.SEEDS:
        for task in necks.STEPS:
            some = [run for run in runs if (run.seed, run.task) == (seed, task)]
            once = {
                (run.graph, run.weighting, run.repeats)
                for run in some
                if run.channels == necks.CHANNELS
            }
            assert {
                (*neck, repeats) for neck in necks.NECKS.values() for repeats in (1, 2, 3)
            } <= once
            assert ("no fusion", "sum", 1) in once


def test_pruning_changes_pruning_alone(necks, pruning):
    """Each of its graphs has the edges of its partner, but for those of the nodes that pruning
    takes out.
    """
    assert len(pruning.planned()) == 12 and {run.channels for run in pruning.planned()} == {
        necks.CHANNELS
    }
    for graph, partner in pruning.PARTNERS.items():
        pair = [pruning.GRAPHS[graph], necks.GRAPHS[partner]]
        pruned, whole = sorted(pair, key=lambda one: len(one.nodes))
        gone = {node.name for node in whole.nodes} - {node.name for node in pruned.nodes}
        assert gone == {"P2_out", "P6_td"}
        renamed = {"P2_out": "P2_td", "P6_td": "P6_in"}
        left = {(renamed.get(a, a), b) for a, b in whole.edges if b not in gone}
        assert left == set(pruned.edges)


@pytest.mark.slow
def test_the_same_run_gives_the_same_row_and_another_seed_another(necks, one_thread, monkeypatch):
    monkeypatch.setattr(necks, "TEST_PICTURES", 20)
    necks.pictures.cache_clear()
    first, again, other = (
        necks.trained(necks.Run("top-down", "FPN", "fast", seed=seed), steps=3)
        for seed in (0, 0, 1)
    )
    necks.pictures.cache_clear()
    assert {**first, "seconds": 0} == {**again, "seconds": 0}
    assert first["losses"] != other["losses"]
    assert (first["params"], first["macs"]) == counted(necks, necks.Run("top-down", "FPN", "fast"))


def test_a_graph_of_ones_own_is_trained_and_watched(necks, one_thread):
    graph = FusionGraph(
        "mine",
        tuple(
            Node(f"P{level}_out", level, (f"P{level}_in", "P6_in")[: 1 + (level < 6)])
            for level in necks.LEVELS
        ),
    )
    rows = []
    train_set = ShapesInContext("train", necks.SIZE, 16, direction="bottom-up")
    model, history = necks.train_once(
        necks.Run("bottom-up", "mine"), graph, steps=2, on_step=rows.append, train_set=train_set
    )
    assert model.fusion.graph == graph and len(history) == len(rows) == 2
    assert math.isfinite(rows[-1]["loss"])


def reference_ap50(detections, targets, classes):
    """Mean over classes of pycocotools' AP50; classes: the labels that count."""
    oracle = pycocotools(detections, targets, max(classes) + 1)
    return oracle.eval["precision"][0, :, list(classes), 0, -1].mean()


def one_class(instance):
    """The boxes of labels 3 to 5 as one class; of detections that overlap by half, the best, taken
    one by one.
    """
    rows = [row for row in range(len(instance["labels"])) if instance["labels"][row] >= 3]
    if "scores" in instance:
        left, rows = sorted(rows, key=lambda row: -instance["scores"][row]), []
        overlap = box_iou(instance["boxes"], instance["boxes"])
        while left:
            rows.append(left.pop(0))
            left = [row for row in left if overlap[rows[-1], row] <= 0.5]
    kept = {name: value[rows] for name, value in instance.items() if name != "image_id"}
    return kept | {"labels": torch.zeros_like(kept["labels"])}


@pytest.mark.slow
def test_what_is_asked_is_scored_as_pycocotools_scores_it(necks, one_thread):
    """With its classes, and with all boxes of these classes taken for one class."""
    test_set = ShapesInContext("test", necks.SIZE, 24, seed=1, direction="top-down")
    train_set = ShapesInContext("train", necks.SIZE, 400, seed=1, direction="top-down")
    model, _ = necks.train_once(necks.Run("top-down", "FPN"), steps=50, train_set=train_set)
    row = necks.score(model, test_set)
    detections, targets = detect_dataset(model, test_set, batch_size=24, progress=False)
    assert row["asked"] == pytest.approx(reference_ap50(detections, targets, (3, 4, 5)), abs=1e-3)
    one = [[one_class(instance) for instance in some] for some in (detections, targets)]
    assert row["asked_boxes"] == pytest.approx(reference_ap50(*one, (0,)), abs=1e-3)
    assert row["asked_boxes"] > 0.05  # there is something to score


@pytest.mark.parametrize("weighting", ["fast", "softmax", "unbounded"])
def test_edge_weights_are_the_nodes_own(necks, weighting):
    model = necks.detector(necks.GRAPHS["BiFPN"], 6, weighting, repeats=2)
    for node in model.fusion.cells[1].values():
        torch.nn.init.normal_(node.weights)
    found = necks.edge_weights(model, repeat=1)
    assert set(found) == set(model.fusion.graph.edges)
    for node in model.fusion.graph.nodes:
        raw = model.fusion.cells[1][node.name].weights.detach()
        positive = raw.clamp(min=0)
        expected = {
            "fast": positive / (positive.sum() + 1e-4),
            "softmax": raw.exp() / raw.exp().sum(),
            "unbounded": raw,
        }
        told = [found[source, node.name] for source in node.inputs]
        assert told == pytest.approx(expected[weighting].tolist(), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["necks", "pruning"])
def test_a_result_file_holds_what_was_planned_at_the_cost_counted_now(name, necks, pruning):
    script = {"necks": necks, "pruning": pruning}[name]
    document = stored_results(name)
    assert document["settings"]["steps"] == necks.STEPS
    planned = {tuple(vars(run).values()): run for run in script.planned()}
    stored = {
        tuple(row[field] for field in necks.Run.__dataclass_fields__): row
        for row in document["runs"]
    }
    assert len(stored) == len(document["runs"]) and set(stored) == set(planned)
    costs = {}
    for key, row in stored.items():
        run = planned[key]
        kind = (run.graph, run.weighting, run.repeats, run.channels, run.task == "shapes")
        costs[kind] = costs.get(kind) or counted(necks, run, script.GRAPHS)
        assert (row["params"], row["macs"]) == costs[kind]
        assert 0 < row["ap"] < 1 and row["seconds"] > 0 and len(row["losses"]) == 10
        assert ("asked" in row) == (run.task != "shapes") and ("weights" in row) == (
            run.weighting != "sum"
        )
        assert all(math.isfinite(loss) for loss in row["losses"])
