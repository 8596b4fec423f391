// Draws the timeline: ruler, rows, and over them what is selected. One call draws one frame, from nothing but what it is given.
import { duration, instant, tick } from "./format.js";
import { fitted, FONT, rowName, RULER, SMALL, spanOf, xOf, yOf } from "./ink.js";
import { paintCrowd, paintLoop, paintTask, paintThread } from "./paint_rows.js";

/** @typedef {import("./rows.js").Row} Row */
/** @typedef {import("./ink.js").Scene} Scene */

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Scene} scene
 */
export function paint(pen, scene) {
  const { rows, width, height, palette } = scene;
  pen.fillStyle = palette.back;
  pen.fillRect(0, 0, width, height);
  pen.textBaseline = "middle";
  pen.save();
  pen.beginPath();
  pen.rect(0, RULER, width, height - RULER);
  pen.clip();
  const first = Math.max(0, rows.at(scene.scroll));
  for (let i = first; i < rows.all.length; i++) {
    const y = RULER + rows.tops[i] - scene.scroll;
    if (y > height) break;
    paintRow(pen, scene, rows.all[i], i, y);
  }
  paintGrid(pen, scene);
  paintPath(pen, scene);
  paintSelection(pen, scene);
  for (let i = first; i < rows.all.length; i++) {
    const y = RULER + rows.tops[i] - scene.scroll;
    if (y > height) break;
    paintName(pen, scene, rows.all[i], i, y);
  }
  pen.restore();
  paintRuler(pen, scene);
  paintCursors(pen, scene);
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Scene} scene
 * @param {Row} row
 * @param {number} index
 * @param {number} y
 */
function paintRow(pen, scene, row, index, y) {
  const { palette, width, view } = scene;
  if (index % 2) {
    pen.fillStyle = palette.stripe;
    pen.fillRect(0, y, width, row.height);
  }
  const chosen = view.selected?.kind === "task" && row.kind === "task" && view.selected.index === row.task;
  if (chosen) {
    pen.fillStyle = palette.match;
    pen.fillRect(0, y, width, row.height);
  }
  if (row.kind === "task") paintTask(pen, scene, row, y);
  else if (row.kind === "group") paintCrowd(pen, scene, row, y);
  else if (row.kind === "loop") paintLoop(pen, scene, row, y);
  else paintThread(pen, scene, row, y);
}

/** @type {Record<string, string>} */
export const FLAGS = { error: "▲", warning: "◆", info: "●" };
/** @type {Record<string, string>} */
const OUTCOME_MARKS = { raised: "✕", cancelled: "⊘", pending: "…", returned: "" };

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Scene} scene
 * @param {Row} row
 * @param {number} index
 * @param {number} y
 */
function paintName(pen, scene, row, index, y) {
  const { palette, gutter, trace } = scene;
  pen.fillStyle = index % 2 ? palette.stripe : palette.back;
  pen.fillRect(0, y, gutter, row.height);
  if (row.kind === "task" && scene.matches.has(row.task)) {
    pen.fillStyle = palette.match;
    pen.fillRect(0, y, gutter, row.height);
  }
  if (index === scene.focus) {
    pen.strokeStyle = palette.select;
    pen.lineWidth = 2;
    pen.strokeRect(1, y + 1, gutter - 2, row.height - 2);
  }
  const indent = 6 + Math.min(row.depth, 8) * (gutter < 200 ? 7 : 12);
  const middle = y + row.height / 2 + 0.5;
  pen.font = FONT;
  const foldable = row.kind === "group" || (row.kind === "task" && row.below > 0);
  if (foldable) {
    pen.fillStyle = palette.faint;
    pen.fillText(row.open ? "▾" : "▸", indent, middle);
  }
  let right = gutter - 6;
  if (row.kind === "task") {
    const flag = scene.flags.get(row.task);
    const mark = OUTCOME_MARKS[["pending", "returned", "raised", "cancelled"][trace.task.outcome[row.task]]];
    if (mark) {
      pen.fillStyle = palette.faint;
      pen.fillText(mark, right - 10, middle);
      right -= 14;
    }
    if (flag) {
      pen.fillStyle = flag === "error" ? palette.error : flag === "warning" ? palette.warning : palette.info;
      pen.fillText(FLAGS[flag] ?? FLAGS.info, right - 10, middle);
      right -= 14;
    }
  }
  pen.fillStyle = palette.text;
  const room = right - indent - 14;
  pen.fillText(fitted(pen, rowName(scene, row), room), indent + 13, row.kind === "loop" ? y + 12 : middle);
  if (row.kind === "loop") {
    const loop = scene.loops(row.loop);
    pen.fillStyle = palette.faint;
    pen.font = SMALL;
    const busy = Math.round(100 * loop.utilisation(scene.view.from, scene.view.to));
    const lag = loop.worstLag(scene.view.from, scene.view.to);
    pen.fillText(fitted(pen, `${busy} % busy · lag ≤ ${duration(lag)} · ${loop.iterations(scene.view.from, scene.view.to).toLocaleString("en-US")} it.`, room), indent + 13, y + 28);
  }
  pen.fillStyle = palette.line;
  pen.fillRect(gutter - 1, y, 1, row.height);
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Scene} scene
 */
function paintRuler(pen, scene) {
  const { view, width, gutter, palette } = scene;
  pen.fillStyle = palette.back;
  pen.fillRect(0, 0, width, RULER);
  pen.fillStyle = palette.line;
  pen.fillRect(0, RULER - 1, width, 1);
  pen.font = SMALL;
  const step = tick(((view.to - view.from) / spanOf(scene)) * 90);
  pen.save();
  pen.beginPath();
  pen.rect(gutter, 0, width - gutter, RULER);
  pen.clip();
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
    const x = xOf(scene, at);
    pen.fillStyle = palette.line;
    pen.fillRect(Math.round(x), RULER - 7, 1, 7);
    pen.fillStyle = palette.faint;
    pen.fillText(at === 0 ? "0" : instant(at, step), x + 4, RULER / 2);
  }
  pen.restore();
  pen.fillStyle = palette.text;
  pen.fillText(fitted(pen, `${duration(view.to - view.from)} shown`, gutter - 12), 6, RULER / 2);
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Scene} scene
 */
function paintGrid(pen, scene) {
  const { view, height, palette } = scene;
  const step = tick(((view.to - view.from) / spanOf(scene)) * 90);
  pen.fillStyle = palette.line;
  pen.globalAlpha = 0.5;
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) pen.fillRect(Math.round(xOf(scene, at)), RULER, 1, height);
  pen.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Scene} scene
 */
function paintCursors(pen, scene) {
  const { view, height, gutter, width, palette } = scene;
  if (view.measured) {
    const [from, to] = view.measured;
    const a = Math.max(gutter, xOf(scene, from));
    const b = Math.min(width, xOf(scene, to));
    if (b > a) {
      pen.fillStyle = palette.select;
      pen.globalAlpha = 0.14;
      pen.fillRect(a, RULER, b - a, height);
      pen.globalAlpha = 1;
      pen.fillRect(a, RULER - 3, b - a, 3);
      pen.font = SMALL;
      const label = duration(to - from);
      const wide = pen.measureText(label).width + 10;
      const x = Math.min(width - wide, Math.max(gutter, (a + b - wide) / 2));
      pen.fillRect(x, 2, wide, RULER - 6);
      pen.fillStyle = palette.back;
      pen.fillText(label, x + 5, RULER / 2 - 1);
    }
  }
  for (const [ns, colour] of /** @type {[number | null, string][]} */ ([[view.cursor, palette.select], [scene.hover, palette.faint]])) {
    if (ns === null) continue;
    const x = xOf(scene, ns);
    if (x < gutter || x > width) continue;
    pen.fillStyle = colour;
    pen.fillRect(Math.round(x), 0, 1, height);
    if (ns === scene.hover) {
      pen.font = SMALL;
      const label = instant(ns, (view.to - view.from) / width);
      const wide = pen.measureText(label).width + 8;
      pen.fillStyle = palette.text;
      pen.fillRect(Math.min(x, width - wide), 3, wide, RULER - 8);
      pen.fillStyle = palette.back;
      pen.fillText(label, Math.min(x, width - wide) + 4, RULER / 2 - 1);
    }
  }
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Scene} scene
 */
function paintPath(pen, scene) {
  const { palette, view, height } = scene;
  pen.strokeStyle = palette.path;
  pen.fillStyle = palette.path;
  let before = /** @type {number | null} */ (null);
  let beforeX = -Infinity;
  for (const piece of scene.path) {
    const y = yOf(scene, piece.task);
    const x0 = xOf(scene, piece.from);
    const x1 = xOf(scene, piece.to);
    if (y !== null && piece.to >= view.from && piece.from <= view.to) {
      if (y > 0 && y < height) pen.fillRect(x0, y + 8, Math.max(1.5, x1 - x0), 3);
      if (before !== null && before !== y && x0 - beforeX > 0.5) {
        pen.lineWidth = 1.5;
        pen.setLineDash([4, 3]);
        pen.beginPath();
        pen.moveTo(x0, before + 9);
        pen.lineTo(x0, y + 9);
        pen.stroke();
        pen.setLineDash([]);
        beforeX = x0;
      }
    }
    before = y;
  }
}

/**
 * What is selected in a frame, and an arrow from what ended it.
 * @param {CanvasRenderingContext2D} pen
 * @param {Scene} scene
 */
function paintSelection(pen, scene) {
  const { trace, view, palette } = scene;
  const { selected } = view;
  if (!selected) return;
  pen.strokeStyle = palette.select;
  pen.lineWidth = 2;
  if (selected.kind === "wait") {
    const wait = selected.index;
    const y = yOf(scene, trace.wait.task[wait]);
    if (y === null) return;
    frame(pen, xOf(scene, trace.wait.start[wait]), xOf(scene, trace.wait.end[wait]), y, 18);
    const cause = trace.cause(wait);
    if (cause) paintArrow(pen, scene, cause, xOf(scene, trace.wait.ready[wait]), y);
  } else if (selected.kind === "run") {
    const y = yOf(scene, trace.run.task[selected.index]);
    if (y !== null) frame(pen, xOf(scene, trace.run.start[selected.index]), xOf(scene, trace.run.end[selected.index]), y, 18);
  } else if (selected.kind === "finding") {
    const finding = trace.head.findings[selected.index];
    const y = finding.task === null ? null : yOf(scene, finding.task);
    if (y !== null) frame(pen, xOf(scene, finding.start), xOf(scene, finding.end), y, 20);
  }
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {number} x0
 * @param {number} x1
 * @param {number} y
 * @param {number} high
 */
function frame(pen, x0, x1, y, high) {
  pen.strokeRect(x0 - 1, y - high / 2 - 1, Math.max(2, x1 - x0) + 2, high + 2);
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Scene} scene
 * @param {{kind: string, task: number, ns: number, at: import("./trace.js").Site | null, label: string | null}} cause
 * @param {number} x
 * @param {number} y
 */
function paintArrow(pen, scene, cause, x, y) {
  const from = cause.task >= 0 ? yOf(scene, cause.task) : null;
  const y0 = from ?? y - 26;
  const x0 = xOf(scene, cause.ns);
  const down = y0 < y ? 1 : -1;
  pen.strokeStyle = pen.fillStyle = scene.palette.select;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.bezierCurveTo(x0, y0 + (y - y0) * 0.6, x, y0 + (y - y0) * 0.4, x, y - down * 9);
  pen.stroke();
  pen.beginPath();
  pen.moveTo(x, y - down * 8);
  pen.lineTo(x - 5, y - down * 16);
  pen.lineTo(x + 5, y - down * 16);
  pen.fill();
  pen.beginPath();
  pen.arc(x0, y0, 3.5, 0, 7);
  pen.fill();
  const who = cause.at ? `${cause.at.fn}:${cause.at.line}` : (cause.label ?? cause.kind);
  pen.font = SMALL;
  const label = fitted(pen, `${cause.kind} ${who}`, 260);
  const wide = pen.measureText(label).width + 10;
  const left = Math.max(scene.gutter + 2, Math.min(scene.width - wide - 4, x0 + 8));
  const top = y0 + down * 6 - (down > 0 ? 0 : 16);
  pen.fillStyle = scene.palette.back;
  pen.fillRect(left, top, wide, 16);
  pen.lineWidth = 1;
  pen.strokeRect(left, top, wide, 16);
  pen.fillStyle = scene.palette.text;
  pen.fillText(label, left + 5, top + 8.5);
}
