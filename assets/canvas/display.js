/* How intensities become light: which channel, and the values shown black and white. Kept per project in this browser; the server
 * draws the pictures, so a change is a new address and no more. */

const KEPT_LOOKS = "parmesan-looks";

class Display {
  constructor(root, studio, signal) {
    Object.assign(this, { root, studio, looks: studio.recall(KEPT_LOOKS, {}) });
    this.panel = root.querySelector(".display");
    const on = (name, act) => root.querySelector(`[data-input=${name}]`).addEventListener("change", act, { signal });
    on("window", (e) => { const [low, high] = this.window(); this.spread((low + high) / 2, e.target.valueAsNumber); });
    on("level", (e) => { const [low, high] = this.window(); this.spread(e.target.valueAsNumber, high - low); });
    root.querySelector("[data-do=auto]").addEventListener("click", () => this.set({ window: null }), { signal });
    this.panel.addEventListener("click", (e) => { const { channel } = e.target.closest("button")?.dataset || {}; if (channel) this.set({ channel, window: null }); }, { signal });
  }
  get facts() { return this.studio.header?.image; }
  chosen(header = this.studio.header) { // a channel that this sample lacks falls back to all of them
    const kept = this.looks[header.project] || {};
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
    this.show();
  }
  spread(level, width) {
    if (!Number.isFinite(level) || !Number.isFinite(width)) { this.show(); return; }
    width = Math.max(width, this.facts.whole ? 1 : 1e-9);
    this.set({ window: [level - width / 2, level + width / 2].map((value) => +value.toPrecision(6)) });
  }
  drag(dx, dy) { // shares of the picture: across widens the window, upwards darkens
    const [low, high] = this.window(), width = high - low;
    this.spread((low + high) / 2 + dy * width * 1.5, width * Math.exp(dx * 3));
  }
  show() {
    const { facts, studio } = this;
    this.panel.hidden = studio.state.tool !== "display" || !facts?.auto;
    if (this.panel.hidden) return;
    const [low, high] = this.window(), { channel, window } = this.chosen(), chips = this.panel.querySelector(".channels");
    chips.hidden = facts.channels < 2;
    const names = Object.keys(facts.auto).sort((a, b) => (a === "all" ? -1 : b === "all" ? 1 : a - b));
    chips.replaceChildren(...names.map((name) => {
      const button = element("button", name === "all" ? (facts.channels === 3 ? "Colour" : facts.channels > 3 ? "First 3" : "Both") : facts.names[name], { type: "button" });
      button.dataset.channel = name;
      button.setAttribute("aria-pressed", String(name === channel));
      return button;
    }));
    const short = (value) => +value.toPrecision(5);
    this.root.querySelector("[data-input=window]").value = short(high - low);
    this.root.querySelector("[data-input=level]").value = short((low + high) / 2);
    this.root.querySelector("[data-do=auto]").setAttribute("aria-pressed", String(!window));
  }
}
