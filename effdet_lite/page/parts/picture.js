// A picture file as {width, height, rgba}: upright, and with the colors that Python's reader sees.

const ORIENTATION = 0x0112; // the entry of EXIF that says how a camera was held

async function readPicture(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const chunks = pngChunks(bytes);
  if (isTransparent(chunks)) {
    const picture = await decodePng(chunks);
    return turned(picture, chunks.eXIf ? orientationOf(chunks.eXIf[0]) : 1);
  }
  const how = { imageOrientation: "from-image", colorSpaceConversion: "none" };
  const bitmap = await createImageBitmap(file, how);
  const picture = pixelsOf(bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  return picture;
}

// What a bitmap or a video shows, as a picture.
function pixelsOf(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  for (let i = 3; i < rgba.length; i += 4) {
    rgba[i] = 255;
  }
  return { width, height, rgba };
}

// 1 to 8, from an EXIF block; 1, as it is stored, where the block is damaged.
function orientationOf(block) {
  try {
    const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
    const little = view.getUint16(0) === 0x4949;
    const start = view.getUint32(4, little);
    for (let i = 0; i < view.getUint16(start, little); i++) {
      const entry = start + 2 + 12 * i;
      if (view.getUint16(entry, little) === ORIENTATION) {
        const number = view.getUint16(entry + 8, little);
        return number >= 1 && number <= 8 ? number : 1;
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) {
      throw error;
    }
  }
  return 1;
}

// A picture turned upright: for each of its places, the stored pixel that belongs there.
function turned(picture, orientation) {
  if (orientation === 1) {
    return picture;
  }
  const [across, down] = [picture.width, picture.height];
  const [width, height] = orientation >= 5 ? [down, across] : [across, down];
  const from = new Uint32Array(picture.rgba.buffer);
  const to = new Uint32Array(from.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let [column, row] = orientation >= 5 ? [y, x] : [x, y];
      if ([2, 3, 7, 8].includes(orientation)) {
        column = across - 1 - column;
      }
      if ([3, 4, 6, 7].includes(orientation)) {
        row = down - 1 - row;
      }
      to[y * width + x] = from[row * across + column];
    }
  }
  return { width, height, rgba: new Uint8ClampedArray(to.buffer) };
}
