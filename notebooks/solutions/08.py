"""The solutions of notebook 08; each section takes the place of what stands above `check(...)` in its cell."""

# %% 08.1
# Twice the size on twice the pixels: the same anchors, one level up, with the same sides in strides.
answer = ((3, 7), 2.0)

# %% 08.2
import math

answers = 9 * (32**2 + 16**2 + 8**2 + 4**2 + 2**2) * 4
answer = answers * (1 - 0.5) * 0.5**1.5 * math.log(2) / (150 + 1)

# %% 08.3
import math

answer = math.log(0.5) / math.log(0.998)


# %% 08.4
def my_clip(gradients, most):
    norm = sum(gradient.square().sum() for gradient in gradients).sqrt()
    return [gradient * min(1.0, most / norm) for gradient in gradients]


# %% 08.5
answer = {
    "A": "one picture",
    "B": "no box loss",
    "C": "high rate",
    "D": "no prior",
    "E": "evaluation mode",
    "F": "kept gradients",
}
