// A picture fitted into the detector's size, number for number as torch does it with bytes: first the
// width and then the height, by triangles as wide as the picture is shrunk ("bilinear", antialias).

// Halves go to the even neighbor, as in Python.
function roundEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}

// {width, height} of the largest picture that fits into `size` with its shape kept.
function fittedSize({ width, height }, size) {
  const scale = Math.min(size.height / height, size.width / width);
  return {
    width: Math.max(1, roundEven(width * scale)),
    height: Math.max(1, roundEven(height * scale)),
  };
}

// For each of `wanted` places along `length` pixels: the first pixel that counts, and how much it and
// the next ones count, as whole numbers whose sum is about 2^bits.
function triangles(length, wanted) {
  const scale = length / wanted;
  const support = Math.max(1, scale);
  const places = Array.from({ length: wanted }, (_, place) => {
    const center = scale * (place + 0.5);
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), length);
    const shares = [];
    for (let pixel = first; pixel < end; pixel++) {
      shares.push(Math.max(0, 1 - Math.abs(pixel - center + 0.5) / support));
    }
    const total = shares.reduce((sum, share) => sum + share, 0);
    return { first, shares: shares.map((share) => share / total) };
  });
  const largest = Math.max(...places.map(({ shares }) => Math.max(...shares)));
  const bits = bitsFor(largest);
  for (const place of places) {
    place.weights = Int32Array.from(place.shares, (share) => Math.trunc(share * 2 ** bits + 0.5));
  }
  return { places, bits };
}

// The most bits with which the largest share is still below 2^15.
function bitsFor(largest) {
  let bits = 0;
  while (bits < 22 && Math.trunc(largest * 2 ** (bits + 1) + 0.5) < 2 ** 15) {
    bits++;
  }
  return bits;
}

// One line of pixels resized. A line: {data, start, step}, its pixels `step` numbers apart.
function resizeLine(from, to, { places, bits }) {
  const half = 2 ** (bits - 1);
  for (let place = 0; place < places.length; place++) {
    const { first, weights } = places[place];
    let at = from.start + first * from.step;
    let sum = half;
    for (let i = 0; i < weights.length; i++) {
      sum += from.data[at] * weights[i];
      at += from.step;
    }
    to.data[to.start + place * to.step] = sum >> bits; // the array's type keeps it in 0-255
  }
}

// The colors of a picture {width, height, rgba}, resized: bytes [3, height, width].
function resized({ width, height, rgba }, wanted) {
  const across = triangles(width, wanted.width);
  const down = triangles(height, wanted.height);
  const narrow = new Uint8ClampedArray(height * wanted.width);
  const planes = new Uint8ClampedArray(3 * wanted.height * wanted.width);
  for (let color = 0; color < 3; color++) {
    for (let y = 0; y < height; y++) {
      const from = { data: rgba, start: 4 * y * width + color, step: 4 };
      resizeLine(from, { data: narrow, start: y * wanted.width, step: 1 }, across);
    }
    const plane = color * wanted.height * wanted.width;
    for (let x = 0; x < wanted.width; x++) {
      const to = { data: planes, start: plane + x, step: wanted.width };
      resizeLine({ data: narrow, start: x, step: wanted.width }, to, down);
    }
  }
  return planes;
}
