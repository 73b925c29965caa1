// Elements of HTML and SVG, and the little geometry that pads need.

const SVG = "http://www.w3.org/2000/svg";

// An HTML element with attributes, and children that are elements or text.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

// An SVG element with attributes and children.
export function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

function setAttributes(target, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    target.setAttribute(name, value);
  }
}

export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

// The multiple of step that is nearest to value; where step is 0, the value itself.
export function rounded(value, step) {
  return step > 0 ? Number((Math.round(value / step) * step).toPrecision(12)) : value;
}

// The way from one place to another.
export function between([x, y], [toX, toY]) {
  return [toX - x, toY - y];
}

export function distance(from, to) {
  return Math.hypot(...between(from, to));
}

// The number of the place that is nearest to `from` in the direction of an arrow key; -1 for none.
export function nearestAhead(from, places, steps) {
  const [x, y] = steps.map(Math.sign);
  const far = places.map((place) => {
    const [dx, dy] = between(from, place);
    const ahead = dx * x + dy * y;
    const aside = Math.abs(dx * y) + Math.abs(dy * x);
    return ahead > 0.5 && ahead >= aside ? ahead + 2 * aside : Infinity;
  });
  const nearest = Math.min(...far);
  return nearest === Infinity ? -1 : far.indexOf(nearest);
}

// Words with a white rim, which stand out from any picture. unit: drawing units in a CSS pixel.
export function label(words, [x, y], color, unit, anchor = "start") {
  const look = { fill: color, "font-size": 13 * unit, "text-anchor": anchor, class: "touch-label" };
  return shape("text", { x, y, ...look, "stroke-width": 4 * unit }, words);
}
