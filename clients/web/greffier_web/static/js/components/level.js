/** `<g-level>`: how loud it is, 60 dB from end to end. */

import { h } from "../core/dom.js";
import { t } from "../core/i18n.js";

const RANGE_DB = 60;
/** A peak falls so far with each 100 ms. */
const FALL = 0.04;

export class Level extends HTMLElement {
  #bar = h("span", { class: "level__bar" });
  #shown = 0;

  connectedCallback() {
    this.classList.add("level");
    this.setAttribute("role", "meter");
    this.setAttribute("aria-label", t("level.label"));
    this.setAttribute("aria-valuemin", "0");
    this.setAttribute("aria-valuemax", "100");
    this.replaceChildren(this.#bar);
    this.show(0);
  }

  /** Silence, at once. */
  reset() {
    this.#shown = 0;
    this.show(0);
  }

  /** @param {number} peak 0 … 1 */
  show(peak) {
    const loud = peak > 0 ? Math.max(0, 1 + (20 * Math.log10(peak)) / RANGE_DB) : 0;
    this.#shown = Math.max(loud, this.#shown - FALL);
    this.#bar.style.transform = `scaleX(${this.#shown.toFixed(3)})`;
    this.#bar.classList.toggle("level__bar--over", peak > 0.98);
    this.setAttribute("aria-valuenow", String(Math.round(this.#shown * 100)));
  }
}

customElements.define("g-level", Level);
