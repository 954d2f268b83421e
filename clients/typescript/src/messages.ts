// Generated from the protocol's JSON Schema by tools/types.mjs (npm run types). Do not edit.

/** Samples of each channel that are on the server's disk and will survive a crash. */
export interface Ack {
  type: "ack";
  samples: number;
}

/** How the binary frames are encoded; samples of several channels are interleaved. */
export interface AudioFormat {
  encoding?: "pcm_s16le" | "pcm_f32le" | "mulaw" | "alaw";
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

/** The recording whose first part is another session, which no longer takes audio. */
export interface Continuation {
  /** The session before; the server does not check that it still exists. */
  session: string;
  /** Where this session begins on the clock of the whole recording. */
  from_ms?: number;
}

/** Something was refused or failed; the session goes on unless the server closes the socket. */
export interface ErrorMessage {
  type: "error";
  code: string;
  message: string;
  retryable: boolean;
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
}

/** One sentence of minutes and the segments it rests on. */
export interface MinutesItem {
  text: string;
  cites: readonly number[];
  verified: boolean;
  who: string | null;
  due: string | null;
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
export type ClientMessage = Start | Watch | Finish;

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
  "finished",
  "error",
];
