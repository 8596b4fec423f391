// What each tab below the timeline holds, for the stretch of time that is shown.
import { blockages } from "./causes.js";
import { holdersElement, taskLink } from "./details.js";
import { button, element } from "./dom.js";
import { findingsList } from "./findings.js";
import { flameGraph } from "./flame.js";
import { clean, count, duration, instant, share, shortened } from "./format.js";
import { placeElement } from "./places.js";
import { table } from "./table.js";
import { byCoroutine, byWait, flame, histogram, lags, waitsLike } from "./totals.js";
import { OUTCOMES } from "./trace.js";

/** @typedef {import("./trace.js").Trace} Trace */
/** @typedef {import("./actions.js").Actions} Actions */
/** @typedef {import("./state.js").View} View */
/** @typedef {import("./causes.js").Piece} Piece */
/** @typedef {(trace: Trace, view: View, actions: Actions, path: Piece[]) => HTMLElement} Panel */

/**
 * @param {string} text
 * @param {() => void} click
 */
function link(text, click) {
  return element("button", { class: "link", click }, shortened(clean(text), 80));
}

/** @type {Panel} */
function coroutines(trace, { from, to }, actions) {
  return table(
    "Coroutines",
    [
      { name: "coroutine", cell: (row) => link(trace.head.texts[row.coroutine], () => actions.search(`coro:"${trace.head.texts[row.coroutine]}"`, true)), key: (row) => trace.head.texts[row.coroutine] },
      { name: "tasks", cell: (row) => count(row.tasks), key: (row) => row.tasks, number: true },
      { name: "running", cell: (row) => duration(row.running), key: (row) => row.running, number: true },
      { name: "ready", cell: (row) => duration(row.ready), key: (row) => row.ready, number: true },
      { name: "waiting", cell: (row) => duration(row.waiting), key: (row) => row.waiting, number: true },
      { name: "longest run", cell: (row) => (row.longestRun < 0 ? "" : link(duration(row.longest), () => actions.select({ kind: "run", index: row.longestRun }, true))), key: (row) => row.longest, number: true },
    ],
    byCoroutine(trace, from, to),
  );
}

/**
 * @param {"kind" | "thing"} by
 * @param {string} name
 * @returns {Panel}
 */
function waits(by, name) {
  return (trace, { from, to }, actions) =>
    table(
      name,
      [
        { name: "kind", cell: (row) => row.kind, key: (row) => row.kind },
        { name: "waited for", cell: (row) => link(row.label, () => actions.search(by === "kind" ? `kind:${row.kind}` : `on:"${row.label.split(" #")[0]}"`, false)), key: (row) => row.label },
        { name: "waits", cell: (row) => count(row.count), key: (row) => row.count, number: true },
        { name: "waiting", cell: (row) => duration(row.waiting), key: (row) => row.waiting, number: true },
        { name: "then ready", cell: (row) => duration(row.ready), key: (row) => row.ready, number: true },
        { name: "longest", cell: (row) => link(duration(row.longest), () => actions.select({ kind: "wait", index: row.longestWait }, true)), key: (row) => row.longest, number: true },
        { name: "the longest was at", cell: (row) => placeElement(trace, trace.ownSite(row.longestWait)), key: (row) => trace.ownSite(row.longestWait)?.line ?? 0 },
      ],
      byWait(trace, from, to, by),
    );
}

/** @type {Panel} */
function tasks(trace, { from, to }, actions) {
  const shown = [];
  for (let task = 0; task < trace.task.count; task++) if (trace.task.created[task] <= to && trace.endOf(task) >= from) shown.push({ task, ...trace.times(task) });
  return table(
    "Tasks",
    [
      { name: "task", cell: (row) => taskLink(trace, row.task, actions), key: (row) => trace.name(row.task) },
      { name: "coroutine", cell: (row) => shortened(clean(trace.coroutine(row.task)), 60), key: (row) => trace.coroutine(row.task) },
      { name: "outcome", cell: (row) => OUTCOMES[trace.task.outcome[row.task]], key: (row) => trace.task.outcome[row.task] },
      { name: "created", cell: (row) => instant(trace.task.created[row.task], 1000), key: (row) => trace.task.created[row.task], number: true },
      { name: "lived", cell: (row) => duration(row.life), key: (row) => row.life, number: true },
      { name: "running", cell: (row) => duration(row.running), key: (row) => row.running, number: true },
      { name: "ready", cell: (row) => duration(row.ready), key: (row) => row.ready, number: true },
      { name: "waiting", cell: (row) => duration(row.waiting), key: (row) => row.waiting, number: true },
    ],
    shown,
  );
}

/** @type {Panel} */
function flames(trace, { from, to }, actions) {
  const box = element("div", null);
  for (const of of /** @type {("waiting" | "running")[]} */ (["waiting", "running"])) {
    const root = flame(trace, from, to, of);
    box.append(element("h3", null, of === "waiting" ? "Waiting, by coroutine and stack" : "Running, by coroutine and the await it came from"));
    box.append(root.value > 0 ? flameGraph(root, (wait) => void (wait >= 0 && actions.select({ kind: "wait", index: wait }, true))) : element("p", { class: "faint" }, `Nothing was ${of} here.`));
  }
  return box;
}

/**
 * @param {string} title
 * @param {number[]} values
 */
function bars(title, values) {
  const { counts, low, total, quantiles } = histogram(values);
  const most = Math.max(1, ...counts);
  const body = element("tbody", null);
  counts.forEach((number, i) => {
    const bar = element("span", { class: "bar" });
    bar.style.width = `${(100 * number) / most}%`;
    body.append(element("tr", null, element("td", { class: "number" }, `${duration(i === 0 && low === 1 ? 0 : low * 2 ** i)} – ${duration(low * 2 ** (i + 1))}`), element("td", { class: "number" }, count(number)), element("td", { class: "bars" }, bar)));
  });
  const words = quantiles.map(([part, value]) => `${part === 1 ? "longest" : `${part * 100} %`} ${duration(value)}`).join(" · ");
  return element("section", { class: "histogram" }, element("h3", null, `${title}: ${count(total)}`), total ? element("p", null, words) : null, element("table", { label: title }, body));
}

/** @type {Panel} */
function histograms(trace, { from, to, selected }) {
  const box = element("div", { class: "side" }, bars("Lag: from ready to running", lags(trace, from, to)));
  if (selected?.kind === "wait") box.append(bars(`Waits like the selected one (${clean(trace.what(selected.index))})`, waitsLike(trace, selected.index, from, to)));
  else box.append(element("p", { class: "faint" }, "Select a wait to see how long others like it were."));
  return box;
}

/** @type {Panel} */
function atCursor(trace, view, actions) {
  const ns = view.cursor ?? (view.from + view.to) / 2;
  const box = element("div", null, element("h3", null, `Who waits on whom at ${instant(ns, 1000)}`));
  const found = blockages(trace, ns);
  const list = element("ul", { class: "blockages" });
  for (const { what, kind, task, opener, waits } of found.slice(0, 100)) {
    const item = element("li", null, element("b", null, kind), " ", task >= 0 ? taskLink(trace, task, actions) : shortened(clean(what), 80), trace.wait.awaited[waits[0]] && task < 0 ? ` #${trace.wait.awaited[waits[0]]}` : "", ` holds up ${count(waits.length)}: `);
    for (const wait of waits.slice(0, 20)) item.append(taskLink(trace, trace.wait.task[wait], actions), " ");
    if (waits.length > 20) item.append("… ");
    const ended = opener >= 0 ? element("span", { class: "faint" }, "ended by ", taskLink(trace, opener, actions)) : element("span", { class: "faint" }, trace.wait.known[waits[0]] & 1 ? "" : "never ended");
    item.append(ended);
    const holders = holdersElement(trace, waits[0], ns, actions);
    if (holders) item.append(element("div", { class: "below" }, "held by ", holders));
    list.append(item);
  }
  box.append(found.length ? list : element("p", { class: "faint" }, "No task waits at this instant."));
  box.append(element("p", { class: "faint" }, "Press X with the pointer over an instant to see that one."));
  return box;
}

/** @type {Panel} */
function criticalPathPanel(trace, view, actions, path) {
  if (view.path === null) {
    return element("p", { class: "faint" }, "Select a task and press P: what its end hung on, step by step, is then drawn in the timeline and listed here.");
  }
  const total = path.reduce((sum, piece) => sum + piece.to - piece.from, 0);
  const states = ["running", "ready", "waiting"].map((state) => {
    const ns = path.reduce((sum, piece) => sum + (piece.state === state ? piece.to - piece.from : 0), 0);
    return `${state} ${duration(ns)} (${share(ns, total)})`;
  });
  const rows = path.map((piece, order) => ({ ...piece, order }));
  return element(
    "div",
    null,
    element("h3", null, "What the end of ", taskLink(trace, view.path, actions), ` hung on: ${states.join(", ")}`),
    element("p", { class: "tools" }, button("Draw no path (P)", () => actions.path(null))),
    table(
      "Critical path",
      [
        { name: "at", cell: (row) => link(instant(row.from, 1000), () => actions.zoomTo(row.from, row.to)), key: (row) => row.order, number: true },
        { name: "how long", cell: (row) => duration(row.to - row.from), key: (row) => row.to - row.from, number: true },
        { name: "state", cell: (row) => row.state, key: (row) => row.state },
        { name: "task", cell: (row) => taskLink(trace, row.task, actions), key: (row) => trace.name(row.task) },
        {
          name: "for",
          cell: (row) => (row.wait < 0 ? "" : link(trace.what(row.wait), () => actions.select({ kind: "wait", index: row.wait }, true))),
          key: (row) => (row.wait < 0 ? "" : trace.what(row.wait)),
        },
      ],
      rows,
    ),
  );
}

/** @type {{name: string, title: string, panel: Panel, follows: boolean}[]} `follows`: it speaks of the stretch that is shown */
export const PANELS = [
  { name: "findings", title: "Findings", panel: (trace, _, actions) => findingsList(trace, actions), follows: false },
  { name: "coroutines", title: "Coroutines", panel: coroutines, follows: true },
  { name: "waits", title: "Waits", panel: waits("kind", "Waits"), follows: true },
  { name: "things", title: "Locks, queues, …", panel: waits("thing", "Things waited on"), follows: true },
  { name: "tasks", title: "Tasks", panel: tasks, follows: true },
  { name: "flame", title: "Flame graphs", panel: flames, follows: true },
  { name: "lag", title: "Lag", panel: histograms, follows: true },
  { name: "cursor", title: "At an instant", panel: atCursor, follows: false },
  { name: "path", title: "Critical path", panel: criticalPathPanel, follows: false },
];
