import assert from "node:assert/strict";
import { test } from "node:test";
import { shares, stateAt, walk } from "../../../src/asyncio_trace/exporters/html/viewer/lane.js";
import { lockTrace, make } from "./make.js";

/** What `walk` tells of a task, as a list. */
function told(trace, task, from, to, width) {
  const spans = [];
  walk(trace, task, from, to, width, {
    running: (a, b) => spans.push(["running", a, b]),
    waiting: (a, b) => spans.push(["waiting", a, b]),
    ready: (a, b) => spans.push(["ready", a, b]),
    mixed: (x, running, ready, waiting) => spans.push(["mixed", x, running, ready, waiting]),
  });
  return spans;
}

test("a row shows each state of a task where it belongs, without gaps", () => {
  assert.deepEqual(told(lockTrace(), 0, 0, 1000, 1000), [
    ["ready", 0, 10], ["running", 10, 100], ["waiting", 100, 500], ["ready", 500, 510], ["running", 510, 600],
  ]);
});

test("a zoomed row is cut at the edges of the view", () => {
  assert.deepEqual(told(lockTrace(), 0, 200, 300, 50), [["waiting", 0, 50]]);
});

test("states shorter than a pixel are told as shares of it", () => {
  const spans = told(lockTrace(), 0, 0, 1000, 10);
  const first = spans[0];
  assert.equal(first[0], "mixed");
  assert.ok(Math.abs(first[2] - 0.9) < 1e-9 && Math.abs(first[3] - 0.1) < 1e-9, String(first));
});

test("however many events there are, a row tells no more spans than twice its pixels", () => {
  const runs = [];
  const waits = [];
  for (let i = 0; i < 50000; i++) {
    runs.push([i * 20, i * 20 + 5]);
    waits.push({ start: i * 20 + 5, ready: i * 20 + 15, end: i * 20 + 20 });
  }
  const trace = make({ end: 1e6, tasks: [{ created: 0, ended: 1e6, runs, waits }] });
  const spans = told(trace, 0, 0, 1e6, 300);
  assert.ok(spans.length <= 600, String(spans.length));
  for (const [kind, , running, ready, waiting] of spans) {
    assert.equal(kind, "mixed");
    assert.ok(Math.abs(running - 0.25) < 0.01 && Math.abs(ready - 0.25) < 0.01 && Math.abs(waiting - 0.5) < 0.01);
  }
});

test("shares of any stretch add up to the life of the task in it", () => {
  const trace = lockTrace();
  for (const [from, to] of [[0, 1000], [5, 7], [90, 110], [400, 505], [599, 700], [700, 800]]) {
    const { running, ready, waiting, life } = shares(trace, 0, from, to);
    assert.equal(running + ready + waiting, life, `${from}-${to}`);
  }
});

test("the state at an instant is what the row shows there", () => {
  const trace = lockTrace();
  assert.deepEqual([0, 5, 50, 200, 505, 550, 700].map((ns) => stateAt(trace, 0, ns).state), ["ready", "ready", "running", "waiting", "ready", "running", "none"]);
});
