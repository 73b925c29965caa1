"""The solutions of notebook 09; each section takes the place of what stands above `check(...)` in its cell."""

# %% 09.1
# Right at places 1, 3, 4 and 7. Up to recall 0.2 the best precision is 1 (21 heights), up to 0.6 it is 3/4 (40), up to
# 0.8 it is 4/7 (20), and the fifth object is not found (20 heights of 0).
answer = (21 * 1 + 40 * 3 / 4 + 20 * 4 / 7) / 101

# %% 09.2
answer = ["same", "same", "lower", "same"]

# %% 09.3
import math

side = math.cos(math.radians(30)) + math.sin(math.radians(30))
answer = 1 / side**2


# %% 09.4
def my_threshold(scores, right, objects, object_price, box_price):
    costs, hits = {1.0: objects * object_price}, 0
    for kept, (score, yes) in enumerate(zip(scores, right, strict=True), 1):
        hits += yes
        costs[score] = (objects - hits) * object_price + (kept - hits) * box_price
    return min(costs, key=costs.get)
