// From the head and the columns of a page to the tables of a trace. The counterpart of `encode.py`, which says what each column holds.
import { unpack, unzigzag } from "./decode.js";

/** @typedef {Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>} Numbers */
/** @typedef {import("./decode.js").Packed} Packed */
/**
 * @typedef {{rule: string, severity: string, task: number | null, start: number, end: number, at: number, message: string, advice: string}} Finding
 * @typedef {{id: number, type: string, thread: string, created: number, closed: number | null}} Loop
 * @typedef {{argv: string[], python: string, platform: string, pid: number, started_unix_ms: number, core: string, recorded_from: number}} Program
 */
/**
 * @typedef {object} Head
 * @property {string} format
 * @property {number} version
 * @property {Program} program
 * @property {number} end the last instant
 * @property {boolean} complete
 * @property {string} left_out what this page lacks, in one line, or ""
 * @property {Loop[]} loops
 * @property {[number, string][]} threads system's id and name
 * @property {[string, string, string][]} whats kind, type and label of what is waited on
 * @property {[string, number, string | null][]} causes kind, site + 1 and label of wakers
 * @property {number[][]} stacks each the sites + 1, outermost first
 * @property {Finding[]} findings
 * @property {[string, string, number, string][]} sites function, file, line, module
 * @property {string[]} texts
 * @property {Record<string, Record<string, string>>} [source] lines by file and number, if they were embedded
 */
/**
 * @typedef {object} Tables Rows by table; a task is known by its row.
 * @property {{count: number, id: Numbers, number: Numbers, name: Numbers, coroutine: Numbers, parent: Int32Array, loop: Numbers,
 *   created: Float64Array, started: Float64Array, ended: Float64Array, outcome: Numbers, exception: Numbers, site: Numbers, eager: Numbers,
 *   cancelCause: Numbers, cancelTask: Numbers, cancelNs: Numbers, firstRun: Uint32Array, firstWait: Uint32Array}} task
 * @property {{count: number, task: Uint32Array, start: Float64Array, end: Float64Array, loop: Numbers}} run
 * @property {{count: number, task: Uint32Array, start: Float64Array, ready: Float64Array, end: Float64Array, known: Numbers, what: Numbers,
 *   awaited: Float64Array, stack: Numbers, cause: Numbers, waker: Int32Array, causeNs: Float64Array}} wait
 * @property {{count: number, start: Float64Array, end: Float64Array, loop: Numbers, name: Numbers}} callback
 * @property {{count: number, start: Float64Array, end: Float64Array, loop: Numbers}} idle
 * @property {{count: number, loop: Numbers, task: Numbers, fn: Numbers, site: Numbers, submitted: Float64Array, started: Float64Array,
 *   ended: Float64Array, thread: Numbers, outcome: Numbers}} job
 * @property {{count: number, resource: Float64Array, task: Int32Array, from: Float64Array, to: Float64Array, site: Numbers}} hold by resource
 */

/**
 * Instants that are not known are NaN, but for ends of waits: those that last are taken to last until `head.end`.
 * @param {Head} head
 * @param {Iterable<Packed>} columns
 * @param {() => Promise<void>} [pause] called between columns, so that a page stays alive
 * @returns {Promise<Tables>}
 */
export async function load(head, columns, pause = async () => {}) {
  if (head.format !== "asyncio-trace/viewer" || head.version !== 1) throw new Error(`this page holds ${head.format} ${head.version}, the viewer reads asyncio-trace/viewer 1`);
  /** @type {Map<string, Numbers>} */
  const read = new Map();
  for (const column of columns) {
    read.set(column.name, await unpack(column));
    await pause();
  }
  /** @param {string} name */
  const take = (name) => {
    const numbers = read.get(name);
    if (!numbers) throw new Error(`the page is cut or was changed: there is no column ${name}`);
    read.delete(name);
    return numbers;
  };
  const task = readTasks(take);
  const run = readRuns(take, task);
  await pause();
  const wait = readWaits(take, task, run, head.end);
  await pause();
  return { task, run, wait, callback: readCallbacks(take), idle: readIdle(take), job: readJobs(take), hold: readHolds(take) };
}

/** @param {Numbers} steps */
function summed(steps) {
  const sums = new Float64Array(steps.length);
  let sum = 0;
  for (let i = 0; i < steps.length; i++) sums[i] = sum += unzigzag(steps[i]);
  return sums;
}

/**
 * @param {Float64Array} since
 * @param {Numbers} delays 1 + the delay; 0 if not known
 */
function after(since, delays) {
  const instants = new Float64Array(delays.length);
  for (let i = 0; i < delays.length; i++) instants[i] = delays[i] === 0 ? NaN : since[i] + delays[i] - 1;
  return instants;
}

/** @param {Numbers} counts */
function offsets(counts) {
  const first = new Uint32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) first[i + 1] = first[i] + counts[i];
  return first;
}

/**
 * @param {(name: string) => Numbers} take
 * @returns {Tables["task"]}
 */
function readTasks(take) {
  const up = take("task.parent");
  const parent = new Int32Array(up.length);
  for (let i = 0; i < up.length; i++) parent[i] = up[i] === 0 ? -1 : i - unzigzag(up[i]);
  const created = summed(take("task.created"));
  return {
    count: up.length,
    id: summed(take("task.id")),
    number: summed(take("task.number")),
    name: take("task.name"),
    coroutine: take("task.coroutine"),
    parent,
    loop: take("task.loop"),
    created,
    started: after(created, take("task.started")),
    ended: after(created, take("task.ended")),
    outcome: take("task.outcome"),
    exception: take("task.exception"),
    site: take("task.site"),
    eager: take("task.eager"),
    cancelCause: take("task.cancel_cause"),
    cancelTask: take("task.cancel_task"),
    cancelNs: take("task.cancel_ns"),
    firstRun: offsets(take("task.runs")),
    firstWait: offsets(take("task.waits")),
  };
}

/**
 * @param {(name: string) => Numbers} take
 * @param {Tables["task"]} task
 * @returns {Tables["run"]}
 */
function readRuns(take, task) {
  const gap = take("run.gap");
  const length = take("run.length");
  const count = gap.length;
  const run = { count, task: new Uint32Array(count), start: new Float64Array(count), end: new Float64Array(count), loop: take("run.loop") };
  for (let row = 0; row < task.count; row++) {
    let before = task.created[row];
    for (let i = task.firstRun[row]; i < task.firstRun[row + 1]; i++) {
      run.task[i] = row;
      run.start[i] = before + unzigzag(gap[i]);
      run.end[i] = before = run.start[i] + length[i];
    }
  }
  return run;
}

/**
 * @param {(name: string) => Numbers} take
 * @param {Tables["task"]} task
 * @param {Tables["run"]} run
 * @param {number} end
 * @returns {Tables["wait"]}
 */
function readWaits(take, task, run, end) {
  const step = take("wait.run");
  const late = take("wait.start");
  const known = take("wait.known");
  const over = take("wait.end");
  const ready = take("wait.ready");
  const waker = take("wait.waker");
  const causeNs = take("wait.cause_ns");
  const count = step.length;
  const wait = {
    count,
    task: new Uint32Array(count),
    start: new Float64Array(count),
    ready: new Float64Array(count),
    end: new Float64Array(count),
    known,
    what: take("wait.what"),
    awaited: summed(take("wait.awaited")),
    stack: take("wait.stack"),
    cause: take("wait.cause"),
    waker: new Int32Array(count),
    causeNs: new Float64Array(count),
  };
  let before = -1;
  for (let row = 0; row < task.count; row++) {
    for (let i = task.firstWait[row]; i < task.firstWait[row + 1]; i++) {
      before += unzigzag(step[i]) + 1;
      wait.task[i] = row;
      const start = (wait.start[i] = (run.count ? run.end[before] : 0) + unzigzag(late[i]));
      const next = run.count ? run.start[Math.min(before + 1, run.count - 1)] : start;
      const hasReady = (known[i] & 1) !== 0;
      const hasEnd = (known[i] & 2) !== 0;
      wait.end[i] = hasEnd ? next + unzigzag(over[i]) : end;
      wait.ready[i] = hasReady ? (hasEnd ? wait.end[i] - ready[i] : start + ready[i]) : wait.end[i];
      wait.waker[i] = waker[i] === 0 ? -1 : row + unzigzag(waker[i] - 1);
      wait.causeNs[i] = wait.cause[i] === 0 ? NaN : wait.ready[i] - unzigzag(causeNs[i]);
    }
  }
  endCutWaits(wait, task, run);
  return wait;
}

/**
 * A wait of which a damaged recording tells no end lasts at most until its task is heard of again.
 * @param {Tables["wait"]} wait
 * @param {Tables["task"]} task
 * @param {Tables["run"]} run
 */
function endCutWaits(wait, task, run) {
  for (let i = 0; i < wait.count; i++) {
    if (wait.known[i] & 2) continue;
    const row = wait.task[i];
    let until = task.ended[row] < wait.end[i] ? task.ended[row] : wait.end[i];
    for (let r = task.firstRun[row + 1] - 1; r >= task.firstRun[row] && run.start[r] >= wait.start[i]; r--) until = Math.min(until, run.start[r]);
    wait.end[i] = Math.max(until, wait.start[i]);
    wait.ready[i] = Math.min(wait.ready[i], wait.end[i]);
  }
}

/**
 * @param {(name: string) => Numbers} take
 * @returns {Tables["callback"]}
 */
function readCallbacks(take) {
  const start = summed(take("callback.start"));
  const length = take("callback.length");
  return { count: start.length, start, end: start.map((at, i) => at + length[i]), loop: take("callback.loop"), name: take("callback.name") };
}

/**
 * @param {(name: string) => Numbers} take
 * @returns {Tables["idle"]}
 */
function readIdle(take) {
  const gap = take("idle.gap");
  const length = take("idle.length");
  const idle = { count: gap.length, start: new Float64Array(gap.length), end: new Float64Array(gap.length), loop: take("idle.loop") };
  let before = 0;
  for (let i = 0; i < gap.length; i++) {
    idle.start[i] = before + unzigzag(gap[i]);
    idle.end[i] = before = idle.start[i] + length[i];
  }
  return idle;
}

/**
 * @param {(name: string) => Numbers} take
 * @returns {Tables["job"]}
 */
function readJobs(take) {
  const submitted = summed(take("job.submitted"));
  return {
    count: submitted.length,
    loop: take("job.loop"),
    task: take("job.task"),
    fn: take("job.function"),
    site: take("job.site"),
    submitted,
    started: after(submitted, take("job.started")),
    ended: after(submitted, take("job.ended")),
    thread: take("job.thread"),
    outcome: take("job.outcome"),
  };
}

/**
 * @param {(name: string) => Numbers} take
 * @returns {Tables["hold"]}
 */
function readHolds(take) {
  const from = summed(take("hold.from"));
  const resource = summed(take("hold.resource"));
  return { count: from.length, resource, task: Int32Array.from(take("hold.task"), (row) => row - 1), from, to: after(from, take("hold.to")), site: take("hold.site") };
}
