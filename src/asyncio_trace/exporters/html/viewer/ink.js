// What all drawing needs: the scene, where an instant and a task stand in it, and text that fits.
import { clean, shortened } from "./format.js";

/** @typedef {import("./trace.js").Trace} Trace */
/** @typedef {import("./rows.js").Rows} Rows */
/** @typedef {import("./rows.js").Row} Row */
/** @typedef {import("./state.js").View} View */
/** @typedef {import("./palette.js").Palette} Palette */
/** @typedef {import("./causes.js").Piece} Piece */
/** @typedef {import("./crowds.js").Crowds} Crowds */
/** @typedef {import("./density.js").LoopRuns} LoopRuns */
/**
 * @typedef {object} Scene
 * @property {Trace} trace
 * @property {Rows} rows
 * @property {View} view
 * @property {number} scroll of the rows, in pixels
 * @property {number} width of the canvas
 * @property {number} height
 * @property {number} gutter width of the names
 * @property {Palette} palette
 * @property {(loop: number) => LoopRuns} loops
 * @property {Crowds} crowds
 * @property {Piece[]} path the critical path
 * @property {Set<number>} matches tasks that match the query
 * @property {number | null} hover instant below the pointer
 * @property {number} focus index of the row that the keyboard is at, or -1
 * @property {Map<number, string>} flags worst severity by task
 */

export const RULER = 24;
export const FONT = "12px system-ui, sans-serif";
export const SMALL = "11px system-ui, sans-serif";

/** Room on the right for the marks that tell how a task ended. */
const MARGIN = 14;

/**
 * Pixels that the time shown takes.
 * @param {Scene} scene
 */
export function spanOf(scene) {
  return Math.max(1, scene.width - scene.gutter - MARGIN);
}

/**
 * @param {Scene} scene
 * @param {number} ns
 */
export function xOf(scene, ns) {
  const { view, gutter } = scene;
  return gutter + ((ns - view.from) / (view.to - view.from)) * spanOf(scene);
}

/**
 * @param {Scene} scene
 * @param {number} x
 */
export function nsAt(scene, x) {
  const { view, gutter } = scene;
  return view.from + ((x - gutter) / spanOf(scene)) * (view.to - view.from);
}

/**
 * Middle of the row in which a task shows, or null if the filter hides it.
 * @param {Scene} scene
 * @param {number} task
 */
export function yOf(scene, task) {
  const row = scene.rows.of(task);
  return row < 0 ? null : RULER + scene.rows.tops[row] - scene.scroll + scene.rows.all[row].height / 2;
}

/**
 * @param {Scene} scene
 * @param {Row} row
 */
export function rowName(scene, row) {
  const { trace } = scene;
  if (row.kind === "task") {
    const coroutine = trace.coroutine(row.task);
    return trace.isNamed(row.task) ? `${trace.name(row.task)} · ${coroutine}` : `${coroutine} · ${trace.name(row.task)}`;
  }
  if (row.kind === "group") return `${trace.head.texts[row.coroutine]} × ${row.tasks.length.toLocaleString("en-US")}`;
  if (row.kind === "loop") {
    const loop = trace.head.loops[row.loop - 1];
    return `loop ${loop.id} · ${loop.thread || "thread"}`;
  }
  const [id, name] = trace.head.threads[row.thread - 1];
  return `thread ${name || id}`;
}

/** @type {Map<string, number>} */
const widths = new Map();

/**
 * A name that may be of any length and hold anything, made to fit.
 * @param {CanvasRenderingContext2D} pen
 * @param {string} name
 * @param {number} room
 */
export function fitted(pen, name, room) {
  if (room < 8) return "";
  const most = Math.max(1, Math.floor(room / 3));
  const text = shortened(clean(name.length > 4 * most ? name.slice(0, 4 * most + 4) : name), most);
  let width = widths.get(pen.font + text);
  if (width === undefined) {
    if (widths.size > 20000) widths.clear();
    width = pen.measureText(text).width;
    widths.set(pen.font + text, width);
  }
  if (width <= room) return text;
  const letters = [...text];
  const keep = Math.floor((letters.length * (room - 10)) / width);
  return keep < 1 ? "" : `${letters.slice(0, keep).join("")}…`;
}
