// Mouse, touch and wheel over the timeline: pan by dragging, zoom by wheel or two fingers, measure with shift, select by a click.
import { nsAt, RULER, spanOf } from "./ink.js";
import { clamped, zoomed } from "./state.js";

/** @typedef {import("./app.js").App} App */

const MOVED = 4;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {App} app
 */
export function followPointer(canvas, app) {
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  let start = { x: 0, y: 0, scroll: 0, from: 0, to: 0, measuring: false, moved: false };
  /** @param {{clientX: number, clientY: number}} event */
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const begin = () => {
    const [first] = down.values();
    start = { ...first, scroll: app.scroll, from: app.view.from, to: app.view.to, measuring: false, moved: start.moved };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    down.set(event.pointerId, place(event));
    canvas.setPointerCapture(event.pointerId);
    start.moved = down.size > 1;
    begin();
    start.measuring = event.shiftKey || start.y < RULER;
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (!down.has(event.pointerId)) {
      app.hover(at.x, at.y);
      return;
    }
    if (Math.abs(at.x - start.x) + Math.abs(at.y - start.y) > MOVED) start.moved = true;
    if (!start.moved) return;
    if (down.size === 2) {
      pinch(event.pointerId, at);
      return;
    }
    const scene = app.scene();
    if (start.measuring) {
      const [a, b] = [nsAt(scene, start.x), nsAt(scene, at.x)].map((ns) => Math.min(app.trace.end, Math.max(0, ns)));
      app.change({ measured: a < b ? [a, b] : [b, a] });
      return;
    }
    const ns = ((at.x - start.x) / spanOf(scene)) * (start.to - start.from);
    const [from, to] = clamped(start.from - ns, start.to - ns, app.trace.end);
    app.change({ from, to });
    app.scrollTo(start.scroll - (at.y - start.y));
  });

  /**
   * @param {number} id
   * @param {{x: number, y: number}} at
   */
  function pinch(id, at) {
    const [a, b] = [...down.values()];
    const before = Math.hypot(a.x - b.x, a.y - b.y);
    down.set(id, at);
    const [c, d] = [...down.values()];
    const after = Math.hypot(c.x - d.x, c.y - d.y);
    const [from, to] = zoomed(app.view, before / Math.max(1, after), nsAt(app.scene(), (c.x + d.x) / 2), app.trace.end);
    app.change({ from, to });
  }

  canvas.addEventListener("pointerup", (event) => {
    if (!down.delete(event.pointerId)) return;
    if (down.size) {
      begin();
      return;
    }
    const at = place(event);
    if (!start.moved) app.click(at.x, at.y);
    start.moved = false;
  });
  canvas.addEventListener("pointercancel", (event) => void down.delete(event.pointerId));
  canvas.addEventListener("pointerleave", () => app.hover(-1, -1));
  canvas.addEventListener("dblclick", (event) => {
    const at = place(event);
    app.doubleClick(at.x, at.y);
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
      const scene = app.scene();
      if (event.ctrlKey || event.metaKey || event.altKey) {
        const factor = Math.exp(event.deltaY * unit * 0.002);
        const at = place(event);
        const [from, to] = zoomed(app.view, factor, nsAt(scene, Math.max(scene.gutter, at.x)), app.trace.end);
        app.change({ from, to });
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        const ns = (((event.deltaX || event.deltaY) * unit) / spanOf(scene)) * (app.view.to - app.view.from);
        const [from, to] = clamped(app.view.from + ns, app.view.to + ns, app.trace.end);
        app.change({ from, to });
      } else {
        const at = place(event);
        if (at.x > scene.gutter && app.rows.height <= scene.height - RULER) {
          const [from, to] = zoomed(app.view, Math.exp(event.deltaY * unit * 0.002), nsAt(scene, at.x), app.trace.end);
          app.change({ from, to });
        } else app.scrollTo(app.scroll + event.deltaY * unit);
      }
    },
    { passive: false },
  );
}
