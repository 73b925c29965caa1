// Exercises that check themselves: what `checks.judge` does in Python, for numbers and words.
"use strict";

(() => {
  const SMALL = 1e-12; // numbers this close to zero are zero

  // --- what was typed ---

  // 49,152 and 1,234.5 have commas between thousands; 3,54 has one in place of the point.
  const withoutCommas = (text) => {
    const thousands = /(?<![\d.,])[1-9]\d{0,2}(,\d{3})+(?![\d,])/g;
    const plain = text.replace(thousands, (number) => number.replaceAll(",", ""));
    return plain.replace(/(?<![\d.,])(\d+),(\d+)(?![\d.,])/g, "$1.$2");
  };

  // The value of an expression of numbers, + - * / ** and brackets; NaN for anything else.
  const valueOf = (text) => {
    const signs = withoutCommas(text).replace(/[×·]/g, "*").replace(/[−–]/g, "-").replaceAll("^", "**");
    const parts = signs.match(/\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|\*\*|\/\/|[-+*/()]|\S/gi) ?? [];
    let place = 0;
    const take = (...wanted) => (wanted.includes(parts[place]) ? parts[place++] : null);
    const atom = () => {
      if (take("(")) {
        const value = sum();
        return take(")") ? value : NaN;
      }
      const part = parts[place++];
      return /^[\d.]/.test(part ?? "") ? Number(part) : NaN;
    };
    const power = () => {
      const base = atom();
      return take("**") ? base ** signed() : base;
    };
    const signed = () => {
      const sign = take("-", "+");
      return sign ? (sign === "-" ? -signed() : signed()) : power();
    };
    const product = () => {
      let value = signed();
      for (let sign = take("*", "/", "//"); sign; sign = take("*", "/", "//")) {
        const other = signed();
        if (sign === "*") value *= other;
        else value = sign === "/" ? value / other : Math.floor(value / other);
      }
      return value;
    };
    const sum = () => {
      let value = product();
      for (let sign = take("+", "-"); sign; sign = take("+", "-")) {
        const other = product();
        value = sign === "+" ? value + other : value - other;
      }
      return value;
    };
    const value = sum();
    return place === parts.length ? value : NaN;
  };

  // (3, 128, 128) as three numbers, or null.
  const listOf = (text) => {
    const inside = text.trim().match(/^[[(]?([^[\]()]+)[\])]?$/)?.[1];
    const numbers = inside?.split(/[,;\s]+/).filter(Boolean).map(Number);
    return numbers?.length > 1 && numbers.every(Number.isFinite) ? numbers : null;
  };

  // --- comparing ---

  const isSame = (given, expected) => {
    if (expected.list) {
      const fits = Array.isArray(given) && given.length === expected.list.length;
      return fits && given.every((one, place) => isSame(one, expected.list[place]));
    }
    if (Array.isArray(given)) return false;
    if (expected.word !== undefined) {
      const clean = (word) => word.trim().replace(/^["']|["']$/g, "").toLowerCase();
      return typeof given === "string" && clean(given) === clean(expected.word);
    }
    const [number, tolerance] = expected.number;
    const value = typeof given === "string" ? valueOf(given) : given;
    return Math.abs(value - number) <= SMALL + tolerance * Math.abs(number);
  };

  // What is said of what was typed into an exercise's fields: [verdict, hint].
  const judge = ({ answers, otherwise }, typed) => {
    const [[right]] = answers;
    if (typed.every((text) => !text.trim())) return ["not tried yet", ""];
    const parts = right.list ?? [right];
    if (typed.some((text) => !text.trim())) return ["not yet", `${parts.length} answers are asked for.`];
    const isNoNumber = (part, place) => part.number && Number.isNaN(valueOf(typed[place]));
    const given = right.list ? typed : typed[0];
    const list = right.list ? null : listOf(typed[0]);
    for (const [value, hint] of answers) {
      const isKnown = isSame(given, value) || (list && value.list && isSame(list, value));
      if (isKnown) return hint ? ["not yet", hint] : ["correct", ""];
    }
    if (parts.some(isNoNumber)) return ["not yet", "that is no number."];
    return ["not yet", otherwise];
  };

  Object.assign(window.course, { judge, valueOf });

  // --- on the page ---

  const LOOKS = { "not tried yet": "○", "not yet": "✗", correct: "✓" };
  for (const box of document.querySelectorAll(".answer")) {
    const task = JSON.parse(box.querySelector("script").textContent);
    const told = box.querySelector("[role=status]");
    box.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = [...box.querySelectorAll("input")].map((field) => field.value);
      const [verdict, hint] = judge(task, typed);
      told.className = verdict.replaceAll(" ", "-");
      told.textContent = `${LOOKS[verdict]} ${box.dataset.name} ${verdict}${hint ? `: ${hint}` : ""}`;
    });
  }
})();
