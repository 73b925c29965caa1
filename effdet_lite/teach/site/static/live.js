// Explorers that compute in the page: controls over the functions of views.js and touched.js. A
// control can be a pad; it has its place in the explorer, unless the page shows it further up.
"use strict";

(() => {
  const { element, CONTROLS } = window.course.controls;

  // Where a slider may stand, without the dust that adding steps leaves.
  const places = ({ low, high, step }) => {
    const count = Math.round((high - low) / step) + 1;
    return Array.from({ length: count }, (_, place) => Number((low + place * step).toPrecision(12)));
  };

  const table = (rows) => {
    const row = ([name, value]) =>
      element("tr", {}, element("th", { scope: "row", textContent: name }), element("td", { textContent: value }));
    return element("table", {}, element("tbody", {}, ...rows.map(row)));
  };

  const BUSY = "The network is at work …";

  for (const box of document.querySelectorAll(".explorer[data-view]")) {
    const { view, controls: all, table: data } = JSON.parse(box.querySelector("script").textContent);
    const runs = Boolean(data?.networks); // a network answers, which is fetched when it is asked
    const [shown, told] = [box.querySelector(".shown"), box.querySelector("[role=status]")];
    const [pads, controls] = [true, false].map((is) => all.filter(({ kind }) => (kind === "pad") === is));
    const values = controls.map((one) => one.options ?? places(one));
    const at = controls.map((one, axis) => (one.options ? one.rest : values[axis].indexOf(one.rest)));

    const put = (made) => {
      const picture = element("div", { className: "drawn", role: "img" });
      picture.ariaLabel = made.words;
      const key = made.key ? [element("p", { className: "key", textContent: made.key })] : [];
      const code = made.code ? [element("pre", { textContent: made.code, tabIndex: 0 })] : [];
      const rows = made.numbers.length ? [table(made.numbers)] : [];
      shown.replaceChildren(picture, ...key, ...code, ...rows);
      if (made.draw) made.draw(picture); // by the room that it has
      else picture.innerHTML = made.drawing;
      if (picture.scrollWidth > picture.clientWidth + 1) picture.tabIndex = 0; // by keyboard, too
      const numbers = made.numbers.map((pair) => pair.join(": ")).join("; ");
      told.textContent = numbers ? `${made.words} ${numbers}.` : made.words;
    };

    let turn = 0;
    const show = async () => {
      const own = ++turn;
      const isNewest = () => own === turn;
      const settings = Object.fromEntries(controls.map(({ name }, axis) => [name, values[axis][at[axis]]]));
      for (const pad of pads) settings[pad.name] = window.course.pads.modelOf(pad).get("value");
      try {
        let made = window.course.views[view](settings, data ?? window.course.tables[view], isNewest);
        if (made instanceof Promise) {
          told.textContent = BUSY;
          made = await made;
        }
        if (isNewest()) put(made);
      } catch (error) {
        if (!isNewest()) return;
        shown.replaceChildren(element("p", { textContent: `Not possible: ${error.message}` }));
        told.textContent = shown.textContent;
      }
    };

    const drawn = pads.filter((pad) => !window.course.pads.isShown(pad)).map((pad) => {
      const place = element("div", { className: "touched" });
      window.course.pads.showPad(place, pad);
      return place;
    });
    for (const pad of pads) {
      const model = window.course.pads.modelOf(pad);
      Object.assign(model, window.course.rules[view]);
      model.begin?.();
      model.on("change:value", show);
    }
    const parts = controls.map((control, axis) => {
      const { short } = window.course.numbers;
      const words = values[axis].map((value) => (typeof value === "number" ? short(value) : value));
      return CONTROLS[control.kind]({ ...control, words, rest: at[axis] }, (place) => {
        at[axis] = place;
        show();
      });
    });
    const how = runs ? "Answered by a network that runs in this page" : "Computed in this page, as Python does it";
    const legend = `${how}; with the steps of JupyterLab.`;
    const fields = element("fieldset", {}, element("legend", { textContent: legend }), ...parts);
    box.querySelector(".rest").replaceWith(...drawn, fields);
    if (runs) {
      box.classList.add("runs"); // what is told is seen, too; at rest the picture is Python's
    } else {
      show();
      told.textContent = ""; // nothing has moved yet
    }
  }
})();
