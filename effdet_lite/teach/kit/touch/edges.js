// Nodes at given places, and edges between them that are added and removed.

import { between, distance, label, nearestAhead, shape } from "./elements.js";
import { Frame } from "./frame.js";

const HELP =
  "Click a node and then another, or drag from one to the other, to add an edge. Click an edge " +
  "to remove it.";
const KEYS =
  "The arrow keys go from node to node. Space takes a node as the start of an edge, and the next " +
  "one as its end; where that edge is there already, it is removed. Escape lets go of the start.";
const RADIUS = 11; // CSS pixels, as are all sizes here: the drawing is made in them
const REACH = 22; // around a node
const NEAR_EDGE = 9; // around an edge
const NAMED = 8; // edges are listed in words, as far as these are not more
const PARTS = 24; // of an edge, where its distance is measured
const BEND = 0.22; // of its length, by which an edge makes way for a node on its path
const FACES = { in: "#DDDDDD", between: "white" };

function told([from, to]) {
  return `${from} → ${to}`;
}

export function inWords(edges) {
  if (edges.length === 0) {
    return "no edges";
  }
  const count = `${edges.length} edge${edges.length > 1 ? "s" : ""}`;
  return edges.length > NAMED ? count : `${count}: ${edges.map(told).join(", ")}`;
}

function isSame(one, other) {
  return one[0] === other[0] && one[1] === other[1];
}

// The point of a curve from start over control to end, part 0 to 1 of the way.
function along({ start, control, end }, part) {
  const weights = [(1 - part) ** 2, 2 * part * (1 - part), part ** 2];
  return [0, 1].map(
    (index) => weights[0] * start[index] + weights[1] * control[index] + weights[2] * end[index],
  );
}

function partsOf(curve) {
  return Array.from({ length: PARTS + 1 }, (_, part) => along(curve, part / PARTS));
}

// The curve of an edge: straight; or around nodes that stand in its way, above a row and to the
// right of a column.
export function curveOf(from, to, others) {
  const way = between(from, to);
  const middle = [from[0] + way[0] / 2, from[1] + way[1] / 2];
  const straight = { start: from, control: middle, end: to };
  const isInTheWay = (place) => partsOf(straight).some((point) => distance(point, place) < RADIUS);
  if (!others.some(isInTheWay)) {
    return straight;
  }
  const by = 2 * BEND * Math.hypot(...way);
  const isRow = Math.abs(way[0]) > Math.abs(way[1]);
  const control = isRow ? [middle[0], middle[1] - by] : [middle[0] + by, middle[1]];
  return { start: from, control, end: to };
}

// An arrow along a curve, which begins and ends outside of the nodes.
export function drawEdge(layer, curve, color, isBent) {
  const inside = partsOf(curve).filter(
    (point) => Math.min(distance(point, curve.start), distance(point, curve.end)) > RADIUS + 3,
  );
  const tip = inside.at(-1) ?? curve.end;
  const [dx, dy] = between(inside.at(-2) ?? curve.start, tip);
  const long = Math.hypot(dx, dy) || 1;
  const [x, y] = [dx / long, dy / long];
  const wing = (side) => [tip[0] - 9 * x - side * 5 * y, tip[1] - 9 * y + side * 5 * x].join(",");
  const line = { fill: "none", stroke: color, "stroke-width": 2.2 };
  if (isBent) {
    line["stroke-dasharray"] = "7 4";
  }
  const points = inside.map((point) => point.join(",")).join(" ");
  const head = `${tip.join(",")} ${wing(1)} ${wing(-1)}`;
  layer.append(shape("polyline", { points, ...line }));
  layer.append(shape("polygon", { points: head, fill: color }));
}

// A node: what comes in is a square, an output a diamond, the others circles.
export function drawNode(layer, { name, kind, place }, { outColor, ring }) {
  const [x, y] = place;
  const look = { fill: FACES[kind] ?? outColor, stroke: "black", "stroke-width": 1.5 };
  const square = { x: x - RADIUS, y: y - RADIUS, width: 2 * RADIUS, height: 2 * RADIUS };
  if (ring) {
    const line = { fill: "none", stroke: ring, "stroke-width": 3 };
    layer.append(shape("circle", { cx: x, cy: y, r: RADIUS + 6, ...line }));
  }
  if (kind === "between") {
    layer.append(shape("circle", { cx: x, cy: y, r: RADIUS, ...look }));
  } else {
    const turn = kind === "out" ? { transform: `rotate(45 ${x} ${y}) ` } : {};
    layer.append(shape("rect", { ...square, ...look, ...turn }));
  }
  layer.append(label(name, [x - RADIUS - 3, y + RADIUS + 12], "black", 1, "end"));
}

class Edges {
  constructor(model, el) {
    this.model = model;
    this.nodes = new Map(model.get("nodes").map((node) => [node.name, node]));
    this.legal = model.get("legal");
    this.colors = model.get("colors");
    this.start = null; // the name of the node where a new edge starts
    this.cursor = null; // the name of the node that the keys are at
    this.pointer = null; // where a new edge is dragged to
    this.pending = null; // {before, words}: a change that the kernel is asked for
    this.frame = new Frame(model, el, {
      help: HELP,
      keys: KEYS,
      draw: (layer, { value }) => this.draw(layer, value),
      inWords,
    });
    this.frame.listen("change:value", () => this.allowed());
    this.frame.listen("msg:custom", () => (this.pending = null)); // it was refused
    this.frame.onDrag({
      start: (place) => this.grasp(place),
      move: (place) => this.pull(place),
      end: (place) => this.release(place),
    });
    const take = () => this.take(this.cursor);
    this.frame.onKeys((steps) => this.go(steps), {
      " ": take,
      Enter: take,
      Escape: () => this.letGo(),
    });
    this.frame.button("Undo", () => this.frame.undo(), "Control+Z");
    this.frame.button("Start again", () => this.frame.commit(model.get("first"), "As it was."));
  }

  place(name) {
    return this.nodes.get(name).place;
  }

  curve([from, to]) {
    const others = [...this.nodes.keys()].filter((name) => name !== from && name !== to);
    return curveOf(this.place(from), this.place(to), others.map((name) => this.place(name)));
  }

  draw(layer, edges) {
    const [blue, orange, green] = this.colors;
    for (const edge of edges) {
      const curve = this.curve(edge);
      const isBent = this.isBent(curve);
      drawEdge(layer, curve, isBent ? orange : blue, isBent);
    }
    if (this.pointer) {
      const from = this.place(this.start);
      const control = [(from[0] + this.pointer[0]) / 2, (from[1] + this.pointer[1]) / 2];
      drawEdge(layer, { start: from, control, end: this.pointer }, "#888888", true);
    }
    for (const node of this.nodes.values()) {
      const ring = { [this.cursor]: blue, [this.start]: orange }[node.name];
      drawNode(layer, node, { outColor: green, ring });
    }
  }

  isBent({ start, control, end }) {
    return distance(control, [(start[0] + end[0]) / 2, (start[1] + end[1]) / 2]) > 1;
  }

  // --- changes ---

  // Adds the edge, or removes it where it is there.
  toggle(edge) {
    const edges = this.frame.value;
    const isThere = edges.some((other) => isSame(other, edge));
    if (!isThere && this.legal && !this.legal.some((other) => isSame(other, edge))) {
      this.frame.say(`Not possible: there can be no edge ${told(edge)}.`);
      return;
    }
    const others = edges.filter((other) => !isSame(other, edge));
    const words = `${isThere ? "Removed" : "Added"}: ${told(edge)}.`;
    this.change(isThere ? others : [...edges, edge], words);
  }

  // Makes a change; or asks the kernel for it, where a function there has a say.
  change(edges, words) {
    if (this.model.get("asks")) {
      this.pending = { before: this.frame.value, words };
      this.model.send({ edges });
    } else {
      this.frame.commit(edges, words);
    }
  }

  allowed() {
    if (this.pending) {
      this.frame.history.push(this.pending.before);
      this.frame.say(this.pending.words);
      this.pending = null;
    }
  }

  // --- pointer ---

  nodeAt(place) {
    const far = ({ place: there }) => distance(there, place);
    const nearest = [...this.nodes.values()].sort((one, other) => far(one) - far(other))[0];
    return far(nearest) <= REACH ? nearest.name : null;
  }

  edgeAt(place) {
    const far = (edge) => Math.min(...partsOf(this.curve(edge)).map((at) => distance(at, place)));
    const nearest = [...this.frame.value].sort((one, other) => far(one) - far(other))[0];
    return nearest && far(nearest) <= NEAR_EDGE ? nearest : null;
  }

  grasp(place) {
    this.cursor = null;
    const name = this.nodeAt(place);
    const edge = this.edgeAt(place);
    if (name) {
      this.pressed = name;
      return true;
    }
    this.letGo();
    if (edge) {
      this.toggle(edge);
    }
    return false;
  }

  pull(place) {
    if (this.nodeAt(place) !== this.pressed) {
      this.start = this.pressed;
      this.pointer = place;
      this.frame.redraw();
    }
  }

  release(place) {
    const isDragged = this.pointer !== null;
    this.pointer = null;
    const name = this.nodeAt(place);
    if (isDragged && !name) {
      this.letGo();
    } else {
      this.take(name);
    }
  }

  // --- keyboard ---

  // A node becomes the start of an edge, or the end of the one that was started.
  take(name) {
    if (!name || name === this.start) {
      this.letGo();
    } else if (this.start) {
      const edge = [this.start, name];
      this.start = null;
      this.toggle(edge);
    } else {
      this.start = name;
      this.frame.say(`From ${name}: choose where the edge goes.`);
    }
    this.frame.redraw();
  }

  letGo() {
    this.start = null;
    this.frame.redraw();
  }

  // The cursor goes to the nearest node in the direction of an arrow key.
  go(steps) {
    const names = [...this.nodes.keys()];
    const places = names.map((name) => this.place(name));
    const ahead = this.cursor ? nearestAhead(this.place(this.cursor), places, steps) : 0;
    this.cursor = names[ahead] ?? this.cursor;
    this.frame.redraw();
    const edges = this.frame.value;
    const from = edges.filter((edge) => edge[1] === this.cursor).map(([name]) => name);
    const to = edges.filter((edge) => edge[0] === this.cursor).map(([, name]) => name);
    const list = (names) => names.join(", ") || "nowhere";
    this.frame.say(`At ${this.cursor}: from ${list(from)}; to ${list(to)}.`);
  }
}

function render({ model, el }) {
  const edges = new Edges(model, el);
  return () => edges.frame.remove();
}

export default { render };
