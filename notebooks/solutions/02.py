"""The solutions of notebook 02; each section takes the place of what stands above `check(...)` in its cell."""


# %% 02.1
def my_squeeze_excite(x, w1, b1, w2, b2):
    squeezed = nn.functional.silu(nn.functional.linear(x.mean((2, 3)), w1, b1))  # [N, S]
    gate = torch.sigmoid(nn.functional.linear(squeezed, w2, b2))  # [N, C]
    return x * gate[..., None, None]


# %% 02.2
wide, squeezed = 4 * 32, 32 // 4
widen, filter_, narrow = 32 * wide, 5 * 5 * wide, wide * 48
gate = wide * squeezed + squeezed + squeezed * wide + wide
answer = widen + filter_ + gate + narrow + 2 * (wide + wide + 48)

# %% 02.3
# 11 would go to 8, which is only 73 % of it; 16 is 91 % of 17.6; 20 is half way, and half goes up.
answer = [16, 16, 24, 120]

# %% 02.4
answer = 0.75 * 2**0.07

# %% 02.5
from effdet_lite.efficientnet import Stage

# B0's first rows with a narrower inside, 5 × 5 kernels late (where they are cheap and see far), and no seventh stage.
my_stages = [
    Stage(1, 16, 1, 3, 1),
    Stage(3, 24, 2, 3, 2),
    Stage(3, 40, 2, 5, 2),
    Stage(3, 80, 3, 5, 2),
    Stage(3, 112, 2, 5, 1),
    Stage(3, 160, 2, 5, 2),
]
