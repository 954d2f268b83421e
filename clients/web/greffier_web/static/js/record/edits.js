/** What people set right in a record: asked of the server, taken from it, shown where it belongs. */

import { ApiError, get, post } from "../core/api.js";
import { t } from "../core/i18n.js";
import { ask, askAuthor } from "./author.js";
import { difference, patch } from "./model.js";
import { nameOf } from "./row.js";
import { h } from "../core/dom.js";

/** @typedef {import("./model.js").Correction} Correction */
/** @typedef {import("./model.js").Segment} Segment */
/** @typedef {import("./model.js").Target} Target */
/** @typedef {import("./side.js").Speaker} Speaker */

const LISTEN_MS = 2_000;
const MOST_MS = 30_000;

/**
 * What the page shows of a correction.
 * @typedef {object} Shows
 * @property {(segment: Segment) => void} segment one has changed
 * @property {() => void} words those of a passage: there may be terms for the glossary
 * @property {() => void} speakers
 * @property {() => void} minutes
 * @property {() => void} history
 * @property {(text: string) => void} say
 * @property {(error: unknown) => void} fail
 * @property {() => void} settled a correction was taken: what was wrong is over
 */

export class Edits {
  /** In the order of the log. @type {Correction[]} */
  history = [];

  /**
   * @param {string} api address of the session
   * @param {Map<number, Segment>} segments
   * @param {() => any} record
   * @param {Shows} shows
   */
  constructor(api, segments, record, shows) {
    this.api = api;
    this.segments = segments;
    this.record = record;
    this.shows = shows;
  }

  /** Whether a segment has a name of its own, given to it alone. @param {number} segment */
  namedAlone(segment) {
    return this.history.some(({ target }) => target.kind === "speaker" && target.segment === segment);
  }

  /** @param {Segment} segment @param {string} text */
  async words(segment, text) {
    const change = difference(segment, text);
    if (!change) return true;
    const { first, end } = change;
    return this.send({ kind: "words", segment: segment.id, first, end }, change.old, change.new);
  }

  /** Name who speaks in a segment, there alone or wherever they speak. @param {Segment} segment */
  async rename(segment) {
    const all = h("input", { type: "checkbox", checked: segment.voice !== "", disabled: segment.voice === "" });
    const choice = h("label", { class: "choice" }, all, t("record.rename.all", { name: nameOf(segment) }));
    const wanted = await askName(segment.speaker, [choice]);
    if (!wanted || wanted === segment.speaker) return;
    if (all.checked) {
      /** @type {Speaker | undefined} */
      const known = this.record().speakers.find((/** @type {Speaker} */ one) => one.voice === segment.voice);
      await this.send({ kind: "speaker", speaker: segment.voice }, known?.name ?? segment.voice, wanted);
    } else await this.send({ kind: "speaker", segment: segment.id }, segment.speaker, wanted);
  }

  /** @param {Speaker} speaker */
  async renameAll(speaker) {
    const wanted = await askName(speaker.name, []);
    if (wanted && wanted !== speaker.name) {
      await this.send({ kind: "speaker", speaker: speaker.voice }, speaker.name, wanted);
    }
  }

  /**
   * Ask the server for a correction; whether it was made.
   * @param {Target} target
   * @param {string} old
   * @param {string} wanted
   */
  async send(target, old, wanted) {
    const who = await askAuthor();
    if (!who) return false;
    try {
      this.take(await post(`${this.api}/corrections`, { who, target, old, new: wanted.trim() }));
      this.shows.settled();
      this.shows.say(t("record.saved"));
      return true;
    } catch (error) {
      this.shows.fail(error);
      return false;
    }
  }

  /** @param {Correction} correction */
  take(correction) {
    if (this.#knows(correction)) return;
    this.history.push(correction);
    this.history.sort((one, other) => one.seq - other.seq);
    const { target } = correction;
    const segment = target.segment ? this.segments.get(target.segment) : undefined;
    if (target.kind === "words" && segment) {
      patch(segment, correction);
      this.shows.segment(segment);
      this.shows.words();
    } else if (target.kind === "translation" && segment) {
      const translated = segment.translations[target.language ?? ""];
      if (translated) Object.assign(translated, { text: correction.new, corrected: true, dated: false });
      this.shows.segment(segment);
    } else if (target.kind === "speaker") this.#name(correction, segment);
    else if (target.kind === "minutes" || target.kind === "verdict") this.#judge(correction);
    this.shows.history();
  }

  /** Hear of corrections as others make them. */
  async listen() {
    // Asked again and again, not held open: a browser has six connections, and sound needs them.
    let pause = LISTEN_MS;
    for (;;) {
      await new Promise((done) => setTimeout(done, document.hidden ? 5 * pause : pause));
      try {
        const after = this.history.at(-1)?.seq ?? 0;
        const fresh = await get(`${this.api}/corrections?after=${after}`);
        for (const one of fresh.corrections) {
          if (this.#knows(one)) continue;
          this.take(one);
          this.shows.say(t("record.others", { name: one.who }));
        }
        pause = LISTEN_MS;
      } catch (error) {
        if (error instanceof ApiError && !error.retryable) return;
        pause = Math.min(2 * pause, MOST_MS);
      }
    }
  }

  /** @param {Correction} correction */
  #knows({ seq }) {
    return this.history.some((one) => one.seq === seq);
  }

  /** @param {Correction} correction @param {Segment | undefined} segment */
  #name(correction, segment) {
    if (correction.target.segment) {
      if (!segment) return;
      Object.assign(segment, { speaker: correction.new, ownName: true });
      this.shows.segment(segment);
      return;
    }
    const { speaker: voice } = correction.target;
    const known = this.record().speakers.find((/** @type {Speaker} */ one) => one.voice === voice);
    if (known) known.name = correction.new;
    for (const one of this.segments.values()) {
      if (one.voice !== voice || one.ownName) continue;
      one.speaker = correction.new;
      this.shows.segment(one);
    }
    this.shows.speakers();
  }

  /** @param {Correction} correction */
  #judge({ target, new: wanted }) {
    const { minutes } = this.record();
    if (!minutes || minutes.version !== target.minutes) return;
    const items = minutes.sections.find((/** @type {any} */ one) => one.section === target.section)?.items;
    const item = items?.[target.item ?? 0];
    if (!item) return;
    if (target.kind === "verdict") item.verdict = wanted;
    else item.text = wanted;
    this.shows.minutes();
  }
}

/** @param {string} present @param {Node[]} more */
function askName(present, more) {
  return ask(t("record.rename"), t("record.rename.label"), present, t("record.rename.hint"), more);
}
