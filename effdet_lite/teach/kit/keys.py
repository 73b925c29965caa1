"""Controls that have the keyboard to themselves while somebody works with them.

JupyterLab takes the arrow keys and Enter for its cells, wherever they are pressed but in a text
field: a list of options would never hear them. What stands in a box with `own_keys()` does.
"""

import functools

import anywidget

# A shortcut is looked up from the focused element on upwards, so that one has to have the mark.
MARK_WHAT_IS_FOCUSED = """
function watch(el) {
  const box = el.parentElement?.closest(".widget-box");
  if (!box) {  // while it is rendered
    requestAnimationFrame(() => watch(el));
    return;
  }
  box.addEventListener("focusin", (event) => {
    event.target.setAttribute("data-lm-suppress-shortcuts", "true");
  });
}

function render({ el }) {
  el.style.display = "none";
  watch(el);
}

export default { render };
"""


class OwnKeys(anywidget.AnyWidget):
    """Shows nothing, and keeps JupyterLab's shortcuts away from the box that it stands in."""

    _esm = MARK_WHAT_IS_FOCUSED


@functools.cache
def own_keys() -> OwnKeys:
    """The one for all boxes. Each further one would be a module more that the browser loads, and
    anywidget gives up on a module after two seconds.
    """
    return OwnKeys()
