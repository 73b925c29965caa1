// Networks that run in the page, fetched when they are first asked for, and a picture with what they
// found. The scripts in live/ do the work.
"use strict";

(() => {
  const RUNTIME = "live/runtime.js";
  const SMALL = 256; // pixels: up to here a picture's pixels are shown as they are
  const scripts = new Map(); // promises, by their place in the site
  const detectors = new Map(); // promises, by the name of the network

  const withScript = (source) => {
    const load = (done, failed) => {
      const script = document.createElement("script");
      Object.assign(script, { src: window.course.root + source, onload: done });
      script.onerror = () => failed(new Error(`${source} is missing`));
      document.head.append(script);
    };
    if (!scripts.has(source)) scripts.set(source, new Promise(load));
    return scripts.get(source);
  };

  // network: {name, script, size, classes}.
  const detectorOf = (network) => {
    const load = async () => {
      await Promise.all([withScript(RUNTIME), withScript(network.script)]);
      return Detector.load(network, network.name);
    };
    if (!detectors.has(network.name)) detectors.set(network.name, load());
    return detectors.get(network.name);
  };

  let last = Promise.resolve(); // of the questions: a network answers one at a time

  // Let a network look at a picture, unless it did. Then `picture.found` has {found, milliseconds}
  // under the network's name. isNewest() says, when its turn has come, whether it is still asked for.
  const lookAt = (picture, network, isNewest = () => true) => {
    const look = async () => {
      const detector = isNewest() && (await detectorOf(network));
      if (!isNewest() || picture.found.has(network.name)) return;
      const start = performance.now();
      const found = await detector.find(picture);
      picture.found.set(network.name, { found, milliseconds: performance.now() - start });
    };
    const done = last.then(look);
    last = done.catch(() => {}); // who asked is told; the next one has its turn
    return done;
  };

  // Of what was found, that with a score of at least this, compared in 32 bits as in Python.
  const sureOnes = (found, score) => found.filter((one) => one.score >= Math.fround(score));

  const unreadable = (name) =>
    `${name} is not a picture that this browser can read: try a PNG or a JPEG.`;

  // A picture and boxes over it, which keep their places when the page gets wider or narrower.
  class Stage {
    constructor(box) {
      box.innerHTML = '<canvas aria-hidden="true"></canvas><svg aria-hidden="true"></svg>';
      [this.box, this.canvas, this.boxes] = [box, ...box.children];
      new ResizeObserver(() => this.draw()).observe(box);
    }

    // drawn: as `drawBoxes` takes it.
    show(picture, drawn) {
      Object.assign(this, { picture, drawn });
      const { width, height, rgba } = picture;
      [this.canvas.width, this.canvas.height] = [width, height];
      this.canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
      this.canvas.classList.toggle("small", Math.max(width, height) <= SMALL);
      this.box.style.maxWidth = `min(${4 * width}px, ${(70 * width) / height}vh)`;
      this.draw();
    }

    draw() {
      if (this.picture) drawBoxes(this.boxes, this.picture, this.drawn);
    }
  }

  window.course.running = { Stage, lookAt, sureOnes, unreadable };
})();
