import assert from "node:assert/strict";
import { test } from "node:test";
import { clamped, fromHash, SHORTEST, toHash, wholeView, zoomed } from "../../../src/asyncio_trace/exporters/html/viewer/state.js";

const COUNTS = { task: 10, wait: 10, run: 10, callback: 10, job: 10, finding: 2 };
const END = 1e9;

test("every view comes back from its address", () => {
  const view = { ...wholeView(END), from: 1000, to: 5000, selected: { kind: "wait", index: 7 }, cursor: 42, grouping: "coroutine", query: "kind:lock é&=#", filter: true, tab: "waits", path: 3, measured: [10, 20] };
  assert.deepEqual(fromHash(`#${toHash(view, END)}`, END, COUNTS), view);
});

test("the address of the first view is empty", () => {
  assert.equal(toHash(wholeView(END), END), "");
});

for (const hash of ["#t=9-1", "#t=-5-10", "#s=w99", "#s=z1", "#s=<script>", "#at=NaN", "#path=10", "#m=x", "#filter=1", "#%%%", "#t=1e400-2"]) {
  test(`an address that makes no sense shows the whole: ${hash}`, () => {
    assert.deepEqual(fromHash(hash, END, COUNTS), wholeView(END));
  });
}

test("a stretch beyond the end is moved into the trace, with its length", () => {
  assert.deepEqual(clamped(END - 10000, END + 10000, END), [END - 20000, END]);
  assert.deepEqual(clamped(-500, 500, END), [0, 1000]);
  assert.deepEqual(clamped(-5, 2 * END, END), [0, END]);
});

test("zooming keeps the instant below the pointer where it is, down to the shortest stretch", () => {
  const view = { ...wholeView(END) };
  const [from, to] = zoomed(view, 0.5, 250e6, END);
  assert.equal((250e6 - from) / (to - from), 0.25);
  const [a, b] = zoomed(view, 1e-12, 5e8, END);
  assert.ok(Math.abs(b - a - SHORTEST) < 1e-6);
});
