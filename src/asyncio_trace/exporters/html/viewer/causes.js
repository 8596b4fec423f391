// Why it took so long: the chain of wakers of a wait, the critical path to the end of a task, and who waits on whom at an instant.
import { firstAbove } from "./trace.js";

/** @typedef {import("./trace.js").Trace} Trace */
/** @typedef {{task: number, from: number, to: number, state: "running" | "ready" | "waiting", wait: number}} Piece */

const LONGEST_CHAIN = 200;
const LONGEST_PATH = 200000;

/**
 * The wait, the wait that held up its waker before it woke it, and so on to the root cause: last is the wait that no task ended, or
 * whose waker had waited for nothing.
 * @param {Trace} trace
 * @param {number} wait
 */
export function chain(trace, wait) {
  const waits = [wait];
  const seen = new Set(waits);
  for (let at = wait; waits.length < LONGEST_CHAIN; ) {
    const waker = trace.wait.waker[at];
    if (waker < 0 || !(trace.wait.known[at] & 1)) break;
    const first = trace.task.firstWait[waker];
    const before = firstAbove(trace.wait.end, trace.wait.causeNs[at], first, trace.task.firstWait[waker + 1]) - 1;
    if (before < first || seen.has(before)) break;
    waits.push((at = before));
    seen.add(at);
  }
  return waits;
}

/**
 * What the end of a task hung on since its creation, from its end backwards: the running task at each instant, else the time for which
 * it was ready, else what its waker did. Where no task woke it (a timer, I/O, a callback, another thread), the wait itself is on the
 * path. Earliest first. The same walk as that of `asyncio_trace.analysis.critical_path`, which follows jobs and callbacks too.
 * @param {Trace} trace
 * @param {number} task
 * @returns {Piece[]}
 */
export function criticalPath(trace, task) {
  /** @type {Piece[]} */
  const pieces = [];
  const { run, wait } = trace;
  const { firstRun, firstWait, created, parent } = trace.task;
  let at = trace.endOf(task);
  let on = task;
  const floor = created[task];
  /**
   * @param {number} from
   * @param {Piece["state"]} state
   * @param {number} why
   */
  const piece = (from, state, why) => {
    if (Math.max(from, floor) < at) pieces.push({ task: on, from: Math.max(from, floor), to: at, state, wait: why });
    at = Math.min(at, from);
  };
  for (let step = 0; on >= 0 && at > floor && step < LONGEST_PATH; step++) {
    const r = lastStarted(run.start, at, firstRun[on], firstRun[on + 1]);
    const w = lastStarted(wait.start, at, firstWait[on], firstWait[on + 1]);
    if (r >= 0 && run.end[r] >= at) {
      piece(run.start[r], "running", -1);
      continue;
    }
    if (w >= 0 && wait.end[w] >= at) {
      if (wait.ready[w] < at) piece(wait.ready[w], "ready", w);
      const waker = trace.wait.known[w] & 1 ? wait.waker[w] : -1;
      if (waker >= 0 && waker !== on && wait.causeNs[w] >= wait.start[w]) {
        at = Math.min(at, wait.causeNs[w]);
        on = waker;
      } else {
        piece(wait.start[w], "waiting", w);
      }
      continue;
    }
    const since = Math.max(created[on], r >= 0 ? run.end[r] : created[on], w >= 0 ? wait.end[w] : created[on]);
    if (since < at && since > created[on]) {
      piece(since, "ready", -1);
      continue;
    }
    piece(created[on], "ready", -1);
    on = parent[on];
  }
  return pieces.reverse();
}

/**
 * The last of `[first, last)` that started before an instant, or -1.
 * @param {Float64Array} starts
 * @param {number} at
 * @param {number} first
 * @param {number} last
 */
function lastStarted(starts, at, first, last) {
  let i = firstAbove(starts, at, first, last) - 1;
  while (i >= first && starts[i] >= at) i--;
  return i >= first ? i : -1;
}

/**
 * @typedef {object} Blockage What some tasks wait on at an instant.
 * @property {string} what
 * @property {string} kind
 * @property {number} task the task that they wait on, or -1
 * @property {number} opener the task that ends it later, or -1
 * @property {number[]} waits
 */

/**
 * Who waits on whom at an instant; what holds up most tasks first.
 * @param {Trace} trace
 * @param {number} ns
 * @returns {Blockage[]}
 */
export function blockages(trace, ns) {
  /** @type {Map<string, Blockage>} */
  const found = new Map();
  const { wait } = trace;
  for (let task = 0; task < trace.task.count; task++) {
    if (trace.task.created[task] > ns || trace.endOf(task) < ns) continue;
    const w = trace.waitAt(task, ns);
    if (w < 0 || wait.ready[w] <= ns) continue;
    const key = wait.awaited[w] ? `${trace.kind(w)} ${wait.awaited[w]}` : trace.what(w);
    const known = found.get(key);
    if (known) known.waits.push(w);
    else found.set(key, { what: trace.what(w), kind: trace.kind(w), task: trace.awaitedTask(w), opener: -1, waits: [w] });
  }
  for (const blockage of found.values()) {
    const first = blockage.waits.reduce((a, b) => (wait.ready[b] < wait.ready[a] ? b : a));
    if (wait.known[first] & 1) blockage.opener = wait.waker[first];
  }
  return [...found.values()].sort((a, b) => b.waits.length - a.waits.length || a.what.localeCompare(b.what));
}
