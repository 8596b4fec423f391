// Places in code, as elements: function, file and line, the source line if it was embedded, and a link that opens an editor.
import { element } from "./dom.js";
import { baseName, clean, shortened } from "./format.js";

/** @typedef {import("./trace.js").Trace} Trace */
/** @typedef {import("./trace.js").Site} Site */

/** @type {Record<string, (file: string, line: number) => string>} */
const EDITORS = {
  none: () => "",
  vscode: (file, line) => `vscode://file/${file.replace(/^\//, "")}:${line}`,
  cursor: (file, line) => `cursor://file/${file.replace(/^\//, "")}:${line}`,
  pycharm: (file, line) => `pycharm://open?file=${file}&line=${line}`,
  zed: (file, line) => `zed://file/${file.replace(/^\//, "")}:${line}`,
};
export const EDITOR_NAMES = Object.keys(EDITORS);

/** @param {string} name */
export function setting(name) {
  try {
    return localStorage.getItem(`asyncio-trace.${name}`);
  } catch {
    return null; // a page from a file may have no storage
  }
}

/**
 * @param {string} name
 * @param {string} value
 */
export function keep(name, value) {
  try {
    localStorage.setItem(`asyncio-trace.${name}`, value);
  } catch {
    // it holds until the page is closed
  }
}

let editor = setting("editor") ?? "vscode";

/** @param {string} name */
export function useEditor(name) {
  editor = name in EDITORS ? name : "none";
  keep("editor", editor);
}

export function editorInUse() {
  return editor in EDITORS ? editor : "none";
}

/**
 * Address that opens a place in the editor; "" if there is none.
 * @param {Site} site
 */
export function editorLink(site) {
  if (!/^(\/|[A-Za-z]:[\\/])/.test(site.file)) return "";
  const path = site.file.replaceAll("\\", "/").split("/").map(encodeURIComponent).join("/").replace(/^([A-Za-z])%3A/, "$1:");
  return EDITORS[editorInUse()](path, site.line);
}

/**
 * @param {Trace} trace
 * @param {Site | null} site
 */
export function placeElement(trace, site) {
  if (!site) return element("span", { class: "faint" }, "no line of the program");
  const where = `${clean(baseName(site.file))}:${site.line}`;
  const link = editorLink(site);
  const line = trace.head.source?.[site.file]?.[site.line];
  return element(
    "span",
    { class: "place" },
    element("code", { title: clean(site.fn) }, shortened(clean(site.fn), 80)),
    " ",
    link
      ? element("a", { title: `open ${clean(site.file)}:${site.line} in the editor`, attributes: { href: link } }, where)
      : element("span", { class: "file", title: clean(site.file) }, where),
    line === undefined ? null : element("code", { class: "source" }, clean(line.trim())),
  );
}

/**
 * A stack, outermost frame first; asyncio's own frames are faint.
 * @param {Trace} trace
 * @param {Site[]} sites
 */
export function stackElement(trace, sites) {
  const list = element("ol", { class: "stack" });
  for (const site of sites) {
    const own = !(site.module === "asyncio" || site.module.startsWith("asyncio."));
    list.append(element("li", { class: own ? "own" : "faint" }, placeElement(trace, site)));
  }
  return list;
}
