"""What each level of a detector knows of a dot: linear probes of its maps, and how much an oracle
could know that has one answer for each position.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from effdet_lite.data import ShapesInContext
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.experiments import necks
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.plots import line_look, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n04_levels import COLOR_NAMES, LEVELS, SIDE, test_pictures

ASIDE, CLEAR = 12, 10  # px: a place beside a dot lies so far from it, and so far from all others
QUESTIONS = ("what", "where")
WORDS = {"before": "before fusion", "after": "after FPN"}
MAPS = tuple(WORDS)
TRAIN_PICTURES, TEST_PICTURES = 400, 300
ANYWHERE = 8  # places in each picture for the probe that a window asks


class Places(NamedTuple):
    """Places in pictures. pictures: [N, 3, H, W]. xy: [n, 2], px. owner: [n], the number of each
    place's picture. color: [n], the ring's. is_dot: [n], whether a dot is there.
    """

    pictures: Tensor
    xy: Tensor
    owner: Tensor
    color: Tensor
    is_dot: Tensor

    def only_dots(self) -> "Places":
        """The places with a dot."""
        parts = (part[self.is_dot] for part in self[1:])
        return Places(self.pictures, *parts)


def places(dataset: ShapesInContext, number: int) -> Places:
    """The dots of the first pictures, and for each dot a place 12 px beside it, in a direction
    drawn by chance, if no other dot is there.
    """
    drawn = torch.Generator().manual_seed(0)
    xy, owner, color, is_dot = [], [], [], []
    for index in range(number):
        boxes = dataset[index][1]["boxes"].as_subclass(Tensor)
        dots = (boxes[1:, :2] + boxes[1:, 2:]) / 2
        turn = 2 * torch.pi * torch.rand(len(dots), generator=drawn)
        beside = dots + ASIDE * torch.stack([turn.cos(), turn.sin()], 1)
        free = torch.cdist(beside, dots).amin(1) > CLEAR
        some = torch.cat([dots, beside[free]])
        xy.append(some)
        owner.append(torch.full((len(some),), index))
        color.append(dataset[index][1]["labels"][0].expand(len(some)))
        is_dot.append(torch.arange(len(some)) < len(dots))
    pictures = torch.stack([dataset[index][0].as_subclass(Tensor) for index in range(number)])
    return Places(pictures, *map(torch.cat, (xy, owner, color, is_dot)))


def places_anywhere(dataset: ShapesInContext, number: int) -> Places:
    """Places drawn by chance, a few in each of the first pictures."""
    drawn = torch.Generator().manual_seed(1)
    xy = SIDE * torch.rand(number * ANYWHERE, 2, generator=drawn)
    owner = torch.arange(number).repeat_interleave(ANYWHERE)
    pictures = torch.stack([dataset[index][0].as_subclass(Tensor) for index in range(number)])
    colors = torch.stack([dataset[index][1]["labels"][0] for index in range(number)])
    return Places(pictures, xy, owner, colors[owner], torch.zeros(len(xy), dtype=torch.bool))


@torch.no_grad()
def maps_of(model: EfficientDet, pictures: Tensor) -> dict[str, list[Tensor]]:
    """The maps P2 ... P6 "before" and "after" the neck, each fine to coarse."""
    model = model.eval()
    found = {when: [] for when in MAPS}
    for some in pictures.split(100):
        entering = model.backbone.features(some)[1:]
        found["before"].append(model.fusion.extend(list(entering)))
        found["after"].append(model.fusion(entering))
    return {
        when: [torch.cat(level) for level in zip(*parts, strict=True)]
        for when, parts in found.items()
    }


def numbers_at(maps: Sequence[Tensor], level: int, where: Places) -> Tensor:
    """The channels of this level's map at each place, [n, C]."""
    columns, rows = (where.xy / 2**level).long().clamp(0, SIDE // 2**level - 1).T
    return maps[level - LEVELS[0]][where.owner, :, rows, columns]


class Probe:
    """The simplest classifier: for each class a weighted sum of the channels; the largest sum wins.

    The weights are those of a ridge regression on 1 for the right class and 0 for the others.
    """

    def __init__(self, features: Tensor, answers: Tensor, classes: int):
        self.mean, self.deviation = features.mean(0), features.std(0) + 1e-6
        ready = self._ready(features)
        square = ready.T @ ready + torch.eye(ready.shape[1])
        target = ready.T @ F.one_hot(answers, classes).float()
        self.weights = torch.linalg.solve(square, target)

    def sums(self, features: Tensor) -> Tensor:
        """[n, C] -> [n, classes], near 1 for a class that it is sure of, near 0 for the others."""
        return self._ready(features) @ self.weights

    def share_right(self, features: Tensor, answers: Tensor) -> float:
        """Of its answers, 0-1."""
        return (self.sums(features).argmax(1) == answers).float().mean().item()

    def _ready(self, features: Tensor) -> Tensor:
        return F.pad((features - self.mean) / self.deviation, (0, 1), value=1.0)


def asked_of(question: str, where: Places) -> tuple[Places, Tensor, int]:
    """(the places that are asked about, the right answers, how many answers there are)."""
    if question == "what":
        dots = where.only_dots()
        return dots, dots.color, len(COLOR_NAMES)
    return where, where.is_dot.long(), 2


class Knowledge(NamedTuple):
    """What probes of one detector find: by (maps, question) the share right at each level."""

    shares: Mapping[tuple[str, str], list[float]]

    def at(self, when: str, question: str, level: int) -> float:
        """At one level."""
        return self.shares[when, question][level - LEVELS[0]]


@functools.cache
def learned_from() -> Places:
    """The places that probes are fitted to."""
    return places(necks.pictures("top-down", True), TRAIN_PICTURES)


@functools.cache
def tested_on() -> Places:
    """The places that they are tested on, of other pictures."""
    return places(test_pictures(), TEST_PICTURES)


def ask_levels(model: EfficientDet) -> Knowledge:
    """Fit probes to the maps of a detector, before and after its neck, and test them."""
    seen = [(maps_of(model, where.pictures), where) for where in (learned_from(), tested_on())]
    shares = {}
    for when in MAPS:
        for question in QUESTIONS:
            found = []
            for level in LEVELS:
                sides = []
                for maps, where in seen:
                    some, answers, classes = asked_of(question, where)
                    sides.append((numbers_at(maps[when], level, some), answers))
                found.append(Probe(*sides[0], classes).share_right(*sides[1]))
            shares[when, question] = found
    return Knowledge(shares)


def ceiling(level: int, where: Places) -> float:
    """The share of "where" that an oracle gets right which knows everything, and has one answer for
    each position of the level: places that share a position share its answer.
    """
    columns, rows = (where.xy / 2**level).long().T
    cells = torch.stack([where.owner, rows, columns], 1)
    _, cell_of = cells.unique(dim=0, return_inverse=True)
    dots = torch.bincount(cell_of, where.is_dot.float())
    others = torch.bincount(cell_of, (~where.is_dot).float())
    return (torch.maximum(dots, others).sum() / len(where.xy)).item()


def ceilings() -> list[float]:
    """Of each level, for the places that probes are tested on."""
    return [ceiling(level, tested_on()) for level in LEVELS]


def by_guessing(question: str) -> float:
    """The share right of somebody who always gives the most frequent answer."""
    _, answers, classes = asked_of(question, tested_on())
    return (torch.bincount(answers, minlength=classes).max() / len(answers)).item()


def knowledge_table(fpn: Knowledge) -> None:
    """Both questions at each level; and what the oracle would get."""
    rows = []
    for question in QUESTIONS:
        for words, when in (("before fusion", "before"), ("after FPN", "after")):
            shares = fpn.shares[when, question]
            rows.append([question, words, *(f"{share:.2f}" for share in shares)])
    rows.append(["where", "an oracle, one answer a position", *(f"{x:.2f}" for x in ceilings())])
    table(["question", "maps", *(f"level {level}" for level in LEVELS)], rows)


@styled
def knowledge_view(fpn: Knowledge, guess: float | None = None) -> View:
    """What the levels of the FPN detector know before and after fusion. guess: of "what" at P2
    after fusion, in percent.
    """
    figure, panels = new_panels(8.6, 4.3, (0.08, 0.13, 0.4, 0.6), (0.57, 0.13, 0.4, 0.6))
    figure.suptitle(
        "After FPN every level knows what, and coarse ones still not where", fontsize=12
    )
    titles = ("what: the color of the ring", "where: is a dot here?")
    for axis, question, title in zip(panels, QUESTIONS, titles, strict=True):
        for number, (when, words) in enumerate(WORDS.items()):
            look = line_look(number) | {"markersize": 7}
            shares = [100 * share for share in fpn.shares[when, question]]
            axis.plot(LEVELS, shares, label=words, **look)
        chance = 100 * by_guessing(question)
        axis.axhline(chance, color="black", linestyle=":", marker="", lw=1.2)
        axis.text(5.1 if question == "what" else 2.0, chance - 2, "guessing", va="top", fontsize=10)
        axis.set(ylim=(20, 105), xlim=(1.8, 6.2), ylabel="the probe is right (%)")
        axis.set_xticks(LEVELS)
        axis.set_xlabel("level")
        axis.set_title(title, fontsize=11, y=1.0)
    limits = [100 * limit for limit in ceilings()]
    panels[1].plot(LEVELS, limits, color="#555555", marker="_", ms=14, ls="-", lw=1.2)
    panels[1].text(6.1, 77, "the oracle", ha="right", fontsize=10, color="#333333")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.93),
        ncols=2,
        fontsize=11,
        frameon=False,
    )
    draw_guess(panels[0], guess, x=2)
    before, after = (100 * fpn.at(when, "what", 2) for when in MAPS)
    words = (
        f"At level 2 the probe names the ring's color in {before:.0f} % of the cases before fusion "
        f"and in {after:.0f} % after FPN. Where a dot is, levels 5 and 6 tell no better than "
        f"guessing, {chance:.0f} %, and even an oracle is right there in only {limits[-1]:.0f} %."
    )
    numbers = {
        "what, level 2, before fusion": f"{before:.0f} %",
        "what, level 2, after FPN": f"{after:.0f} %",
    }
    return View(figure, words, numbers)
