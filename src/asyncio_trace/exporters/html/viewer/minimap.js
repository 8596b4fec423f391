// The whole trace in one strip: how many tasks there were and how busy the loops, where the findings are, and what is shown below.
import { Bins } from "./density.js";
import { clamped } from "./state.js";

/** @typedef {import("./trace.js").Trace} Trace */
/** @typedef {import("./density.js").LoopRuns} LoopRuns */
/** @typedef {import("./palette.js").Palette} Palette */
/** @typedef {import("./state.js").View} View */

const BINS = 1024;

export class Minimap {
  /**
   * @param {Trace} trace
   * @param {(loop: number) => LoopRuns} loops
   */
  constructor(trace, loops) {
    this.trace = trace;
    /** The strip without the window, which moves; null if it is to be drawn anew. */
    this.strip = /** @type {HTMLCanvasElement | null} */ (null);
    this.drawnFor = /** @type {unknown[]} */ ([]);
    const alive = new Bins(0, trace.end, BINS);
    for (let task = 0; task < trace.task.count; task++) alive.add(trace.task.created[task], trace.endOf(task));
    this.alive = alive.shares();
    this.most = this.alive.reduce((a, b) => Math.max(a, b), 1e-9);
    this.busy = new Float64Array(BINS);
    const step = trace.end / BINS;
    trace.head.loops.forEach((_, i) => {
      const loop = loops(i + 1);
      for (let bin = 0; bin < BINS; bin++) this.busy[bin] = Math.max(this.busy[bin], loop.utilisation(bin * step, (bin + 1) * step));
    });
  }

  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {number} width
   * @param {number} height
   * @param {View} view
   * @param {Palette} palette
   */
  paint(pen, width, height, view, palette) {
    const ratio = devicePixelRatio || 1;
    const wanted = [width, height, palette, ratio];
    if (!this.strip || wanted.some((value, i) => value !== this.drawnFor[i])) {
      this.strip = document.createElement("canvas");
      this.strip.width = Math.round(width * ratio);
      this.strip.height = Math.round(height * ratio);
      const strip = this.strip.getContext("2d");
      strip?.scale(ratio, ratio);
      if (strip) this.#paintStrip(strip, width, height, palette);
      this.drawnFor = wanted;
    }
    pen.drawImage(this.strip, 0, 0, width, height);
    this.#paintWindow(pen, width, height, view, palette);
  }

  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {number} width
   * @param {number} height
   * @param {Palette} palette
   */
  #paintStrip(pen, width, height, palette) {
    pen.fillStyle = palette.back;
    pen.fillRect(0, 0, width, height);
    const base = height - 3;
    const room = height - 12;
    const wide = width / BINS;
    pen.fillStyle = palette.waiting;
    for (let bin = 0; bin < BINS; bin++) {
      const high = (this.alive[bin] / this.most) * room;
      pen.fillRect(Math.floor(bin * wide), base - high, Math.ceil(wide), high);
    }
    pen.fillStyle = palette.running;
    for (let bin = 0; bin < BINS; bin++) {
      const high = this.busy[bin] > 0 ? Math.max(1, this.busy[bin] * room) : 0;
      if (high) pen.fillRect(Math.floor(bin * wide), base - high, Math.ceil(wide), high);
    }
    for (const { severity, start, end } of this.trace.head.findings) {
      pen.fillStyle = severity === "error" ? palette.error : severity === "warning" ? palette.warning : palette.info;
      const x = (start / this.trace.end) * width;
      pen.fillRect(x, 1, Math.max(3, ((end - start) / this.trace.end) * width), 4);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {number} width
   * @param {number} height
   * @param {View} view
   * @param {Palette} palette
   */
  #paintWindow(pen, width, height, view, palette) {
    const x0 = (view.from / this.trace.end) * width;
    const x1 = (view.to / this.trace.end) * width;
    if (view.from > 0 || view.to < this.trace.end) {
      pen.fillStyle = palette.back;
      pen.globalAlpha = 0.6;
      pen.fillRect(0, 0, x0, height);
      pen.fillRect(x1, 0, width - x1, height);
      pen.globalAlpha = 1;
    }
    pen.strokeStyle = palette.select;
    pen.lineWidth = 2;
    pen.strokeRect(x0 + 1, 1, Math.max(2, x1 - x0 - 2), height - 2);
  }

  /**
   * Where the window goes if it is put in the middle of a place.
   * @param {number} part of the width
   * @param {View} view
   */
  moved(part, view) {
    const middle = part * this.trace.end;
    const half = (view.to - view.from) / 2;
    return clamped(middle - half, middle + half, this.trace.end);
  }
}
