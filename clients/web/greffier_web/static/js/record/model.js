/** A session's record in the page: segments made of pieces, changed by corrections as they come. */

/**
 * @typedef {object} Piece
 * @property {string} text with its leading space
 * @property {number} startMs
 * @property {number} endMs
 * @property {number} percent how sure recognition was
 * @property {number} first in the words as recognised
 * @property {number} end
 * @property {string | null} heard what was recognised, where it was corrected
 */

/**
 * @typedef {object} Translated
 * @property {string} text
 * @property {boolean} closed
 * @property {boolean} corrected
 * @property {boolean} dated what was said has been corrected since
 */

/**
 * @typedef {object} Segment
 * @property {number} id
 * @property {number} startMs
 * @property {number} endMs
 * @property {string} language
 * @property {string} voice as recognition named the speaker
 * @property {string} speaker
 * @property {boolean} ownName the name holds for this segment alone
 * @property {boolean} closed
 * @property {boolean} confirmed
 * @property {Piece[]} pieces
 * @property {Record<string, Translated>} translations
 */

/**
 * @typedef {object} Target
 * @property {"words" | "speaker" | "translation" | "minutes" | "verdict" | "action" | "alert"} kind
 * @property {number} [segment]
 * @property {number} [first]
 * @property {number} [end]
 * @property {string} [language]
 * @property {string} [speaker]
 * @property {string} [section]
 * @property {number} [item]
 * @property {number} [minutes]
 */

/**
 * @typedef {object} Correction
 * @property {number} seq
 * @property {number} at_ms
 * @property {string} who
 * @property {Target} target
 * @property {string} old
 * @property {string} new
 */

/** @param {any} plain as GET /record writes it @returns {Segment} */
export function readSegment(plain) {
  let at = 0;
  /** @type {Piece[]} */
  const pieces = plain.words.map((/** @type {any[]} */ word) => {
    const [text, startMs, endMs, percent, first = at, end = first + 1, heard = null] = word;
    at = end;
    return { text, startMs, endMs, percent, first, end, heard };
  });
  return {
    id: plain.id,
    startMs: plain.start_ms,
    endMs: plain.end_ms,
    language: plain.language,
    voice: plain.voice,
    speaker: plain.speaker,
    ownName: false,
    closed: plain.closed,
    confirmed: plain.confirmed,
    pieces,
    translations: plain.translations,
  };
}

/** @param {Segment} segment */
export function textOf(segment) {
  return joined(segment.pieces);
}

/** @param {readonly Piece[]} pieces */
export function joined(pieces) {
  return pieces
    .map((piece) => piece.text)
    .join("")
    .trim();
}

/**
 * Take a correction of words into a segment.
 * @param {Segment} segment
 * @param {Correction} correction
 */
export function patch(segment, correction) {
  const { first = 0, end = 0 } = correction.target;
  const inside = segment.pieces.filter((piece) => piece.first >= first && piece.end <= end);
  const start = inside[0];
  const last = inside.at(-1);
  if (!start || !last) return;
  const heard = inside.map((piece) => piece.heard ?? piece.text.trim()).join(" ");
  const glued = first > 0 && !/^\s/.test(start.text) && start.heard === null;
  const text = correction.new.trim();
  const piece = {
    text: glued || !text ? text : ` ${text}`,
    startMs: start.startMs,
    endMs: last.endMs,
    percent: 100,
    first,
    end,
    heard,
  };
  const at = segment.pieces.indexOf(start);
  segment.pieces.splice(at, inside.length, piece);
  for (const translated of Object.values(segment.translations)) {
    if (!translated.corrected) translated.dated = true;
  }
}

/**
 * The smallest change that makes `text` of a segment: which words, what stood there, what shall.
 * @param {Segment} segment
 * @param {string} text
 * @returns {{first: number, end: number, old: string, new: string} | null} null = nothing changes
 */
export function difference(segment, text) {
  const pieces = segment.pieces;
  const wanted = text.split(/\s+/).filter(Boolean);
  const shown = pieces.map((piece) => piece.text.trim().split(/\s+/).filter(Boolean));
  let from = 0;
  let wantedFrom = 0;
  while (from < pieces.length && same(shown[from] ?? [], wanted, wantedFrom)) {
    wantedFrom += (shown[from] ?? []).length;
    from += 1;
  }
  let to = pieces.length;
  let wantedTo = wanted.length;
  while (to > from) {
    const words = shown[to - 1] ?? [];
    if (wantedTo - words.length < wantedFrom) break;
    if (!same(words, wanted, wantedTo - words.length)) break;
    wantedTo -= words.length;
    to -= 1;
  }
  if (from === to && wantedFrom === wantedTo) return null;
  if (from === to) {
    // Words were added: they go with the word before, or with the first.
    if (from > 0) {
      from -= 1;
      wantedFrom -= (shown[from] ?? []).length;
    } else {
      wantedTo += (shown[to] ?? []).length;
      to += 1;
    }
  }
  const inside = pieces.slice(from, to);
  const first = inside[0];
  const last = inside.at(-1);
  if (!first || !last) return null;
  return {
    first: first.first,
    end: last.end,
    old: joined(inside),
    new: wanted.slice(wantedFrom, wantedTo).join(" "),
  };
}

/**
 * @param {readonly string[]} words
 * @param {readonly string[]} wanted
 * @param {number} at
 */
function same(words, wanted, at) {
  return words.every((word, index) => wanted[at + index] === word);
}
