// A convolution at work: the kernel lies on every channel that it reads, moves, and fills the
// output one number at a time, while a counter counts the multiplications.

const INPUT = [0, 114, 178];
const OUTPUT = [0, 158, 115];
const MARK = "#D55E00";
const FRAME = 40; // milliseconds between two steps of "Play"

// --- the convolution, as the notebook's loops have it ---

function shapes(model) {
  const image = model.get("image");
  const weight = model.get("weight");
  const [stride, padding, dilation, groups] = ["stride", "padding", "dilation", "groups"].map(
    (name) => model.get(name),
  );
  const kernel = weight[0][0].length;
  const reach = (kernel - 1) * dilation + 1;
  const padded = image[0].length + 2 * padding;
  const side = Math.floor((padded - reach) / stride) + 1;
  const depth = image.length / groups;
  const products = depth * kernel * kernel;
  const total = weight.length * side * side;
  return { image, weight, stride, padding, dilation, groups, kernel, reach, padded, side, depth,
    products, total };
}

function place(shape, number) {
  const positions = shape.side * shape.side;
  return {
    channel: Math.floor(number / positions),
    row: Math.floor((number % positions) / shape.side),
    column: number % shape.side,
  };
}

function pixel(shape, channel, row, column) {
  const line = shape.image[channel][row - shape.padding];
  return line?.[column - shape.padding] ?? 0; // the padding is zeros
}

function firstChannel(shape, channel) {
  return Math.floor(channel / (shape.weight.length / shape.groups)) * shape.depth;
}

function outputNumber(shape, { channel, row, column }) {
  let sum = 0;
  for (let c = 0; c < shape.depth; c++) {
    for (let i = 0; i < shape.kernel; i++) {
      for (let j = 0; j < shape.kernel; j++) {
        const y = row * shape.stride + i * shape.dilation;
        const x = column * shape.stride + j * shape.dilation;
        const value = pixel(shape, firstChannel(shape, channel) + c, y, x);
        sum += value * shape.weight[channel][c][i][j];
      }
    }
  }
  return sum;
}

// --- the picture ---

function grid(count, cells, left) {
  // Left upper corners of `count` planes of cells × cells, up to three in a row, else in two rows.
  const rows = count <= 3 ? 1 : 2;
  const columns = Math.ceil(count / rows);
  const corners = Array.from({ length: count }, (_, number) => ({
    x: left + (number % columns) * (cells + 2),
    y: 2 + Math.floor(number / columns) * (cells + 2),
  }));
  return { corners, right: left + columns * (cells + 2) - 2, bottom: rows * (cells + 2) };
}

function layout(shape, width) {
  const inputs = grid(shape.image.length, shape.padded, 0);
  const outputs = grid(shape.weight.length, shape.side, inputs.right + 7);
  const cell = Math.min(14, Math.floor(width / (outputs.right + 0.5)));
  const height = (Math.max(inputs.bottom, outputs.bottom) + 0.5) * cell;
  return { inputs, outputs, cell, height };
}

function shade(color, value, range) {
  const share = Math.min(1, Math.max(0, 0.5 + value / (2 * range)));
  const mixed = color.map((part) => Math.round(255 - (255 - part) * (0.08 + 0.8 * share)));
  return `rgb(${mixed.join(",")})`;
}

function draw(canvas, model, width) {
  const shape = shapes(model);
  const made = Math.min(model.get("made"), shape.total);
  const { inputs, outputs, cell, height } = layout(shape, width);
  const ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.fillStyle = "white";
  pen.fillRect(0, 0, width, height);

  const square = (corner, row, column, fill, edge, line = 0.5) => {
    pen.beginPath();
    pen.rect((corner.x + column) * cell + 1, (corner.y + row) * cell + 1, cell, cell);
    pen.fillStyle = fill;
    pen.strokeStyle = edge;
    pen.lineWidth = line;
    pen.fill();
    pen.stroke();
  };
  const words = (text, x, y) => {
    pen.fillStyle = "black";
    pen.font = "13px sans-serif";
    pen.fillText(text, x * cell + 1, y * cell - 5);
  };

  words(`input: ${shape.image.length} channels`, 0, 2);
  words(`output: ${shape.weight.length} channels`, outputs.corners[0].x, 2);
  words("→", inputs.right + 2.8, 2 + shape.padded / 2);
  inputs.corners.forEach((corner, channel) => {
    for (let row = 0; row < shape.padded; row++) {
      for (let column = 0; column < shape.padded; column++) {
        const inside = [row, column].every(
          (at) => at >= shape.padding && at < shape.padded - shape.padding,
        );
        const value = pixel(shape, channel, row, column);
        square(corner, row, column, inside ? shade(INPUT, value, 2.5) : "white", "#BBBBBB");
      }
    }
  });
  const range = 2 * Math.sqrt(shape.products);
  for (let number = 0; number < shape.total; number++) {
    const { channel, row, column } = place(shape, number);
    const value = number < made ? outputNumber(shape, { channel, row, column }) : null;
    const fill = value === null ? "#F4F4F4" : shade(OUTPUT, value, range);
    square(outputs.corners[channel], row, column, fill, "#BBBBBB");
  }
  const now = place(shape, Math.max(0, made - 1));
  const first = firstChannel(shape, now.channel);
  for (let c = first; c < first + shape.depth; c++) {
    for (let i = 0; i < shape.kernel; i++) {
      for (let j = 0; j < shape.kernel; j++) {
        const y = now.row * shape.stride + i * shape.dilation;
        const x = now.column * shape.stride + j * shape.dilation;
        square(inputs.corners[c], y, x, "rgba(230, 159, 0, 0.55)", MARK, 1.5);
      }
    }
  }
  if (made) square(outputs.corners[now.channel], now.row, now.column, "#E69F00", MARK, 1.5);
}

function sentence(model) {
  const shape = shapes(model);
  const made = Math.min(model.get("made"), shape.total);
  const count = (number) => number.toLocaleString("en-US");
  if (!made) {
    return `0 of ${count(shape.total)} output numbers made, 0 multiplications so far.`;
  }
  const now = place(shape, made - 1);
  const value = outputNumber(shape, now).toFixed(2);
  return (
    `Output channel ${now.channel + 1}, row ${now.row + 1}, column ${now.column + 1}: ` +
    `${shape.products} products add up to ${value}. So far ${count(made)} of ` +
    `${count(shape.total)} output numbers, ${count(made)} × ${shape.products} = ` +
    `${count(made * shape.products)} multiplications.`
  );
}

// --- the controls ---

function element(name, parent, properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  parent.append(made);
  return made;
}

function chooser(model, name, options, parent) {
  const label = element("label", parent, { textContent: `${name} ` });
  label.style.marginRight = "1em";
  const select = element("select", label);
  for (const option of options) {
    element("option", select, { value: option, textContent: option });
  }
  select.value = model.get(name);
  select.addEventListener("change", () => {
    model.set(name, Number(select.value));
    model.set("made", Math.min(1, model.get("made")));
    model.save_changes();
  });
}

function pointed(event, canvas, model, width) {
  // How many output numbers are made when the kernel has come to where the pointer is.
  const shape = shapes(model);
  const { inputs, outputs, cell } = layout(shape, width);
  const box = canvas.getBoundingClientRect();
  const x = (event.clientX - box.left) / cell;
  const y = (event.clientY - box.top) / cell;
  const positions = shape.side * shape.side;
  const within = (corner, cells) =>
    x >= corner.x && x < corner.x + cells && y >= corner.y && y < corner.y + cells;
  const chosen = outputs.corners.findIndex((corner) => within(corner, shape.side));
  if (chosen >= 0) {
    const corner = outputs.corners[chosen];
    const row = Math.floor(y - corner.y);
    return chosen * positions + row * shape.side + Math.floor(x - corner.x) + 1;
  }
  const corner = inputs.corners.find((corner) => within(corner, shape.padded));
  if (!corner) return null;
  const [row, column] = [y - corner.y, x - corner.x].map((at) => {
    const step = Math.round((at - shape.reach / 2) / shape.stride);
    return Math.min(shape.side - 1, Math.max(0, step));
  });
  const { channel } = place(shape, Math.max(0, model.get("made") - 1));
  return channel * positions + row * shape.side + column + 1;
}

function render({ model, el }) {
  const width = 700;
  const card = element("div", el);
  card.style.cssText = `background: white; color: black; padding: 8px; width: ${width}px`;
  const choices = element("div", card);
  for (const [name, options] of Object.entries(model.get("choices"))) {
    chooser(model, name, options, choices);
  }
  const canvas = element("canvas", card);
  canvas.setAttribute("role", "img");
  canvas.style.touchAction = "none";
  const status = element("p", card);
  status.style.cssText = "min-height: 2.6em; margin: 4px 0";
  const buttons = element("div", card);
  const step = element("button", buttons, { textContent: "Step" });
  const play = element("button", buttons, { textContent: "Play" });
  const back = element("button", buttons, { textContent: "Back to the start" });
  const label = element("label", buttons, { textContent: " output numbers made " });
  const range = element("input", label, { type: "range", min: 0 });
  range.style.width = "260px";
  let timer = null;

  const update = () => {
    const shape = shapes(model);
    range.max = shape.total;
    range.value = model.get("made");
    draw(canvas, model, width);
    status.textContent = sentence(model);
    canvas.setAttribute("aria-label", status.textContent);
  };
  const go = (made) => {
    model.set("made", Math.min(shapes(model).total, Math.max(0, made)));
    model.save_changes();
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };

  step.addEventListener("click", () => go(model.get("made") + 1));
  back.addEventListener("click", () => {
    stop();
    go(0);
  });
  play.addEventListener("click", () => {
    if (timer) return stop();
    const { total } = shapes(model);
    if (model.get("made") >= total) go(0);
    play.textContent = "Pause";
    timer = setInterval(() => {
      go(model.get("made") + 1);
      if (model.get("made") >= total) stop();
    }, FRAME);
  });
  range.addEventListener("input", () => go(Number(range.value)));
  const drag = (event) => {
    const made = event.buttons ? pointed(event, canvas, model, width) : null;
    if (made !== null) go(made);
  };
  canvas.addEventListener("pointerdown", drag);
  canvas.addEventListener("pointermove", drag);

  const names = ["image", "weight", "made", "stride", "padding", "dilation", "groups"];
  names.forEach((name) => model.on(`change:${name}`, update));
  update();
  return () => {
    stop();
    names.forEach((name) => model.off(`change:${name}`, update));
  };
}

export default { render };
