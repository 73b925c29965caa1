"""The solutions of notebook 04; each section takes the place of what stands above `check(...)` in its cell."""

# %% 04.1
# The areas of four images beside the picture's: sides of 2, 1, 1/2 and 1/4.
answer = 4 + 1 + 1 / 4 + 1 / 16

# %% 04.2
from effdet_lite.cost import receptive_field

answer = receptive_field([(3, 2), (3, 2), (3, 2), (3, 1), (3, 1), (3, 1)]).size


# %% 04.3
def my_top_down(laterals):
    merged = [laterals[-1]]
    for lateral in reversed(laterals[:-1]):
        merged.insert(0, lateral + merged[0].repeat(2, 0).repeat(2, 1))
    return merged


# %% 04.4
# One edge, straight from the level that sees the ring to the level that sees the dot.
alone = tuple(fusion.Node(f"P{level}_out", level, (f"P{level}_in",)) for level in (3, 4, 5, 6))
my_graph = fusion.FusionGraph("one edge", (fusion.Node("P2_out", 2, ("P2_in", "P6_in")), *alone))
