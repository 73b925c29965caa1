// A convolution at work: the kernel lies on every channel that it reads, moves, and fills the
// output one number at a time, while a counter counts the multiplications. Its value is how many
// output numbers are made, in the order of the loops: output channel, row, column.

import { clamp, element, shape } from "./elements.js";
import { Frame } from "./frame.js";

const HELP = "Press Step or Play, or drag the kernel over the input.";
const KEYS =
  "The arrow keys move the kernel by one output number, or by one row; with Shift ten. Home and " +
  "End go to the start and to the end.";
const FRAME = 40; // milliseconds between two numbers while it plays
const GAP = 2; // cells between two channels, as in kernel.py
const ARROW = 7; // cells between input and output
const ARGUMENTS = ["stride", "padding", "dilation", "groups"];

// --- the convolution, as the loops of notebook 01 have it ---

// The model's numbers, and what follows from them.
export function convolution(model) {
  const found = { image: model.get("image"), weight: model.get("weight") };
  for (const name of ARGUMENTS) {
    found[name] = model.get(name);
  }
  found.kernel = found.weight[0][0].length;
  found.reach = (found.kernel - 1) * found.dilation + 1;
  found.padded = found.image[0].length + 2 * found.padding;
  found.side = Math.floor((found.padded - found.reach) / found.stride) + 1;
  found.depth = found.image.length / found.groups;
  found.products = found.depth * found.kernel ** 2;
  found.positions = found.side ** 2;
  found.total = found.weight.length * found.positions;
  return found;
}

// Where output number `index` stands.
export function placeOf(conv, index) {
  const position = index % conv.positions;
  return {
    channel: Math.floor(index / conv.positions),
    row: Math.floor(position / conv.side),
    column: position % conv.side,
  };
}

// (channel, row, column) of each number of the padded input that one output number reads, and the
// weight that it meets.
export function taps(conv, { channel, row, column }) {
  const group = Math.floor(channel / (conv.weight.length / conv.groups));
  const found = [];
  for (let c = 0; c < conv.depth; c++) {
    for (let i = 0; i < conv.kernel; i++) {
      for (let j = 0; j < conv.kernel; j++) {
        found.push({
          channel: group * conv.depth + c,
          row: row * conv.stride + i * conv.dilation,
          column: column * conv.stride + j * conv.dilation,
          weight: conv.weight[channel][c][i][j],
        });
      }
    }
  }
  return found;
}

// A number of the padded input; null in the padding, which counts as zero.
function inputNumber(conv, { channel, row, column }) {
  return conv.image[channel][row - conv.padding]?.[column - conv.padding] ?? null;
}

export function outputNumber(conv, index) {
  let sum = 0;
  for (const tap of taps(conv, placeOf(conv, index))) {
    sum += tap.weight * (inputNumber(conv, tap) ?? 0);
  }
  return sum;
}

const grouped = (number) => number.toLocaleString("en-US");

export function counter(conv, made) {
  const done = `${grouped(made)} of ${grouped(conv.total)} output numbers made`;
  const counted = `${grouped(made)} × ${conv.products} = ${grouped(made * conv.products)}`;
  return `${done}, ${counted} multiplications`;
}

function lastMade(conv, made) {
  if (made === 0) {
    return "Nothing is made yet.";
  }
  const { channel, row, column } = placeOf(conv, made - 1);
  const value = outputNumber(conv, made - 1).toFixed(2);
  return (
    `Output channel ${channel + 1}, row ${row + 1}, column ${column + 1}: ` +
    `${conv.products} products add up to ${value}.`
  );
}

// --- the picture, in cells ---

// Upper left corners of the channels, up to three in a row, else in two rows, and where they end.
function corners(count, cells, left) {
  const columns = count <= 3 ? count : Math.ceil(count / 2);
  const places = Array.from({ length: count }, (_, index) => ({
    x: left + (index % columns) * (cells + GAP),
    y: GAP + Math.floor(index / columns) * (cells + GAP),
  }));
  return { places, right: left + columns * (cells + GAP) - GAP };
}

function layout(conv) {
  const input = corners(conv.image.length, conv.padded, 0.5);
  const output = corners(conv.weight.length, conv.side, input.right + ARROW);
  return { input, output };
}

function shade([red, green, blue], value, largest) {
  const share = clamp(0.5 + value / (2 * largest), 0, 1);
  const mixed = [red, green, blue].map((part) => Math.round(239 + (part - 239) * share));
  return `rgb(${mixed.join(" ")})`;
}

function rgb(color) {
  return [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
}

function cell({ x, y }, row, column, fill, look = {}) {
  const place = { x: x + column, y: y + row, width: 1, height: 1 };
  return shape("rect", { ...place, fill, stroke: "#BBBBBB", "stroke-width": 0.03, ...look });
}

function draw(layer, conv, made, colors) {
  const { input, output } = layout(conv);
  const [blue, green] = [colors[0], colors[2]].map(rgb);
  const mark = { stroke: colors[1], "stroke-width": 0.12 };
  input.places.forEach((corner, channel) => {
    for (let row = 0; row < conv.padded; row++) {
      for (let column = 0; column < conv.padded; column++) {
        const value = inputNumber(conv, { channel, row, column });
        layer.append(cell(corner, row, column, value === null ? "white" : shade(blue, value, 2.5)));
      }
    }
  });
  const largest = 2 * Math.sqrt(conv.products);
  for (let index = 0; index < conv.total; index++) {
    const { channel, row, column } = placeOf(conv, index);
    const fill = index < made ? shade(green, outputNumber(conv, index), largest) : "#F4F4F4";
    layer.append(cell(output.places[channel], row, column, fill));
  }
  const now = placeOf(conv, Math.max(0, made - 1));
  for (const { channel, row, column } of taps(conv, now)) {
    layer.append(cell(input.places[channel], row, column, colors[4], mark));
  }
  if (made > 0) {
    layer.append(cell(output.places[now.channel], now.row, now.column, colors[4], mark));
  }
  words(layer, `input: ${conv.image.length} channels`, input.places[0].x, GAP - 0.4);
  words(layer, `output: ${conv.weight.length} channels`, output.places[0].x, GAP - 0.4);
  words(layer, "→", input.right + ARROW / 2 - 0.5, GAP + conv.padded / 2);
}

function words(layer, text, x, y) {
  layer.append(shape("text", { x, y, "font-size": 1.1, fill: "black" }, text));
}

// How many numbers are made when the kernel has come to [x, y]; null outside of all channels.
export function madeAt(conv, made, [x, y]) {
  const { input, output } = layout(conv);
  const within = (corner, cells) =>
    x >= corner.x && x < corner.x + cells && y >= corner.y && y < corner.y + cells;
  const chosen = output.places.findIndex((corner) => within(corner, conv.side));
  if (chosen >= 0) {
    const corner = output.places[chosen];
    const position = Math.floor(y - corner.y) * conv.side + Math.floor(x - corner.x);
    return chosen * conv.positions + position + 1;
  }
  const corner = input.places.find((place) => within(place, conv.padded));
  if (!corner) {
    return null;
  }
  const [row, column] = [y - corner.y, x - corner.x].map((at) =>
    clamp(Math.round((at - conv.reach / 2) / conv.stride), 0, conv.side - 1),
  );
  const { channel } = placeOf(conv, Math.max(0, made - 1));
  return channel * conv.positions + row * conv.side + column + 1;
}

// --- the controls ---

function chooser(frame, name, options, react) {
  const select = element("select");
  for (const option of options) {
    select.append(element("option", { value: option }, String(option)));
  }
  select.value = frame.model.get(name);
  select.addEventListener("change", () => react(name, Number(select.value)));
  frame.toolbar.append(element("label", {}, `${name} `, select));
}

function render({ model, el }) {
  const now = () => convolution(model);
  const frame = new Frame(model, el, {
    help: HELP,
    keys: KEYS,
    draw: (layer, { value }) => draw(layer, now(), value, model.get("colors")),
    inWords: (made) => counter(now(), made),
  });
  const go = (made) => {
    const conv = now();
    const kept = clamp(made, 0, conv.total);
    frame.commit(kept, lastMade(conv, kept));
  };

  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
    go(frame.value);
  };
  const tick = () => {
    if (frame.value >= now().total) {
      stop();
    } else {
      frame.preview(frame.value + 1);
    }
  };
  const start = () => {
    if (frame.value >= now().total) {
      frame.preview(0);
    }
    play.textContent = "Pause";
    timer = setInterval(tick, FRAME);
  };
  frame.button("Step", () => go(frame.value + 1));
  const play = frame.button("Play", () => (timer ? stop() : start()));
  frame.button("To the start", () => go(0));
  frame.button("To the end", () => go(now().total));
  for (const [name, options] of Object.entries(model.get("choices"))) {
    chooser(frame, name, options, (changed, option) => {
      model.set(changed, option);
      go(Math.min(1, frame.value));
      frame.redraw();
    });
  }

  const drag = (place) => {
    const made = madeAt(now(), frame.value, place);
    if (made !== null) {
      frame.preview(made);
    }
    return made !== null;
  };
  frame.onDrag({ start: drag, move: drag, end: () => go(frame.value) });
  frame.onKeys(([dx, dy]) => go(frame.value + dx + dy * now().side), {
    Home: () => go(0),
    End: () => go(now().total),
  });
  for (const name of ARGUMENTS) {
    frame.listen(`change:${name}`, () => frame.redraw());
  }
  return () => {
    clearInterval(timer);
    frame.remove();
  };
}

export default { render };
