/* Signals are drawn here from their values, so that the line stays one pixel sharp at every zoom. */

Surface.prototype.setSignal = function (values, header) { // values: uint16, (channels, length), each channel scaled to its own range
  this.lanes = { values, ...header.signal };
};

Surface.prototype.drawSignal = function (scene, layer, painted) {
  const c = this.context, { width: W, height: H } = this.canvas, r = this.ratio, axis = 20 * r, band = 14 * r;
  const first = Math.max(0, Math.floor(-this.view.x / this.scaleX)), last = Math.min(this.width - 1, Math.ceil((W - this.view.x) / this.scaleX));
  if (layer) this.drawRuns(layer.pixels, 0, H - axis, 0.55 * scene.opacity);
  if (layer) this.drawRuns(layer.pixels, H - axis - band, band, 1);
  if (painted) this.drawRuns(painted.pixels, 0, band, 1);
  this.drawTimes(scene, first, last, H - axis, axis);
  if (!this.lanes) return;
  const { values, channels } = this.lanes, lane = (H - axis - 2 * band) / channels;
  c.strokeStyle = scene.ink;
  c.lineWidth = 1.3 * r;
  c.lineJoin = "round";
  for (let k = 0; k < channels; k++) {
    const top = band + k * lane + 0.06 * lane, tall = 0.88 * lane, offset = k * this.width;
    const height = (v) => top + tall * (1 - v / 65535);
    c.beginPath();
    if (this.scaleX >= 0.5) {
      for (let i = first; i <= last; i++) c.lineTo((i + 0.5) * this.scaleX + this.view.x, height(values[offset + i]));
    } else { // several samples share a column: draw from the lowest to the highest of them
      for (let x = Math.max(0, Math.floor(this.view.x)); x < W; x++) {
        const a = Math.max(0, Math.floor((x - this.view.x) / this.scaleX)), b = Math.min(this.width, Math.ceil((x + 1 - this.view.x) / this.scaleX));
        if (a >= b) break;
        let low = 65535, high = 0;
        for (let i = a; i < b; i++) { const v = values[offset + i]; if (v < low) low = v; if (v > high) high = v; }
        c.lineTo(x, height(high)); c.lineTo(x, height(low));
      }
    }
    c.stroke();
  }
};

Surface.prototype.drawRuns = function (pixels, top, tall, alpha) { // one rectangle per run of equal colour on the screen
  const c = this.context, W = this.canvas.width;
  c.globalAlpha = alpha;
  let start = 0, color = 0;
  for (let x = 0; x <= W; x++) {
    const i = Math.floor((x + 0.5 - this.view.x) / this.scaleX), next = x < W && i >= 0 && i < this.width ? pixels[i] : 0;
    if (x < W && next === color) continue;
    if (color >>> 24) { c.fillStyle = css([color & 255, (color >> 8) & 255, (color >> 16) & 255], (color >>> 24) / 255); c.fillRect(start, top, x - start, tall); }
    start = x; color = next;
  }
  c.globalAlpha = 1;
};

Surface.prototype.drawTimes = function (scene, first, last, top, tall) {
  const c = this.context, r = this.ratio, step = this.lanes?.step || 1, unit = this.lanes?.unit || "";
  const wanted = (110 * r) / this.scaleX * step, power = 10 ** Math.floor(Math.log10(wanted)), tick = power * [1, 2, 5, 10].find((m) => m * power >= wanted);
  c.fillStyle = c.strokeStyle = scene.ink;
  c.globalAlpha = 0.65;
  c.font = `${11 * r}px system-ui`;
  c.textAlign = "center";
  c.textBaseline = "middle";
  for (let t = Math.ceil(first * step / tick) * tick; t <= last * step; t += tick) {
    const x = (t / step + 0.5) * this.scaleX + this.view.x;
    c.fillRect(x, top, r, 4 * r);
    c.fillText(`${+t.toPrecision(6)} ${unit}`, clamp(x, 24 * r, this.canvas.width - 24 * r), top + 0.6 * tall);
  }
  c.globalAlpha = 1;
};
