"""Feature fusion as data: FPN, PANet and BiFPN are three graphs, and one module runs any graph.

FPN: arXiv 1612.03144. PANet: arXiv 1803.01534. BiFPN: EfficientDet, arXiv 1911.09070, section 3 and
figure 2; details from the official code (`fpn_configs.py`, `efficientdet_keras.py`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effdet_lite.arguments import whole_number
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
    """
    if weighting == "fast":
        weights = F.relu(weights)
        return weights / (weights.sum() + 1e-4)
    if weighting == "softmax":
        return weights.softmax(0)
    if weighting == "sum":
        return torch.ones_like(weights)
    return weights


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
        """inputs: (level, channels) of each."""
        super().__init__()
        self.steps = [source - level for source, _ in inputs]
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
        return f"steps={self.steps}, weighting={self.weighting!r}"

    def fuse(self, maps: Sequence[Tensor], size: torch.Size) -> Tensor:
        """The weighted sum of the projected inputs, resized to this level."""
        weights = None
        if self.weighting != "sum":
            weights = fusion_weights(self.weights, self.weighting)
        total = None
        for index, (x, steps) in enumerate(zip(maps, self.steps, strict=True)):
            for _ in range(-steps):
                x = max_pool(x)
            # A weight commutes with enlarging, so it is applied where the map is small.
            if weights is not None:
                x = x * weights[index]
            if steps > 0:
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
        ValueError: when there are more maps than levels, or for an unknown weighting.
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
        if weighting not in WEIGHTINGS:
            raise ValueError(
                f"weighting must be one of {', '.join(WEIGHTINGS)}, got {weighting!r}."
            )
        if not 1 <= len(in_channels) <= len(graph.levels):
            raise ValueError(
                f"the graph has {len(graph.levels)} levels, so give 1 to {len(graph.levels)} "
                f"in_channels, got {len(in_channels)}."
            )
        repeats = whole_number("repeats", repeats)
        self.graph = graph
        self.backbone_levels = len(in_channels)
        extra_levels = len(graph.levels) - len(in_channels)
        needs_projection = extra_levels and in_channels[-1] != channels
        self.project_extra = (
            ConvNorm(in_channels[-1], channels, bias=True, style=style)
            if needs_projection
            else None
        )

        arriving = [*in_channels, *[channels] * extra_levels]
        self.cells = nn.ModuleList()
        for _ in range(repeats):
            widths = {
                f"P{level}_in": width for level, width in zip(graph.levels, arriving, strict=True)
            }
            cell = nn.ModuleDict()
            for node in graph.nodes:
                inputs = [
                    (graph.level_of(name), widths.get(name, channels)) for name in node.inputs
                ]
                cell[node.name] = FusionNode(node.level, inputs, channels, weighting, style)
            self.cells.append(cell)
            arriving = [channels] * len(graph.levels)
        self.apply(_initialize)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """maps: the backbone's, fine to coarse, [N, C_l, H_l, W_l]. Returns [N, channels, H_l, W_l]
        for each level.
        """
        if len(maps) != self.backbone_levels:
            raise ValueError(f"this network takes {self.backbone_levels} maps, got {len(maps)}.")
        maps = self.extend(list(maps))
        for cell in self.cells:
            known = {f"P{level}_in": x for level, x in zip(self.graph.levels, maps, strict=True)}
            sizes = {level: x.shape[-2:] for level, x in zip(self.graph.levels, maps, strict=True)}
            for node in self.graph.nodes:
                known[node.name] = cell[node.name](
                    [known[name] for name in node.inputs], sizes[node.level]
                )
            maps = [known[name] for name in self.graph.outputs]
        return maps

    def extend(self, maps: list[Tensor]) -> list[Tensor]:
        """Add the levels beyond the backbone's, such as P6 and P7."""
        coarsest = maps[-1] if self.project_extra is None else self.project_extra(maps[-1])
        for _ in range(len(self.graph.levels) - len(maps)):
            coarsest = max_pool(coarsest)
            maps.append(coarsest)
        return maps


def _initialize(module: nn.Module) -> None:
    # effdet/efficientdet.py, `_init_weight`: Glorot uniform, biases 0.
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
