/* The working surface of PARMESAN Studio, on Streamlit's components v2 (no iframe, no build step; codec.js, surface.js, signal.js, hand.js
 * and chrome.js are put in front of this file by pages/components/canvas.py, because the module may import nothing).
 *
 * Python -> browser: one packet (codec.js). A blob that the browser said it has is left out; if it is missing after all, we ask again.
 * Browser -> Python: state "log" {client, have, layer, ops}: every operation that Python has not acknowledged yet, oldest first. Streamlit
 *   merges rerun requests and drops all but the newest value, so single events get lost; a cumulative log cannot. And state "view".
 * The default function is called again on every change of data with the same parentElement; what must live is kept in STUDIOS. */

const STUDIOS = new WeakMap();
const DEFAULTS = { tool: "brush", label: 0, size: 9, opacity: 0.45, layer: "prediction", strokes: true, value: 0 };
const KEPT = "parmesan-canvas", KEPT_VIEWS = "parmesan-views";

class Studio {
  constructor(root) {
    this.root = root;
    this.abort = new AbortController();
    this.client = Array.from(crypto.getRandomValues(new Uint8Array(10)), (n) => (n % 36).toString(36)).join("");
    this.seq = 0;
    this.ops = []; // sent and not acknowledged
    this.have = {};
    this.marks = [];
    this.views = new Map(this.recall(KEPT_VIEWS, [])); // sample -> zoom, so that going back to a sample finds it as it was left
    this.state = { ...DEFAULTS, ...this.recall(KEPT, {}) };
    this.tools = Object.values(TOOL_KEYS);
    this.surface = new Surface(root.querySelector(".view"));
    this.hand = new Hand(this, this.abort.signal);
    this.chrome = new Chrome(root, this, this.abort.signal);
    this.watch = new ResizeObserver(() => { if (this.surface.resize()) this.draw(); });
    this.watch.observe(root.querySelector(".stage"));
    addEventListener("pagehide", () => this.keepView(), { signal: this.abort.signal }); // a reload does not unmount
    this.chrome.show();
  }
  destroy() {
    this.keepView();
    this.abort.abort();
    this.watch.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.pulseTimer);
    this.surface.picture?.close?.();
  }
  recall(name, otherwise) {
    try { return JSON.parse(localStorage.getItem(name)) || otherwise; } catch { return otherwise; }
  }
  keep(name, value) {
    try { localStorage.setItem(name, JSON.stringify(value)); } catch { /* private mode: choices then last as long as the page */ }
  }
  keepView() {
    const { surface, header } = this;
    if (!header || !surface.view) return;
    this.views.set(this.viewKey(header), { view: surface.view, fitted: surface.fitted });
    this.keep(KEPT_VIEWS, [...this.views].slice(-50));
  }

  // ---- what the hand needs
  get tool() { return this.state.tool; }
  get radius() { return this.state.size / 2; }
  get locked() { return !this.header || Boolean(this.header.past) || (this.header.task.kind === "segmentation" && !this.header.task.classes.length); }
  color(kind = this.state.tool) {
    if (kind === "eraser") return [128, 128, 128];
    const { task } = this.header;
    if (task.kind === "regression") return task.palette[Math.round(254 * clamp((this.state.value - task.range[0]) / (task.range[1] - task.range[0]), 0, 1))];
    return task.colors[this.state.label] || [255, 255, 255];
  }
  redraw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }
  finish(kind, points) {
    const stroke = { kind, points, radius: this.radius, ...(this.header.plane ? { axis: this.header.plane.axis, index: this.header.plane.index } : {}) };
    if (kind !== "eraser") stroke[this.header.task.kind === "regression" ? "value" : "label"] = this.header.task.kind === "regression" ? this.state.value : this.state.label;
    this.send({ kind: "stroke", stroke }, { ...stroke, color: this.color(kind), plane: this.place() });
  }
  inspect(point) {
    const at = [Math.floor(point[0]), this.surface.signal ? 0 : Math.floor(point[1])];
    this.marks = [{ at, main: true, color: [255, 255, 255] }];
    this.send({ kind: "inspect", at, ...(this.header.plane ? { axis: this.header.plane.axis, index: this.header.plane.index } : {}) });
    this.redraw();
  }
  hover(point) {
    this.pointed = point;
    const out = this.chrome.out("where"), { surface, header } = this;
    out.hidden = !point || !header || !surface.inside(point);
    if (out.hidden) return;
    const code = surface.maps.prediction?.codes[surface.index(point)], { task } = header;
    let says = "";
    if (code === 255) says = "unknown";
    else if (code !== undefined && task.kind === "regression") says = `${(task.range[0] + (task.range[1] - task.range[0]) * code / 254).toPrecision(4)} ${task.unit}`;
    else if (code !== undefined) says = task.classes[code] || "";
    const x = Math.floor(point[0]), step = surface.lanes?.step;
    const where = surface.signal ? `${+(x * step).toPrecision(6)} ${surface.lanes?.unit || ""}` : `x ${x}  y ${Math.floor(point[1])}`;
    out.value = says ? `${where}  ·  ${says}` : where;
  }
  slice(step) {
    const { plane } = this.header || {};
    if (!plane) return;
    const slider = this.chrome.input("slice");
    slider.value = Number(slider.value) + step;
    this.look({ index: Number(slider.value) });
  }
  place() { const { plane, sample } = this.header; return plane ? `${sample} ${plane.axis} ${plane.index}` : sample; }

  // ---- what the toolbar needs
  set(change) {
    Object.assign(this.state, change);
    if ("tool" in change) this.hand.cancel();
    if ("label" in change && /inspect|eraser/.test(this.state.tool)) this.state.tool = this.surface.signal ? "interval" : "brush"; // a class was picked to paint it
    this.keep(KEPT, this.state);
    if ("layer" in change && this.header && this.state.layer !== "none" && !this.surface.maps[this.state.layer]) this.post();
    this.chrome.show();
    this.redraw();
  }
  run(verb) {
    const { surface } = this, zoom = { zoomIn: 1.4, zoomOut: 1 / 1.4, actual: surface.view && surface.ratio / surface.view.s }[verb];
    if (zoom) surface.zoom(zoom);
    else if (verb === "fit") surface.fit();
    else if (verb === "help") this.chrome.help();
    else if (verb === "strokes") this.set({ strokes: !this.state.strokes });
    else if (verb === "sliceUp" || verb === "sliceDown") this.slice(verb === "sliceUp" ? 1 : -1);
    else if (verb === "now") this.look({ version: null });
    else if (verb === "restore") this.send({ kind: "restore", version: this.header.versions.list[this.header.versions.position].id });
    else if ((verb === "undo" || verb === "redo") && this.locked) return;
    else if (verb === "undo" && this.hand.path && !this.hand.drawing) this.hand.back();
    else if (["undo", "redo", "refit"].includes(verb)) this.send({ kind: verb });
    this.redraw();
  }
  look(change) { // which plane, which version: only the newest counts, so this is plain state
    this.wanted = { ...this.wanted, ...change };
    clearTimeout(this.lookTimer);
    this.chrome.hush();
    this.looking = true;
    this.lookTimer = setTimeout(() => {
      const { plane, past } = this.header, now = this.header.versions.list[this.header.versions.position];
      this.viewed = (this.viewed || 0) + 1;
      this.args.setStateValue("view", { client: this.client, n: this.viewed, sample: this.header.sample, axis: plane?.axis ?? null, index: plane?.index ?? null,
        version: past ? now.id : null, ...this.wanted });
      this.pulse();
    }, 40);
  }

  // ---- talking with Python
  send(op, flying = null) {
    this.chrome.hush();
    this.seq += 1;
    this.ops.push({ message: { seq: this.seq, id: `${this.client}-${this.seq}`, project: this.header.project, sample: this.header.sample, ...op }, flying, sent: performance.now() });
    this.root.dataset.seq = this.seq;
    this.post();
  }
  post() {
    this.args.setStateValue("log", { client: this.client, have: this.have, layer: this.state.layer, ops: this.ops.map((op) => op.message) });
    this.pulse();
    this.redraw();
  }
  pulse() {
    const busy = this.root.querySelector(".busy"), waiting = this.ops.length > 0 || this.looking;
    clearTimeout(this.pulseTimer);
    if (!waiting) { busy.hidden = true; return; }
    const since = this.ops.length ? performance.now() - this.ops[0].sent : 0;
    this.chrome.out("busy").textContent = since > 5000 ? "Still working" : "Predicting";
    this.pulseTimer = setTimeout(() => { busy.hidden = false; this.pulse(); }, since < 150 ? 150 : 1000);
  }
  async load(args) {
    this.args = args;
    const packet = unpack(args.data);
    if (!packet || packet.header.rev === this.rev) return;
    const { header, blob } = packet, token = (this.loading = {});
    const parts = { image: header.image, ...header.maps };
    const missing = Object.entries(parts).filter(([name, part]) => part && part.offset === undefined && this.have[name] !== part.id);
    if (missing.length) { this.have = {}; this.post(); return; }
    const fresh = {};
    await Promise.all(Object.entries(parts).map(async ([name, part]) => {
      if (!part || part.offset === undefined) return;
      fresh[name] = name === "image" && part.mime ? await createImageBitmap(new Blob([blob(part)], { type: part.mime })) : await inflate(blob(part));
    }));
    if (this.loading !== token) { fresh.image?.close?.(); return; } // a newer packet came; it holds all that this one held
    this.commit(header, fresh);
  }
  commit(header, fresh) {
    const { surface } = this, moved = this.header?.sample !== header.sample || this.header?.plane?.axis !== header.plane?.axis;
    if (moved) this.keepView();
    this.header = header;
    this.rev = header.rev;
    surface.shape(header.dims, header.width, header.height, header.aspect);
    const left = moved && this.views.get(this.viewKey(header));
    if (left && !left.fitted) Object.assign(surface, left);
    else if (moved) surface.fit();
    if (fresh.image && header.image.mime) { surface.picture?.close?.(); surface.picture = fresh.image; surface.lanes = null; }
    else if (fresh.image) surface.setSignal(new Uint16Array(fresh.image.buffer), header);
    this.have = {};
    if (header.image) this.have.image = header.image.id;
    for (const name of Object.keys(surface.maps)) if (!header.maps[name]) delete surface.maps[name];
    for (const [name, part] of Object.entries(header.maps)) {
      if (fresh[name]) surface.map(name, fresh[name], this.table(name));
      else if (surface.maps[name] && this.colors !== JSON.stringify(header.task)) surface.map(name, surface.maps[name].codes, this.table(name));
      this.have[name] = part.id;
    }
    this.colors = JSON.stringify(header.task);
    if (header.client === this.client) this.acknowledge(header.acked);
    if (!header.viewed || header.viewed.client !== this.client || header.viewed.n >= (this.viewed || 0)) { this.looking = false; this.wanted = {}; }
    this.marks = header.marks;
    this.hover(moved ? null : this.pointed); // the class under a pointer that stays still
    this.settle();
    this.chrome.fill();
    this.chrome.show();
    this.pulse();
    this.draw();
    this.report();
  }
  viewKey(header) { return `${header.project} ${header.sample} ${header.plane?.axis ?? ""}`; }
  table(name) {
    if (name === "conflict") return lookup([[234, 88, 12]], "doubt");
    if (name === "novelty") return lookup([[126, 34, 206]], "doubt");
    if (name === "painted" && this.header.task.kind === "regression") return lookup([[255, 255, 255]], "codes"); // where, not which value
    return lookup(this.header.task.kind === "regression" ? this.header.task.palette : this.header.task.colors, "codes");
  }
  acknowledge(seq) {
    const done = this.ops.filter((op) => op.message.seq <= seq);
    this.ops = this.ops.filter((op) => op.message.seq > seq);
    const stroke = done.findLast((op) => op.flying);
    if (stroke) this.root.dataset.ms = (performance.now() - stroke.sent).toFixed(1);
    this.root.dataset.acked = Math.max(seq, Number(this.root.dataset.acked));
  }
  settle() { // tools and class that make no sense for this sample are changed to ones that do
    const signal = this.surface.signal;
    this.tools = signal ? ["inspect", "interval", "brush", "eraser", "point"] : ["inspect", "brush", "eraser", "lasso", "polygon", "point"];
    if (!this.tools.includes(this.state.tool)) this.state.tool = signal ? "interval" : "brush";
    else if (signal !== this.wasSignal && this.state.tool === "brush" && signal) this.state.tool = "interval";
    this.wasSignal = signal;
    if (this.state.label >= this.header.task.classes.length) this.state.label = 0;
    const empty = this.chrome.out("empty");
    empty.textContent = this.header.message || "";
    empty.hidden = !this.header.message;
  }
  report() { // what tests, and people with developer tools, read
    const { dataset } = this.root, { header, surface } = this;
    Object.assign(dataset, { rev: header.rev, version: header.version, sample: header.sample, project: header.project, past: header.past ? "yes" : "no", engine: header.engine_ms ?? "", dims: header.dims, bytes: this.args.data.length });
    for (const name of ["prediction", "painted"]) dataset[name] = surface.maps[name] ? fingerprint(surface.maps[name].codes) : "";
  }
  draw() {
    const { state, surface, header } = this;
    if (!header) return;
    const style = getComputedStyle(this.root), stage = getComputedStyle(this.root.querySelector(".stage"));
    const flying = this.ops.filter((op) => op.flying?.plane === this.place()).map((op) => op.flying);
    const draws = /brush|eraser|point/.test(state.tool) && !this.locked && !this.hand.panning && !this.hand.space;
    surface.draw({
      ground: stage.backgroundColor, ink: style.color, layer: state.layer, opacity: state.opacity, strokes: state.strokes, flying, marks: this.marks,
      path: this.hand.path && { kind: state.tool, points: this.hand.path, radius: this.radius, color: this.color(), tip: state.tool === "polygon" && this.hand.cursor },
      cursor: draws && this.hand.cursor && { at: this.hand.cursor, radius: this.radius, color: state.tool === "eraser" ? null : this.color() },
    });
    this.chrome.zoomed();
  }
}

export default function (args) {
  const key = args.parentElement;
  let studio = STUDIOS.get(key);
  if (!studio) {
    studio = new Studio(key.querySelector(".ps"));
    STUDIOS.set(key, studio);
    args.setStateValue("log", { client: studio.client, have: {}, layer: studio.state.layer, ops: [] }); // a new canvas: it has nothing yet
  }
  studio.load(args).catch((error) => { console.error("canvas", error); studio.chrome.out("empty").hidden = false; studio.chrome.out("empty").textContent = String(error); });
  return () => { studio.destroy(); STUDIOS.delete(key); };
}
