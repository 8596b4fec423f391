// What the search box means: words, and key:value for what a task is, did or waited on.

/** @typedef {import("./trace.js").Trace} Trace */

export const KEYS = ["name", "coro", "kind", "on", "outcome", "finding", "file"];

/**
 * @param {string} query
 * @returns {{key: string, value: string}[]} all in lower case
 */
export function parse(query) {
  const words = query.toLowerCase().match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];
  return words.map((word) => {
    const colon = word.indexOf(":");
    const key = word.slice(0, Math.max(0, colon));
    const known = KEYS.includes(key);
    return { key: known ? key : "", value: (known ? word.slice(colon + 1) : word).replaceAll('"', "") };
  });
}

/**
 * Tasks that every word fits.
 * @param {Trace} trace
 * @param {string} query
 * @returns {number[]}
 */
export function find(trace, query) {
  const words = parse(query).filter(({ value }) => value);
  if (!words.length) return [];
  let tasks = Array.from({ length: trace.task.count }, (_, i) => i);
  for (const { key, value } of words) tasks = tasks.filter(test(trace, key, value));
  return tasks;
}

/**
 * @param {Trace} trace
 * @param {string} key
 * @param {string} value
 * @returns {(task: number) => boolean}
 */
function test(trace, key, value) {
  const { head } = trace;
  /** @param {string} text */
  const fits = (text) => text.toLowerCase().includes(value);
  if (key === "coro") {
    const fitting = head.texts.map(fits);
    return (task) => fitting[trace.task.coroutine[task]];
  }
  if (key === "outcome") return (task) => ["pending", "returned", "raised", "cancelled"][trace.task.outcome[task]].startsWith(value);
  if (key === "finding") {
    const found = new Set(head.findings.filter(({ rule }) => fits(rule)).map(({ task }) => task));
    return (task) => found.has(task);
  }
  if (key === "kind" || key === "on") {
    const fitting = head.whats.map(([kind, type, label]) => (key === "kind" ? kind === value || kind.startsWith(`${value}.`) : fits(label) || fits(type)));
    return (task) => someWait(trace, task, (wait) => fitting[trace.wait.what[wait]] || (key === "on" && fits(trace.what(wait))));
  }
  if (key === "file") {
    const sites = head.sites.map(([, file]) => fits(file));
    const stacks = head.stacks.map((stack) => stack.some((site) => sites[site - 1]));
    return (task) => (trace.task.site[task] > 0 && sites[trace.task.site[task] - 1]) || someWait(trace, task, (wait) => stacks[trace.wait.stack[wait]]);
  }
  if (key === "name") return (task) => fits(trace.name(task));
  const fitting = head.texts.map(fits);
  return (task) => fitting[trace.task.coroutine[task]] || fits(trace.name(task));
}

/**
 * @param {Trace} trace
 * @param {number} task
 * @param {(wait: number) => boolean} fits
 */
function someWait(trace, task, fits) {
  for (let wait = trace.task.firstWait[task]; wait < trace.task.firstWait[task + 1]; wait++) if (fits(wait)) return true;
  return false;
}
