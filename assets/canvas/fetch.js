/* Pictures and maps that come over HTTP. The address says all that they depend on, so what was fetched is kept: scrolling back is free. */

const KEPT_BYTES = 160 << 20, KEPT_LEAST = 16;

class Planes {
  constructor() { this.kept = new Map(); this.bytes = 0; } // address -> {promise, value, bytes}, the least recently used first
  get(address) { // promise of an ImageBitmap or of uint8 codes; null when the state it shows has passed
    let entry = this.kept.get(address);
    if (entry) this.kept.delete(address);
    else {
      entry = { value: undefined, bytes: 0 };
      entry.promise = this.load(address).then((value) => this.keep(address, entry, value), (error) => { this.drop(address); throw error; });
    }
    this.kept.set(address, entry);
    return entry.promise;
  }
  peek(address) { return this.kept.get(address)?.value; }
  async load(address) {
    const response = await fetch(new URL(address, document.baseURI));
    if (response.status === 204) return null;
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const body = await response.blob();
    return body.type.startsWith("image/") ? createImageBitmap(body) : inflate(body);
  }
  keep(address, entry, value) {
    if (value === null) { this.drop(address); return value; }
    entry.value = value;
    entry.bytes = value.length ?? 4 * value.width * value.height;
    this.bytes += entry.bytes;
    for (const old of this.kept.keys()) {
      if (this.bytes <= KEPT_BYTES || this.kept.size <= KEPT_LEAST) break;
      this.drop(old);
    }
    return value;
  }
  retire(parts) { // maps of states that have passed will not be asked for again; pictures stay
    const now = Object.values(parts).filter((part) => part?.address).map((part) => part.address);
    for (const [address, entry] of this.kept) if (entry.value !== undefined && !address.includes("/picture/") && !now.some((start) => address.startsWith(start))) this.drop(address);
  }
  drop(address) {
    this.bytes -= this.kept.get(address)?.bytes ?? 0;
    this.kept.delete(address);
  }
}
