"""Pads on a page of their own, opened as a file without a kernel: their module, their state, and a
model that is a plain object.
"""

import json

from effdet_lite.teach.kit.touch.modules import module_text

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>pads</title>
<link rel="icon" href="data:,"><style>%s</style><body><main></main>
<script type="application/json" id="pads">%s</script>
<script type="module">
class PlainModel {
  constructor(state) {
    Object.assign(this, { state, heard: new Map(), sent: [] });
  }
  get(name) {
    return this.state[name];
  }
  set(name, value) {
    this.state[name] = value;
    this.heard.get(`change:${name}`)?.forEach((react) => react());
  }
  save_changes() {}
  on(name, react) {
    this.heard.set(name, [...(this.heard.get(name) ?? []), react]);
  }
  send(message) {
    this.sent.push(message);
  }
}
window.models = [];
for (const { text, state } of JSON.parse(document.getElementById("pads").textContent)) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  const model = new PlainModel(state);
  const el = document.createElement("section");
  document.querySelector("main").append(el);
  widget.render({ model, el });
  window.models.push(model);
}
window.ready = true;
</script></body></html>"""


def write_page(path, pads):
    """A file with these pads, one below the other; in the page `models` has their models."""
    shown = []
    for pad in pads:
        names = [name for name in pad.get_state() if not name.startswith("_")]
        plain = {name: getattr(pad, name) for name in names}
        plain = {name: value for name, value in plain.items() if is_json(value)}
        shown.append({"text": module_text(pad.module), "state": plain})
    data = json.dumps(shown).replace("</", "<\\/")
    path.write_text(PAGE % (pads[0]._css, data), encoding="utf-8")


def is_json(value):
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True
