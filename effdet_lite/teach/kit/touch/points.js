// Points that are dragged on a plot; their value is in the plot's own units.

import { clamp, distance, label, rounded, shape } from "./elements.js";
import { Frame } from "./frame.js";

const RADIUS = 8; // CSS pixels
const DIGITS = 3; // of a number on a logarithmic axis
const HELP = "Click on the plot, or drag a point.";
const KEYS = "The arrow keys move a point, with Shift ten steps.";
const NEXT = " N takes the next point.";

// An axis: {range: [low, high], span: [start, end] in the drawing, step, decimals, is_log, label}.
// Where on it a value lies, as a share of the range.
function share(axis, value) {
  const [low, high] = axis.range.map((limit) => scaled(axis, limit));
  return (scaled(axis, value) - low) / (high - low);
}

function scaled(axis, value) {
  return axis.is_log ? Math.log10(value) : value;
}

export function toDrawing(axis, value) {
  const [start, end] = axis.span;
  return start + share(axis, value) * (end - start);
}

// The value at a place of the drawing: within the range, a multiple of the step.
export function toValue(axis, place) {
  const [start, end] = axis.span;
  return valueAt(axis, (place - start) / (end - start));
}

function valueAt(axis, part) {
  const [low, high] = axis.range.map((limit) => scaled(axis, limit));
  const value = low + part * (high - low);
  const inside = (number) => clamp(number, Math.min(...axis.range), Math.max(...axis.range));
  if (axis.is_log) {
    return inside(Number((10 ** value).toPrecision(DIGITS)));
  }
  return inside(rounded(value, axis.step));
}

// The value some steps further, in the direction in which the drawing runs.
export function stepped(axis, value, steps) {
  const [start, end] = axis.span;
  const direction = Math.sign(end - start);
  if (axis.is_log) {
    return valueAt(axis, share(axis, value) + (direction * steps) / 200);
  }
  const [low, high] = axis.range;
  const further = value + direction * Math.sign(high - low) * steps * axis.step;
  return valueAt(axis, share(axis, further));
}

function told(axis, value) {
  if (axis.is_log) {
    return String(Number(value.toPrecision(DIGITS)));
  }
  return value.toFixed(axis.decimals);
}

// "guess: GMACs 2.50, AP 0.34; …"
export function inWords(points, { names, axes, along, placed }) {
  const parts = points.map((point, number) => {
    const numbers = along.map((index) => `${axes[index].label} ${told(axes[index], point[index])}`);
    return `${names[number]}: ${numbers.join(", ")}`;
  });
  return (placed ? "" : "not placed yet; ") + parts.join("; ");
}

// The points with their names; hollow while they are not placed; the chosen one has a ring.
export function drawPoints(layer, places, { names, colors, placed, chosen, unit, width }) {
  places.forEach(([x, y], number) => {
    const color = colors[(number + 1) % colors.length];
    if (number === chosen && places.length > 1) {
      const ring = { fill: "none", stroke: color, "stroke-width": unit };
      layer.append(shape("circle", { cx: x, cy: y, r: (RADIUS + 4) * unit, ...ring }));
    }
    const look = { fill: placed ? color : "white", stroke: placed ? "white" : color };
    const line = { "stroke-width": 2 * unit };
    layer.append(shape("circle", { cx: x, cy: y, r: RADIUS * unit, ...look, ...line }));
    const isRight = x > 0.7 * width;
    const beside = [x + (isRight ? -14 : 14) * unit, y - 8 * unit];
    layer.append(label(names[number], beside, color, unit, isRight ? "end" : "start"));
  });
}

function render({ model, el }) {
  const axes = model.get("axes");
  const about = { names: model.get("names"), axes, along: model.get("along") };
  const words = (points) => inWords(points, { ...about, placed: model.get("placed") });
  const toPlace = (point) => point.map((value, index) => toDrawing(axes[index], value));
  let chosen = 0;
  const frame = new Frame(model, el, {
    help: HELP,
    keys: KEYS + (about.names.length > 1 ? NEXT : ""),
    draw: (layer, { unit, size, value }) =>
      drawPoints(layer, value.map(toPlace), {
        names: about.names,
        colors: model.get("colors"),
        placed: model.get("placed"),
        chosen,
        unit,
        width: size.width,
      }),
    inWords: words,
  });
  frame.listen("change:placed", () => frame.redraw());

  // The points with the chosen one put elsewhere: make(axis, value, index) is its new value.
  const put = (make) => {
    const point = frame.value[chosen].map((value, index) =>
      about.along.includes(index) ? make(axes[index], value, index) : value,
    );
    model.set("placed", true);
    return frame.value.map((other, number) => (number === chosen ? point : other));
  };

  const dragTo = (place) => frame.preview(put((axis, _, index) => toValue(axis, place[index])));
  let before = null;
  frame.onDrag({
    start(place) {
      before = frame.value;
      const far = frame.value.map((point) => distance(toPlace(point), place));
      chosen = far.indexOf(Math.min(...far));
      dragTo(place);
      frame.redraw();
      return true;
    },
    move: dragTo,
    end: () => frame.commit(frame.value, words(frame.value), before),
  });
  frame.onKeys(
    (steps) => {
      const value = put((axis, old, index) => stepped(axis, old, steps[index]));
      frame.commit(value, words(value));
    },
    {
      n: () => {
        chosen = (chosen + 1) % about.names.length;
        frame.redraw();
        frame.say(`Chosen: ${about.names[chosen]}.`);
      },
    },
  );
  return () => frame.remove();
}

export default { render };
