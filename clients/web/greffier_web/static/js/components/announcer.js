/** A live region for screen readers: each sentence is read once, when it is complete. */

import { h } from "../core/dom.js";
import { direction } from "../core/i18n.js";

/** Sentences kept in the region; the reader has long read older ones. */
const KEPT = 12;
const SENTENCE = /[.!?…。！？؟][)»"”’\s]*(?=\s|$)/gu;

export class Announcer {
  element = h("div", { class: "visually-hidden", role: "log", "aria-live": "polite", "aria-relevant": "additions" });
  /** What comes now is history: remembered as read. */
  quiet = false;
  /** @type {Map<number, number>} characters of each segment that were read */
  #read = new Map();

  /**
   * The committed text of a segment as it is now.
   * @param {number} id
   * @param {string} text
   * @param {boolean} closed
   * @param {string} language
   */
  say(id, text, closed, language) {
    const from = this.#read.get(id) ?? 0;
    let to = closed ? text.length : from;
    if (!closed) {
      SENTENCE.lastIndex = from;
      for (let match = SENTENCE.exec(text); match; match = SENTENCE.exec(text)) {
        to = match.index + match[0].length;
      }
    }
    if (to <= from) return;
    this.#read.set(id, to);
    this.#add(text.slice(from, to).trim(), language);
  }

  /**
   * Something else to read, in the page's language.
   * @param {string} text
   */
  note(text) {
    this.#add(text, "");
  }

  /**
   * The text of a segment was set right: what was read is not read again, the rest as it is now.
   * @param {number} id
   * @param {string} before
   * @param {string} after
   */
  mend(id, before, after) {
    const read = this.#read.get(id);
    if (read === undefined) return;
    let at = 0;
    while (at < before.length && before[at] === after[at]) at += 1;
    if (at < read) this.#read.set(id, Math.max(0, read + after.length - before.length));
  }

  /** Another language is shown: segments are read anew from here. */
  forget() {
    this.#read.clear();
  }

  /**
   * @param {string} text
   * @param {string} language
   */
  #add(text, language) {
    if (this.quiet || !text) return;
    this.element.append(
      h("p", language ? { lang: language, dir: direction(language) } : {}, text),
    );
    while (this.element.childElementCount > KEPT) this.element.firstElementChild?.remove();
  }
}
