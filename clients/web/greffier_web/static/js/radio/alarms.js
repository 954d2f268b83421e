/** Alerts that nobody has answered: at the top of the page, in its title, and by sound. */

import { find, h, icon } from "../core/dom.js";
import { t } from "../core/i18n.js";
import { DAY, GRAVE, keyOf } from "./lines.js";
import { ring } from "./siren.js";

/** @typedef {import("./lines.js").Line} Line */

/** Shown at a time; the title counts all of them. */
const SHOWN = 5;
const TIMES = { grave: 3, mild: 1 };

export class Alarms {
  loud = true;
  /** @type {Set<string>} */
  #rung = new Set();

  /**
   * @param {object} acts
   * @param {(line: Line) => void} acts.show
   * @param {(line: Line) => void} acts.acknowledge
   * @param {(session: string) => string} titleOf
   */
  constructor(acts, titleOf) {
    this.acts = acts;
    this.titleOf = titleOf;
  }

  /** @param {readonly Line[]} lines */
  update(lines) {
    const open = lines.filter((line) => line.alerts.length && !line.acknowledged);
    const place = find("#alerts", HTMLElement);
    const shown = open.slice(-SHOWN).reverse();
    const keys = shown.map(keyOf).join();
    if (place.dataset.keys !== keys) {
      place.dataset.keys = keys;
      place.replaceChildren(...shown.map((line) => this.#raised(line)));
    }
    const times = this.#fresh(open);
    if (times && this.loud) place.dataset.rung = String(ring(times));
    document.title = `${open.length ? `(${open.length}) ` : ""}${t("page.radio.title")} – Greffier`;
  }

  /** How often to ring for those that are new. @param {readonly Line[]} open */
  #fresh(open) {
    let times = 0;
    for (const line of open) {
      if (this.#rung.has(keyOf(line))) continue;
      this.#rung.add(keyOf(line));
      times = Math.max(times, GRAVE.includes(line.alerts[0]?.level ?? "") ? TIMES.grave : TIMES.mild);
    }
    return times;
  }

  /** @param {Line} line */
  #raised(line) {
    const alert = line.alerts[0];
    const level = alert?.level ?? "watchword";
    return h(
      "div",
      { class: `alarm alarm--${GRAVE.includes(level) ? "grave" : "mild"}` },
      h(
        "p",
        { class: "alarm__text" },
        t("radio.alert", {
          level: t(`radio.level.${level}`),
          word: alert?.word ?? "",
          net: this.titleOf(line.session),
          time: DAY.format(line.received_at_ms),
        }),
      ),
      h(
        "div",
        { class: "row" },
        h(
          "button",
          { class: "button button--small button--quiet", type: "button", onclick: () => this.acts.show(line) },
          icon("play"),
          t("radio.alert.go"),
        ),
        h(
          "button",
          { class: "button button--small", type: "button", onclick: () => this.acts.acknowledge(line) },
          t("radio.alert.ack"),
        ),
      ),
    );
  }
}
