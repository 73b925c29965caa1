// Guesses: asked before the answer, kept in this browser, and shown beside the answer.
"use strict";

(() => {
  const KEPT = "guesses"; // where the browser keeps them
  const CLOSE = 0.005; // relative: closer than anybody would tell apart
  const NONE = "no guess yet";

  const read = () => {
    try {
      return JSON.parse(localStorage.getItem(KEPT)) ?? {};
    } catch {
      return {}; // a browser that keeps nothing for files
    }
  };
  const guesses = read();
  const keep = (name, value) => {
    guesses[name] = value;
    try {
      localStorage.setItem(KEPT, JSON.stringify({ ...read(), [name]: value }));
    } catch {} // it holds until the page is left
  };

  // --- numbers, as `typed` and `questions` have them ---

  const grouped = (text) => text.replace(/^(-?)(\d+)/, (_, sign, whole) => sign + whole.replace(/\B(?=(\d{3})+$)/g, ","));
  const inWords = (value, digits = 6) => {
    const size = Math.abs(value);
    if (Number.isInteger(value) || size >= 1e6) return grouped(value.toFixed(0));
    if (size < 1e-4) return value.toPrecision(3);
    const whole = String(Math.trunc(size)).length;
    return grouped(String(Number(value.toPrecision(Math.max(digits, whole)))));
  };
  const withUnit = (value, unit) => `${inWords(value)} ${unit}`.trim();

  // How far a guess is from the answer: "2× too low", "12 % too high", "3 points too low".
  const off = (guess, answer, unit) => {
    if (guess === answer) return "the same";
    const side = guess > answer ? "too high" : "too low";
    if (unit.startsWith("%") || guess <= 0 || answer <= 0) {
      const apart = Number(Math.abs(guess - answer).toPrecision(2));
      if (Math.abs(guess - answer) < CLOSE * Math.abs(answer)) return "the same";
      const points = apart === 1 ? "point" : "points";
      return `${withUnit(apart, unit.startsWith("%") ? points : unit)} ${side}`;
    }
    const ratio = Math.max(guess, answer) / Math.min(guess, answer);
    if (ratio < 1 + CLOSE) return "the same";
    if (ratio < 1.5) return `${window.course.numbers.fixed(100 * Math.abs(guess / answer - 1))} % ${side}`;
    return `${inWords(Number(ratio.toPrecision(2)))}× ${side}`;
  };

  const SCALES = { k: 1e3, thousand: 1e3, m: 1e6, million: 1e6, b: 1e9, billion: 1e9 };
  // What was typed, as a number; its unit may be typed along.
  const numberOf = (typed, unit) => {
    const bare = typed.trim().toLowerCase().replace(/^[~≈]\s*/, "");
    const ends = ["%", "×", "x", "times", unit.toLowerCase()].filter(Boolean);
    const end = ends.find((one) => bare.endsWith(one));
    const rest = (end ? bare.slice(0, -end.length) : bare).trim();
    const scaled = rest.match(/^(.*?[\d.])\s*([a-z]+)$/);
    const scale = scaled && unit.toLowerCase() !== scaled[2] ? SCALES[scaled[2]] : undefined;
    return scale ? window.course.valueOf(scaled[1]) * scale : window.course.valueOf(rest);
  };

  // --- what is said ---

  const told = (question, value) => {
    if (question.options) return String(value);
    return question.order ? value.join(", ") : withUnit(value, question.unit);
  };
  const distance = ({ options, order, unit, answer }, value) => {
    if (!answer) return "";
    if (order) {
      const right = answer.text.split(", ");
      const placed = value.filter((one, place) => one === right[place]).length;
      return placed === right.length ? "the same" : `the same in ${placed} of ${right.length} places`;
    }
    if (options) return value === answer.text ? "the same" : "";
    return answer.number === null ? "" : off(value, answer.number, unit);
  };

  Object.assign(window.course, { off, inWords, guessedNumber: numberOf });

  // --- controls: each has its elements, and says what is in it or why that is no guess ---

  const { element } = window.course.controls;
  const fits = ({ low = -Infinity, high = Infinity }, value) => low <= value && value <= high;

  const numberControl = (name, question) => {
    const field = element("input", { autocomplete: "off", size: 12 });
    const label = element("label", { className: "field" }, `Your guess${question.unit && `, in ${question.unit}`}`, field);
    const value = () => {
      if (!field.value.trim()) throw new Error("Type a number first.");
      const number = numberOf(field.value, question.unit);
      if (!Number.isFinite(number)) throw new Error("Type a number, like 3, 0.5, 49,152 or 1/2.");
      if (!fits(question, number)) {
        throw new Error(`That reads as ${withUnit(number, question.unit)}. Pick ${question.asks}.`);
      }
      return number;
    };
    return { parts: [label], value, set: (number) => (field.value = inWords(number)) };
  };

  const choiceControl = (name, question) => {
    const fields = question.options.map((value) => element("input", { type: "radio", name, value }));
    const labels = fields.map((field) => element("label", { className: "tick" }, field, field.value));
    const legend = element("legend", { className: "hidden", textContent: "Your guess" });
    const value = () => {
      const chosen = fields.find((field) => field.checked);
      if (!chosen) throw new Error("Choose one first.");
      return chosen.value;
    };
    const set = (wanted) => fields.forEach((field) => (field.checked = field.value === wanted));
    return { parts: [element("fieldset", {}, legend, ...labels)], value, set };
  };

  const orderControl = (name, question) => {
    const list = element("ol");
    const row = (words) => {
      const item = element("li", {}, element("span", { textContent: words }));
      const up = element("button", { type: "button", textContent: "up" });
      up.ariaLabel = `${words}: one place up`;
      up.addEventListener("click", () => {
        item.previousElementSibling?.before(item);
        up.focus();
      });
      item.append(" ", up);
      return item;
    };
    const set = (order) => list.replaceChildren(...order.map(row));
    set(question.order);
    const value = () => [...list.children].map((item) => item.firstChild.textContent);
    return { parts: [list], value, set };
  };

  // --- on the page ---

  const questions = new Map();

  const showEverywhere = (name) => {
    const [question, value] = [questions.get(name), guesses[name]];
    if (!question || value === undefined) return;
    const [words, apart] = [told(question, value), distance(question, value)];
    for (const line of document.querySelectorAll(`.guessed[data-guess="${name}"]`)) {
      const answer = question.answer ? ` The answer: ${question.answer.text}.` : "";
      line.textContent = `Your guess (${name}): ${words}.${answer}${apart ? ` Your guess is ${apart}.` : ""}`;
    }
    for (const row of document.querySelectorAll(`tr[data-guess="${name}"]`)) {
      [row.cells[1].textContent, row.cells[3].textContent] = [words, apart];
    }
  };

  for (const box of document.querySelectorAll(".guess")) {
    const { guess: name } = box.dataset;
    const question = JSON.parse(box.querySelector("script").textContent);
    questions.set(name, question);
    const [form, status] = [box.querySelector("form"), box.querySelector("[role=status]")];
    if (question.options) box.querySelector(".asks").remove(); // the control lists them
    const make = question.options ? choiceControl : question.order ? orderControl : numberControl;
    const control = make(name, question);
    form.append(...control.parts, element("button", { textContent: "Lock in my guess" }));
    const say = () => (status.textContent = `✓ Your guess: ${told(question, guesses[name])}`);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      try {
        keep(name, control.value());
        say();
        showEverywhere(name);
      } catch (error) {
        const stays = name in guesses ? ` Your guess stays ${told(question, guesses[name])}.` : "";
        status.textContent = `${error.message}${stays}`;
      }
    });
    if (name in guesses) {
      control.set(guesses[name]);
      say();
    } else {
      status.textContent = NONE;
    }
  }
  for (const name of questions.keys()) showEverywhere(name);
})();
