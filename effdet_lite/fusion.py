"""Feature fusion as data: FPN, PANet and BiFPN are three graphs, and one module runs any graph.

FPN: arXiv 1612.03144. PANet: arXiv 1803.01534. BiFPN: EfficientDet, arXiv 1911.09070, section 3 and
figure 2; details from the official code (`fpn_configs.py`, `efficientdet_keras.py`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effdet_lite.arguments import one_of, whole_number
from effdet_lite.graphs import WEIGHTINGS, FusionGraph, Node, bifpn, fpn, panet
from effdet_lite.layers import ConvNorm, LayerStyle, SeparableConv, max_pool

__all__ = ["FusionGraph", "FusionNetwork", "FusionNode", "Node", "bifpn", "fpn", "panet"]


def fusion_weights(weights: Tensor, weighting: str) -> Tensor:
    """The factors with which a node's inputs are added, [inputs].

    EfficientDet, section 3.3.

    Args:
        weights: what the node has learned, [inputs].
        weighting: "fast": not below 0, and divided by their sum. "softmax". "unbounded": as they
            are. "sum": all 1.

    Raises:
        ValueError: for another weighting.
    """
    if weighting == "fast":
        weights = F.relu(weights)
        return weights / (weights.sum() + 1e-4)
    if weighting == "softmax":
        return weights.softmax(0)
    if weighting == "unbounded":
        return weights
    if weighting == "sum":
        return torch.ones_like(weights)
    raise ValueError(f"weighting must be one of {', '.join(WEIGHTINGS)}, got {weighting!r}.")


class FusionNode(nn.Module):
    """Bring each input to this node's width and level and add them; then SiLU, a separable
    convolution and a batch norm.

    An input is projected (1x1 with bias, batch norm) only where its channels differ; each use has a
    projection of its own, also where two nodes use the same map. No activation follows: the next
    node begins with one.
    """

    def __init__(
        self,
        level: int,
        inputs: Sequence[tuple[int, int]],
        channels: int,
        weighting: str,
        style: LayerStyle,
    ):
        """level: of this node. inputs: (level, channels) of each."""
        super().__init__()
        # How many levels coarser than this node each input is; below 0, how many finer.
        self.coarser_by = [input_level - level for input_level, _ in inputs]
        self.project = nn.ModuleList(
            ConvNorm(width, channels, bias=True, style=style)
            if width != channels
            else nn.Identity()
            for _, width in inputs
        )
        self.weighting = weighting
        if weighting != "sum":
            self.weights = nn.Parameter(torch.ones(len(inputs)))
        self.activation = nn.SiLU()
        self.conv = SeparableConv(channels, channels)
        self.norm = style.norm(channels)

    def forward(self, inputs: Sequence[Tensor], size: torch.Size) -> Tensor:
        """inputs [N, C_i, H_i, W_i] each; size: (H, W) of this level. Returns [N, C, H, W]."""
        projected = [project(x) for project, x in zip(self.project, inputs, strict=True)]
        fused = self.fuse(projected, size)
        return self.norm(self.conv(self.activation(fused)))

    def extra_repr(self) -> str:
        return f"coarser_by={self.coarser_by}, weighting={self.weighting!r}"

    def fuse(self, maps: Sequence[Tensor], size: torch.Size) -> Tensor:
        """The weighted sum of the projected inputs [N, C, H_i, W_i], resized to this level,
        [N, C, H, W].
        """
        weights = None
        if self.weighting != "sum":
            weights = fusion_weights(self.weights, self.weighting)
        total = None
        for index, (x, coarser_by) in enumerate(zip(maps, self.coarser_by, strict=True)):
            finer_by = -coarser_by
            for _ in range(finer_by):  # never, for an input that is coarser
                x = max_pool(x)
            # Weighted first and enlarged then, for the result is the same and the map is small.
            if weights is not None:
                x = x * weights[index]
            if coarser_by > 0:
                x = F.interpolate(x, size, mode="nearest")
            total = x if total is None else total + x
        return total


class FusionNetwork(nn.Module):
    """`repeats` cells of one graph over the maps of a backbone.

    Levels beyond the backbone's are made here: the first by a 1x1 convolution with batch norm and a
    max pool, each further one by a max pool.

    Args:
        graph: any valid graph.
        in_channels: of the maps that come in, fine to coarse from the graph's finest level on.
        channels: of every output.
        weighting: "fast", "softmax", "unbounded" or "sum", see `fusion_weights`.

    Raises:
        ValueError: when there are more maps than levels, for an unknown weighting, for numbers that
        are not whole and at least 1, and for a node with a name that torch's modules use.
    """

    def __init__(
        self,
        graph: FusionGraph,
        in_channels: Sequence[int],
        channels: int,
        repeats: int = 1,
        weighting: str = "fast",
        style: LayerStyle = LayerStyle(),
    ):
        super().__init__()
        if not isinstance(graph, FusionGraph):
            raise ValueError(f"graph must be a FusionGraph, such as bifpn(...), got {graph!r}.")
        one_of("weighting", weighting, WEIGHTINGS)
        if not 1 <= len(in_channels) <= len(graph.levels):
            raise ValueError(
                f"the graph has {len(graph.levels)} levels, so give 1 to {len(graph.levels)} "
                f"in_channels, got {len(in_channels)}."
            )
        for width in in_channels:
            whole_number("each of in_channels", width)
        whole_number("channels", channels)
        whole_number("repeats", repeats)
        self.graph = graph
        self.backbone_levels = len(in_channels)
        extra_levels = len(graph.levels) - len(in_channels)
        needs_projection = extra_levels and in_channels[-1] != channels
        self.project_extra = (
            ConvNorm(in_channels[-1], channels, bias=True, style=style)
            if needs_projection
            else None
        )

        # The first cell reads the backbone's maps, each further one the maps of the cell before it.
        first_widths = [*in_channels, *[channels] * extra_levels]
        further_widths = [channels] * len(graph.levels)
        self.cells = nn.ModuleList()
        for index in range(repeats):
            incoming_widths = first_widths if index == 0 else further_widths
            self.cells.append(make_cell(graph, incoming_widths, channels, weighting, style))
        self.apply(_initialize)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """maps: the backbone's, fine to coarse, [N, C_l, H_l, W_l]. Returns [N, channels, H_l, W_l]
        for each level of the graph. Raises ValueError for another number of maps.
        """
        if len(maps) != self.backbone_levels:
            raise ValueError(f"this network takes {self.backbone_levels} maps, got {len(maps)}.")
        maps = self.extend(list(maps))
        sizes = {level: x.shape[-2:] for level, x in zip(self.graph.levels, maps, strict=True)}
        for cell in self.cells:
            # Every map of this cell by its name: those that come in, and then each node's output.
            map_of = dict(zip(self.graph.incoming, maps, strict=True))
            for node in self.graph.nodes:
                inputs = [map_of[name] for name in node.inputs]
                map_of[node.name] = cell[node.name](inputs, sizes[node.level])
            maps = [map_of[name] for name in self.graph.outputs]
        return maps

    def extend(self, maps: list[Tensor]) -> list[Tensor]:
        """The backbone's maps [N, C_l, H_l, W_l], and the levels beyond, such as P6 and P7."""
        coarsest = maps[-1] if self.project_extra is None else self.project_extra(maps[-1])
        for _ in range(len(self.graph.levels) - len(maps)):
            coarsest = max_pool(coarsest)
            maps.append(coarsest)
        return maps


def make_cell(
    graph: FusionGraph,
    incoming_widths: Sequence[int],
    channels: int,
    weighting: str,
    style: LayerStyle,
) -> nn.ModuleDict:
    """One `FusionNode` for each node of the graph, by its name, so that a state dict can be read.

    incoming_widths: channels of the maps that come in, fine to coarse. The other arguments are
    those of `FusionNetwork`. Raises ValueError for a node with a name that torch's modules use.
    """
    width_of = dict(zip(graph.incoming, incoming_widths, strict=True))
    width_of |= {node.name: channels for node in graph.nodes}
    cell = nn.ModuleDict()
    for node in graph.nodes:
        if hasattr(cell, node.name):  # such as "train": the node would be in the method's place
            raise ValueError(f"{node.name!r} cannot name a node: torch's modules use that name.")
        inputs = [(graph.level_of(name), width_of[name]) for name in node.inputs]
        cell[node.name] = FusionNode(node.level, inputs, channels, weighting, style)
    return cell


def _initialize(module: nn.Module) -> None:
    # effdet/efficientdet.py, `_init_weight`: Glorot uniform, biases 0.
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
