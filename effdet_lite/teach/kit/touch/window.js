// One window over a picture, dragged or moved by the arrow keys; its value is the rectangle.

import { between } from "./elements.js";
import { Frame } from "./frame.js";
import { cornerAt, drawRectangle, isInside, middle, moved, resized } from "./rectangles.js";

const HELP = "Drag the window.";
const RESIZE_HELP = "Drag the window, or one of its corners.";
const KEYS = "The arrow keys move the window, with Shift ten steps.";
const RESIZE_KEYS = " R lets them move its lower right corner instead.";
const LOWER_RIGHT = [2, 3];

export function inWords([left, top, right, bottom]) {
  const size = `${Math.round(right - left)} × ${Math.round(bottom - top)} px`;
  return `${size} from (${Math.round(left)}, ${Math.round(top)})`;
}

function render({ model, el }) {
  const step = model.get("step");
  const canResize = model.get("can_resize");
  const mayLeave = model.get("may_leave");
  const look = { color: model.get("colors")[1], handles: canResize };
  const frame = new Frame(model, el, {
    help: canResize ? RESIZE_HELP : HELP,
    keys: KEYS + (canResize ? RESIZE_KEYS : ""),
    draw: (layer, { value, unit }) => drawRectangle(layer, value, unit, look),
    inWords,
  });
  const move = (box, by) => moved(box, by, frame.size, step, mayLeave);
  const resize = (box, corner, place) => resized(box, corner, place, frame.size, step);
  const commit = (box, before) => frame.commit(box, inWords(box), before);

  let drag = null; // {before: the window then, box, from: the place, corner}
  frame.onDrag({
    start(place) {
      const before = frame.value;
      const corner = canResize ? cornerAt(before, place, frame.unit) : undefined;
      drag = { before, box: before, from: place, corner };
      if (!corner && !isInside(before, place)) {
        drag.box = move(before, between(middle(before), place)); // it comes to where one clicks
        frame.preview(drag.box);
      }
      return true;
    },
    move(place) {
      const { box, corner, from } = drag;
      frame.preview(corner ? resize(box, corner, place) : move(box, between(from, place)));
    },
    end() {
      commit(frame.value, drag.before);
    },
  });

  let resizing = false; // whether the arrow keys move the corner
  const onArrow = (steps) => {
    const by = [steps[0] * step, steps[1] * step];
    const corner = [frame.value[2] + by[0], frame.value[3] + by[1]];
    commit(resizing ? resize(frame.value, LOWER_RIGHT, corner) : move(frame.value, by));
  };
  const toggle = () => {
    resizing = !resizing;
    frame.say(resizing ? "The arrow keys resize." : "The arrow keys move.");
  };
  frame.onKeys(onArrow, canResize ? { r: toggle } : {});
  return () => frame.remove();
}

export default { render };
