// Explorers on a page: controls over frames that Python drew when the pages were made.
"use strict";

(() => {
  const element = (tag, values = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), values);
    made.append(...children);
    return made;
  };

  // Each makes a control's part of the page, and calls `move` with the place of its new value.
  const CONTROLS = {
    range(control, move) {
      const shown = element("span", { ariaHidden: "true" }); // the slider says its value itself
      const last = control.words.length - 1;
      const field = element("input", { type: "range", min: 0, max: last, value: control.rest });
      const tell = () => {
        shown.textContent = control.words[field.value];
        field.setAttribute("aria-valuetext", shown.textContent);
      };
      tell();
      field.addEventListener("input", () => {
        tell();
        move(Number(field.value));
      });
      return element("label", { className: "control" }, control.label, shown, field);
    },

    select(control, move) {
      const options = control.words.map((words, place) => new Option(words, place));
      const field = element("select", {}, ...options);
      field.selectedIndex = control.rest;
      field.addEventListener("input", () => move(field.selectedIndex));
      return element("label", { className: "control" }, control.label, field);
    },

    tick(control, move) {
      const field = element("input", { type: "checkbox", checked: control.rest === 1 });
      field.addEventListener("input", () => move(field.checked ? 1 : 0));
      return element("label", { className: "control tick" }, field, control.label);
    },

    button(control, move) {
      let place = control.rest;
      const field = element("button", { type: "button", textContent: control.label });
      field.addEventListener("click", () => {
        place = (place + 1) % control.words.length;
        move(place);
      });
      return element("div", { className: "control" }, field);
    },
  };

  window.course.controls = { element, CONTROLS };

  const about = (controls) => {
    const coarse = controls.filter((control) => control.isCoarse && control.kind !== "button");
    if (!coarse.length) return "The pictures are Python's, drawn when this page was made.";
    const names = coarse.map((control) => control.label).join("; ");
    return `The pictures are Python's, drawn when this page was made. Fewer settings than in JupyterLab: ${names}.`;
  };

  window.course.frames = (name, { controls, frames }) => {
    const box = document.querySelector(`.explorer[data-name="${name}"]`);
    const [shown, words] = [box.querySelector(".shown"), box.querySelector("[role=status]")];
    const places = controls.map((control) => control.rest);
    const show = () => {
      let frame = 0;
      controls.forEach((control, axis) => (frame = frame * control.words.length + places[axis]));
      shown.innerHTML = frames[frame];
      words.textContent = shown.querySelector("img")?.alt ?? shown.textContent;
    };
    const parts = controls.map((control, axis) =>
      CONTROLS[control.kind](control, (place) => {
        places[axis] = place;
        show();
      }),
    );
    const fields = element("fieldset", {}, element("legend", { textContent: about(controls) }), ...parts);
    box.querySelector(".rest").replaceWith(fields);
  };
})();
