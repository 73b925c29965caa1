// A sheet to draw on: lines, filled outlines and stamps, by mouse, finger or keys.

import { between, clamp, distance, element, rounded, shape } from "./elements.js";
import { Frame } from "./frame.js";

const HELP = "Draw with the mouse; a stamp grows as you drag from its middle.";
const KEYS =
  "The arrow keys move the cross hairs. Space stamps, or puts the pen down and lifts it. 1 to 6 " +
  "choose the tool, C the color, + and − the size. Backspace takes the last mark back.";
const TOOLS = { pen: "line", area: "filled outline" };
const PEN_WIDTH = 0.04; // of the sheet's side, as a new pad has it
const STAMP_SIDE = 0.3; // of the sheet's side, as a new pad has it
const LARGER = 1.2; // what + does to the size of a tool
const PIXEL = 0.1; // places are kept to a tenth of a pixel

export function inWords(marks) {
  return marks.map((mark) => mark.kind).join(", ") || "nothing drawn";
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
  const round = { "stroke-linecap": "round", "stroke-linejoin": "round" };
  const line = { stroke: color, "stroke-width": mark.width, ...round };
  if (mark.points.length === 1) {
    const [[cx, cy]] = mark.points;
    return shape("circle", { cx, cy, r: mark.width / 2, fill: color });
  }
  const points = attribute(mark.points);
  return kind === "area"
    ? shape("polygon", { points, fill: color, ...line })
    : shape("polyline", { points, fill: "none", ...line });
}

// The cross hairs that the arrow keys move.
export function drawCursor(layer, [x, y], unit) {
  for (const [color, width] of [
    ["white", 4],
    ["black", 1.5],
  ]) {
    const path = `M${x - 9 * unit},${y} h${18 * unit} M${x},${y - 9 * unit} v${18 * unit}`;
    layer.append(shape("path", { d: path, stroke: color, "stroke-width": width * unit }));
  }
}

// The picture of a tool on its button.
function toolFace(kind, outlines) {
  const look = { viewBox: "0 0 20 20", width: 20, height: 20, "aria-hidden": "true" };
  const wave = [
    [4, 15],
    [7, 6],
    [12, 13],
    [16, 5],
  ];
  const blob = [
    [3, 9],
    [8, 3],
    [12, 7],
    [17, 6],
    [14, 16],
    [6, 15],
  ];
  const marks = { pen: { points: wave, width: 2.5 }, area: { points: blob, width: 1 } };
  const mark = marks[kind] ?? { center: [10, 10], side: 15 };
  return shape("svg", look, markShape({ kind, color: "currentColor", ...mark }, outlines));
}

function render({ model, el }) {
  const outlines = model.get("stamps");
  const colorNames = model.get("drawing_colors");
  const colors = Object.keys(colorNames);
  const [width, height] = model.get("size");
  const side = Math.min(width, height);
  const kinds = [...Object.keys(TOOLS), ...Object.keys(outlines)];
  let tool = kinds.includes("circle") ? "circle" : "pen";
  let color = colors[0];
  const sizes = { pen: PEN_WIDTH * side, stamp: STAMP_SIDE * side };
  let cursor = [width / 2, height / 2];
  let isCursorShown = false;
  let unfinished = null; // the mark that is being drawn

  const ink = () => colorNames[color];
  const isStamp = () => tool in outlines;
  const near = (place) => place.map((number) => rounded(number, PIXEL));
  const newMark = (place) =>
    isStamp()
      ? { kind: tool, center: near(place), side: rounded(sizes.stamp, PIXEL), color: ink() }
      : { kind: tool, points: [near(place)], width: rounded(sizes.pen, PIXEL), color: ink() };

  const frame = new Frame(model, el, {
    help: HELP,
    keys: KEYS,
    draw(layer, { unit, value }) {
      const marks = unfinished ? [...value, unfinished] : value;
      layer.append(...marks.map((mark) => markShape(mark, outlines)));
      if (isCursorShown) {
        drawCursor(layer, cursor, unit);
      }
    },
    inWords,
  });

  const finish = () => {
    const mark = unfinished;
    unfinished = null;
    frame.commit([...frame.value, mark], `Drawn: ${mark.kind}.`);
    frame.redraw();
  };
  const extend = (place) => {
    const points = unfinished.points;
    if (distance(points.at(-1), place) > frame.unit) {
      unfinished = { ...unfinished, points: [...points, near(place)] };
      frame.redraw();
    }
  };

  // --- pointer ---

  let from = null;
  frame.onDrag({
    start(place) {
      from = place;
      isCursorShown = false;
      unfinished = newMark(place);
      frame.redraw();
      return true;
    },
    move(place) {
      if (!isStamp()) {
        extend(place);
        return;
      }
      const reach = Math.max(...between(from, place).map(Math.abs));
      if (reach > 4 * frame.unit) {
        sizes.stamp = 2 * reach;
        unfinished = { ...unfinished, side: rounded(2 * reach, PIXEL) };
        frame.redraw();
      }
    },
    end: finish,
  });

  // --- keyboard ---

  const onArrow = (steps) => {
    const inside = (number, most) => clamp(number, 0, most);
    const step = side / 64;
    const [x, y] = cursor;
    cursor = [inside(x + steps[0] * step, width), inside(y + steps[1] * step, height)];
    isCursorShown = true;
    if (unfinished) {
      extend(cursor);
    }
    frame.redraw();
    frame.say(`At ${Math.round(cursor[0])}, ${Math.round(cursor[1])}.`);
  };
  const onSpace = () => {
    isCursorShown = true;
    if (unfinished) {
      finish();
      return;
    }
    unfinished = newMark(cursor);
    if (isStamp()) {
      finish();
    } else {
      frame.redraw();
      frame.say("The pen is down.");
    }
  };
  const resize = (factor) => {
    const name = isStamp() ? "stamp" : "pen";
    sizes[name] = clamp(sizes[name] * factor, 1, side);
    frame.say(`${isStamp() ? "Side" : "Width"}: ${sizes[name].toFixed(1)} px.`);
  };
  const takeBack = () => frame.commit(frame.value.slice(0, -1), "Taken back.");
  const nextColor = () => chooseColor(colors[(colors.indexOf(color) + 1) % colors.length]);
  const byNumber = kinds.map((kind, number) => [String(number + 1), () => chooseTool(kind)]);
  frame.onKeys(onArrow, {
    ...Object.fromEntries(byNumber),
    " ": onSpace,
    "+": () => resize(LARGER),
    "-": () => resize(1 / LARGER),
    c: nextColor,
    Backspace: takeBack,
  });

  // --- buttons ---

  const tools = kinds.map((kind, number) => [
    kind,
    { words: TOOLS[kind] ?? kind, face: toolFace(kind, outlines), key: String(number + 1) },
  ]);
  const showTool = frame.choice("Tool", Object.fromEntries(tools), (kind) => chooseTool(kind));
  const swatches = colors.map((name) => {
    const style = `background: ${colorNames[name]}`;
    return [name, { words: name, face: element("span", { class: "touch-swatch", style }) }];
  });
  const showColor = frame.choice("Color", Object.fromEntries(swatches), (name) =>
    chooseColor(name),
  );
  const chooseTool = (kind) => {
    unfinished = null;
    tool = kind;
    showTool(kind);
    frame.say(`Tool: ${TOOLS[kind] ?? kind}.`);
  };
  const chooseColor = (name) => {
    color = name;
    showColor(name);
    frame.say(`Color: ${name}.`);
  };
  frame.button("Undo", () => frame.undo(), "Control+Z");
  frame.button("Clear", () => frame.commit([], "All is cleared."));
  showTool(tool);
  showColor(color);
  return () => frame.remove();
}

export default { render };
