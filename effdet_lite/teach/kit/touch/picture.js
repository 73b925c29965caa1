// A place to drop a picture, paste it, or choose it as a file.

import { element } from "./elements.js";

const HELP = "Drop a picture here, paste one, or choose a file.";

// A smaller copy of a picture, as a JPEG, upright as the browser shows it.
async function shrunken(file, side) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = element("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
}

// The bytes of a file, or of a smaller copy where they are too many for one message.
async function contentOf(file, limits) {
  const small = file.size > limits.bytes ? await shrunken(file, limits.side) : file;
  return new DataView(await small.arrayBuffer());
}

class Drop {
  constructor(model, el) {
    this.model = model;
    this.root = element("div", { class: "touch", "data-lm-suppress-shortcuts": "true" });
    this.picture = element("img", { class: "touch-dropped", alt: "" });
    this.said = element("p", { class: "touch-said", role: "status" });
    this.chooser = element("input", { type: "file", accept: "image/*", hidden: "" });
    this.button = element("button", { type: "button" }, "Choose a file");
    const name = model.get("description");
    const title = element("p", { class: "touch-title" }, name);
    const help = element("p", { class: "touch-help" }, HELP);
    const about = { class: "touch-zone", role: "group", "aria-label": name, tabindex: "0" };
    this.zone = element("div", about, this.picture, help, this.button, this.chooser);
    this.root.append(title, this.zone, this.said);
    el.append(this.root);
    this.listen();
    this.show();
  }

  listen() {
    this.button.addEventListener("click", () => this.chooser.click());
    this.chooser.addEventListener("change", () => this.take(this.chooser.files));
    this.root.addEventListener("paste", (event) => this.take(event.clipboardData.files));
    for (const name of ["dragover", "dragleave", "drop"]) {
      this.zone.addEventListener(name, (event) => {
        event.preventDefault();
        event.stopPropagation(); // JupyterLab would upload the file, or open it
        this.zone.classList.toggle("touch-over", name === "dragover");
      });
    }
    this.zone.addEventListener("drop", (event) => this.take(event.dataTransfer.files));
    this.reactions = [
      ["change:picture", () => this.show()],
      ["msg:custom", (message) => this.say(message.said)],
    ];
    for (const [name, react] of this.reactions) {
      this.model.on(name, react);
    }
  }

  say(sentence) {
    this.said.textContent = sentence;
  }

  show() {
    const picture = this.model.get("picture");
    this.picture.hidden = !picture;
    if (picture) {
      this.picture.src = picture;
      this.picture.alt = this.model.get("name");
      this.picture.width = this.model.get("shown");
    }
  }

  async take([file]) {
    if (!file) {
      return;
    }
    this.say(`Reading ${file.name} …`);
    try {
      const content = await contentOf(file, this.model.get("limits"));
      this.model.set("dropped", { name: file.name, content });
      this.model.save_changes();
    } catch {
      this.say(`Not possible: ${file.name} is not a picture that this browser can read.`);
    }
    this.chooser.value = ""; // so that the same file can be chosen again
  }

  remove() {
    for (const [name, react] of this.reactions) {
      this.model.off?.(name, react);
    }
    this.root.remove();
  }
}

function render({ model, el }) {
  const drop = new Drop(model, el);
  return () => drop.remove();
}

export default { render };
