/** The list of what the keyboard does in a record. */

import { h } from "../core/dom.js";
import { t } from "../core/i18n.js";

const KEYS = /** @type {const} */ ([
  ["↑ ↓", "move"],
  ["Home End", "ends"],
  ["Enter", "hear"],
  ["e", "edit"],
  ["t", "translation"],
  ["n", "name"],
  ["d D", "doubt"],
  ["k", "play"],
  ["j l", "step"],
  ["?", "list"],
]);

/** A button that shows the list. */
export function keysButton() {
  return h(
    "button",
    { class: "button button--quiet button--small record__keys", type: "button", onclick: openKeys },
    t("record.keys"),
  );
}

/** Show the list; Escape closes it. */
export function openKeys() {
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "keys-heading", onclose: () => dialog.remove() },
    h("h2", { id: "keys-heading" }, t("record.keys.heading")),
    h(
      "dl",
      { class: "keys" },
      ...KEYS.flatMap(([keys, what]) => [
        h("dt", {}, ...keys.split(" ").flatMap((key) => [h("kbd", {}, named(key)), " "])),
        h("dd", {}, t(`record.keys.${what}`)),
      ]),
    ),
    h("form", { method: "dialog" }, h("button", { class: "button" }, t("common.close"))),
  );
  document.body.append(dialog);
  dialog.showModal();
}

/** Keys that have a name of their own in each language. @param {string} key */
function named(key) {
  return key.length > 1 ? t(`record.key.${key.toLowerCase()}`) : key;
}
