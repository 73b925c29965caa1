// What the explorers that compute in the page draw: SVG from numbers, in the colors of the page.
"use strict";

window.course.drawings = (() => {
  const HUES = { blue: "#0072B2", orange: "#E69F00", sky: "#56B4E9", red: "#D55E00", green: "#009E73" };
  const escaped = (words) => String(words).replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const near = (value) => Math.round(100 * value) / 100;

  const tag = (name, values, inside = "") => {
    const list = Object.entries(values).map(([key, value]) => {
      return ` ${key}="${escaped(typeof value === "number" ? near(value) : value)}"`;
    });
    return `<${name}${list.join("")}>${inside}</${name}>`;
  };
  const text = (x, y, words, values = {}) => tag("text", { x, y, ...values }, escaped(words));
  const bar = (x, y, width, height, fill) =>
    tag("rect", { x: Math.min(x, x + width), y, width: Math.abs(width), height, fill });
  const line = (x1, y1, x2, y2, values = {}) =>
    tag("line", { x1, y1, x2, y2, stroke: "currentColor", ...values });
  const svg = (width, height, inside) =>
    tag("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, inside);

  // Maps as slabs: as high and as deep as their sides, as thick as their channels. Both have one
  // scale, unless `isStretched`. rows: [{words, hue, slabs: [[side, channels], ...]}, ...]
  const slabs = (rows, isStretched = false, room = 640) => {
    const thick = (row) => row.slabs.reduce((total, [, channels]) => total + channels, 0);
    const sides = rows.flatMap((row) => row.slabs.map(([side]) => side));
    const wide = Math.max(...rows.map((row) => thick(row)));
    const each = room / rows.length;
    const scales = [110 / Math.max(...sides), (each - 60) / wide];
    const [upward, along] = isStretched ? scales : [Math.min(...scales, 3), Math.min(...scales, 3)];
    let drawn = "";
    rows.forEach((row, number) => {
      let x = number * each + 6;
      for (const [side, channels] of row.slabs) {
        const [high, across] = [side * upward, Math.max(channels * along, 1)];
        const deep = 0.35 * high;
        const y = 95 - high / 2 + deep / 2;
        const look = { fill: HUES[row.hue], stroke: "var(--paper)", "stroke-width": 0.6 };
        const top = `M${near(x)} ${near(y)}l${near(deep)} ${near(-deep)}h${near(across)}`;
        drawn += tag("path", { d: `${top}l${near(-deep)} ${near(deep)}z`, ...look, "fill-opacity": 0.7 });
        const side3 = `M${near(x + across)} ${near(y)}l${near(deep)} ${near(-deep)}v${near(high)}`;
        drawn += tag("path", { d: `${side3}l${near(-deep)} ${near(deep)}z`, ...look, "fill-opacity": 0.45 });
        drawn += tag("rect", { x, y, width: across, height: high, ...look });
        x += across;
      }
      row.words.split("\n").forEach((words, place) => {
        drawn += text(number * each + 6, 190 + 17 * place, words);
      });
    });
    return svg(room, 215, drawn);
  };

  // Bars from zero, which may go both ways. rows: [{name, value, words, hue}, ...]
  const bars = (rows, [low, high], { marks = [], note = "" } = {}) => {
    const [left, right] = [130, 560];
    const at = (value) => {
      const inside = Math.min(Math.max(value, low), high);
      return left + ((right - left) * (inside - low)) / (high - low);
    };
    let drawn = marks
      .map(({ value, words }) => {
        const look = { "stroke-dasharray": "4 3", opacity: 0.6 };
        const bottom = 26 * rows.length + 8;
        return line(at(value), 4, at(value), bottom, look) +
          text(at(value), bottom + 16, words, { "text-anchor": "middle" });
      })
      .join("");
    rows.forEach(({ name, value, words, hue }, place) => {
      const y = 26 * place + 6;
      drawn += text(left - 8, y + 15, name, { "text-anchor": "end" });
      drawn += bar(at(0), y, at(value) - at(0), 20, HUES[hue]);
      drawn += text(Math.max(at(value), at(0)) + 6, y + 15, words);
    });
    drawn += line(at(0), 2, at(0), 26 * rows.length + 8);
    const height = 26 * rows.length + (marks.length ? 32 : 14) + (note ? 18 : 0);
    if (note) drawn += text(left, height - 6, note);
    return svg(640, height, drawn);
  };

  // Points on two logarithmic axes, and a star. ranges: powers of ten.
  const scatter = (points, star, { x, y, xTicks, yTicks, xName, yName }) => {
    const [left, right, top, bottom] = [60, 620, 24, 190];
    const along = (value, [low, high], from, to) =>
      from + ((to - from) * (Math.log10(value) - low)) / (high - low);
    const place = (one) => [along(one.x, x, left, right), along(one.y, y, bottom, top)];
    let drawn = line(left, bottom, right, bottom) + line(left, top, left, bottom);
    for (const [value, words] of xTicks) {
      drawn += text(along(value, x, left, right), bottom + 17, words, { "text-anchor": "middle" });
    }
    for (const [value, words] of yTicks) {
      drawn += text(left - 6, along(value, y, bottom, top) + 5, words, { "text-anchor": "end" });
    }
    drawn += text((left + right) / 2, bottom + 36, xName, { "text-anchor": "middle" });
    drawn += text(6, 14, yName);
    for (const one of points) {
      const [cx, cy] = place(one);
      drawn += tag("circle", { cx, cy, r: 4, fill: HUES.sky, stroke: HUES.blue });
      drawn += text(cx + 6, cy + 15, one.name);
    }
    const [cx, cy] = place(star);
    drawn += text(cx, cy + 9, "★", { "text-anchor": "middle", "font-size": 26, fill: HUES.red });
    return svg(640, 232, drawn);
  };

  // Boxes, with words where they have some, on a part of a picture. shown: [left, top, right, bottom]
  // of the picture, in pixels.
  const boxes = (source, size, shown, drawnBoxes) => {
    const [left, top, right, bottom] = shown;
    const picture = tag("image", { href: source, width: size, height: size, style: "image-rendering: pixelated" });
    const outlines = drawnBoxes.map(({ box: [x, y, x2, y2], color, width, dashes = "", rim = "white" }) => {
      const place = { x, y, width: x2 - x, height: y2 - y, fill: "none" };
      const look = { "stroke-width": width, "stroke-dasharray": dashes };
      return tag("rect", { ...place, stroke: rim, "stroke-width": width + 0.5 }) +
        tag("rect", { ...place, stroke: color, ...look });
    });
    const labels = drawnBoxes.filter(({ words }) => words).map(({ box: [x, y], color, words }) => {
      const above = y - 1.2 > top + 4 ? y - 1.2 : y + 5;
      const ground = { stroke: "white", "stroke-width": 1.2, "paint-order": "stroke" };
      return text(x + 1, above, words, { "font-size": 5, fill: color, ...ground });
    });
    const frame = `${left} ${top} ${right - left} ${bottom - top}`;
    const values = { viewBox: frame, "aria-hidden": "true", class: "boxes" };
    return tag("svg", values, picture + [...outlines, ...labels].join(""));
  };

  return { HUES, bar, bars, boxes, line, scatter, slabs, svg, tag, text };
})();
