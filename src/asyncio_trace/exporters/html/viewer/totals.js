// Sums over a stretch of the trace: by coroutine, by what was waited on, by stack, and how long waits and lags were.
import { shares } from "./lane.js";
import { firstAbove } from "./trace.js";

/** @typedef {import("./trace.js").Trace} Trace */
/** @typedef {{coroutine: number, tasks: number, running: number, ready: number, waiting: number, longest: number, longestRun: number}} CoroutineTotal */
/** @typedef {{key: string, kind: string, label: string, count: number, waiting: number, ready: number, longest: number, longestWait: number}} WaitTotal */
/** @typedef {{name: string, value: number, count: number, children: Map<string, Frame>, wait: number}} Frame */

/**
 * Call `take` for each wait that overlaps a stretch, with the part of it that was spent waiting there, and ready there.
 * @param {Trace} trace
 * @param {number} from
 * @param {number} to
 * @param {(wait: number, waiting: number, ready: number) => void} take
 */
export function eachWait(trace, from, to, take) {
  const { wait } = trace;
  const { firstWait, created, count } = trace.task;
  for (let task = 0; task < count; task++) {
    if (created[task] > to || trace.endOf(task) < from) continue;
    const last = firstWait[task + 1];
    for (let i = firstAbove(wait.end, from, firstWait[task], last); i < last && wait.start[i] < to; i++) {
      take(i, Math.max(0, Math.min(to, wait.ready[i]) - Math.max(from, wait.start[i])), Math.max(0, Math.min(to, wait.end[i]) - Math.max(from, wait.ready[i])));
    }
  }
}

/**
 * @param {Trace} trace
 * @param {number} from
 * @param {number} to
 * @returns {CoroutineTotal[]} what ran most first
 */
export function byCoroutine(trace, from, to) {
  /** @type {Map<number, CoroutineTotal>} */
  const totals = new Map();
  const { run } = trace;
  const { firstRun, created, coroutine, count } = trace.task;
  for (let task = 0; task < count; task++) {
    if (created[task] > to || trace.endOf(task) < from) continue;
    let total = totals.get(coroutine[task]);
    if (!total) totals.set(coroutine[task], (total = { coroutine: coroutine[task], tasks: 0, running: 0, ready: 0, waiting: 0, longest: 0, longestRun: -1 }));
    const part = shares(trace, task, from, to);
    total.tasks++;
    total.running += part.running;
    total.ready += part.ready;
    total.waiting += part.waiting;
    const last = firstRun[task + 1];
    for (let i = firstAbove(run.end, from, firstRun[task], last); i < last && run.start[i] < to; i++) {
      const length = run.end[i] - run.start[i];
      if (length > total.longest) [total.longest, total.longestRun] = [length, i];
    }
  }
  return [...totals.values()].sort((a, b) => b.running - a.running);
}

/**
 * Waits by kind and label, or by the very thing that was waited on.
 * @param {Trace} trace
 * @param {number} from
 * @param {number} to
 * @param {"kind" | "thing"} by
 * @returns {WaitTotal[]} what was waited for longest first
 */
export function byWait(trace, from, to, by) {
  /** @type {Map<string | number, WaitTotal>} */
  const totals = new Map();
  const { wait } = trace;
  eachWait(trace, from, to, (i, waiting, ready) => {
    if (by === "thing" && !wait.awaited[i]) return;
    const key = by === "thing" ? wait.awaited[i] : wait.what[i];
    let total = totals.get(key);
    if (!total) {
      const [kind, type, label] = trace.head.whats[wait.what[i]];
      const name = by === "thing" ? (type === "Task" ? trace.what(i) : `${type} #${wait.awaited[i]}`) : type === "Task" ? `${label} a task`.trim() : label || kind;
      totals.set(key, (total = { key: String(key), kind, label: name, count: 0, waiting: 0, ready: 0, longest: -1, longestWait: i }));
    }
    total.count++;
    total.waiting += waiting;
    total.ready += ready;
    const length = wait.ready[i] - wait.start[i];
    if (length > total.longest) [total.longest, total.longestWait] = [length, i];
  });
  return [...totals.values()].sort((a, b) => b.waiting - a.waiting);
}

/**
 * A flame graph: by coroutine of the task, then by the frames of the stack. Running time goes to the stack from which the run went on.
 * @param {Trace} trace
 * @param {number} from
 * @param {number} to
 * @param {"running" | "waiting"} of
 * @returns {Frame}
 */
export function flame(trace, from, to, of) {
  /** @type {Frame} */
  const root = { name: "all", value: 0, count: 0, children: new Map(), wait: -1 };
  /** @type {Map<number, Map<number, Frame>>} */
  const leaves = new Map();
  /**
   * @param {number} task
   * @param {number} stack -1 for none
   * @param {number} wait
   */
  const leaf = (task, stack, wait) => {
    const coroutine = trace.task.coroutine[task];
    let known = leaves.get(coroutine);
    if (!known) leaves.set(coroutine, (known = new Map()));
    let found = known.get(stack);
    if (!found) {
      found = child(root, trace.head.texts[coroutine]);
      const frames = stack < 0 ? [] : trace.head.stacks[stack];
      for (const number of frames) {
        const [fn, file, line] = trace.head.sites[number - 1];
        found = child(found, `${fn} · ${file.slice(file.lastIndexOf("/") + 1)}:${line}`);
      }
      found.wait = wait;
      known.set(stack, found);
    }
    return found;
  };
  if (of === "waiting") {
    eachWait(trace, from, to, (i, waiting) => {
      if (waiting <= 0) return;
      const frame = leaf(trace.wait.task[i], trace.wait.stack[i], i);
      frame.value += waiting;
      frame.count++;
    });
  } else {
    const { run, wait } = trace;
    const { firstRun, firstWait, created, count } = trace.task;
    for (let task = 0; task < count; task++) {
      if (created[task] > to || trace.endOf(task) < from) continue;
      let w = firstWait[task];
      for (let i = firstAbove(run.end, from, firstRun[task], firstRun[task + 1]); i < firstRun[task + 1] && run.start[i] < to; i++) {
        w = firstAbove(wait.end, run.start[i], w, firstWait[task + 1]);
        const before = w > firstWait[task] ? w - 1 : -1;
        const frame = leaf(task, before < 0 ? -1 : wait.stack[before], before);
        frame.value += Math.min(to, run.end[i]) - Math.max(from, run.start[i]);
        frame.count++;
      }
    }
  }
  addUp(root);
  return root;
}

/**
 * @param {Frame} parent
 * @param {string} name
 */
function child(parent, name) {
  let found = parent.children.get(name);
  if (!found) parent.children.set(name, (found = { name, value: 0, count: 0, children: new Map(), wait: -1 }));
  return found;
}

/** @param {Frame} frame */
function addUp(frame) {
  for (const below of frame.children.values()) {
    addUp(below);
    frame.value += below.value;
    frame.count += below.count;
    if (frame.wait < 0) frame.wait = below.wait;
  }
}

/**
 * @typedef {object} Histogram
 * @property {number[]} counts by power of two from `low`
 * @property {number} low
 * @property {number} total
 * @property {[number, number][]} quantiles share and value
 */

/**
 * @param {number[]} values
 * @returns {Histogram}
 */
export function histogram(values) {
  const sorted = Float64Array.from(values).sort();
  const quantiles = [0.5, 0.9, 0.99, 1].map((part) => /** @type {[number, number]} */ ([part, sorted.length ? sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] : 0]));
  const bin = (/** @type {number} */ value) => Math.max(0, Math.floor(Math.log2(Math.max(1, value))));
  const low = sorted.length ? bin(sorted[0]) : 0;
  const counts = new Array(sorted.length ? bin(sorted[sorted.length - 1]) - low + 1 : 0).fill(0);
  for (const value of sorted) counts[bin(value) - low]++;
  return { counts, low: 2 ** low, total: sorted.length, quantiles };
}

/**
 * How long tasks were ready before they ran, in a stretch.
 * @param {Trace} trace
 * @param {number} from
 * @param {number} to
 */
export function lags(trace, from, to) {
  /** @type {number[]} */
  const values = [];
  const { created, started, count } = trace.task;
  for (let task = 0; task < count; task++) if (started[task] >= from && started[task] <= to) values.push(started[task] - created[task]);
  const { wait } = trace;
  for (let i = 0; i < wait.count; i++) if (wait.end[i] >= from && wait.end[i] <= to && wait.known[i] & 2) values.push(wait.end[i] - wait.ready[i]);
  return values;
}

/**
 * How long the waits were that are like one: on the same thing of the same label, from the same stack.
 * @param {Trace} trace
 * @param {number} like
 * @param {number} from
 * @param {number} to
 */
export function waitsLike(trace, like, from, to) {
  /** @type {number[]} */
  const values = [];
  const { wait } = trace;
  for (let i = 0; i < wait.count; i++) {
    if (wait.what[i] === wait.what[like] && wait.stack[i] === wait.stack[like] && wait.start[i] <= to && wait.end[i] >= from) values.push(wait.ready[i] - wait.start[i]);
  }
  return values;
}
