// Boxes over a picture, as SVG: a line with a white rim in the color of the class, and words where
// they lie over no others. With labels, line, color and sign say what a box is worth.

const LETTERS = 12; // height of the words, in pixels of the screen
const LOOKS = {
  right: { color: "#0072B2", dashes: "", sign: "✓" },
  wrong: { color: "#D55E00", dashes: "6 3", sign: "✗" },
  double: { color: "#009E73", dashes: "2 2", sign: "2×" },
  missed: { color: "#000000", dashes: "8 3 2 3", sign: "?" },
};

function svg(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.textContent = text;
  return made;
}

const ruler = new OffscreenCanvas(1, 1).getContext("2d");
ruler.font = `600 ${LETTERS}px system-ui, sans-serif`;

// drawn: [{box, color, dashes, wordings}, ...]; wordings: what may stand at the box, longest first.
function drawBoxes(stage, picture, drawn) {
  const scale = stage.clientWidth / picture.width; // pixels of the screen for one of the picture
  stage.setAttribute("viewBox", `0 0 ${picture.width * scale} ${picture.height * scale}`);
  const onScreen = drawn.map((one) => ({ ...one, box: one.box.map((side) => side * scale) }));
  const taken = [];
  const labels = onScreen.map((one) => labelOf(one, taken, stage));
  stage.replaceChildren(...onScreen.map(outline), ...labels.filter(Boolean));
}

function outline({ box: [left, top, right, bottom], color, dashes }) {
  const place = { x: left, y: top, width: right - left, height: bottom - top, fill: "none" };
  const group = svg("g", { class: "box" });
  group.append(
    svg("rect", { ...place, stroke: "white", "stroke-width": 4, "stroke-opacity": 0.8 }),
    svg("rect", { ...place, stroke: color, "stroke-width": 2, "stroke-dasharray": dashes }),
  );
  return group;
}

// The longest wording that has room at a corner of its box, or none.
function labelOf({ box, color, wordings }, taken, stage) {
  for (const words of wordings) {
    const size = { width: ruler.measureText(words).width + 8, height: LETTERS + 6 };
    const place = places(box, size).find((frame) => isFree(frame, taken, stage));
    if (place) {
      taken.push(place);
      return label(place, size, words, color);
    }
  }
  return null;
}

function places([left, top, right, bottom], { width, height }) {
  const corners = [
    [left, top - height],
    [left, top],
    [right - width, bottom],
    [right - width, bottom - height],
    [right - width, top - height],
    [left, bottom],
    [right, top],
    [left - width, top],
  ];
  return corners.map(([x, y]) => [x, y, x + width, y + height]);
}

function isFree([left, top, right, bottom], taken, stage) {
  const inside =
    left >= 0 && top >= 0 && right <= stage.clientWidth && bottom <= stage.clientHeight;
  const clear = ([x, y, x2, y2]) => x >= right || x2 <= left || y >= bottom || y2 <= top;
  return inside && taken.every(clear);
}

function label([x, y], { width, height }, words, color) {
  const group = svg("g", { class: "label" });
  group.append(
    svg("rect", { x, y, width, height, rx: 2, fill: "white", "fill-opacity": 0.9, stroke: color }),
    svg("text", { x: x + 4, y: y + LETTERS + 1, "font-size": LETTERS }, words),
  );
  return group;
}
