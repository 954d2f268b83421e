/** A transmission as a line of the log. */

import { h, icon } from "../core/dom.js";
import { number, pageLanguage, t } from "../core/i18n.js";
import { marked } from "../console/marked.js";

/**
 * @typedef {object} Line
 * @property {string} session
 * @property {number} number
 * @property {number[]} segments
 * @property {number} received_at_ms
 * @property {number} start_ms
 * @property {number} end_ms
 * @property {string} sent_by
 * @property {string} addressed_to
 * @property {string} message
 * @property {number} confidence
 * @property {{level: string, word: string, start: number, end: number}[]} alerts
 * @property {string} action
 * @property {string} acknowledged
 * @property {boolean} closed
 *
 * @typedef {object} Acts
 * @property {(line: Line) => void} hear
 * @property {(line: Line, action: string) => void} note the action taken
 */

export const DAY = new Intl.DateTimeFormat(pageLanguage, { timeStyle: "medium" });

/** Levels that call for help at once. */
export const GRAVE = ["distress", "urgency"];

/** @param {Line} line */
export function keyOf(line) {
  return `${line.session}/${line.segments[0]}`;
}

/**
 * The row of a line.
 * @param {Line} line
 * @param {string} net its title
 * @param {Acts} acts
 */
export function rowOf(line, net, acts) {
  const gravest = line.alerts[0]?.level ?? "";
  return h(
    "tr",
    { class: gravest ? `log__row log__row--${gravest}` : "log__row", id: `line-${line.session}-${line.segments[0]}` },
    h("td", { class: "number log__number" }, String(line.number)),
    h(
      "td",
      { class: "number log__time" },
      h("time", { datetime: new Date(line.received_at_ms).toISOString() }, DAY.format(line.received_at_ms)),
    ),
    h("td", { class: "log__net" }, net),
    h("td", { class: "log__sign" }, line.sent_by || "–"),
    h("td", { class: "log__sign" }, line.addressed_to || "–"),
    message(line),
    h("td", { class: "log__sure" }, meter(line.confidence)),
    h(
      "td",
      { class: "log__sound" },
      h(
        "button",
        {
          class: "button button--quiet button--icon button--small",
          type: "button",
          "aria-label": t("radio.play", { number: line.number }),
          onclick: () => acts.hear(line),
        },
        icon("play"),
      ),
    ),
    h("td", { class: "log__action" }, action(line, acts)),
  );
}

/** @param {Line} line */
function message(line) {
  const places = [...line.alerts]
    .sort((one, other) => one.start - other.start)
    .map((one) => /** @type {const} */ ([one.start, one.end]));
  return h(
    "td",
    { class: "log__message" },
    ...line.alerts
      .slice(0, 1)
      .map(({ level }) =>
        h("span", { class: `badge badge--${GRAVE.includes(level) ? "bad" : "warn"} log__level` }, t(`radio.level.${level}`)),
      ),
    ...marked(line.message, places),
    line.acknowledged ? h("span", { class: "hint log__acked" }, t("radio.alert.acked", { who: line.acknowledged })) : null,
  );
}

/** @param {number} sure */
function meter(sure) {
  const kind = sure >= 0.8 ? "good" : sure >= 0.5 ? "fair" : "poor";
  return h("span", { class: `sure sure--${kind} number` }, number(sure, { style: "percent" }));
}

/** @param {Line} line @param {Acts} acts */
function action(line, acts) {
  const field = h("input", {
    class: "input input--small",
    value: line.action,
    maxlength: 500,
    placeholder: t("radio.action.none"),
    "aria-label": t("radio.action", { number: line.number }),
    onkeydown: (event) => {
      if (event.key === "Enter") field.blur();
      if (event.key === "Escape") {
        field.value = line.action;
        field.blur();
      }
    },
    onchange: () => acts.note(line, field.value),
  });
  return field;
}
