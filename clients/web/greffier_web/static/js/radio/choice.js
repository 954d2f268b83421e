/** Which lines of the log are shown, printed and exported: by words, by what is open, by time. */

import { find, h } from "../core/dom.js";
import { t } from "../core/i18n.js";

/** @typedef {import("./lines.js").Line} Line */

const SHOWS = ["all", "alerts", "open"];

export class Choice {
  #show = "all";

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.text = h("input", {
      class: "input input--small",
      type: "search",
      maxlength: 200,
      "aria-label": t("radio.filter.text"),
      placeholder: t("radio.filter.text"),
      oninput: onChange,
    });
    this.from = time("from", onChange);
    this.to = time("to", onChange);
    const shows = SHOWS.map((name) => {
      const chosen = () => {
        this.#show = name;
        onChange();
      };
      const radio = h("input", { type: "radio", name: "show", value: name, checked: name === "all", onchange: chosen });
      return h("label", {}, radio, t(`radio.filter.${name}`));
    });
    find("#filters", HTMLElement).replaceChildren(
      this.text,
      h(
        "fieldset",
        { class: "radio__show" },
        h("legend", { class: "visually-hidden" }, t("radio.filter.show")),
        h("div", { class: "segmented" }, ...shows),
      ),
      labelled("from", this.from),
      labelled("to", this.to),
    );
  }

  /**
   * Whether a line is among those chosen.
   * @param {Line} line
   * @param {string} net title of its net
   */
  keeps(line, net) {
    const { from, to } = this.#times();
    if (from !== null && line.received_at_ms < from) return false;
    if (to !== null && line.received_at_ms >= to) return false;
    if (this.#show === "alerts" && line.alerts.length === 0) return false;
    if (this.#show === "open" && line.action !== "") return false;
    const said = `${line.message} ${line.sent_by} ${line.addressed_to} ${line.action} ${net}`;
    return fold(said).includes(fold(this.text.value));
  }

  /** The same, as a query of the server. @param {readonly string[]} sessions */
  query(sessions) {
    const { from, to } = this.#times();
    const query = new URLSearchParams({ sessions: sessions.join(",") });
    if (from !== null) query.set("from_at_ms", String(from));
    if (to !== null) query.set("to_at_ms", String(to));
    if (this.#show !== "all") query.set("show", this.#show);
    if (this.text.value.trim()) query.set("text", this.text.value.trim());
    return query;
  }

  #times() {
    return { from: moment(this.from.value), to: moment(this.to.value) };
  }
}

/** Local time as a field of date and time writes it. @param {number} ms */
export function local(ms) {
  const shifted = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

/** @param {string} value of a field of date and time */
function moment(value) {
  const ms = new Date(value).getTime();
  return Number.isNaN(ms) ? null : ms;
}

/** @param {string} name @param {() => void} onChange */
function time(name, onChange) {
  return h("input", { class: "input input--small", type: "datetime-local", id: `radio-${name}`, onchange: onChange });
}

/** @param {string} name @param {HTMLElement} control */
function labelled(name, control) {
  return h("div", { class: "radio__time" }, h("label", { class: "hint", for: control.id }, t(`radio.filter.${name}`)), control);
}

/** Without case and accents. @param {string} text */
function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();
}
