// What does not fit into a script as it stands (the runtime, the network) stands in one as text:
// a page that was opened by double click may load scripts, and nothing else.

const packed = new Map();

// The bytes that were packed under a name.
async function unpacked(name) {
  const text = atob(packed.get(name));
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = text.charCodeAt(i);
  }
  return throughStream(bytes, new DecompressionStream("gzip"));
}

async function throughStream(bytes, stream) {
  const flow = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(flow).arrayBuffer());
}
