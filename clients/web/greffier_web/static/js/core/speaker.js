/**
 * Speaking into a session over `greffier.v1`. Every sample is kept until the server has it on its
 * disk; after a cut the session goes on, and what the server lacks is sent again.
 *
 * @typedef {import("./messages.js").ServerMessage} ServerMessage
 * @typedef {import("./messages.js").Start} Start
 * @typedef {"connecting" | "live" | "waiting" | "finishing" | "ended" | "refused"} SpeakingState
 */

import { Backoff, pause } from "./backoff.js";
import { whenDead } from "./liveness.js";
import { LiveWatch, liveAddress } from "./live.js";

const RATE = 16_000;
/** Kept at most while the server is away: two hours, 230 MB. */
const MOST_SAMPLES = 2 * 3_600 * RATE;
/** With more than this on its way, a recording waits. */
const IN_FLIGHT_BYTES = 256_000;
const STEP_MS = 40;
/** How much earlier than it was heard the sound of another way may have begun: sent twice rather than never. */
const MARGIN = RATE / 5;
/** Of what went another way, so much may be with the server although it could not say so any more. */
const UNTOLD_S = 1.5;

/** The server cannot take the session now, but may later. */
const LATER = new Set(["server_busy", "model_not_loaded", "server_stopping", "session_busy", "storage_unavailable", "storage_failed", "internal_error", "lost", "start_timeout", "idle_timeout", "session_moved", "session_elsewhere"]);

export class LiveSpeaker {
  /** @type {SpeakingState} */
  state = "connecting";
  session = "";
  /** Samples said so far. */
  said = 0;
  /** Of these, on the server's disk. */
  acknowledged = 0;
  /** Samples that could not be kept long enough. */
  lost = 0;

  #start;
  #onMessage;
  #onState;
  #stop = new AbortController();
  /** @type {{ at: number, pcm: Int16Array }[]} not yet acknowledged, in order */
  #kept = [];
  #keptSamples = 0;
  /** Where the session begins on our clock: not 0 once it continues another. */
  #origin = 0;
  #sent = 0;
  /** Samples of the session for one of ours. */
  #ratio = 1;
  /** Another way brings the sound to the session; we keep it until that is sure. */
  #lent = false;
  /** Of the session, on the server's disk. */
  #durable = 0;
  #token = "";
  #afterSeq = 0;
  #finishing = false;
  #greeted = false;
  /** @type {number | null} when a server that stops told to come back (ms) */
  #asked = null;
  /** @type {WebSocket | undefined} */
  #socket;

  /**
   * @param {object} options
   * @param {Start} options.start
   * @param {(message: ServerMessage) => void} options.onMessage
   * @param {(state: SpeakingState, code: string, message: string) => void} options.onState
   */
  constructor({ start, onMessage, onState }) {
    this.#start = { ...start, format: { encoding: "pcm_s16le", rate: RATE, channels: 1 } };
    this.#onMessage = onMessage;
    this.#onState = onState;
  }

  /**
   * Before `run`: another way has a session and brings the sound to it from now on. `hear` tells what
   * has come; `run` goes on with that session where the other way breaks off, and sends what is missing.
   * @param {object} other
   * @param {string} other.session
   * @param {string} other.token
   * @param {number} other.rate of the session's samples
   * @param {number} other.from on our clock, what was said when the other way opened
   */
  lend({ session, token, rate, from }) {
    this.session = session;
    this.#token = token;
    this.#ratio = rate / RATE;
    this.#lent = true;
    this.#origin = from - MARGIN;
    this.#start = { ...this.#start, format: { encoding: "pcm_s16le", rate, channels: 1 } };
    this.#drop(from);
    this.#become(this.#finishing ? "finishing" : "live");
  }

  /**
   * A message of the lent session.
   * @param {ServerMessage} message
   */
  hear(message) {
    if (message.type === "ack") this.#acknowledge(message.samples);
    else if ("seq" in message) this.#afterSeq = Math.max(this.#afterSeq, message.seq);
    this.#onMessage(message);
  }

  /** The other way has brought the session to its end. */
  settle() {
    this.acknowledged = this.said;
    this.#become("ended");
  }

  /** Seconds said that only this browser has. */
  get waitingSeconds() {
    return (this.said - this.acknowledged) / RATE;
  }

  /**
   * Say some samples, 16 kHz mono.
   * @param {Int16Array} pcm
   */
  push(pcm) {
    if (this.#finishing) return;
    this.#kept.push({ at: this.said, pcm });
    this.#keptSamples += pcm.length;
    this.said += pcm.length;
    while (this.#keptSamples > MOST_SAMPLES) {
      const oldest = this.#kept.shift();
      this.#keptSamples -= oldest?.pcm.length ?? 0;
      this.lost += oldest?.pcm.length ?? 0;
    }
    this.#send();
  }

  /** Resolves when more of a recording can be taken. */
  async ready() {
    while (
      !this.#stop.signal.aborted &&
      (!this.#greeted || this.said - this.#sent > RATE || (this.#socket?.bufferedAmount ?? 0) > IN_FLIGHT_BYTES)
    ) {
      await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    }
  }

  /** No more will be said; the server writes down the rest. */
  finish() {
    if (this.#finishing) return;
    this.#finishing = true;
    if (this.state === "live") this.#become("finishing");
    this.#send();
  }

  /** Break off: the session is left as it is. */
  close() {
    this.#stop.abort();
    this.#socket?.close();
  }

  /** Speak until the session has ended or was refused for good. */
  async run() {
    const backoff = new Backoff();
    const { signal } = this.#stop;
    if (this.#lent) this.#become("waiting");
    while (!signal.aborted) {
      const { code, message } = await this.#connect(() => backoff.reset());
      if (signal.aborted) return;
      if (code === "stale") continue;
      if (code === "finished") return this.#become("ended");
      if (code === "session_closed" && this.#token) {
        if (this.#finishing && this.waitingSeconds <= (this.#lent ? UNTOLD_S : 0)) return this.#watchToTheEnd();
        this.#continueInAnother();
      } else if (!LATER.has(code) || (!this.#token && code !== "lost")) {
        return this.#become("refused", code, message);
      }
      this.#become("waiting", code, message);
      await pause(backoff.next(this.#asked), signal);
    }
  }

  /**
   * @param {() => void} onGreeted
   * @returns {Promise<{ code: string, message: string }>}
   */
  #connect(onGreeted) {
    return new Promise((resolve) => {
      const socket = new WebSocket(liveAddress(), ["greffier.v1"]);
      socket.binaryType = "arraybuffer";
      this.#socket = socket;
      let outcome = { code: "lost", message: "" };
      this.#asked = null;
      socket.onopen = () => socket.send(JSON.stringify({ type: "start", ...this.#start, ...this.#resume() }));
      socket.onmessage = (event) => {
        /** @type {ServerMessage} */
        const message = JSON.parse(event.data);
        this.#asked = message.type === "error" ? message.retry_after_ms : null;
        if (message.type === "error") outcome = { code: message.code, message: message.message };
        else outcome = { code: message.type === "finished" ? "finished" : "lost", message: "" };
        this.#take(message);
        if (message.type === "started") onGreeted();
        this.#onMessage(message);
      };
      /** @param {boolean} stale */
      const over = (stale) => {
        leave();
        socket.onmessage = null;
        this.#greeted = false;
        resolve(stale ? { code: "stale", message: "" } : outcome);
      };
      const leave = whenDead(socket, over);
      socket.onclose = () => over(false);
    });
  }

  #resume() {
    if (!this.#token) return {};
    const next = ((this.#kept[0]?.at ?? this.said) - this.#origin) * this.#ratio;
    const from_sample = this.#lent && !this.lost ? this.#durable : Math.round(next);
    const resume = {
      session: this.session,
      token: this.#token,
      from_sample,
      after_seq: this.#afterSeq,
      takeover: true,
    };
    return { resume };
  }

  /** @param {ServerMessage} message */
  #take(message) {
    if (message.type === "started") {
      this.session = message.session;
      this.#token = message.token || this.#token;
      this.#greeted = true;
      this.#acknowledge(message.samples);
      this.#sent = this.#kept[0]?.at ?? this.said;
      this.#become(this.#finishing ? "finishing" : "live");
      this.#send();
    } else if (message.type === "ack") this.#acknowledge(message.samples);
    else if ("seq" in message) this.#afterSeq = Math.max(this.#afterSeq, message.seq);
  }

  /** @param {number} samples of this session, on the server's disk */
  #acknowledge(samples) {
    this.#durable = Math.max(this.#durable, samples);
    this.#drop(this.#origin + Math.floor(samples / this.#ratio));
  }

  /** @param {number} upto on our clock: before this, nothing is kept any more */
  #drop(upto) {
    this.acknowledged = Math.max(this.acknowledged, upto);
    for (let first = this.#kept[0]; first; first = this.#kept[0]) {
      const known = this.acknowledged - first.at;
      if (known <= 0) return;
      if (known < first.pcm.length) {
        this.#kept[0] = { at: this.acknowledged, pcm: first.pcm.subarray(known) };
        this.#keptSamples -= known;
        return;
      }
      this.#kept.shift();
      this.#keptSamples -= first.pcm.length;
    }
  }

  #send() {
    const socket = this.#socket;
    if (!this.#greeted || socket?.readyState !== WebSocket.OPEN) return;
    for (const { at, pcm } of this.#kept) {
      if (at < this.#sent) continue;
      socket.send(/** @type {Int16Array<ArrayBuffer>} */ (this.#ratio === 1 ? pcm : denser(pcm, this.#ratio)));
      this.#sent = at + pcm.length;
    }
    if (this.#finishing && this.#sent >= this.said) socket.send(JSON.stringify({ type: "finish" }));
  }

  /** The session ended while we were away: the rest goes into one that continues it. */
  #continueInAnother() {
    const from = this.#kept[0]?.at ?? this.said;
    const from_ms = Math.max(0, Math.round(((from - this.#origin) * 1000) / RATE));
    const format = { encoding: "pcm_s16le", rate: RATE, channels: 1 };
    this.#start = { ...this.#start, format, continues: { session: this.session, from_ms } };
    this.#origin = from;
    this.#ratio = 1;
    this.#durable = 0;
    this.#lent = false;
    this.#token = "";
    this.#afterSeq = 0;
  }

  /** Everything is with the server already: only its last words are missing. */
  async #watchToTheEnd() {
    this.#become("finishing");
    const watch = new LiveWatch({ session: this.session, onMessage: this.#onMessage });
    watch.afterSeq = this.#afterSeq;
    this.#stop.signal.addEventListener("abort", () => watch.close());
    await watch.run();
    this.#become("ended");
  }

  /**
   * @param {SpeakingState} state
   * @param {string} [code]
   * @param {string} [message]
   */
  #become(state, code = "", message = "") {
    if (state === this.state && state !== "waiting") return;
    this.state = state;
    this.#onState(state, code, message);
  }
}

/**
 * More samples for the same sound, on straight lines between those there are.
 * @param {Int16Array} pcm
 * @param {number} times a whole number
 */
function denser(pcm, times) {
  const out = new Int16Array(pcm.length * times);
  for (let at = 0; at < pcm.length; at += 1) {
    const here = pcm[at] ?? 0;
    const step = ((pcm[at + 1] ?? here) - here) / times;
    for (let part = 0; part < times; part += 1) out[at * times + part] = Math.round(here + part * step);
  }
  return out;
}
