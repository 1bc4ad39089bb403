/* How intensities become light: which channel, and the values shown black and white; for signals which lanes, and how tall. Kept per
 * project in this browser; the server draws the pictures, so a change is a new address and no more. */

const KEPT_LOOKS = "parmesan-looks";

class Display {
  constructor(root, studio, signal) {
    Object.assign(this, { root, studio, looks: studio.recall(KEPT_LOOKS, {}) });
    this.panel = root.querySelector(".display");
    const on = (name, act) => root.querySelector(`[data-input=${name}]`).addEventListener("change", act, { signal });
    on("gain", (e) => this.set({ gain: clamp(e.target.valueAsNumber || 1, 0.1, 100) }));
    on("window", (e) => { const [low, high] = this.window(); this.spread((low + high) / 2, e.target.valueAsNumber); });
    on("level", (e) => { const [low, high] = this.window(); this.spread(e.target.valueAsNumber, high - low); });
    root.querySelector("[data-do=auto]").addEventListener("click", () => this.set({ window: null, gain: 1 }), { signal });
    this.panel.addEventListener("click", (e) => { const { channel } = e.target.closest("button")?.dataset || {}; if (channel) this.set({ channel, window: null }); }, { signal });
  }
  get facts() { const { header } = this.studio; return header?.signal || header?.image; }
  get signal() { return Boolean(this.studio.header?.signal); }
  lanes() { // of a signal: the one channel shown (null: all), and the gain
    const { channel, gain } = this.looks[this.studio.header.project] || {};
    return { channel: this.signal && channel > -1 ? Number(channel) : null, gain: gain || 1 };
  }
  chosen(header = this.studio.header) { // a channel that this sample lacks falls back to all of them
    const kept = this.looks[header.project] || {};
    if (header.signal) return { channel: "all", ...kept };
    return kept.channel in (header.image?.auto || {}) ? kept : { channel: "all", window: kept.channel && kept.channel !== "all" ? null : kept.window };
  }
  look(header = this.studio.header) {
    const { channel, window } = this.chosen(header);
    return window ? `${channel}_${window[0]}_${window[1]}` : `${channel}_auto`;
  }
  window() { const { channel, window } = this.chosen(); return window || this.facts.auto[channel]; }
  set(change) {
    this.looks[this.studio.header.project] = { ...this.chosen(), ...change };
    this.studio.keep(KEPT_LOOKS, this.looks);
    for (const pane of this.studio.panes) pane.refresh();
    this.studio.redraw();
    this.show();
  }
  spread(level, width) {
    if (!Number.isFinite(level) || !Number.isFinite(width)) { this.show(); return; }
    width = Math.max(width, this.facts.whole ? 1 : 1e-9);
    this.set({ window: [level - width / 2, level + width / 2].map((value) => +value.toPrecision(6)) });
  }
  drag(dx, dy) { // shares of the picture: across widens the window, upwards darkens
    if (this.signal) { this.set({ gain: clamp(this.lanes().gain * Math.exp(-4 * dy), 0.1, 100) }); return; }
    const [low, high] = this.window(), width = high - low;
    this.spread((low + high) / 2 + dy * width * 1.5, width * Math.exp(dx * 3));
  }
  show() {
    const { facts, studio } = this;
    this.panel.hidden = studio.state.tool !== "display" || !(this.signal || facts?.auto);
    if (this.panel.hidden) return;
    this.panel.classList.toggle("traces", this.signal);
    const { channel, window } = this.chosen(), { gain } = this.lanes(), short = (value) => +value.toPrecision(4);
    this.chips(facts, this.signal ? ["all", ...facts.names.keys()].map(String) : Object.keys(facts.auto).sort((a, b) => (a === "all" ? -1 : b === "all" ? 1 : a - b)), channel);
    this.root.querySelector("[data-input=gain]").value = short(gain);
    this.root.querySelector("[data-do=auto]").setAttribute("aria-pressed", String(this.signal ? gain === 1 : !window));
    if (this.signal) return;
    const [low, high] = this.window();
    this.root.querySelector("[data-input=window]").value = short(high - low);
    this.root.querySelector("[data-input=level]").value = short((low + high) / 2);
  }
  chips(facts, names, chosen) {
    const chips = this.panel.querySelector(".channels"), all = this.signal ? "All" : facts.channels === 3 ? "Colour" : facts.channels > 3 ? "First 3" : "Both";
    chips.hidden = facts.channels < 2;
    chips.replaceChildren(...names.map((name) => {
      const button = element("button", name === "all" ? all : facts.names[name], { type: "button" });
      button.dataset.channel = name;
      button.setAttribute("aria-pressed", String(name === chosen));
      return button;
    }));
  }
}
