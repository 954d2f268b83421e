/** Text with stretches marked: offsets in code points, as the server counts them. */

import { h } from "../core/dom.js";

/**
 * @param {string} text
 * @param {readonly (readonly [number, number])[]} stretches in order, apart
 * @param {(text: string, index: number) => Node} [mark]
 * @returns {(Node | string)[]}
 */
export function marked(text, stretches, mark = (part) => h("mark", {}, part)) {
  const points = [...text];
  /** @type {(Node | string)[]} */
  const parts = [];
  let at = 0;
  stretches.forEach(([start, end], index) => {
    if (start < at) return;
    parts.push(points.slice(at, start).join(""), mark(points.slice(start, end).join(""), index));
    at = end;
  });
  parts.push(points.slice(at).join(""));
  return parts.filter((part) => part !== "");
}
