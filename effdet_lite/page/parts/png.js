// Transparent PNGs. A browser multiplies colors by opacity and so forgets what color a transparent
// pixel has; Python's reader keeps it. So they are decoded here: https://www.w3.org/TR/png-3/

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // by color type
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
]; // [first column, first row, columns apart, rows apart]

// {type: [content, ...]} of a PNG's chunks, or null for another file.
function pngChunks(bytes) {
  if (SIGNATURE.some((value, i) => bytes[i] !== value)) {
    return null;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks = {};
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    (chunks[type] ??= []).push(bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  return chunks;
}

function isTransparent(chunks) {
  return Boolean(chunks?.IHDR && chunks.IDAT && (chunks.tRNS || chunks.IHDR[0][9] >= 4));
}

// {width, height, rgba} of a PNG's chunks; its colors as stored, all of them opaque.
async function decodePng(chunks) {
  const [header] = chunks.IHDR;
  const view = new DataView(header.buffer, header.byteOffset);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, type, interlaced] = [header[8], header[9], header[12]];
  const compressed = new Uint8Array(await new Blob(chunks.IDAT).arrayBuffer());
  const data = await throughStream(compressed, new DecompressionStream("deflate"));
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  const passes = interlaced ? ADAM7 : [[0, 0, 1, 1]];
  let at = 0;
  for (const [left, top, right, down] of passes) {
    const [columns, rows] = [Math.ceil((width - left) / right), Math.ceil((height - top) / down)];
    const bits = depth * CHANNELS[type];
    const length = Math.ceil((columns * bits) / 8);
    let above = new Uint8Array(length);
    for (let row = 0; row < rows && columns > 0; row++) {
      const line = data.subarray(at + 1, at + 1 + length);
      if (line.length < length) {
        throw new Error("the picture ends too early");
      }
      unfilter(data[at], line, above, Math.max(1, bits / 8));
      for (let column = 0; column < columns; column++) {
        const pixel = (top + row * down) * width + left + column * right;
        rgba.set(colorAt(line, column, depth, type, chunks.PLTE?.[0]), 4 * pixel);
      }
      above = line;
      at += 1 + length;
    }
  }
  return { width, height, rgba };
}

// Undo what made a line easier to compress, in place. step: bytes from a pixel to the next.
function unfilter(filter, line, above, step) {
  for (let i = 0; i < line.length; i++) {
    const left = i < step ? 0 : line[i - step];
    const corner = i < step ? 0 : above[i - step];
    const guess = [0, left, above[i], (left + above[i]) >> 1, paeth(left, above[i], corner)];
    line[i] += guess[filter];
  }
}

// Of three neighbors the one that is nearest to left + above - corner.
function paeth(left, above, corner) {
  const [toLeft, toAbove] = [Math.abs(above - corner), Math.abs(left - corner)];
  const toCorner = Math.abs(left + above - 2 * corner);
  if (toLeft <= toAbove && toLeft <= toCorner) {
    return left;
  }
  return toAbove <= toCorner ? above : corner;
}

// [red, green, blue] of a pixel of a line.
function colorAt(line, column, depth, type, palette) {
  const value = (channel) => {
    const place = column * CHANNELS[type] + channel;
    if (depth >= 8) {
      return line[(place * depth) / 8]; // of 16 bits the upper eight
    }
    const bit = place * depth;
    return (line[bit >> 3] >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
  };
  if (type === 3) {
    return palette.subarray(3 * value(0), 3 * value(0) + 3);
  }
  if (type === 2 || type === 6) {
    return [value(0), value(1), value(2)];
  }
  const gray = depth < 8 ? (value(0) * 255) / (2 ** depth - 1) : value(0);
  return [gray, gray, gray];
}
