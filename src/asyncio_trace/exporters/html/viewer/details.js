// What is selected, in words: a wait and what ended it, a task and its relatives, a run, a job, a finding.
import { chain } from "./causes.js";
import { lagOf } from "./density.js";
import { button, element } from "./dom.js";
import { clean, count, duration, instant, shortened } from "./format.js";
import { placeElement, stackElement } from "./places.js";
import { OUTCOMES } from "./trace.js";

/** @typedef {import("./trace.js").Trace} Trace */
/** @typedef {import("./actions.js").Actions} Actions */
/** @typedef {import("./state.js").Selection} Selection */
/** @typedef {import("./dom.js").Child} Child */

const LISTED = 50;

/**
 * @param {Trace} trace
 * @param {Selection} selection
 * @param {Actions} actions
 * @returns {HTMLElement}
 */
export function details(trace, selection, actions) {
  const { index } = selection;
  if (selection.kind === "task") return taskDetails(trace, index, actions);
  if (selection.kind === "wait") return waitDetails(trace, index, actions);
  if (selection.kind === "run") return runDetails(trace, index, actions);
  if (selection.kind === "callback") return callbackDetails(trace, index);
  if (selection.kind === "job") return jobDetails(trace, index, actions);
  return findingDetails(trace, index, actions);
}

/**
 * @param {Trace} trace
 * @param {number} task
 * @param {Actions} actions
 */
export function taskLink(trace, task, actions) {
  const name = clean(trace.name(task));
  return element(
    "button",
    { class: "link", title: `${shortened(name, 200)}: show this task`, click: () => actions.select({ kind: "task", index: task }, true) },
    shortened(name, 60),
  );
}

/**
 * @param {[string, Child][]} rows
 */
function facts(rows) {
  const list = element("dl", null);
  for (const [name, value] of rows) if (value !== null && value !== undefined && value !== "") list.append(element("dt", null, name), element("dd", null, value));
  return list;
}

/**
 * @param {string} kind
 * @param {string} name
 */
function heading(kind, name) {
  return element("h2", null, element("span", { class: "kind" }, kind), " ", element("bdi", { title: shortened(clean(name), 500) }, shortened(clean(name), 120)));
}

/**
 * An instant, exact to the microsecond.
 * @param {number} ns
 */
function when(ns) {
  return Number.isNaN(ns) ? "" : instant(ns, 1000);
}

/**
 * @param {Trace} trace
 * @param {{kind: string, at: import("./trace.js").Site | null, label: string | null, task: number, ns: number}} cause
 * @param {Actions} actions
 */
function causeElement(trace, cause, actions) {
  const parts = element("span", null, element("b", null, cause.kind), " ");
  if (cause.task >= 0) parts.append(taskLink(trace, cause.task, actions), " ");
  else if (cause.label) parts.append(element("code", null, shortened(clean(cause.label), 100)), " ");
  parts.append(`at ${when(cause.ns)}`);
  if (cause.at) parts.append(element("br", null), placeElement(trace, cause.at));
  return parts;
}

/**
 * Who holds, at an instant, what a wait is for; null if it is nothing that is held.
 * @param {Trace} trace
 * @param {number} wait
 * @param {number} ns
 * @param {Actions} actions
 */
export function holdersElement(trace, wait, ns, actions) {
  const holds = trace.wait.awaited[wait] ? trace.holders(trace.wait.awaited[wait], ns) : [];
  if (!holds.length) return null;
  const box = element("span", null);
  for (const hold of holds.slice(0, 10)) {
    const task = trace.hold.task[hold];
    box.append(task >= 0 ? taskLink(trace, task, actions) : "no task", ` since ${when(trace.hold.from[hold])}, taken at `, placeElement(trace, trace.site(trace.hold.site[hold])), " ");
  }
  if (holds.length > 10) box.append(`and ${count(holds.length - 10)} more`);
  return box;
}

/**
 * @param {Trace} trace
 * @param {number} wait
 * @param {Actions} actions
 */
function waitDetails(trace, wait, actions) {
  const { start, ready, end, known } = trace.wait;
  const cause = trace.cause(wait);
  const task = trace.wait.task[wait];
  const awaited = trace.awaitedTask(wait);
  const box = element("div", null, heading("wait", trace.what(wait)));
  box.append(
    facts([
      ["task", taskLink(trace, task, actions)],
      ["kind", trace.kind(wait)],
      ["on", awaited >= 0 ? taskLink(trace, awaited, actions) : trace.wait.awaited[wait] ? `${trace.head.whats[trace.wait.what[wait]][1]} #${trace.wait.awaited[wait]}` : null],
      ["held by", holdersElement(trace, wait, (start[wait] + ready[wait]) / 2, actions)],
      ["suspended", when(start[wait])],
      ["waiting", known[wait] & 1 ? duration(ready[wait] - start[wait]) : `${duration(ready[wait] - start[wait])}, and it never ended`],
      ["ready", known[wait] & 1 ? `${duration(end[wait] - ready[wait])} until it ran again` : null],
      ["woken by", cause ? causeElement(trace, cause, actions) : "nothing yet"],
    ]),
  );
  const tools = element("p", { class: "tools" });
  if (cause) tools.append(button("Go to waker (G)", () => goToWaker(trace, wait, actions)));
  tools.append(button("Zoom to it (Z)", () => actions.zoomTo(start[wait], end[wait])));
  tools.append(button("Critical path of the task (P)", () => actions.path(task)));
  box.append(tools, element("h3", null, "Stack while it waited"), stackElement(trace, trace.stack(wait)));
  box.append(...chainElements(trace, wait, actions));
  return box;
}

/**
 * @param {Trace} trace
 * @param {number} wait
 * @param {Actions} actions
 */
export function goToWaker(trace, wait, actions) {
  const waker = trace.wait.waker[wait];
  if (waker >= 0) {
    const run = trace.runAt(waker, trace.wait.causeNs[wait]);
    actions.select(run >= 0 ? { kind: "run", index: run } : { kind: "task", index: waker }, true);
    return;
  }
  const { callback, job } = trace;
  const ns = trace.wait.causeNs[wait];
  for (let i = 0; i < job.count; i++) if (job.ended[i] <= ns && job.ended[i] >= ns - 1e6 && job.task[i] - 1 === trace.wait.task[wait]) return actions.select({ kind: "job", index: i }, true);
  for (let i = 0; i < callback.count; i++) if (callback.start[i] <= ns && callback.end[i] >= ns) return actions.select({ kind: "callback", index: i }, true);
  actions.cursor(ns);
}

/**
 * @param {Trace} trace
 * @param {number} wait
 * @param {Actions} actions
 * @returns {HTMLElement[]}
 */
function chainElements(trace, wait, actions) {
  const waits = chain(trace, wait);
  if (waits.length < 2) return [];
  const list = element("ol", { class: "chain" });
  waits.slice(0, LISTED).forEach((at, i) => {
    const cause = trace.cause(at);
    list.append(
      element(
        "li",
        null,
        taskLink(trace, trace.wait.task[at], actions),
        " waited for ",
        element("button", { class: "link", click: () => actions.select({ kind: "wait", index: at }, true) }, shortened(clean(trace.what(at)), 60)),
        ` ${duration(trace.wait.ready[at] - trace.wait.start[at])}`,
        cause && (cause.task < 0 || i === waits.length - 1) ? element("span", null, ", ended by ", causeElement(trace, cause, actions)) : null,
      ),
    );
  });
  return [element("h3", null, "Back to the root cause"), list];
}

/**
 * @param {Trace} trace
 * @param {number} task
 * @param {Actions} actions
 */
function taskDetails(trace, task, actions) {
  const { created, ended, started, parent } = trace.task;
  const times = trace.times(task);
  const outcome = OUTCOMES[trace.task.outcome[task]];
  const canceller = trace.canceller(task);
  const children = trace.children(task);
  const box = element("div", null, heading("task", trace.name(task)));
  const exception = trace.text(trace.task.exception[task]);
  box.append(
    facts([
      ["coroutine", element("code", null, shortened(clean(trace.coroutine(task)), 200))],
      ["outcome", exception ? `${outcome} ${shortened(clean(exception), 120)}` : outcome],
      ["created", when(created[task])],
      ["at", placeElement(trace, trace.site(trace.task.site[task]))],
      ["by", parent[task] >= 0 ? taskLink(trace, parent[task], actions) : "no task"],
      ["first ran", Number.isNaN(started[task]) ? "never" : `${when(started[task])}${trace.task.eager[task] ? ", eagerly" : ""}`],
      ["ended", Number.isNaN(ended[task]) ? "not while it was traced" : when(ended[task])],
      ["running", duration(times.running)],
      ["ready", duration(times.ready)],
      ["waiting", duration(times.waiting)],
      ["cancelled by", canceller ? causeElement(trace, canceller, actions) : null],
      ["tasks created", children.length ? linkList(trace, children, actions) : null],
    ]),
  );
  box.append(
    element(
      "p",
      { class: "tools" },
      button("Critical path (P)", () => actions.path(task)),
      button("Zoom to it (Z)", () => actions.zoomTo(created[task], trace.endOf(task))),
      button("Only this coroutine", () => actions.search(`coro:"${trace.coroutine(task)}"`, true)),
    ),
  );
  box.append(...waitList(trace, task, actions));
  return box;
}

/**
 * @param {Trace} trace
 * @param {ArrayLike<number>} tasks
 * @param {Actions} actions
 */
function linkList(trace, tasks, actions) {
  const shown = element("span", null, `${count(tasks.length)}: `);
  for (let i = 0; i < Math.min(12, tasks.length); i++) shown.append(taskLink(trace, tasks[i], actions), " ");
  if (tasks.length > 12) shown.append("…");
  return shown;
}

/**
 * @param {Trace} trace
 * @param {number} task
 * @param {Actions} actions
 * @returns {HTMLElement[]}
 */
function waitList(trace, task, actions) {
  const first = trace.task.firstWait[task];
  const last = trace.task.firstWait[task + 1];
  if (first === last) return [];
  const body = element("tbody", null);
  for (let wait = first; wait < Math.min(last, first + LISTED); wait++) {
    body.append(
      element(
        "tr",
        null,
        element("td", { class: "number" }, when(trace.wait.start[wait])),
        element("td", null, element("button", { class: "link", click: () => actions.select({ kind: "wait", index: wait }, true) }, shortened(clean(trace.what(wait)), 60))),
        element("td", { class: "number" }, duration(trace.wait.ready[wait] - trace.wait.start[wait])),
        element("td", null, placeElement(trace, trace.ownSite(wait))),
      ),
    );
  }
  const head = element("thead", null, element("tr", null, ...["at", "waited for", "how long", "where"].map((name) => element("th", { attributes: { scope: "col" } }, name))));
  const more = last - first > LISTED ? `, the first ${LISTED}` : "";
  return [element("h3", null, `Its ${count(last - first)} waits${more}`), element("table", null, head, body)];
}

/**
 * @param {Trace} trace
 * @param {number} run
 * @param {Actions} actions
 */
function runDetails(trace, run, actions) {
  const task = trace.run.task[run];
  const { start, end } = trace.run;
  const before = trace.waitAt(task, start[run] - 1);
  const after = trace.waitAt(task, end[run]);
  const box = element("div", null, heading("run", trace.name(task)));
  /** @param {number} wait */
  const at = (wait) =>
    wait < 0 ? null : element("span", null, element("button", { class: "link", click: () => actions.select({ kind: "wait", index: wait }, true) }, shortened(clean(trace.what(wait)), 60)), " ", placeElement(trace, trace.ownSite(wait)));
  box.append(
    facts([
      ["task", taskLink(trace, task, actions)],
      ["coroutine", element("code", null, shortened(clean(trace.coroutine(task)), 200))],
      ["began", when(start[run])],
      ["ran", duration(end[run] - start[run])],
      ["ready before", duration(lagOf(trace, run))],
      ["from await", at(before) ?? "its first line"],
      ["to await", at(after) ?? (trace.endOf(task) <= end[run] ? "its end" : null)],
    ]),
  );
  box.append(element("p", { class: "tools" }, button("Zoom to it (Z)", () => actions.zoomTo(start[run], end[run]))));
  return box;
}

/**
 * @param {Trace} trace
 * @param {number} callback
 */
function callbackDetails(trace, callback) {
  const { start, end, name } = trace.callback;
  const box = element("div", null, heading("callback", trace.text(name[callback])));
  box.append(facts([["began", when(start[callback])], ["ran", duration(end[callback] - start[callback])]]));
  return box;
}

/**
 * @param {Trace} trace
 * @param {number} index
 * @param {Actions} actions
 */
function jobDetails(trace, index, actions) {
  const { job } = trace;
  const thread = job.thread[index] ? trace.head.threads[job.thread[index] - 1] : null;
  const box = element("div", null, heading("executor job", trace.text(job.fn[index])));
  box.append(
    facts([
      ["handed over by", job.task[index] ? taskLink(trace, job.task[index] - 1, actions) : "no task"],
      ["at", placeElement(trace, trace.site(job.site[index]))],
      ["submitted", when(job.submitted[index])],
      ["queued", Number.isNaN(job.started[index]) ? "never began" : duration(job.started[index] - job.submitted[index])],
      ["ran", duration((Number.isNaN(job.ended[index]) ? trace.end : job.ended[index]) - job.started[index])],
      ["thread", thread ? clean(thread[1]) || String(thread[0]) : null],
      ["outcome", OUTCOMES[job.outcome[index]]],
    ]),
  );
  return box;
}

/**
 * @param {Trace} trace
 * @param {number} index
 * @param {Actions} actions
 */
function findingDetails(trace, index, actions) {
  const finding = trace.head.findings[index];
  const box = element("div", null, heading("finding", finding.rule));
  box.append(
    element("p", { class: "message" }, clean(finding.message)),
    facts([
      ["severity", finding.severity],
      ["where", placeElement(trace, trace.site(finding.at))],
      ["when", `${when(finding.start)}, for ${duration(finding.end - finding.start)}`],
      ["task", finding.task === null ? null : taskLink(trace, finding.task, actions)],
      ["what to do", clean(finding.advice)],
    ]),
  );
  return box;
}
