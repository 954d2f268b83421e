/** Messages of `greffier.v1` that pages read and write (docs/reference/protocol.md). */

export interface CaptionWord { text: string; start_ms: number; end_ms: number; probability: number }

export interface Started { type: "started"; session: string; token: string; seq: number; samples: number }
export interface Ack { type: "ack"; samples: number }
export interface Caption {
  type: "caption"; seq: number; segment: number; start_ms: number; end_ms: number;
  committed: string; tail: string; words: CaptionWord[]; language: string;
  speaker: string | null; lag_ms: number; closed: boolean;
}
export interface Speaker { type: "speaker"; seq: number; segment: number; speaker: string | null }
export interface Translation {
  type: "translation"; seq: number; segment: number; language: string;
  committed: string; tail: string; closed: boolean;
}
export interface Gap {
  type: "gap"; seq: number; from_ms: number; to_ms: number; cause: string; speaker: string | null;
}
export interface Withheld {
  type: "withheld"; seq: number; start_ms: number; end_ms: number; reason: string;
  speaker: string | null;
}
export interface Quality { type: "quality"; seq: number; level: string }
export interface Minutes { type: "minutes"; seq: number; title: string; language: string }
export interface CorrectionTarget {
  kind: "words" | "speaker" | "translation" | "minutes" | "verdict" | "action" | "alert";
  segment: number; first: number; end: number; reading: number; language: string; speaker: string;
  minutes: number; section: string; item: number;
}
export interface Correction {
  type: "correction"; seq: number; at_ms: number; who: string; target: CorrectionTarget;
  old: string; new: string;
}
export interface Finished { type: "finished"; seq: number; reason: string }
export interface Refused { type: "error"; code: string; message: string; retryable: boolean; retry_after_ms: number | null }

export type ServerMessage =
  | Started | Ack | Caption | Speaker | Translation | Gap | Withheld | Quality | Minutes
  | Correction | Finished | Refused;

export interface Start {
  format?: { encoding: string; rate: number; channels: number };
  language?: string;
  translate_to?: string[];
  glossary?: { term: string; translations: Record<string, string> }[];
  title?: string;
  minutes?: boolean;
  profile?: string | null;
  continues?: { session: string; from_ms: number };
  resume?: { session: string; token: string; from_sample: number; after_seq: number; takeover: boolean };
}
