/* How the server's packet is taken apart: "PSC1", u32le header length, JSON header, blobs (offsets in the header). */

function unpack(bytes) {
  if (!(bytes instanceof Uint8Array) || bytes.length < 8) return null;
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== "PSC1") throw new Error("unknown packet");
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const blob = (part) => bytes.subarray(8 + length + part.offset, 8 + length + part.offset + part.length);
  return { header, blob };
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fingerprint(bytes) { // FNV-1a: lets a test, or a person, see whether two pictures are the same
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}

const rgba = (r, g, b, a) => ((a << 24) | (b << 16) | (g << 8) | r) >>> 0;
const css = ([r, g, b], alpha = 1) => `rgb(${r} ${g} ${b} / ${alpha})`;
const light = (color) => { const [r, g, b] = color.match(/[\d.]+/g) || [255, 255, 255]; return 0.299 * r + 0.587 * g + 0.114 * b > 128; };
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const tenth = (value) => Math.round(value * 10) / 10;

function lookup(palette, kind) { // 256 colours: of classes or values (255 = nothing), or of a doubt from 0 to 254
  const table = new Uint32Array(256);
  if (kind === "doubt") for (let i = 0; i < 255; i++) table[i] = rgba(...palette[0], Math.round(255 * (i / 254) ** 0.8));
  else palette.slice(0, 255).forEach((color, i) => { table[i] = rgba(...color, 255); });
  return table;
}
