// The tabs below the timeline. A panel that speaks of the stretch shown is made anew when the view has come to rest.
import { button, byId, element, fill } from "./dom.js";
import { duration } from "./format.js";
import { PANELS } from "./panels.js";

/** @typedef {import("./trace.js").Trace} Trace */
/** @typedef {import("./actions.js").Actions} Actions */
/** @typedef {import("./state.js").View} View */
/** @typedef {import("./causes.js").Piece} Piece */

const REST_MS = 180;

export class Tabs {
  /**
   * @param {Trace} trace
   * @param {Actions} actions
   */
  constructor(trace, actions) {
    this.trace = trace;
    this.actions = actions;
    this.names = PANELS.map(({ name }) => name);
    this.box = byId("panel");
    this.shown = "";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    const bar = byId("tabs");
    /** @type {Map<string, HTMLButtonElement>} */
    this.buttons = new Map();
    PANELS.forEach(({ name, title }) => {
      const findings = trace.head.findings.length;
      const tab = button(name === "findings" && findings ? `${title} (${findings})` : title, () => actions.tab(name));
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", "panel");
      this.buttons.set(name, tab);
      bar.append(tab);
    });
    bar.addEventListener("keydown", (event) => this.#walk(event));
  }

  /**
   * The panel of a name; if there is none, what a reader wants to see first.
   * @param {string} name
   */
  #panel(name) {
    return PANELS.find((panel) => panel.name === name) ?? PANELS[this.trace.head.findings.length ? 0 : 1];
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = this.names[(this.names.indexOf(this.shown.split("|")[0]) + by + this.names.length) % this.names.length];
    this.actions.tab(next);
    this.buttons.get(next)?.focus();
  }

  /**
   * @param {View} view
   * @param {Piece[]} path
   * @param {boolean} first
   */
  show(view, path, first) {
    const { name, follows } = this.#panel(view.tab);
    const stretch = follows ? `${view.from}-${view.to}` : "";
    const selected = name === "lag" && view.selected ? `${view.selected.kind}${view.selected.index}` : "";
    const key = `${name}|${stretch}|${selected}|${name === "cursor" ? view.cursor : ""}|${name === "path" ? view.path : ""}`;
    if (key === this.shown) return;
    const same = this.shown.startsWith(`${name}|`);
    this.shown = key;
    for (const [tab, made] of this.buttons) {
      made.setAttribute("aria-selected", String(tab === name));
      made.tabIndex = tab === name ? 0 : -1;
    }
    clearTimeout(this.timer);
    if ((same || first) && follows) this.timer = setTimeout(() => this.#make(name, view, path), REST_MS);
    else this.#make(name, view, path);
  }

  /**
   * @param {string} name
   * @param {View} view
   * @param {Piece[]} path
   */
  #make(name, view, path) {
    const found = this.#panel(name);
    const whole = view.from <= 0 && view.to >= this.trace.end;
    const note = found.follows && !whole ? element("p", { class: "faint" }, `Of the ${duration(view.to - view.from)} that are shown.`) : null;
    fill(this.box, note, found.panel(this.trace, view, this.actions, path));
  }
}
