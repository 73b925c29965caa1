"""What a learner guesses with: a field, a list of options, a list to be put in order, a plot.

Each control answers `read()` with the guess, or with a sentence as a ValueError, and shows the
guess that it is `set` to. All of them work by keyboard: Tab, the arrow keys, Enter and Space.
"""

from collections.abc import Callable, Sequence

import ipywidgets
from matplotlib.axes import Axes

from effdet_lite.teach.kit.questions import Choice, Number, Order, Point, Question
from effdet_lite.teach.kit.touch.points import PointPad, blank_axes
from effdet_lite.teach.kit.typed import number_text

FIELD = ipywidgets.Layout(width="18em", max_width="98%")
LIST = ipywidgets.Layout(width="max-content", max_width="98%", min_width="12em")
WRAPPED = ipywidgets.Layout(flex_flow="row wrap")
FITTING = ipywidgets.Layout(width="auto")


class Control:
    """What the controls have in common. box: the widget to put on the page."""

    box: ipywidgets.Widget

    def read(self) -> object:
        """The guess as it stands in the control. Raises ValueError with a sentence where there is
        none.
        """
        raise NotImplementedError

    def set(self, value: object) -> None:
        """Show a guess that was made before."""
        raise NotImplementedError

    def still(self) -> str:
        """What a page without a kernel shows of it, as HTML."""
        return ""


class NumberControl(Control):
    """A field for a number. on_enter: called when somebody has typed one."""

    def __init__(self, question: Number, on_enter: Callable[[], None], label: str = "your guess"):
        self.question, self.on_enter = question, on_enter
        self._set = ("", None)  # as it is written in the field, and the number itself
        self._is_typed = True
        self.field = ipywidgets.Text(
            description=label,
            placeholder=question.asks().removeprefix("a number ").removesuffix(f" {question.unit}"),
            continuous_update=False,  # it tells of Enter, and of leaving the field
            style={"description_width": "initial"},
            layout=FIELD,
        )
        self.field.observe(self._typed, names="value")
        unit = "" if question.unit in label else question.unit
        self.box = ipywidgets.HBox([self.field, ipywidgets.Label(unit)])

    def read(self) -> float:
        """What was typed, as a number."""
        words, value = self._set
        if value is not None and self.field.value == words:
            return value  # with the digits that the field does not show
        return self.question.read(self.field.value)

    def set(self, value: float) -> None:
        """Show a guess that was made before."""
        self._set = (number_text(value), value)
        self._is_typed = False
        self.field.value = self._set[0]
        self._is_typed = True

    def _typed(self, change: object) -> None:
        if self._is_typed and self.field.value.strip():
            self.on_enter()


class ChoiceControl(Control):
    """Options, of which one can be chosen."""

    def __init__(self, question: Choice, on_enter: Callable[[], None]):
        pairs = [(str(option), option) for option in question.options]
        self.box = ipywidgets.RadioButtons(options=pairs, value=None, layout=LIST)

    def read(self) -> object:
        """The chosen option."""
        if self.box.index is None:
            raise ValueError("Choose one first.")
        return self.box.value

    def set(self, value: object) -> None:
        """Choose an option."""
        self.box.value = value


class OrderControl(Control):
    """A list, and two buttons that move what is selected in it up or down."""

    def __init__(self, question: Order, on_enter: Callable[[], None]):
        self.order = list(question.order)
        self.list = ipywidgets.Select(rows=len(self.order), layout=LIST)
        buttons = []
        for words, step in (("▲ move up", -1), ("▼ move down", 1)):
            button = ipywidgets.Button(description=words, layout=FITTING)
            button.on_click(lambda button, step=step: self.move(step))
            buttons.append(button)
        self.box = ipywidgets.HBox([self.list, ipywidgets.VBox(buttons)])
        self._show(0)

    def move(self, step: int) -> None:
        """Move what is selected by one place; it stays selected."""
        place = self.list.index
        if place is None or not 0 <= place + step < len(self.order):
            return
        self.order.insert(place + step, self.order.pop(place))
        self._show(place + step)

    def read(self) -> Sequence:
        """The order as it stands."""
        return tuple(self.order)

    def set(self, value: Sequence) -> None:
        """Show an order."""
        if list(value) == self.order:
            return  # what is selected stays selected
        self.order = list(value)
        self._show(0)

    def _show(self, selected: int) -> None:
        with self.list.hold_sync():  # so that nothing is selected in between
            self.list.options = [f"{place}. {one}" for place, one in enumerate(self.order, 1)]
            self.list.index = selected


class PointControl(Control):
    """A plot on which a point is dragged, and fields for x and y; each follows the other."""

    def __init__(self, question: Point, on_enter: Callable[[], None]):
        self.on_enter = on_enter
        self.pad = PointPad(question.plot or _empty_plot(question))
        self.fields = [NumberControl(axis, self._typed, axis.words) for axis in question.axes]
        below = ipywidgets.HBox([one.box for one in self.fields], layout=WRAPPED)
        self.box = ipywidgets.VBox([self.pad, below])
        self._is_dragged = True
        self.pad.observe(self._dragged, names="value")

    def read(self) -> tuple[float, float]:
        """Both numbers."""
        if not self._is_filled():
            raise ValueError("Drag the point first, or type both of its numbers.")
        x, y = (field.read() for field in self.fields)
        return x, y

    def set(self, value: Sequence) -> None:
        """Show a point."""
        for field, one in zip(self.fields, value, strict=True):
            field.set(one)
        self._is_dragged = False
        with self.pad.hold_sync():
            self.pad.value, self.pad.placed = [list(value)], True
        self._is_dragged = True

    def still(self) -> str:
        """The plot with its point, as HTML."""
        return self.pad.still(self.pad.in_words())

    def _is_filled(self) -> bool:
        return all(one.field.value.strip() for one in self.fields)

    def _typed(self) -> None:
        if self._is_filled():
            self.on_enter()

    def _dragged(self, change: object) -> None:
        if self._is_dragged:
            (point,) = self.pad.value
            for field, one in zip(self.fields, point, strict=True):
                field.set(one)


def _empty_plot(question: Point) -> Axes:
    (x_label, x), (y_label, y) = question.ranges.items()
    return blank_axes(x, y, x_label, y_label)


CONTROLS = {
    Number: NumberControl,
    Choice: ChoiceControl,
    Order: OrderControl,
    Point: PointControl,
}


def control_for(question: Question, on_enter: Callable[[], None]) -> Control:
    """The control that a question of this kind is answered with."""
    return CONTROLS[type(question)](question, on_enter)
