/* Why this pixel: the verdict, the examples that decided it, the best ones of the other classes, the doubts, the shares of the picture.
 * Python -> browser: plain JSON. Browser -> Python: state "acts" {client, ops}: all acts not yet acknowledged (events get lost, a log does not).
 * Text from people goes in through textContent only. */

const PANELS = new WeakMap();
const SCOPES = { example: "this example", gesture: "its stroke", source: "its source" };
const percent = (share) => (share >= 0.0995 || share === 0 ? `${Math.round(100 * share)}%` : `${(100 * share).toFixed(1)}%`);

function element(tag, text = "", properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), { textContent: text }, properties);
  node.append(...children);
  return node;
}
function swatch(color) {
  const node = element("span", "", { className: color ? "swatch" : "swatch unknown", ariaHidden: "true" });
  if (color) node.style.setProperty("--swatch", color);
  return node;
}
function meter(name, share, { color, text, swatched = true }) {
  const fill = element("i"), row = element("div", "", { className: "meter" });
  fill.style.width = `${100 * Math.min(1, share)}%`;
  fill.style.setProperty("--swatch", color || "#94a3b8");
  row.append(element("span", "", {}, ...(swatched ? [swatch(color)] : []), element("span", name, { className: "clip", title: name })),
    element("div", "", { className: "track" }, fill), element("output", text || percent(share)));
  return row;
}

class Panel {
  constructor(root) {
    this.root = root;
    this.client = Array.from(crypto.getRandomValues(new Uint8Array(10)), (n) => (n % 36).toString(36)).join("");
    this.seq = 0;
    this.ops = [];
    this.open = null;
  }
  act(op) {
    this.seq += 1;
    this.ops.push({ seq: this.seq, id: `${this.client}-${this.seq}`, project: this.data.project, ...op });
    this.args.setStateValue("acts", { client: this.client, ops: this.ops });
    this.root.classList.add("waiting");
  }
  show(args) {
    this.args = args;
    const data = (this.data = args.data);
    if (data.client === this.client) { this.ops = this.ops.filter((op) => op.seq > data.acked); this.root.dataset.acked = data.acked; }
    this.root.classList.toggle("waiting", this.ops.length > 0);
    this.root.dataset.state = data.state;
    this.root.dataset.at = data.where || "";
    const box = this.root.querySelector(".scroll"), top = box.scrollTop;
    box.replaceChildren(...this.reach(data), ...this.explained(data), ...this.shares(data));
    box.scrollTop = top;
  }
  reach(data) { // what the chosen examples decide in this sample; the layer shows where
    const one = data.reach;
    if (!one) return [];
    const box = element("section", "", { className: "reach", ariaLabel: "What it decides" });
    const close = element("button", "×", { type: "button", className: "more close", title: "Show the prediction again", ariaLabel: "Close what it decides" });
    close.onclick = () => this.act({ kind: "close", entry: one.entry });
    box.append(element("h3", "What it decides", {}, close), element("div", one.title, { className: "source" }),
      meter("decides", one.decided, { swatched: false }), meter("has a say", one.share, { swatched: false }));
    box.children[2].title = `Share of ${one.sample} where these examples hold more than half of the vote`;
    box.children[3].title = `Mean share of the vote that they hold in ${one.sample}`;
    const verbs = element("div", "", { className: "verbs", role: "group", ariaLabel: "Which examples" });
    for (const scope of one.scopes) {
      const button = element("button", SCOPES[scope], { type: "button", ariaPressed: String(scope === one.scope) });
      button.onclick = () => this.act({ kind: "reach", scope, entry: one.entry });
      verbs.append(button);
    }
    const review = element("button", "What would change without it…", { type: "button", title: "Shown for every sample on the Review page, before anything is removed" });
    review.onclick = () => this.act({ kind: "review", scope: one.scope, entry: one.entry });
    box.append(verbs, review);
    return [box];
  }
  explained(data) {
    const parts = [element("h3", "Why this pixel", {}, element("small", data.where || "", { className: "clip", title: data.where || "" }))];
    if (data.state === "empty") {
      const hint = element("div", "", { className: "hint" });
      hint.append(element("b", "Click a pixel"), " with the Inspect tool (I), or right click with any tool: the labelled examples that decide it appear here.");
      return [...parts, hint];
    }
    if (data.state === "failed") return [...parts, element("div", data.message, { className: "hint" })];
    const verdict = element("div", "", { className: "verdict" }, swatch(data.verdict.color), element("span", data.verdict.name, { className: "clip" }), element("span", data.verdict.share));
    parts.push(verdict);
    if (data.abstained) parts.push(element("p", "The memory abstains here: nothing that it knows is near enough to decide."));
    for (const share of data.votes) parts.push(meter(share.name, share.share, share));
    parts.push(element("h3", "Doubt"));
    for (const doubt of data.doubts) {
      parts.push(meter(doubt.name, doubt.share, { color: doubt.color, swatched: false }));
      parts.push(element("p", doubt.text));
    }
    parts.push(element("h3", "Decided by", {}, element("small", data.shown < data.voters ? `${data.shown} of ${data.voters} voters` : data.voters === 1 ? "1 voter" : `${data.voters} voters`)));
    for (const neighbor of data.neighbors) parts.push(this.card(neighbor, data));
    if (data.others) parts.push(element("p", "others", { className: "others" }, element("output", percent(data.others))));
    if (data.opponents.length) parts.push(element("h3", "Best of the other classes"));
    for (const opponent of data.opponents) parts.push(this.card(opponent, data, true));
    return parts;
  }
  card(one, data, opponent = false) {
    const card = element("div", "", { className: "card" });
    const slot = `${opponent ? "opponent" : "voter"}-${one.entry}`; // an example can be both
    card.dataset.slot = slot;
    card.style.setProperty("--swatch", one.color);
    const crop = element("img", "", { alt: `Crop of ${one.sample} around ${one.where}` });
    if (one.picture) crop.src = one.picture;
    const picture = element("button", "", { type: "button", className: "crop", title: "Show in the picture" }, crop);
    picture.onclick = () => this.act({ kind: "goto", entry: one.entry });
    const more = element("button", "Remove", { type: "button", className: "more", title: "Remove this example, its stroke or its source: undo brings it back" });
    const expanded = this.open === slot;
    more.setAttribute("aria-expanded", String(expanded));
    more.onclick = () => { this.open = expanded ? null : slot; this.show(this.args); this.root.querySelector(`[data-slot="${slot}"] .more`)?.focus(); };
    const decides = element("button", "Decides", { type: "button", className: "side", title: "Show all that its stroke decides", disabled: data.locked });
    decides.dataset.verb = "reach";
    decides.onclick = () => this.act({ kind: "reach", scope: one.gesture ? "gesture" : "example", entry: one.entry });
    const bar = element("div", "", { className: "track", title: "Share of the vote" }, element("i"));
    bar.firstChild.style.width = `${100 * (opponent ? one.similarity : one.vote)}%`;
    const source = [one.sample, one.where, one.places > 1 ? `×${one.places} places of this stroke` : "", one.author, one.source].filter(Boolean).join(" · ");
    card.append(picture,
      element("div", "", { className: "line head" }, element("b", one.name, { className: "clip" }), element("output", opponent ? "" : percent(one.vote)), element("span", "", { className: "asks" }, decides, more)),
      element("div", "", { className: "line" }, bar, element("small", `similarity ${one.similarity.toFixed(3)}`)),
      element("div", source, { className: "source", title: `${source} · ${one.time}` }));
    if (expanded) card.append(this.verbs(one, data));
    return card;
  }
  verbs(one, data) {
    const box = element("div", "", { className: "verbs" });
    const add = (text, op) => {
      const button = element("button", text, { type: "button", className: "forget", title: `${text}: undo brings it back`, disabled: data.locked });
      button.dataset.verb = op.scope || op.kind;
      button.onclick = () => { this.open = null; this.act(op); };
      box.append(button);
    };
    add("Remove this example", { kind: "forget", scope: "example", entry: one.entry });
    if (one.gesture) add(`Remove its stroke (${one.strokeSize})`, { kind: "forget", scope: "gesture", entry: one.entry });
    if (one.source) add(`Remove all from ${one.source}`, { kind: "forget", scope: "source", entry: one.entry });
    box.append(element("small", "undo brings it back"));
    return box;
  }
  shares(data) {
    if (!data.fractions.length) return [];
    const head = element("h3", data.fractionsTitle, {}, element("small", data.fractionsNote || ""));
    return [head, ...data.fractions.map((one) => meter(one.name, one.share, one))];
  }
}

export default function (args) {
  const key = args.parentElement;
  let panel = PANELS.get(key);
  if (!panel) { panel = new Panel(key.querySelector(".why")); PANELS.set(key, panel); }
  panel.show(args);
  return () => PANELS.delete(key);
}
