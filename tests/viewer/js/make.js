// Traces made by hand, for tests of the viewer's modules.
import { Trace } from "../../../src/asyncio_trace/exporters/html/viewer/trace.js";

/**
 * @param {{tasks: any[], end?: number, findings?: any[], callbacks?: any[], idle?: number[][]}} given each task: {name, coroutine, parent,
 *   created, started, ended, outcome, runs: [[start, end]], waits: [{start, ready, end, kind, type, label, id, waker, causeNs, at}]};
 *   `ready` and `end` may be null
 */
export function make({ tasks, end = 1000, findings = [], callbacks = [], idle = [] }) {
  const texts = [];
  const text = (value) => (texts.includes(value) ? texts.indexOf(value) : texts.push(value) - 1);
  const whats = [];
  const sites = [["main", "/srv/app.py", 10, "app"], ["acquire", "/usr/lib/asyncio/locks.py", 99, "asyncio.locks"]];
  const stacks = [[1, 2]];
  const causes = [["task", 1, null], ["timer", 0, "due"]];
  const count = tasks.length;
  const run = { task: [], start: [], end: [] };
  const wait = { task: [], start: [], ready: [], end: [], known: [], what: [], awaited: [], stack: [], cause: [], waker: [], causeNs: [] };
  const firstRun = [0];
  const firstWait = [0];
  tasks.forEach((task, row) => {
    for (const [from, to] of task.runs ?? []) {
      run.task.push(row);
      run.start.push(from);
      run.end.push(to);
    }
    for (const given of task.waits ?? []) {
      const what = [given.kind ?? "sleep", given.type ?? "Future", given.label ?? given.kind ?? "sleep"];
      let number = whats.findIndex((known) => known.join() === what.join());
      if (number < 0) number = whats.push(what) - 1;
      wait.task.push(row);
      wait.start.push(given.start);
      wait.ready.push(given.ready ?? end);
      wait.end.push(given.end ?? end);
      wait.known.push((given.ready == null ? 0 : 1) + (given.end == null ? 0 : 2));
      wait.what.push(number);
      wait.awaited.push(given.id ?? 0);
      wait.stack.push(0);
      wait.cause.push(given.ready == null ? 0 : given.waker == null ? 2 : 1);
      wait.waker.push(given.waker ?? -1);
      wait.causeNs.push(given.ready == null ? NaN : (given.causeNs ?? given.ready));
    }
    firstRun.push(run.task.length);
    firstWait.push(wait.task.length);
  });
  const zeros = () => new Uint32Array(count);
  const head = {
    format: "asyncio-trace/viewer", version: 1, end, complete: true, left_out: "", findings, whats, causes, stacks, sites, texts, threads: [],
    program: { argv: ["app.py"], python: "3.14.0", platform: "linux", pid: 1, started_unix_ms: 0, core: "python", recorded_from: 0 },
    loops: [{ id: 1, type: "Loop", thread: "MainThread", created: 0, closed: null }],
  };
  return new Trace(head, {
    task: {
      count,
      id: Uint32Array.from(tasks, (_, i) => i + 1),
      number: Uint32Array.from(tasks, (task) => task.number ?? 0),
      name: Uint32Array.from(tasks, (task) => (task.name === undefined ? 0 : text(task.name) + 1)),
      coroutine: Uint32Array.from(tasks, (task) => text(task.coroutine ?? "work")),
      parent: Int32Array.from(tasks, (task) => task.parent ?? -1),
      loop: zeros().fill(1),
      created: Float64Array.from(tasks, (task) => task.created ?? 0),
      started: Float64Array.from(tasks, (task) => task.started ?? task.runs?.[0]?.[0] ?? NaN),
      ended: Float64Array.from(tasks, (task) => task.ended ?? NaN),
      outcome: Uint32Array.from(tasks, (task) => ["pending", "returned", "raised", "cancelled"].indexOf(task.outcome ?? "returned")),
      exception: zeros(), site: zeros(), eager: zeros(), cancelCause: zeros(), cancelTask: zeros(), cancelNs: zeros(),
      firstRun: Uint32Array.from(firstRun),
      firstWait: Uint32Array.from(firstWait),
    },
    run: { count: run.task.length, task: Uint32Array.from(run.task), start: Float64Array.from(run.start), end: Float64Array.from(run.end), loop: new Uint32Array(run.task.length).fill(1) },
    wait: {
      count: wait.task.length,
      task: Uint32Array.from(wait.task), start: Float64Array.from(wait.start), ready: Float64Array.from(wait.ready), end: Float64Array.from(wait.end),
      known: Uint32Array.from(wait.known), what: Uint32Array.from(wait.what), awaited: Float64Array.from(wait.awaited), stack: Uint32Array.from(wait.stack),
      cause: Uint32Array.from(wait.cause), waker: Int32Array.from(wait.waker), causeNs: Float64Array.from(wait.causeNs),
    },
    callback: {
      count: callbacks.length, start: Float64Array.from(callbacks, (c) => c[0]), end: Float64Array.from(callbacks, (c) => c[1]),
      loop: new Uint32Array(callbacks.length).fill(1), name: new Uint32Array(callbacks.length),
    },
    idle: { count: idle.length, start: Float64Array.from(idle, (s) => s[0]), end: Float64Array.from(idle, (s) => s[1]), loop: new Uint32Array(idle.length).fill(1) },
    job: {
      count: 0, loop: new Uint32Array(0), task: new Uint32Array(0), fn: new Uint32Array(0), site: new Uint32Array(0), submitted: new Float64Array(0),
      started: new Float64Array(0), ended: new Float64Array(0), thread: new Uint32Array(0), outcome: new Uint32Array(0),
    },
    hold: { count: 0, resource: new Float64Array(0), task: new Int32Array(0), from: new Float64Array(0), to: new Float64Array(0), site: new Uint32Array(0) },
  });
}

/** `child` (row 1) holds a lock for 300 ns that `main` (row 0) waits for; then main ends. */
export function lockTrace() {
  return make({
    end: 1000,
    tasks: [
      { coroutine: "main", name: "main", created: 0, ended: 600, runs: [[10, 100], [510, 600]], waits: [{ start: 100, ready: 500, end: 510, kind: "lock", type: "Lock", label: "Lock.acquire", id: 9, waker: 1, causeNs: 500 }] },
      { coroutine: "child", number: 2, parent: 0, created: 50, ended: 505, runs: [[110, 120], [450, 505]], waits: [{ start: 120, ready: 440, end: 450, kind: "sleep", label: "sleep" }] },
    ],
  });
}
