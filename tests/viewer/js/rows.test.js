import assert from "node:assert/strict";
import { test } from "node:test";
import { Rows } from "../../../src/asyncio_trace/exporters/html/viewer/rows.js";
import { lockTrace, make } from "./make.js";

const crowd = (size) => make({ tasks: [{ coroutine: "main", ended: 900, runs: [[0, 900]] }, ...Array.from({ length: size }, (_, i) => ({ coroutine: i % 2 ? "odd" : "even", parent: 0, created: i, ended: 900, number: i + 2 }))] });

test("children stand below who created them", () => {
  const rows = new Rows(lockTrace());
  assert.deepEqual(rows.all.map(({ kind, depth }) => [kind, depth]), [["loop", 0], ["task", 0], ["task", 1]]);
});

test("a crowd of one coroutine is folded into one row, and unfolds", () => {
  const rows = new Rows(crowd(100));
  assert.deepEqual(rows.all.map(({ kind }) => kind), ["loop", "task", "group", "group"]);
  rows.toggle(rows.all[2]);
  assert.equal(rows.all.length, 4 + 50);
  assert.equal(rows.all[3].task, 1);
});

test("a task is found in the row that hides it, and can be revealed", () => {
  const rows = new Rows(crowd(100));
  assert.equal(rows.all[rows.of(3)].kind, "group");
  const row = rows.reveal(3);
  assert.equal(rows.all[row].task, 3);
  assert.equal(rows.of(3), row);
});

test("a filter shows what passes it, also where the creator does not", () => {
  const rows = new Rows(lockTrace());
  rows.only = new Set([1]);
  rows.build();
  assert.deepEqual(rows.all.map(({ task }) => task), [1]);
  assert.equal(rows.reveal(0), -1);
});

test("by coroutine, there is one row for each that unfolds to its tasks", () => {
  const rows = new Rows(crowd(4));
  rows.grouping = "coroutine";
  rows.build();
  assert.deepEqual(rows.all.slice(1).map(({ tasks }) => Array.from(tasks)), [[0], [1, 3], [2, 4]]);
});

test("the row at a height is the one whose top is above it", () => {
  const rows = new Rows(lockTrace());
  for (let i = 0; i < rows.all.length; i++) {
    assert.equal(rows.at(rows.tops[i]), i);
    assert.equal(rows.at(rows.tops[i + 1] - 1), i);
  }
  assert.equal(rows.at(rows.height), -1);
});

test("an eleven-thousand-deep line of creators is laid out without recursion", () => {
  const trace = make({ tasks: Array.from({ length: 11000 }, (_, i) => ({ parent: i - 1, created: i, ended: 900 })), end: 20000 });
  assert.equal(new Rows(trace).all.length, 11001);
});

test("a few loops stand above the tasks, hundreds below them", () => {
  const trace = lockTrace();
  trace.head.loops = Array.from({ length: 200 }, (_, i) => ({ ...trace.head.loops[0], id: i + 1 }));
  const rows = new Rows(trace);
  assert.deepEqual(rows.all.slice(0, 3).map(({ kind }) => kind), ["task", "task", "loop"]);
  assert.equal(rows.all.length, 202);
});
