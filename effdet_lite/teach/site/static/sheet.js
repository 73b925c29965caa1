// The sheet of a drawing pad as the picture that a network sees: nearly what Pillow makes of its marks in
// Python (kit/touch/drawing.py), since scores hang on edges.
"use strict";

(() => {
  const FINE = 4; // Python draws so many times as large, on whole places, and shrinks
  const fine = (place) => Math.trunc(place * FINE - 0.5) + 0.5; // the middle of the pixel there

  // The corners of a line from one place to another, `width` fine pixels wide.
  const corners = ([x, y], [x2, y2], width) => {
    const long = Math.hypot(x2 - x, y2 - y);
    if (!long) return [[x, y]];
    const [dx, dy] = [(x2 - x) / long, (y2 - y) / long];
    const [less, more] = [Math.floor((width - 1) / 2), Math.ceil((width - 1) / 2)];
    const [left, down] = [Math.round(less * dy), Math.round(more * dx)];
    const [right, up] = [Math.round(more * dy), Math.round(less * dx)];
    return [[x - left, y + down], [x2 - left, y2 + down], [x2 + right, y2 - up], [x + right, y - up]];
  };

  // A mark as the shapes by which Pillow covers pixels, in fine pixels. The outermost pixels of an
  // outline are in it whole, and round ends have one pixel more than their line.
  const covering = ({ kind, color, center, side, points, width }, stamps) => {
    const filled = (all) => ({ kind: "area", color, points: all, width: 1 });
    if (stamps[kind]) {
      const outline = stamps[kind].map((place) => place.map((one, axis) => center[axis] + side * one));
      return [filled(outline.map((point) => point.map(fine)))];
    }
    const area = kind === "area" && points.length > 2 ? [filled(points.map((point) => point.map(fine)))] : [];
    const line = area.length ? [...points, points[0]] : points;
    const wide = Math.max(1, Math.round(width * FINE));
    const places = line.map((point) => point.map(fine));
    const segments = places.slice(1).map((place, before) => filled(corners(places[before], place, wide)));
    const ends = line.map((point) => {
      const [low, high] = [-1, 1].map((way) => point.map((place) => fine(place + (way * width) / 2)));
      const middle = low.map((place, axis) => (place + high[axis]) / 2);
      return { kind: "pen", color, points: [middle], width: high[0] - low[0] + 1 };
    });
    return [...area, ...segments, ...ends];
  };

  // A picture with a pixel for each block of FINE by FINE: its mean.
  const shrunken = ({ width, height, rgba }) => {
    const [across, down] = [width / FINE, height / FINE];
    const sums = new Uint16Array(4 * across * down);
    for (let from = 0; from < rgba.length; from++) {
      const [pixel, channel] = [from >> 2, from & 3];
      const [x, y] = [pixel % width, Math.floor(pixel / width)];
      sums[4 * (Math.floor(y / FINE) * across + Math.floor(x / FINE)) + channel] += rgba[from];
    }
    return { width: across, height: down, rgba: Uint8ClampedArray.from(sums, (sum) => sum / FINE ** 2) };
  };

  // The picture of a sheet with its marks; the browser draws it, by the shapes that the pad shows.
  window.course.rasterOf = async (marks, { side, paper, stamps }) => {
    const { markShape } = await window.course.pads.moduleOf("drawing");
    const wide = side * FINE;
    const sheet = svg("svg", { width: wide, height: wide });
    sheet.append(svg("rect", { width: wide, height: wide, fill: paper }));
    sheet.append(...marks.flatMap((mark) => covering(mark, stamps)).map((mark) => markShape(mark, stamps)));
    const text = new XMLSerializer().serializeToString(sheet);
    const image = new Image();
    image.src = `data:image/svg+xml,${encodeURIComponent(text)}`;
    await image.decode();
    return shrunken(pixelsOf(image, wide, wide));
  };
})();
