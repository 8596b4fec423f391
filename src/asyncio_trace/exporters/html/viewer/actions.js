// What the parts of the page may ask of the whole: each changes the view and has it drawn anew.

/** @typedef {import("./state.js").Selection} Selection */
/**
 * @typedef {object} Actions
 * @property {(selection: Selection | null, show?: boolean) => void} select with `show`, bring it into sight
 * @property {(from: number, to: number) => void} zoomTo
 * @property {(query: string, filter?: boolean) => void} search
 * @property {(task: number | null) => void} path draw a task's critical path
 * @property {(ns: number) => void} cursor
 * @property {(tab: string) => void} tab
 */
export {};
