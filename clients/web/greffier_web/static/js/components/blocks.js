/**
 * What captions are made of: a block for each passage, a line for each gap.
 *
 * @typedef {import("../core/transcript.js").Segment} Segment
 * @typedef {import("../core/transcript.js").Notice} Notice
 * @typedef {import("./cells.js").Cell} Cell
 *
 * @typedef {object} Block
 * @property {Segment} segment
 * @property {HTMLElement} element
 * @property {HTMLElement} who
 * @property {Cell} original
 * @property {Cell} translation
 * @property {number} tallest pixels, while it is open
 */

import { h } from "../core/dom.js";
import { clock, has, number, t } from "../core/i18n.js";
import { cell } from "./cells.js";

/** An empty block. @param {Segment} segment @returns {Block} */
export function made(segment) {
  const original = cell("captions__cell captions__cell--original");
  const translation = cell("captions__cell captions__cell--translation");
  const who = h("p", { class: "captions__who", hidden: true });
  const texts = h("div", { class: "captions__texts" }, original.element, translation.element);
  const element = h("div", { class: "captions__block" }, who, texts);
  return { segment, element, who, original, translation, tallest: 0 };
}

/** Who speaks, as it is written; empty where nobody knows. @param {Segment | undefined} segment */
export function labelOf(segment) {
  const name = segment?.speaker ?? "";
  return /^\d+$/.test(name) ? t("captions.speaker", { name }) : name;
}

/** The line of a gap or of what was withheld. @param {Notice} notice */
export function line(notice) {
  return h("p", { class: `captions__notice captions__notice--${notice.kind}` }, told(notice));
}

/** What such a line says. @param {Notice} notice */
export function told({ kind, from_ms, to_ms, cause }) {
  const key = `captions.cause.${cause}`;
  return t(`captions.${kind}`, {
    seconds: number(Math.max(0, to_ms - from_ms) / 1000, { maximumFractionDigits: 1 }),
    at: clock(from_ms),
    cause: has(key) ? t(key) : t("captions.cause.other"),
  });
}
