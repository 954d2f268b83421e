// Generated from the protocol's JSON Schema by tools/types.mjs (npm run types). Do not edit.

/** Samples of each channel that are on the server's disk and will survive a crash. */
export interface Ack {
  type: "ack";
  samples: number;
}

/** A point of an attached agenda, and where it was talked of. */
export interface AgendaPoint {
  /** As the document numbers it. */
  number: string;
  title: string;
  /** Number of the attached document. */
  document: number;
  /** Of its file. */
  name: string;
  /** From 1; 0 = the document has no pages. */
  page: number;
  /** From 1, through the whole document. */
  paragraph: number;
  /**
   * In which it was talked of; none = it was not addressed. What the minutes say of these
   * segments belongs to the point.
   */
  segments: readonly number[];
}

/** How the binary frames are encoded; samples of several channels are interleaved. */
export interface AudioFormat {
  /**
   * `encoded`: the frames are the bytes of a container, cut anywhere (Ogg, WebM, fragmented MP4,
   * FLAC, MP3, AAC in ADTS, WAV). `rate` and `channels` are then those it is decoded to, in
   * which `ack.samples` and `started.samples` count; after a resume a new container begins, at
   * `started.samples`.
   */
  encoding?: "pcm_s16le" | "pcm_f32le" | "mulaw" | "alaw" | "pcm_s16be" | "pcm_s24le" | "pcm_s24be" | "pcm_s32le" | "pcm_s32be" | "pcm_f32be" | "encoded";
  /** Samples per second and channel, 8,000 to 192,000. */
  rate?: number;
  /** 1 to 8; mixed down to one, or recognised each by itself (`start.channels`). */
  channels?: number;
}

/** Text of a segment: `committed` is added for good, `tail` replaces the tail shown before. */
export interface Caption {
  type: "caption";
  seq: number;
  segment: number;
  start_ms: number;
  end_ms: number;
  committed: string;
  tail: string;
  /** The words of `committed`. */
  words: readonly CaptionWord[];
  language: string;
  speaker: string | null;
  /** From the end of the newest audio received to the end of the last committed word. */
  lag_ms: number;
  /** The segment is complete: nothing will be added to it. */
  closed: boolean;
}

/** A word with its place in the recording. */
export interface CaptionWord {
  text: string;
  start_ms: number;
  end_ms: number;
  probability: number;
}

/** A stretch of a long session, summed up. */
export interface Chapter {
  title: string;
  from_ms: number;
  to_ms: number;
  summary: readonly MinutesItem[];
}

/** The recording whose first part is another session, which no longer takes audio. */
export interface Continuation {
  /** The session before; the server does not check that it still exists. */
  session: string;
  /** Where this session begins on the clock of the whole recording. */
  from_ms?: number;
}

/** An editor set something right; what was recognised stays on record. */
export interface Correction {
  type: "correction";
  seq: number;
  /** When, in milliseconds since the epoch. */
  at_ms: number;
  who: string;
  target: CorrectionTarget;
  old: string;
  new: string;
}

/** What an editor set right; which fields count, `kind` says. */
export interface CorrectionTarget {
  /**
   * `words` of a segment, name of a `speaker`, `translation` of a segment, sentence of the
   * `minutes` or what is thought of it (`verdict`), `action` taken upon a segment, whether an
   * `alert` that it raised was seen.
   */
  kind: "words" | "speaker" | "translation" | "minutes" | "verdict" | "action" | "alert";
  /** 0 with `speaker`: wherever this speaker speaks. */
  segment: number;
  /** First word, counted from 0 in the words as they were recognised. */
  first: number;
  /** Behind the last word. */
  end: number;
  /** Whose words: 0 = the live text's, n = the n-th second pass's. */
  reading: number;
  /** Of the translation. */
  language: string;
  /** As recognition named the speaker. */
  speaker: string;
  /** Which minutes of the session, from 1: they may be written anew. */
  minutes: number;
  /** Of the minutes, as the fields of `minutes` are called. */
  section: string;
  /** Of the section, from 0. */
  item: number;
}

/** Something of a translation that does not agree with what was said. */
export interface Doubt {
  /**
   * `number`, `month`, `weekday`, `unit`, `negation`, `name`, `call sign`, `grid reference`,
   * `date-time group`, or `term` (of the glossary).
   */
  kind: string;
  /** Its wording as it was said; empty where the translation made it up. */
  source: string;
  /** Its wording in the translation, or what stands in its place; of a term, what should. */
  target: string;
}

/** Something was refused or failed; the session goes on unless the server closes the socket. */
export interface ErrorMessage {
  type: "error";
  code: string;
  message: string;
  retryable: boolean;
  /**
   * When to come back, where that can be told, such as by a server that stops. Wait at least so
   * long, and a part of it more that chance decides: others were told the same.
   */
  retry_after_ms: number | null;
}

/** No more audio. The server decodes what it holds, sends the rest, `finished`, and closes. */
export interface Finish {
  type: "finish";
}

/** The last message of a session: everything there is has been sent. */
export interface Finished {
  type: "finished";
  seq: number;
  reason: string;
}

/** Audio that never arrived, or could not be decoded. */
export interface Gap {
  type: "gap";
  seq: number;
  from_ms: number;
  to_ms: number;
  cause: string;
  /** Only this speaker's channel is concerned. */
  speaker: string | null;
}

/** A term of the session's vocabulary. */
export interface GlossaryTerm {
  term: string;
  /** Language code to the only accepted translation; equal to the term = do not translate. */
  translations?: Readonly<Record<string, string>>;
  /** Other spellings and short forms that mean the same; translated alike. */
  variants?: readonly string[];
  /** Written as it is in every language that `translations` does not name. */
  do_not_translate?: boolean;
  /** How the term is said, spelt as a speaker would guess it (*Fisikella*). */
  pronunciation?: readonly string[];
  /** Language of the term; when given, its translations lead back to it, too. */
  language?: string;
}

/** The minutes of the session. */
export interface Minutes {
  type: "minutes";
  seq: number;
  language: string;
  title: string;
  summary: readonly MinutesItem[];
  topics: readonly MinutesItem[];
  decisions: readonly MinutesItem[];
  actions: readonly MinutesItem[];
  questions: readonly MinutesItem[];
  figures: readonly MinutesItem[];
  /** What the record does not hold: gaps, withheld passages, text that failed its check. */
  annex: readonly MinutesItem[];
  /** How a long session went, in order; none in a short one. */
  chapters: readonly Chapter[];
  /** The points of an agenda that was attached, in its order. */
  agenda: readonly AgendaPoint[];
}

/** One sentence of minutes and the segments it rests on. */
export interface MinutesItem {
  text: string;
  cites: readonly number[];
  verified: boolean;
  who: string | null;
  due: string | null;
  /** Of an action, as far as the speech tells. */
  status: "open" | "done" | null;
}

/** Samples that were sent as silence because the client never got them: they become a gap. */
export interface Missing {
  type: "missing";
  /** Of each channel, at the session's rate, from the session's beginning. */
  from_sample: number;
  /** One past the last; sent before this message. */
  to_sample: number;
  cause?: "source_lost" | "packet_loss" | "stream_restarted" | "undecodable_audio";
  /** Only this one of the separate channels, from 1; 0: all. */
  channel?: number;
}

/** The level of service changed (the ladder). */
export interface Quality {
  type: "quality";
  seq: number;
  level: "full" | "longer-hops" | "finals-only";
}

/** Where a client that lost its socket goes on. */
export interface Resume {
  session: string;
  token: string;
  /** First sample (of each channel, at the session's rate) that the client will send again. */
  from_sample?: number;
  /** Last event the client has seen; every later one is sent again. */
  after_seq?: number;
  /**
   * Take the session from a client that still holds it, which is told `session_taken_over`;
   * otherwise this one is refused with `session_busy` for as long as the other is connected.
   */
  takeover?: boolean;
}

/** Who speaks a segment, as far as voices can be told apart by now; replaces what was said. */
export interface Speaker {
  type: "speaker";
  seq: number;
  segment: number;
  speaker: string | null;
}

/** First message of a speaking client: opens a session, or goes on with one (`resume`). */
export interface Start {
  type: "start";
  format?: AudioFormat;
  /** ISO 639-1 code of the speech, or `auto` to detect and follow it. */
  language?: string;
  translate_to?: readonly string[];
  glossary?: readonly GlossaryTerm[];
  title?: string;
  /** Write minutes at the end (when the server has a language model). */
  minutes?: boolean;
  /** Language of the minutes; the session's main language when absent. */
  minutes_language?: string | null;
  resume?: Resume | null;
  /** `separate`: each channel is a speaker, recognised by itself; `mix`: all are one sound. */
  channels?: "mix" | "separate";
  /**
   * Names of the speakers in order of the separate channels; one without a name has its number,
   * from 1.
   */
  speakers?: readonly string[];
  /** Kind of audio the detector of speech expects; the server's own setting when absent. */
  profile?: "wide" | "telephone" | "radio" | null;
  /**
   * The audio is kept on the client's disk until it is acknowledged: once some of it has come,
   * the session waits for the rest for `limits.spool_grace_s` instead of `limits.grace_s`.
   */
  spooled?: boolean;
  /** The rest of a recording whose session ended before all of it had come. */
  continues?: Continuation | null;
  /**
   * The audio is a whole recording that nobody watches word by word: it is decoded in whole
   * windows, more exactly and for less work, and its captions come window by window.
   */
  recorded?: boolean;
}

/** The session is open. Keep `session` and `token`: with them the client can resume. */
export interface Started {
  type: "started";
  session: string;
  token: string;
  seq: number;
  /** Samples already durable (not 0 after a resume): send from here. */
  samples: number;
}

/** A translated segment: `committed` is added for good, `tail` replaces the last tail. */
export interface Translation {
  type: "translation";
  seq: number;
  segment: number;
  language: string;
  committed: string;
  tail: string;
  closed: boolean;
  /** What may be wrong with the whole segment's translation; show the source beside it. */
  doubts: readonly Doubt[];
  /** Why a closed segment has no translation (an error's code); empty where it has one. */
  failure: string;
}

/** First message of a reading client: history after `after_seq`, then live. */
export interface Watch {
  type: "watch";
  session: string;
  after_seq?: number;
  /** Only translations into these languages; every one when absent. */
  languages?: readonly string[] | null;
}

/** Something was heard that the recogniser does not trust enough to print. */
export interface Withheld {
  type: "withheld";
  seq: number;
  start_ms: number;
  end_ms: number;
  reason: string;
  speaker: string | null;
}

/** What a client sends. */
export type ClientMessage = Start | Watch | Finish | Missing;

/** What the server sends. */
export type ServerMessage =
  | Started
  | Ack
  | Caption
  | Speaker
  | Translation
  | Gap
  | Withheld
  | Quality
  | Minutes
  | Correction
  | Finished
  | ErrorMessage;

/** The types of those, by which newer ones are told apart and left out. */
export const SERVER_TYPES: readonly string[] = [
  "started",
  "ack",
  "caption",
  "speaker",
  "translation",
  "gap",
  "withheld",
  "quality",
  "minutes",
  "correction",
  "finished",
  "error",
];
