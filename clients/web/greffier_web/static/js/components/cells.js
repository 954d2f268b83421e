/**
 * A cell of the captions: committed text, which an editor may have set right in places, and its tail.
 *
 * @typedef {import("../core/patches.js").Part} Part
 *
 * @typedef {object} Cell
 * @property {HTMLElement} element
 * @property {Text} said grows
 * @property {HTMLElement} tail
 * @property {string} text committed, as it is shown
 * @property {unknown} fixes what tells one state of its corrections from the next
 */

import { h } from "../core/dom.js";
import { direction, t } from "../core/i18n.js";

/**
 * A cell with nothing in it.
 * @param {string} name of its class
 * @returns {Cell}
 */
export function cell(name) {
  const said = document.createTextNode("");
  const tail = h("span", { class: "captions__tail" });
  return { element: h("p", { class: name }, said, tail), said, tail, text: "", fixes: null };
}

/** Empty it. @param {Cell} target */
export function clear(target) {
  write(target, []);
  target.tail.textContent = "";
  target.text = "";
  target.fixes = null;
}

/**
 * Put these parts in the place of the committed text.
 * @param {Cell} target
 * @param {readonly Part[]} shown
 */
export function write(target, shown) {
  const plain = shown.at(-1)?.heard === null ? shown.at(-1)?.text ?? "" : "";
  target.said = document.createTextNode(shown.length > 1 ? plain : plain.trimStart());
  const before = plain ? shown.slice(0, -1) : shown;
  target.element.replaceChildren(...before.flatMap(drawn), target.said, target.tail);
}

/** @param {Part} part @param {number} index @returns {(string | HTMLElement)[]} */
function drawn({ text, heard }, index) {
  if (heard === null) return [index ? text : text.trimStart()];
  const word = text.trim();
  const title = t("captions.corrected", { heard });
  const space = index && word !== text ? " " : "";
  return word ? [space, h("span", { class: "captions__fix", title }, word)] : [];
}

/**
 * Replace the tail, and say in which language all of it is.
 * @param {Cell} target
 * @param {string} tail
 * @param {string} language
 */
export function finish(target, tail, language) {
  const shown = target.text ? tail : tail.trimStart();
  if (target.tail.textContent !== shown) target.tail.textContent = shown;
  if (language && target.element.lang !== language) {
    target.element.lang = language;
    target.element.dir = direction(language);
  }
}
