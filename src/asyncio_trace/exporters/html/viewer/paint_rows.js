// Draws the bars of one row: a task's states, a crowd of tasks, a loop, an executor's thread.
import { walk } from "./lane.js";
import { fitted, SMALL, spanOf, xOf } from "./ink.js";

/** @typedef {import("./ink.js").Scene} Scene */
/** @typedef {import("./rows.js").TaskRow} TaskRow */
/** @typedef {import("./rows.js").GroupRow} GroupRow */
/** @typedef {import("./rows.js").LoopRow} LoopRow */
/** @typedef {import("./rows.js").ThreadRow} ThreadRow */

const BAR = 16;
const LABELLED = 34;
/** Height of a run that takes next to nothing of its pixel: still to be seen where it stands alone; */
const LONE_RUN = 8;
/** beside others it must not look like more than it is. */
const LEAST_RUN = 2;

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Scene} scene
 * @param {TaskRow} row
 * @param {number} y
 */
export function paintTask(pen, scene, row, y) {
  const { trace, view, gutter, palette } = scene;
  const top = y + (row.height - BAR) / 2;
  /** @type {number[]} */
  const runs = [];
  /** @type {number[]} */
  const readies = [];
  /** @type {[number, number, number][]} */
  const labels = [];
  let lastRun = -9;
  pen.fillStyle = palette.waiting;
  walk(trace, row.task, view.from, view.to, spanOf(scene), {
    running: (x0, x1) => void runs.push(gutter + x0, top, x1 - x0, BAR),
    ready: (x0, x1) => void readies.push(gutter + x0, top, x1 - x0, BAR),
    waiting: (x0, x1, wait) => {
      pen.fillRect(gutter + x0, top + 2, x1 - x0, BAR - 4);
      if (x1 - x0 > LABELLED) labels.push([Math.max(0, x0), x1, wait]);
    },
    mixed: (x, running, ready, waiting) => {
      if (waiting > 0) pen.fillRect(gutter + x, top + 2, 1, BAR - 4);
      const high = running > 0 ? Math.max(x - lastRun > 3 ? LONE_RUN : LEAST_RUN, running * BAR) : 0;
      if (high) runs.push(gutter + x, top + BAR - high, 1, high);
      if (high) lastRun = x;
      if (ready > 0) readies.push(gutter + x, top, 1, Math.max(2, Math.min(BAR - high, ready * BAR)));
    },
  });
  pen.fillStyle = palette.hatch;
  fillAll(pen, readies);
  pen.fillStyle = palette.running;
  fillAll(pen, runs);
  pen.font = SMALL;
  pen.fillStyle = palette.waitingText;
  for (const [x0, x1, wait] of labels) pen.fillText(fitted(pen, trace.what(wait), x1 - x0 - 6), gutter + x0 + 4, top + BAR / 2 + 0.5);
  paintEnd(pen, scene, row.task, top);
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {number[]} boxes
 */
function fillAll(pen, boxes) {
  for (let i = 0; i < boxes.length; i += 4) pen.fillRect(boxes[i], boxes[i + 1], boxes[i + 2], boxes[i + 3]);
}

/**
 * How a task ended, by shape: a bar for returned, a cross for raised, a ring for cancelled; an arrow if it goes on.
 * @param {CanvasRenderingContext2D} pen
 * @param {Scene} scene
 * @param {number} task
 * @param {number} top
 */
function paintEnd(pen, scene, task, top) {
  const { trace, palette, width, gutter } = scene;
  const x = xOf(scene, trace.endOf(task));
  if (x < gutter || x > width + 8) return;
  const outcome = trace.task.outcome[task];
  const middle = top + BAR / 2;
  pen.strokeStyle = pen.fillStyle = outcome === 2 ? palette.error : palette.text;
  pen.lineWidth = 1.6;
  pen.beginPath();
  if (outcome === 1) {
    pen.fillRect(x - 1, top - 1, 2, BAR + 2);
  } else if (outcome === 2) {
    pen.moveTo(x + 2, middle - 4);
    pen.lineTo(x + 10, middle + 4);
    pen.moveTo(x + 10, middle - 4);
    pen.lineTo(x + 2, middle + 4);
  } else if (outcome === 3) {
    pen.arc(x + 6, middle, 4, 0, 7);
    pen.moveTo(x + 3, middle + 3);
    pen.lineTo(x + 9, middle - 3);
  } else {
    pen.moveTo(x - 6, middle - 5);
    pen.lineTo(x - 1, middle);
    pen.lineTo(x - 6, middle + 5);
  }
  pen.stroke();
}

/**
 * How many tasks of a crowd run, are ready and wait, stacked from below.
 * @param {CanvasRenderingContext2D} pen
 * @param {Scene} scene
 * @param {GroupRow} row
 * @param {number} y
 */
export function paintCrowd(pen, scene, row, y) {
  const { view, gutter, width, palette } = scene;
  const chart = scene.crowds.chart(row, view.from, view.to, Math.max(1, Math.floor(spanOf(scene) / 2)));
  const high = row.height - 4;
  const scale = high / Math.max(1, chart.most);
  const bottom = y + row.height - 2;
  const step = chart.step;
  /** @type {[Float64Array, string | CanvasPattern, number][]} */
  const layers = [
    [chart.waiting, palette.waiting, 0],
    [chart.ready, palette.hatch, 1],
    [chart.running, palette.running, 2],
  ];
  const bins = chart.running.length;
  for (const [values, colour, level] of layers) {
    pen.fillStyle = colour;
    for (let bin = 0; bin < bins; bin++) {
      const size = values[bin] * scale;
      if (size <= 0.02) continue;
      let below = 0;
      if (level < 2) below += chart.running[bin] > 0 ? Math.max(1, chart.running[bin] * scale) : 0;
      if (level < 1) below += chart.ready[bin] * scale;
      const x0 = xOf(scene, chart.from + bin * step);
      const x1 = xOf(scene, chart.from + (bin + 1) * step);
      if (x1 < gutter || x0 > width) continue;
      const shown = level === 2 ? Math.max(1, size) : size;
      pen.fillRect(x0, bottom - below - shown, x1 - x0 + 0.3, shown);
    }
  }
}

/**
 * How busy the loop was, from below; the worst lag, as a line; single runs where there is room.
 * @param {CanvasRenderingContext2D} pen
 * @param {Scene} scene
 * @param {LoopRow} row
 * @param {number} y
 */
export function paintLoop(pen, scene, row, y) {
  const { view, gutter, palette, trace } = scene;
  const loop = scene.loops(row.loop);
  const high = row.height - 6;
  const bottom = y + row.height - 3;
  const pixels = Math.floor(spanOf(scene));
  const ns = (view.to - view.from) / pixels;
  const worst = Math.max(1, loop.worstLag(view.from, view.to));
  /** @type {[number, number, number][]} */
  const labels = [];
  pen.fillStyle = palette.running;
  for (let x = 0; x < pixels; x++) {
    const at = view.from + x * ns;
    const run = loop.at(at);
    if (run >= 0 && (loop.end[run] - at) / ns > 1) {
      const x1 = Math.min(pixels, (loop.end[run] - view.from) / ns);
      pen.fillRect(gutter + x, bottom - high, x1 - x, high);
      if (x1 - x > LABELLED) labels.push([x, x1, run]);
      x = Math.ceil(x1) - 1;
      continue;
    }
    const busy = loop.utilisation(at, at + ns);
    if (busy > 0) pen.fillRect(gutter + x, bottom - Math.max(1, Math.min(1, busy) * high), 1, Math.max(1, Math.min(1, busy) * high));
  }
  pen.strokeStyle = palette.ready;
  pen.lineWidth = 1.5;
  pen.beginPath();
  let drawn = false;
  for (let x = 0; x < pixels; x += 2) {
    const lag = loop.worstLag(view.from + x * ns, view.from + (x + 2) * ns);
    const at = bottom - (lag / worst) * high;
    if (lag > 0) {
      if (!drawn) pen.moveTo(gutter + x, bottom);
      pen.lineTo(gutter + x + 1, at);
      drawn = true;
    } else if (drawn) {
      pen.lineTo(gutter + x, bottom);
      drawn = false;
    }
  }
  pen.stroke();
  pen.font = SMALL;
  pen.fillStyle = palette.back;
  for (const [x0, x1, run] of labels) {
    const name = loop.run[run] < trace.run.count ? trace.name(trace.run.task[loop.run[run]]) : trace.text(trace.callback.name[loop.run[run] - trace.run.count]);
    pen.fillText(fitted(pen, name, x1 - x0 - 8), gutter + x0 + 4, bottom - 8);
  }
}

/**
 * Jobs that a thread ran.
 * @param {CanvasRenderingContext2D} pen
 * @param {Scene} scene
 * @param {ThreadRow} row
 * @param {number} y
 */
export function paintThread(pen, scene, row, y) {
  const { trace, view, gutter, width, palette } = scene;
  const { job } = trace;
  const top = y + (row.height - BAR) / 2;
  let painted = -1;
  pen.font = SMALL;
  for (const i of scene.crowds.jobsOf(row.thread)) {
    const end = Number.isNaN(job.ended[i]) ? trace.end : job.ended[i];
    if (end < view.from) continue;
    if (job.started[i] > view.to) break;
    const x0 = Math.max(gutter, xOf(scene, job.started[i]));
    const x1 = Math.min(width, xOf(scene, end));
    if (x1 - painted < 0.5) continue;
    painted = x1;
    pen.fillStyle = palette.running;
    pen.globalAlpha = 0.75;
    pen.fillRect(x0, top, Math.max(1, x1 - x0 - 0.5), BAR);
    pen.globalAlpha = 1;
    if (x1 - x0 > LABELLED) {
      pen.fillStyle = palette.back;
      pen.fillText(fitted(pen, trace.text(job.fn[i]), x1 - x0 - 8), x0 + 4, top + BAR / 2 + 0.5);
    }
  }
}
