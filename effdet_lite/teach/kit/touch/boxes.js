// Boxes over a picture that are moved, resized, added and deleted.

import { between, element, label } from "./elements.js";
import { Frame } from "./frame.js";
import { cornerAt, drawRectangle, isInside, moved, resized, spanned } from "./rectangles.js";

const HELP =
  "Drag a box or one of its corners; drag where there is none to add one. True boxes are dashed.";
const KEYS =
  "N and P choose the next and the previous box. The arrow keys move it, with Shift ten pixels; " +
  "R lets them move its lower right corner instead. A adds a box, Delete removes it, L gives it " +
  "the next label, + and − change its score.";
const STEP = 1; // px of a picture
const LEAST = 3; // px: a new box that is smaller was a click
const NEW_SIDE = 0.25; // of the picture's shorter side: a box that is added by a key
const NEW_SCORE = 0.5;
const SCORE_STEP = 0.05;
const LOWER_RIGHT = [2, 3];

// A box {box, label, score} in words.
function named({ label, score }, classes) {
  return classes[label] + (score === undefined ? "" : ` ${score.toFixed(2)}`);
}

function told(row, classes) {
  return `${named(row, classes)} (${row.box.map(Math.round).join(", ")})`;
}

export function inWords(rows, classes) {
  if (rows.length === 0) {
    return "no boxes";
  }
  const parts = rows.map((row) => told(row, classes));
  return `${rows.length} box${rows.length > 1 ? "es" : ""}: ${parts.join("; ")}`;
}

// Boxes with their names; the true ones dashed; the chosen one with handles.
export function drawBoxes(layer, rows, { truth, classes, colors, chosen, unit }) {
  const color = (row) => colors[row.label % colors.length];
  for (const row of truth) {
    drawRectangle(layer, row.box, unit, { color: color(row), thick: 1.5, dashed: true });
  }
  rows.forEach((row, number) => {
    const handles = number === chosen;
    drawRectangle(layer, row.box, unit, { color: color(row), thick: handles ? 3.5 : 2, handles });
    const [left, top] = row.box;
    const above = top > 20 * unit ? top - 6 * unit : top + 16 * unit;
    layer.append(label(named(row, classes), [left + 3 * unit, above], color(row), unit));
  });
}

// The box that a place belongs to: of those around it the smallest; -1 for none.
export function boxAt(rows, place) {
  const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
  const around = rows.filter((row) => isInside(row.box, place));
  const smallest = around.sort((one, other) => area(one) - area(other))[0];
  return smallest ? rows.indexOf(smallest) : -1;
}

class Boxes {
  constructor(model, el) {
    this.classes = model.get("classes");
    this.hasScores = model.get("has_scores");
    this.most = model.get("most");
    this.chosen = model.get("value").length > 0 ? 0 : -1;
    this.resizing = false; // whether the arrow keys move the corner
    this.newLabel = 0;
    const truth = model.get("truth");
    const colors = model.get("colors");
    this.frame = new Frame(model, el, {
      help: HELP,
      keys: KEYS,
      draw: (layer, { unit, value }) => {
        this.chosen = Math.min(this.chosen, value.length - 1);
        const { classes, chosen } = this;
        drawBoxes(layer, value, { truth, classes, colors, chosen, unit });
        this.showChosen?.(value[chosen]);
      },
      inWords: (rows) => inWords(rows, this.classes),
    });
    this.addPointer();
    this.addKeys();
    this.addButtons();
    this.frame.redraw();
  }

  get rows() {
    return this.frame.value;
  }

  get row() {
    return this.rows[this.chosen];
  }

  // The boxes with the chosen one changed.
  changed(changes) {
    return this.rows.map((row, number) => (number === this.chosen ? { ...row, ...changes } : row));
  }

  choose(number) {
    this.chosen = number;
    this.frame.redraw();
    if (this.row) {
      const place = `box ${number + 1} of ${this.rows.length}`;
      this.frame.say(`Chosen: ${place}, ${told(this.row, this.classes)}.`);
    }
  }

  newRow(box) {
    const row = { box, label: this.newLabel };
    return this.hasScores ? { ...row, score: NEW_SCORE } : row;
  }

  commit(rows, words, before = this.rows) {
    const row = rows[this.chosen];
    this.frame.commit(rows, row ? `${words}: ${told(row, this.classes)}.` : `${words}.`, before);
  }

  // --- pointer ---

  addPointer() {
    this.drag = null; // {before: the boxes then, from: the place, box, corner, isNew}
    this.frame.onDrag({
      start: (place) => this.grasp(place),
      move: (place) => this.pull(place),
      end: () => this.release(),
    });
  }

  grasp(place) {
    const before = this.rows;
    const corner = this.row && cornerAt(this.row.box, place, this.frame.unit);
    if (!corner) {
      this.choose(boxAt(before, place));
    }
    if (this.row) {
      this.drag = { before, from: place, box: this.row.box, corner };
      return true;
    }
    return this.begin(place, before);
  }

  // A new box, of no size yet.
  begin(place, before) {
    if (before.length >= this.most) {
      this.frame.say(`There may be ${this.most} boxes, and no more.`);
      return false;
    }
    this.chosen = before.length;
    const box = spanned(place, place, this.frame.size, STEP);
    this.frame.preview([...before, this.newRow(box)]);
    this.drag = { before, from: place, isNew: true };
    return true;
  }

  pull(place) {
    const { from, box, corner, isNew } = this.drag;
    const { size } = this.frame;
    let put = null;
    if (isNew) {
      put = spanned(from, place, size, STEP);
    } else if (corner) {
      put = resized(box, corner, place, size, STEP);
    } else {
      put = moved(box, between(from, place), size, STEP);
    }
    this.frame.preview(this.changed({ box: put }));
  }

  release() {
    const { before, isNew } = this.drag;
    const [left, top, right, bottom] = this.row.box;
    if (isNew && Math.max(right - left, bottom - top) < LEAST) {
      this.chosen = -1;
      this.frame.preview(before);
      this.frame.say("No box is chosen.");
    } else if (isNew) {
      this.commit(this.rows, "Added", before);
    } else if (JSON.stringify(before) !== JSON.stringify(this.rows)) {
      this.commit(this.rows, "Moved", before);
    }
  }

  // --- keyboard and buttons ---

  addKeys() {
    const next = (by) => () => {
      const count = this.rows.length;
      this.choose(count === 0 ? -1 : (this.chosen + by + count) % count);
    };
    const remove = () => this.remove();
    this.frame.onKeys((steps) => this.arrow(steps), {
      n: next(1),
      p: next(-1),
      a: () => this.add(),
      r: () => this.toggle(),
      l: () => this.setLabel(((this.row?.label ?? this.newLabel) + 1) % this.classes.length),
      "+": () => this.setScore(this.row?.score + SCORE_STEP),
      "-": () => this.setScore(this.row?.score - SCORE_STEP),
      Delete: remove,
      Backspace: remove,
    });
  }

  addButtons() {
    const { frame } = this;
    if (this.classes.length > 1) {
      this.labels = element("select", { "aria-label": "Label" });
      this.labels.append(...this.classes.map((name, value) => element("option", { value }, name)));
      this.labels.addEventListener("change", () => this.setLabel(Number(this.labels.value)));
      frame.toolbar.append(this.labels);
    }
    if (this.hasScores) {
      const range = { type: "number", min: 0, max: 1, step: SCORE_STEP, "aria-label": "Score" };
      this.score = element("input", range);
      this.score.addEventListener("change", () => this.setScore(Number(this.score.value)));
      frame.toolbar.append(this.score);
    }
    frame.button("Add", () => this.add(), "A");
    frame.button("Delete", () => this.remove(), "Delete");
    frame.button("Undo", () => frame.undo(), "Control+Z");
  }

  showChosen(row) {
    if (this.labels) {
      this.labels.value = row?.label ?? this.newLabel;
    }
    if (this.score) {
      this.score.value = row?.score.toFixed(2) ?? "";
      this.score.disabled = !row;
    }
  }

  arrow(steps) {
    if (!this.row) {
      this.frame.say("No box is chosen.");
      return;
    }
    const { size } = this.frame;
    const { box: now } = this.row;
    const corner = [now[2] + steps[0] * STEP, now[3] + steps[1] * STEP];
    const box = this.resizing
      ? resized(now, LOWER_RIGHT, corner, size, STEP)
      : moved(now, steps, size, STEP);
    this.commit(this.changed({ box }), "Moved");
  }

  toggle() {
    this.resizing = !this.resizing;
    this.frame.say(this.resizing ? "The arrow keys resize." : "The arrow keys move.");
  }

  add() {
    const { width, height } = this.frame.size;
    if (this.rows.length >= this.most) {
      this.frame.say(`There may be ${this.most} boxes, and no more.`);
      return;
    }
    const half = Math.ceil((NEW_SIDE * Math.min(width, height)) / 2);
    const [x, y] = [Math.round(width / 2), Math.round(height / 2)];
    const box = [Math.max(0, x - half), Math.max(0, y - half), x + half, y + half];
    this.chosen = this.rows.length;
    this.commit([...this.rows, this.newRow(box)], "Added");
  }

  remove() {
    if (!this.row) {
      this.frame.say("No box is chosen.");
      return;
    }
    const words = `Deleted: ${told(this.row, this.classes)}.`;
    this.frame.commit(this.rows.filter((_, number) => number !== this.chosen), words);
  }

  setLabel(number) {
    this.newLabel = number;
    if (this.row) {
      this.commit(this.changed({ label: number }), "Changed");
    }
  }

  setScore(score) {
    if (this.hasScores && this.row && Number.isFinite(score)) {
      const inside = Math.min(Math.max(score, 0), 1);
      this.commit(this.changed({ score: Number(inside.toFixed(2)) }), "Changed");
    }
  }
}

function render({ model, el }) {
  const boxes = new Boxes(model, el);
  return () => boxes.frame.remove();
}

export default { render };
