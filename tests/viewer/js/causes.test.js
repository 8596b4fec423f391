import assert from "node:assert/strict";
import { test } from "node:test";
import { blockages, chain, criticalPath } from "../../../src/asyncio_trace/exporters/html/viewer/causes.js";
import { lockTrace, make } from "./make.js";

test("the chain of a wait leads over its waker's own wait to the root cause", () => {
  assert.deepEqual(chain(lockTrace(), 0), [0, 1]);
});

test("a chain that goes in a circle ends", () => {
  const trace = make({
    tasks: [
      { ended: 900, runs: [[0, 100], [300, 310], [700, 900]], waits: [{ start: 100, ready: 300, end: 300, waker: 1, causeNs: 290 }, { start: 310, ready: 700, end: 700, waker: 1, causeNs: 690 }] },
      { ended: 900, runs: [[100, 110], [280, 295], [680, 900]], waits: [{ start: 110, ready: 280, end: 280, waker: 0, causeNs: 90 }, { start: 295, ready: 680, end: 680, waker: 0, causeNs: 305 }] },
    ],
  });
  const waits = chain(trace, 3);
  assert.equal(new Set(waits).size, waits.length);
});

test("the critical path covers a task's life without a gap, through its wakers", () => {
  const path = criticalPath(lockTrace(), 0);
  assert.deepEqual(path.map(({ task, from, to, state }) => [task, from, to, state]), [
    [0, 0, 10, "ready"],
    [0, 10, 50, "running"],
    [1, 50, 110, "ready"],
    [1, 110, 120, "running"],
    [1, 120, 440, "waiting"],
    [1, 440, 450, "ready"],
    [1, 450, 500, "running"],
    [0, 500, 510, "ready"],
    [0, 510, 600, "running"],
  ]);
});

test("the critical path of a task that never ends is that of its last instant", () => {
  const trace = make({ end: 1000, tasks: [{ outcome: "pending", runs: [[0, 100]], waits: [{ start: 100, ready: null, end: null, kind: "event" }] }] });
  assert.deepEqual(criticalPath(trace, 0).map(({ from, to, state }) => [from, to, state]), [[0, 100, "running"], [100, 1000, "waiting"]]);
});

test("at an instant, what holds up several tasks is told once, with who ended it", () => {
  const lock = { kind: "lock", type: "Lock", label: "Lock.acquire", id: 7 };
  const trace = make({
    tasks: [
      { ended: 900, runs: [[0, 10], [500, 900]], waits: [{ ...lock, start: 10, ready: 500, end: 500, waker: 2 }] },
      { ended: 900, runs: [[10, 20], [600, 900]], waits: [{ ...lock, start: 20, ready: 600, end: 600, waker: 0 }] },
      { ended: 500, runs: [[20, 500]] },
    ],
  });
  assert.deepEqual(blockages(trace, 100), [{ what: "Lock.acquire", kind: "lock", task: -1, opener: 2, waits: [0, 1] }]);
  assert.deepEqual(blockages(trace, 550).map(({ waits }) => waits), [[1]]);
});
