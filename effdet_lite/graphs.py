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

# Nodes become submodules by their names, so that a state dict can be read. These names are taken:
# torch's modules have them themselves.
TAKEN = frozenset(
    """T_destination add_module apply bfloat16 buffers call_super_init children clear compile cpu
    cuda double dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter
    get_submodule half ipu items keys load_state_dict modules mtia named_buffers named_children
    named_modules named_parameters parameters pop register_backward_hook register_buffer
    register_forward_hook register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state
    set_submodule share_memory state_dict to to_empty train training type update values xpu
    zero_grad""".split()  # noqa: SIM905  a column of sixty lines otherwise
)


@dataclass(frozen=True)
class Node:
    """One fusion: `inputs` are resized to `level`, added and convolved.

    "P4_in" is the map that comes in at level 4.
    """

    name: str
    level: int
    inputs: tuple[str, ...]

    def __post_init__(self):
        if isinstance(self.inputs, list):  # as JSON has it; a frozen dataclass sets its fields so
            object.__setattr__(self, "inputs", tuple(self.inputs))
        if isinstance(self.inputs, str):
            raise ValueError(
                f"inputs of node {self.name!r} must be a tuple: write ({self.inputs!r},)."
            )
        if not isinstance(self.inputs, tuple):
            raise ValueError(f"inputs of node {self.name!r} must be names, got {self.inputs!r}.")
        if not self.inputs:
            raise ValueError(f"node {self.name!r} has no inputs; give it at least one.")
        name = self.name
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            raise ValueError(
                f"{name!r} cannot name a node; use letters, digits and _, such as 'P4_td'."
            )
        if name in TAKEN:
            raise ValueError(f"{name!r} cannot name a node: torch's modules use that name.")
        object.__setattr__(
            self, "level", whole_number(f"the level of node {name!r}", self.level, least=0)
        )


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
        # A frozen dataclass sets its own fields in this way.
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
        """The level of a node or of an incoming map."""
        levels = {node.name: node.level for node in self.nodes}
        levels |= dict(zip(self.incoming, self.levels, strict=True))
        return levels[name]

    def to_dict(self) -> dict:
        """The graph as plain values, for JSON."""
        nodes = [
            {"name": node.name, "level": node.level, "inputs": list(node.inputs)}
            for node in self.nodes
        ]
        return {"name": self.name, "nodes": nodes}

    @classmethod
    def from_dict(cls, values: dict) -> "FusionGraph":
        """The graph that `to_dict` made into plain values. Raises ValueError for other values."""
        try:
            nodes = tuple(Node(**node) for node in values["nodes"])
            return cls(values["name"], nodes)
        except (KeyError, TypeError):
            raise ValueError(
                'a graph must be {"name": ..., "nodes": [{"name": ..., "level": ..., '
                f'"inputs": [...]}}, ...]}}, got {values!r:.100}.'
            ) from None

    def _check_names(self) -> None:
        if not isinstance(self.name, str):
            raise ValueError(f"the name of a graph must be text, got {self.name!r}.")
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
        known = [*self.incoming, *(node.name for node in self.nodes)]
        for node in self.nodes:
            for source in node.inputs:
                if source not in known:
                    raise ValueError(
                        f"node {node.name!r} has the unknown input {source!r}; known here: "
                        f"{', '.join(known)}."
                    )

    def _in_running_order(self) -> tuple[Node, ...]:
        nodes = {node.name: node for node in self.nodes}
        sorter = TopologicalSorter({node.name: node.inputs for node in self.nodes})
        try:
            order = list(sorter.static_order())
        except CycleError as error:
            cycle = " -> ".join(error.args[1][::-1])
            raise ValueError(f"graph {self.name!r} has a cycle: {cycle}.") from None
        # Keep the author's order where it runs, so that a list reads as it was written.
        seen = set(self.incoming)
        for node in self.nodes:
            if not seen.issuperset(node.inputs):
                return tuple(nodes[name] for name in order if name in nodes)
            seen.add(node.name)
        return tuple(self.nodes)


def fpn(levels: Sequence[int]) -> FusionGraph:
    """FPN: from coarse to fine, each level adds what comes down to what comes in."""
    return FusionGraph("FPN", _top_down(levels, prune=False))


def panet(levels: Sequence[int]) -> FusionGraph:
    """PANet: FPN, and then a second path from fine to coarse."""
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
