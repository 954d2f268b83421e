/** What stands beside the transcript: minutes and their versions, speakers, corrections. */

import { writesNothing } from "../core/models.js";
import { find, h } from "../core/dom.js";
import { moment, number, t } from "../core/i18n.js";
import { showMinutes } from "./minutes.js";
import { voiceName } from "./row.js";
import { versionSelect } from "./versions.js";

/** @typedef {import("./model.js").Correction} Correction */
/** @typedef {{voice: string, name: string, spoken_ms: number}} Speaker */

const CHANGES = 30;

export class Side {
  /** An earlier version that is being read. @type {import("./versions.js").Version | null} */
  #earlier = null;
  #newest = 0;
  /** Whether the server has a language model. */
  #writing = true;

  /**
   * @param {string} api address of the session
   * @param {import("./minutes.js").Acts} acts
   * @param {(speaker: Speaker) => void} rename
   * @param {(error: unknown) => void} fail
   */
  constructor(api, acts, rename, fail) {
    this.api = api;
    this.acts = acts;
    this.rename = rename;
    this.fail = fail;
  }

  /**
   * Put the sections in their place.
   * @param {any} record
   * @param {HTMLElement} terms section of the glossary
   * @param {readonly Correction[]} history
   */
  build(record, terms, history) {
    const heading = h("div", { class: "minutes__head" }, h("h2", {}, t("record.minutes")), h("div", { id: "versions" }));
    find("#side", HTMLElement).replaceChildren(
      h("section", { class: "card" }, heading, h("div", { class: "minutes", id: "minutes" })),
      section(t("record.speakers"), "people"),
      terms,
      section(t("record.changes"), "changes"),
    );
    this.minutes(record);
    this.speakers(record);
    this.changes(history);
  }

  /** @param {any} record */
  minutes(record) {
    this.#versions(record);
    const later = record.state !== "finished";
    showMinutes(
      find("#minutes", HTMLElement),
      this.#earlier ?? record.minutes,
      { ...this.acts, reading: this.#earlier !== null },
      t(later ? "record.minutes-later" : this.#writing ? "record.no-minutes" : "record.no-model"),
    );
  }

  /** Say why there are no minutes, where it is the server that cannot write any. @param {any} record */
  async explain(record) {
    if (record.minutes || !(await writesNothing().catch(() => false))) return;
    this.#writing = false;
    this.minutes(record);
  }

  /** @param {any} record */
  speakers(record) {
    const place = find("#people", HTMLElement);
    /** @type {Speaker[]} */
    const speakers = record.speakers;
    if (!speakers.length) {
      place.replaceChildren(h("p", { class: "hint" }, t("record.no-speakers")));
      return;
    }
    const all = speakers.reduce((sum, one) => sum + one.spoken_ms, 0);
    const entries = speakers.map((one) =>
      h(
        "li",
        {},
        h("button", { class: "people__name", type: "button", onclick: () => this.rename(one) }, voiceName(one.name)),
        h("span", { class: "hint number" }, number(one.spoken_ms / Math.max(1, all), { style: "percent" })),
      ),
    );
    place.replaceChildren(h("ul", { class: "people", role: "list" }, ...entries));
  }

  /** The latest corrections. @param {readonly Correction[]} history */
  changes(history) {
    const listed = history.slice(-CHANGES).reverse();
    find("#changes", HTMLElement).replaceChildren(
      listed.length
        ? h("ol", { class: "changes", role: "list" }, ...listed.map(change))
        : h("p", { class: "hint" }, t("record.no-changes")),
    );
  }

  /** @param {any} record */
  #versions(record) {
    const count = record.minutes?.version ?? 0;
    if (count === this.#newest) return;
    this.#newest = count;
    this.#earlier = null;
    const show = (/** @type {import("./versions.js").Version | null} */ version) => {
      this.#earlier = version;
      this.minutes(record);
    };
    find("#versions", HTMLElement).replaceChildren(versionSelect(this.api, count, show, this.fail) ?? "");
  }
}

/** @param {string} heading @param {string} id of what is in it */
function section(heading, id) {
  return h("section", { class: "card" }, h("h2", {}, heading), h("div", { id }));
}

/** @param {Correction} one */
function change(one) {
  const what =
    one.target.kind === "verdict"
      ? t(`minutes.told.${one.new || "open"}`)
      : h("span", {}, h("del", {}, one.old || "∅"), " → ", h("ins", {}, one.new || "∅"));
  return h(
    "li",
    {},
    h("p", { class: "changes__what" }, what),
    h("p", { class: "hint" }, `${one.who}, ${moment(one.at_ms)}`),
  );
}
