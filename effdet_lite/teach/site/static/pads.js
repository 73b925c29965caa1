// Pads without a kernel: their front ends, and a model that is a plain object. An explorer that a
// pad belongs to can be asked before a value is taken, as Python is in JupyterLab: `refused(value)`
// gives a sentence for one that may not be, and `kept(value, before)` the value as it is kept.
"use strict";

(() => {
  class PlainModel {
    constructor(state) {
      Object.assign(this, { state, heard: new Map() });
    }
    get(name) {
      return this.state[name];
    }
    set(name, value) {
      const isKept = name === "value" && this.kept;
      this.state[name] = isKept ? this.kept(value, this.state.value) : value;
      this.tell(`change:${name}`);
    }
    save_changes() {}
    // The pad asks for other edges.
    send({ edges }) {
      const reason = this.refused?.(edges);
      if (reason) this.tell("msg:custom", { said: `Not possible: ${reason}` });
      else this.set("value", edges);
    }
    tell(name, message) {
      for (const react of this.heard.get(name) ?? []) react(message);
    }
    on(name, react) {
      this.heard.set(name, [...(this.heard.get(name) ?? []), react]);
    }
  }

  const addresses = new Map(); // of modules that are in the page
  const models = new Map(); // by the names that pads had where they were made

  // The model of a pad; the same one for all that ask for this pad.
  const modelOf = ({ id, state }) => {
    if (!models.has(id)) models.set(id, new PlainModel(state));
    return models.get(id);
  };

  // What a pad's module exports.
  const moduleOf = (module) => {
    if (!addresses.size) {
      const style = document.createElement("style");
      style.textContent = window.course.touch.style;
      document.head.append(style);
    }
    if (!addresses.has(module)) {
      const text = new Blob([window.course.touch.modules[module]], { type: "text/javascript" });
      addresses.set(module, URL.createObjectURL(text));
    }
    return import(addresses.get(module));
  };

  // Put a pad into an element; its model.
  const showPad = async (el, pad) => {
    const { default: widget } = await moduleOf(pad.module);
    const model = modelOf(pad);
    el.replaceChildren();
    widget.render({ model, el });
    return model;
  };

  const isShown = ({ id }) => models.has(id);
  window.course.pads = { isShown, modelOf, moduleOf, showPad };

  for (const box of document.querySelectorAll(".pad")) {
    const pad = JSON.parse(box.querySelector("script").textContent);
    modelOf(pad);
    showPad(box.querySelector("div"), pad);
  }
})();
