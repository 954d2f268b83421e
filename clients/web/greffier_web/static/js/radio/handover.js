/** The end of a watch: the note that hands it over, and the notes there are. */

import { post } from "../core/api.js";
import { find, h } from "../core/dom.js";
import { moment, t } from "../core/i18n.js";
import { author } from "../record/author.js";
import { local } from "./choice.js";

/**
 * Show the notes of the nets.
 * @param {{who: string, relieved_by: string, from_at_ms: number, to_at_ms: number, note: string}[]} notes
 */
export function showHandovers(notes) {
  find("#handovers", HTMLElement).hidden = notes.length === 0;
  find("#handovers-list", HTMLElement).replaceChildren(
    ...notes.map((note) => {
      const line = t("radio.handover.line", {
        who: note.who,
        by: note.relieved_by,
        from: moment(note.from_at_ms),
        to: moment(note.to_at_ms),
      });
      return h(
        "li",
        {},
        h("p", {}, h("strong", {}, line)),
        h("p", { class: "handovers__note" }, note.note),
      );
    }),
  );
}

/**
 * Ask for the note, and put it on record.
 * @param {readonly string[]} sessions
 * @param {number} begunMs when the watch began, as far as is known
 * @param {() => void} done
 */
export function handOver(sessions, begunMs, done) {
  const who = h("input", { class: "input", required: true, maxlength: 80, value: author() });
  const by = h("input", { class: "input", required: true, maxlength: 80 });
  const from = h("input", { class: "input", type: "datetime-local", required: true, value: local(begunMs) });
  const to = h("input", { class: "input", type: "datetime-local", required: true, value: local(Date.now()) });
  const note = h("textarea", { class: "textarea", rows: 6, required: true, maxlength: 20000 });
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "handover-heading", onclose: () => dialog.remove() },
    h(
      "form",
      { class: "stack", onsubmit: (event) => void keep(event) },
      h("h2", { id: "handover-heading" }, t("radio.handover.heading")),
      h("div", { class: "pair" }, field("by", who), field("to", by)),
      h("div", { class: "pair" }, field("from-time", from), field("to-time", to)),
      field("note", note),
      h(
        "div",
        { class: "row" },
        h("button", { class: "button" }, t("radio.handover.save")),
        h("button", { class: "button button--quiet", type: "button", onclick: () => dialog.close() }, t("common.cancel")),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();

  /** @param {SubmitEvent} event */
  async function keep(event) {
    event.preventDefault();
    try {
      await post("/v1/radio/handovers", {
        sessions,
        who: who.value,
        relieved_by: by.value,
        from_at_ms: new Date(from.value).getTime(),
        to_at_ms: new Date(to.value).getTime(),
        note: note.value,
      });
      dialog.close();
      done();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      dialog.querySelector(".notice")?.remove();
      dialog.firstElementChild?.prepend(h("p", { class: "notice notice--bad", role: "alert" }, text));
    }
  }
}

/** @param {string} key @param {HTMLElement} control */
function field(key, control) {
  control.id = `handover-${key}`;
  return h("div", { class: "field" }, h("label", { for: control.id }, t(`radio.handover.${key}`)), control);
}
