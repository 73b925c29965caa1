"""The solutions of notebook 03; each section takes the place of what stands above `check(...)` in its cell."""

# %% 03.1
answer = (2 / (1.3 * 1.2**2)) ** 0.5


# %% 03.2
from effdet_lite.scaling import round_channels

import math


def my_scaling(blocks, channels, side, phi):
    return math.ceil(blocks * 1.2**phi), round_channels(channels * 1.1**phi), math.floor(side * 1.15**phi + 0.5)


# %% 03.3
import math

answer = math.log(10) / math.log(1.2 * 1.1**2 * 1.15**2)

# %% 03.4
from effdet_lite.scaling import EfficientNetConfig

# Twice the pixels of B0 (320² against 224²) are paid for by a width of 0.8, whose square is 0.64.
my_network = EfficientNetConfig(width=0.8, depth=1.0, resolution=320)
