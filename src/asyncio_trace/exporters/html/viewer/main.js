// Begins: reads what the page holds, and puts the viewer to work on it.
import { App } from "./app.js";
import { byId, element, fill } from "./dom.js";
import { clean, shortened } from "./format.js";
import { followKeys, HELP } from "./keys.js";
import { load } from "./load.js";
import { EDITOR_NAMES, editorInUse, keep, setting, useEditor } from "./places.js";
import { followPointer } from "./pointer.js";
import { Trace } from "./trace.js";

/** Gives the browser a moment to draw and to answer. */
const pause = () => /** @type {Promise<void>} */ (new Promise((resolve) => setTimeout(resolve)));

/** The columns of the page, each element taken away once it is read: what it holds is needed only once. */
function* columns() {
  for (const script of document.querySelectorAll("script[data-column]")) {
    const { column = "", count, width } = /** @type {HTMLElement} */ (script).dataset;
    yield { name: column, count: Number(count), width: Number(width), text: script.textContent ?? "" };
    script.remove();
  }
}

/** @param {string} theme light, dark, or auto for the system's */
function useTheme(theme) {
  document.documentElement.dataset.theme = theme;
  keep("theme", theme);
}

/** @param {App} app */
function connect(app) {
  followPointer(app.canvas, app);
  followKeys(app);
  followMap(app);
  const { search } = app;
  search.addEventListener("input", () => app.actions.search(search.value));
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") app.nextMatch(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") app.canvas.focus();
  });
  byId("filter").addEventListener("click", () => app.actions.search(app.view.query, !app.view.filter));
  const grouping = /** @type {HTMLSelectElement} */ (byId("grouping"));
  grouping.addEventListener("change", () => app.group(grouping.value === "coroutine" ? "coroutine" : "tree"));
  byId("unfold").addEventListener("click", () => foldAll(app));
  byId("all").addEventListener("click", () => app.change({ from: 0, to: app.trace.end }));
  byId("ask").addEventListener("click", () => app.help());
  const theme = /** @type {HTMLSelectElement} */ (byId("theme"));
  theme.value = document.documentElement.dataset.theme ?? "auto";
  theme.addEventListener("change", () => {
    useTheme(theme.value);
    app.recolour();
  });
  const editor = /** @type {HTMLSelectElement} */ (byId("editor"));
  for (const name of EDITOR_NAMES) editor.append(element("option", { attributes: { value: name } }, name));
  editor.value = editorInUse();
  editor.addEventListener("change", () => {
    useEditor(editor.value);
    app.change({ selected: app.view.selected && { ...app.view.selected } });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => app.recolour());
  matchMedia("print").addEventListener("change", () => app.recolour());
  addEventListener("hashchange", () => app.followAddress());
  new ResizeObserver(() => app.resize()).observe(/** @type {Element} */ (app.canvas.parentElement));
  splitter(app);
}

/** @param {App} app */
function foldAll(app) {
  app.rows.setAll(app.rows.toggled.size > 0);
  app.rowsChanged();
  app.scrollTo(0);
}

/** @param {App} app */
function followMap(app) {
  const move = (/** @type {PointerEvent} */ event) => {
    const box = app.map.getBoundingClientRect();
    const [from, to] = app.minimap.moved((event.clientX - box.left) / box.width, app.view);
    app.change({ from, to });
  };
  app.map.addEventListener("pointerdown", (event) => {
    app.map.setPointerCapture(event.pointerId);
    move(event);
  });
  app.map.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) move(event);
  });
}

/**
 * The edge between timeline and panels, moved by pointer or arrow keys.
 * @param {App} app
 */
function splitter(app) {
  const edge = byId("edge");
  /** @param {number} share */
  const set = (share) => {
    const part = Math.min(85, Math.max(15, share));
    document.documentElement.style.setProperty("--top", `${part}fr`);
    document.documentElement.style.setProperty("--bottom", `${100 - part}fr`);
    edge.setAttribute("aria-valuenow", String(Math.round(part)));
    app.resize();
  };
  const share = () => Number(edge.getAttribute("aria-valuenow"));
  let moved = false;
  app.rowsChanged = () => {
    if (!moved) set(Math.min(60, (100 * (app.rows.height + 64)) / Math.max(1, byId("work").getBoundingClientRect().height)));
  };
  app.rowsChanged();
  edge.addEventListener("pointerdown", (event) => {
    moved = true;
    edge.setPointerCapture(event.pointerId);
  });
  edge.addEventListener("pointermove", (event) => {
    if (!(event.buttons & 1)) return;
    const box = byId("work").getBoundingClientRect();
    set((100 * (event.clientY - box.top)) / box.height);
  });
  edge.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -5, ArrowDown: 5 }[event.key];
    if (!by) return;
    moved = true;
    set(share() + by);
  });
}

/** @param {Trace} trace */
function introduce(trace) {
  const { head } = trace;
  const program = shortened(clean(head.program.argv.join(" ")), 300) || "a program";
  document.title = `${shortened(program, 80)} — asyncio-trace`;
  fill(byId("program"), element("bdi", { title: program }, shortened(program, 90)));
  const doubts = [];
  if (!head.complete) doubts.push("Parts of the program's run are missing from this trace: see the findings.");
  if (head.left_out) doubts.push(head.left_out);
  byId("doubts").hidden = !doubts.length;
  byId("doubts").textContent = doubts.join(" ");
  fill(byId("keys"), ...HELP.map(([key, what]) => element("tr", null, element("th", { attributes: { scope: "row" } }, key), element("td", null, what))));
}

async function begin() {
  useTheme(setting("theme") ?? "auto");
  const head = JSON.parse(byId("head").textContent ?? "");
  const trace = new Trace(head, await load(head, columns(), pause));
  introduce(trace);
  await pause();
  const app = new App(trace);
  byId("summary").textContent = app.summary();
  byId("wait").hidden = true;
  connect(app);
  Object.assign(globalThis, { viewer: app });
  document.documentElement.dataset.ready = "yes";
}

begin().catch((error) => {
  byId("wait").textContent = `This trace can't be shown: ${error instanceof Error ? error.message : error}`;
  byId("wait").setAttribute("role", "alert");
  document.documentElement.dataset.ready = "failed";
  console.error(error);
});
