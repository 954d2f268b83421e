/** Who corrects: a name that this browser remembers. */

import { find, h } from "../core/dom.js";
import { t } from "../core/i18n.js";

const KEY = "greffier.author";

/** The name, or nothing where none was given. */
export function author() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/**
 * The name; asked for where there is none. Null: the visitor would not say.
 * @param {boolean} [anew] ask although it is known
 * @returns {Promise<string | null>}
 */
export function askAuthor(anew = false) {
  const known = author();
  if (known && !anew) return Promise.resolve(known);
  return ask(t("author.heading"), t("author.label"), known, t("author.hint")).then((name) => {
    if (!name) return null;
    try {
      localStorage.setItem(KEY, name);
    } catch {
      // A private window: it is asked again on the next page.
    }
    document.dispatchEvent(new CustomEvent("author", { detail: name }));
    return name;
  });
}

/**
 * Ask for a line of text. Null: it was called off.
 * @param {string} heading
 * @param {string} label
 * @param {string} value
 * @param {string} [hint]
 * @param {Node[]} [more] below the field
 * @returns {Promise<string | null>}
 */
export function ask(heading, label, value, hint = "", more = []) {
  const id = `ask-${Math.random().toString(36).slice(2)}`;
  const input = h("input", {
    class: "input",
    id,
    value,
    required: true,
    maxlength: 80,
    autocomplete: "off",
    "aria-describedby": hint ? `${id}-hint` : null,
  });
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": `${id}-heading` },
    h(
      "form",
      { method: "dialog", class: "stack" },
      h("h2", { id: `${id}-heading` }, heading),
      h(
        "div",
        { class: "field" },
        h("label", { for: id }, label),
        input,
        hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null,
      ),
      ...more,
      h(
        "div",
        { class: "row" },
        h("button", { class: "button", value: "ok" }, t("record.save")),
        h(
          "button",
          { class: "button button--quiet", type: "button", onclick: () => dialog.close("") },
          t("common.cancel"),
        ),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  find("input", HTMLInputElement, dialog).select();
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      done(dialog.returnValue === "ok" ? input.value.trim() : null);
      dialog.remove();
    });
  });
}
