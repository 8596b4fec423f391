// Durations, instants and names as people read them.

const UNITS = /** @type {[number, string][]} */ ([
  [60e9, "min"],
  [1e9, "s"],
  [1e6, "ms"],
  [1e3, "µs"],
  [1, "ns"],
]);

/**
 * Nanoseconds in three significant digits.
 * @param {number} ns
 */
export function duration(ns) {
  const size = Math.abs(ns);
  if (size < 0.5) return "0 ns";
  const [unit, name] = UNITS.find(([unit]) => size >= unit) ?? [1, "ns"];
  const value = ns / unit;
  const digits = unit === 1 ? 0 : Math.abs(value) >= 99.95 ? 0 : Math.abs(value) >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${name}`;
}

/**
 * An instant since the begin, exact enough to tell instants apart that are `resolution` ns apart.
 * @param {number} ns
 * @param {number} resolution
 */
export function instant(ns, resolution) {
  const [unit, name] = UNITS.find(([unit]) => unit < 60e9 && Math.abs(ns) >= unit) ?? [1, "ns"];
  const digits = Math.max(0, Math.min(9, Math.ceil(Math.log10(unit / Math.max(1, resolution)))));
  return `${(ns / unit).toFixed(digits)} ${name}`;
}

/**
 * Distance between two marks of a ruler: 1, 2 or 5 times a power of ten, at least `least` ns.
 * @param {number} least
 */
export function tick(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10);
}

/** @param {number} number */
export function count(number) {
  return number.toLocaleString("en-US");
}

/**
 * @param {number} part
 * @param {number} whole
 */
export function share(part, whole) {
  if (!(whole > 0)) return "0 %";
  const percent = (100 * part) / whole;
  return `${percent >= 9.95 || percent === 0 ? percent.toFixed(0) : percent >= 0.1 ? percent.toFixed(1) : "<0.1"} %`;
}

/**
 * A name on one line: control and direction characters would let it pose as something else.
 * @param {string} text
 */
export function clean(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, "\u{fffd}");
}

/**
 * @param {string} text
 * @param {number} longest
 */
export function shortened(text, longest) {
  const letters = text.length > 4 * longest ? [...text.slice(0, 4 * longest)] : [...text];
  return letters.length <= longest && text.length <= 4 * longest ? text : `${letters.slice(0, longest - 1).join("")}…`;
}

/** @param {string} path */
export function baseName(path) {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

/** @param {import("./trace.js").Site | null} site */
export function place(site) {
  return site ? `${clean(site.fn)} · ${clean(baseName(site.file))}:${site.line}` : "";
}
