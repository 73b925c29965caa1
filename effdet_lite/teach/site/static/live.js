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

  for (const box of document.querySelectorAll(".explorer[data-view]")) {
    const { view, controls: all, table: own } = JSON.parse(box.querySelector("script").textContent);
    const [shown, told] = [box.querySelector(".shown"), box.querySelector("[role=status]")];
    const [pads, controls] = [true, false].map((is) => all.filter(({ kind }) => (kind === "pad") === is));
    const values = controls.map((one) => one.options ?? places(one));
    const at = controls.map((one, axis) => (one.options ? one.rest : values[axis].indexOf(one.rest)));

    const show = () => {
      const settings = Object.fromEntries(controls.map(({ name }, axis) => [name, values[axis][at[axis]]]));
      for (const pad of pads) settings[pad.name] = window.course.pads.modelOf(pad).get("value");
      try {
        const made = window.course.views[view](settings, own ?? window.course.tables[view]);
        const picture = element("div", { className: "drawn", innerHTML: made.drawing, role: "img" });
        picture.ariaLabel = made.words;
        const key = made.key ? [element("p", { className: "key", textContent: made.key })] : [];
        const code = made.code ? [element("pre", { textContent: made.code, tabIndex: 0 })] : [];
        shown.replaceChildren(picture, ...key, ...code, table(made.numbers));
        if (picture.scrollWidth > picture.clientWidth + 1) picture.tabIndex = 0; // by keyboard, too
        told.textContent = `${made.words} ${made.numbers.map((pair) => pair.join(": ")).join("; ")}.`;
      } catch (error) {
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
    const legend = "Computed in this page, as Python does it; with the steps of JupyterLab.";
    const fields = element("fieldset", {}, element("legend", { textContent: legend }), ...parts);
    box.querySelector(".rest").replaceWith(...drawn, fields);
    show();
    told.textContent = ""; // nothing has moved yet
  }
})();
