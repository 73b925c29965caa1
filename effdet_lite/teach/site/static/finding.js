// The explorers of notebook 00 that a detector answers: they say what their namesakes in Python say,
// to the letter, once the network has run.
"use strict";

(({ numbers: { howMany, suppress }, rules, views }) => {
  // What a network finds with at least this score in a picture, and how it is shown. The best answer
  // of all classes speaks for its place. network: with its colors.
  const foundIn = async (picture, network, { threshold, overlap, most = Infinity, isNewest }) => {
    const { Stage, lookAt, sureOnes } = window.course.running;
    await lookAt(picture, network, isNewest);
    if (!isNewest()) return null;
    const sure = sureOnes(picture.found.get(network.name).found, threshold);
    const steps = suppress(sure.map(({ box }) => box), sure.map(() => 0), overlap);
    const best = steps.slice(1, most + 1).map((step) => sure[step.best]);
    const counts = network.classes.map((name, label) => {
      return { name, count: best.filter((one) => one.label === label).length };
    });
    const named = counts.filter(({ count }) => count).map(({ name, count }) => howMany(count, name));
    const drawn = best.map(({ box, label, score }) => {
      const name = network.classes[label];
      const color = network.colors[label % network.colors.length];
      return { box, color, dashes: "", wordings: [`${name} ${score.toFixed(2)}`, name] };
    });
    return {
      words: `The detector finds ${named.join(", ") || "nothing"}.`,
      numbers: [],
      draw: (place) => {
        place.className = "stage";
        new Stage(place).show(picture, drawn);
      },
    };
  };

  // --- a drawing ---

  const sheets = new Map(); // the last one: promises, by their marks in words

  const boxes_on_drawing = async ({ drawing, threshold }, { networks, sheet, ...how }, isNewest) => {
    const marks = JSON.stringify(drawing);
    if (!sheets.has(marks)) {
      sheets.clear();
      sheets.set(marks, window.course.rasterOf(drawing, sheet).then((one) => ({ ...one, found: new Map() })));
    }
    return foundIn(await sheets.get(marks), networks.shapes, { threshold, isNewest, ...how });
  };

  // --- a picture ---

  const boxes_on_picture = async ({ picture, detector, threshold }, { networks, ...how }, isNewest) =>
    foundIn(await picture(), networks[detector], { threshold, isNewest, ...how });

  const withFound = async (blob) => ({ ...(await readPicture(blob)), found: new Map() });

  // What Python does with a file that was dropped on the pad.
  const receive = async (model) => {
    const { name, content } = model.get("dropped");
    try {
      const blob = new Blob([content]);
      const picture = await withFound(blob);
      if (model.get("dropped").content !== content) return; // another one has come
      const longest = Math.max(picture.width, picture.height);
      model.state.shown = (model.longest * picture.width) / longest;
      Object.assign(model.state, { name, size: [picture.width, picture.height] });
      model.set("picture", URL.createObjectURL(blob));
      model.set("value", () => picture);
      model.tell("msg:custom", { said: `Here is ${name}, ${picture.width} × ${picture.height} px.` });
    } catch {
      const said = `Not possible: ${window.course.running.unreadable(name)}`;
      model.tell("msg:custom", { said });
    }
  };

  Object.assign(views, { boxes_on_drawing, boxes_on_picture });
  Object.assign(rules, {
    boxes_on_picture: {
      // Its value is a function that gives the picture: the example is read when it is asked for.
      begin() {
        const [width, height] = this.get("size");
        this.longest = (this.get("shown") * Math.max(width, height)) / width; // side, as it is shown
        const text = atob(this.get("picture").split(",")[1]);
        const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
        let example = null;
        this.state.value = () => (example ??= withFound(new Blob([bytes])));
        this.on("change:dropped", () => receive(this));
      },
    },
  });
})(window.course);
