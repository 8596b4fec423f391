// Colours, from the style sheet, so that light, dark and print have one place. Hatching tells what colour alone does not.

/**
 * @typedef {object} Palette
 * @property {string} back
 * @property {string} stripe
 * @property {string} text
 * @property {string} faint
 * @property {string} line
 * @property {string} running
 * @property {string} ready
 * @property {string} waiting
 * @property {string} waitingText
 * @property {string} select
 * @property {string} path
 * @property {string} error
 * @property {string} warning
 * @property {string} info
 * @property {string} match
 * @property {CanvasPattern | string} hatch
 */

/**
 * @param {CanvasRenderingContext2D} context
 * @returns {Palette}
 */
export function readPalette(context) {
  const style = getComputedStyle(document.documentElement);
  /** @param {string} name */
  const colour = (name) => style.getPropertyValue(`--${name}`).trim() || "gray";
  const palette = {
    back: colour("back"),
    stripe: colour("stripe"),
    text: colour("text"),
    faint: colour("faint"),
    line: colour("line"),
    running: colour("running"),
    ready: colour("ready"),
    waiting: colour("waiting"),
    waitingText: colour("waiting-text"),
    select: colour("select"),
    path: colour("path"),
    error: colour("error"),
    warning: colour("warning"),
    info: colour("info"),
    match: colour("match"),
  };
  return { ...palette, hatch: hatching(context, palette.ready, colour("ready-back")) };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} line
 * @param {string} back
 */
function hatching(context, line, back) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  if (!pen) return line;
  pen.fillStyle = back;
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = line;
  pen.lineWidth = 2.4;
  pen.beginPath();
  for (const x of [-8, 0, 8]) {
    pen.moveTo(x - 1, 9);
    pen.lineTo(x + 9, -1);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat") ?? line;
}
