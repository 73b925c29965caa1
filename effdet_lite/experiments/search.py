"""A search for a small network, as B0 was searched for, and what it is worth on fresh pictures.

The space has 512 networks: kernel, expansion and gate of the blocks, and 1-4 blocks in each of
three stages. The search trains 40 of them drawn by chance, and 20 that change one choice of the
best so far. It scores them on validation crops by the paper's objective. Then the winner, the one
in the middle of the 40, and a network made by hand are trained anew with five other seeds, and
scored on test crops. Notebook 02 draws the results.

    python -m effdet_lite.experiments.search            every run; finished ones are kept
    python -m effdet_lite.experiments.search --quick    ten networks, 20 steps each

The objective is that of arXiv 1905.11946, section 4; mutation of the best is one of the simplest
ways to search (arXiv 1802.01548). The space, the pictures and the recipe are ours.
"""

import functools
import itertools
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

from effdet_lite.experiments.classifiers import (
    accuracy,
    batches,
    crops,
    fit,
    in_parts,
    mean_of_last,
)
from effdet_lite.experiments.run import Plan, main
from effdet_lite.experiments.search_space import (
    BY_HAND,
    CHOICES,
    SPACE,
    Net,
    network,
    objective,
)
from effdet_lite.experiments.verdicts import Finding, gained
from effdet_lite.randomness import own_numbers
from effdet_lite.settings import TrainConfig

RANDOM, GENERATIONS, CHILDREN, PARENTS = 40, 2, 10, 5
STEPS, LONGER = 100, 400
BATCH, RATE = 32, 0.01
SEARCH_SEED, SEEDS = 0, (10, 11, 12, 13, 14)
PICTURES = (1000, 400, 1000)  # of the train, val and test split; each has several shapes


@dataclass(frozen=True)
class Run(Net):
    """A network to train. split: "val" in the search and "test" after it."""

    split: str
    steps: int = STEPS
    seed: int = SEARCH_SEED


def score(row: Mapping) -> float:
    """The objective of a finished run. The target is the MACs of the network made by hand; it only
    sets the scale.
    """
    return objective(row["accuracy"], row["macs"], BY_HAND.cost.macs)


# --- The search ---


def first_runs(number: int = RANDOM, steps: int = STEPS) -> list[Run]:
    """The networks that are drawn by chance, none twice."""
    drawn = random.Random(0).sample(SPACE, number)
    return [Run(**asdict(net), split="val", steps=steps) for net in drawn]


def net_of(row: Mapping) -> Net:
    """The network of a row."""
    return Net(**{field.name: row[field.name] for field in fields(Net)})


def mutants(rows: Sequence[Mapping], children: int, seed: int) -> list[Net]:
    """Networks that differ in one choice from one of the five best of these rows; none is among
    the rows or named twice. The best have their turns, and chance picks the choice and its value.
    """
    chance = random.Random(seed)
    ranked = sorted(rows, key=score, reverse=True)
    parents = itertools.cycle([net_of(row) for row in ranked[:PARENTS]])
    known = {net_of(row) for row in rows}
    found = []
    while len(found) < children:
        parent = next(parents)
        name = chance.choice(list(CHOICES))
        others = [value for value in CHOICES[name] if value != getattr(parent, name)]
        child = replace(parent, **{name: chance.choice(others)})
        if child not in known:
            known.add(child)
            found.append(child)
    return found


def searched(rows: Sequence[Mapping]) -> list[Mapping]:
    """The rows of the search, in its order."""
    return [row for row in rows if row["split"] == "val"]


def finalists(rows: Sequence[Mapping], drawn: int = RANDOM) -> dict[str, Net]:
    """What is trained anew: the "winner" of all that were searched, the "middle" of those drawn by
    chance (of an even number the better one), and "by hand".
    """
    found = searched(rows)
    by_chance = sorted(found[:drawn], key=score, reverse=True)
    return {
        "winner": net_of(max(found, key=score)),
        "middle": net_of(by_chance[(len(by_chance) - 1) // 2]),
        "by hand": BY_HAND,
    }


def further_runs(
    rows: Sequence[Mapping],
    drawn: int = RANDOM,
    children: int = CHILDREN,
    steps: Sequence[int] = (STEPS, LONGER),
    seeds: Sequence[int] = SEEDS,
) -> list[Run]:
    """What follows from the rows so far: a generation once all before it are finished, and the
    finalists once the search is.
    """
    runs = []
    found = searched(rows)
    for generation in range(1, GENERATIONS + 1):
        before = drawn + (generation - 1) * children
        if len(found) < before:
            return runs
        for net in mutants(found[:before], children, generation):
            runs.append(Run(**asdict(net), split="val", steps=steps[0]))
    if len(found) < drawn + GENERATIONS * children:
        return runs
    # Two finalists may be one network, which is then trained once.
    nets = dict.fromkeys(finalists(rows, drawn).values())
    for number, seed, net in itertools.product(steps, seeds, nets):
        runs.append(Run(**asdict(net), split="test", steps=number, seed=seed))
    return runs


def trained(run: Run, pictures: tuple[int, int, int] = PICTURES) -> dict:
    """Train this network, and return its row.

    The row: the run, params, macs, accuracy on the crops of its split (0-1), the mean loss of the
    last 50 steps, and processor seconds of training. pictures: of the data set, to learn from, to
    validate on and to test on.
    """
    of_split = dict(zip(("train", "val", "test"), pictures, strict=True))
    learn, judge = crops("train", of_split["train"]), crops(run.split, of_split[run.split])
    with own_numbers(run.seed):
        model = network(run)
    recipe = TrainConfig(
        steps=run.steps,
        batch_size=BATCH,
        learning_rate=RATE,
        warmup=run.steps // 10,
        seed=run.seed,
    )
    started = time.process_time()
    losses = fit(model, recipe, batches(*learn, recipe))
    seconds = time.process_time() - started
    return asdict(run) | {
        "params": run.cost.params,
        "macs": run.cost.macs,
        "accuracy": accuracy(model, in_parts(*judge)),
        "loss": mean_of_last(losses),
        "seconds": round(seconds, 1),
    }


# --- What the rows say ---


def gains_of_the_winner(
    rows: Sequence[Mapping], steps: int = STEPS, drawn: int = RANDOM
) -> dict[str, dict[int, float]]:
    """{"by hand" and "middle": {seed: score of the winner less that network's}}, on test crops.

    A seed counts where both have it after this many steps; there may be none. Where the winner is
    that very network, the differences are 0.
    """
    found: dict[Net, dict[int, float]] = {}
    for row in rows:
        if row["split"] == "test" and row["steps"] == steps:
            found.setdefault(net_of(row), {})[row["seed"]] = score(row)
    nets = finalists(rows, drawn)
    best = found.get(nets.pop("winner"), {})
    gains = {}
    for name, net in nets.items():
        other = found.get(net, {})
        gains[name] = {seed: best[seed] - other[seed] for seed in sorted(best) if seed in other}
    return gains


def gains_of_both_lengths(rows: Sequence[Mapping], drawn: int = RANDOM) -> dict[str, list[float]]:
    """{"by hand" and "middle": what the winner gains over that one, a number a seed}: the mean of
    both lengths of training, which are not independent. Only seeds with both lengths count.
    """
    short, long = (gains_of_the_winner(rows, steps, drawn) for steps in (STEPS, LONGER))
    return {
        name: [(gain + long[name][seed]) / 2 for seed, gain in own.items() if seed in long[name]]
        for name, own in short.items()
    }


def findings(rows: Sequence[Mapping], drawn: int = RANDOM) -> dict[str, Finding]:
    """{"by hand" and "middle": whether the winner is better than that one, on fresh pictures}, of
    `gains_of_both_lengths`. Raises ValueError where no seed has both.
    """
    found = gains_of_both_lengths(rows, drawn).items()
    return {name: gained({f"winner over {name}": gains}) for name, gains in found}


def best_so_far(rows: Sequence[Mapping]) -> list[float]:
    """The best validation score after each network of the search."""
    return list(itertools.accumulate(map(score, searched(rows)), max))


# --- The command ---


def settings(pictures: tuple[int, int, int] = PICTURES) -> dict:
    """What all runs have in common."""
    names = ("train_pictures", "val_pictures", "test_pictures")
    return {"batch": BATCH, "learning_rate": RATE} | dict(zip(names, pictures, strict=True))


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(first_runs(), trained, settings(), further_runs)
    few = (50, 50, 50)
    follow = functools.partial(further_runs, drawn=6, children=2, steps=(20,), seeds=SEEDS[:1])
    train_one = functools.partial(trained, pictures=few)
    return Plan(first_runs(6, steps=20), train_one, settings(few), follow)


if __name__ == "__main__":
    main("search", __doc__, plan)
