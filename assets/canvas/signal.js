/* Signals are drawn here from their values, so that the line stays one pixel sharp at every zoom: stacked lanes, one per channel, over the
 * prediction; bands of the prediction below and of the painted examples above; a strip of the whole recording when only a part is seen. */

const BLOCK = 64; // samples whose lowest and highest value are kept, for drawing from afar

Surface.prototype.setSignal = function (values, header) { // values: uint16, (channels, length), each channel scaled to its own range
  const { channels } = header.signal, blocks = Math.ceil(this.width / BLOCK), low = new Uint16Array(channels * blocks), high = new Uint16Array(channels * blocks);
  for (let k = 0; k < channels; k++) for (let b = 0; b < blocks; b++) {
    let least = 65535, most = 0;
    for (let i = b * BLOCK, end = Math.min(this.width, i + BLOCK); i < end; i++) { const v = values[k * this.width + i]; if (v < least) least = v; if (v > most) most = v; }
    low[k * blocks + b] = least; high[k * blocks + b] = most;
  }
  this.lanes = { values, blocks, low, high, ...header.signal };
};

Surface.prototype.layout = function () { // device pixels: bands and axes around the lanes
  const r = this.ratio, strip = this.scaleX * this.width > 1.02 * this.canvas.width ? 16 * r : 0;
  return { r, band: 12 * r, axis: 20 * r, strip, bottom: this.canvas.height - 20 * r - strip };
};

Surface.prototype.laneAt = function (y) { // share of the height -> the channel drawn there
  const { band, bottom } = this.layout(), at = Math.floor((y * this.canvas.height - band) / (bottom - 2 * band) * this.shown.length);
  return this.shown[clamp(at, 0, this.shown.length - 1)];
};

Surface.prototype.drawSignal = function (scene, layer, painted) {
  const { band, axis, strip, bottom, r } = this.layout(), W = this.canvas.width;
  const first = Math.max(0, Math.floor(-this.view.x / this.scaleX)), last = Math.min(this.width - 1, Math.ceil((W - this.view.x) / this.scaleX));
  if (layer) this.drawRuns(layer.pixels, 0, bottom, 0.45 * scene.opacity);
  if (layer) this.drawRuns(layer.pixels, bottom - band, band, 1);
  if (painted) this.drawRuns(painted.pixels, 0, band, 1);
  this.drawTimes(scene, first, last, bottom, axis);
  if (strip) this.drawStrip(scene, layer, painted, bottom + axis, strip, r);
  if (!this.lanes) return;
  this.shown = scene.channel === null || scene.channel >= this.lanes.channels ? Array.from({ length: this.lanes.channels }, (_, k) => k) : [scene.channel];
  const lane = (bottom - 2 * band) / this.shown.length;
  this.shown.forEach((k, i) => this.drawLane(scene, k, band + i * lane, lane, first, last));
};

Surface.prototype.drawLane = function (scene, k, top, lane, first, last) {
  const c = this.context, r = this.ratio, W = this.canvas.width, { values, blocks, low, high, names } = this.lanes, offset = k * this.width;
  const height = (v) => top + lane * (0.5 - 0.88 * scene.gain * (v / 65535 - 0.5));
  c.save();
  c.beginPath();
  c.rect(0, top, W, lane);
  c.clip();
  c.strokeStyle = scene.ink;
  c.lineJoin = "round";
  c.globalAlpha = 0.12;
  c.fillStyle = scene.ink;
  if (this.shown.length > 1) c.fillRect(0, top, W, r);
  c.globalAlpha = 1;
  c.beginPath();
  if (this.scaleX >= 0.5) {
    c.lineWidth = 1.4 * r;
    for (let i = first; i <= last; i++) c.lineTo((i + 0.5) * this.scaleX + this.view.x, height(values[offset + i]));
  } else { // several samples share a column: draw from the lowest to the highest of them
    c.lineWidth = r;
    const coarse = 1 / this.scaleX > 4 * BLOCK, size = coarse ? BLOCK : 1, from = coarse ? k * blocks : offset, end = coarse ? blocks : this.width;
    for (let x = Math.max(0, Math.floor(this.view.x)); x < W; x++) {
      const a = Math.max(0, Math.floor((x - this.view.x) / this.scaleX / size)), b = Math.min(end, Math.ceil((x + 1 - this.view.x) / this.scaleX / size));
      if (a >= b) break;
      let least = 65535, most = 0;
      for (let i = from + a; i < from + b; i++) {
        const l = coarse ? low[i] : values[i], h = coarse ? high[i] : values[i];
        if (l < least) least = l;
        if (h > most) most = h;
      }
      c.lineTo(x, height(most)); c.lineTo(x, height(least));
    }
  }
  c.stroke();
  if (this.scaleX > 6 * r) { // so near that single samples can be told apart
    c.fillStyle = scene.ink;
    for (let i = first; i <= last; i++) { c.beginPath(); c.arc((i + 0.5) * this.scaleX + this.view.x, height(values[offset + i]), 2.2 * r, 0, 7); c.fill(); }
  }
  if (this.lanes.channels > 1 && lane > 13 * r) {
    c.font = `600 ${11 * r}px system-ui`;
    c.textAlign = "left"; c.textBaseline = "top";
    const wide = c.measureText(names[k]).width;
    c.fillStyle = scene.paper; c.globalAlpha = 0.8;
    c.fillRect(3 * r, top + 2 * r, wide + 8 * r, 14 * r);
    c.fillStyle = scene.ink; c.globalAlpha = 1;
    c.fillText(names[k], 7 * r, top + 4 * r);
  }
  c.restore();
};

Surface.prototype.drawRuns = function (pixels, top, tall, alpha, scale = this.scaleX, start0 = this.view.x) { // one rectangle per run of equal colour
  const c = this.context, W = this.canvas.width;
  c.globalAlpha = alpha;
  let start = 0, color = 0;
  for (let x = 0; x <= W; x++) {
    const i = Math.floor((x + 0.5 - start0) / scale), next = x < W && i >= 0 && i < this.width ? pixels[i] : 0;
    if (x < W && next === color) continue;
    if (color >>> 24) { c.fillStyle = css([color & 255, (color >> 8) & 255, (color >> 16) & 255], (color >>> 24) / 255); c.fillRect(start, top, x - start, tall); }
    start = x; color = next;
  }
  c.globalAlpha = 1;
};

Surface.prototype.drawStrip = function (scene, layer, painted, top, tall, r) { // all of the recording; the part that is seen is framed
  const c = this.context, W = this.canvas.width, scale = W / this.width, x = -this.view.x / this.scaleX * scale, wide = Math.max(W / this.scaleX * scale, 3 * r);
  c.globalAlpha = 0.08; c.fillStyle = scene.ink; c.fillRect(0, top, W, tall); c.globalAlpha = 1;
  if (layer) this.drawRuns(layer.pixels, top + 5 * r, tall - 8 * r, 0.7, scale, 0);
  if (painted) this.drawRuns(painted.pixels, top + 1 * r, 3 * r, 1, scale, 0);
  c.strokeStyle = scene.ink; c.lineWidth = 1.6 * r;
  c.strokeRect(x, top + r, wide, tall - 2 * r);
};

Surface.prototype.drawTimes = function (scene, first, last, top, tall) {
  const c = this.context, r = this.ratio, { step, unit } = this.clock(), wanted = (110 * r) / this.scaleX * step;
  const power = 10 ** Math.floor(Math.log10(wanted)), tick = power * [1, 2, 5, 10].find((m) => m * power >= wanted);
  c.fillStyle = c.strokeStyle = scene.ink;
  c.globalAlpha = 0.65;
  c.font = `${11 * r}px system-ui`;
  c.textAlign = "center";
  c.textBaseline = "middle";
  for (let t = Math.ceil(first * step / tick) * tick; t <= last * step; t += tick) {
    const x = (t / step + 0.5) * this.scaleX + this.view.x;
    c.fillRect(x, top, r, 4 * r);
    c.fillText(`${+t.toPrecision(7)} ${unit}`, clamp(x, 24 * r, this.canvas.width - 24 * r), top + 0.6 * tall);
  }
  c.globalAlpha = 1;
};

Surface.prototype.clock = function () { // the step of a sample and the unit to say times in: seconds become milliseconds when seen from near
  const step = this.lanes?.step || 1, unit = this.lanes?.unit || "";
  return unit === "s" && this.canvas.width / this.scaleX * step < 2 ? { step: 1000 * step, unit: "ms" } : { step, unit };
};
