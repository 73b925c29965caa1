// The page: a picture in, boxes out; a score to choose, a count by class, and a look at labels.

const about = JSON.parse(document.getElementById("about").textContent);
const at = (id) => document.getElementById(id);
const counted = (count, thing) => `${count} ${thing}${count === 1 ? "" : "s"}`;
const withScore = (score) => score.toFixed(2);

const state = {
  detector: null, // a promise of it
  picture: null,
  found: [], // all that the network found in the picture
  milliseconds: 0,
  labelFile: null, // {name, text}
  labels: null, // what the file says of this picture: {objects, leftOut}
  camera: null, // a MediaStream
};

// --- What is shown ---

function say(sentence) {
  at("said").textContent = sentence;
}

function kept() {
  const lowest = Number(at("score").value);
  return state.found.filter(({ score }) => score >= Math.fround(lowest));
}

// Everything but the picture's pixels, for the score and the labels of this moment.
function show() {
  at("lowest").textContent = withScore(Number(at("score").value));
  at("forget").hidden = !state.labelFile;
  if (!state.picture) {
    return "";
  }
  const boxes = kept();
  const judged = state.labels && judge(boxes, state.labels.objects);
  drawBoxes(at("boxes"), state.picture, drawnBoxes(boxes, judged));
  showCounts(boxes, judged);
  showList(boxes, judged);
  const words = inWords(boxes, judged);
  at("boxes").setAttribute("aria-label", words);
  return words;
}

function drawnBoxes(boxes, judged) {
  const worded = at("words").checked;
  const found = boxes.map(({ box, label, score }, i) => {
    const look = judged ? LOOKS[judged.kinds[i]] : { color: colorOf(label), dashes: "", sign: "" };
    const name = `${look.sign} ${about.classes[label]}`.trim();
    return { ...look, box, wordings: worded ? [`${name} ${withScore(score)}`, name] : [] };
  });
  const missed = (judged?.missed ?? []).map(({ box, label }) => {
    const wordings = worded ? [`? ${about.classes[label]}`, "?"] : [];
    return { ...LOOKS.missed, box, wordings };
  });
  return [...missed, ...found];
}

function colorOf(label) {
  return about.colors[label % about.colors.length];
}

function inWords(boxes, judged) {
  const byClass = about.classes
    .map((name, label) => ({ name, count: boxes.filter((one) => one.label === label).length }))
    .filter(({ count }) => count > 0)
    .map(({ name, count }) => `${count} ${name}`);
  const list = byClass.length ? ` (${byClass.join(", ")})` : "";
  const lowest = withScore(Number(at("score").value));
  const first = `${state.picture.name}: ${counted(boxes.length, "object")}${list} with a score of`;
  const time = `Found in ${Math.round(state.milliseconds)} ms.`;
  return [`${first} ${lowest} or more. ${time}`, judged && inWordsJudged(judged)]
    .filter(Boolean)
    .join(" ");
}

function inWordsJudged({ kinds, missed }) {
  const count = (kind) => kinds.filter((one) => one === kind).length;
  const leftOut = state.labels.leftOut
    ? ` ${counted(state.labels.leftOut, "label")} left out: of no class that this detector knows, ` +
      "or marked difficult."
    : "";
  return (
    `Compared with ${state.labelFile.name}: ${count("right")} right, ${count("wrong")} wrong, ` +
    `${count("double")} double, ${missed.length} missed.${leftOut}`
  );
}

function showCounts(boxes, judged) {
  const heads = ["Class", "Found", ...(judged ? ["Right", "Wrong", "Double", "Missed"] : [])];
  const counts = (isOne) => [
    boxes.filter(isOne).length,
    ...(judged ? ["right", "wrong", "double"] : []).map(
      (kind) => boxes.filter((one, i) => isOne(one) && judged.kinds[i] === kind).length,
    ),
    ...(judged ? [judged.missed.filter(isOne).length] : []),
  ];
  const rows = about.classes.map((name, label) => {
    const row = tableRow("td", [name, ...counts((one) => one.label === label)]);
    if (!judged) {
      row.cells[0].prepend(swatchOf(label));
    }
    return row;
  });
  at("counts").classList.toggle("judged", Boolean(judged));
  at("counts").tHead.replaceChildren(tableRow("th", heads));
  at("counts").tBodies[0].replaceChildren(...rows);
  at("counts").tFoot.replaceChildren(tableRow("td", ["All", ...counts(() => true)]));
}

function swatchOf(label) {
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.background = colorOf(label);
  return swatch;
}

function showList(boxes, judged) {
  const rows = boxes.map(({ box, label, score }, i) =>
    tableRow("td", [
      about.classes[label] + (judged ? ` (${judged.kinds[i]})` : ""),
      withScore(score),
      ...box.map((side) => side.toFixed(1)),
    ]),
  );
  at("list").tBodies[0].replaceChildren(...rows);
}

// The first cell heads its row.
function tableRow(kind, texts) {
  const row = document.createElement("tr");
  texts.forEach((text, i) => {
    const cell = document.createElement(i === 0 ? "th" : kind);
    cell.textContent = text;
    if (cell.tagName === "TH") {
      cell.scope = kind === "th" ? "col" : "row";
    }
    row.append(cell);
  });
  return row;
}

function showPixels({ width, height, rgba }) {
  const canvas = at("picture");
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
  canvas.classList.toggle("small", Math.max(width, height) <= 256);
  at("stage").style.maxWidth = `min(${4 * width}px, ${(75 * width) / height}vh)`;
  at("empty").hidden = true;
  at("stage").hidden = false;
}

// --- What comes in ---

async function look(picture) {
  const detector = await state.detector;
  const start = performance.now();
  const found = await detector.find(picture);
  state.milliseconds = performance.now() - start;
  state.picture = picture;
  state.found = found;
  showPixels(picture);
}

async function takePicture(file) {
  stopCamera();
  say(`Looking at ${file.name} …`);
  await new Promise((done) => setTimeout(done)); // so that the sentence is seen
  let picture;
  try {
    picture = { ...(await readPicture(file)), name: file.name };
  } catch {
    say(`${file.name} is not a picture that this browser can read: try a PNG or a JPEG.`);
    return;
  }
  try {
    await look(picture);
  } catch (error) {
    say(`The network could not look at ${file.name}: ${error.message}`);
    return;
  }
  state.labels = null;
  if (state.labelFile && !state.labelFile.name.toLowerCase().endsWith(".json")) {
    state.labelFile = null; // it was of the picture before
  }
  say(useLabels() ?? show());
}

async function takeLabels(file) {
  state.labelFile = { name: file.name, text: await file.text() };
  say(useLabels() ?? (show() || `${file.name} is kept for the picture that you choose.`));
}

// Read the labels of this picture; a sentence where they cannot be read.
function useLabels() {
  state.labels = null;
  if (!state.labelFile || !state.picture) {
    return null;
  }
  const { name, text } = state.labelFile;
  try {
    state.labels = readLabels(name, text, state.picture, about.classes);
    return null;
  } catch (error) {
    state.labelFile = null;
    return `${name} is no label file for this picture: ${error.message}. ${show()}`;
  }
}

async function take(files) {
  const all = [...files];
  const labels = all.filter(({ name }) => /\.(xml|json|txt)$/i.test(name));
  const [picture, ...others] = all.filter((file) => !labels.includes(file));
  if (picture) {
    await takePicture(picture);
  }
  if (labels.length) {
    await takeLabels(labels[0]);
  }
  if (others.length) {
    say(`One picture at a time: this is ${picture.name}. ${at("said").textContent}`);
  }
}

// --- The beginning ---

function listen() {
  at("choose").addEventListener("click", () => at("file").click());
  at("compare").addEventListener("click", () => at("labels").click());
  for (const chooser of [at("file"), at("labels")]) {
    chooser.addEventListener("change", async () => {
      const files = [...chooser.files];
      chooser.value = ""; // so that the same file can be chosen again
      await take(files);
    });
  }
  at("forget").addEventListener("click", () => {
    [state.labelFile, state.labels] = [null, null];
    say(show());
    at("compare").focus();
  });
  at("score").addEventListener("input", () => say(show()));
  at("words").addEventListener("change", show);
  at("camera").addEventListener("click", () => (state.camera ? stopCamera() : startCamera()));
  document.addEventListener("paste", (event) => take(event.clipboardData.files));
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      document.body.classList.toggle("over", name === "dragover");
    });
  }
  document.addEventListener("drop", (event) => take(event.dataTransfer.files));
  new ResizeObserver(show).observe(at("stage"));
}

async function begin() {
  const [height, width] = about.size;
  at("classes").textContent = about.classes.join(", ");
  at("size").textContent = `${width} × ${height}`;
  at("score").value = about.score;
  at("camera").hidden = !navigator.mediaDevices;
  show();
  listen();
  say("The detector is being unpacked …");
  state.detector = Detector.load(about);
  try {
    await state.detector;
  } catch (error) {
    say(`The detector could not be started in this browser: ${error.message}`);
    return;
  }
  document.body.classList.add("ready");
  if (!state.picture) {
    say("Ready. Choose a picture, drop one here, or paste one.");
  }
}

begin();
