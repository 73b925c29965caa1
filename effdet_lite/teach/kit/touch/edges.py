"""Nodes at given places, and edges between them that are added and removed: a neck of one's own."""

from collections.abc import Callable, Mapping, Sequence

import traitlets
from matplotlib.figure import Figure

from effdet_lite.teach.kit.graphs import Places, draw_nodes
from effdet_lite.teach.kit.page import img
from effdet_lite.teach.kit.plots import new_figure, styled
from effdet_lite.teach.kit.touch.modules import module_text
from effdet_lite.teach.kit.touch.pad import BadValueError, Pad, as_list, finite

COLUMN, ROW = 130, 76  # CSS pixels from place to place
MARGINS = (90, 40)  # CSS pixels around all places: to the left and right, above and below
NAMED = 8  # edges are listed in words, as far as these are not more
KINDS = ("in", "between", "out")

Edges = list[tuple[str, str]]


class EdgePad(Pad):
    """A graph whose edges one draws; `value`: a list of [from, to], in the order of adding.

    places: (column, row) of each node by its name, rows counted upwards, as `graphs.node_places`
    has them; kinds: "in", "between" or "out" by name (squares, circles, diamonds). legal: the edges
    there may be, by default all between two nodes. refuse: called with all edges as they would be
    after a change; where it answers with a sentence, or raises ValueError, the change is not made
    and the pad shows why. Raises ValueError for edges that are not legal.
    """

    module = "edges"
    _esm = module_text(module)

    nodes = traitlets.List(traitlets.Dict()).tag(sync=True)
    legal = traitlets.List(allow_none=True).tag(sync=True)
    first = traitlets.List().tag(sync=True)
    asks = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        places: Places,
        edges: Sequence[tuple[str, str]] = (),
        description: str = "edges",
        *,
        kinds: Mapping[str, str] | None = None,
        legal: Sequence[tuple[str, str]] | None = None,
        refuse: Callable[[Edges], str | None] | None = None,
    ):
        what = "the place of a node is (column, row)"
        self.places = {name: tuple(finite(place, 2, what)) for name, place in places.items()}
        if not self.places:
            raise ValueError("a pad of edges needs nodes, and there is none.")
        self.kinds = dict.fromkeys(self.places, "between") | dict(kinds or {})
        unknown = set(self.kinds.values()) - set(KINDS) or self.kinds.keys() - self.places.keys()
        if unknown:
            raise ValueError(f"kinds gives nodes one of {', '.join(KINDS)}, not {unknown.pop()!r}.")
        self.refuse = refuse
        nodes, size = _laid_out(self.places, self.kinds)
        super().__init__(
            description=description,
            nodes=nodes,
            size=size,
            shown=size[0],
            legal=None if legal is None else [list(edge) for edge in legal],
            asks=refuse is not None,
            value=edges,
        )
        self.first = self.value
        self.on_msg(self._on_proposal)

    def checked(self, value: object) -> list[list[str]]:
        """Legal edges, each once; BadValueError for any others."""
        edges = [self._checked_edge(edge) for edge in as_list(value, "edges are a list")]
        for number, edge in enumerate(edges):
            if edge in edges[:number]:
                raise BadValueError(f"the edge {_told(edge)} is there twice.")
        reason = self._reason(edges)
        if reason:
            raise BadValueError(reason)
        return edges

    def _checked_edge(self, edge: object) -> list[str]:
        ends = as_list(edge, "an edge is [from, to]")
        if len(ends) != 2:
            raise BadValueError(f"an edge is [from, to], not {edge!r}.")
        for name in ends:
            if name not in self.places:
                raise BadValueError(f"there is no node {name!r}, only {', '.join(self.places)}.")
        if ends[0] == ends[1] or (self.legal is not None and ends not in self.legal):
            raise BadValueError(f"there can be no edge {_told(ends)}.")
        return ends

    def _reason(self, edges: list[list[str]]) -> str | None:
        if self.refuse is None:
            return None
        try:
            return self.refuse([(source, node) for source, node in edges])
        except ValueError as error:
            return str(error)

    def _on_proposal(self, _: object, message: object, buffers: object) -> None:
        """The page asks for other edges; what is refused is said there, and so is a bug, which
        would vanish in JupyterLab's log.
        """
        try:
            self.value = message["edges"]
        except BadValueError as error:
            self.send({"said": f"Not possible: {error}"})
        except Exception as error:
            self.send({"said": f"{type(error).__name__}: {error}"})

    def in_words(self) -> str:
        """How many edges, and which where they are few, as "2 edges: A → B, B → C"."""
        if not self.value:
            return "no edges"
        count = f"{len(self.value)} edge{'s' if len(self.value) > 1 else ''}"
        return count if len(self.value) > NAMED else f"{count}: {', '.join(map(_told, self.value))}"

    def still(self, words: str) -> str:
        """The nodes and the edges between them."""
        return img(edges_figure(self.places, self.kinds, self.value), words)


def _told(edge: Sequence[str]) -> str:
    return f"{edge[0]} → {edge[1]}"


def _laid_out(places: Places, kinds: Mapping[str, str]) -> tuple[list[dict], list[float]]:
    """Each node with its place in CSS pixels, counted from above, and the drawing's width and
    height.
    """
    left = min(x for x, _ in places.values())
    top = max(y for _, y in places.values())
    nodes = [
        {
            "name": name,
            "kind": kinds[name],
            "place": [MARGINS[0] + COLUMN * (x - left), MARGINS[1] + ROW * (top - y)],
        }
        for name, (x, y) in places.items()
    ]
    last = [max(node["place"][index] for node in nodes) for index in (0, 1)]
    return nodes, [last[0] + MARGINS[0], last[1] + MARGINS[1]]


@styled
def edges_figure(
    places: Places, kinds: Mapping[str, str], edges: Sequence[Sequence[str]]
) -> Figure:
    """Nodes at places (column, row) by kind, and an arrow for each edge [from, to]."""
    columns, rows = zip(*places.values(), strict=True)
    width = 2.3 + 1.4 * (max(columns) - min(columns))
    height = 0.8 + 0.75 * (max(rows) - min(rows))
    axis = new_figure(width=width, height=height)[1][0, 0]
    draw_nodes(axis, places, kinds, {tuple(edge): 1.3 for edge in edges})
    axis.set(xlim=(min(columns) - 0.5, max(columns) + 0.75))
    axis.set(ylim=(min(rows) - 0.5, max(rows) + 0.5))
    axis.set_axis_off()
    return axis.figure
