// What the explorers with a pad draw: areas, curves, tables of squares and of numbers.
"use strict";

window.course.plots = (({ HUES, bar, line, svg, tag, text }) => {
  // Areas on a sheet of side × side px. rows: [{box, hue}, ...]; shared: a box that is hatched.
  const areas = (side, rows, shared) => {
    const place = ([x, y, right, bottom]) => ({ x, y, width: right - x, height: bottom - y });
    const stripe = { d: "M0 4L4 0", stroke: "black", "stroke-width": 0.5 };
    const pattern = { id: "hatched", width: 4, height: 4, patternUnits: "userSpaceOnUse" };
    let drawn = tag("defs", {}, tag("pattern", pattern, tag("path", stripe)));
    drawn += tag("rect", { width: side, height: side, fill: "white" });
    for (const { box, hue } of rows) {
      const look = { fill: HUES[hue], "fill-opacity": 0.25, stroke: HUES[hue], "stroke-width": 0.7 };
      drawn += tag("rect", { ...place(box), ...look });
    }
    if (shared) drawn += tag("rect", { ...place(shared), fill: "url(#hatched)" });
    return tag("svg", { viewBox: `0 0 ${side} ${side}`, "aria-hidden": "true", class: "boxes" }, drawn);
  };

  // A curve of steps from 0 to 1 both ways, with the area below it, and signs on it.
  // steps: [[x, y], ...]; points: [{x, y, sign, hue}, ...]
  const curve = (steps, points, xName, yName) => {
    const [left, right, top, bottom] = [56, 440, 14, 214];
    const at = ([x, y]) => [left + (right - left) * x, bottom - (bottom - top) * y];
    const way = steps.map((step) => at(step).join(" ")).join("L");
    let drawn = "";
    for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
      drawn += line(...at([tick, 0]), ...at([tick, 1]), { opacity: 0.15 });
      drawn += line(...at([0, tick]), ...at([1, tick]), { opacity: 0.15 });
      drawn += text(at([tick, 0])[0], bottom + 18, tick, { "text-anchor": "middle" });
      drawn += text(left - 8, at([0, tick])[1] + 5, tick, { "text-anchor": "end" });
    }
    if (way) {
      const [start, end] = [at([0, 0]).join(" "), at([steps.at(-1)[0], 0]).join(" ")];
      drawn += tag("path", { d: `M${start}L${way}L${end}z`, fill: HUES.sky, "fill-opacity": 0.35 });
      drawn += tag("path", { d: `M${way}`, fill: "none", stroke: HUES.blue, "stroke-width": 2 });
    }
    for (const { x, y, sign, hue } of points) {
      const [cx, cy] = at([x, y]);
      const ground = { stroke: "var(--paper)", "stroke-width": 4, "paint-order": "stroke" };
      const look = { "text-anchor": "middle", "font-size": 20, fill: HUES[hue], ...ground };
      drawn += text(cx, cy + 7, sign, look);
    }
    drawn += text((left + right) / 2, bottom + 38, xName, { "text-anchor": "middle" });
    drawn += text(right + 12, top + 8, yName);
    return svg(640, 258, drawn);
  };

  // Squares in rows, filled or not. rows and columns: their names; isFilled(row, column) by number.
  const squares = (rows, columns, isFilled, rowName, columnName) => {
    const [left, top, step] = [150, 4, 30];
    let drawn = "";
    rows.forEach((name, row) => {
      const y = top + step * row;
      drawn += text(left - 8, y + 18, name, { "text-anchor": "end" });
      columns.forEach((_, column) => {
        const fill = isFilled(row, column) ? HUES.green : "white";
        const place = { x: left + step * column + 4, y: y + 2, width: 22, height: 22 };
        drawn += tag("rect", { ...place, fill, stroke: "currentColor" });
      });
    });
    const bottom = top + step * rows.length;
    columns.forEach((name, column) => {
      drawn += text(left + step * column + 15, bottom + 14, name, { "text-anchor": "middle" });
    });
    drawn += text(left + (step * columns.length) / 2, bottom + 34, columnName, { "text-anchor": "middle" });
    drawn += text(6, top + 18, rowName);
    return svg(640, bottom + 40, drawn);
  };

  // Rows of numbers; one row is framed. columns: their names; shades(row, column): how strongly a
  // cell is colored, 0 to 1, and its hue.
  const numbers = (rowNames, columns, cell, chosen) => {
    const [left, top, wide, high] = [110, 24, 62, 24];
    let drawn = "";
    columns.forEach((name, column) => {
      drawn += text(left + wide * (column + 0.5), top - 8, name, { "text-anchor": "middle" });
    });
    rowNames.forEach((name, row) => {
      const y = top + high * row;
      drawn += text(left - 8, y + 17, name, { "text-anchor": "end" });
      columns.forEach((_, column) => {
        const { words, hue, strength } = cell(row, column);
        const fill = { fill: HUES[hue] ?? hue ?? "none", "fill-opacity": strength ?? 0 };
        drawn += tag("rect", { x: left + wide * column, y, width: wide, height: high, ...fill });
        drawn += text(left + wide * (column + 0.5), y + 17, words, { "text-anchor": "middle" });
      });
    });
    const frame = { x: left, y: top + high * chosen, width: wide * columns.length, height: high };
    drawn += tag("rect", { ...frame, fill: "none", stroke: "currentColor", "stroke-width": 2 });
    return svg(left + wide * columns.length + 8, top + high * rowNames.length + 6, drawn);
  };

  // Numbers as a strip of colors: orange below zero, blue above.
  const strip = (values, name) => {
    const largest = Math.max(...values.map(Math.abs)) || 1;
    const wide = 600 / values.length;
    const parts = values.map((value, place) => {
      const part = bar(6 + wide * place, 20, wide, 18, value < 0 ? HUES.orange : HUES.blue);
      return tag("g", { opacity: Math.max(0.03, Math.abs(value) / largest) }, part);
    });
    return svg(640, 44, text(6, 14, name) + parts.join(""));
  };

  return { areas, curve, numbers, squares, strip };
})(window.course.drawings);
