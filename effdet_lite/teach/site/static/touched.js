// Explorers whose control is a pad. As in views.js, each answers with the numbers and the words that
// its namesake in Python answers with, to the letter, and a drawing. Rules say what a pad may hold.
"use strict";

(({ drawings, necks, networks, numbers, plots, rules, views }) => {
  const { fixed, iou, pythonRound } = numbers;
  const listed = (box) => box.map((value) => fixed(value)).join(", ");
  const count = (places, wanted) => places.filter((one) => one === wanted).length;

  // --- notebook 04 ---

  const window_view = ({ window: [left, top, right, bottom] }, tables) => {
    const { picture, side, stride, probed, ring, colors, sums, ends } = tables;
    const last = Math.floor(side / stride) - 1;
    const place = (middle) => Math.min(Math.max(pythonRound((middle - 0.5) / stride), 0), last);
    const [row, column] = [place((top + bottom) / 2), place((left + right) / 2)];
    const told = [["the ring is", ring]];
    const rows = [];
    for (const [name, maps] of Object.entries(sums)) {
      const own = maps[row][column];
      const best = own.indexOf(Math.max(...own));
      told.push([`${name}: the probe says`, `${colors[best]} (${fixed(own[best], 2)})`]);
      own.forEach((value, number) => {
        const hue = ["red", "green", "blue"][number];
        rows.push({ name: `${name}: ${colors[number]}`, value, words: fixed(value, 2), hue });
      });
    }
    const seen = (position) => stride * position - Math.floor(probed / 2);
    const shown = [seen(column), seen(row), seen(column) + probed, seen(row) + probed];
    const words = told.map((pair) => pair.join(" ")).join("; ");
    return {
      numbers: told,
      words: `What the probes of P2 say of the window's middle: ${words}.`,
      drawing:
        drawings.boxes(picture, side, shown, []) +
        drawings.bars(rows, [ends[0] - 0.05, ends[1] + 0.05], { marks: [{ value: 1 / 3, words: "guessing" }] }),
      key: "Above: what P2 sees there. Below: the probes' sums for the three colors.",
    };
  };

  // --- notebook 05 ---

  const own_view = ({ edges }, tables) => {
    const { levels, known, ...neck } = tables;
    const nodes = necks.nodesOf(edges, levels);
    const reached = new Map(levels.map((level) => [`P${level}_in`, new Set([level])]));
    for (const { name, inputs } of nodes) {
      reached.set(name, new Set(inputs.flatMap((source) => [...reached.get(source)])));
    }
    const ofOutput = (level) => reached.get(`P${level}_out`);
    const pairs = levels.reduce((total, level) => total + ofOutput(level).size, 0);
    const macs = networks.neck(nodes, { levels, ...neck }).macs / 1e6;
    const rows = Object.entries(known).map(([name, value]) => [name, value / 1e6, "sky"]);
    const bars = [...rows, ["yours", macs, "red"]].map(([name, value, hue]) => {
      return { name, value, words: fixed(value, 2), hue };
    });
    const most = Math.max(...bars.map(({ value }) => value));
    const [downward, names] = [[...levels].reverse(), levels.map((level) => `P${level}`)];
    const isFilled = (row, column) => ofOutput(downward[row]).has(levels[column]);
    return {
      numbers: [
        ["nodes", `${nodes.length}`],
        ["edges", `${edges.length}`],
        ["pairs reached", `${pairs} of 25`],
        ["million MACs", fixed(macs, 3)],
      ],
      words: `${edges.length} edges reach ${pairs} of 25 pairs; ${fixed(macs, 2)} million MACs.`,
      drawing:
        plots.squares([...names].reverse(), names, isFilled, "output", "map that comes in") +
        drawings.bars(bars, [0, 1.2 * most], { note: "million MACs" }),
      code: necks.asCode(nodes),
    };
  };

  // --- notebook 06 ---

  const iou_view = ({ boxes }, { side }) => {
    if (boxes.length !== 2) {
      throw new Error(`two boxes are needed, and there are ${boxes.length}.`);
    }
    const [one, other] = boxes.map(({ box }) => box);
    const low = [0, 1].map((index) => Math.max(one[index], other[index]));
    const high = [2, 3].map((index) => Math.min(one[index], other[index]));
    const shared = Math.max(0, high[0] - low[0]) * Math.max(0, high[1] - low[1]);
    const area = ([left, top, right, bottom]) => (right - left) * (bottom - top);
    const together = area(one) + area(other) - shared;
    const value = fixed(iou(one, other), 2);
    const rows = [{ box: one, hue: "blue" }, { box: other, hue: "red" }];
    return {
      numbers: [
        ["shared (hatched)", `${fixed(shared)} px²`],
        ["covered together", `${fixed(together)} px²`],
        ["IoU", value],
      ],
      words: `Two boxes with an IoU of ${value}.`,
      drawing: plots.areas(side, rows, shared ? [...low, ...high] : null),
      key: `IoU = ${fixed(shared)} / ${fixed(together)} = ${value}`,
    };
  };

  const SUREST = "the surest";
  const LABELS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"]; // the course's, by class

  const position_view = ({ position, anchor }, tables) => {
    if (!position.length) throw new Error("click a position on the picture first.");
    const { across, names, classes, stride, level } = tables;
    const [row, column] = [Math.floor(position.at(-1) / across), position.at(-1) % across];
    const [scores, deltas] = [tables.scores[row][column], tables.deltas[row][column]];
    const surest = scores.map((own) => Math.max(...own));
    const chosen = anchor === SUREST ? surest.indexOf(Math.max(...surest)) : names.indexOf(anchor);
    const [left, top, right, bottom] = tables.anchors[chosen];
    const start = [left + stride * column, top + stride * row, right + stride * column, bottom + stride * row];
    const [dx, dy, dw, dh] = deltas[chosen];
    const [wide, high] = [right - left, bottom - top];
    const middle = [start[0] + wide / 2 + dx * wide, start[1] + high / 2 + dy * high];
    const half = [(Math.exp(dw) * wide) / 2, (Math.exp(dh) * high) / 2];
    const box = [middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1]];
    const score = surest[chosen];
    const label = scores[chosen].indexOf(score);
    const told = fixed(score, 2);
    const cell = (anchorRow, place) => {
      const isScore = place < classes.length;
      const value = isScore ? scores[anchorRow][place] : deltas[anchorRow][place - classes.length];
      return { words: fixed(value, 2), hue: isScore ? LABELS[place] : "none", strength: isScore ? 0.55 * value : 0 };
    };
    const drawn = [
      { box: start, color: "black", width: 0.8, dashes: "2 1.4" },
      { box, color: LABELS[label], width: 1, words: `${classes[label]} ${told}` },
    ];
    const columns = [...classes, "dx", "dy", "dw", "dh"];
    const channels = tables.channels[row][column];
    return {
      numbers: [
        ["anchor, xyxy", listed(start)],
        ["dx, dy, dw, dh", deltas[chosen].map((value) => fixed(value, 2)).join(", ")],
        ["box, xyxy", listed(box)],
        ["surest class", `${classes[label]}, score ${told}`],
      ],
      words:
        `Row ${row}, column ${column} of P${level}: the anchor ${names[chosen]} at ` +
        `${listed(start)} becomes the box ${listed(box)}, ${classes[label]} with ${told}.`,
      drawing:
        plots.strip(channels, `the position's ${channels.length} channels`) +
        plots.numbers(names, columns, cell, chosen) +
        drawings.boxes(tables.picture, tables.side, [0, 0, tables.side, tables.side], drawn),
      key: `9 anchors × (${classes.length} scores + 4 numbers); below: the anchor (dashed) and its box`,
    };
  };

  const rule_view = ({ taken }, tables) => {
    const { anchors, wins, overlaps, objects, picture, side } = tables;
    const kinds = wins.map((isWinner, number) => {
      const isTaken = taken.includes(number);
      if (isWinner) return isTaken ? "right" : "missed";
      return isTaken ? "wrong" : "left";
    });
    const looks = {
      right: { color: drawings.HUES.blue, width: 1, sign: "✓ " },
      wrong: { color: drawings.HUES.red, width: 1, sign: "✗ ", dashes: "3 1.2" },
      missed: { color: drawings.HUES.blue, width: 1, sign: "? ", dashes: "3 1 1 1" },
      left: { color: "#777777", width: 0.5, sign: "" },
    };
    const drawn = anchors.map((box, number) => {
      const { sign, ...look } = looks[kinds[number]];
      return { box, ...look, words: `${sign}${number + 1}` };
    });
    const dashed = objects.map((box) => ({ box, color: "black", width: 0.8, dashes: "2 1.4" }));
    const winners = count(wins, true);
    return {
      numbers: [
        ...overlaps.map((value, number) => [
          `anchor ${number + 1}`,
          `IoU ${fixed(value, 2)}: ${wins[number] ? "wins" : "background"}`,
        ]),
        ["you took wrongly", `${count(kinds, "wrong")}`],
      ],
      words:
        `${winners} of ${kinds.length} anchors win: those with an IoU of at least 0.5, and each ` +
        "object's best.",
      drawing: drawings.boxes(picture, side, [0, 0, side, side], [...drawn, ...dashed]),
      key:
        `${winners} of ${kinds.length} anchors win; you took ${count(kinds, "right")} of them. ` +
        "✓ taken, wins; ✗ taken, loses; ? wins; black, dashed: objects",
    };
  };

  // --- notebook 09 ---

  // What each box is, best score first: "right" where it takes a free object, "double" where the
  // object has been taken, "wrong" else.
  const judged = (boxes, objects, least = 0.5) => {
    const free = objects.map(() => true);
    return boxes.map(({ box }) => {
      const overlaps = objects.map((one) => iou(box, one));
      const open = overlaps.map((value, place) => (free[place] && value >= least ? value : -1));
      const best = open.indexOf(Math.max(...open));
      if (open[best] >= least) {
        free[best] = false;
        return "right";
      }
      return overlaps.some((value) => value >= least) ? "double" : "wrong";
    });
  };

  const SIGNS = { right: ["✓", "blue"], double: ["2×", "green"], wrong: ["✗", "red"] };

  const ap_view = ({ boxes }, { objects }) => {
    const order = boxes.map((row, place) => [row, place]).sort(([one, a], [other, b]) => {
      return other.score - one.score || a - b;
    });
    const ranked = order.map(([row]) => row);
    const kinds = judged(ranked, objects);
    const hits = kinds.map((_, place) => count(kinds.slice(0, place + 1), "right"));
    const precision = hits.map((own, place) => own / (place + 1));
    const recall = hits.map((own) => own / objects.length);
    const best = precision.map((_, place) => Math.max(...precision.slice(place)));
    const heights = Array.from({ length: 101 }, (_, number) => {
      const first = recall.findIndex((value) => value >= (number === 100 ? 1 : number * 0.01));
      return first < 0 ? 0 : best[first];
    });
    const ap = fixed(heights.reduce((total, value) => total + value, 0) / 101, 3);
    const steps = [];
    let before = 0;
    recall.forEach((value, place) => {
      if (value > before) {
        steps.push([before, best[place]], [value, best[place]]);
        before = value;
      }
    });
    steps.push([before, 0], [1, 0]);
    const points = kinds.map((kind, place) => {
      const [sign, hue] = SIGNS[kind];
      return { x: recall[place], y: precision[place], sign, hue };
    });
    const rows = kinds.map((kind, place) => [
      `${place + 1}. score ${fixed(ranked[place].score, 2)}`,
      `${SIGNS[kind][0]} ${kind}: precision ${fixed(precision[place], 2)}, recall ${fixed(recall[place], 2)}`,
    ]);
    return {
      numbers: [...rows, ["AP", ap]],
      words: `${count(kinds, "right")} of ${boxes.length} boxes are right, and AP is ${ap}.`,
      drawing: plots.curve(steps, points, "recall", "precision"),
      key: `AP, the mean of 101 heights: ${ap}. ✓ right; 2× double; ✗ wrong`,
    };
  };

  Object.assign(views, { ap_view, iou_view, own_view, position_view, rule_view, window_view });
  Object.assign(rules, {
    own_view: {
      refused: (edges) => {
        const node = necks.inACircle(edges);
        return node && `then ${node} would need its own result.`;
      },
    },
    // The last position that was taken is the only one.
    position_view: {
      kept: (taken, before) => {
        const fresh = taken.filter((number) => !before.includes(number));
        return (fresh.length ? fresh : taken).slice(-1);
      },
    },
  });
})(Object.assign(window.course, { rules: {} }));
