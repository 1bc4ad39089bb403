/* What the hand does: pointer, pen, touch and keys become finished strokes, inspected pixels, zoom and pan. Knows nothing of the server.
 * host: {surface, tool, locked, redraw(), finish(kind, points), aim(point), unaim(), inspect(point), adjust(dx, dy), scroll(steps), hover(point|null)} */

class Hand {
  constructor(host, signal) {
    this.host = host;
    this.pointers = new Map();
    this.path = null;
    const view = host.surface.canvas, on = (name, act, more) => view.addEventListener(name, act, { signal, ...more });
    on("pointerdown", (e) => this.down(e));
    on("pointermove", (e) => this.move(e));
    on("pointerenter", () => { if (document.activeElement?.matches("[role=combobox][aria-expanded=false]")) view.focus({ preventScroll: true }); }); // a list that was chosen from would swallow the keys
    on("pointerup", (e) => this.up(e));
    on("pointercancel", (e) => { this.pointers.delete(e.pointerId); this.cancel(); });
    on("pointerleave", (e) => { if (!this.pointers.size) { this.cursor = null; host.hover(null); host.redraw(); } });
    on("dblclick", () => this.close());
    on("contextmenu", (e) => e.preventDefault());
    on("mousedown", (e) => e.preventDefault()); // no text selection from a drag, no scrolling from the middle button
    on("wheel", (e) => this.wheel(e), { passive: false });
  }
  device(event) {
    const box = this.host.surface.canvas.getBoundingClientRect(), r = this.host.surface.ratio;
    return [(event.clientX - box.left) * r, (event.clientY - box.top) * r];
  }
  down(event) {
    const { host } = this;
    if (!host.surface.view) return;
    host.surface.canvas.focus({ preventScroll: true });
    host.surface.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.device(event));
    if (this.pointers.size === 2) { this.cancel(); this.pinch = this.spread(); return; } // a second finger: it was a zoom, not a stroke
    if (event.button === 1 || this.space) { event.preventDefault(); this.panning = this.device(event); this.look(); return; }
    const point = host.surface.at(event);
    if (event.button === 2 || host.tool === "inspect") { if (host.surface.inside(point)) { this.aiming = true; host.aim(point); } return; }
    if (event.button === 0 && host.tool === "display") { this.adjusting = this.device(event); return; }
    if (event.button !== 0 || host.locked) return;
    if (host.tool === "polygon") {
      if (this.path && this.path.length > 2 && this.near(this.path[0], point)) { this.close(); return; }
      this.path = [...(this.path || []), this.round(point)];
    } else { this.path = [this.round(point)]; this.drawing = true; }
    host.redraw();
  }
  move(event) {
    const { host } = this, { surface } = host;
    if (!surface.view) return;
    const place = this.device(event);
    if (this.pointers.has(event.pointerId)) this.pointers.set(event.pointerId, place);
    if (this.pinch && this.pointers.size === 2) {
      const now = this.spread();
      surface.pan(now.x - this.pinch.x, now.y - this.pinch.y);
      surface.zoom(now.size / this.pinch.size, now.x, now.y);
      this.pinch = now;
      host.redraw();
      return;
    }
    if (this.panning || (this.space && this.drawing)) { // space in the middle of a stroke moves the picture under it
      const from = this.panning || this.before || place;
      surface.pan(place[0] - from[0], place[1] - from[1]);
      if (this.panning) this.panning = place; else this.before = place;
      host.redraw();
      return;
    }
    this.before = place;
    const point = surface.at(event);
    if (this.aiming) { host.aim(point); return; }
    if (this.adjusting) {
      const { width, height } = surface.canvas;
      host.adjust((place[0] - this.adjusting[0]) / width, (place[1] - this.adjusting[1]) / height);
      this.adjusting = place;
      return;
    }
    this.cursor = event.pointerType === "touch" ? null : point;
    host.hover(point);
    if (this.drawing && host.tool !== "point") {
      const list = event.getCoalescedEvents?.() || [];
      for (const each of list.length ? list : [event]) this.extend(this.round(surface.at(each)));
    }
    host.redraw();
  }
  up(event) {
    this.pointers.delete(event.pointerId);
    if (this.pointers.size < 2) this.pinch = null;
    if (this.panning) { this.panning = null; this.look(); return; }
    if (this.aiming) { this.aiming = false; this.host.inspect(this.host.surface.at(event)); return; }
    this.adjusting = null;
    if (!this.drawing) return;
    this.drawing = false;
    const points = this.path;
    this.path = null;
    if (this.host.tool === "lasso" && !this.host.surface.signal && points.length < 3) { this.host.redraw(); return; }
    this.host.finish(this.host.tool, points);
  }
  wheel(event) {
    event.preventDefault();
    const { host } = this;
    if (!host.surface.view) return;
    const lines = event.deltaMode === 1 ? 30 : 1;
    if (host.surface.signal && event.shiftKey) { host.surface.pan(-(event.deltaY || event.deltaX) * lines * host.surface.ratio, 0); host.redraw(); return; }
    if (!host.surface.signal && !event.ctrlKey && !event.metaKey && this.scroll((event.deltaY || event.deltaX) * lines, event.shiftKey)) return;
    if (event.deltaX && Math.abs(event.deltaX) > Math.abs(event.deltaY)) host.surface.pan(-event.deltaX * lines * host.surface.ratio, 0);
    else host.surface.zoom(Math.exp(-clamp(event.deltaY * lines, -400, 400) * (event.ctrlKey ? 0.01 : 0.0016)), ...this.device(event));
    host.redraw();
  }
  scroll(delta, fast) { // a notch of a wheel is a slice; a touchpad sends many small steps, which add up to one
    this.rolled = Math.sign(delta) === Math.sign(this.rolled || 0) ? this.rolled + delta : delta;
    const steps = Math.abs(delta) >= 60 ? Math.sign(delta) : Math.trunc(this.rolled / 40);
    if (steps) this.rolled = 0;
    return this.host.scroll(steps * (fast ? 5 : 1));
  }
  extend(point) {
    const last = this.path[this.path.length - 1];
    const least = Math.max(0.1, 0.5 / Math.max(this.host.surface.scaleX, this.host.surface.signal ? 0 : this.host.surface.scaleY));
    if (this.path.length < 8000 && Math.hypot(point[0] - last[0], point[1] - last[1]) >= least) this.path.push(point);
  }
  close() {
    if (this.host.tool !== "polygon" || !this.path) return;
    const points = this.path.filter((p, i, all) => !i || p[0] !== all[i - 1][0] || p[1] !== all[i - 1][1]); // a double click adds its corner twice
    if (points.length < 3) return;
    this.path = null;
    this.host.finish("polygon", points);
  }
  back() { if (this.path && !this.drawing) { this.path.pop(); if (!this.path.length) this.path = null; this.host.redraw(); } }
  cancel() { if (this.aiming) this.host.unaim(); this.path = null; this.drawing = this.aiming = false; this.panning = this.adjusting = null; this.look(); this.host.redraw(); }
  hold(space) { this.space = space; if (!space) { this.panning = null; this.before = null; } this.look(); }
  look() {
    const { host } = this, still = /inspect|display/.test(host.tool) ? host.tool : host.locked ? "locked" : /brush|eraser|point/.test(host.tool) ? "brush" : "cross";
    host.surface.canvas.dataset.hand = this.panning ? "panning" : this.space ? "pan" : still;
  }
  round(point) { return [tenth(point[0]), this.host.surface.signal ? 0 : tenth(point[1])]; }
  near(a, b) { const { surface } = this.host; return Math.hypot((a[0] - b[0]) * surface.scaleX, (a[1] - b[1]) * surface.scaleY) < 9 * surface.ratio; }
  spread() {
    const [a, b] = [...this.pointers.values()];
    return { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, size: Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1])) };
  }
}
