// A flame graph as nested boxes: wide is long. A click makes a frame fill the width, a second one opens the longest wait below it.
import { element } from "./dom.js";
import { clean, count, duration, share, shortened } from "./format.js";

/** @typedef {import("./totals.js").Frame} Frame */

const NARROW = 0.002;
const DEEP = 60;
const HIGH = 21;

/**
 * @param {Frame} root
 * @param {(wait: number) => void} open
 * @returns {HTMLElement}
 */
export function flameGraph(root, open) {
  const box = element("div", { class: "flame" });
  show(box, root, [root], open);
  return box;
}

/**
 * @param {HTMLElement} box
 * @param {Frame} root
 * @param {Frame[]} filled from the root to the frame that fills the width
 * @param {(wait: number) => void} open
 */
function show(box, root, filled, open) {
  box.replaceChildren();
  let deepest = 0;
  /**
   * @param {Frame[]} path
   * @param {number} left
   * @param {number} width
   */
  const put = (path, left, width) => {
    const frame = path[path.length - 1];
    const text = `${clean(frame.name)}: ${duration(frame.value)}, ${share(frame.value, root.value)}, ${count(frame.count)}×`;
    const bar = element("button", { class: `frame shade${shade(frame.name)}`, title: shortened(text, 400), attributes: { type: "button" } }, shortened(text, 160));
    bar.addEventListener("click", () => {
      if (frame === filled[filled.length - 1] && frame !== root) open(frame.wait);
      else show(box, root, path, open);
    });
    const depth = path.length - 1;
    deepest = Math.max(deepest, depth);
    Object.assign(bar.style, { left: `${left * 100}%`, width: `${width * 100}%`, top: `${depth * HIGH}px` });
    box.append(bar);
  };
  /**
   * @param {Frame[]} path
   * @param {number} left
   * @param {number} width
   */
  const putBelow = (path, left, width) => {
    const frame = path[path.length - 1];
    if (path.length > DEEP) return;
    let at = left;
    for (const child of [...frame.children.values()].sort((a, b) => b.value - a.value)) {
      const wide = (child.value / frame.value) * width;
      if (wide < NARROW) break;
      put([...path, child], at, wide);
      putBelow([...path, child], at, wide);
      at += wide;
    }
  };
  filled.forEach((_, depth) => put(filled.slice(0, depth + 1), 0, 1));
  putBelow(filled, 0, 1);
  box.style.height = `${(deepest + 1) * HIGH}px`;
}

/** @param {string} text */
function shade(text) {
  let value = 7;
  for (let i = 0; i < text.length; i++) value = (value * 31 + text.charCodeAt(i)) % 9973;
  return value % 5;
}
