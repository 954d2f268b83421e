/**
 * What was said, folded from messages: segments with committed text, a tail, and translations.
 * Text only ever grows; a tail is replaced.
 *
 * @typedef {import("./messages.js").ServerMessage} ServerMessage
 * @typedef {import("./messages.js").CaptionWord} CaptionWord
 *
 * @typedef {object} Translated
 * @property {string} text
 * @property {string} tail
 * @property {boolean} closed
 *
 * @typedef {object} Segment
 * @property {number} id
 * @property {number} start_ms
 * @property {number} end_ms
 * @property {string} text committed
 * @property {string} tail
 * @property {string} language
 * @property {string | null} speaker
 * @property {boolean} closed
 * @property {CaptionWord[]} words
 * @property {Map<string, Translated>} translations
 *
 * @typedef {object} Notice
 * @property {"gap" | "withheld"} kind
 * @property {number} from_ms
 * @property {number} to_ms
 * @property {string} cause
 * @property {string | null} speaker
 */

export class Transcript {
  /** @type {Map<number, Segment>} by number */
  segments = new Map();
  /** @type {Notice[]} gaps and withheld passages */
  notices = [];
  quality = "full";
  lag_ms = 0;
  /** Why the session ended; empty while it has not. */
  finished = "";
  #keepWords;

  /**
   * @param {object} [options]
   * @param {boolean} [options.words] keep each word with its time
   */
  constructor(options = {}) {
    this.#keepWords = options.words ?? false;
  }

  /**
   * Take a message; returns the segment it changed, if any.
   * @param {ServerMessage} message
   * @returns {Segment | undefined}
   */
  take(message) {
    switch (message.type) {
      case "caption": {
        const segment = this.#segment(message.segment, message.start_ms);
        segment.end_ms = Math.max(segment.end_ms, message.end_ms);
        segment.text += message.committed;
        segment.tail = message.tail;
        segment.language = message.language || segment.language;
        segment.speaker = message.speaker ?? segment.speaker;
        segment.closed ||= message.closed;
        if (this.#keepWords) segment.words.push(...message.words);
        if (message.committed) this.lag_ms = message.lag_ms;
        return segment;
      }
      case "speaker": {
        const segment = this.segments.get(message.segment);
        if (segment) segment.speaker = message.speaker;
        return segment;
      }
      case "translation": {
        const segment = this.#segment(message.segment, 0);
        const known = segment.translations.get(message.language);
        segment.translations.set(message.language, {
          text: (known?.text ?? "") + message.committed,
          tail: message.tail,
          closed: (known?.closed ?? false) || message.closed,
        });
        return segment;
      }
      case "gap":
        this.notices.push({
          kind: "gap",
          from_ms: message.from_ms,
          to_ms: message.to_ms,
          cause: message.cause,
          speaker: message.speaker,
        });
        return undefined;
      case "withheld":
        this.notices.push({
          kind: "withheld",
          from_ms: message.start_ms,
          to_ms: message.end_ms,
          cause: message.reason,
          speaker: message.speaker,
        });
        return undefined;
      case "quality":
        this.quality = message.level;
        return undefined;
      case "finished":
        this.finished = message.reason || "finished";
        return undefined;
      default:
        return undefined;
    }
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
        speaker: null,
        closed: false,
        words: [],
        translations: new Map(),
      };
      this.segments.set(id, segment);
    }
    return segment;
  }
}
