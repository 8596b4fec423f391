// Charts of folded rows, and jobs by thread: worked out once and kept while they are of use.
import { crowd } from "./density.js";

/** @typedef {import("./trace.js").Trace} Trace */
/** @typedef {import("./rows.js").GroupRow} GroupRow */
/**
 * @typedef {object} Chart
 * @property {number} from
 * @property {number} step
 * @property {number} most tasks alive at once
 * @property {Float64Array} running
 * @property {Float64Array} ready
 * @property {Float64Array} waiting
 */

/** Bins of the chart of the whole trace, which serves while a closer one is not there yet. */
const COARSE = 2048;

export class Crowds {
  /**
   * @param {Trace} trace
   * @param {() => void} changed called when a closer chart is there
   */
  constructor(trace, changed) {
    this.trace = trace;
    this.changed = changed;
    /** @type {Map<string, {tasks: Uint32Array, chart: Chart}>} */
    this.whole = new Map();
    /** @type {Map<string, {tasks: Uint32Array, from: number, to: number, chart: Chart}>} */
    this.close = new Map();
    /** @type {Map<string, {row: GroupRow, from: number, to: number, bins: number}>} */
    this.wanted = new Map();
    /** @type {number | null} */
    this.timer = null;
    /** @type {Map<number, Uint32Array>} */
    this.jobs = new Map();
  }

  /**
   * The best chart that is there; a closer one is made when the view rests.
   * @param {GroupRow} row
   * @param {number} from
   * @param {number} to
   * @param {number} bins
   * @returns {Chart}
   */
  chart(row, from, to, bins) {
    let whole = this.whole.get(row.key);
    if (!whole || whole.tasks !== row.tasks) {
      if (whole && same(whole.tasks, row.tasks)) whole.tasks = row.tasks;
      else this.whole.set(row.key, (whole = { tasks: row.tasks, chart: this.#make(row.tasks, 0, this.trace.end, COARSE) }));
    }
    if (to - from >= this.trace.end * 0.9) return whole.chart;
    const close = this.close.get(row.key);
    if (close && close.from === from && close.to === to && close.tasks.length === row.tasks.length) return close.chart;
    this.wanted.set(row.key, { row, from, to, bins });
    if (this.timer === null) this.timer = setTimeout(() => this.#refine(), 60);
    const fits = close && close.from <= from && close.to >= to && close.tasks.length === row.tasks.length;
    return fits ? close.chart : whole.chart;
  }

  #refine() {
    this.timer = null;
    for (const [key, { row, from, to, bins }] of this.wanted) {
      this.close.set(key, { tasks: row.tasks, from, to, chart: this.#make(row.tasks, from, to, bins) });
    }
    this.wanted.clear();
    this.changed();
  }

  /**
   * @param {Uint32Array} tasks
   * @param {number} from
   * @param {number} to
   * @param {number} bins
   * @returns {Chart}
   */
  #make(tasks, from, to, bins) {
    const { running, ready, waiting, alive } = crowd(this.trace, tasks, from, to, bins);
    let most = 0;
    for (const all of alive) most = Math.max(most, all);
    const whole = this.#most(tasks);
    return { from, step: (to - from) / bins, most: Math.max(most, whole), running, ready, waiting };
  }

  /**
   * Most tasks of a crowd alive at once in the whole trace, so that the height means the same at every zoom.
   * @param {Uint32Array} tasks
   */
  #most(tasks) {
    const { created } = this.trace.task;
    const begins = Float64Array.from(tasks, (task) => created[task]).sort();
    const ends = Float64Array.from(tasks, (task) => this.trace.endOf(task)).sort();
    let most = 0;
    for (let i = 0, over = 0; i < begins.length; i++) {
      while (ends[over] <= begins[i]) over++;
      most = Math.max(most, i + 1 - over);
    }
    return most;
  }

  /**
   * Jobs that a thread ran, by start.
   * @param {number} thread
   */
  jobsOf(thread) {
    let jobs = this.jobs.get(thread);
    if (!jobs) {
      const { job } = this.trace;
      const mine = [];
      for (let i = 0; i < job.count; i++) if (job.thread[i] === thread && !Number.isNaN(job.started[i])) mine.push(i);
      jobs = Uint32Array.from(mine).sort((a, b) => job.started[a] - job.started[b]);
      this.jobs.set(thread, jobs);
    }
    return jobs;
  }
}

/**
 * @param {Uint32Array} a
 * @param {Uint32Array} b
 */
function same(a, b) {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
