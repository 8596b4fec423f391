// How busy loops and crowds of tasks are over time, by stretches of equal length.
import { shares } from "./lane.js";
import { firstAbove, Trace } from "./trace.js";

/** Runs of which the worst lag is known at once. */
const BLOCK = 64;

/** Runs of one loop, in order, with what a picture of it asks for. */
export class LoopRuns {
  /**
   * @param {Trace} trace
   * @param {number} loop
   */
  constructor(trace, loop) {
    const { run, callback, idle } = trace;
    const steps = trace.ofLoop("run", loop);
    const callbacks = trace.ofLoop("callback", loop);
    const count = steps.length + callbacks.length;
    const mine = new Uint32Array(count);
    mine.set(steps);
    for (let i = 0; i < callbacks.length; i++) mine[steps.length + i] = run.count + callbacks[i];
    const starts = new Float64Array(count);
    for (let i = 0; i < count; i++) starts[i] = mine[i] < run.count ? run.start[mine[i]] : callback.start[mine[i] - run.count];
    const order = Trace.byTime(starts);
    /** Index of each run: in `run`, or beyond its end in `callback`. */
    this.run = new Uint32Array(count);
    this.start = new Float64Array(count);
    this.end = new Float64Array(count);
    this.busy = new Float64Array(count + 1);
    /** How long the task of each run had been ready before it; 0 for callbacks. */
    this.lag = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      const at = (this.run[i] = mine[order[i]]);
      this.start[i] = starts[order[i]];
      this.end[i] = at < run.count ? run.end[at] : callback.end[at - run.count];
      this.busy[i + 1] = this.busy[i] + this.end[i] - this.start[i];
      if (at < run.count) this.lag[i] = lagOf(trace, at);
    }
    this.blocks = new Float32Array(Math.ceil(this.run.length / BLOCK));
    for (let i = 0; i < this.run.length; i++) this.blocks[Math.floor(i / BLOCK)] = Math.max(this.blocks[Math.floor(i / BLOCK)], this.lag[i]);
    /** When the loop began to wait in its selector: the ends of its iterations. */
    this.turns = Float64Array.from(trace.ofLoop("idle", loop), (i) => idle.start[i]).sort();
  }

  /**
   * Share of a stretch in which the loop ran something.
   * @param {number} from
   * @param {number} to
   */
  utilisation(from, to) {
    return this.busyTime(from, to) / Math.max(1e-9, to - from);
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  busyTime(from, to) {
    const a = firstAbove(this.start, from, 0, this.start.length);
    const b = firstAbove(this.start, to, a, this.start.length);
    let busy = this.busy[b] - this.busy[a];
    if (a > 0) busy += Math.max(0, Math.min(this.end[a - 1], to) - from);
    if (b > a) busy -= Math.max(0, this.end[b - 1] - to);
    return Math.max(0, busy);
  }

  /**
   * The longest that a task was ready before a run that began in a stretch.
   * @param {number} from
   * @param {number} to
   */
  worstLag(from, to) {
    let i = firstAbove(this.start, from, 0, this.start.length);
    const end = firstAbove(this.start, to, i, this.start.length);
    let worst = 0;
    while (i < end) {
      if (i % BLOCK === 0 && i + BLOCK <= end) {
        worst = Math.max(worst, this.blocks[i / BLOCK]);
        i += BLOCK;
      } else {
        worst = Math.max(worst, this.lag[i++]);
      }
    }
    return worst;
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  iterations(from, to) {
    return firstAbove(this.turns, to, 0, this.turns.length) - firstAbove(this.turns, from, 0, this.turns.length);
  }

  /**
   * Position of the run that goes on at an instant, or -1.
   * @param {number} ns
   */
  at(ns) {
    const i = firstAbove(this.start, ns, 0, this.start.length) - 1;
    return i >= 0 && this.end[i] >= ns ? i : -1;
  }
}

/**
 * How long the task of a run had been ready when it began.
 * @param {Trace} trace
 * @param {number} run
 */
export function lagOf(trace, run) {
  const task = trace.run.task[run];
  const start = trace.run.start[run];
  const first = trace.task.firstWait[task];
  const wait = firstAbove(trace.wait.end, start, first, trace.task.firstWait[task + 1]) - 1;
  if (wait >= first && trace.wait.end[wait] === start) return start - trace.wait.ready[wait];
  return run === trace.task.firstRun[task] ? start - trace.task.created[task] : 0;
}

/**
 * Running, ready and waiting tasks of a crowd, on average, in `bins` equal parts of a stretch.
 * @param {Trace} trace
 * @param {ArrayLike<number>} tasks
 * @param {number} from
 * @param {number} to
 * @param {number} bins
 */
export function crowd(trace, tasks, from, to, bins) {
  const running = new Bins(from, to, bins);
  const waiting = new Bins(from, to, bins);
  const alive = new Bins(from, to, bins);
  const { run, wait } = trace;
  const { firstRun, firstWait, created } = trace.task;
  for (let i = 0; i < tasks.length; i++) {
    const task = tasks[i];
    const end = trace.endOf(task);
    if (created[task] >= to || end <= from) continue;
    alive.add(created[task], end);
    addAll(running, trace, task, run.start, run.end, firstRun);
    addAll(waiting, trace, task, wait.start, wait.ready, firstWait);
  }
  const shown = { running: running.shares(), waiting: waiting.shares(), alive: alive.shares() };
  return { ...shown, ready: shown.alive.map((all, bin) => Math.max(0, all - shown.running[bin] - shown.waiting[bin])) };
}

/**
 * Add the stretches of one task, or their share of each bin if there are many more of them than bins.
 * @param {Bins} bins
 * @param {Trace} trace
 * @param {number} task
 * @param {Float64Array} starts
 * @param {Float64Array} ends
 * @param {Uint32Array} first
 */
function addAll(bins, trace, task, starts, ends, first) {
  const begin = firstAbove(ends, bins.from, first[task], first[task + 1]);
  const last = firstAbove(starts, bins.to, begin, first[task + 1]);
  if (last - begin < 4 * bins.count) {
    for (let i = begin; i < last; i++) bins.add(starts[i], ends[i]);
    return;
  }
  const step = (bins.to - bins.from) / bins.count;
  for (let bin = 0; bin < bins.count; bin++) {
    const part = shares(trace, task, bins.from + bin * step, bins.from + (bin + 1) * step);
    bins.part[bin] += (starts === trace.run.start ? part.running : part.waiting) / step;
  }
}

/** How much of each of some equal parts of a stretch is covered. A long stretch costs no more than a short one. */
export class Bins {
  /**
   * @param {number} from
   * @param {number} to
   * @param {number} count
   */
  constructor(from, to, count) {
    this.from = from;
    this.to = to;
    this.count = count;
    this.scale = count / (to - from);
    this.part = new Float64Array(count);
    /** By how much the number of stretches that cover a bin whole differs from that of the bin before. */
    this.change = new Float64Array(count + 1);
  }

  /**
   * @param {number} start
   * @param {number} end
   */
  add(start, end) {
    const a = Math.max(0, (start - this.from) * this.scale);
    const b = Math.min(this.count, (end - this.from) * this.scale);
    if (!(b > a)) return;
    const first = Math.floor(a);
    const last = Math.min(this.count - 1, Math.floor(b));
    if (first === last) {
      this.part[first] += b - a;
      return;
    }
    this.part[first] += first + 1 - a;
    this.part[last] += b - last;
    this.change[first + 1]++;
    this.change[last]--;
  }

  shares() {
    let whole = 0;
    return this.part.map((part, bin) => part + (whole += this.change[bin]));
  }
}
