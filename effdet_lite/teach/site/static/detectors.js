// Four sizes of one detector: a slider between networks that run in this page, a drawing or a picture
// of one's own, and the lowest score. The scripts in live/ read pictures and judge boxes; running.js
// runs the networks and shows what they find.
"use strict";

(({ numbers: { howMany }, running }) => {
  const box = document.getElementById("detectors");
  const about = JSON.parse(box.querySelector("script").textContent);
  const [said, shown] = ["[role=status]", ".stage"].map((one) => box.querySelector(one));
  const stage = new running.Stage(shown);
  const [fields, table, chooser] = ["fieldset", "table", "input[type=file]"].map((one) =>
    box.querySelector(one),
  );
  const withScore = (score) => score.toFixed(2);
  const HEADS = ["ϕ", "parameters", "million MACs", "AP", "right", "wrong", "double", "missed", "ms"];

  const state = { network: 0, score: about.score, picture: null, turn: 0 };

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
    state.picture = { ...picture, found: new Map() };
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
      say(running.unreadable(file.name));
    }
  };

  // --- the networks ---

  // Let the network of this moment look at the picture of this moment.
  const look = async () => {
    const [turn, picture, network] = [++state.turn, state.picture, about.networks[state.network]];
    if (!picture.found.has(network.name)) {
      say(`The network of ϕ = ${network.phi} is at work …`);
      await new Promise((done) => setTimeout(done, 20)); // so that the sentence is seen
      try {
        await running.lookAt(picture, network, () => turn === state.turn);
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

  const results = (network) => {
    const answer = state.picture.found.get(network.name);
    if (!answer) return null;
    const sure = running.sureOnes(answer.found, state.score);
    const { objects } = state.picture;
    return { sure, judged: objects && judge(sure, objects), milliseconds: answer.milliseconds };
  };

  const showBoxes = ({ sure, judged }) => {
    const { classes } = about.networks[state.network];
    const drawn = sure.map(({ box: sides, label, score: own }, place) => {
      const color = about.colors[label % about.colors.length];
      const look = judged ? LOOKS[judged.kinds[place]] : { color, dashes: "", sign: "" };
      const name = `${look.sign} ${classes[label]}`.trim();
      return { ...look, box: sides, wordings: [`${name} ${withScore(own)}`, name, look.sign] };
    });
    const missed = (judged?.missed ?? []).map(({ box: sides, label }) => {
      return { ...LOOKS.missed, box: sides, wordings: [`? ${classes[label]}`, "?"] };
    });
    stage.show(state.picture, [...missed, ...drawn]);
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
    showBoxes(own);
    showTable();
    const counts = countsOf(own).map(([name, count]) => `${count} ${name}`);
    const objects = state.picture.objects ? ` of ${howMany(state.picture.objects.length, "object")}` : "";
    const words =
      `${state.picture.name}, ϕ = ${network.phi}, a score of ${withScore(state.score)} or more: ` +
      `${counts[0]}${objects}${counts.length > 1 ? `, ${counts.slice(1).join(", ")}` : ""}. ` +
      `${network.parameters} parameters, ${network.macs} million MACs.`;
    shown.ariaLabel = words;
    return words;
  };

  say("The runtime is being unpacked …");
  takeDrawing(0);
})(window.course);
