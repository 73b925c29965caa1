// Boxes or cells on a picture that are clicked, to take them or leave them.

import { nearestAhead, shape } from "./elements.js";
import { Frame } from "./frame.js";
import { drawRectangle, isInside, middle } from "./rectangles.js";

const HELP = "Click a box to take it, and again to leave it.";
const KEYS = "The arrow keys go from box to box, and N and P do; Space takes a box or leaves it.";

export function inWords(taken, names) {
  return taken.map((number) => names[number]).join(", ") || "none taken";
}

// How far a place is from the outline of a box around it; Infinity outside of the box.
function toOutline([left, top, right, bottom], [x, y]) {
  const isIn = isInside([left, top, right, bottom], [x, y]);
  return isIn ? Math.min(x - left, right - x, y - top, bottom - y) : Infinity;
}

// The number of the box that a place belongs to: of those around it, the one with the nearest
// outline; -1 for none.
export function boxAt(boxes, place) {
  const far = boxes.map((box) => toOutline(box, place));
  const nearest = Math.min(...far);
  return nearest === Infinity ? -1 : far.indexOf(nearest);
}

// All boxes thin, the taken ones filled, the marked ones dashed, and the one at hand thick.
export function drawBoxes(layer, boxes, { taken, marked, atHand, colors, unit }) {
  const [blue, orange] = colors;
  for (const box of boxes) {
    drawRectangle(layer, box, unit, { color: blue, thick: 1 });
  }
  for (const number of taken) {
    const [x, y, right, bottom] = boxes[number];
    const place = { x, y, width: right - x, height: bottom - y };
    layer.append(shape("rect", { ...place, fill: orange, "fill-opacity": 0.33 }));
    drawRectangle(layer, boxes[number], unit, { color: orange, thick: 2.5 });
  }
  for (const box of marked) {
    drawRectangle(layer, box, unit, { color: "black", thick: 2, dashed: true });
  }
  if (atHand >= 0) {
    const color = taken.includes(atHand) ? orange : blue;
    drawRectangle(layer, boxes[atHand], unit, { color, thick: 4 });
  }
}

function render({ model, el }) {
  const [boxes, names, most] = [model.get("boxes"), model.get("names"), model.get("most")];
  const marked = model.get("marked");
  const colors = model.get("colors");
  let atHand = -1; // the box under the pointer, or that the keys are at
  const frame = new Frame(model, el, {
    help: HELP,
    keys: KEYS,
    draw: (layer, { unit, value }) =>
      drawBoxes(layer, boxes, { taken: value, marked, atHand, colors, unit }),
    inWords: (taken) => inWords(taken, names),
  });

  const goTo = (number) => {
    if (number !== atHand) {
      atHand = number;
      frame.redraw();
    }
  };
  const toggle = (number) => {
    const taken = frame.value;
    if (number < 0) {
      frame.say("There is no box.");
    } else if (taken.includes(number)) {
      frame.commit(taken.filter((other) => other !== number), `Left: ${names[number]}.`);
    } else if (taken.length >= most) {
      frame.say(`Only ${most} may be taken.`);
    } else {
      const more = [...taken, number].sort((one, other) => one - other);
      frame.commit(more, `Taken: ${names[number]}.`);
    }
  };

  frame.onDrag({
    start(place) {
      goTo(boxAt(boxes, place));
      toggle(atHand);
      return false;
    },
  });
  frame.onHover((place) => goTo(boxAt(boxes, place)));

  const say = () => {
    const isTaken = frame.value.includes(atHand) ? ", taken" : "";
    frame.say(`At ${names[atHand]}${isTaken}.`);
  };
  const next = (by) => {
    goTo(atHand < 0 ? 0 : (atHand + by + boxes.length) % boxes.length);
    say();
  };
  const middles = boxes.map(middle);
  const onArrow = (steps) => {
    const ahead = atHand < 0 ? 0 : nearestAhead(middles[atHand], middles, steps);
    goTo(ahead < 0 ? atHand : ahead);
    say();
  };
  frame.onKeys(onArrow, { n: () => next(1), p: () => next(-1), " ": () => toggle(atHand) });
  frame.button("Undo", () => frame.undo(), "Control+Z");
  frame.button("Leave all", () => frame.commit([], "None is taken."));
  return () => frame.remove();
}

export default { render };
