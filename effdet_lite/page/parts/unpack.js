// What does not fit into a script as it stands (the runtime, the network) stands in one as text:
// a page that was opened by double click may load scripts, and nothing else.

const packed = new Map();
const BITS = 13; // that two letters hold
const LETTERS_OF_PACKED = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).filter(
  (letter) => !'"\\<&'.includes(letter),
);

// The bytes that were packed under a name.
async function unpacked(name) {
  return throughStream(bytesOf(...packed.get(name)), new DecompressionStream("gzip"));
}

// Two letters are 13 bits.
function bytesOf(length, text) {
  const values = new Uint8Array(128);
  LETTERS_OF_PACKED.forEach((letter, value) => (values[letter.charCodeAt(0)] = value));
  const bytes = new Uint8Array(length); // what lies beyond it falls away
  let [held, count, place] = [0, 0, 0]; // bits that are no whole byte yet
  for (let i = 0; i < text.length; i += 2) {
    const high = values[text.charCodeAt(i)] * LETTERS_OF_PACKED.length;
    held = (held << BITS) | (high + values[text.charCodeAt(i + 1)]);
    for (count += BITS; count >= 8; count -= 8) {
      bytes[place++] = held >> (count - 8);
    }
    held &= (1 << count) - 1;
  }
  return bytes;
}

async function throughStream(bytes, stream) {
  const flow = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(flow).arrayBuffer());
}
