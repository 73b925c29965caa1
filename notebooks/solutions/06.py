"""The solutions of notebook 06; each section takes the place of what stands above `check(...)` in its cell."""

# %% 06.1
answer = (4 * 6) / (8 * 6 + 6 * 12 - 4 * 6)

# %% 06.2
# The anchor's center is (32, 48), its sides 32 and 16. The box's center is (32 + 8, 48 - 8), its sides 64 and 16.
answer = [40 - 32, 40 - 8, 40 + 32, 40 + 8]

# %% 06.3
answer = 1 / (0.75 * 0.1**1.5)

# %% 06.4
# For SEED = 0. C's boxes have y counted from the bottom: 128 − 60 = 68 and 128 − 20 = 108.
answer = {"A": "normalized", "B": "sigmoid", "C": [10, 68, 40, 108], "D": "swapped", "E": "resized", "F": "labels"}


# %% 06.5
def my_soft_nms(boxes, scores, sigma):
    scores, left = scores.clone(), torch.ones(len(scores), dtype=torch.bool)
    while left.any():
        best = torch.where(left, scores, -1).argmax()
        left[best] = False
        fade = (-(iou(boxes, boxes[best][None])[:, 0] ** 2) / sigma).exp()
        scores = torch.where(left, scores * fade, scores)
    return scores
