/* The stage: one pane, or three linked by the crosshair; how they share the room, and which is under the pointer and gets the keys. */

const LAYOUTS = ["grid", "large", "alone"];

class Stage {
  get surface() { return this.pane.surface; }
  get hand() { return this.pane.hand; }
  arrange(volume) {
    if (this.panes && (this.panes.length > 1) === volume) return;
    this.panes = (volume ? [0, 1, 2] : [null]).map((axis) => new Pane(this, axis, this.abort.signal));
    this.pane = this.panes[0];
    this.card = element("dl", "", { className: "card" });
    this.root.querySelector(".panes").replaceChildren(...this.panes.map((pane) => pane.box), ...(volume ? [this.card] : []));
    this.lay();
  }
  lay() { // how the panes share the stage
    const box = this.root.querySelector(".panes"), { layout } = this.state;
    box.dataset.layout = this.panes.length > 1 ? layout : "single";
    for (const pane of this.panes) {
      pane.box.classList.toggle("main", this.panes.length > 1 && layout !== "grid" && pane === this.pane);
      pane.box.hidden = layout === "alone" && this.panes.length > 1 && pane !== this.pane;
    }
    this.resize();
  }
  tag() { // the fourth quarter of a volume: what is at the crosshair, and how to get around
    if (!this.at || this.state.layout !== "grid") return;
    const { spacing, unit } = this.header.volume, { at } = this, map = this.pane.surface.maps.prediction;
    const code = this.pane.holds(at) ? map?.codes[this.pane.surface.index(this.pane.point(at))] : undefined;
    const rows = [["Voxel", `x ${at[2]}  y ${at[1]}  z ${at[0]}`]];
    if (spacing.length) rows.push(["Place", `${[2, 1, 0].map((i) => +(at[i] * spacing[i]).toPrecision(4)).join("  ")} ${unit}`]);
    if (code !== undefined) rows.push(["Predicted", this.named(code)]);
    rows.push(["Wheel", "slices; with Ctrl it zooms"], ["Right drag", "moves the crosshair and asks why"], ["Double arrow", "one slice large"]);
    const text = JSON.stringify(rows);
    if (this.tagged === text) return;
    this.tagged = text;
    this.card.replaceChildren(...rows.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  }
  resize() {
    for (const pane of this.panes) if (pane.surface.resize()) this.redraw(pane);
  }
  enter(pane) {
    if (this.pane === pane) return;
    this.pane = pane;
    for (const one of this.panes) one.box.classList.toggle("active", one === pane);
    if (this.header) this.chrome.zoomed();
  }
  enlarge(pane) {
    const again = pane === this.pane && pane.box.classList.contains("main");
    this.enter(pane);
    this.layOut(again ? "grid" : "large");
  }
  layOut(layout) {
    this.set({ layout });
    this.lay();
    for (const pane of this.panes) pane.refresh();
  }
  unaim() { // the hand broke off: the marks are the server's again
    this.aiming = false;
    this.marks = this.header.marks;
    this.redraw();
  }
  nudge(dx, dy) { // the mark, and with it the crosshair, under the arrow keys
    const { pane } = this, mark = this.marks.find((one) => pane.holds(one.at)), centre = [pane.surface.width >> 1, pane.surface.height >> 1];
    const [x, y] = mark ? pane.point(mark.at) : this.at ? pane.point(this.at) : centre;
    this.aim(pane, [x + dx + 0.5, y + dy + 0.5]);
  }
  dab() { // one touch of brush or eraser at the mark, for hands that use no pointer
    const { pane, state } = this, mark = this.marks.find((one) => pane.holds(one.at));
    if (!mark || this.locked) return;
    this.finish(pane, state.tool === "eraser" ? "eraser" : "point", [pane.point(mark.at).map((value) => value + 0.5)]);
  }
  hold(space) { for (const pane of this.panes) pane.hand.hold(space); }
  go(axis, index) { const at = this.at.slice(); at[axis] = index; this.move(at); }
  move(at) { // the crosshair: every pane shows its slice through it
    if (!this.at) return;
    const before = this.at;
    this.at = at.map((value, i) => clamp(value, 0, this.sizes[i] - 1));
    for (const pane of this.panes) {
      const way = Math.sign(this.at[pane.axis] - before[pane.axis]);
      if (!way) continue;
      pane.direction = way;
      pane.slide();
      pane.refresh();
    }
    this.redraw();
    clearTimeout(this.tellTimer); // Python learns it when the hand rests: for the next visit, not for the picture
    this.tellTimer = setTimeout(() => this.tell(), 700);
  }
  keepViews() {
    if (!this.header) return;
    for (const { surface, viewKey } of this.panes.map((pane) => ({ surface: pane.surface, viewKey: pane.viewKey(this.header) })))
      if (surface.view) { this.views.delete(viewKey); this.views.set(viewKey, { view: surface.view, fitted: surface.fitted }); }
    this.keep(KEPT_VIEWS, [...this.views].slice(-60));
  }
}
