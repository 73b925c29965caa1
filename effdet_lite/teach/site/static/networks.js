// What convolutions and whole networks cost, by the arithmetic of `cost`, `costs` and `scaling`. The
// tables (B0's stages, BiFPN's nodes, published networks) come from Python when the pages are made.
"use strict";

window.course.networks = (() => {
  const sum = (costs) => ({
    params: costs.reduce((total, one) => total + one.params, 0),
    macs: costs.reduce((total, one) => total + one.macs, 0),
  });
  const times = (cost, number) => ({ params: cost.params * number, macs: cost.macs * number });
  const norm = (channels) => ({ params: 2 * channels, macs: 0 });
  const halved = (side) => Math.ceil(side / 2);
  const rounded = (value) => Math.floor(value + 0.5);

  // A convolution on a map of side × side; it is padded, so only its stride makes the map smaller.
  const convolution = (cIn, cOut, kernel, side, { stride = 1, groups = 1, bias = false } = {}) => {
    if (cIn % groups || cOut % groups) {
      throw new Error(`groups=${groups} must divide both c_in=${cIn} and c_out=${cOut}.`);
    }
    const weights = kernel * kernel * (cIn / groups) * cOut;
    const positions = Math.ceil(side / stride) ** 2;
    return { params: weights + (bias ? cOut : 0), macs: weights * positions };
  };

  const roundChannels = (channels, divisor = 8) => {
    const near = Math.max(divisor, Math.floor(Math.trunc(channels + divisor / 2) / divisor) * divisor);
    return near < 0.9 * channels ? near + divisor : near;
  };

  const squeezed = (channels) => Math.max(1, Math.floor(channels / 4));

  // --- EfficientNet ---

  // B0's stages with so many times the channels and the blocks.
  const stages = (tables, width, depth) =>
    tables.stages.map((stage) => ({
      ...stage,
      channels: roundChannels(stage.channels * width),
      blocks: Math.ceil(stage.blocks * depth),
    }));

  const block = (cIn, stage, side, stride) => {
    const wide = cIn * stage.expand;
    const after = stride === 2 ? halved(side) : side;
    const parts = [
      convolution(wide, wide, stage.kernel, side, { stride, groups: wide }),
      norm(wide),
      convolution(wide, squeezed(cIn), 1, 1, { bias: true }),
      convolution(squeezed(cIn), wide, 1, 1, { bias: true }),
      convolution(wide, stage.channels, 1, after),
      norm(stage.channels),
    ];
    if (stage.expand > 1) parts.push(convolution(cIn, wide, 1, side), norm(wide));
    return sum(parts);
  };

  // Cost of the stem, the seven stages and, with a number of classes, the head.
  const byStage = (tables, width, depth, resolution, classes = 1000) => {
    let channels = roundChannels(tables.stem * width);
    const costs = [sum([convolution(3, channels, 3, resolution, { stride: 2 }), norm(channels)])];
    let side = halved(resolution);
    for (const stage of stages(tables, width, depth)) {
      const first = block(channels, stage, side, stage.stride);
      if (stage.stride === 2) side = halved(side);
      const rest = times(block(stage.channels, stage, side, 1), stage.blocks - 1);
      costs.push(sum([first, rest]));
      channels = stage.channels;
    }
    if (classes) {
      const head = roundChannels(tables.head * width);
      const classifier = { params: head * classes + classes, macs: head * classes };
      costs.push(sum([convolution(channels, head, 1, side), norm(head), classifier]));
    }
    return costs;
  };

  // Numbers that all convolutions put out for one image, the head's among them if it is wanted.
  const activations = (tables, width, depth, resolution, withHead = true) => {
    let cIn = roundChannels(tables.stem * width);
    let side = halved(resolution);
    let total = side ** 2 * cIn;
    for (const stage of stages(tables, width, depth)) {
      for (let number = 0; number < stage.blocks; number++) {
        const wide = cIn * stage.expand;
        if (stage.expand > 1) total += wide * side ** 2;
        if (!number && stage.stride === 2) side = halved(side);
        total += (wide + stage.channels) * side ** 2 + squeezed(cIn) + wide;
        cIn = stage.channels;
      }
    }
    return total + (withHead ? side ** 2 * roundChannels(tables.head * width) : 0);
  };

  const efficientnet = (phi, alpha = 1.2, beta = 1.1, gamma = 1.15) => ({
    depth: alpha ** phi,
    width: beta ** phi,
    resolution: Math.max(1, rounded(224 * gamma ** phi)),
  });

  // --- EfficientDet ---

  const efficientdet = (phi) => {
    const [minLevel, maxLevel] = phi < 0 ? [2, 6] : [3, 7];
    const { depth, width } = efficientnet(phi);
    return {
      depth,
      width,
      minLevel,
      maxLevel,
      levels: Array.from({ length: maxLevel - minLevel + 1 }, (_, place) => minLevel + place),
      resolution: rounded((512 + 128 * phi) / 2 ** maxLevel) * 2 ** maxLevel,
      channels: roundChannels(64 * 1.35 ** phi),
      repeats: Math.max(1, rounded(3 + phi)),
      headRepeats: Math.max(1, 3 + Math.floor(phi / 3)),
    };
  };

  const separable = (cIn, cOut, side) =>
    sum([
      convolution(cIn, cIn, 3, side, { groups: cIn }),
      convolution(cIn, cOut, 1, side, { bias: true }),
    ]);

  const projection = (cIn, cOut, side) =>
    cIn === cOut ? sum([]) : sum([convolution(cIn, cOut, 1, side, { bias: true }), norm(cOut)]);

  // Channels of the backbone's levels from the finest that the detector has.
  const incomingOf = (tables, { width, minLevel }) =>
    tables.levelStages
      .map((stage) => roundChannels(tables.stages[stage].channels * width))
      .slice(minLevel - 1);

  // The levels of the maps that BiFPN's first cell reads from outside, one for each edge.
  const outsideLevels = (nodes) =>
    nodes.flatMap(({ inputs }) => inputs.filter((name) => name.endsWith("_in")))
      .map((name) => Number(name.slice(1, -3)));

  // A neck of one cell or several, without the weights of its edges. incoming: the backbone's
  // channels; side: the image's.
  const neck = (nodes, { levels, incoming, channels, side, repeats = 1 }) => {
    const sideOf = (level) => Math.floor(side / 2 ** level);
    const cell = nodes.map(({ level }) => sum([separable(channels, channels, sideOf(level)), norm(channels)]));
    const projections = outsideLevels(nodes)
      .filter((level) => level - levels[0] < incoming.length)
      .map((level) => projection(incoming[level - levels[0]], channels, sideOf(level)));
    if (levels.length > incoming.length) {
      projections.push(projection(incoming.at(-1), channels, sideOf(levels[0] + incoming.length - 1)));
    }
    return sum([times(sum(cell), repeats), ...projections]);
  };

  const fusion = (tables, config) => {
    const nodes = tables.bifpn[config.minLevel];
    const weights = nodes.reduce((total, { inputs }) => total + inputs.length, 0);
    const incoming = incomingOf(tables, config);
    const own = neck(nodes, { ...config, incoming, side: config.resolution });
    return sum([own, { params: config.repeats * weights, macs: 0 }]);
  };

  const head = (tables, { channels, headRepeats, levels, resolution }, outputs) => {
    const costs = levels.map((level) => {
      const side = Math.floor(resolution / 2 ** level);
      const answer = separable(channels, outputs * tables.anchors, side);
      return sum([times(separable(channels, channels, side), headRepeats), answer]);
    });
    const norms = times(norm(channels), headRepeats * levels.length);
    return { params: costs[0].params + norms.params, macs: sum(costs).macs };
  };

  const byPart = (tables, config, classes = 90) => ({
    backbone: sum(byStage(tables, config.width, config.depth, config.resolution, 0)),
    fusion: fusion(tables, config),
    class_head: head(tables, config, classes),
    box_head: head(tables, config, 4),
  });

  // Numbers that all convolutions of a detector put out for one image.
  const detectorActivations = (tables, config, classes = 90) => {
    const { channels, levels, resolution, repeats, headRepeats, maxLevel, minLevel } = config;
    const area = (level) => Math.floor(resolution / 2 ** level) ** 2;
    const nodes = tables.bifpn[minLevel];
    const incoming = incomingOf(tables, config);
    const isProjected = (level) => (incoming[level - minLevel] ?? channels) !== channels;
    const read = [...outsideLevels(nodes), ...(maxLevel > 5 ? [5] : [])].filter(isProjected);
    const total = (some) => some.reduce((all, level) => all + area(level), 0);
    const inCell = total(nodes.map(({ level }) => level));
    const heads = 2 * (2 * headRepeats + 1) * channels + tables.anchors * (classes + 4);
    return (
      activations(tables, config.width, config.depth, resolution, false) +
      channels * (total(read) + 2 * repeats * inCell) +
      total(levels) * heads
    );
  };

  return {
    activations,
    byPart,
    byStage,
    convolution,
    detectorActivations,
    efficientdet,
    efficientnet,
    neck,
    roundChannels,
    stages,
    sum,
  };
})();
