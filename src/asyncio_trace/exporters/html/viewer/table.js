// A table whose columns sort.
import { element } from "./dom.js";
import { count } from "./format.js";

/**
 * @template T
 * @typedef {object} Column
 * @property {string} name
 * @property {(row: T) => Node | string} cell
 * @property {(row: T) => number | string} key what it sorts by
 * @property {boolean} [number]
 */

const SHOWN = 200;
/** @type {Map<string, {column: number, down: boolean}>} */
const orders = new Map();

/**
 * @template T
 * @param {string} name of the table: its order is kept under it
 * @param {Column<T>[]} columns
 * @param {T[]} rows in their first order
 * @returns {HTMLElement}
 */
export function table(name, columns, rows) {
  const body = element("tbody", null);
  const note = element("p", { class: "faint" });
  const heads = columns.map((column, index) => {
    const sort = element("button", { attributes: { type: "button" }, click: () => order(index) }, column.name);
    return element("th", { class: column.number ? "number" : "", attributes: { scope: "col" } }, sort);
  });
  const show = () => {
    const by = orders.get(name);
    let sorted = rows;
    if (by) {
      const { key } = columns[by.column];
      const sign = by.down ? -1 : 1;
      sorted = rows.toSorted((a, b) => {
        const [x, y] = [key(a), key(b)];
        return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
      });
    }
    heads.forEach((head, index) => head.setAttribute("aria-sort", by?.column === index ? (by.down ? "descending" : "ascending") : "none"));
    body.replaceChildren(...sorted.slice(0, SHOWN).map((row) => element("tr", null, ...columns.map((column) => element("td", { class: column.number ? "number" : "" }, column.cell(row))))));
    note.textContent = rows.length > SHOWN ? `${count(SHOWN)} of ${count(rows.length)} rows; the order decides which.` : "";
  };
  /** @param {number} index */
  const order = (index) => {
    const by = orders.get(name);
    orders.set(name, { column: index, down: by?.column === index ? !by.down : Boolean(columns[index].number) });
    show();
  };
  show();
  return element("div", null, element("table", { label: name }, element("thead", null, element("tr", null, ...heads)), body), note);
}
