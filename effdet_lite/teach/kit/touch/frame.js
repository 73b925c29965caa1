// What all pads share: a frame around a drawing, pointer and keyboard, undo, and words for those
// who do not see it.
//
// A pad's model has `get`, `set`, `save_changes` and `on`, as anywidget's has; any object that has
// these will do, so a page without a kernel can use the pads too.

import { element, shape } from "./elements.js";

const FAST = 10; // steps of a move with Shift
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// The frame of a pad: its name, the drawing, a row for buttons, the value in words, what happened
// last, and how it is used, by mouse (`help`) and by keys (`keys`).
//
// draw(layer, frame): fills an empty SVG group with the present value; inWords(value): it in
// words.
// `frame.unit` is how many units of the drawing make a CSS pixel.
export class Frame {
  constructor(model, el, { help, keys, draw, inWords }) {
    Object.assign(this, { model, draw, inWords, history: [], listeners: [] });
    const [width, height] = model.get("size");
    this.size = { width, height };
    this.unit = width / model.get("shown");
    this.layer = shape("g");
    this.svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    this.svg.append(...this.background(), this.layer);
    this.stage = element("div", { class: "touch-stage", tabindex: "0", role: "application" });
    this.stage.append(this.svg);
    this.stage.style.width = `${model.get("shown")}px`;
    this.toolbar = element("div", { class: "touch-toolbar" });
    this.state = element("p", { class: "touch-state" });
    this.said = element("p", { class: "touch-said", role: "status" });
    this.title = element("p", { class: "touch-title" }, model.get("description"));
    this.help = element("p", { class: "touch-help" }, help);
    this.keys = element("p", {}, keys);
    this.build(el);
    this.listen("change:value", () => this.redraw());
    this.listen("msg:custom", (message) => this.say(message.said));
    this.redraw();
  }

  build(el) {
    // JupyterLab's own keys (arrows, D D, Z) stay out while somebody works on the pad.
    this.root = element("div", { class: "touch", "data-lm-suppress-shortcuts": "true" });
    const folded = element("details", { class: "touch-help" }, element("summary", {}, "Keys"));
    folded.append(this.keys);
    this.root.append(this.title, this.stage, this.toolbar, this.state, this.said);
    this.root.append(this.help, folded);
    this.root.addEventListener("keydown", (event) => this.undoKey(event));
    const number = Math.random().toString(36).slice(2);
    for (const part of ["title", "help", "keys"]) {
      this[part].id = `touch-${part}-${number}`;
    }
    this.stage.setAttribute("aria-labelledby", this.title.id);
    this.stage.setAttribute("aria-describedby", `${this.help.id} ${this.keys.id}`);
    el.append(this.root);
  }

  background() {
    const { width, height } = this.size;
    const picture = this.model.get("picture");
    const ground = shape("rect", { width, height, fill: "white" });
    if (!picture) {
      return [ground];
    }
    const image = shape("image", { href: picture, width, height, preserveAspectRatio: "none" });
    if (picture.startsWith("data:image/png")) {
      image.setAttribute("class", "touch-pixelated");
    }
    return [ground, image];
  }

  get value() {
    return this.model.get("value");
  }

  // A value on the way, while something is dragged: shown and sent, and no step for undo.
  preview(value) {
    this.model.set("value", value);
    this.model.save_changes();
  }

  // A value that stays, and a sentence on what changed. before: what undo brings back.
  commit(value, sentence, before = this.value) {
    if (JSON.stringify(before) !== JSON.stringify(value)) {
      this.history.push(before);
    }
    this.settle(value);
    this.say(sentence);
  }

  settle(value) {
    this.model.set("settled", this.model.get("settled") + 1);
    this.preview(value);
  }

  undo() {
    if (this.history.length === 0) {
      this.say("Nothing to undo.");
      return;
    }
    this.settle(this.history.pop());
    this.say(`Undone: ${this.inWords(this.value)}`);
  }

  undoKey(event) {
    if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey) {
      event.preventDefault();
      this.undo();
    }
  }

  // What screen readers read out. Who sees the value in words need not see the same words twice.
  say(sentence) {
    this.said.textContent = sentence;
    this.said.classList.toggle("touch-unseen", sentence === this.state.textContent);
  }

  redraw() {
    this.layer.replaceChildren();
    this.draw(this.layer, this);
    this.state.textContent = this.inWords(this.value);
  }

  // --- pointer ---

  // start(place) -> whether a drag begins; move(place); end(place). A place is [x, y] in units of
  // the drawing.
  onDrag({ start, move, end }) {
    let pointer = null;
    this.svg.addEventListener("pointerdown", (event) => {
      if (pointer !== null || event.button !== 0) {
        return;
      }
      event.preventDefault();
      this.stage.focus({ preventScroll: true });
      if (start(this.place(event))) {
        pointer = event.pointerId;
        this.svg.setPointerCapture(pointer);
      }
    });
    this.svg.addEventListener("pointermove", (event) => {
      if (event.pointerId === pointer) {
        move(this.place(event));
      }
    });
    const finish = (event) => {
      if (event.pointerId === pointer) {
        pointer = null;
        end(this.place(event));
      }
    };
    this.svg.addEventListener("pointerup", finish);
    this.svg.addEventListener("pointercancel", finish);
  }

  // react(place): the pointer is over a place, and nothing is dragged.
  onHover(react) {
    this.svg.addEventListener("pointermove", (event) => {
      if (event.buttons === 0) {
        react(this.place(event));
      }
    });
  }

  place(event) {
    const toDrawing = this.svg.getScreenCTM().inverse();
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(toDrawing);
    return [x, y];
  }

  // --- keyboard ---

  // move([dx, dy]): by the arrow keys, in steps, ten with Shift. others: actions by key, letters
  // small.
  onKeys(move, others = {}) {
    this.stage.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) {
        return;
      }
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const steps = event.shiftKey ? FAST : 1;
      if (ARROWS[key]) {
        move(ARROWS[key].map((direction) => direction * steps));
      } else if (others[key]) {
        others[key](steps);
      } else {
        return;
      }
      event.preventDefault();
    });
  }

  // --- buttons ---

  button(words, act, keys = "") {
    const made = element("button", { type: "button" }, words);
    if (keys) {
      made.setAttribute("aria-keyshortcuts", keys);
      made.title = `${words} (${keys})`;
    }
    made.addEventListener("click", act);
    this.toolbar.append(made);
    return made;
  }

  // Buttons of which one is pressed. options: pairs [value, {words, face, key}], where face is an
  // element in the words' place; returns a function that shows which one is pressed.
  choice(name, options, choose) {
    const group = element("div", { class: "touch-choice", role: "group", "aria-label": name });
    const buttons = new Map();
    for (const [value, { words, face, key }] of options) {
      const made = element("button", { type: "button", "aria-label": words }, face ?? words);
      made.title = key ? `${words} (${key})` : words;
      made.addEventListener("click", () => choose(value));
      buttons.set(value, made);
      group.append(made);
    }
    this.toolbar.append(group);
    return (chosen) => {
      for (const [value, made] of buttons) {
        made.setAttribute("aria-pressed", String(value === chosen));
      }
    };
  }

  // --- the end ---

  listen(name, react) {
    this.model.on(name, react);
    this.listeners.push([name, react]);
  }

  remove() {
    for (const [name, react] of this.listeners) {
      this.model.off?.(name, react);
    }
    this.root.remove();
  }
}
