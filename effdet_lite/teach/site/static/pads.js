// Pads without a kernel: their front ends, and a model that is a plain object.
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
      this.state[name] = value;
      for (const react of this.heard.get(`change:${name}`) ?? []) react();
    }
    save_changes() {}
    send() {}
    on(name, react) {
      this.heard.set(name, [...(this.heard.get(name) ?? []), react]);
    }
  }

  const addresses = new Map(); // of modules that are in the page

  // Put a pad into an element; its model.
  const showPad = async (el, { module, state }) => {
    if (!addresses.size) {
      const style = document.createElement("style");
      style.textContent = window.course.touch.style;
      document.head.append(style);
    }
    if (!addresses.has(module)) {
      const text = new Blob([window.course.touch.modules[module]], { type: "text/javascript" });
      addresses.set(module, URL.createObjectURL(text));
    }
    const { default: widget } = await import(addresses.get(module));
    const model = new PlainModel(state);
    el.replaceChildren();
    widget.render({ model, el });
    return model;
  };

  window.course.showPad = showPad;

  for (const box of document.querySelectorAll(".pad")) {
    showPad(box.querySelector("div"), JSON.parse(box.querySelector("script").textContent));
  }
})();
