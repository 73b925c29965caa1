// Rectangles [left, top, right, bottom] that are moved and resized within a drawing.

import { clamp, rounded, shape } from "./elements.js";

const HANDLE = 11; // CSS pixels: a handle's side
const REACH = 14; // CSS pixels around a corner from which it is grasped
const CORNERS = [
  [0, 1],
  [2, 1],
  [2, 3],
  [0, 3],
]; // (which x, which y) of a rectangle

// The rectangle moved by about [dx, dy], in whole steps. It stays within {width, height}; with
// mayLeave its middle does.
export function moved(box, [dx, dy], { width, height }, step, mayLeave = false) {
  const [left, top, right, bottom] = box;
  const over = mayLeave ? (right - left) / 2 : 0;
  const above = mayLeave ? (bottom - top) / 2 : 0;
  const x = wholeSteps(dx, -over - left, width + over - right, step);
  const y = wholeSteps(dy, -above - top, height + above - bottom, step);
  return [left + x, top + y, right + x, bottom + y];
}

function wholeSteps(by, low, high, step) {
  return step * clamp(Math.round(by / step), Math.ceil(low / step), Math.floor(high / step));
}

// The rectangle with one corner at a place; the corner stands where the two numbers of `corner`
// say, and does not pass the opposite one.
export function resized(box, [atX, atY], [x, y], { width, height }, step) {
  const made = [...box];
  const least = Math.max(step, 1);
  const [oppositeX, oppositeY] = [box[2 - atX], box[4 - atY]];
  const put = (value, opposite, isLow, most) =>
    isLow
      ? clamp(rounded(value, step), 0, opposite - least)
      : clamp(rounded(value, step), opposite + least, most);
  made[atX] = put(x, oppositeX, atX === 0, width);
  made[atY] = put(y, oppositeY, atY === 1, height);
  return made;
}

// The rectangle between two places, in whole steps, within {width, height} and not empty.
export function spanned(from, to, { width, height }, step) {
  const inside = (number, most) => clamp(rounded(number, step), 0, most);
  const [low, high] = [Math.min, Math.max].map((end) => [
    inside(end(from[0], to[0]), width),
    inside(end(from[1], to[1]), height),
  ]);
  const start = [Math.min(low[0], width - step), Math.min(low[1], height - step)];
  return [...start, Math.max(high[0], start[0] + step), Math.max(high[1], start[1] + step)];
}

// The corner of the rectangle within reach of a place, as `resized` takes it, or undefined.
export function cornerAt(box, [x, y], unit) {
  const far = ([atX, atY]) => Math.max(Math.abs(box[atX] - x), Math.abs(box[atY] - y));
  const nearest = [...CORNERS].sort((one, other) => far(one) - far(other))[0];
  return far(nearest) <= REACH * unit ? nearest : undefined;
}

export function middle([left, top, right, bottom]) {
  return [(left + right) / 2, (top + bottom) / 2];
}

export function isInside([left, top, right, bottom], [x, y]) {
  return left <= x && x <= right && top <= y && y <= bottom;
}

// An outline with a white rim. look: color, thick (CSS pixels), dashed, handles.
export function drawRectangle(layer, box, unit, { color, thick = 2.5, dashed, handles }) {
  const [left, top, right, bottom] = box;
  const frame = { x: left, y: top, width: right - left, height: bottom - top, fill: "none" };
  const lines = [
    { ...frame, stroke: "white", "stroke-width": (thick + 2) * unit },
    { ...frame, stroke: color, "stroke-width": thick * unit },
  ];
  if (dashed) {
    lines[1]["stroke-dasharray"] = `${7 * unit} ${4 * unit}`;
  }
  layer.append(...lines.map((line) => shape("rect", line)));
  if (handles) {
    const side = HANDLE * unit;
    const look = { width: side, height: side, fill: "white", stroke: color };
    for (const [atX, atY] of CORNERS) {
      const place = { x: box[atX] - side / 2, y: box[atY] - side / 2 };
      layer.append(shape("rect", { ...place, ...look, "stroke-width": 2 * unit }));
    }
  }
}
