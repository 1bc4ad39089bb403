/* The working surface of PARMESAN Studio, on Streamlit's components v2 (no iframe, no build step; the other files are put in front of this
 * one by pages/components/canvas.py, because the module may import nothing). A picture or signal has one pane, a volume three linked ones.
 *
 * Python -> browser: one packet (codec.js). A blob that the browser said it has is left out; if it is missing after all, we ask again.
 *   Pictures, and the maps of volumes, are addresses in the header (fetch.js): looking around needs no rerun.
 * Browser -> Python: state "log" {client, have, layer, ops}: every operation that Python has not acknowledged yet, oldest first. Streamlit
 *   merges rerun requests and drops all but the newest value, so single events get lost; a cumulative log cannot. And state "view".
 * The default function is called again on every change of data with the same parentElement; what must live is kept in STUDIOS. */

const STUDIOS = new WeakMap();
const DEFAULTS = { tool: "brush", label: 0, size: 9, opacity: 0.45, layer: "prediction", strokes: true, value: 0, ball: false, cross: true, layout: "grid" };
const KEPT = "parmesan-canvas", KEPT_VIEWS = "parmesan-views";

class Studio extends Stage {
  constructor(root) {
    super();
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
    this.planes = new Planes();
    this.display = new Display(root, this, this.abort.signal);
    this.sizes = [1, 1];
    this.at = null; // crosshair of a volume
    this.arrange(false);
    this.chrome = new Chrome(root, this, this.abort.signal);
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(root.querySelector(".stage"));
    addEventListener("pagehide", () => this.keepViews(), { signal: this.abort.signal }); // a reload does not unmount
    this.chrome.show();
  }
  destroy() {
    this.keepViews();
    this.abort.abort();
    this.watch.disconnect();
    cancelAnimationFrame(this.frameId);
    for (const timer of [this.pulseTimer, this.lookTimer, this.tellTimer]) clearTimeout(timer);
  }
  recall(name, otherwise) {
    try { return JSON.parse(localStorage.getItem(name)) || otherwise; } catch { return otherwise; }
  }
  keep(name, value) {
    try { localStorage.setItem(name, JSON.stringify(value)); } catch { /* private mode: choices then last as long as the page */ }
  }

  // ---- what the panes need
  get locked() { return !this.header || Boolean(this.header.past) || (this.header.task.kind === "segmentation" && !this.header.task.classes.length); }
  get offered() { const task = this.header?.task; return task?.classes.length ? task.order : []; } // class ids in the order of the palette
  get layers() { return [...(this.header?.layers || []), "none"]; }
  get layer() { return this.layers.includes(this.state.layer) ? this.state.layer : "prediction"; } // one that has gone falls back
  color(kind = this.state.tool) {
    if (kind === "eraser") return [128, 128, 128];
    const { task } = this.header;
    if (task.kind === "regression") return task.palette[Math.round(254 * clamp((this.state.value - task.range[0]) / (task.range[1] - task.range[0]), 0, 1))];
    return task.colors[this.state.label] || [255, 255, 255];
  }
  redraw(pane = null) {
    this.dirty = pane && (!this.frameId || this.dirty) ? (this.dirty || new Set()).add(pane) : null; // null: all of them
    if (this.frameId) return;
    this.frameId = requestAnimationFrame(() => { this.frameId = 0; this.draw(); });
  }
  finish(pane, kind, points) {
    const { state, header } = this, values = header.task.kind === "regression";
    const stroke = { kind, points, radius: state.size / 2, ...(pane.axis === null ? {} : { axis: pane.axis, index: pane.shown }) };
    if (pane.ball && /brush|eraser|point/.test(kind)) stroke.ball = true;
    if (kind !== "eraser") stroke[values ? "value" : "label"] = values ? state.value : state.label;
    this.send({ kind: "stroke", stroke }, { ...stroke, color: this.color(kind), sample: header.sample });
  }
  aim(pane, point) {
    const at = pane.place(point);
    this.marks = [{ at, main: true, color: [255, 255, 255] }];
    this.aiming = true;
    this.move(at);
    this.redraw();
  }
  inspect(pane, point) {
    this.aim(pane, point);
    this.aiming = false;
    const { at } = this.marks[0], [x, y] = pane.point(at);
    this.send({ kind: "inspect", at: [x, y], ...(pane.axis === null ? {} : { axis: pane.axis, index: at[pane.axis] }) });
  }
  moment(surface, i, y) { // time, and the value of the channel under the pointer
    const { lanes } = surface, { step, unit } = surface.clock();
    if (!lanes) return "";
    const k = surface.laneAt(y), [low, high] = lanes.ranges[k], value = low + (high - low) * lanes.values[k * surface.width + i] / 65535;
    return `${+(i * step).toPrecision(7)} ${unit}  ·  ${lanes.channels > 1 ? lanes.names[k] : ""} ${value.toPrecision(4)}`;
  }
  named(code) { // what a code of the prediction means
    const { task } = this.header;
    if (code === 255) return "unknown";
    return task.kind === "regression" ? `${(task.range[0] + (task.range[1] - task.range[0]) * code / 254).toPrecision(4)} ${task.unit}` : task.classes[code] || "";
  }
  hover(pane, point) {
    this.pointed = point && { pane, point };
    const { surface, where } = pane, { header } = this;
    where.hidden = !point || !header || !surface.inside(point);
    if (where.hidden) return;
    const code = surface.maps.prediction?.codes[surface.index(point)];
    const says = code === undefined ? "" : this.named(code);
    const at = pane.place(point), place = surface.signal ? this.moment(surface, at[0], point[1]) : at.map((value, i) => `${"xyz"[at.length - 1 - i]} ${value}`).reverse().join("  ");
    where.value = says ? `${place}  ·  ${says}` : place;
  }

  // ---- what the toolbar needs
  set(change) {
    Object.assign(this.state, change);
    if ("tool" in change) for (const pane of this.panes) pane.hand.cancel();
    if ("label" in change && /inspect|eraser|display/.test(this.state.tool)) this.state.tool = this.surface.signal ? "interval" : "brush"; // a class was picked to paint it
    this.keep(KEPT, this.state);
    if ("layer" in change && this.header && this.state.layer !== "none" && !this.header.maps[this.state.layer]) this.post();
    this.chrome.show();
    this.redraw();
  }
  run(verb) {
    const { surface } = this, zoom = { zoomIn: 1.4, zoomOut: 1 / 1.4, actual: surface.view && surface.ratio / surface.view.s }[verb];
    if (zoom) surface.zoom(zoom);
    else if (verb === "fit") for (const pane of this.panes) pane.surface.fit();
    else if (verb === "help") this.chrome.help();
    else if (verb === "strokes") this.set({ strokes: !this.state.strokes });
    else if (verb === "sliceUp" || verb === "sliceDown") this.pane.scroll((verb === "sliceUp" ? 1 : -1) * (surface.signal ? -5 : 1));
    else if (verb === "ball" || verb === "cross") this.set({ [verb]: !this.state[verb] });
    else if (verb === "layout") { if (this.at) this.layOut(LAYOUTS[(LAYOUTS.indexOf(this.state.layout) + 1) % LAYOUTS.length]); }
    else if (verb === "earlier" || verb === "later") this.frame(this.header.frames.indexOf(this.header.sample) + (verb === "later" ? 1 : -1));
    else if (verb === "now") this.look({ version: null });
    else if (verb === "restore") this.send({ kind: "restore", version: this.header.versions.list[this.header.versions.position].id });
    else if (/undo|redo|next/.test(verb) && this.locked) return;
    else if (verb === "undo" && this.hand.path && !this.hand.drawing) this.hand.back();
    else if (["undo", "redo", "refit", "next", "solid"].includes(verb)) this.send({ kind: verb });
    this.redraw();
  }
  frame(number) {
    const wanted = this.header.frames[number];
    if (wanted && wanted !== this.header.sample) this.look({ frame: wanted });
  }
  look(change) { // which time point, which version: only the newest counts, so this is plain state
    this.wanted = { ...this.wanted, ...change };
    clearTimeout(this.lookTimer);
    this.chrome.hush();
    this.looking = true;
    this.lookTimer = setTimeout(() => { this.tell(); this.pulse(); }, 40);
  }
  tell() {
    const { header } = this, now = header.versions.list[header.versions.position];
    this.viewed = (this.viewed || 0) + 1;
    this.args.setStateValue("view", { client: this.client, n: this.viewed, sample: header.sample, at: this.at, version: header.past ? now.id : null, ...this.wanted });
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
    const missing = Object.entries(parts).filter(([name, part]) => part && !part.address && part.offset === undefined && this.have[name] !== part.id);
    if (missing.length) { this.have = {}; this.post(); return; }
    const fresh = {}, at = this.crosshair(header);
    await Promise.all(Object.entries(parts).map(async ([name, part]) => { if (part && part.offset !== undefined) fresh[name] = await inflate(blob(part)); }));
    if (this.loading !== token) return; // a newer packet came; it holds all that this one held
    if ((this.panes.length > 1) === Boolean(at) && header.dims > 1) // what this packet points to, so that picture and maps change together
      await Promise.all(this.panes.filter((pane) => !pane.box.hidden).flatMap((pane) => Object.values(pane.addresses(header, at))).map((address) => this.planes.get(address).catch(() => {}))); // one that fails is asked for again by its pane
    while (this.hand.drawing && this.loading === token) await new Promise((done) => setTimeout(done, 15)); // nothing changes under a moving pen
    if (this.loading === token) { this.commit(header, fresh); this.planes.retire(header.maps); }
  }
  crosshair(header) { // the hand holds it, unless another sample is shown or somebody leads elsewhere
    if (!header.volume) return null;
    const same = this.header?.sample === header.sample && this.header.volume?.led === header.volume.led;
    return same ? this.at : header.volume.at;
  }
  commit(header, fresh) {
    const moved = this.header?.sample !== header.sample || this.header?.project !== header.project, at = this.crosshair(header);
    const led = this.header?.volume?.led !== header.volume?.led;
    if (moved) this.keepViews();
    this.at = at;
    this.header = header;
    this.rev = header.rev;
    this.sizes = header.volume?.sizes || (header.dims === 1 ? [header.width] : [header.height, header.width]);
    this.colors = JSON.stringify(header.task);
    this.arrange(Boolean(header.volume));
    for (const pane of this.panes) this.fill(pane, header, fresh, moved);
    this.have = Object.fromEntries(Object.entries({ image: header.image, ...header.maps }).filter(([, part]) => part && !part.address).map(([name, part]) => [name, part.id]));
    if (header.client === this.client) this.acknowledge(header.acked);
    if (!header.viewed || header.viewed.client !== this.client || header.viewed.n >= (this.viewed || 0)) { this.looking = false; this.wanted = {}; }
    if (moved || led) this.aiming = false;
    if (!this.aiming) this.marks = header.marks; // a mark that is still being moved is the hand's
    if (moved) this.pointed = null;
    for (const pane of this.panes) this.hover(pane, this.pointed?.pane === pane ? this.pointed.point : null); // the class under a pointer that stays still
    this.settle();
    this.chrome.fill();
    this.chrome.show();
    this.pulse();
    this.redraw();
    this.report();
    if (header.asked && header.asked !== this.asked) this.set({ layer: "reach" }); // somebody asked what examples decide
    this.asked = header.asked;
  }
  fill(pane, header, fresh, moved) { // a pane takes up what came: kept maps are drawn anew only when their colours changed
    const { surface } = pane, left = moved && this.views.get(pane.viewKey(header));
    pane.fit(header);
    surface.resize();
    if (left && !left.fitted) Object.assign(surface, left);
    else if (moved) surface.fit();
    pane.slide();
    if (header.image?.address) { surface.lanes = null; if (moved) { surface.picture = null; pane.mapped = {}; if (pane.axis !== null) surface.maps = {}; } }
    if (fresh.image) surface.setSignal(new Uint16Array(fresh.image.buffer), header);
    if (pane.axis === null) {
      for (const name of Object.keys(surface.maps)) if (!header.maps[name]) delete surface.maps[name];
      for (const name of Object.keys(header.maps)) {
        const codes = fresh[name] || (pane.colors !== this.colors && surface.maps[name]?.codes);
        if (codes) surface.map(name, codes, this.table(name));
      }
      pane.colors = this.colors;
    }
    pane.refresh();
  }
  table(name) {
    if (name === "conflict") return lookup([[234, 88, 12]], "doubt");
    if (name === "novelty") return lookup([[126, 34, 206]], "doubt");
    if (name === "change") return lookup([[219, 39, 119]], "doubt");
    if (name === "reach") return lookup([[8, 145, 178]], "doubt");
    if (name === "painted" && this.header.task.kind === "regression") return lookup([[255, 255, 255]], "codes"); // where, not which value
    if (this.header.task.kind === "regression") return lookup(this.header.task.palette, "codes");
    const table = lookup(this.header.task.colors, "codes");
    for (const label of this.header.task.hidden) table[label] = 0;
    return table;
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
    this.tools = signal ? ["inspect", "interval", "brush", "eraser", "point", "display"] : ["inspect", "brush", "eraser", "lasso", "polygon", "point", "display"];
    if (!this.tools.includes(this.state.tool)) this.state.tool = signal ? "interval" : "brush";
    else if (signal !== this.wasSignal && this.state.tool === "brush" && signal) this.state.tool = "interval";
    this.wasSignal = signal;
    if (!this.offered.includes(this.state.label)) this.state.label = this.offered[0] ?? 0;
    const empty = this.chrome.out("empty"), message = this.header.message || "";
    Object.assign(empty, { textContent: message, hidden: !message });
  }
  report() { // what tests, and people with developer tools, read
    const { dataset } = this.root, { header, surface } = this;
    Object.assign(dataset, { rev: header.rev, version: header.version, sample: header.sample, project: header.project, past: header.past ? "yes" : "no", dims: header.dims, engine: header.engine_ms ?? "",
      bytes: this.args.data.length, at: this.at ? this.at.join(" ") : "", shown: this.panes.map((pane) => pane.shown ?? "").join(" ") });
    for (const name of ["prediction", "painted"]) dataset[name] = surface.maps[name] ? fingerprint(surface.maps[name].codes) : "";
    dataset.picture = surface.picture ? "yes" : "";
  }
  draw() {
    const { state, header } = this, panes = this.dirty || this.panes;
    this.dirty = null;
    if (!header) return;
    const { color: ink, backgroundColor: paper } = getComputedStyle(this.root), ground = getComputedStyle(this.root.querySelector(".stage")).backgroundColor;
    this.root.style.colorScheme = light(paper) ? "light" : "dark"; // sliders and fields of the browser follow the theme
    for (const pane of panes) if (!pane.box.hidden) pane.draw({ ground, ink, paper, layer: this.layer, opacity: state.opacity, strokes: state.strokes, ...this.display.lanes() });
    this.chrome.zoomed();
    this.tag();
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
