"""The exercise of notebook 00, which shows how exercises work."""

from effdet_lite.data import ShapesDetection
from effdet_lite.teach.kit.checks import Exercise

EXERCISES = {
    "00.1": Exercise(
        right=ShapesDetection("test")[0][0].numel(),
        mistakes=[
            (128 * 128, "that is one number for each position; here each has three, for red, green and blue."),
            (3 * 128, "that is a single row of the picture; there are 128 rows."),
            (128 + 128 + 3, "the sides and the colors multiply: each color has a number at every position."),
            (4 * 128 * 128, "a color is three numbers, for red, green and blue; there is no fourth."),
            ((3, 128, 128), "that is the shape of the tensor; multiply its three sides."),
            ((128, 128, 3), "that is a shape; multiply its three sides."),
            (3 * 128 * 128 * 256, "a number is one number, whatever values it can take; the 256 do not come in."),
        ],
        otherwise="multiply the height, the width and the number of colors.",
    )
}
