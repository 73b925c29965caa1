// Four sizes of one detector: a slider between networks that run in this page, a drawing or a picture
// of one's own, and the lowest score. The scripts in live/ read pictures, run networks and draw boxes.
"use strict";

(() => {
  const box = document.getElementById("detectors");
  const about = JSON.parse(box.querySelector("script").textContent);
  const [said, canvas, boxes] = ["[role=status]", "canvas", "svg"].map((one) => box.querySelector(one));
  const [fields, table, chooser] = ["fieldset", "table", "input[type=file]"].map((one) =>
    box.querySelector(one),
  );
  const withScore = (score) => score.toFixed(2);
  const counted = (count, thing) => `${count} ${thing}${count === 1 ? "" : "s"}`;
  const HEADS = ["ϕ", "parameters", "million MACs", "AP", "right", "wrong", "double", "missed", "ms"];

  const state = { network: 0, score: about.score, picture: null, turn: 0 };
  const detectors = new Map(); // promises, by the name of the network

  // --- controls ---

  const element = (tag, values = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), values);
    made.append(...children);
    return made;
  };

  const range = (label, values, inWords, move) => {
    const shown = element("span", { ariaHidden: "true" }); // the slider says its value itself
    const field = element("input", { type: "range", ...values });
    const tell = () => {
      shown.textContent = inWords(Number(field.value));
      field.setAttribute("aria-valuetext", shown.textContent);
    };
    tell();
    field.addEventListener("input", () => {
      tell();
      move(Number(field.value));
    });
    return element("label", { className: "control" }, label, shown, field);
  };

  const phi = range(
    "ϕ",
    { min: 0, max: about.networks.length - 1, value: 0 },
    (place) => about.networks[place].phi,
    (place) => {
      state.network = place;
      look();
    },
  );
  const score = range(
    "lowest score",
    { min: about.lowest, max: 0.95, step: 0.01, value: about.score },
    withScore,
    (value) => {
      state.score = value;
      say(show());
    },
  );
  const names = about.drawings.map((_, place) => new Option(`drawing ${place + 1}`, place));
  const drawing = element("select", {}, ...names);
  drawing.addEventListener("input", () => takeDrawing(drawing.selectedIndex));
  const choose = element("button", { type: "button", textContent: "Choose a picture of your own" });
  choose.addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", async () => {
    const [file] = chooser.files;
    chooser.value = ""; // so that the same file can be chosen again
    if (file) await takeFile(file);
  });
  fields.append(
    phi,
    score,
    element("label", { className: "control" }, "picture", drawing),
    element("div", { className: "control" }, choose),
  );
  for (const name of ["dragover", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      if (name === "drop" && event.dataTransfer.files[0]) takeFile(event.dataTransfer.files[0]);
    });
  }
  document.addEventListener("paste", ({ clipboardData: { files } }) => files[0] && takeFile(files[0]));

  // --- what comes in ---

  const take = (picture) => {
    state.picture = { ...picture, found: new Map() }; // by the name of the network
    return look();
  };

  const takeDrawing = async (place) => {
    const { png, objects } = about.drawings[place];
    const bytes = Uint8Array.from(atob(png.split(",")[1]), (letter) => letter.charCodeAt(0));
    const read = await readPicture(new Blob([bytes], { type: "image/png" }));
    await take({ ...read, name: `Drawing ${place + 1}`, objects });
  };

  const takeFile = async (file) => {
    try {
      await take({ ...(await readPicture(file)), name: file.name, objects: null });
    } catch {
      say(`${file.name} is not a picture that this browser can read: try a PNG or a JPEG.`);
    }
  };

  // --- the networks ---

  const withScript = (source) =>
    new Promise((done, failed) => {
      const script = element("script", { src: window.course.root + source, onload: done });
      script.onerror = () => failed(new Error(`${source} is missing`));
      document.head.append(script);
    });

  const detectorOf = (network) => {
    if (!detectors.has(network.name)) {
      const load = async () => {
        await withScript(network.script);
        return Detector.load({ classes: about.classes, size: network.size }, network.name);
      };
      detectors.set(network.name, load());
    }
    return detectors.get(network.name);
  };

  // Let the network of this moment look at the picture of this moment.
  const look = async () => {
    const [turn, picture, network] = [++state.turn, state.picture, about.networks[state.network]];
    if (!picture.found.has(network.name)) {
      say(`The network of ϕ = ${network.phi} is at work …`);
      await new Promise((done) => setTimeout(done, 20)); // so that the sentence is seen
      try {
        const detector = await detectorOf(network);
        if (turn !== state.turn) return; // something else is asked for
        const start = performance.now();
        const found = await detector.find(picture);
        picture.found.set(network.name, { found, milliseconds: performance.now() - start });
      } catch (error) {
        say(`The network of ϕ = ${network.phi} could not run in this browser: ${error.message}`);
        return;
      }
    }
    if (turn === state.turn) say(show());
  };

  // --- what is shown ---

  const say = (sentence) => {
    said.textContent = sentence;
  };

  const kept = ({ found }) => found.filter((one) => one.score >= Math.fround(state.score));

  const results = (network) => {
    const answer = state.picture.found.get(network.name);
    if (!answer) return null;
    const sure = kept(answer);
    const { objects } = state.picture;
    return { sure, judged: objects && judge(sure, objects), milliseconds: answer.milliseconds };
  };

  const showPicture = () => {
    const { width, height, rgba } = state.picture;
    [canvas.width, canvas.height] = [width, height];
    canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
    canvas.parentElement.style.maxWidth = `min(${4 * width}px, ${(70 * width) / height}vh)`;
  };

  const showBoxes = ({ sure, judged }) => {
    const drawn = sure.map(({ box: sides, label, score: own }, place) => {
      const color = about.colors[label % about.colors.length];
      const look = judged ? LOOKS[judged.kinds[place]] : { color, dashes: "", sign: "" };
      const name = `${look.sign} ${about.classes[label]}`.trim();
      return { ...look, box: sides, wordings: [`${name} ${withScore(own)}`, name, look.sign] };
    });
    const missed = (judged?.missed ?? []).map(({ box: sides, label }) => {
      return { ...LOOKS.missed, box: sides, wordings: [`? ${about.classes[label]}`, "?"] };
    });
    drawBoxes(boxes, state.picture, [...missed, ...drawn]);
  };

  const countsOf = ({ sure, judged }) => {
    if (!judged) return [["found", sure.length]];
    const kinds = ["right", "wrong", "double"].map((kind) => [
      kind,
      judged.kinds.filter((one) => one === kind).length,
    ]);
    return [...kinds, ["missed", judged.missed.length]];
  };

  const showTable = () => {
    const heads = state.picture.objects ? HEADS : [...HEADS.slice(0, 4), "found", "ms"];
    const row = (kind, words) =>
      element("tr", {}, ...words.map((word) => element(kind, { textContent: word })));
    const rows = about.networks.map((network, place) => {
      const own = results(network);
      const counts = own
        ? [...countsOf(own).map(([, count]) => count), Math.round(own.milliseconds)]
        : heads.slice(4).map(() => "–");
      const made = row("td", [network.phi, network.parameters, network.macs, network.ap, ...counts]);
      if (place === state.network) made.setAttribute("aria-current", "true");
      return made;
    });
    const head = row("th", heads);
    for (const cell of head.cells) cell.scope = "col";
    table.tHead.replaceChildren(head);
    table.tBodies[0].replaceChildren(...rows);
    const around = table.parentElement;
    if (around.scrollWidth > around.clientWidth + 1) around.tabIndex = 0; // by keyboard, too
  };

  // Everything for this moment; what it shows, in words.
  const show = () => {
    const network = about.networks[state.network];
    const own = state.picture && results(network);
    if (!own) return "";
    showPicture();
    showBoxes(own);
    showTable();
    const counts = countsOf(own).map(([name, count]) => `${count} ${name}`);
    const objects = state.picture.objects ? ` of ${counted(state.picture.objects.length, "object")}` : "";
    const words =
      `${state.picture.name}, ϕ = ${network.phi}, a score of ${withScore(state.score)} or more: ` +
      `${counts[0]}${objects}${counts.length > 1 ? `, ${counts.slice(1).join(", ")}` : ""}. ` +
      `${network.parameters} parameters, ${network.macs} million MACs.`;
    boxes.setAttribute("aria-label", words);
    return words;
  };

  new ResizeObserver(() => show()).observe(canvas.parentElement);
  say("The runtime is being unpacked …");
  takeDrawing(0);
})();
