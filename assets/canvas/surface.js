/* What is seen: picture or signal, the layer over it, painted examples, strokes on their way, marks; zoom and pan.
 * Picture coordinates are pixels (pixel i covers [i, i + 1)); device coordinates are canvas pixels. A signal is a picture of height 1
 * that always fills the stage vertically and is zoomed along x only. */

class Surface {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.view = null; // {s, x, y}: device = picture * s * aspect + (x, y)
    this.maps = {};
    this.shown = [0]; // channels of a signal
    this.width = this.height = 0;
  }
  get signal() { return this.dims === 1; }
  get ratio() { return this.canvas.width / (this.canvas.getBoundingClientRect().width || 1) || 1; }
  get scaleX() { return this.view.s * this.aspect[0]; }
  get scaleY() { return this.signal ? this.canvas.height : this.view.s * this.aspect[1]; }
  shape(dims, width, height, aspect) {
    const same = this.dims === dims && this.width === width && this.height === height;
    Object.assign(this, { dims, width, height, aspect });
    if (!same) { this.maps = {}; this.fit(); }
  }
  resize() {
    const box = this.canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(box.width * ratio)), height = Math.max(1, Math.round(box.height * ratio));
    if (!box.width || !box.height) return false; // hidden: it keeps what it had
    if (this.canvas.width === width && this.canvas.height === height) return false;
    const fitted = this.view && this.fitted;
    const centre = this.view && [this.canvas.width / 2 - this.view.x, this.canvas.height / 2 - this.view.y];
    Object.assign(this.canvas, { width, height });
    if (fitted || !this.view) this.fit();
    else { this.view.x = width / 2 - centre[0]; this.view.y = height / 2 - centre[1]; }
    return true;
  }
  fit() {
    if (!this.width) return;
    const { width: W, height: H } = this.canvas, margin = this.signal ? 1 : 0.97;
    const s = margin * Math.min(W / (this.width * this.aspect[0]), this.signal ? Infinity : H / (this.height * this.aspect[1]));
    this.view = { s, x: (W - this.width * this.aspect[0] * s) / 2, y: this.signal ? 0 : (H - this.height * this.aspect[1] * s) / 2 };
    this.fitted = true;
  }
  zoom(factor, x = this.canvas.width / 2, y = this.canvas.height / 2) {
    if (!this.view) return;
    const s = clamp(this.view.s * factor, 0.02, 64 * this.ratio), k = s / this.view.s;
    this.view = { s, x: x - (x - this.view.x) * k, y: this.signal ? 0 : y - (y - this.view.y) * k };
    this.fitted = false;
  }
  pan(dx, dy) {
    const keep = 40 * this.ratio; // some of the picture always stays in sight
    this.view.x = clamp(this.view.x + dx, keep - this.width * this.scaleX, this.canvas.width - keep);
    if (!this.signal) this.view.y = clamp(this.view.y + dy, keep - this.height * this.scaleY, this.canvas.height - keep);
    this.fitted = false;
  }
  at(event) { // pointer event -> [x, y] of the picture
    const box = this.canvas.getBoundingClientRect(), r = this.ratio;
    return [((event.clientX - box.left) * r - this.view.x) / this.scaleX, ((event.clientY - box.top) * r - this.view.y) / this.scaleY];
  }
  inside([x, y]) { return x >= 0 && y >= 0 && x < this.width && y < this.height; }
  index(point) { return Math.floor(point[1]) * this.width + Math.floor(point[0]); }

  map(name, codes, table) { // codes: one uint8 per pixel
    const pixels = new Uint32Array(codes.length);
    for (let i = 0; i < codes.length; i++) pixels[i] = table[codes[i]];
    const kept = { codes, pixels };
    if (!this.signal) {
      if (name === "painted") kept.outline = this.outline(codes);
      kept.image = new OffscreenCanvas(this.width, this.height);
      kept.image.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), this.width, this.height), 0, 0);
    }
    this.maps[name] = kept;
  }
  outline(codes) { // the rim of painted areas as lines between pixels, straight runs joined
    const { width: w, height: h } = this, path = new Path2D();
    const at = (x, y) => (x < 0 || y < 0 || x >= w || y >= h ? 255 : codes[y * w + x]);
    const run = (length, differs, line) => {
      for (let i = 0, start = -1; i <= length; i++) {
        const edge = i < length && differs(i);
        if (edge && start < 0) start = i;
        if (!edge && start >= 0) { line(start, i); start = -1; }
      }
    };
    for (let y = 0; y <= h; y++) run(w, (x) => at(x, y) !== at(x, y - 1), (a, b) => { path.moveTo(a, y); path.lineTo(b, y); });
    for (let x = 0; x <= w; x++) run(h, (y) => at(x, y) !== at(x - 1, y), (a, b) => { path.moveTo(x, a); path.lineTo(x, b); });
    return path;
  }

  draw(scene) {
    if (!this.view || !this.width) return;
    const c = this.context, { width: W, height: H } = this.canvas, { ratio } = this;
    this.canvas.dataset.view = [this.view.x, this.view.y, this.scaleX, this.scaleY].map((n) => n / ratio).join(" "); // where things are: for tests
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.globalAlpha = 1;
    c.fillStyle = scene.ground;
    c.fillRect(0, 0, W, H);
    const layer = this.maps[scene.layer], painted = scene.strokes ? this.maps.painted : null;
    if (this.signal) this.drawSignal(scene, layer, painted);
    else {
      c.setTransform(this.scaleX, 0, 0, this.scaleY, this.view.x, this.view.y);
      c.imageSmoothingEnabled = this.scaleX < 1;
      if (this.picture) c.drawImage(this.picture, 0, 0, this.width, this.height);
      c.imageSmoothingEnabled = false;
      c.globalAlpha = scene.layer === "prediction" ? scene.opacity : Math.min(1, 2 * scene.opacity); // doubt is transparent where it is low
      if (layer) c.drawImage(layer.image, 0, 0);
      c.globalAlpha = 1;
      if (painted) this.drawPainted(painted);
    }
    for (const stroke of scene.flying) this.drawStroke(stroke, 0.85);
    if (scene.path) this.drawStroke(scene.path, 0.7, true);
    c.setTransform(1, 0, 0, 1, 0, 0);
    if (scene.cross) this.drawCross(scene.cross);
    for (const mark of scene.marks) this.drawMark(mark);
    if (scene.cursor) this.drawCursor(scene.cursor);
  }
  drawPainted(painted) {
    const c = this.context, thin = 1.2 * this.ratio;
    c.globalAlpha = 0.8;
    c.drawImage(painted.image, 0, 0);
    c.globalAlpha = this.scaleX > 0.7 ? 0.75 : 0; // far away a rim would be all that is left of a stroke
    const rim = new Path2D(); // transformed first, so that the line is as thin at every zoom
    rim.addPath(painted.outline, new DOMMatrix([this.scaleX, 0, 0, this.scaleY, this.view.x, this.view.y]));
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.lineWidth = thin; c.lineCap = "square"; c.strokeStyle = "#000";
    c.stroke(rim);
    c.globalAlpha = 1;
  }
  trace(points) {
    const c = this.context;
    c.beginPath();
    points.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
  }
  drawStroke(stroke, alpha, open = false) {
    const c = this.context, color = stroke.color, round = Boolean(stroke.ball); // a ball is round on the screen, a disc of pixels may not be
    const p = round ? stroke.points.map(([x, y]) => [x * this.aspect[0], y * this.aspect[1]]) : stroke.points;
    c.setTransform(round ? this.view.s : this.scaleX, 0, 0, round ? this.view.s : this.scaleY, this.view.x, this.view.y);
    c.fillStyle = c.strokeStyle = css(color, alpha);
    if (this.signal) {
      const xs = p.map((q) => q[0]), wide = stroke.kind === "interval" || stroke.kind === "lasso" || stroke.kind === "polygon" ? 0 : stroke.radius;
      c.fillStyle = css(color, alpha * 0.6);
      c.fillRect(Math.min(...xs) - wide, 0, Math.max(...xs) - Math.min(...xs) + 2 * wide + 0.5, 1);
      return;
    }
    c.lineJoin = c.lineCap = "round";
    if (stroke.kind === "brush" || stroke.kind === "eraser" || stroke.kind === "point") {
      this.trace(p.length > 1 ? p : [p[0], p[0]]);
      c.lineWidth = Math.max(2 * stroke.radius, 1);
      c.stroke();
      return;
    }
    this.trace(stroke.tip ? [...p, stroke.tip] : p);
    if (!open) c.closePath();
    c.fillStyle = css(color, alpha * (open ? 0.35 : 0.8));
    if (p.length > 2) c.fill("nonzero");
    c.setTransform(1, 0, 0, 1, 0, 0); // outline of constant width: black under the colour, readable on anything
    for (const [width, style] of [[3.5, "rgb(0 0 0 / .55)"], [1.8, css(color)]]) {
      c.lineWidth = width * this.ratio; c.strokeStyle = style; c.stroke();
    }
    if (stroke.kind === "polygon" && open) for (const [x, y] of p) {
      c.beginPath(); c.arc(x * this.scaleX + this.view.x, y * this.scaleY + this.view.y, 3.5 * this.ratio, 0, 7);
      c.fillStyle = "#fff"; c.fill(); c.lineWidth = 1.5 * this.ratio; c.strokeStyle = css(color); c.stroke();
    }
  }
  drawMark({ at: [px, py], color, main }) {
    const c = this.context, r = this.ratio, x = (px + 0.5) * this.scaleX + this.view.x;
    const y = this.signal ? this.canvas.height * 0.5 : (py + 0.5) * this.scaleY + this.view.y;
    if (this.signal) {
      for (const [width, style] of [[4, "rgb(255 255 255 / .85)"], [1.6, "#b42318"]]) {
        c.beginPath(); c.moveTo(x, 0); c.lineTo(x, this.canvas.height); c.lineWidth = width * r; c.strokeStyle = style; c.stroke();
      }
      return;
    }
    const size = (main ? 9 : 6) * r;
    for (const [width, style] of [[4, "rgb(0 0 0 / .65)"], [2, main ? "#fff" : css(color)]]) {
      c.beginPath(); c.arc(x, y, size, 0, 7);
      if (main) for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) { c.moveTo(x + dx * size, y + dy * size); c.lineTo(x + dx * size * 1.7, y + dy * size * 1.7); }
      c.lineWidth = width * r; c.strokeStyle = style; c.stroke();
    }
  }
  drawCross({ at: [px, py], colors }) { // where the other two slices cut this one; open in the middle, to leave the place itself free
    const c = this.context, r = this.ratio, x = (px + 0.5) * this.scaleX + this.view.x, y = (py + 0.5) * this.scaleY + this.view.y, gap = 14 * r;
    const lines = [[colors[0], [[0, y, x - gap, y], [x + gap, y, this.canvas.width, y]]], [colors[1], [[x, 0, x, y - gap], [x, y + gap, x, this.canvas.height]]]];
    for (const [width, dark] of [[2.5, true], [1.2, false]]) for (const [color, parts] of lines) {
      c.beginPath();
      for (const [x0, y0, x1, y1] of parts) { c.moveTo(x0, y0); c.lineTo(x1, y1); }
      c.lineWidth = width * r; c.strokeStyle = dark ? "rgb(0 0 0 / .3)" : css(color, 0.9); c.stroke();
    }
  }
  drawCursor({ at: [px, py], radii: [rx, ry], color }) {
    const c = this.context, r = this.ratio, x = px * this.scaleX + this.view.x, y = py * this.scaleY + this.view.y;
    for (const [width, style] of [[3, "rgb(0 0 0 / .5)"], [1.5, color ? css(color) : "#fff"]]) {
      c.lineWidth = width * r; c.strokeStyle = style; c.beginPath();
      if (this.signal) { for (const side of [-1, 1]) { c.moveTo(x + side * rx * this.scaleX, 0); c.lineTo(x + side * rx * this.scaleX, this.canvas.height); } }
      else { c.ellipse(x, y, Math.max(rx * this.scaleX, 1.5 * r), Math.max(ry * this.scaleY, 1.5 * r), 0, 0, 7); }
      c.stroke();
    }
  }
}
