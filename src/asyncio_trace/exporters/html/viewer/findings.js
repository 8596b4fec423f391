// The list of findings; a click goes to the place in the timeline.
import { element } from "./dom.js";
import { clean, duration, place } from "./format.js";
import { FLAGS } from "./paint.js";

/** @typedef {import("./trace.js").Trace} Trace */
/** @typedef {import("./actions.js").Actions} Actions */

/**
 * @param {Trace} trace
 * @param {Actions} actions
 * @returns {HTMLElement}
 */
export function findingsList(trace, actions) {
  const { findings } = trace.head;
  if (!findings.length) return element("p", { class: "faint" }, "Nothing was found to be wrong. Select a bar above to see what it waited for, and what woke it.");
  const list = element("ul", { class: "findings" });
  findings.forEach((finding, index) => {
    list.append(
      element(
        "li",
        null,
        element(
          "button",
          { class: `finding ${["error", "warning"].includes(finding.severity) ? finding.severity : "info"}`, click: () => actions.select({ kind: "finding", index }, true) },
          element("span", { class: "flag", label: finding.severity }, FLAGS[finding.severity] ?? FLAGS.info),
          element("b", null, clean(finding.rule)),
          " ",
          clean(finding.message),
          element("span", { class: "faint" }, ` ${duration(finding.end - finding.start)} ${place(trace.site(finding.at))}`),
        ),
      ),
    );
  });
  return list;
}

/**
 * The worst severity by task.
 * @param {Trace} trace
 */
export function flagsByTask(trace) {
  const order = ["info", "warning", "error"];
  /** @type {Map<number, string>} */
  const flags = new Map();
  for (const { task, severity } of trace.head.findings) {
    if (task === null) continue;
    const known = flags.get(task);
    if (known === undefined || order.indexOf(severity) > order.indexOf(known)) flags.set(task, severity);
  }
  return flags;
}
