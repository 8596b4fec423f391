// Which rows the timeline has: loops, executor threads, then tasks in the tree of their creation or by coroutine, folded or not.

/** @typedef {import("./trace.js").Trace} Trace */
/**
 * @typedef {{kind: "loop", key: string, loop: number, depth: 0, height: number}} LoopRow
 * @typedef {{kind: "thread", key: string, thread: number, depth: 0, height: number}} ThreadRow
 * @typedef {{kind: "task", key: string, task: number, depth: number, height: number, below: number, open: boolean}} TaskRow
 *   `below` is how many tasks it created that can be folded away
 * @typedef {{kind: "group", key: string, coroutine: number, tasks: Uint32Array, depth: number, height: number, open: boolean}} GroupRow
 * @typedef {LoopRow | ThreadRow | TaskRow | GroupRow} Row
 */

export const HEIGHT = { loop: 40, thread: 22, task: 22, group: 30 };

/** So many loops and threads stand above the tasks; if there are more, as in programs that call `asyncio.run` often, below them. */
const FEW_LOOPS = 8;

/** Siblings of one coroutine fold into one row if they are so many, */
const CROWD = 12;
/** in traces of more than so many tasks. */
const FEW = 40;

export class Rows {
  /** @param {Trace} trace */
  constructor(trace) {
    this.trace = trace;
    /** @type {"tree" | "coroutine"} */
    this.grouping = "tree";
    /**
     * Keys of rows that are not as they are at first: task rows are open then, groups are not.
     * @type {Set<string>}
     */
    this.toggled = new Set();
    /**
     * Tasks that may show; null for all.
     * @type {Set<number> | null}
     */
    this.only = null;
    /** @type {Row[]} */
    this.all = [];
    /**
     * Rows by task, once somebody asks.
     * @type {Map<number, number> | null}
     */
    this.places = null;
    this.tops = new Float64Array(1);
    this.build();
  }

  /** Make the rows anew, after a change of the settings above. */
  build() {
    /** @type {Row[]} */
    const rows = [];
    const { head, task } = this.trace;
    const few = head.loops.length + head.threads.length <= FEW_LOOPS;
    if (!this.only && few) this.#addLoops(rows);
    if (this.grouping === "coroutine") {
      for (const tasks of together(this.trace, this.shown(Uint32Array.from({ length: task.count }, (_, i) => i)))) this.#addGroup(rows, tasks, 0, "c");
    } else {
      this.#addTree(rows);
    }
    if (!this.only && !few) this.#addLoops(rows);
    this.all = rows;
    this.places = null;
    this.tops = new Float64Array(rows.length + 1);
    rows.forEach((row, i) => (this.tops[i + 1] = this.tops[i] + row.height));
  }

  get height() {
    return this.tops[this.all.length];
  }

  /** @param {Row[]} rows */
  #addLoops(rows) {
    const { loops, threads } = this.trace.head;
    loops.forEach((_, i) => rows.push({ kind: "loop", key: `l${i}`, loop: i + 1, depth: 0, height: HEIGHT.loop }));
    threads.forEach((_, i) => rows.push({ kind: "thread", key: `x${i}`, thread: i + 1, depth: 0, height: HEIGHT.thread }));
  }

  /** @param {Uint32Array} tasks */
  shown(tasks) {
    const { only } = this;
    return only ? tasks.filter((task) => only.has(task)) : tasks;
  }

  /** @param {Row[]} rows */
  #addTree(rows) {
    const crowded = this.trace.task.count > FEW;
    /** @type {{tasks: Uint32Array, at: number, depth: number}[]} */
    const open = [];
    /**
     * @param {number} parent
     * @param {number} depth
     */
    const enter = (parent, depth) => {
      const children = this.shown(this.trace.children(parent));
      if (!crowded || children.length < CROWD) {
        open.push({ tasks: children, at: 0, depth });
        return;
      }
      for (const tasks of together(this.trace, children).reverse()) {
        if (tasks.length < CROWD) open.push({ tasks, at: 0, depth });
        else open.push({ tasks, at: -1, depth });
      }
    };
    enter(-1, 0);
    while (open.length) {
      const level = open[open.length - 1];
      if (level.at < 0) {
        const key = `g${this.trace.task.parent[level.tasks[0]]}.${this.trace.task.coroutine[level.tasks[0]]}`;
        const shown = this.toggled.has(key);
        rows.push({ kind: "group", key, coroutine: this.trace.task.coroutine[level.tasks[0]], tasks: level.tasks, depth: level.depth, height: HEIGHT.group, open: shown });
        level.at = shown ? 0 : level.tasks.length;
        level.depth++;
      } else if (level.at < level.tasks.length) {
        const row = this.#taskRow(level.tasks[level.at++], level.depth);
        rows.push(row);
        if (row.below && row.open) enter(row.task, level.depth + 1);
      } else {
        open.pop();
      }
    }
    if (this.only) this.#addOrphans(rows);
  }

  /**
   * Tasks that pass the filter while their creators do not.
   * @param {Row[]} rows
   */
  #addOrphans(rows) {
    const placed = new Set();
    for (const row of rows) {
      if (row.kind === "task") placed.add(row.task);
      else if (row.kind === "group") for (const task of row.tasks) placed.add(task);
    }
    for (const task of this.only ?? []) {
      const parent = this.trace.task.parent[task];
      if (!placed.has(task) && !this.only?.has(parent)) rows.push({ ...this.#taskRow(task, 0), below: 0 });
    }
  }

  /**
   * @param {number} task
   * @param {number} depth
   * @returns {Row & {kind: "task"}}
   */
  #taskRow(task, depth) {
    const key = `t${task}`;
    const below = this.grouping === "tree" ? this.trace.children(task).length : 0;
    return { kind: "task", key, task, depth, height: HEIGHT.task, below, open: !this.toggled.has(key) };
  }

  /**
   * @param {Row[]} rows
   * @param {Uint32Array} tasks
   * @param {number} depth
   * @param {string} prefix
   */
  #addGroup(rows, tasks, depth, prefix) {
    const coroutine = this.trace.task.coroutine[tasks[0]];
    const key = `${prefix}${coroutine}`;
    const open = this.toggled.has(key);
    rows.push({ kind: "group", key, coroutine, tasks, depth, height: HEIGHT.group, open });
    if (open) for (const task of tasks) rows.push(this.#taskRow(task, depth + 1));
  }

  /** @param {Row} row */
  toggle(row) {
    if (row.kind !== "group" && !(row.kind === "task" && row.below)) return;
    if (!this.toggled.delete(row.key)) this.toggled.add(row.key);
    this.build();
  }

  /** @param {boolean} open */
  setAll(open) {
    this.toggled.clear();
    const { task } = this.trace;
    if (!open) for (let i = 0; i < task.count; i++) if (this.trace.children(i).length) this.toggled.add(`t${i}`);
    this.build();
  }

  /**
   * Index of the row at a height, or -1.
   * @param {number} y
   */
  at(y) {
    if (y < 0 || y >= this.height) return -1;
    let low = 0;
    let high = this.all.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.tops[middle] <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /**
   * Index of the row in which a task shows: its own, or the folded one that holds it; -1 if the filter hides it.
   * @param {number} task
   */
  of(task) {
    if (!this.places) this.#place();
    const { parent } = this.trace.task;
    for (let at = task; at >= 0; at = parent[at]) {
      const found = this.places?.get(at);
      if (found !== undefined) return found;
    }
    return -1;
  }

  /** @type {Map<number, number> | null} */
  places = null;
  #place() {
    /** @type {Map<number, number>} */
    const places = new Map();
    this.all.forEach((row, i) => {
      if (row.kind === "task") places.set(row.task, i);
      else if (row.kind === "group") for (const task of row.tasks) places.set(task, i);
    });
    this.places = places;
  }

  /**
   * Unfold what hides a task, and tell its row; -1 if the filter hides it.
   * @param {number} task
   */
  reveal(task) {
    if (this.only && !this.only.has(task)) return -1;
    const { parent, coroutine } = this.trace.task;
    if (this.grouping === "coroutine") {
      this.toggled.add(`c${coroutine[task]}`);
    } else {
      for (let at = task; at >= 0; at = parent[at]) {
        if (at !== task) this.toggled.delete(`t${at}`);
        this.toggled.add(`g${parent[at]}.${coroutine[at]}`);
      }
    }
    const found = this.of(task);
    const row = this.all[found];
    if (row?.kind === "task" && row.task === task) return found;
    this.build();
    return this.of(task);
  }
}

/**
 * Tasks by coroutine, in the order of the first of each.
 * @param {Trace} trace
 * @param {Uint32Array} tasks
 */
function together(trace, tasks) {
  /** @type {Map<number, number[]>} */
  const groups = new Map();
  for (const task of tasks) {
    const coroutine = trace.task.coroutine[task];
    const group = groups.get(coroutine);
    if (group) group.push(task);
    else groups.set(coroutine, [task]);
  }
  return Array.from(groups.values(), (group) => Uint32Array.from(group));
}
