"""How near evidence must be: the small detector without fusion on rings of several sizes; the class
is the ring's.

python -m effdet_lite.experiments.reach        every run, into reach.json beside this file; finished runs are
kept

Notebook 04 shows these runs beside the fine level's receptive field. The detector and the recipe
are those of `fusion.py`; only the rings differ.
"""

from dataclasses import asdict, dataclass

from effdet_lite.data import ShapesInContext
from effdet_lite.experiments import necks as fusion
from effdet_lite.experiments import run as experiment

RINGS, SEEDS, STEPS = (40, 56, 72, 112), (0, 1), 300
SPREAD, DOTS = (
    4,
    (6.5, 8.0),
)  # diameters in pixels: a ring's differs by as much from its nominal one; a dot's


@dataclass(frozen=True)
class Run:
    """One detector without fusion. ring: mean diameter of the rings in pixels."""

    ring: int
    seed: int = 0


def pictures(ring: int, split: str, length: int) -> ShapesInContext:
    """Dots of equal size in rings of about this diameter."""
    return ShapesInContext(
        split,
        fusion.SIZE,
        length,
        seed=2,
        large=(ring - SPREAD, ring + SPREAD),
        small=DOTS,
        cache=True,
    )


def trained(run: Run) -> dict:
    """Train and score: the run, and `fusion.score`'s figures."""
    train_set = pictures(run.ring, "train", STEPS * fusion.BATCH)
    same = fusion.Run("top-down", "no fusion", seed=run.seed)
    model, _ = fusion.train_once(same, steps=STEPS, train_set=train_set)
    return asdict(run) | fusion.score(model, pictures(run.ring, "test", fusion.TEST_PICTURES))


def main() -> None:
    """The command."""
    settings = {
        "steps": STEPS,
        "batch": fusion.BATCH,
        "learning_rate": fusion.RATE,
        "dots": list(DOTS),
    }
    runs = [Run(ring, seed) for seed in SEEDS for ring in RINGS]
    experiment.run_all(experiment.results("reach"), runs, trained, settings)


if __name__ == "__main__":
    main()
