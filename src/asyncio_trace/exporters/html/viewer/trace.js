// A trace as the rest of the viewer asks it: names, places, and sums that tell the share of any stretch in few steps.

/** @typedef {import("./load.js").Head} Head */
/** @typedef {import("./load.js").Tables} Tables */
/** @typedef {{fn: string, file: string, line: number, module: string}} Site */

export const OUTCOMES = ["pending", "returned", "raised", "cancelled"];

/**
 * Index of the first of `values[from..to)` that is greater than `x`; `to` if none is. The values ascend.
 * @param {ArrayLike<number>} values
 * @param {number} x
 * @param {number} from
 * @param {number} to
 */
export function firstAbove(values, x, from, to) {
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (values[middle] > x) to = middle;
    else from = middle + 1;
  }
  return from;
}

export class Trace {
  /**
   * @param {Head} head
   * @param {Tables} tables
   */
  constructor(head, tables) {
    this.head = head;
    this.task = tables.task;
    this.run = tables.run;
    this.wait = tables.wait;
    this.callback = tables.callback;
    this.idle = tables.idle;
    this.job = tables.job;
    this.hold = tables.hold;
    this.end = Math.max(1, head.end);
    /** Time that a task waited and was ready, and ran, summed over all rows before. */
    this.waited = sums(this.wait.start, this.wait.ready);
    this.queued = sums(this.wait.ready, this.wait.end);
    this.ran = sums(this.run.start, this.run.end);
    /** @type {Map<number, number> | null} */
    this.rowOfId = null;
    /** @type {Uint32Array | null} */
    this.childOrder = null;
    /** @type {Uint32Array | null} */
    this.firstChild = null;
    /** @type {Map<string, {first: Uint32Array, rows: Uint32Array}>} */
    this.loopRows = new Map();
  }

  /**
   * Rows of a table that are of one loop.
   * @param {"run" | "callback" | "idle"} table
   * @param {number} loop
   */
  ofLoop(table, loop) {
    let known = this.loopRows.get(table);
    if (!known) {
      const { count, loop: loops } = this[table];
      const first = new Uint32Array(this.head.loops.length + 2);
      for (let i = 0; i < count; i++) first[loops[i] + 1]++;
      for (let i = 1; i < first.length; i++) first[i] += first[i - 1];
      const next = first.slice();
      const rows = new Uint32Array(count);
      for (let i = 0; i < count; i++) rows[next[loops[i]]++] = i;
      this.loopRows.set(table, (known = { first, rows }));
    }
    return known.rows.subarray(known.first[loop], known.first[loop + 1]);
  }

  /** @param {number} task */
  name(task) {
    if (this.task.number[task]) return `Task-${this.task.number[task]}`;
    const name = this.task.name[task] ? this.head.texts[this.task.name[task] - 1] : "";
    return name || `task ${this.task.id[task]}`;
  }

  /**
   * Whether the program named it.
   * @param {number} task
   */
  isNamed(task) {
    return this.task.number[task] === 0 && this.task.name[task] !== 0;
  }

  /** @param {number} task */
  coroutine(task) {
    return this.head.texts[this.task.coroutine[task]];
  }

  /** @param {number} task */
  endOf(task) {
    const ended = this.task.ended[task];
    return ended < this.end ? ended : this.end;
  }

  /** @param {number} number of a text, plus 1 */
  text(number) {
    return number ? this.head.texts[number - 1] : "";
  }

  /**
   * @param {number} number of a site, plus 1
   * @returns {Site | null}
   */
  site(number) {
    if (!number) return null;
    const [fn, file, line, module] = this.head.sites[number - 1];
    return { fn, file, line, module };
  }

  /**
   * Outermost first.
   * @param {number} wait
   */
  stack(wait) {
    return this.head.stacks[this.wait.stack[wait]].map((number) => /** @type {Site} */ (this.site(number)));
  }

  /**
   * The program's own innermost line of a wait.
   * @param {number} wait
   */
  ownSite(wait) {
    const stack = this.stack(wait);
    return stack.findLast((site) => site.module !== "asyncio" && !site.module.startsWith("asyncio.")) ?? stack.at(-1) ?? null;
  }

  /** @param {number} wait */
  kind(wait) {
    return this.head.whats[this.wait.what[wait]][0];
  }

  /**
   * The task that a wait is on, or -1.
   * @param {number} wait
   */
  awaitedTask(wait) {
    return this.head.whats[this.wait.what[wait]][1] === "Task" ? this.rowOf(this.wait.awaited[wait]) : -1;
  }

  /**
   * What a wait is on, as a person calls it.
   * @param {number} wait
   */
  what(wait) {
    const [kind, type, label] = this.head.whats[this.wait.what[wait]];
    if (type === "Task") {
      const task = this.rowOf(this.wait.awaited[wait]);
      return `${label} ${task < 0 ? "" : this.name(task)}`.trim() || kind;
    }
    return label || kind;
  }

  /**
   * Row of the task with an id, or -1.
   * @param {number} id
   */
  rowOf(id) {
    if (!this.rowOfId) this.rowOfId = new Map(Array.from(this.task.id, (known, row) => [known, row]));
    return this.rowOfId.get(id) ?? -1;
  }

  /**
   * Who holds a lock, or units of a semaphore, at an instant: rows of `hold`.
   * @param {number} resource
   * @param {number} ns
   */
  holders(resource, ns) {
    const { hold } = this;
    const found = [];
    for (let i = firstAbove(hold.resource, resource - 0.5, 0, hold.count); i < hold.count && hold.resource[i] === resource && hold.from[i] <= ns; i++) {
      if (!(hold.to[i] <= ns)) found.push(i);
    }
    return found;
  }

  /** @param {number} wait */
  cause(wait) {
    const number = this.wait.cause[wait];
    if (!number) return null;
    const [kind, site, label] = this.head.causes[number - 1];
    return { kind, at: this.site(site), label, task: this.wait.waker[wait], ns: this.wait.causeNs[wait] };
  }

  /** @param {number} task */
  canceller(task) {
    const number = this.task.cancelCause[task];
    if (!number) return null;
    const [kind, site, label] = this.head.causes[number - 1];
    return { kind, at: this.site(site), label, task: this.task.cancelTask[task] - 1, ns: this.task.cancelNs[task] };
  }

  /**
   * Rows of the tasks that a task created; of those that no known task created for -1.
   * @param {number} task
   */
  children(task) {
    if (!this.childOrder || !this.firstChild) {
      const { count, parent } = this.task;
      this.firstChild = new Uint32Array(count + 2);
      for (let i = 0; i < count; i++) this.firstChild[parent[i] + 2]++;
      for (let i = 1; i < count + 2; i++) this.firstChild[i] += this.firstChild[i - 1];
      const next = this.firstChild.slice();
      this.childOrder = new Uint32Array(count);
      for (let i = 0; i < count; i++) this.childOrder[next[parent[i] + 1]++] = i;
    }
    return this.childOrder.subarray(this.firstChild[task + 1], this.firstChild[task + 2]);
  }

  /**
   * Running, ready and waiting time of a task; ready is what is left of its life.
   * @param {number} task
   */
  times(task) {
    const { firstRun, firstWait, created } = this.task;
    const running = this.ran[firstRun[task + 1]] - this.ran[firstRun[task]];
    const waiting = this.waited[firstWait[task + 1]] - this.waited[firstWait[task]];
    const life = this.endOf(task) - created[task];
    return { running, waiting, ready: Math.max(0, life - running - waiting), life };
  }

  /**
   * The run of a task that goes on at an instant, or -1. At the instant at which one ends and the next begins, it is the next.
   * @param {number} task
   * @param {number} ns
   */
  runAt(task, ns) {
    const first = this.task.firstRun[task];
    const run = firstAbove(this.run.start, ns, first, this.task.firstRun[task + 1]) - 1;
    return run >= first && this.run.end[run] >= ns ? run : -1;
  }

  /**
   * The wait of a task that goes on at an instant, up to its resumption, or -1.
   * @param {number} task
   * @param {number} ns
   */
  waitAt(task, ns) {
    const first = this.task.firstWait[task];
    const wait = firstAbove(this.wait.start, ns, first, this.task.firstWait[task + 1]) - 1;
    return wait >= first && this.wait.end[wait] > ns ? wait : -1;
  }

  /**
   * Rows of `starts` by start, those of one loop or thread say.
   * @param {Float64Array} starts
   */
  static byTime(starts) {
    const { length } = starts;
    const order = new Uint32Array(length);
    if (!length) return order;
    let low = Infinity;
    let high = -Infinity;
    for (let i = 0; i < length; i++) {
      if (starts[i] < low) low = starts[i];
      if (starts[i] > high) high = starts[i];
    }
    const buckets = Math.min(1 << 22, length);
    const scale = high > low ? (buckets - 1) / (high - low) : 0;
    const first = new Uint32Array(buckets + 1);
    for (let i = 0; i < length; i++) first[Math.floor((starts[i] - low) * scale) + 1]++;
    for (let i = 1; i <= buckets; i++) first[i] += first[i - 1];
    const next = first.slice(0, buckets);
    for (let i = 0; i < length; i++) order[next[Math.floor((starts[i] - low) * scale)]++] = i;
    for (let bucket = 0; bucket < buckets; bucket++) {
      const size = first[bucket + 1] - first[bucket];
      if (size > SMALL_BUCKET) order.subarray(first[bucket], first[bucket + 1]).sort((a, b) => starts[a] - starts[b] || a - b);
      else if (size > 1) insertionSort(order, starts, first[bucket], first[bucket + 1]);
    }
    return order;
  }
}

/** Buckets up to this size are sorted in place: most have one or two rows, and there are millions. */
const SMALL_BUCKET = 40;

/**
 * @param {Uint32Array} order
 * @param {Float64Array} starts
 * @param {number} from
 * @param {number} to
 */
function insertionSort(order, starts, from, to) {
  for (let i = from + 1; i < to; i++) {
    const row = order[i];
    let at = i;
    while (at > from && starts[order[at - 1]] > starts[row]) order[at] = order[--at];
    order[at] = row;
  }
}

/**
 * @param {Float64Array} starts
 * @param {Float64Array} ends
 */
function sums(starts, ends) {
  const total = new Float64Array(starts.length + 1);
  for (let i = 0; i < starts.length; i++) total[i + 1] = total[i] + ends[i] - starts[i];
  return total;
}
