"""What the tests of notebook 08's clinic show of a training, beside one without a fault."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from effdet_lite.teach.kit.boxes import draw_boxes, draw_picture
from effdet_lite.teach.kit.judged import draw_judged, draw_key, judged
from effdet_lite.teach.kit.plots import line_look, new_figure, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n08_opening import places_of_pictures
from effdet_lite.teach.nb.n08_sick import (
    PICTURES,
    STEPS,
    Patient,
    grades,
    learned,
    moved,
    statistics_moved,
)

SURE = 0.5  # the lowest score of a box that is drawn
CROWD = 12  # the most boxes that are drawn in a picture
TOP = 100.0  # a higher loss is drawn at this height


def _draw_both(axis: Axes, patient: Sequence[float], sound: Sequence[float]) -> None:
    """A number of each step on a log axis; the sound training's as a thin line."""
    steps = range(1, STEPS + 1)
    thin = line_look(6) | {"marker": "", "linewidth": 1.0}
    thick = line_look(0) | {"marker": "", "linewidth": 2.0}
    axis.plot(steps, sound, label="a sound training", **thin)
    axis.plot(steps, patient, label="the patient", **thick)
    axis.set(yscale="log", xlim=(0, STEPS + 1))


def draw_losses(axis: Axes, patient: Patient, sound: Patient) -> None:
    """The loss of each step, up to TOP; the sound training's as a thin line."""
    _draw_both(axis, *([min(row[0], TOP) for row in one.losses] for one in (patient, sound)))
    axis.set_ylim(0.01, 1.3 * TOP)
    axis.set_yticks([0.01, 0.1, 1, 10, TOP], ["0.01", "0.1", "1", "10", f"over {TOP:g}"])
    axis.yaxis.minorticks_off()


def _told(letter: str, numbers: Mapping[str, str]) -> str:
    """What a test shows, in words."""
    words = "; ".join(f"{name}: {value}" for name, value in numbers.items())
    return f"Patient {letter}. {words}."


def _plain_ticks(axis: Axes) -> None:
    """0.1 in place of a power of ten."""
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("")


# --- the tests ---


@styled
def chart(patient: Patient, sound: Patient, letter: str) -> View:
    """The loss of each step."""
    figure, axes = new_figure(width=6.4, height=3.2)
    draw_losses(axes[0, 0], patient, sound)
    axes[0, 0].set(xlabel="training step", ylabel="loss (log axis)")
    axes[0, 0].legend()
    losses = patient.losses
    numbers = {
        "loss at step 1": f"{losses[0][0]:.2f}",
        f"at step {STEPS}": f"{losses[-1][0]:.2f}",
    }
    return View(figure, _told(letter, numbers), numbers)


@styled
def parts(patient: Patient, sound: Patient, letter: str) -> View:
    """Class loss and box loss apart from each other."""
    figure, axes = new_figure(1, 2, width=9.0, height=3.2)
    numbers = {}
    for place, name in ((1, "class loss"), (2, "box loss")):
        axis = axes[0, place - 1]
        losses = [row[place] for row in patient.losses]
        _draw_both(axis, losses, [row[place] for row in sound.losses])
        axis.set(xlabel="training step", title=f"{name} (log axis)")
        _plain_ticks(axis)
        numbers[f"{name}, first and last"] = f"{losses[0]:.3f}, {losses[-1]:.3f}"
    axes[0, 0].legend(fontsize=9)
    return View(figure, _told(letter, numbers), numbers)


@styled
def gradients(patient: Patient, sound: Patient, letter: str) -> View:
    """How long the gradient is in each step."""
    figure, axes = new_figure(width=6.4, height=3.2)
    axis = axes[0, 0]
    _draw_both(axis, patient.gradients, sound.gradients)
    axis.set(xlabel="training step", ylabel="length of the gradient (log axis)")
    _plain_ticks(axis)
    axis.legend(fontsize=9)
    numbers = {
        f"{name}, first and last": f"{one.gradients[0]:.1f}, {one.gradients[-1]:.1f}"
        for name, one in (("a sound training", sound), ("the patient", patient))
    }
    return View(figure, _told(letter, numbers), numbers)


def graded(patient: Patient, sound: Patient, letter: str) -> View:
    """AP50 on its own pictures, as it is and recalibrated."""
    rows = {
        name: dict(zip(("as it is", "recalibrated"), grades(one), strict=True))
        for name, one in (("a sound training", sound), (f"patient {letter}", patient))
    }
    return _bars(rows, "AP50 on the pictures that it learned (0–1)", 2)


def weights(patient: Patient, sound: Patient, letter: str) -> View:
    """How far the weights of each part moved."""
    rows = {
        name: moved(one)
        for name, one in (("a sound training", sound), (f"patient {letter}", patient))
    }
    return _bars(rows, "how far the weights moved, as a share of their length", 3)


def statistics(patient: Patient, sound: Patient, letter: str) -> View:
    """How far the running variances moved."""
    rows = {
        name: {"running variances": statistics_moved(one)}
        for name, one in (("a sound training", sound), (f"patient {letter}", patient))
    }
    return _bars(rows, "how far they moved from 1, in the mean", 3)


@styled
def _bars(rows: dict[str, dict[str, float]], quantity: str, digits: int) -> View:
    """A group of bars for each training."""
    figure, axes = new_figure(width=7.4, height=0.9 + 0.4 * sum(map(len, rows.values())))
    axis, numbers = axes[0, 0], {}
    for number, (name, values) in enumerate(rows.items()):
        color = line_look(6 - 6 * number)["color"]
        for part, value in values.items():
            place = len(numbers)
            axis.barh([place], [value], 0.6, color=color)
            numbers[f"{name}, {part.replace('_', ' ')}"] = f"{value:.{digits}f}"
            axis.text(value, place, f" {value:.{digits}f}", va="center", fontsize=10)
    axis.set_yticks(range(len(numbers)), list(numbers))
    highest = max(max(values.values()) for values in rows.values())
    axis.set(
        ylim=(len(numbers) - 0.4, -0.6),
        xlim=(0, 1.2 * max(highest, 0.01)),
        xlabel=quantity,
    )
    axis.grid(visible=False, axis="y")
    words = "; ".join(f"{name}: {value}" for name, value in numbers.items())
    return View(figure, f"{quantity}. {words}", numbers)


@styled
def batches(patient: Patient, sound: Patient, letter: str) -> View:
    """Three pictures of the first two batches, with boxes and labels as they were trained on."""
    figure, axes = _grid(2, 3)
    classes = learned(patient.seed).classes
    told = []
    for row, (images, targets) in enumerate(patient.batches):
        axes[3 * row].set_title(f"step {row + 1}", loc="left", fontsize=10)
        for column in range(3):
            target = targets[column]
            axis = axes[3 * row + column]
            draw_boxes(images[column], target["boxes"], target["labels"], classes, axis=axis)
        names = [classes[label] for label in targets[0]["labels"].tolist()]
        told.append(f"step {row + 1}, first picture: {', '.join(names)}")
    return View(figure, f"Batches of patient {letter}. {'; '.join(told)}.", {})


@styled
def found(patient: Patient, sound: Patient, letter: str) -> View:
    """What the patient finds in all of its pictures."""
    figure, axes = _grid(2, 3, foot=0.3)
    pictures = learned(patient.seed)
    counts = {"right": 0, "wrong": 0, "double": 0, "missed": 0}
    for index, axis in zip(range(PICTURES), axes, strict=True):
        image, target = pictures[index]
        (boxes,) = patient.after.detect(image[None], score_threshold=SURE, max_detections=CROWD)
        result = judged(boxes, target)
        draw_picture(axis, image)
        draw_judged(axis, boxes, target, pictures.classes, result, names_missed=False)
        for kind in counts:
            counts[kind] += result.count(kind)
    draw_key(figure)
    numbers = {
        "boxes right": f"{counts['right']}",
        "boxes wrong": f"{counts['wrong']}",
        "boxes double": f"{counts['double']}",
        "objects missed": f"{counts['missed']}",
    }
    return View(figure, _told(letter, numbers), numbers)


def _grid(rows: int, columns: int, foot: float = 0.0) -> tuple[Figure, Sequence[Axes]]:
    """Axes for pictures, row by row, with room for a title above each row."""
    side, head = 3.0, 0.28  # inches
    height = rows * (side + head) + foot
    places = places_of_pictures(rows, columns, side, height, foot=foot, head=head)
    return new_panels(columns * side, height, *places)
