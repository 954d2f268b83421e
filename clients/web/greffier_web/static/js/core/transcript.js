/**
 * What was said, folded from messages: segments with committed text, a tail, and translations.
 * Text only ever grows, but where an editor sets it right; a tail is replaced.
 *
 * @typedef {import("./messages.js").ServerMessage} ServerMessage
 * @typedef {import("./messages.js").Correction} Correction
 * @typedef {import("./patches.js").Part} Part
 * @typedef {import("./patches.js").Patch} Patch
 *
 * @typedef {object} Translated
 * @property {string} text
 * @property {string} tail
 * @property {boolean} closed
 * @property {string | null} heard what the machine had written, where an editor set it right
 *
 * @typedef {object} Segment
 * @property {number} id
 * @property {number} start_ms
 * @property {number} end_ms
 * @property {string} text committed, as editors have set it right
 * @property {string} tail
 * @property {string} language
 * @property {string | null} voice the speaker as recognition named them
 * @property {string | null} speaker as they are shown
 * @property {string | null} ownName given to this segment alone
 * @property {boolean} closed
 * @property {string[]} words as recognised, with their leading spaces
 * @property {Patch[]} patches
 * @property {Map<string, Translated>} translations
 *
 * @typedef {object} Notice
 * @property {"gap" | "withheld"} kind
 * @property {number} from_ms
 * @property {number} to_ms
 * @property {string} cause
 * @property {string | null} speaker
 */

import { joined, parts, patched } from "./patches.js";

export class Transcript {
  /** @type {Map<number, Segment>} by number */
  segments = new Map();
  /** @type {Notice[]} gaps and withheld passages */
  notices = [];
  quality = "full";
  lag_ms = 0;
  /** Why the session ended; empty while it has not. */
  finished = "";
  /** @type {Map<string, string>} names that editors gave to voices */
  #names = new Map();

  /**
   * Take a message; returns the segments it changed.
   * @param {ServerMessage} message
   * @returns {Segment[]}
   */
  take(message) {
    switch (message.type) {
      case "caption": {
        const segment = this.#segment(message.segment, message.start_ms);
        segment.end_ms = Math.max(segment.end_ms, message.end_ms);
        segment.text += message.committed;
        for (const word of message.words) segment.words.push(word.text);
        segment.tail = message.tail;
        segment.language = message.language || segment.language;
        segment.voice = message.speaker ?? segment.voice;
        this.#name(segment);
        segment.closed ||= message.closed;
        if (message.committed) this.lag_ms = message.lag_ms;
        return [segment];
      }
      case "speaker": {
        const segment = this.segments.get(message.segment);
        if (!segment) return [];
        segment.voice = message.speaker;
        this.#name(segment);
        return [segment];
      }
      case "correction":
        return this.#correct(message);
      case "translation": {
        const segment = this.#segment(message.segment, 0);
        const known = segment.translations.get(message.language);
        const set = known !== undefined && known.heard !== null;
        segment.translations.set(message.language, {
          text: set ? known.text : (known?.text ?? "") + message.committed,
          tail: set ? "" : message.tail,
          closed: (known?.closed ?? false) || message.closed,
          heard: set ? known.heard + message.committed : null,
        });
        return [segment];
      }
      case "gap":
        this.notices.push({
          kind: "gap",
          from_ms: message.from_ms,
          to_ms: message.to_ms,
          cause: message.cause,
          speaker: message.speaker,
        });
        return [];
      case "withheld":
        this.notices.push({
          kind: "withheld",
          from_ms: message.start_ms,
          to_ms: message.end_ms,
          cause: message.reason,
          speaker: message.speaker,
        });
        return [];
      case "quality":
        this.quality = message.level;
        return [];
      case "finished":
        this.finished = message.reason || "finished";
        return [];
      default:
        return [];
    }
  }

  /**
   * @param {Correction} correction
   * @returns {Segment[]}
   */
  #correct({ target, new: text }) {
    if (target.kind === "speaker" && !target.segment) {
      this.#names.set(target.speaker, text);
      const renamed = [...this.segments.values()].filter((one) => one.voice === target.speaker);
      for (const segment of renamed) this.#name(segment);
      return renamed;
    }
    const segment = this.segments.get(target.segment);
    if (!segment) return [];
    switch (target.kind) {
      case "words":
        // Counted in the words of a second pass: those are not shown here, but in the record.
        if (target.reading) return [];
        segment.patches = patched(segment.patches, { first: target.first, end: target.end, text });
        segment.text = joined(parts(segment.words, segment.patches));
        return [segment];
      case "speaker":
        segment.ownName = text;
        this.#name(segment);
        return [segment];
      case "translation": {
        const known = segment.translations.get(target.language);
        const heard = known?.heard ?? known?.text ?? "";
        segment.translations.set(target.language, { text, tail: "", closed: known?.closed ?? true, heard });
        return [segment];
      }
      default:
        return [];
    }
  }

  /** @param {Segment} segment */
  #name(segment) {
    const { voice, ownName } = segment;
    const name = ownName ?? this.#names.get(voice ?? "") ?? voice;
    segment.speaker = name || null;
  }

  /**
   * @param {number} id
   * @param {number} start_ms
   * @returns {Segment}
   */
  #segment(id, start_ms) {
    let segment = this.segments.get(id);
    if (!segment) {
      segment = {
        id,
        start_ms,
        end_ms: start_ms,
        text: "",
        tail: "",
        language: "",
        voice: null,
        speaker: null,
        ownName: null,
        closed: false,
        words: [],
        patches: [],
        translations: new Map(),
      };
      this.segments.set(id, segment);
    }
    return segment;
  }
}
