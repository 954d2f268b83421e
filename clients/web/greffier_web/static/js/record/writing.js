/** The field in which a passage or its translation is written anew, in its place. */

import { h } from "../core/dom.js";
import { direction, t } from "../core/i18n.js";

/**
 * Put a field where the text stands.
 * @param {object} field
 * @param {HTMLElement} field.row
 * @param {Element | null} field.place
 * @param {string} field.label
 * @param {() => string} field.current what stands there now: others correct, too
 * @param {number} field.cursor
 * @param {string} field.language
 * @param {(text: string) => Promise<boolean>} field.save
 * @param {() => void} field.done
 */
export function writeIn({ row, place, label, current, cursor, language, save, done }) {
  if (!place || row.querySelector("textarea")) return;
  let before = current();
  const changed = h("p", { class: "notice notice--warn", role: "alert", hidden: true });
  const area = h("textarea", {
    class: "textarea segment__field",
    "aria-label": label,
    lang: language,
    dir: direction(language),
    rows: Math.min(6, 1 + Math.ceil(before.length / 70)),
    spellcheck: "true",
    maxlength: 2000,
  });
  area.value = before;
  const finish = async () => {
    if (current() !== before) {
      before = current();
      changed.textContent = t("record.changed", { text: before });
      changed.hidden = false;
      return;
    }
    area.disabled = true;
    if (area.value.trim() === before.trim() || (await save(area.value))) done();
    else {
      area.disabled = false;
      area.focus();
    }
  };
  const form = h(
    "form",
    {
      class: "segment__form",
      onsubmit: (event) => {
        event.preventDefault();
        void finish();
      },
      onkeydown: (event) => {
        event.stopPropagation();
        if (event.key === "Escape") done();
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
          event.preventDefault();
          void finish();
        }
      },
    },
    area,
    changed,
    h(
      "div",
      { class: "row" },
      h("button", { class: "button button--small" }, t("record.save")),
      h("button", { class: "button button--small button--quiet", type: "button", onclick: done }, t("common.cancel")),
      h("span", { class: "hint" }, t("record.edit-hint")),
    ),
  );
  place.replaceWith(form);
  area.focus();
  area.setSelectionRange(cursor, cursor);
}
