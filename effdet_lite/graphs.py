"""Feature networks as data: FPN, PANet and BiFPN are three graphs. `fusion` runs them; here is no
torch.

FPN: arXiv 1612.03144. PANet: arXiv 1803.01534. BiFPN: EfficientDet, arXiv 1911.09070, section 3 and
figure 2; details from the official code (`fpn_configs.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from effdet_lite.arguments import whole_number

# How a node adds its inputs; `fusion.fusion_weights` has the formulas.
WEIGHTINGS = ("fast", "softmax", "unbounded", "sum")


@dataclass(frozen=True)
class Node:
    """One fusion: `inputs` are resized to `level`, added and convolved.

    "P4_in" is the map that comes in at level 4. Raises ValueError for what is no such node.
    """

    name: str
    level: int
    inputs: tuple[str, ...]

    def __post_init__(self):
        name, inputs = self.name, self.inputs
        if isinstance(inputs, str):
            raise ValueError(f"inputs of node {name!r} must be a tuple: write ({inputs!r},).")
        if not isinstance(inputs, tuple):
            raise ValueError(f"inputs of node {name!r} must be a tuple of names, got {inputs!r}.")
        if not inputs:
            raise ValueError(f"node {name!r} has no inputs; give it at least one.")
        twice = [source for number, source in enumerate(inputs) if source in inputs[:number]]
        if twice:
            raise ValueError(f"node {name!r} reads {twice[0]!r} twice; name each input once.")
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            raise ValueError(
                f"{name!r} cannot name a node; use letters, digits and _, such as 'P4_td'."
            )
        whole_number(f"the level of node {name!r}", self.level, least=0)


@dataclass(frozen=True)
class FusionGraph:
    """A feature network: nodes, and by their inputs the edges between them.

    name: for figures. nodes: given in any order, and kept in one that runs. Each level's output is
    the node of that level that runs last.

    Raises:
        ValueError: for a graph that cannot run: a cycle, a node without inputs, an unknown input, a
        name used twice, a level left out between two others.
    """

    name: str
    nodes: tuple[Node, ...]

    def __post_init__(self):
        self._check_names()
        self._check_inputs()
        # `self.nodes = ...` is what frozen dataclasses forbid everyone, themselves included.
        object.__setattr__(self, "nodes", self._in_running_order())

    @property
    def levels(self) -> tuple[int, ...]:
        """The levels that come in and go out, fine to coarse."""
        present = {node.level for node in self.nodes}
        return tuple(range(min(present), max(present) + 1))

    @property
    def incoming(self) -> tuple[str, ...]:
        """The names of the maps that come in, fine to coarse: "P3_in", "P4_in" ..."""
        return tuple(f"P{level}_in" for level in self.levels)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The name of each level's output node, fine to coarse."""
        last = {node.level: node.name for node in self.nodes}
        return tuple(last[level] for level in self.levels)

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """(from, to) for each input of each node."""
        return tuple((source, node.name) for node in self.nodes for source in node.inputs)

    def level_of(self, name: str) -> int:
        """The level of a node or of an incoming map. Raises ValueError for another name."""
        levels = dict(zip(self.incoming, self.levels, strict=True))
        for node in self.nodes:
            levels[node.name] = node.level
        if name not in levels:
            raise ValueError(f"graph {self.name!r} has no {name!r}; it has {', '.join(levels)}.")
        return levels[name]

    def to_dict(self) -> dict:
        """The graph as plain values, for JSON."""
        nodes = [
            {"name": node.name, "level": int(node.level), "inputs": list(node.inputs)}
            for node in self.nodes
        ]
        return {"name": self.name, "nodes": nodes}

    @classmethod
    def from_dict(cls, values: dict) -> "FusionGraph":
        """The graph that `to_dict` made into plain values. Raises ValueError for other values."""
        try:
            nodes = tuple(
                Node(**node | {"inputs": _as_tuple(node["inputs"])}) for node in values["nodes"]
            )
            return cls(values["name"], nodes)
        except (KeyError, TypeError):
            raise ValueError(
                'a graph must be {"name": ..., "nodes": [{"name": ..., "level": ..., '
                f'"inputs": [...]}}, ...]}}, got {values!r:.100}.'
            ) from None

    def _check_names(self) -> None:
        if not isinstance(self.name, str):
            raise ValueError(f"the name of a graph must be text, got {self.name!r}.")
        if not isinstance(self.nodes, (tuple, list)):
            raise ValueError(f"the nodes of a graph must be a tuple, got {self.nodes!r:.100}.")
        if not self.nodes:
            raise ValueError(f"graph {self.name!r} has no nodes.")
        for node in self.nodes:
            if not isinstance(node, Node):
                raise ValueError(f"a graph is made of nodes: write Node(...), not {node!r}.")
        names = [node.name for node in self.nodes]
        if len(set(names)) < len(names):
            raise ValueError(f"graph {self.name!r} uses a node name twice: {names}.")
        present = {node.level for node in self.nodes}
        missing = set(range(min(present), max(present))) - present
        if missing:
            raise ValueError(
                f"graph {self.name!r} has no node at level {min(missing)}, between two that it has."
            )
        for name in names:
            if name in self.incoming:
                raise ValueError(
                    f"{name!r} names the map that comes in at that level; give the node another "
                    "name."
                )

    def _check_inputs(self) -> None:
        sources = [*self.incoming, *(node.name for node in self.nodes)]
        for node in self.nodes:
            for source in node.inputs:
                if source not in sources:
                    raise ValueError(
                        f"node {node.name!r} has the unknown input {source!r}; known here: "
                        f"{', '.join(sources)}."
                    )

    def _in_running_order(self) -> tuple[Node, ...]:
        """The nodes such that each comes after its inputs. Raises ValueError for a cycle."""
        sorter = TopologicalSorter({node.name: node.inputs for node in self.nodes})
        try:
            order = list(sorter.static_order())  # names, those of the incoming maps included
        except CycleError as error:
            cycle = " -> ".join(error.args[1][::-1])
            raise ValueError(f"graph {self.name!r} has a cycle: {cycle}.") from None
        # Where the author's own order runs, it stays, so that a list reads as it was written.
        if self._runs_as_written():
            return tuple(self.nodes)
        node_of = {node.name: node for node in self.nodes}
        return tuple(node_of[name] for name in order if name in node_of)

    def _runs_as_written(self) -> bool:
        ready = set(self.incoming)
        for node in self.nodes:
            if not ready.issuperset(node.inputs):
                return False
            ready.add(node.name)
        return True


def fpn(levels: Sequence[int]) -> FusionGraph:
    """FPN: from coarse to fine, each level adds what comes down to what comes in.

    levels: two or more neighboring levels, in any order. Raises ValueError for others.
    """
    return FusionGraph("FPN", _top_down(levels, prune=False))


def panet(levels: Sequence[int]) -> FusionGraph:
    """PANet: FPN, and then a second path from fine to coarse.

    levels: two or more neighboring levels, in any order. Raises ValueError for others.
    """
    return FusionGraph("PANet", bifpn(levels, skip=False, prune=False).nodes)


def bifpn(
    levels: Sequence[int], bottom_up: bool = True, skip: bool = True, prune: bool = True
) -> FusionGraph:
    """One cell of BiFPN. Without all three switches it is FPN; with bottom_up alone it is PANet.

    Args:
        levels: two or more neighboring levels, in any order.
        bottom_up: add the path from fine to coarse.
        skip: let each level's output see the map that came in there.
        prune: leave out the nodes that would have one input, at both ends of the pyramid.

    Raises:
        ValueError: for levels that are no whole numbers, fewer than two, or not neighbors.
    """
    if not bottom_up:
        # Each node is its level's only output, so there is nothing to prune and nothing to skip.
        return FusionGraph("FPN", _top_down(levels, prune=False))
    levels = _sorted_levels(levels)
    nodes = list(_top_down(levels, prune))
    top_down = {node.level: node.name for node in nodes}
    finer = top_down[levels[0]]  # the output of the next finer level
    for level in levels[1:] if prune else levels:
        came_in = f"P{level}_in"
        middle = top_down.get(level, came_in)
        inputs = [came_in, middle] if skip and middle != came_in else [middle]
        if level != levels[0]:
            inputs.append(finer)
        finer = f"P{level}_out"
        nodes.append(Node(finer, level, tuple(inputs)))
    return FusionGraph("BiFPN", tuple(nodes))


# The necks that a configuration can name.
NECKS = {"bifpn": bifpn, "fpn": fpn, "panet": panet}


def _top_down(levels: Sequence[int], prune: bool) -> tuple[Node, ...]:
    *finer, coarsest = _sorted_levels(levels)
    nodes = [] if prune else [Node(f"P{coarsest}_td", coarsest, (f"P{coarsest}_in",))]
    above = f"P{coarsest}_in" if prune else f"P{coarsest}_td"
    for level in reversed(finer):
        nodes.append(Node(f"P{level}_td", level, (f"P{level}_in", above)))
        above = f"P{level}_td"
    return tuple(nodes)


def _as_tuple(inputs: object) -> object:
    """JSON has lists where a node has a tuple."""
    return tuple(inputs) if isinstance(inputs, list) else inputs


def _sorted_levels(levels: Sequence[int]) -> list[int]:
    """Fine to coarse. Raises ValueError unless they are at least two different whole numbers."""
    try:
        fine_to_coarse = sorted(whole_number("each of levels", level, least=0) for level in levels)
    except TypeError:
        raise ValueError(
            f"levels must be whole numbers, such as (3, 4, 5), got {levels!r}."
        ) from None
    if len(set(fine_to_coarse)) < max(2, len(fine_to_coarse)):
        raise ValueError(f"levels must be at least two different numbers, got {fine_to_coarse}.")
    return fine_to_coarse
