/* The samples of a project as a strip: picture, name, what was done to it, class shares, doubt; a click shows one.
 * Python -> browser: plain JSON. Browser -> Python: state "picks" {client, ops}: all operations not yet acknowledged (events get lost, a log does not).
 * Text from people goes in through textContent only. */

const STRIPS = new WeakMap();
const percent = (share) => (share >= 0.0995 || share === 0 ? `${Math.round(100 * share)}%` : `${(100 * share).toFixed(1)}%`);

function element(tag, text = "", properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), { textContent: text }, properties);
  node.append(...children);
  return node;
}

class Strip {
  constructor(root) {
    this.root = root;
    this.film = root.querySelector(".film");
    this.client = Array.from(crypto.getRandomValues(new Uint8Array(10)), (n) => (n % 36).toString(36)).join("");
    this.seq = 0;
    this.ops = [];
    for (const turn of root.querySelectorAll(".turn")) turn.onclick = () => this.act({ kind: "page", page: this.data.page + Number(turn.dataset.turn) });
    root.querySelector(".verify").onclick = () => this.act({ kind: "verify", sample: this.chosen(), on: !this.checked() });
    root.querySelector(".order").onclick = () => this.act({ kind: "order", on: !this.data.sorted });
    root.querySelector(".pause").onclick = () => this.act({ kind: "pause", on: !this.data.paused });
    this.film.onkeydown = (event) => this.key(event);
  }
  chosen() { // what was clicked last counts at once, also before the server has heard of it
    return this.ops.findLast((op) => op.kind === "pick")?.sample ?? this.data.chosen;
  }
  checked() {
    const clicked = this.ops.findLast((op) => op.kind === "verify" && op.sample === this.chosen());
    const mark = this.data.marks[this.chosen()] || "";
    return clicked ? (clicked.on ? mark || "you" : "") : mark;
  }
  act(op) {
    this.seq += 1;
    this.ops.push({ seq: this.seq, id: `${this.client}-${this.seq}`, project: this.data.project, ...op });
    this.args.setStateValue("picks", { client: this.client, ops: this.ops });
    this.draw();
  }
  key(event) {
    const cards = [...this.film.children], at = cards.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: cards.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    cards[Math.max(0, Math.min(cards.length - 1, to))].focus();
  }
  show(args) {
    this.args = args;
    const said = JSON.stringify(args.data);
    if (said === this.said) return; // nothing is new: the cards stay as they are
    this.said = said;
    const data = (this.data = args.data);
    if (data.client === this.client) { this.ops = this.ops.filter((op) => op.seq > data.acked); this.root.dataset.acked = data.acked; }
    this.draw();
  }
  draw() {
    const data = this.data, checked = this.checked();
    this.root.classList.toggle("waiting", this.ops.length > 0);
    const find = (selector) => this.root.querySelector(selector);
    find(".count").textContent = data.total === 1 ? "1 sample" : `${data.total} samples`;
    find(".tally").textContent = data.tally;
    find(".work").textContent = data.work;
    const pause = find(".pause");
    pause.hidden = !data.busy;
    pause.textContent = data.paused ? "Go on" : "Pause";
    pause.title = data.paused ? "Prepare the samples in the background" : "Stop preparing samples in the background";
    const order = find(".order");
    order.hidden = data.total < 3;
    order.setAttribute("aria-pressed", String(data.sorted));
    const verify = find(".verify");
    verify.textContent = checked ? "Take the mark away" : "Mark as checked";
    verify.title = checked ? `Checked by ${checked}` : "Say that you have looked at this prediction and found it good";
    find(".pages").hidden = data.pages < 2;
    find("output").textContent = `${data.page + 1} / ${data.pages}`;
    find(".turn[data-turn='-1']").disabled = data.page === 0;
    find(".turn[data-turn='1']").disabled = data.page + 1 >= data.pages;
    this.cards(data);
  }
  cards(data) {
    const focused = this.film.contains(this.root.getRootNode().activeElement) ? this.root.getRootNode().activeElement.dataset.sample : null;
    const left = this.film.scrollLeft;
    this.film.replaceChildren(...data.samples.map((one) => this.card(one)));
    this.film.scrollLeft = left;
    if (focused) this.film.querySelector(`[data-sample="${focused}"]`)?.focus({ preventScroll: true });
    const chosen = this.film.querySelector("[aria-selected=true]");
    const place = `${data.project} ${data.page} ${this.chosen()}`; // scrolls there once, then leaves the strip where the hand put it
    if (place !== this.place && chosen) chosen.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.place = place;
    (chosen || this.film.firstElementChild)?.setAttribute("tabindex", "0");
  }
  card(one) {
    const chosen = one.id === this.chosen();
    const shot = element("span", "", { className: "shot" });
    if (one.picture) shot.append(element("img", "", { src: one.picture, alt: "", draggable: false }));
    if (one.verified) shot.append(element("span", "✓", { className: one.verified.now ? "tick" : "tick older" }));
    const bar = element("span", "", { className: one.fresh ? "bar" : "bar old" });
    for (const part of one.shares) {
      const piece = element("i", "", { className: part.color ? "" : "unknown" });
      piece.style.width = `${100 * part.share}%`;
      if (part.color) piece.style.setProperty("--swatch", part.color);
      bar.append(piece);
    }
    const card = element("button", "", { type: "button", className: "card" }, shot,
      element("span", one.name, { className: "name clip" }),
      element("span", "", { className: "line" }, element("span", "", { className: "clip" }, element("span", "", { className: "dot" }), one.state_text),
        element("span", one.doubt === null ? "" : `doubt ${percent(one.doubt)}`)), bar);
    card.dataset.sample = one.id;
    card.dataset.state = one.state;
    card.setAttribute("role", "option");
    card.setAttribute("aria-selected", String(chosen));
    card.tabIndex = -1;
    card.title = [one.name, one.note, ...one.shares.map((part) => `${part.name} ${percent(part.share)}`), one.fresh || one.doubt === null ? "" : "from an earlier version"]
      .filter(Boolean).join("\n");
    card.setAttribute("aria-label", card.title.replaceAll("\n", ", "));
    card.onclick = () => { if (one.id !== this.chosen()) this.act({ kind: "pick", sample: one.id }); };
    return card;
  }
}

export default function (args) {
  const key = args.parentElement;
  let strip = STRIPS.get(key);
  if (!strip) { strip = new Strip(key.querySelector(".strip")); STRIPS.set(key, strip); }
  strip.show(args);
  return () => STRIPS.delete(key);
}
