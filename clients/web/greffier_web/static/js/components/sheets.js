/**
 * Captions in sheets of some passages each. A sheet far from what is read is put down as plain text:
 * it can still be found and keeps its place, and two hours weigh no more than a few minutes.
 *
 * @typedef {object} Acts
 * @property {(id: number) => HTMLElement} draw the element of an item, made anew
 * @property {(id: number) => string} text what it says
 * @property {(id: number) => void} drop its element is gone
 *
 * @typedef {object} Sheet
 * @property {HTMLElement} element
 * @property {number[]} items in order
 * @property {boolean} resting
 */

import { h } from "../core/dom.js";

/** Items of a sheet. */
const ITEMS = 40;
/** Nearer than this to what is seen, a sheet is drawn. */
const NEAR = "1600px 0px";

export class Sheets {
  /** @type {Map<Element, Sheet>} */
  #sheets = new Map();
  /** @type {Map<number, Sheet>} by item */
  #places = new Map();
  /** @type {Sheet | undefined} the one that is added to; it never rests */
  #open;
  #list;
  #acts;
  #watch;

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} list in it
   * @param {Acts} acts
   */
  constructor(scroller, list, acts) {
    this.#list = list;
    this.#acts = acts;
    this.#watch = new IntersectionObserver(
      (seen) => {
        for (const { target, isIntersecting } of seen) {
          const sheet = this.#sheets.get(target);
          if (!sheet || sheet === this.#open || sheet.resting === !isIntersecting) continue;
          if (isIntersecting) this.#wake(sheet);
          else this.#rest(sheet);
        }
      },
      { root: scroller, rootMargin: NEAR },
    );
  }

  /**
   * Add an item behind the last one, or before an element of the last sheet.
   * @param {number} item
   * @param {HTMLElement} element
   * @param {{item: number, element: HTMLElement}} [next]
   */
  append(item, element, next) {
    let sheet = this.#open;
    if (next) sheet = this.#places.get(next.item);
    else if (!sheet || sheet.items.length >= ITEMS) sheet = this.#begin();
    if (!sheet) return;
    const at = next ? sheet.items.indexOf(next.item) : sheet.items.length;
    sheet.items.splice(at, 0, item);
    this.#places.set(item, sheet);
    sheet.element.insertBefore(element, next?.element ?? null);
  }

  /** Something in an item has changed; whether it rests, and is thus not drawn. @param {number} item */
  changed(item) {
    const sheet = this.#places.get(item);
    if (!sheet?.resting) return false;
    this.#write(sheet);
    return true;
  }

  /** Another width or view: heights that were kept hold no longer. */
  reflow() {
    for (const sheet of this.#sheets.values()) {
      sheet.element.style.blockSize = "";
      if (sheet.resting) this.#write(sheet);
    }
  }

  /** @returns {Sheet} */
  #begin() {
    const before = this.#open;
    const sheet = { element: h("div", { class: "captions__page" }), items: [], resting: false };
    this.#open = sheet;
    this.#sheets.set(sheet.element, sheet);
    this.#list.append(sheet.element);
    if (before) this.#watch.observe(before.element);
    return sheet;
  }

  /** @param {Sheet} sheet */
  #rest(sheet) {
    const { element } = sheet;
    if (element.contains(document.activeElement) || selected(element)) return;
    element.style.blockSize = `${element.getBoundingClientRect().height}px`;
    element.classList.add("captions__page--far");
    sheet.resting = true;
    for (const item of sheet.items) this.#acts.drop(item);
    this.#write(sheet);
  }

  /** @param {Sheet} sheet */
  #wake(sheet) {
    sheet.resting = false;
    sheet.element.classList.remove("captions__page--resting");
    sheet.element.replaceChildren(...sheet.items.map((item) => this.#acts.draw(item)));
    sheet.element.style.blockSize = "";
  }

  /** @param {Sheet} sheet */
  #write({ element, items }) {
    element.classList.add("captions__page--resting");
    element.textContent = items.map((item) => this.#acts.text(item)).filter(Boolean).join("\n");
  }
}

/** Whether something in it is selected, perhaps to be copied. @param {Element} element */
function selected(element) {
  const selection = getSelection();
  return selection !== null && !selection.isCollapsed && selection.containsNode(element, true);
}
