"""The solutions of notebook 07; each section takes the place of what stands above `check(...)` in its cell."""

# %% 07.1
answer = 9 * sum((384 // 2**level) * (512 // 2**level) for level in range(3, 8))

# %% 07.2
from effdet_lite.scaling import round_channels


def my_rule(phi):
    return 512 + 128 * phi, round_channels(64 * 1.35**phi), 3 + phi, 3 + phi // 3


# %% 07.3
layer = 64 * 9 + 64 * 64 + 64  # depthwise, pointwise, bias
answer = 3 * layer + 3 * 5 * 2 * 64 + (64 * 9 + 64 * 27 + 27)

# %% 07.4
from effdet_lite.scaling import EfficientDetConfig, EfficientNetConfig

# The backbone takes most, so it is what shrinks.
my_config = EfficientDetConfig(384, EfficientNetConfig(0.8, 0.8), 48, 2, 2)
