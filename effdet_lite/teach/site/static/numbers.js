// Numbers as Python writes them, and two pieces of arithmetic from the notebooks: fusion weights, and
// suppression of boxes.
"use strict";

window.course.numbers = (() => {
  // Like f"{value:,.2f}": rounded from what the number really is, and a tie to the even digit.
  const fixed = (value, digits = 0) => {
    const [whole, rest] = Math.abs(value).toFixed(Math.min(100, digits + 60)).split(".");
    const isTie = /^50*$/.test(rest.slice(digits));
    const below = digits ? `${whole}.${rest.slice(0, digits)}` : whole;
    const isEven = Number(below.at(-1)) % 2 === 0;
    const text = isTie && isEven ? below : Math.abs(value).toFixed(digits);
    const [front, behind] = text.split(".");
    const grouped = front.replace(/\B(?=(\d{3})+$)/g, ",");
    const sign = value < 0 || Object.is(value, -0) ? "-" : "";
    return sign + grouped + (behind === undefined ? "" : `.${behind}`);
  };

  // Like f"{value:.3g}", for numbers that need no exponent.
  const short = (value, digits = 6) => String(Number(value.toPrecision(digits)));

  const withMinus = (value) => short(value).replace("-", "−");

  // "1 cross", "2 crosses", "0 red cells": as `words.how_many` in Python.
  const howMany = (count, name) => {
    if (count === 1) return `1 ${name}`;
    return `${count} ${name}${name.endsWith("s") ? "es" : "s"}`;
  };

  // Halves go to the even neighbor, as in Python.
  const pythonRound = (value) => {
    const below = Math.floor(value);
    const rest = value - below;
    return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
  };

  // --- fusion weights ---

  // [factors, the slope of the first factor by its own weight] of weights in one of three ways.
  const factors = (weights, way, epsilon = 1e-4) => {
    if (way === "unbounded") return [weights, 1];
    if (way === "softmax") {
      const most = Math.max(...weights);
      const powers = weights.map((weight) => Math.exp(weight - most));
      const total = powers.reduce((one, other) => one + other, 0);
      const shares = powers.map((power) => power / total);
      return [shares, shares[0] * (1 - shares[0])];
    }
    const positive = weights.map((weight) => Math.max(weight, 0));
    const total = positive.reduce((one, other) => one + other, 0) + epsilon;
    const shares = positive.map((weight) => weight / total);
    return [shares, weights[0] > 0 ? (1 - shares[0]) / total : 0];
  };

  // --- suppression ---

  const iou = (one, other) => {
    const wide = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
    const high = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
    const shared = Math.max(0, wide) * Math.max(0, high);
    const area = ([left, top, right, bottom]) => (right - left) * (bottom - top);
    return shared / (area(one) + area(other) - shared);
  };

  // Each step of NMS over boxes that come best first: {best, gone, kept, left}, all by number.
  const suppress = (boxes, labels, threshold) => {
    let left = boxes.map((_, place) => place);
    const kept = [];
    const steps = [{ best: null, gone: [], kept: [], left }];
    while (left.length) {
      const [best, ...others] = left;
      const gone = others.filter(
        (one) => labels[one] === labels[best] && iou(boxes[best], boxes[one]) > threshold,
      );
      left = others.filter((one) => !gone.includes(one));
      steps.push({ best, gone, kept: [...kept], left });
      kept.push(best);
    }
    return steps;
  };

  return { factors, fixed, howMany, iou, pythonRound, short, suppress, withMinus };
})();
