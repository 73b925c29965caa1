"""Pictures of notebook 06's hunt: what each pipeline is trained on, and what it finds."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from effdet_lite.teach.kit.boxes import RIM, draw_picture
from effdet_lite.teach.kit.judged import draw_judged, draw_key
from effdet_lite.teach.kit.labels import label_where_free
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import COLORS, PALETTE, as_array, new_figure, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n06_hunt import Hunt
from effdet_lite.teach.nb.n06_pipeline import SIDE, STEPS, Run, files, run_with

# So that nobody takes the truth for too large.
MEANINGS = {"missed": "missed (drawn larger)"}


@styled
def show_mystery(hunt: Hunt, letter: str, picture: int = 0) -> None:
    """The loss of one pipeline, which falls as it should, and what it finds in a picture that it
    has learned by heart.
    """
    run = run_with(hunt.bugs[letter])
    figure, (left, right) = new_panels(6.8, 3.4, (0.09, 0.22, 0.4, 0.64), (0.55, 0.1, 0.43, 0.78))
    left.plot(run.losses, marker="", color=PALETTE["blue"])
    left.set(xlabel="training step", ylabel="loss", ylim=(0, None), xlim=(0, STEPS))
    left.set_title(f"Its loss falls from {run.losses[0]:.1f} to {run.losses[-1]:.1f}", fontsize=11)
    _draw_found(right, run, picture)
    found, objects = run.count("right"), sum(len(one["labels"]) for one in files().true)
    right.set_title(f"It finds {found} of {objects} objects", fontsize=11)
    draw_key(figure, ("wrong", "missed"), meanings=MEANINGS)
    show(
        figure,
        f"Left, the loss of pipeline {letter} falls from {run.losses[0]:.1f} to "
        f"{run.losses[-1]:.1f}. Right, its boxes do not fit the objects: {found} of {objects} "
        "are found.",
        photo=True,
    )


def _draw_found(axis: Axes, run: Run, picture: int) -> None:
    draw_picture(axis, files().pictures[picture])
    one = run.judged()[picture]
    found, true = run.found[picture], files().true[picture]
    # One sees the class of a missed object, and its name could be taken for that of a box near it.
    draw_judged(axis, found, true, files().classes, one, names_missed=False)


def _draw_trained_on(axis: Axes, run: Run, picture: int) -> None:
    """A picture with the boxes that the pipeline is trained on, and their labels; where boxes leave
    the picture, it is drawn smaller.
    """
    boxes, labels = (as_array(run.targets[picture][key]) for key in ("boxes", "labels"))
    draw_picture(axis, files().pictures[picture])
    far = max(SIDE, float(boxes.max()) + 2)
    axis.set(xlim=(0, far), ylim=(far, 0))
    outline = {"fill": False, "edgecolor": "#888888", "linewidth": 0.8}
    axis.add_artist(Rectangle((0, 0), SIDE, SIDE, **outline))
    for (left, top, right, bottom), label in zip(boxes, labels.tolist(), strict=True):
        color = COLORS[label % len(COLORS)]
        look = {"fill": False, "edgecolor": color, "linewidth": 1.8}
        frame = Rectangle((left, top), right - left, bottom - top, **look)
        frame.set_path_effects(RIM)
        axis.add_artist(frame)
        name = f"{label} {files().classes[label]}" if label >= 0 else f"{label} (no class)"
        place = {"outside": True, "objects": boxes}
        label_where_free(axis, (left, top, right, bottom), (name, str(label)), color, **place)


TOOLS = {"the boxes it is trained on": _draw_trained_on, "the boxes it finds": _draw_found}


def hunt_view(hunt: Hunt, letter: str, tool: str, picture: int) -> View:
    """One pipeline and one picture (0–3), seen with one tool of TOOLS."""
    return _one_view(hunt.runs()[letter], letter, tool, picture)


@styled
def _one_view(run: Run, name: str, tool: str, picture: int) -> View:
    figure, (axis,) = new_panels(4.6, 4.9, (0.02, 0.08, 0.96, 0.86))
    TOOLS[tool](axis, run, picture)
    axis.set_title(f"{name}, picture {picture}: {tool}", fontsize=10)
    one = run.judged()[picture]
    if tool == "the boxes it finds":
        draw_key(figure, ("right", "wrong", "missed"), meanings=MEANINGS)
    boxes = run.targets[picture]["boxes"]
    numbers = {
        "boxes trained on": f"{boxes.min():.1f} to {boxes.max():.1f} px",
        "labels trained on": ", ".join(map(str, run.targets[picture]["labels"].tolist())),
        "found right, wrong": f"{one.count('right')}, {one.count('wrong')}",
        "objects missed": f"{one.count('missed')}",
    }
    words = f"Pipeline {name}, picture {picture}, {tool}: {one.count('missed')} objects are missed."
    return View(figure, words, numbers)


@styled
def show_lineup(hunt: Hunt, tool: str, picture: int = 0) -> None:
    """The same picture from all six pipelines, seen with one tool of TOOLS."""
    show(_lineup(hunt, tool, picture), _lineup_words(hunt, tool, picture))


def _lineup(hunt: Hunt, tool: str, picture: int) -> Figure:
    is_found = tool == "the boxes it finds"
    figure, axes = new_figure(2, 3, width=7.8, height=5.8)
    for axis, (letter, run) in zip(axes.flat, hunt.runs(sound=False).items(), strict=True):
        TOOLS[tool](axis, run, picture)
        axis.set_title(f"pipeline {letter}", loc="left", fontsize=10)
    if is_found:
        figure.get_layout_engine().set(rect=(0, 0.06, 1, 0.94))
        meanings = MEANINGS | {"wrong": "wrong (class and score where there is room)"}
        draw_key(figure, ("right", "wrong", "missed"), meanings=meanings)
    return figure


def _lineup_words(hunt: Hunt, tool: str, picture: int) -> str:
    """What each pipeline's picture shows, in numbers, so that it is a hunt for those who listen as
    well.
    """
    told = []
    for letter, run in hunt.runs(sound=False).items():
        if tool == "the boxes it finds":
            one = run.judged()[picture]
            told.append(f"{letter}: {one.count('right')} right, {one.count('missed')} missed")
        else:
            boxes = run.targets[picture]["boxes"]
            told.append(f"{letter}: boxes reach from {boxes.min():.0f} to {boxes.max():.0f} px")
    return f"One picture six times, with {tool}. {'; '.join(told)}."
