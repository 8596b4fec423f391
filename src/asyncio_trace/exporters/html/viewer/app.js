// The viewer at work: holds the trace and the view, has the timeline drawn when one of them changes, and keeps the address up to date.
import { Crowds } from "./crowds.js";
import { criticalPath } from "./causes.js";
import { LoopRuns } from "./density.js";
import { details } from "./details.js";
import { byId, element, fill } from "./dom.js";
import { count, duration } from "./format.js";
import { flagsByTask } from "./findings.js";
import { nsAt, RULER } from "./ink.js";
import { describe, hit } from "./hit.js";
import { Minimap } from "./minimap.js";
import { paint } from "./paint.js";
import { readPalette } from "./palette.js";
import { find } from "./query.js";
import { Rows } from "./rows.js";
import { clamped, fromHash, toHash } from "./state.js";
import { Tabs } from "./tabs.js";

/** @typedef {import("./trace.js").Trace} Trace */
/** @typedef {import("./state.js").View} View */
/** @typedef {import("./state.js").Selection} Selection */
/** @typedef {import("./ink.js").Scene} Scene */

export class App {
  /** @param {Trace} trace */
  constructor(trace) {
    this.trace = trace;
    this.canvas = /** @type {HTMLCanvasElement} */ (byId("timeline"));
    this.map = /** @type {HTMLCanvasElement} */ (byId("minimap"));
    this.search = /** @type {HTMLInputElement} */ (byId("search"));
    this.counts = { task: trace.task.count, wait: trace.wait.count, run: trace.run.count, callback: trace.callback.count, job: trace.job.count, finding: trace.head.findings.length };
    this.view = fromHash(location.hash, trace.end, this.counts);
    this.rows = new Rows(trace);
    /** @type {Map<number, LoopRuns>} */
    this.loopRuns = new Map();
    this.crowds = new Crowds(trace, () => this.draw());
    this.flags = flagsByTask(trace);
    /** @type {Set<number>} */
    this.matches = new Set();
    this.matchList = /** @type {number[]} */ ([]);
    this.matchAt = -1;
    /** @type {import("./causes.js").Piece[]} */
    this.path = [];
    this.scroll = 0;
    this.focus = -1;
    /** @type {number | null} */
    this.pointerNs = null;
    this.pen = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    this.mapPen = /** @type {CanvasRenderingContext2D} */ (this.map.getContext("2d", { alpha: false }));
    this.palette = readPalette(this.pen);
    this.size = { width: 1, height: 1, map: 1 };
    this.pending = false;
    /** Called when there are other rows than before. */
    this.rowsChanged = () => {};
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.hashTimer = undefined;
    /** @type {import("./actions.js").Actions} */
    this.actions = {
      select: (selection, show = false) => this.select(selection, show),
      zoomTo: (from, to) => this.zoomTo(from, to),
      search: (query, filter = this.view.filter) => this.change({ query, filter: filter && query !== "" }),
      path: (task) => this.change({ path: task, ...(task === null ? {} : { tab: "path" }) }),
      cursor: (ns) => this.change({ cursor: ns, tab: "cursor" }),
      tab: (tab) => this.change({ tab }),
    };
    this.minimap = new Minimap(trace, (loop) => this.loop(loop));
    this.tabs = new Tabs(trace, this.actions);
    this.#apply(null);
    this.resize();
    this.#reveal();
  }

  /** @param {number} number */
  loop(number) {
    let runs = this.loopRuns.get(number);
    if (!runs) this.loopRuns.set(number, (runs = new LoopRuns(this.trace, number)));
    return runs;
  }

  /** @returns {Scene} */
  scene() {
    const { trace, rows, view, scroll, palette, crowds, path, matches, focus, flags } = this;
    const { width, height } = this.size;
    const gutter = Math.round(Math.min(300, Math.max(110, width * 0.22)));
    return { trace, rows, view, scroll, width, height, gutter, palette, loops: (loop) => this.loop(loop), crowds, path, matches, hover: this.pointerNs, focus, flags };
  }

  /** Draw with the next frame. */
  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.paint();
    });
  }

  paint() {
    const ratio = devicePixelRatio || 1;
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint(this.pen, this.scene());
    this.mapPen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.minimap.paint(this.mapPen, this.size.width, this.size.map, this.view, this.palette);
  }

  /** Take on the size of the page. */
  resize() {
    const ratio = devicePixelRatio || 1;
    const box = this.canvas.parentElement?.getBoundingClientRect();
    const mapBox = this.map.parentElement?.getBoundingClientRect();
    if (!box || !mapBox) return;
    this.size = { width: Math.max(1, box.width), height: Math.max(1, box.height), map: Math.max(1, mapBox.height) };
    for (const [canvas, height] of /** @type {[HTMLCanvasElement, number][]} */ ([[this.canvas, box.height], [this.map, mapBox.height]])) {
      canvas.width = Math.max(1, Math.round(box.width * ratio));
      canvas.height = Math.max(1, Math.round(height * ratio));
    }
    this.scrollTo(this.scroll);
    this.paint();
  }

  /** Take on the colours of the page. */
  recolour() {
    this.palette = readPalette(this.pen);
    this.paint();
  }

  /** @param {Partial<View>} changes */
  change(changes) {
    const before = this.view;
    this.view = { ...before, ...changes };
    this.#apply(before);
    this.draw();
    clearTimeout(this.hashTimer);
    this.hashTimer = setTimeout(() => this.#keepAddress(), 150);
  }

  #keepAddress() {
    const hash = toHash(this.view, this.trace.end);
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", `#${hash}`);
  }

  /** Show what the address says, after somebody changed it. */
  followAddress() {
    if (location.hash.slice(1) === toHash(this.view, this.trace.end)) return;
    const before = this.view;
    this.view = fromHash(location.hash, this.trace.end, this.counts);
    this.#apply(before);
    this.#reveal();
    this.draw();
  }

  /** @param {View | null} before */
  #apply(before) {
    const { view } = this;
    if (!before || view.query !== before.query) {
      this.matchList = find(this.trace, view.query);
      this.matches = new Set(this.matchList);
      this.matchAt = -1;
      if (this.search.value !== view.query) this.search.value = view.query;
    }
    if (!before || view.filter !== before.filter || view.grouping !== before.grouping || (view.filter && view.query !== before.query)) {
      this.rows.only = view.filter && view.query ? this.matches : null;
      this.rows.grouping = view.grouping;
      this.rows.build();
      this.rowsChanged();
      this.scrollTo(this.scroll);
      byId("filter").setAttribute("aria-pressed", String(view.filter));
      /** @type {HTMLSelectElement} */ (byId("grouping")).value = view.grouping;
    }
    if (!before || view.query !== before.query) byId("matches").textContent = view.query ? `${count(this.matchList.length)} of ${count(this.trace.task.count)} tasks` : "";
    if (!before || view.path !== before.path) this.path = view.path === null ? [] : criticalPath(this.trace, view.path);
    if (!before || view.selected !== before.selected) this.#showDetails();
    this.tabs.show(view, this.path, !before);
  }

  #showDetails() {
    const box = byId("details");
    const { selected } = this.view;
    fill(box, selected ? details(this.trace, selected, this.actions) : element("p", { class: "faint" }, "Select a bar or a row to see what it is, what it waited for, and what woke it. Press ? for the keys."));
    box.scrollTop = 0;
    if (selected) byId("live").textContent = box.querySelector("h2")?.textContent ?? "";
  }

  /**
   * @param {Selection | null} selected
   * @param {boolean} show
   */
  select(selected, show) {
    this.change({ selected });
    if (show) this.#reveal();
  }

  /** Bring what is selected into sight. */
  #reveal() {
    const { selected } = this.view;
    if (!selected) return;
    const stretch = this.stretchOf(selected);
    const task = this.selectedTask();
    if (task !== null) {
      let row = this.rows.reveal(task);
      if (row < 0 && this.view.filter) {
        this.change({ filter: false });
        row = this.rows.reveal(task);
      }
      this.focus = row;
      this.#scrollToRow(row);
    }
    const { from, to } = this.view;
    if (selected.kind === "finding") {
      this.zoomTo(...stretch);
    } else if (selected.kind !== "task" || stretch[1] < from || stretch[0] > to) {
      const [a, b] = stretch;
      if (b < from || a > to || (a < from && b > to && selected.kind !== "task")) this.zoomTo(a, b);
      else if (b - a < (to - from) / 2000) this.zoomTo(a - (b - a) * 40, b + (b - a) * 40);
    }
    this.draw();
  }

  /**
   * @param {Selection} selection
   * @returns {[number, number]}
   */
  stretchOf({ kind, index }) {
    const { trace } = this;
    if (kind === "task") return [trace.task.created[index], trace.endOf(index)];
    if (kind === "finding") return [trace.head.findings[index].start, trace.head.findings[index].end];
    if (kind === "job") return [trace.job.submitted[index], Number.isNaN(trace.job.ended[index]) ? trace.end : trace.job.ended[index]];
    return [trace[kind].start[index], trace[kind].end[index]];
  }

  /** The task that the selection is about, or null. */
  selectedTask() {
    const { selected } = this.view;
    if (!selected) return null;
    if (selected.kind === "task") return selected.index;
    if (selected.kind === "wait" || selected.kind === "run") return this.trace[selected.kind].task[selected.index];
    if (selected.kind === "finding") return this.trace.head.findings[selected.index].task;
    return null;
  }

  zoomToSelected() {
    if (this.view.selected) this.zoomTo(...this.stretchOf(this.view.selected));
  }

  /**
   * Show a stretch with a margin.
   * @param {number} from
   * @param {number} to
   */
  zoomTo(from, to) {
    const margin = Math.max(500, (to - from) * 0.15);
    const [a, b] = clamped(from - margin, to + margin, this.trace.end);
    this.change({ from: a, to: b });
  }

  /** @param {number} scroll */
  scrollTo(scroll) {
    const room = this.size.height - RULER;
    this.scroll = Math.max(0, Math.min(scroll, this.rows.height - room + 8));
    this.draw();
  }

  /** @param {number} row */
  #scrollToRow(row) {
    if (row < 0) return;
    const room = this.size.height - RULER;
    const top = this.rows.tops[row];
    if (top < this.scroll + 20 || top > this.scroll + room - 50) this.scrollTo(top - room / 2);
  }

  /** @param {number} index */
  focusRow(index) {
    this.focus = Math.max(0, Math.min(index, this.rows.all.length - 1));
    this.#scrollToRow(this.focus);
    const row = this.rows.all[this.focus];
    if (row) byId("live").textContent = describe(this.scene(), row);
    this.draw();
  }

  openRow() {
    const row = this.rows.all[this.focus];
    if (row?.kind === "task") this.select({ kind: "task", index: row.task }, false);
    else this.foldRow();
  }

  foldRow() {
    const row = this.rows.all[this.focus];
    if (row) this.rows.toggle(row);
    this.rowsChanged();
    this.scrollTo(this.scroll);
  }

  /**
   * Select what comes before or after in the life of the selected task.
   * @param {number} by
   */
  step(by) {
    const task = this.selectedTask();
    const { selected } = this.view;
    if (task === null || !selected) return;
    const { wait, run } = this.trace;
    const first = this.trace.task.firstWait[task];
    const last = this.trace.task.firstWait[task + 1];
    if (selected.kind === "wait") {
      const next = selected.index + by;
      if (next >= first && next < last) this.select({ kind: "wait", index: next }, true);
    } else if (last > first) {
      const at = selected.kind === "run" ? run.end[selected.index] : -1;
      let next = first;
      while (next < last - 1 && wait.start[next] < at) next++;
      if (selected.kind === "run" && by < 0) next = Math.max(first, next - 1);
      this.select({ kind: "wait", index: next }, true);
    }
  }

  /** @param {number} by */
  nextFinding(by) {
    const { length } = this.trace.head.findings;
    if (!length) return;
    const at = this.view.selected?.kind === "finding" ? this.view.selected.index : by > 0 ? -1 : length;
    this.select({ kind: "finding", index: (at + by + length) % length }, true);
  }

  /** @param {number} by */
  nextMatch(by) {
    if (!this.matchList.length) return;
    this.matchAt = (this.matchAt + by + this.matchList.length) % this.matchList.length;
    this.select({ kind: "task", index: this.matchList[this.matchAt] }, true);
  }

  /** @param {"tree" | "coroutine"} grouping */
  group(grouping) {
    this.change({ grouping });
  }

  /** @param {number} number */
  tabNumber(number) {
    const tab = this.tabs.names[number - 1];
    if (tab) this.actions.tab(tab);
    return tab !== undefined;
  }

  help() {
    /** @type {HTMLDialogElement} */ (byId("help")).showModal();
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  hover(x, y) {
    const scene = this.scene();
    const inside = x >= scene.gutter && y >= 0;
    this.pointerNs = inside ? nsAt(scene, x) : null;
    const tip = byId("tip");
    const found = x >= 0 ? hit(scene, x, y) : null;
    tip.hidden = !found;
    if (found) {
      fill(tip, ...found.lines.map((line, i) => element(i ? "div" : "b", null, line)));
      const box = this.canvas.getBoundingClientRect();
      tip.style.left = `${Math.min(box.left + x + 14, innerWidth - tip.offsetWidth - 8)}px`;
      tip.style.top = `${Math.min(box.top + y + 16, innerHeight - tip.offsetHeight - 8)}px`;
    }
    this.draw();
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  click(x, y) {
    const scene = this.scene();
    const index = y > RULER ? this.rows.at(y - RULER + this.scroll) : -1;
    this.focus = index;
    const row = this.rows.all[index];
    if (row && x < scene.gutter && (row.kind === "group" || (row.kind === "task" && row.below && x < 24 + row.depth * 12))) {
      this.foldRow();
      return;
    }
    const found = hit(scene, x, y);
    this.change({ selected: found?.selection ?? null, measured: null });
    this.canvas.focus({ preventScroll: true });
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  doubleClick(x, y) {
    const found = hit(this.scene(), x, y);
    if (found?.selection) this.zoomTo(...this.stretchOf(found.selection));
    else this.foldRow();
  }

  /** What the page is about, for its head. */
  summary() {
    const { head, task } = this.trace;
    return `${count(task.count)} tasks · ${duration(this.trace.end - head.program.recorded_from)} · Python ${head.program.python}`;
  }
}
