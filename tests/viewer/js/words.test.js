import assert from "node:assert/strict";
import { test } from "node:test";
import { unpack, unzigzag } from "../../../src/asyncio_trace/exporters/html/viewer/decode.js";
import { clean, duration, instant, shortened, tick } from "../../../src/asyncio_trace/exporters/html/viewer/format.js";
import { find, parse } from "../../../src/asyncio_trace/exporters/html/viewer/query.js";
import { byCoroutine, byWait, flame, histogram } from "../../../src/asyncio_trace/exporters/html/viewer/totals.js";
import { LoopRuns, crowd } from "../../../src/asyncio_trace/exporters/html/viewer/density.js";
import { lockTrace } from "./make.js";

test("durations have three digits and a unit that fits", () => {
  assert.deepEqual([0, 7, 999, 1500, 12_345_678, 999_600_000, 61e9, -1500].map(duration), ["0 ns", "7 ns", "999 ns", "1.50 µs", "12.3 ms", "1000 ms", "1.02 min", "-1.50 µs"]);
});

test("instants are as exact as the view is close", () => {
  assert.equal(instant(1_234_567_890, 1e6), "1.235 s");
  assert.equal(instant(1_234_567_890, 1), "1.234567890 s");
});

test("marks of a ruler are round numbers", () => {
  assert.deepEqual([1, 3, 7, 12, 900].map(tick), [1, 5, 10, 20, 1000]);
});

test("control, direction and invisible characters do not reach the page", () => {
  assert.equal(clean("a\u202eb\u0000c\u200bd\ne"), "a\ufffdb\ufffdc\ufffdd\ufffde");
});

test("a long name is cut between characters, not within one", () => {
  assert.equal(shortened("👩‍🚀".repeat(10), 3).endsWith("…"), true);
  assert.equal(shortened("😀😀😀😀", 3), "😀😀…");
  assert.equal(shortened("x".repeat(1e6), 10).length, 10);
});

test("a column of wrong length is refused, not read", async () => {
  await assert.rejects(unpack({ name: "x", count: 5, width: 1, text: "eJxjYGRiBgAADgAH" }), /wrong length/);
});

test("zigzag numbers come back", () => {
  assert.deepEqual([0, 1, 2, 3, 4].map(unzigzag), [0, -1, 1, -2, 2]);
});

test("a search takes words and key:value, quoted or not", () => {
  assert.deepEqual(parse('Alice kind:lock coro:"my work" http://x'), [
    { key: "", value: "alice" }, { key: "kind", value: "lock" }, { key: "coro", value: "my work" }, { key: "", value: "http://x" },
  ]);
});

test("a search finds tasks by what they are and what they waited on", () => {
  const trace = lockTrace();
  assert.deepEqual(["main", "task-2", "kind:lock", "kind:sleep", "on:acquire", "coro:child", "outcome:ret", "file:app", "kind:lock child", ""].map((query) => find(trace, query)), [
    [0], [1], [0], [1], [0], [1], [0, 1], [0, 1], [], [],
  ]);
});

test("totals of a part of the trace are of that part", () => {
  const trace = lockTrace();
  const [main] = byCoroutine(trace, 0, 300).filter(({ coroutine }) => trace.head.texts[coroutine] === "main");
  assert.deepEqual([main.running, main.ready, main.waiting], [90, 10, 200]);
  assert.deepEqual(byWait(trace, 0, 1000, "thing").map(({ label, waiting, ready }) => [label, waiting, ready]), [["Lock #9", 400, 10]]);
});

test("a flame graph's widths are the time spent, and add up", () => {
  const root = flame(lockTrace(), 0, 1000, "waiting");
  assert.equal(root.value, 400 + 320);
  const main = root.children.get("main");
  assert.equal([...main.children.keys()][0], "main · app.py:10");
  assert.equal(flame(lockTrace(), 0, 1000, "running").value, 90 + 90 + 10 + 55);
});

test("a histogram counts every value, and names quantiles that occur", () => {
  const { counts, total, quantiles } = histogram([1, 2, 3, 1000]);
  assert.equal(counts.reduce((a, b) => a + b), total);
  assert.deepEqual(quantiles.map(([, value]) => value), [2, 1000, 1000, 1000]);
});

test("a loop's use, lag and the time of each run come from its runs", () => {
  const loop = new LoopRuns(lockTrace(), 1);
  assert.equal(loop.busyTime(0, 1000), 245);
  assert.equal(loop.busyTime(50, 115), 50 + 5);
  assert.equal(loop.worstLag(0, 1000), 60);
  assert.equal(loop.start[loop.at(115)], 110);
});

test("a crowd's tasks are running, ready or waiting, each at each instant", () => {
  const { running, ready, waiting, alive } = crowd(lockTrace(), [0, 1], 0, 1000, 100);
  for (let bin = 0; bin < 100; bin++) assert.ok(Math.abs(running[bin] + ready[bin] + waiting[bin] - alive[bin]) < 1e-9);
  assert.equal(Math.round(10 * running.reduce((a, b) => a + b)), 245);
});
