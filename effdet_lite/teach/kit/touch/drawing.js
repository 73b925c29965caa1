// A sheet to draw on: lines, filled outlines and stamps, by mouse, finger or keys.

import { between, clamp, distance, element, rounded, shape } from "./elements.js";
import { Frame } from "./frame.js";

const HELP = "Draw with the mouse; a stamp grows as you drag from its middle.";
const KEYS =
  "The arrow keys move the cross hairs. Space stamps, or puts the pen down and lifts it. 1 to 6 " +
  "choose the tool, C the color, + and − the size. Backspace takes the last mark back.";
const LINES = { pen: "line", area: "filled outline" };
const PEN_WIDTH = 0.04; // of the sheet's shorter side, as a new pad has it
const STAMP_SIDE = 0.3;
const CURSOR_STEP = 1 / 64; // of the sheet's shorter side
const LARGER = 1.2; // what + does to the size of a tool
const PIXEL = 0.1; // places are kept to a tenth of a pixel
const LEAST_DRAG = 4; // CSS pixels: less was a click
const ICON = {
  pen: { points: [[4, 15], [7, 6], [12, 13], [16, 5]], width: 2.5 },
  area: { points: [[3, 9], [8, 3], [12, 7], [17, 6], [14, 16], [6, 15]], width: 1 },
  stamp: { center: [10, 10], side: 15 },
};

function counted({ kind, count }) {
  const name = LINES[kind] ?? kind;
  return count === 1 ? `1 ${name}` : `${count} ${name}${name.endsWith("s") ? "es" : "s"}`;
}

// What is on the sheet, in order: "1 circle, 2 lines, 1 filled outline".
export function inWords(marks) {
  const runs = [];
  for (const { kind } of marks) {
    const last = runs.at(-1);
    if (last?.kind === kind) {
      last.count += 1;
    } else {
      runs.push({ kind, count: 1 });
    }
  }
  return runs.map(counted).join(", ") || "nothing drawn";
}

function attribute(points) {
  return points.map(([x, y]) => `${x},${y}`).join(" ");
}

// A mark as an SVG element. outlines: of the stamps, with a longer side of 1.
export function markShape(mark, outlines) {
  const { kind, color } = mark;
  if (outlines[kind]) {
    const [x, y] = mark.center;
    const corners = outlines[kind].map(([dx, dy]) => [x + dx * mark.side, y + dy * mark.side]);
    return shape("polygon", { points: attribute(corners), fill: color });
  }
  if (mark.points.length === 1) {
    const [[cx, cy]] = mark.points;
    return shape("circle", { cx, cy, r: mark.width / 2, fill: color });
  }
  const points = attribute(mark.points);
  const round = { "stroke-linecap": "round", "stroke-linejoin": "round" };
  const line = { points, stroke: color, "stroke-width": mark.width, ...round };
  return kind === "area"
    ? shape("polygon", { ...line, fill: color })
    : shape("polyline", { ...line, fill: "none" });
}

// The cross hairs that the arrow keys move.
export function drawCursor(layer, [x, y], unit) {
  const d = `M${x - 9 * unit},${y} h${18 * unit} M${x},${y - 9 * unit} v${18 * unit}`;
  layer.append(shape("path", { d, stroke: "white", "stroke-width": 4 * unit }));
  layer.append(shape("path", { d, stroke: "black", "stroke-width": 1.5 * unit }));
}

class Sheet {
  constructor(model, el) {
    this.outlines = model.get("stamps");
    this.colors = model.get("drawing_colors"); // by name
    this.kinds = [...Object.keys(LINES), ...Object.keys(this.outlines)];
    [this.width, this.height] = model.get("size");
    this.side = Math.min(this.width, this.height);
    this.sizes = { line: PEN_WIDTH * this.side, stamp: STAMP_SIDE * this.side };
    this.cursor = [this.width / 2, this.height / 2];
    this.isCursorShown = false;
    this.unfinished = null; // the mark that is being drawn
    this.frame = new Frame(model, el, {
      help: HELP,
      keys: KEYS,
      draw: (layer, { unit, value }) => this.draw(layer, value, unit),
      inWords,
    });
    this.addButtons();
    this.chooseTool(Object.keys(this.outlines)[0]);
    this.chooseColor(Object.keys(this.colors)[0]);
    this.frame.say("");
    this.frame.onDrag({
      start: (place) => this.press(place),
      move: (place) => this.pull(place),
      end: () => this.finish(),
    });
    this.addKeys();
  }

  draw(layer, marks, unit) {
    const all = this.unfinished ? [...marks, this.unfinished] : marks;
    layer.append(...all.map((mark) => markShape(mark, this.outlines)));
    if (this.isCursorShown) {
      drawCursor(layer, this.cursor, unit);
    }
  }

  // --- marks ---

  get group() {
    return this.tool in this.outlines ? "stamp" : "line";
  }

  // A new mark at a place, not finished yet.
  begin(place) {
    const mark = { kind: this.tool, color: this.colors[this.color] };
    const at = place.map((number) => rounded(number, PIXEL));
    const size = rounded(this.sizes[this.group], PIXEL);
    this.unfinished =
      this.group === "stamp"
        ? { ...mark, center: at, side: size }
        : { ...mark, points: [at], width: size };
  }

  extend(place) {
    const { points } = this.unfinished;
    if (distance(points.at(-1), place) > this.frame.unit) {
      const at = place.map((number) => rounded(number, PIXEL));
      this.unfinished = { ...this.unfinished, points: [...points, at] };
    }
  }

  finish() {
    const mark = this.unfinished;
    this.unfinished = null;
    this.frame.commit([...this.frame.value, mark], `Drawn: ${LINES[mark.kind] ?? mark.kind}.`);
    this.frame.redraw();
  }

  // --- pointer ---

  press(place) {
    this.from = place;
    this.isCursorShown = false;
    this.begin(place);
    this.frame.redraw();
    return true;
  }

  pull(place) {
    const reach = Math.max(...between(this.from, place).map(Math.abs));
    if (this.group === "line") {
      this.extend(place);
    } else if (reach > LEAST_DRAG * this.frame.unit) {
      this.sizes.stamp = 2 * reach;
      this.unfinished = { ...this.unfinished, side: rounded(2 * reach, PIXEL) };
    }
    this.frame.redraw();
  }

  // --- keyboard ---

  addKeys() {
    const byNumber = this.kinds.map((kind, index) => [index + 1, () => this.chooseTool(kind)]);
    this.frame.onKeys((steps) => this.go(steps), {
      ...Object.fromEntries(byNumber),
      " ": () => this.mark(),
      "+": () => this.resize(LARGER),
      "-": () => this.resize(1 / LARGER),
      c: () => this.nextColor(),
      Backspace: () => this.frame.commit(this.frame.value.slice(0, -1), "Taken back."),
    });
  }

  go([dx, dy]) {
    const step = CURSOR_STEP * this.side;
    const [x, y] = this.cursor;
    this.cursor = [clamp(x + dx * step, 0, this.width), clamp(y + dy * step, 0, this.height)];
    this.isCursorShown = true;
    if (this.unfinished) {
      this.extend(this.cursor);
    }
    this.frame.redraw();
    this.frame.say(`At ${this.cursor.map(Math.round).join(", ")}.`);
  }

  mark() {
    this.isCursorShown = true;
    if (this.unfinished) {
      this.finish();
      return;
    }
    this.begin(this.cursor);
    if (this.group === "stamp") {
      this.finish();
    } else {
      this.frame.redraw();
      this.frame.say("The pen is down.");
    }
  }

  resize(factor) {
    const size = clamp(this.sizes[this.group] * factor, 1, this.side);
    this.sizes[this.group] = size;
    this.frame.say(`${this.group === "stamp" ? "Side" : "Width"}: ${size.toFixed(1)} px.`);
  }

  // --- tools and colors ---

  addButtons() {
    const tools = this.kinds.map((kind, index) => {
      const look = { viewBox: "0 0 20 20", width: 20, height: 20, "aria-hidden": "true" };
      const mark = { kind, color: "currentColor", ...(ICON[kind] ?? ICON.stamp) };
      const face = shape("svg", look, markShape(mark, this.outlines));
      return [kind, { words: LINES[kind] ?? kind, face, key: String(index + 1) }];
    });
    const swatches = Object.entries(this.colors).map(([name, color]) => {
      const look = { class: "touch-swatch", style: `background: ${color}` };
      return [name, { words: name, face: element("span", look) }];
    });
    const { frame } = this;
    this.showTool = frame.choice("Tool", tools, (kind) => this.chooseTool(kind));
    this.showColor = frame.choice("Color", swatches, (name) => this.chooseColor(name));
    frame.button("Undo", () => frame.undo(), "Control+Z");
    frame.button("Clear", () => frame.commit([], "All is cleared."));
  }

  chooseTool(kind) {
    this.unfinished = null;
    this.tool = kind;
    this.showTool(kind);
    this.frame.redraw();
    this.frame.say(`Tool: ${LINES[kind] ?? kind}.`);
  }

  chooseColor(name) {
    this.color = name;
    this.showColor(name);
    this.frame.say(`Color: ${name}.`);
  }

  nextColor() {
    const names = Object.keys(this.colors);
    this.chooseColor(names[(names.indexOf(this.color) + 1) % names.length]);
  }
}

function render({ model, el }) {
  const sheet = new Sheet(model, el);
  return () => sheet.frame.remove();
}

export default { render };
