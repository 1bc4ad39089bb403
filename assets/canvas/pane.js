/* One view of the sample: all of a picture or signal, or one slice of a volume across `axis`. Holds its surface and its hand, knows which
 * slice is wanted and which is shown (it may still be on its way), and turns points of the plane into places of the sample and back. */

const AXES = ["Z", "Y", "X"], AXIS_COLORS = [[14, 116, 144], [180, 83, 9], [126, 34, 206]], CROSS_COLORS = [[64, 224, 255], [255, 170, 60], [208, 150, 255]];

class Pane {
  constructor(studio, axis, signal) {
    Object.assign(this, { studio, axis, shown: null, mapped: {}, direction: 1 });
    this.box = element("div", "", { className: "pane" });
    this.canvas = element("canvas", "", { className: "view", tabIndex: 0 });
    this.canvas.dataset.testid = "view";
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", `${axis === null ? "Picture" : `Slice across ${AXES[axis].toLowerCase()}`}. Draw with the pointer; press question mark for shortcuts.`);
    this.where = element("output", "", { className: "pill where", hidden: true });
    this.where.dataset.out = "where";
    this.box.append(this.canvas, this.where);
    if (axis !== null) this.box.prepend(this.caption(signal));
    this.surface = new Surface(this.canvas);
    this.hand = new Hand(this, signal);
    const enter = () => studio.enter(this);
    this.canvas.addEventListener("pointerenter", (e) => { if (!e.buttons) enter(); }, { signal });
    this.box.addEventListener("pointerdown", enter, { signal, capture: true });
    this.box.addEventListener("focusin", enter, { signal });
  }
  caption(signal) {
    const bar = element("div", "", { className: "caption" }), name = element("b", AXES[this.axis]);
    bar.style.setProperty("--axis", css(AXIS_COLORS[this.axis]));
    this.slider = element("input", "", { type: "range", min: 0, step: 1, ariaLabel: `Slice across ${AXES[this.axis].toLowerCase()}` });
    this.number = element("output", "", { className: "number" });
    const button = element("button", "", { type: "button", title: "This slice large, or all alike (M)", ariaLabel: `Slice ${AXES[this.axis].toLowerCase()} large` });
    button.innerHTML = '<svg viewBox="0 0 20 20"><path d="M11.500 4H16v4.500M8.500 16H4v-4.500M16 4l-5 5M4 16l5-5"/></svg>'; // our own text
    this.slider.addEventListener("input", () => this.studio.go(this.axis, Number(this.slider.value)), { signal });
    button.addEventListener("click", () => { this.studio.enlarge(this); this.canvas.focus({ preventScroll: true }); }, { signal });
    bar.append(name, this.slider, this.number, button);
    return bar;
  }

  // ---- geometry: places are [z, y, x] (fewer axes for pictures and signals), points are [x, y]
  get index() { return this.axis === null ? null : this.studio.at[this.axis]; }
  get rest() { return this.studio.sizes.map((_, i) => i).filter((i) => i !== this.axis); }
  place([x, y]) {
    const { sizes } = this.studio, rest = this.rest, at = sizes.map(() => this.shown ?? 0);
    at[rest.at(-1)] = clamp(Math.floor(x), 0, sizes[rest.at(-1)] - 1);
    if (rest.length > 1) at[rest[0]] = clamp(Math.floor(y), 0, sizes[rest[0]] - 1);
    return at;
  }
  point(at) { const rest = this.rest; return [at[rest.at(-1)], rest.length > 1 ? at[rest[0]] : 0]; }
  holds(at) { return this.axis === null || at[this.axis] === this.shown; }
  fit(header) {
    const { sizes } = this.studio, rest = this.rest, of = (list, i) => (rest.length > 1 || i === 1 ? list[i ? rest.at(-1) : rest[0]] : 1);
    this.surface.shape(header.dims === 1 ? 1 : 2, of(sizes, 1), of(sizes, 0), [of(header.aspect, 1), of(header.aspect, 0)]);
  }
  viewKey(header) { return `${header.project} ${header.frames[0]} ${this.axis ?? ""}`; } // time points share their zoom

  // ---- what the hand asks of its host
  get tool() { return this.studio.state.tool; }
  get locked() { return this.studio.locked; }
  get ball() { return this.axis !== null && this.studio.state.ball; }
  redraw() { this.studio.redraw(this); }
  finish(kind, points) { this.studio.finish(this, kind, points); }
  aim(point) { this.studio.aim(this, point); }
  inspect(point) { this.studio.inspect(this, point); }
  unaim() { this.studio.unaim(); }
  adjust(dx, dy) { this.studio.display.drag(dx, dy); }
  scroll(steps) { // slices of a volume; a signal is paged through
    if (this.axis !== null) this.studio.go(this.axis, this.index + steps);
    else if (this.surface.signal) { this.surface.pan(-0.15 * steps * this.canvas.width, 0); this.redraw(); }
    return this.axis !== null;
  }
  hover(point) { this.studio.hover(this, point); }

  // ---- what is fetched: picture and, for volumes, maps
  addresses(header = this.studio.header, at = this.studio.at) {
    const tail = this.axis === null ? "0/0" : `${this.axis}/${at[this.axis]}`, found = {};
    if (header.image?.address) found.picture = `${header.image.address}${this.studio.display.look(header)}/${tail}`;
    for (const [name, part] of Object.entries(header.maps)) if (part.address) found[name] = `${part.address}${tail}`;
    return found;
  }
  async refresh() { // one round at a time, and the newest wish counts: fast scrolling asks for no more than can be shown
    const { studio } = this;
    if (!studio.header?.image?.address || this.box.hidden || this.put(this.addresses()) || this.loading) return;
    this.loading = true;
    try {
      for (let done = false; !done;) {
        const wanted = this.addresses(), index = this.index;
        await Promise.all(Object.values(wanted).map((address) => studio.planes.get(address)));
        done = JSON.stringify(this.addresses()) === JSON.stringify(wanted);
        this.failures = 0;
        this.put(wanted, index);
      }
    } catch (error) {
      console.warn("canvas", error);
      studio.chrome.say("A picture did not arrive. Is the server running?");
      this.failures = (this.failures || 0) + 1;
      clearTimeout(this.again);
      this.again = setTimeout(() => { if (!studio.abort.signal.aborted) this.refresh(); }, Math.min(30, 2 ** this.failures) * 1000);
    } finally { this.loading = false; }
  }
  put(wanted, index = this.index) { // shows what is at hand; false when something of it is not
    const { studio, surface } = this, values = Object.entries(wanted).map(([name, address]) => [name, address, studio.planes.peek(address)]);
    const ready = values.every(([, , value]) => value !== undefined);
    if (!ready && arguments.length < 2) return false;
    const moved = this.shown !== index;
    this.shown = index;
    for (const [name, address, value] of values) {
      if (name === "picture") { if (value) surface.picture = value; continue; }
      const key = `${address} ${studio.colors}`;
      if (value && this.mapped[name] !== key) { surface.map(name, value, studio.table(name)); this.mapped[name] = key; }
      else if (!value && moved) { delete surface.maps[name]; delete this.mapped[name]; }
    }
    if (this.axis !== null) for (const name of Object.keys(surface.maps)) if (!(name in wanted)) { delete surface.maps[name]; delete this.mapped[name]; }
    if (this.number) this.number.textContent = `${this.index} / ${studio.sizes[this.axis] - 1}`;
    this.redraw();
    studio.report();
    this.ahead();
    return ready;
  }
  ahead() { // the next slices in the direction of travel, when there is nothing better to do
    clearTimeout(this.soon);
    if (this.axis === null) return;
    this.soon = setTimeout(() => {
      const { studio } = this;
      if (studio.ops.length || studio.pane !== this || this.box.hidden) return;
      for (const step of [1, -1, 2, 3]) {
        const at = studio.at.slice();
        at[this.axis] += step * this.direction;
        if (at[this.axis] < 0 || at[this.axis] >= studio.sizes[this.axis]) continue;
        for (const address of Object.values(this.addresses(studio.header, at))) studio.planes.get(address).catch(() => {}); // only a guess
      }
    }, 60);
  }
  slide() { // the slider follows the crosshair
    if (!this.slider) return;
    this.slider.max = this.studio.sizes[this.axis] - 1;
    this.slider.value = this.index;
    this.number.textContent = `${this.index} / ${this.studio.sizes[this.axis] - 1}`;
  }

  draw(scene) {
    const { studio, hand, surface } = this, { state } = studio, radii = this.radii();
    const draws = /brush|eraser|point/.test(state.tool) && !this.locked && !hand.panning && !hand.space;
    surface.draw({
      ...scene, marks: studio.marks.filter((mark) => this.holds(mark.at)).map((mark) => ({ ...mark, at: this.point(mark.at) })),
      flying: studio.ops.filter((op) => op.flying).flatMap((op) => this.cut(op.flying)),
      path: hand.path && { kind: state.tool, points: hand.path, radius: state.size / 2, ball: this.ball, color: studio.color(), tip: state.tool === "polygon" && hand.cursor },
      cursor: draws && hand.cursor && { at: hand.cursor, radii, color: state.tool === "eraser" ? null : studio.color() },
      cross: this.axis !== null && state.cross && { at: this.point(studio.at), colors: this.rest.map((i) => CROSS_COLORS[i]) },
    });
  }
  radii() { // of the brush in pixels of the plane: a ball is round in the world, a disc counts pixels
    const r = this.studio.state.size / 2, { aspect } = this.surface;
    return this.ball ? [r / aspect[0], r / aspect[1]] : [r, r];
  }
  cut(stroke) { // a stroke on its way as it lies in this plane; a ball also reaches into the planes beside its own
    if (stroke.sample !== this.studio.header.sample) return [];
    if (this.axis === null || (stroke.axis === this.axis && stroke.index === this.shown)) return [stroke];
    if (!stroke.ball) return [];
    const { aspect } = this.studio.header, rest = [0, 1, 2].filter((i) => i !== stroke.axis);
    return stroke.points.flatMap(([x, y]) => {
      const at = [0, 0, 0];
      at[stroke.axis] = stroke.index + 0.5; at[rest[0]] = y; at[rest[1]] = x;
      const away = (at[this.axis] - this.shown - 0.5) * aspect[this.axis], radius = Math.sqrt(stroke.radius ** 2 - away ** 2);
      return radius > 0 ? [{ ...stroke, kind: "point", points: [this.point(at)], radius }] : [];
    });
  }
}
