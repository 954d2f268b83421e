/** The minutes beside the transcript: each sentence one click from the sound it rests on. */

import { h } from "../core/dom.js";
import { clock, direction, has, t } from "../core/i18n.js";

/**
 * @typedef {object} Item
 * @property {string} text
 * @property {string} written
 * @property {number[]} cites
 * @property {boolean} verified
 * @property {string | null} who
 * @property {string | null} due
 * @property {"" | "accepted" | "rejected"} verdict
 */

/**
 * @typedef {object} Minutes
 * @property {string} title
 * @property {string} language
 * @property {number} version
 * @property {{section: string, items: Item[]}[]} sections
 */

/**
 * @typedef {object} Acts
 * @property {(segment: number) => number | null} startOf where a segment begins
 * @property {(segment: number) => void} cite
 * @property {(section: string, item: number, old: string, verdict: string) => Promise<boolean>} judge
 * @property {(section: string, item: number, old: string, text: string) => Promise<boolean>} edit
 * @property {boolean} [reading] an earlier version: it can be read and heard, not worked on
 */

/**
 * @param {HTMLElement} place
 * @param {Minutes | null} minutes
 * @param {Acts} acts
 * @param {string} missing why there are none
 */
export function showMinutes(place, minutes, acts, missing) {
  const focused = document.activeElement?.getAttribute("data-key");
  if (!minutes) {
    place.replaceChildren(h("p", { class: "hint" }, missing));
    return;
  }
  place.replaceChildren(
    h("h3", { class: "minutes__title", lang: minutes.language, dir: direction(minutes.language) }, minutes.title),
    ...minutes.sections.map(({ section, items }) =>
      h(
        "section",
        { class: "minutes__section" },
        h("h4", {}, has(`minutes.${section}`) ? t(`minutes.${section}`) : section),
        h("ul", { role: "list" }, ...items.map((item, index) => sentence(minutes, section, item, index, acts))),
      ),
    ),
  );
  if (focused) {
    const again = place.querySelector(`[data-key="${CSS.escape(focused)}"]`);
    if (again instanceof HTMLElement) again.focus({ preventScroll: true });
  }
}

/**
 * @param {Minutes} minutes
 * @param {string} section
 * @param {Item} item
 * @param {number} index
 * @param {Acts} acts
 */
function sentence(minutes, section, item, index, acts) {
  const edited = item.text !== item.written;
  const body = h("p", { class: "minutes__text", lang: minutes.language }, ...parts(item));
  const judge = (/** @type {"accepted" | "rejected"} */ verdict) =>
    h(
      "button",
      {
        class: `minutes__act minutes__act--${verdict}`,
        type: "button",
        "data-key": `${section}-${index}-${verdict}`,
        "aria-pressed": item.verdict === verdict ? "true" : "false",
        "aria-label": t(`minutes.${verdict}`),
        title: t(`minutes.${verdict}`),
        onclick: () =>
          void acts.judge(section, index, item.verdict, item.verdict === verdict ? "" : verdict),
      },
      verdict === "accepted" ? "✓" : "✗",
    );
  const entry = h(
    "li",
    { class: `minutes__item minutes__item--${item.verdict || "open"}` },
    body,
    h(
      "div",
      { class: "minutes__foot" },
      ...item.cites.map((segment) => {
        const ms = acts.startOf(segment);
        if (ms === null) return null;
        return h(
          "button",
          {
            class: "cite number",
            type: "button",
            "aria-label": t("minutes.cite", { time: clock(ms) }),
            onclick: () => acts.cite(segment),
          },
          clock(ms),
        );
      }),
      edited
        ? h("span", { class: "badge" }, t("minutes.edited"))
        : item.verified && item.cites.length
          ? h("span", { class: "badge badge--good" }, t("minutes.verified"))
          : h("span", { class: "badge badge--warn" }, t("minutes.unverified")),
      acts.reading
        ? item.verdict && h("span", { class: "badge" }, t(`minutes.was.${item.verdict}`))
        : h(
        "span",
        { class: "minutes__acts" },
        judge("accepted"),
        judge("rejected"),
        h(
          "button",
          {
            class: "minutes__act",
            type: "button",
            "data-key": `${section}-${index}-edit`,
            "aria-label": t("minutes.edit"),
            title: t("minutes.edit"),
            onclick: () => write(),
          },
          "✎",
        ),
      ),
    ),
  );
  function write() {
    const area = h("textarea", { class: "textarea", rows: 3, maxlength: 2000, "aria-label": t("minutes.edit") });
    area.value = item.text;
    const back = () => form.replaceWith(body);
    const save = async () => {
      if (area.value.trim() === item.text.trim()) back();
      else await acts.edit(section, index, item.text, area.value);
    };
    const form = h(
      "form",
      {
        class: "stack",
        onsubmit: (event) => {
          event.preventDefault();
          void save();
        },
        onkeydown: (event) => {
          event.stopPropagation();
          if (event.key === "Escape") back();
        },
      },
      area,
      h(
        "div",
        { class: "row" },
        h("button", { class: "button button--small" }, t("record.save")),
        h("button", { class: "button button--small button--quiet", type: "button", onclick: back }, t("common.cancel")),
      ),
    );
    body.replaceWith(form);
    area.focus();
  }
  return entry;
}

/** @param {Item} item */
function parts(item) {
  return [
    item.who ? h("strong", {}, `${item.who} : `) : "",
    item.text,
    item.due ? h("span", { class: "minutes__due" }, ` ${t("minutes.due", { due: item.due })}`) : "",
  ];
}
