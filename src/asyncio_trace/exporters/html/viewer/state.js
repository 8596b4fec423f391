// What the viewer shows now, and the same as the hash of its address, so that every view can be sent to somebody.

/** @typedef {{kind: "task" | "wait" | "run" | "callback" | "job" | "finding", index: number}} Selection */
/**
 * @typedef {object} View
 * @property {number} from first instant that the timeline shows
 * @property {number} to
 * @property {Selection | null} selected
 * @property {number | null} cursor the instant that "at the cursor" speaks of
 * @property {"tree" | "coroutine"} grouping
 * @property {string} query
 * @property {boolean} filter whether rows that do not match the query are hidden
 * @property {string} tab "" for the one that is opened at first
 * @property {number | null} path the task whose critical path is drawn
 * @property {[number, number] | null} measured
 */

const LETTERS = /** @type {Record<string, Selection["kind"]>} */ ({ t: "task", w: "wait", r: "run", c: "callback", j: "job", f: "finding" });
const LETTER_OF = Object.fromEntries(Object.entries(LETTERS).map(([letter, kind]) => [kind, letter]));

/** The shortest stretch that can be shown, in ns. */
export const SHORTEST = 100;

/**
 * @param {number} end
 * @returns {View}
 */
export function wholeView(end) {
  return { from: 0, to: end, selected: null, cursor: null, grouping: "tree", query: "", filter: false, tab: "", path: null, measured: null };
}

/**
 * @param {View} view
 * @param {number} end
 */
export function toHash(view, end) {
  const words = new URLSearchParams();
  if (view.from > 0 || view.to < end) words.set("t", `${Math.round(view.from)}-${Math.round(view.to)}`);
  if (view.selected) words.set("s", LETTER_OF[view.selected.kind] + view.selected.index);
  if (view.cursor !== null) words.set("at", String(Math.round(view.cursor)));
  if (view.grouping !== "tree") words.set("group", view.grouping);
  if (view.query) words.set("q", view.query);
  if (view.filter) words.set("filter", "1");
  if (view.tab) words.set("tab", view.tab);
  if (view.path !== null) words.set("path", String(view.path));
  if (view.measured) words.set("m", view.measured.map(Math.round).join("-"));
  return words.toString();
}

/**
 * What does not make sense in this trace is left out.
 * @param {string} hash with or without `#`
 * @param {number} end
 * @param {Record<Selection["kind"], number>} counts of what can be selected
 * @returns {View}
 */
export function fromHash(hash, end, counts) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const view = wholeView(end);
  const window = stretch(words.get("t"));
  if (window && window[1] > window[0]) [view.from, view.to] = clamped(window[0], window[1], end);
  const selected = words.get("s")?.match(/^([twrcjf])(\d{1,10})$/);
  if (selected && Number(selected[2]) < counts[LETTERS[selected[1]]]) view.selected = { kind: LETTERS[selected[1]], index: Number(selected[2]) };
  view.cursor = instantOf(words.get("at"), end);
  if (words.get("group") === "coroutine") view.grouping = "coroutine";
  view.query = words.get("q") ?? "";
  view.filter = words.get("filter") === "1" && view.query !== "";
  view.tab = words.get("tab") ?? view.tab;
  const path = words.get("path");
  if (path !== null && /^\d{1,10}$/.test(path) && Number(path) < counts.task) view.path = Number(path);
  view.measured = stretch(words.get("m"));
  return view;
}

/**
 * @param {string | null} text
 * @param {number} end
 */
function instantOf(text, end) {
  return text !== null && /^\d{1,16}$/.test(text) && Number(text) <= end ? Number(text) : null;
}

/**
 * @param {string | null} text
 * @returns {[number, number] | null}
 */
function stretch(text) {
  const found = text?.match(/^(\d{1,16})-(\d{1,16})$/);
  return found && Number(found[1]) <= Number(found[2]) ? [Number(found[1]), Number(found[2])] : null;
}

/**
 * A stretch of the same length, moved and at last cut so that it lies within the trace.
 * @param {number} from
 * @param {number} to
 * @param {number} end
 * @returns {[number, number]}
 */
export function clamped(from, to, end) {
  let length = Math.max(to - from, Math.min(SHORTEST, end));
  if (length >= end) return [0, end];
  const middle = (from + to) / 2;
  length = Math.min(length, end);
  const start = Math.min(Math.max(0, middle - length / 2), end - length);
  return [start, start + length];
}

/**
 * @param {View} view
 * @param {number} factor below 1 to see more closely
 * @param {number} around the instant that keeps its place
 * @param {number} end
 * @returns {[number, number]}
 */
export function zoomed(view, factor, around, end) {
  const length = Math.min(end, Math.max(SHORTEST, (view.to - view.from) * factor));
  const part = (around - view.from) / (view.to - view.from);
  return clamped(around - part * length, around + (1 - part) * length, end);
}
