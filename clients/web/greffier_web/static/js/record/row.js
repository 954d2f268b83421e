/**
 * Rows of the transcript. Far away a passage is a line of text alone, so that four hours open at once;
 * near the screen it gets its time, its speaker, its words to hear and what corrects them.
 */

import { h } from "../core/dom.js";
import { clock, direction, has, languageName, number, t } from "../core/i18n.js";
import { textOf } from "./model.js";

/** @typedef {import("./model.js").Segment} Segment */
/** @typedef {import("./model.js").Piece} Piece */

/** Words below so many percent are shown as uncertain. */
const DOUBT = 50;

/**
 * A passage that is far away: what it says, and its place.
 * @param {Segment} segment
 */
export function plainRow(segment) {
  const words = document.createElement("p");
  words.className = "segment__words";
  words.lang = segment.language;
  words.dir = direction(segment.language);
  words.textContent = textOf(segment);
  const row = document.createElement("li");
  row.className = segment.confirmed ? "segment segment--plain" : "segment segment--plain segment--unconfirmed";
  row.dataset.segment = String(segment.id);
  row.tabIndex = -1;
  row.append(words);
  return row;
}

/** Whether a row has all its parts. @param {Element} row */
export const isWhole = (row) => !row.classList.contains("segment--plain");

/**
 * Give a row all its parts.
 * @param {HTMLElement} row
 * @param {Segment} segment
 * @param {string} beside language of the translation that is shown; empty for none
 */
export function furnish(row, segment, beside) {
  row.classList.remove("segment--plain");
  row.replaceChildren(
    h(
      "div",
      { class: "segment__margin" },
      button("segment__time number", "hear", t("record.hear-from", { time: clock(segment.startMs) }), clock(segment.startMs)),
      button(
        segment.speaker ? "segment__speaker" : "segment__speaker segment__speaker--unknown",
        "rename",
        t("record.rename-of", { name: nameOf(segment) }),
        nameOf(segment),
      ),
    ),
    h(
      "div",
      { class: "segment__body" },
      h(
        "p",
        { class: "segment__words", lang: segment.language, dir: direction(segment.language) },
        ...segment.pieces.flatMap(word),
      ),
      segment.confirmed ? "" : h("p", { class: "hint" }, t("record.unconfirmed")),
    ),
    button("segment__edit", "edit", t("record.correct-at", { time: clock(segment.startMs) }), "✎"),
    beside ? translation(segment, beside) : "",
  );
}

/**
 * A passage that was heard and not believed.
 * @param {{start_ms: number, end_ms: number, reason: string, text: string}} doubt
 * @param {() => void} hear
 */
export function withheldRow(doubt, hear) {
  return h(
    "li",
    { class: "aside aside--withheld", "data-at": doubt.start_ms, tabindex: -1 },
    h(
      "button",
      {
        class: "segment__time number",
        type: "button",
        "aria-label": t("record.hear-from", { time: clock(doubt.start_ms) }),
        onclick: hear,
      },
      clock(doubt.start_ms),
    ),
    h(
      "div",
      {},
      h("p", { class: "aside__what" }, t("record.withheld", { reason: told("record.reason", doubt.reason) })),
      doubt.text ? h("details", {}, h("summary", {}, t("record.withheld.show")), h("p", {}, doubt.text)) : null,
    ),
  );
}

/** Sound that never came. @param {{from_ms: number, lost_ms: number, cause: string}} gap */
export function gapRow(gap) {
  const seconds = number(gap.lost_ms / 1000, { maximumFractionDigits: 1 });
  return h(
    "li",
    { class: "aside aside--gap" },
    h("span", { class: "segment__time number" }, clock(gap.from_ms)),
    h("p", { class: "aside__what" }, t("record.gap", { seconds, cause: told("record.cause", gap.cause) })),
  );
}

/** The first word of a passage that is uncertain; none where all are sure. @param {Segment} segment */
export function doubtIn(segment) {
  return segment.pieces.find(isDoubt);
}

/** @param {Segment} segment */
export function nameOf(segment) {
  if (!segment.speaker) return t("record.nobody");
  return voiceName(segment.speaker);
}

/** A voice that nobody has named yet is a number. @param {string} name */
export function voiceName(name) {
  return /^\d+$/.test(name) ? t("record.voice", { number: name }) : name;
}

/** The row that something is in. @param {EventTarget | null} target */
export function rowOf(target) {
  if (!(target instanceof Element)) return null;
  const row = target.closest("[data-segment]");
  return row instanceof HTMLElement ? row : null;
}

/** The name of a language for a select. @param {string} code */
export const languageOption = (code) => h("option", { value: code }, languageName(code));

/** @param {Segment} segment @param {string} language */
function translation(segment, language) {
  const translated = segment.translations[language];
  if (!translated) return h("p", { class: "segment__translation hint" }, "…");
  return h(
    "div",
    { class: "segment__translation" },
    h("p", { lang: language, dir: direction(language), "data-translation": true }, translated.text),
    translated.dated ? h("p", { class: "hint hint--warn" }, t("record.dated")) : null,
    translated.corrected ? h("p", { class: "hint" }, t("record.corrected")) : null,
    button(
      "segment__edit segment__edit--translation",
      "edit-translation",
      t("record.correct-translation", { time: clock(segment.startMs) }),
      "✎",
    ),
  );
}

/** What a row does is told by `data-act`: its list listens. @param {string} kind @param {string} act @param {string} label @param {string} text */
function button(kind, act, label, text) {
  return h("button", { class: kind, type: "button", tabindex: -1, "data-act": act, "aria-label": label }, text);
}

/** @param {Piece} piece */
const isDoubt = (piece) => piece.heard === null && piece.percent < DOUBT;

/** @param {Piece} piece @param {number} index */
function word(piece, index) {
  const corrected = piece.heard !== null;
  const doubt = isDoubt(piece);
  const kind = corrected ? " word--corrected" : doubt ? " word--doubt" : "";
  const title = corrected
    ? t("record.heard", { text: piece.heard ?? "" })
    : doubt
      ? t("record.doubt", { percent: number(piece.percent) })
      : null;
  const text = piece.text.trimStart();
  const span = h("span", { class: `word${kind}`, "data-piece": index, title }, text);
  return text === piece.text || index === 0 ? [span] : [" ", span];
}

/** The text for a code that a newer server may have added to. @param {string} key @param {string} code */
function told(key, code) {
  return has(`${key}.${code}`) ? t(`${key}.${code}`) : code;
}
