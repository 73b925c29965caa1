// The network, in onnxruntime-web: one thread, on the processor. Files may not be fetched by a page
// that was opened by double click, so the runtime comes as an address in memory and as bytes.

const SHARE = Math.fround(1 / 255); // torch multiplies by it, in 32 bits
let runtime = null; // a promise of it, once it is needed

async function startRuntime() {
  const glue = new Blob([await unpacked("glue")], { type: "text/javascript" });
  const ort = await import(URL.createObjectURL(glue));
  ort.env.wasm.wasmBinary = await unpacked("wasm");
  ort.env.wasm.numThreads = 1;
  return ort;
}

class Detector {
  // about: {classes, size: [height, width]}, of the packed network.
  constructor(ort, session, about) {
    Object.assign(this, { ort, session, about });
    this.size = { height: about.size[0], width: about.size[1] };
  }

  // name: of the packed network.
  static async load(about, name = "network") {
    runtime ??= startRuntime();
    const ort = await runtime;
    const how = { executionProviders: ["wasm"], logSeverityLevel: 3 };
    const session = await ort.InferenceSession.create(await unpacked(name), how);
    return new Detector(ort, session, about);
  }

  // [{box: [left, top, right, bottom], score, label}, ...] of a picture, in its own pixels, best first.
  async find(picture) {
    const shown = fittedSize(picture, this.size);
    const input = new this.ort.Tensor("float32", this.input(picture, shown), [
      1,
      3,
      this.size.height,
      this.size.width,
    ]);
    const { boxes, scores, labels } = await this.session.run({ images: input });
    const [wide, high] = [picture.width, picture.height];
    const toPicture = [Math.fround(wide / shown.width), Math.fround(high / shown.height)];
    const found = Array.from(scores.data, (score, i) => {
      const corners = Array.from(boxes.data.subarray(4 * i, 4 * i + 4), (side, place) =>
        Math.min(Math.fround(side * toPicture[place % 2]), place % 2 ? high : wide),
      );
      return { box: corners, score, label: Number(labels.data[i]) };
    });
    // None in the border below or beside the picture.
    return found.filter(({ box: [left, top, right, bottom] }) => right > left && bottom > top);
  }

  // The picture in 0-1, fitted into the network's size, with a black border right and below.
  input(picture, shown) {
    const { width, height } = this.size;
    const planes = resized(picture, shown);
    const input = new Float32Array(3 * width * height);
    for (let color = 0; color < 3; color++) {
      for (let y = 0; y < shown.height; y++) {
        const from = (color * shown.height + y) * shown.width;
        const to = (color * height + y) * width;
        for (let x = 0; x < shown.width; x++) {
          input[to + x] = planes[from + x] * SHARE;
        }
      }
    }
    return input;
  }
}
