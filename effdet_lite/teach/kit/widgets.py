"""Explorers: controls over a pure function, which answers with a picture and a few numbers.

The picture and the numbers stand in one HTML widget, and a move replaces its value: nothing
flickers, nothing piles up, and no output is captured (which JupyterLab, nbval and nbconvert each do
in their own way). Beside the widget the explorer leaves the same picture and numbers as plain
HTML, for a page without a kernel.
"""

import html
from collections.abc import Callable, Mapping
from typing import NamedTuple

import ipywidgets
import traitlets
from IPython.display import display
from matplotlib.figure import Figure

from effdet_lite.teach.kit.keys import own_keys
from effdet_lite.teach.kit.page import img, show, table, table_html

WIDGET = "application/vnd.jupyter.widget-view+json"
LABEL = {"description_width": "15em"}
WIDE = ipywidgets.Layout(width="36em", max_width="98%")
NARROW = ipywidgets.Layout(max_width="29em")
BESIDE = ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start")


def page_of(widget: ipywidgets.Widget, still: str, words: str) -> dict[str, object]:
    """A widget as a notebook's output: the widget with a kernel, `still` (HTML) without one, and
    words where there is no HTML either.
    """
    view = {"model_id": widget.model_id, "version_major": 2, "version_minor": 0}
    return {WIDGET: view, "text/html": still, "text/plain": words}


def put_on_page(widget: ipywidgets.Widget, still: str, words: str) -> None:
    """Show a widget in the output of the cell, as `page_of` has it."""
    display(page_of(widget, still, words), raw=True)


class View(NamedTuple):
    """What an explorer shows: a figure, what it shows in words, and numbers by name, formatted,
    with their units.

    below: further pictures between the two, as `page.img` makes them. A picture that most moves
    leave as it is can be kept there, and is not drawn again.
    """

    figure: Figure
    words: str
    numbers: Mapping[str, str]
    below: str = ""


def show_view(view: View) -> None:
    """Put a view on the page as a figure, with its words and its numbers, where nothing moves."""
    show(view.figure, view.words)
    if view.numbers:
        table(["", ""], list(view.numbers.items()))


def slider(label: str, low: float, high: float, value: float, step: float = 1) -> ipywidgets.Widget:
    """A slider for whole numbers, or for any, as `step` is; the arrow keys move it by one step."""
    whole = all(float(number).is_integer() for number in (low, high, value, step))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    if whole:
        low, high, value, step = int(low), int(high), int(value), int(step)
    return kind(value, min=low, max=high, step=step, description=label, style=LABEL, layout=WIDE)


def choice(label: str, options: list | Mapping, value: object = None) -> ipywidgets.Widget:
    """A drop-down list of options, or of the names of a mapping's values; `value`: the one to begin
    with.
    """
    first = next(iter(options.values() if isinstance(options, Mapping) else options))
    value = first if value is None else value
    return ipywidgets.Dropdown(
        options=options, value=value, description=label, style=LABEL, layout=WIDE
    )


def switch(label: str, value: bool = False) -> ipywidgets.Widget:
    """A box to tick."""
    return ipywidgets.Checkbox(value, description=label, indent=False)


def button(label: str) -> ipywidgets.Widget:
    """A button; its value is how often it was pressed."""
    layout = ipywidgets.Layout(width="auto", align_self="flex-start")
    return CountingButton(description=label, layout=layout)


class CountingButton(ipywidgets.Button):
    """A button that knows how often it was pressed, so that it is a control like the others."""

    value = traitlets.Int(0)

    def click(self) -> None:
        """One press, by hand or by program."""
        self.value += 1
        super().click()


class Explorer:
    """Controls by the name of the argument that they set, over `view(**values) -> View`.

    `Explorer(view, phi=slider("ϕ", -3, 7, 0, 0.25)).show()` as a cell's last line. A `view` that
    raises ValueError
    answers with that sentence: some settings of a network are not legal, and why is worth reading.
    shown: is told of each explorer that is put on a page.
    """

    shown: Callable[["Explorer"], object] | None = None

    def __init__(self, view: Callable[..., View], **controls: ipywidgets.Widget):
        self.view, self.controls = view, controls
        self.page = ipywidgets.HTML(self.render())
        self.box = ipywidgets.VBox([*controls.values(), self.page, own_keys()])
        for control in controls.values():
            control.observe(self._update, names="value")

    def render(self) -> str:
        """The page for the controls' present values, as HTML."""
        return self.drawn({name: control.value for name, control in self.controls.items()})

    def drawn(self, values: Mapping[str, object]) -> str:
        """The page for these values of the controls, as HTML."""
        try:
            figure, words, numbers, below = self.view(**values)
        except ValueError as error:
            return f'<p style="min-height: 4em">Not possible: {html.escape(str(error))}</p>'
        pictures = img(figure, words) + (f"<div>{below}</div>" if below else "")
        return pictures + table_html(["", ""], list(numbers.items()))

    def show(self, *, beside: bool = False) -> None:
        """Put the explorer on the page: alive with a kernel; its picture and numbers as they are
        now without.

        beside: the controls stand to the left of the picture, where the page is wide enough, and
        not above it.
        """
        if beside:
            left = ipywidgets.VBox(list(self.controls.values()), layout=NARROW)
            pair = ipywidgets.Box([left, self.page], layout=BESIDE)
            self.box.children = [pair, self.box.children[-1]]
        settings = ", ".join(
            f"{control.description} = {_setting(control)}" for control in self.controls.values()
        )
        rest = f"Without a kernel the controls rest at: {html.escape(settings)}"
        still = f"<p><em>{rest}</em></p>{self.page.value}"
        put_on_page(self.box, still, f"explorer at {settings}")
        if Explorer.shown:
            Explorer.shown(self)

    def _update(self, change: object) -> None:
        # An exception in a callback would vanish into JupyterLab's log, and leave the old picture
        # standing.
        try:
            self.page.value = self.render()
        except Exception as error:
            self.page.value = f"<pre>{html.escape(f'{type(error).__name__}: {error}')}</pre>"


def _setting(control: ipywidgets.Widget) -> object:
    """What a control stands at; a pad says it in words, a list by the name that one chooses."""
    if hasattr(control, "in_words"):
        return control.in_words()
    return control.label if isinstance(control, ipywidgets.Dropdown) else control.value
