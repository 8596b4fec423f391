// What lies below the pointer, and how a row is told in words.
import { clean, duration, shortened } from "./format.js";
import { nsAt, rowName, RULER, spanOf } from "./ink.js";
import { stateAt } from "./lane.js";
import { OUTCOMES } from "./trace.js";

/** @typedef {import("./ink.js").Scene} Scene */
/** @typedef {import("./rows.js").Row} Row */
/** @typedef {{selection: import("./state.js").Selection | null, lines: string[]}} Hit */

/** How near to a short run a click is meant for it, in pixels. */
const NEAR = 2;

/**
 * @param {Scene} scene
 * @param {number} x
 * @param {number} y
 * @returns {Hit | null}
 */
export function hit(scene, x, y) {
  if (y < RULER) return null;
  const row = scene.rows.all[scene.rows.at(y - RULER + scene.scroll)];
  if (!row) return null;
  if (x < scene.gutter) return { selection: row.kind === "task" ? { kind: "task", index: row.task } : null, lines: [short(rowName(scene, row)), describe(scene, row)] };
  const ns = nsAt(scene, x);
  const near = (NEAR / spanOf(scene)) * (scene.view.to - scene.view.from);
  if (row.kind === "task") return onTask(scene, row.task, ns, near);
  if (row.kind === "loop") return onLoop(scene, row.loop, ns, near);
  if (row.kind === "thread") return onThread(scene, row.thread, ns, near);
  const chart = scene.crowds.chart(row, scene.view.from, scene.view.to, Math.max(1, Math.floor(spanOf(scene) / 2)));
  const bin = Math.min(chart.running.length - 1, Math.max(0, Math.floor((ns - chart.from) / chart.step)));
  return {
    selection: null,
    lines: [short(rowName(scene, row)), ...["running", "ready", "waiting"].map((state) => `${number(chart[/** @type {"running"} */ (state)][bin])} ${state}`)],
  };
}

/** @param {number} value */
function number(value) {
  return value >= 9.95 || value === 0 ? value.toFixed(0) : value.toFixed(2);
}

/** @param {string} text */
function short(text) {
  return shortened(clean(text), 80);
}

/**
 * @param {Scene} scene
 * @param {number} task
 * @param {number} ns
 * @param {number} near
 * @returns {Hit | null}
 */
function onTask(scene, task, ns, near) {
  const { trace } = scene;
  let { state, run, wait } = stateAt(trace, task, ns);
  if (state !== "running") {
    const close = trace.runAt(task, ns + near);
    if (close >= 0 && trace.run.end[close] >= ns - near && trace.run.end[close] - trace.run.start[close] < 2 * near) [state, run] = ["running", close];
  }
  const name = short(rowName(scene, { kind: "task", key: "", task, depth: 0, height: 0, below: 0, open: false }));
  if (state === "running") return { selection: { kind: "run", index: run }, lines: [name, `running ${duration(trace.run.end[run] - trace.run.start[run])}`] };
  if (wait >= 0 && state !== "none") {
    const cause = trace.cause(wait);
    const length = state === "waiting" ? trace.wait.ready[wait] - trace.wait.start[wait] : trace.wait.end[wait] - trace.wait.ready[wait];
    const who = cause ? (cause.task >= 0 ? trace.name(cause.task) : (cause.label ?? cause.kind)) : "nothing yet";
    const at = cause?.at ? ` at ${cause.at.fn}:${cause.at.line}` : "";
    return {
      selection: { kind: "wait", index: wait },
      lines: [name, state === "waiting" ? `waiting ${duration(length)} for ${short(trace.what(wait))}` : `ready, not running, ${duration(length)} after ${short(trace.what(wait))}`, `woken by ${short(who + at)}`],
    };
  }
  if (state === "none") return { selection: { kind: "task", index: task }, lines: [name, "not alive here"] };
  const unborn = !(trace.task.started[task] <= ns);
  return { selection: { kind: "task", index: task }, lines: [name, unborn ? "ready: created, not yet run" : "ready: another ran in its place"] };
}

/**
 * @param {Scene} scene
 * @param {number} number
 * @param {number} ns
 * @param {number} near
 * @returns {Hit | null}
 */
function onLoop(scene, number, ns, near) {
  const { trace } = scene;
  const loop = scene.loops(number);
  let at = loop.at(ns);
  if (at < 0) {
    at = loop.at(ns + near);
    if (at >= 0 && loop.end[at] < ns - near) at = -1;
  }
  if (at < 0) return { selection: null, lines: [`loop ${trace.head.loops[number - 1].id}`, "idle, or between two runs"] };
  const run = loop.run[at];
  const length = duration(loop.end[at] - loop.start[at]);
  if (run >= trace.run.count) {
    const callback = run - trace.run.count;
    return { selection: { kind: "callback", index: callback }, lines: [`callback ${short(trace.text(trace.callback.name[callback]))}`, `ran ${length}`] };
  }
  return { selection: { kind: "run", index: run }, lines: [short(trace.name(trace.run.task[run])), `ran ${length}, ready ${duration(loop.lag[at])} before`] };
}

/**
 * @param {Scene} scene
 * @param {number} thread
 * @param {number} ns
 * @param {number} near
 * @returns {Hit | null}
 */
function onThread(scene, thread, ns, near) {
  const { trace } = scene;
  const { job } = trace;
  for (const i of scene.crowds.jobsOf(thread)) {
    const end = Number.isNaN(job.ended[i]) ? trace.end : job.ended[i];
    if (job.started[i] - near <= ns && end + near >= ns) return { selection: { kind: "job", index: i }, lines: [short(trace.text(job.fn[i])), `ran ${duration(end - job.started[i])}`] };
  }
  return null;
}

/**
 * A row in one sentence.
 * @param {Scene} scene
 * @param {Row} row
 */
export function describe(scene, row) {
  const { trace } = scene;
  if (row.kind === "task") {
    const { running, ready, waiting } = trace.times(row.task);
    return `${short(rowName(scene, row))}: ${OUTCOMES[trace.task.outcome[row.task]]}, running ${duration(running)}, ready ${duration(ready)}, waiting ${duration(waiting)}`;
  }
  if (row.kind === "group") return `${short(rowName(scene, row))}, ${row.open ? "unfolded" : "folded"}`;
  return short(rowName(scene, row));
}
