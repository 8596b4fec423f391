// The keyboard: everything that the pointer does, and the list of it for `?`.
import { goToWaker } from "./details.js";
import { clamped, zoomed } from "./state.js";

/** @typedef {import("./app.js").App} App */

export const HELP = [
  ["W, S or +, −", "zoom in, out"],
  ["A, D or ←, →", "to earlier, later"],
  ["↑, ↓", "to the row above, below"],
  ["Page up, down; Home, End", "many rows; first, last"],
  ["Enter", "select the row's task, fold or unfold a group"],
  ["[, ]", "the selected task's wait or run before, after"],
  ["Space", "fold or unfold"],
  ["G", "go to the waker of the selected wait"],
  ["P", "critical path to the end of the selected task; again: none"],
  ["Z", "zoom to what is selected"],
  ["0", "show all"],
  ["/, then Enter", "search; to the next match"],
  ["F", "hide rows that do not match; again: show all"],
  ["C", "group by coroutine, or by who created whom"],
  ["X", "who waits on whom at the middle of the view, or the pointer"],
  ["N, Shift+N", "next finding, the one before"],
  ["1 … 8", "tabs below the timeline"],
  ["Ctrl+wheel, pinch", "zoom; wheel and dragging move"],
  ["Shift+drag, or drag the ruler", "measure"],
  ["Escape", "select nothing"],
  ["?", "this list"],
];

/** @param {App} app */
export function followKeys(app) {
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    const onCanvas = target === app.canvas || target === document.body;
    if (!onCanvas && ["Enter", " ", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End"].includes(event.key)) return;
    if (press(app, event.key, event.shiftKey)) event.preventDefault();
  });
}

/**
 * Do what a key means; whether it means something.
 * @param {App} app
 * @param {string} key
 * @param {boolean} shift
 */
function press(app, key, shift) {
  const { view, trace } = app;
  const length = view.to - view.from;
  const middle = app.pointerNs ?? (view.from + view.to) / 2;
  /** @param {number} part */
  const pan = (part) => {
    const [from, to] = clamped(view.from + part * length, view.to + part * length, trace.end);
    app.change({ from, to });
  };
  /** @param {number} factor */
  const zoom = (factor) => {
    const [from, to] = zoomed(view, factor, middle, trace.end);
    app.change({ from, to });
  };
  switch (key.length === 1 ? key.toLowerCase() : key) {
    case "w": case "+": case "=": zoom(0.7); return true;
    case "s": case "-": zoom(1 / 0.7); return true;
    case "a": case "ArrowLeft": pan(-0.15); return true;
    case "d": case "ArrowRight": pan(0.15); return true;
    case "ArrowUp": app.focusRow(app.focus - 1); return true;
    case "ArrowDown": app.focusRow(app.focus + 1); return true;
    case "PageUp": app.focusRow(app.focus - 15); return true;
    case "PageDown": app.focusRow(app.focus + 15); return true;
    case "Home": app.focusRow(0); return true;
    case "End": app.focusRow(Infinity); return true;
    case "Enter": app.openRow(); return true;
    case " ": app.foldRow(); return true;
    case "[": app.step(-1); return true;
    case "]": app.step(1); return true;
    case "g": if (view.selected?.kind === "wait") goToWaker(trace, view.selected.index, app.actions); return true;
    case "p": app.actions.path(view.path === null ? app.selectedTask() : null); return true;
    case "z": app.zoomToSelected(); return true;
    case "0": app.change({ from: 0, to: trace.end }); return true;
    case "/": app.search.focus(); return true;
    case "f": app.actions.search(view.query, !view.filter); return true;
    case "c": app.group(view.grouping === "tree" ? "coroutine" : "tree"); return true;
    case "x": app.actions.cursor(middle); return true;
    case "n": app.nextFinding(shift ? -1 : 1); return true;
    case "?": app.help(); return true;
    case "Escape": app.change({ selected: null, measured: null, cursor: null }); return true;
    default:
      if (/^[1-9]$/.test(key)) return app.tabNumber(Number(key));
      return false;
  }
}
