// The explorers that compute in the page. Each is a pure function of its controls, and answers with
// the numbers and the words that its namesake in Python answers with, to the letter, and a drawing.
"use strict";

window.course.views = ((networks, numbers, drawings) => {
  const { fixed, pythonRound, short, withMinus } = numbers;
  const million = (value, digits) => `${fixed(value / 1e6, digits)} million`;

  // --- notebook 01 ---

  const convolution_view = ({ c_in, c_out, side, kernel, stride, groups }) => {
    const cost = networks.convolution(c_in, c_out, kernel, side, { stride, groups });
    const out = Math.ceil(side / stride);
    const traffic = 4 * (c_in * side ** 2 + cost.params + c_out * out ** 2);
    const apart = groups > 1 ? `, in ${groups} groups` : "";
    return {
      numbers: [
        ["output, H × W × C₂", `${out} × ${out} × ${c_out}`],
        ["parameters", fixed(cost.params)],
        ["MACs", million(cost.macs, 3)],
        ["FLOPs", million(2 * cost.macs, 3)],
        ["memory traffic, at least", `${fixed(traffic / 1e6, 3)} MB`],
        ["arithmetic intensity", `${fixed((2 * cost.macs) / traffic, 2)} FLOP/byte`],
      ],
      words:
        `A convolution from ${side} × ${side} × ${c_in} numbers to ` +
        `${out} × ${out} × ${c_out}${apart}, to scale.`,
      drawing: drawings.slabs([
        { words: `input\n${side} × ${side} × ${c_in}`, hue: "sky", slabs: [[side, c_in]] },
        { words: `output\n${out} × ${out} × ${c_out}`, hue: "orange", slabs: [[out, c_out]] },
      ]),
    };
  };

  // --- notebook 03 ---

  const STAGE = 5;
  const stageSlabs = (tables, width, depth, sides, name) => {
    const row = (words, hue, own, side) => ({
      words: `${words}: ${own.blocks} blocks\nof ${side} × ${side} × ${own.channels}`,
      hue,
      slabs: Array.from({ length: own.blocks }, () => [side, own.channels]),
    });
    const [plain, scaled] = [[1, 1], [width, depth]].map(
      (factors) => networks.stages(tables, ...factors)[STAGE - 1],
    );
    return drawings.slabs([row("B0", "sky", plain, sides[0]), row(name, "orange", scaled, sides[1])], true);
  };
  const blocksOf = (rows) => rows.reduce((total, { blocks }) => total + blocks, 0);

  const bet_view = ({ depth, width, resolution }, tables) => {
    const { budget, most, near, stride } = tables.bet;
    const macs = (...sizes) => networks.sum(networks.byStage(tables, ...sizes)).macs;
    const pixels = pythonRound(224 * resolution);
    const times = macs(width, depth, pixels) / macs(1, 1, 224);
    if (times > most) {
      throw new Error(
        `that needs ${fixed(times, 1)} times B0's MACs, and you have ${budget} times. Turn one back.`,
      );
    }
    let words = "all spent";
    if (times > budget * (1 + near)) words = "too much";
    if (times < budget * (1 - near)) words = `${fixed(budget - times, 1)} of ${budget} left to spend`;
    const [plain, scaled] = [networks.stages(tables, 1, 1), networks.stages(tables, width, depth)];
    const hue = words === "too much" ? "red" : "blue";
    const spent = { name: `${fixed(times, 2)} × B0's`, value: times, words: "", hue };
    const marks = [{ value: budget, words: `your budget: ${budget} × B0's` }];
    return {
      numbers: [
        ["MACs", `${fixed(times, 2)} times B0's: ${words}`],
        ["blocks", `${blocksOf(plain)} → ${blocksOf(scaled)}`],
        [`channels of stage ${STAGE}`, `${plain[STAGE - 1].channels} → ${scaled[STAGE - 1].channels}`],
        ["image", `224 → ${pixels} px`],
      ],
      words: `A network of ${fixed(times, 2)} times B0's MACs: ${words}.`,
      drawing:
        stageSlabs(tables, width, depth, [Math.ceil(224 / stride), Math.ceil(pixels / stride)], "yours") +
        drawings.bars([spent], [0, most], { marks }),
    };
  };

  const scaling_view = ({ phi, alpha, beta, gamma }, tables) => {
    const { smallest, largest, published } = tables.scaling;
    const growth = alpha * beta ** 2 * gamma ** 2;
    const byFormula = growth ** phi;
    if (byFormula > largest) {
      throw new Error(
        `by the formula that network takes ${fixed(byFormula)} times B0's MACs, and B7 takes ` +
          `${fixed(published.at(-1).macs / published[0].macs)} times. Turn something back.`,
      );
    }
    if (byFormula < smallest) {
      throw new Error(
        `by the formula that network takes ${fixed(byFormula, 4)} of B0's MACs, which is too small ` +
          "for the drawing. Turn something back.",
      );
    }
    const { depth, width, resolution } = networks.efficientnet(phi, alpha, beta, gamma);
    const { params, macs } = networks.sum(networks.byStage(tables, width, depth, resolution));
    const far = (one) => Math.abs(Math.log(one.macs / macs));
    const near = published.reduce((one, other) => (far(other) < far(one) ? other : one));
    const memory = networks.activations(tables, width, depth, resolution);
    const side = Math.ceil(Math.ceil(Math.ceil(Math.ceil(resolution / 2) / 2) / 2) / 2);
    return {
      numbers: [
        ["depth, width, resolution", `${fixed(depth, 3)} ×, ${fixed(width, 3)} ×, ${resolution} px`],
        ["blocks", `${blocksOf(networks.stages(tables, width, depth))}`],
        ["α · β² · γ²", fixed(growth, 4)],
        ["parameters", fixed(params)],
        ["MACs", `${million(macs, 1)}, ${fixed(macs / published[0].macs, 2)} × B0's`],
        ["weights", `${fixed(4e-6 * params, 1)} MB`],
        ["activations, all convolutions, one image", `${fixed(4e-6 * memory, 1)} MB`],
        [
          "nearest published",
          `${near.name}: ${fixed(near.macs / 1e6)} million MACs, ` +
            `${fixed(near.params / 1e6, 1)} M parameters, ${near.resolution} px`,
        ],
      ],
      words: `The network of ϕ = ${short(phi)}; among B0 to B7 its cost is nearest to ${near.name}'s.`,
      drawing:
        stageSlabs(tables, width, depth, [14, side], "this network") +
        drawings.scatter(
          published.map((one) => ({ x: one.macs, y: one.params, name: one.name })),
          { x: macs, y: params },
          {
            x: [6.8, 10.9],
            y: [5.4, 9.1],
            xTicks: [[1e7, "0.01"], [1e8, "0.1"], [1e9, "1"], [1e10, "10"]],
            yTicks: [[1e6, "1"], [1e7, "10"], [1e8, "100"]],
            xName: "MACs (billion); the star is this network",
            yName: "parameters (million)",
          },
        ),
    };
  };

  // --- notebook 05 ---

  const weighting_view = ({ weight_a, weight_b }, tables) => {
    const told = [];
    const rows = [];
    for (const way of ["fast", "softmax", "unbounded"]) {
      const [own, slope] = numbers.factors([weight_a, weight_b], way);
      const result = own[0] * tables.inputs[0] + own[1] * tables.inputs[1];
      const both = `factors ${fixed(own[0], 4)} and ${fixed(own[1], 4)}`;
      told.push([way, `${both}, their sum ${fixed(own[0] + own[1], 4)}; result ${fixed(result, 4)}`]);
      const pull = slope === 0 ? "no pull at all on A's weight" : `slope of A's factor ${fixed(slope, 2)}`;
      rows.push({ name: `${way}: A`, value: own[0], words: `${fixed(own[0], 2)}, ${pull}`, hue: "blue" });
      rows.push({ name: "B", value: own[1], words: fixed(own[1], 2), hue: "orange" });
    }
    const words = told.map(([way, value]) => `${way}: ${value}`).join("; ");
    return {
      numbers: told,
      words: `A has the weight ${short(weight_a)}, B ${short(weight_b)}. ${words}.`,
      drawing: drawings.bars(rows, [-3.4, 7], { note: "what A (the number 1) and B (3) are multiplied by" }),
    };
  };

  // --- notebook 06 ---

  const step_view = ({ step, threshold }, tables) => {
    const { boxes, labels, scores, classes, picture, size, shown } = tables;
    const every = numbers.suppress(boxes, labels, threshold);
    const last = every.length - 1;
    const now = every[Math.min(step, last)];
    const words =
      now.best === null
        ? `${now.left.length} boxes, and nothing is decided`
        : `${classes[labels[now.best]]} ${fixed(scores[now.best], 2)} stays, ` +
          `${now.gone.length} ${now.gone.length === 1 ? "box goes" : "boxes go"}`;
    const { blue } = drawings.HUES;
    const look = (places, values) => places.map((place) => ({ box: boxes[place], ...values }));
    const outside = (place, number) => {
      // As `set_apart` in teach/nb/n06_nms.py.
      const earlier = now.gone.slice(0, number);
      const by = 1 + 0.45 * earlier.filter((one) => numbers.iou(boxes[one], boxes[place]) > 0.5).length;
      const [left, top, right, bottom] = boxes[place];
      return { box: [left - by, top - by, right + by, bottom + by] };
    };
    const gone = { color: "black", width: 0.3, dashes: "1.2 0.8" };
    const drawn = [
      ...look(now.left, { color: "white", width: 0.3, rim: "#777777" }),
      ...look(now.kept, { color: blue, width: 0.4 }),
      ...now.gone.map((place, number) => ({ ...gone, ...outside(place, number) })),
      ...look(now.best === null ? [] : [now.best], { color: blue, width: 0.8 }),
    ];
    return {
      numbers: [
        ["step", `${Math.min(step, last)} of ${last}${step >= last ? ", the end" : ""}`],
        ["kept so far", `${now.kept.length + (now.best === null ? 0 : 1)}`],
        ["thrown away in this step", `${now.gone.length}`],
        ["still to decide", `${now.left.length}`],
      ],
      words: `${words}. ${now.left.length} are still to decide.`,
      drawing: drawings.boxes(picture, size, shown, drawn),
      key: "thick blue: taken; blue: kept; dashed black: goes (drawn larger); white: undecided",
    };
  };

  // --- notebook 07 ---

  const onPapersCurve = ({ macs, ap }, here) => {
    if (here < macs[0] || here > macs.at(-1)) return null;
    const place = macs.findIndex((one, number) => here <= macs[number + 1]);
    const [low, high, at] = [macs[place], macs[place + 1], here].map(Math.log);
    return ap[place] + ((ap[place + 1] - ap[place]) * (at - low)) / (high - low);
  };

  const detector_view = ({ phi }, tables) => {
    const cost = (own) => {
      const config = networks.efficientdet(own);
      const parts = networks.byPart(tables, config);
      const memory = 1e-6 * 4 * networks.detectorActivations(tables, config);
      return { config, parts, total: networks.sum(Object.values(parts)), memory };
    };
    const [{ config, parts, total, memory }, first] = [cost(phi), cost(0)];
    const { minLevel, maxLevel, resolution, width, depth, repeats, channels, headRepeats } = config;
    const trained = tables.trained.filter(() => phi <= tables.trained.at(-1).phi);
    let buys;
    if (trained.length) {
      const far = (one) => Math.abs(one.phi - phi);
      const chosen = trained.reduce((one, other) => (far(other) < far(one) ? other : one));
      const which = `ϕ = ${withMinus(chosen.phi)}${chosen.phi === phi ? "" : ", the nearest"}`;
      buys = ["trained on shapes", `${which}: ${chosen.told}`];
    } else {
      const ap = onPapersCurve(tables.paper, total.macs);
      const beyond = "more MACs than any of the paper's detectors";
      buys = ["AP in the paper", ap === null ? beyond : `about ${fixed(ap)} % on COCO, at these MACs`];
    }
    const ratios = [
      ["parameters", total.params / first.total.params, "sky"],
      ["MACs", total.macs / first.total.macs, "orange"],
      ["memory", memory / first.memory, "green"],
    ].map(([name, ratio, hue]) => ({ name, value: Math.log10(ratio), words: `× ${short(ratio, 3)}`, hue }));
    const shares = Object.entries(parts).map(([name, part]) => {
      const share = part.macs / total.macs;
      return { name: name.replace("_", " "), value: share, words: `${fixed(100 * share)} % of the MACs`, hue: "blue" };
    });
    return {
      numbers: [
        ["image, levels", `${resolution} × ${resolution} px, P${minLevel} to P${maxLevel}`],
        ["backbone", `${blocksOf(networks.stages(tables, width, depth))} blocks, ${fixed(width, 2)} times as wide as B0`],
        ["BiFPN", `${repeats} × the cell, ${channels} channels`],
        ["heads", `${headRepeats} layers, and the answer`],
        ["parameters", fixed(total.params)],
        ["MACs", million(total.macs, 1)],
        ["memory for one image", `${fixed(memory, 1)} MB`],
        buys,
      ],
      words: `The detector of ϕ = ${withMinus(phi)} to scale, and its cost beside that of ϕ = 0.`,
      drawing:
        drawings.bars(ratios, [-2.2, 3.6], { note: "times what ϕ = 0 (D0) takes, on a logarithmic scale" }) +
        drawings.bars(shares, [0, 1.4]),
    };
  };

  return { bet_view, convolution_view, detector_view, scaling_view, step_view, weighting_view };
})(window.course.networks, window.course.numbers, window.course.drawings);
