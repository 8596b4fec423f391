// What a task's row shows of a stretch of time: bars where there is room for them, and shares of a pixel where there is not.
// The work is bounded by the pixels, however many events they stand for.
import { firstAbove } from "./trace.js";

/** @typedef {import("./trace.js").Trace} Trace */
/**
 * @typedef {object} Sink
 * @property {(x0: number, x1: number, run: number) => void} running
 * @property {(x0: number, x1: number, wait: number) => void} waiting
 * @property {(x0: number, x1: number, wait: number) => void} ready wait -1 before the first run, and where a run gave way to another
 * @property {(x: number, running: number, ready: number, waiting: number) => void} mixed the pixel from x, and the share of each state
 */

const LEAST = 0.75;

/**
 * How long a task ran, was ready and waited in a stretch.
 * @param {Trace} trace
 * @param {number} task
 * @param {number} from
 * @param {number} to
 */
export function shares(trace, task, from, to) {
  const { firstRun, firstWait, created } = trace.task;
  const running = until(trace.ran, trace.run.start, trace.run.end, firstRun[task], firstRun[task + 1], from, to);
  const waiting = until(trace.waited, trace.wait.start, trace.wait.ready, firstWait[task], firstWait[task + 1], from, to);
  const life = Math.max(0, Math.min(to, trace.endOf(task)) - Math.max(from, created[task]));
  return { running, waiting, ready: Math.max(0, life - running - waiting), life };
}

/**
 * @param {Float64Array} sums
 * @param {Float64Array} starts
 * @param {Float64Array} ends
 * @param {number} first
 * @param {number} last
 * @param {number} from
 * @param {number} to
 */
function until(sums, starts, ends, first, last, from, to) {
  const a = firstAbove(starts, from, first, last);
  const b = firstAbove(starts, to, a, last);
  let total = sums[b] - sums[a];
  if (a > first) total += Math.max(0, Math.min(ends[a - 1], to) - from);
  if (b > a) total -= Math.max(0, ends[b - 1] - to);
  return total;
}

/**
 * Tell `sink` what to draw of `task`, left to right.
 * @param {Trace} trace
 * @param {number} task
 * @param {number} from ns at x = 0
 * @param {number} to ns at x = width
 * @param {number} width
 * @param {Sink} sink
 */
export function walk(trace, task, from, to, width, sink) {
  const { run, wait } = trace;
  const { firstRun, firstWait, created } = trace.task;
  const scale = width / (to - from);
  const end = Math.min(to, trace.endOf(task));
  const lastRun = firstRun[task + 1];
  const lastWait = firstWait[task + 1];
  let at = Math.max(from, created[task]);
  let r = firstAbove(run.end, at, firstRun[task], lastRun);
  let w = firstAbove(wait.end, at, firstWait[task], lastWait);
  while (at < end) {
    while (r < lastRun && run.end[r] <= at) r++;
    while (w < lastWait && wait.end[w] <= at) w++;
    let stop = end;
    let state = 0;
    if (r < lastRun && run.start[r] <= at) {
      stop = run.end[r];
    } else if (w < lastWait && wait.start[w] <= at) {
      state = wait.ready[w] > at ? 1 : 2;
      stop = state === 1 ? wait.ready[w] : wait.end[w];
      if (r < lastRun && run.start[r] < stop) stop = run.start[r];
    } else {
      state = 3;
      if (r < lastRun) stop = Math.min(stop, run.start[r]);
      if (w < lastWait) stop = Math.min(stop, wait.start[w]);
    }
    stop = Math.min(stop, end);
    const x = (at - from) * scale;
    const x1 = (stop - from) * scale;
    if (x1 - x >= LEAST) {
      if (state === 0) sink.running(x, x1, r);
      else if (state === 1) sink.waiting(x, x1, w);
      else sink.ready(x, x1, state === 2 ? w : -1);
      at = stop;
      continue;
    }
    const next = from + (Math.floor(x + 1e-6) + 1) / scale;
    const until = Math.min(end, next > at ? next : stop);
    const part = shares(trace, task, at, until);
    const whole = Math.max(1e-9, until - at);
    sink.mixed(Math.floor(x + 1e-6), part.running / whole, part.ready / whole, part.waiting / whole);
    at = until;
    r = firstAbove(run.end, at, r, lastRun);
    w = firstAbove(wait.end, at, w, lastWait);
  }
}

/**
 * What a task does at an instant.
 * @param {Trace} trace
 * @param {number} task
 * @param {number} ns
 * @returns {{state: "running" | "ready" | "waiting" | "none", run: number, wait: number}}
 */
export function stateAt(trace, task, ns) {
  const run = trace.runAt(task, ns);
  if (run >= 0) return { state: "running", run, wait: -1 };
  const wait = trace.waitAt(task, ns);
  if (wait >= 0) return { state: trace.wait.ready[wait] > ns ? "waiting" : "ready", run: -1, wait };
  const alive = ns >= trace.task.created[task] && ns < trace.endOf(task);
  return { state: alive ? "ready" : "none", run: -1, wait: -1 };
}
