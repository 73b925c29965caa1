// What does not fit into a script as it stands (the runtime, the network) stands in one as text:
// a page that was opened by double click may load scripts, and nothing else.

const packed = new Map();
const BITS = 15; // that a letter holds
const FIRST_LETTER = 0x100;

// The bytes that were packed under a name.
async function unpacked(name) {
  return throughStream(bytesOf(...packed.get(name)), new DecompressionStream("gzip"));
}

function bytesOf(length, text) {
  const bytes = new Uint8Array(length); // what lies beyond it falls away
  let [held, count, place] = [0, 0, 0]; // bits that are no whole byte yet
  for (let i = 0; i < text.length; i++) {
    held = (held << BITS) | (text.charCodeAt(i) - FIRST_LETTER);
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
