// Elements from names and texts. Text is only ever set as text: nothing of a traced program becomes markup.

/** @typedef {Node | string | null | undefined | false} Child */
/**
 * @typedef {object} Extras
 * @property {string} [class]
 * @property {string} [title]
 * @property {string} [label] what a screen reader says
 * @property {string} [role]
 * @property {Record<string, string>} [attributes]
 * @property {(event: MouseEvent) => void} [click]
 */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Extras | null} extras
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, extras, ...children) {
  const made = document.createElement(tag);
  if (extras) {
    if (extras.class) made.className = extras.class;
    if (extras.title) made.title = extras.title;
    if (extras.label) made.setAttribute("aria-label", extras.label);
    if (extras.role) made.setAttribute("role", extras.role);
    for (const [name, value] of Object.entries(extras.attributes ?? {})) made.setAttribute(name, value);
    if (extras.click) made.addEventListener("click", /** @type {EventListener} */ (extras.click));
  }
  for (const child of children) if (child !== null && child !== undefined && child !== false) made.append(child);
  return made;
}

/**
 * @param {string} text
 * @param {() => void} click
 * @param {string} [title]
 */
export function button(text, click, title) {
  return element("button", { click, title, attributes: { type: "button" } }, text);
}

/**
 * The element of the page with an id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * @param {Element} parent
 * @param {...Child} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false).map((child) => /** @type {Node | string} */ (child)));
}
