/* Toolbar, palette, layer switch, slice and history bars, status line, shortcuts. All text goes in through textContent. */

const TOOL_KEYS = { i: "inspect", b: "brush", e: "eraser", l: "lasso", p: "polygon", o: "point", n: "interval", w: "display" };
const SINCE = /; [\d,]+ (new|gone) since/; // belongs to now
const LAYERS = {
  prediction: ["Prediction", "What the memory predicts"], conflict: ["Conflict", "Where the nearest examples disagree"],
  novelty: ["Novelty", "Where no example is near"], change: ["Change", "What the last correction changed"],
  reach: ["Reach", "What the chosen examples decide"], none: ["None", "The bare picture"],
};
const LOCK = '<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M5 9h10v7H5ZM7 9V6.500a3 3 0 0 1 6 0V9"/></svg>';
const SHORTCUTS = [
  ["I B E L P O", "inspect, brush, eraser, lasso, polygon, point"], ["N", "interval (signals)"], ["W", "window and level, channels"],
  ["1 – 9", "pick a class"], ["[  ]", "brush size"], ["D", "balls or discs (volumes)"], ["G", "label next: where a label helps most"], ["Z   Shift Z", "undo, redo (also with Ctrl)"],
  ["Right click", "why this pixel, with any tool; drag moves the crosshair"], ["Wheel", "zoom; in volumes: slices, with Shift five at a time"], ["Shift wheel", "along a signal"],
  ["Ctrl wheel   + −", "zoom around the pointer"], ["PgUp PgDn", "slice of the view under the pointer; pages of a signal"], ["M", "one slice large, alone, all alike"],
  ["C", "crosshair on, off"], [",  .", "time point before, after"], ["Space drag", "pan, also in the middle of a stroke"],
  ["Middle drag", "pan; two fingers pan and zoom"], ["F   Alt 1", "fit, 100 %"], ["X", "next layer"], ["S", "painted examples on, off"],
  ["Arrows", "move the mark; with Shift ten pixels"], ["Enter", "why at the mark; closes a polygon"], ["T", "one dab at the mark"], ["Backspace", "last corner back"], ["Esc", "drop the drawing"],
];

const element = (tag, text = "", properties = {}) => Object.assign(document.createElement(tag), { textContent: text }, properties);

class Chrome {
  constructor(root, studio, signal) {
    Object.assign(this, { root, studio });
    const on = (node, name, act) => node.addEventListener(name, act, { signal });
    for (const part of root.querySelectorAll(".bar, .foot, .float, .past")) on(part, "click", (e) => this.click(e));
    for (const group of root.querySelectorAll("[role=radiogroup]")) on(group, "keydown", (e) => this.rove(e, group));
    on(this.input("size"), "input", () => studio.set({ size: Math.round(128 ** (this.input("size").value / 100)) }));
    on(this.input("opacity"), "input", () => studio.set({ opacity: this.input("opacity").value / 100 }));
    on(this.input("value"), "input", () => studio.set({ value: this.input("value").valueAsNumber }));
    on(this.input("frame"), "input", () => studio.frame(Number(this.input("frame").value)));
    on(this.input("version"), "input", () => this.pickVersion(Number(this.input("version").value)));
    on(document, "keydown", (e) => this.key(e));
    on(document, "keyup", (e) => { if (e.key === " ") studio.hold(false); });
    on(window, "blur", () => studio.hold(false));
    const sheet = root.querySelector(".sheet");
    for (const [keys, text] of SHORTCUTS) sheet.append(element("kbd", keys), element("span", text));
  }
  input(name) { return this.root.querySelector(`[data-input=${name}]`); }
  out(name) { return this.root.querySelector(`[data-out=${name}]`); }
  act(name) { return this.root.querySelector(`[data-do=${name}]`); }

  click(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const { tool, layer, label } = button.dataset;
    if (tool) this.studio.set({ tool });
    if (layer) this.studio.set({ layer });
    if (label) this.studio.set({ label: Number(label) });
    if (button.dataset.do) this.studio.run(button.dataset.do);
    if (event.detail > 0 && button.dataset.do !== "help") this.studio.surface.canvas.focus({ preventScroll: true }); // space must pan, not press again
  }
  rove(event, group) { // arrow keys move inside a radio group, as in any form
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const buttons = [...group.querySelectorAll("button:not([hidden])")], at = buttons.indexOf(event.target);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = buttons[(at + step + buttons.length) % buttons.length];
    next.focus();
    next.click();
  }
  key(event) {
    const from = event.composedPath()[0];
    if (from.matches?.("input:not([type=range]), textarea, select, [contenteditable]") || !this.root.isConnected) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, command = event.ctrlKey || event.metaKey;
    if (this.handle(key, event, command, from)) { event.preventDefault(); event.stopImmediatePropagation(); } // Streamlit has keys of its own
  }
  handle(key, event, command, from) {
    const { studio } = this;
    if (key === "z" || (command && key === "y")) { studio.run(event.shiftKey || key === "y" ? "redo" : "undo"); return true; }
    if (command || (event.altKey && event.code !== "Digit1")) return false;
    if (event.altKey) { studio.run("actual"); return true; }
    if (key === " ") { if (from.closest?.("button, a, summary")) return false; studio.hold(true); return true; }
    if (key in TOOL_KEYS && studio.tools.includes(TOOL_KEYS[key])) { studio.set({ tool: TOOL_KEYS[key] }); return true; }
    if (/^[1-9]$/.test(key) && studio.offered[key - 1] !== undefined) { studio.set({ label: studio.offered[key - 1] }); return true; }
    if (key === "[" || key === "]") { studio.set({ size: nextSize(studio.state.size, key === "]" ? 1 : -1) }); return true; }
    if (key === "x") { const all = studio.layers; studio.set({ layer: all[(all.indexOf(studio.layer) + 1) % all.length] }); return true; }
    if (from.classList?.contains("view") && this.byKeys(key, event.shiftKey ? 10 : 1)) return true;
    if (key === "Backspace") { studio.hand.back(); return true; }
    if (key === "Escape") { this.help(false); studio.hand.cancel(); return true; }
    const verbs = { f: "fit", "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", s: "strokes", "?": "help", PageUp: "sliceUp", PageDown: "sliceDown",
      g: "next", d: "ball", m: "layout", c: "cross", ",": "earlier", ".": "later" };
    if (key in verbs) { studio.run(verbs[key]); return true; }
    return false;
  }
  byKeys(key, far) { // without a pointer: a mark that moves, asks and paints
    const { studio } = this, step = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] }[key];
    if (!studio.header) return false;
    if (step) studio.nudge(...step);
    else if (key === "Enter" && studio.hand.path) studio.hand.close();
    else if (key === "Enter" && studio.marks.length) studio.inspect(studio.pane, studio.pane.point(studio.marks[0].at));
    else if (key === "t") studio.dab();
    else return false;
    return true;
  }
  help(open) {
    const sheet = this.root.querySelector(".sheet");
    sheet.hidden = open === undefined ? !sheet.hidden : !open;
    this.act("help").setAttribute("aria-expanded", String(!sheet.hidden));
  }
  pickVersion(position) {
    const list = this.studio.header.versions.list;
    this.out("version").textContent = this.out("version").title = list[position].text;
    this.studio.look({ version: position === list.length - 1 ? null : list[position].id });
  }

  check(selector, name, chosen) {
    for (const button of this.root.querySelectorAll(selector)) {
      const on = button.dataset[name] === String(chosen);
      button.setAttribute("aria-checked", String(on));
      button.tabIndex = on ? 0 : -1;
      if (!button.ariaLabel) button.ariaLabel = (button.textContent.trim() || button.dataset[name]);
    }
  }
  show() { // everything that depends on the person's choices
    const { state, header, surface, tools } = this.studio;
    for (const button of this.root.querySelectorAll("[data-tool]")) button.hidden = !tools.includes(button.dataset.tool);
    this.check("[data-tool]", "tool", state.tool);
    this.check("[data-layer]", "layer", this.studio.layer);
    this.check("[data-label]", "label", state.label);
    this.act("strokes").setAttribute("aria-pressed", String(state.strokes));
    this.input("size").value = 100 * Math.log(state.size) / Math.log(128);
    this.out("size").textContent = `${state.size} px`;
    this.input("opacity").value = 100 * state.opacity;
    this.root.querySelector(".size").style.visibility = /brush|eraser|point/.test(state.tool) ? "" : "hidden";
    this.act("ball").hidden = this.act("layout").hidden = this.act("solid").hidden = !header?.volume;
    this.act("ball").setAttribute("aria-pressed", String(state.ball));
    this.act("ball").style.visibility = this.root.querySelector(".size").style.visibility;
    this.studio.display.show();
    this.zoomed();
    this.act("next").disabled = this.studio.locked;
    this.act("undo").disabled = !header?.undo || Boolean(header?.past);
    this.act("redo").disabled = !header?.redo || Boolean(header?.past);
    if (surface.view) this.studio.hand.look();
  }
  zoomed() {
    const { surface } = this.studio;
    if (!surface.view) return;
    const { step, unit } = surface.signal ? surface.clock() : {}; // of a signal: how much time is seen
    this.out("zoom").textContent = surface.signal ? `${+Math.min(surface.width * step, surface.canvas.width / surface.scaleX * step).toPrecision(3)} ${unit}`
      : `${Math.round(100 * surface.view.s / surface.ratio)}%`;
  }
  fill() { // everything that the server says
    const { header } = this.studio, { task } = header;
    const box = this.root.querySelector(".classes"), values = task.kind === "regression";
    box.replaceChildren(...this.studio.offered.map((label, i) => this.swatch(task, label, i)));
    this.root.querySelector(".layers .group").replaceChildren(...this.studio.layers.map((layer) => {
      const [name, title] = LAYERS[layer] || [layer, layer], button = element("button", name, { type: "button", title, className: "wide" });
      button.dataset.layer = layer;
      button.setAttribute("role", "radio");
      return button;
    }));
    this.root.querySelector(".value").hidden = !values;
    box.hidden = values;
    if (values) this.legend(task);
    this.frames();
    this.history();
    this.status();
    const past = this.root.querySelector(".past");
    past.hidden = !header.past;
    this.out("past").textContent = header.past || "";
  }
  swatch(task, label, i) { // the button of a class: its number, name, whether it is locked or hidden
    const [r, g, b] = task.colors[label], locked = task.locked.includes(label), unseen = task.hidden.includes(label), name = task.classes[label];
    const says = [name, i < 9 && `key ${i + 1}`, locked && "locked: its examples are not painted over", unseen && "hidden: not drawn"].filter(Boolean).join("; ");
    const button = element("button", "", { type: "button", title: says, className: unseen ? "unseen" : "" }), dot = element("b", i < 9 ? String(i + 1) : "");
    dot.style.background = css([r, g, b]);
    dot.style.color = 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#000" : "#fff";
    button.style.setProperty("--swatch", css([r, g, b]));
    button.dataset.label = label;
    button.setAttribute("role", "radio");
    button.append(dot, element("span", name));
    if (locked) button.insertAdjacentHTML("beforeend", LOCK); // our own text
    return button;
  }
  legend({ unit, range, palette }) {
    this.out("unit").textContent = unit || "";
    for (const [name, value] of [["low", range[0]], ["high", range[1]]]) this.out(name).textContent = String(+value.toPrecision(4));
    const steps = Array.from({ length: 9 }, (_, i) => css(palette[Math.round((254 * i) / 8)]));
    this.root.querySelector(".legend i").style.background = `linear-gradient(to right, ${steps.join(",")})`;
  }
  frames() {
    const { frames, sample } = this.studio.header, slider = this.input("frame"), at = frames.indexOf(sample);
    this.root.querySelector(".time").hidden = frames.length < 2;
    slider.max = frames.length - 1;
    if (!this.studio.looking) slider.value = at; // never pull the handle out of a moving hand
    this.out("frame").textContent = `${at + 1} / ${frames.length}`;
  }
  history() {
    const { versions } = this.studio.header, slider = this.input("version");
    slider.max = Math.max(0, versions.list.length - 1);
    slider.disabled = versions.list.length < 2;
    if (this.studio.looking) return;
    slider.value = versions.position;
    this.out("version").textContent = this.out("version").title = versions.list[versions.position]?.text || "empty memory";
  }
  status() {
    const { header } = this.studio, box = this.root.querySelector(".status");
    box.replaceChildren(...header.status.map(({ text, strong, code }) => {
      const span = element("span");
      if (strong) span.append(element("b", strong), " ");
      if (code) span.append(element("code", code), " ");
      span.append(header.past ? text.replace(SINCE, "") : text);
      return span;
    }));
    if (header.past) box.append(element("span", "under today's metric", { title: "The examples are those of then, the metric is the present one" }));
    const refit = header.past ? null : header.refit; // the past is read only
    if (refit) box.append(element("button", refit, { type: "button", className: "text", title: "Fit the metric to all examples" }));
    if (refit) box.lastChild.dataset.do = "refit";
    for (const note of header.notes) box.append(element("span", note, { className: "note", title: note }));
    if (header.said?.id !== this.heard) header.said?.text ? this.say(header.said.text) : this.hush();
    this.heard = header.said?.id;
  }
  say(text) { // what the server has to tell once; it goes away by itself, or with the next action
    const out = this.out("said");
    out.textContent = text;
    out.hidden = false;
    clearTimeout(this.sayTimer);
    this.sayTimer = setTimeout(() => this.hush(), 7000);
  }
  hush() { this.out("said").hidden = true; }
}

function nextSize(size, sign) { return clamp(size + sign * Math.max(1, Math.round(size * 0.12)), 1, 128); }
