/**
 * Watching a session over `greffier.v1`: history, then live; comes back by itself after a cut, and
 * asks only for what it has not seen.
 *
 * @typedef {import("./messages.js").ServerMessage} ServerMessage
 * @typedef {"connecting" | "live" | "waiting" | "ended" | "refused"} LiveState
 */

import { Backoff, pause } from "./backoff.js";
import { whenDead } from "./liveness.js";

const SUBPROTOCOL = "greffier.v1";

/** Refusals that no further try will mend. */
const FINAL = new Set([
  "authentication_failed",
  "authentication_required",
  "host_refused",
  "link_invalid",
  "malformed_message",
  "origin_refused",
  "session_not_found",
]);

/** The address of the socket on this server. */
export function liveAddress() {
  const address = new URL("/v1/live", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

export class LiveWatch {
  /** @type {LiveState} */
  state = "connecting";
  /** Code of the refusal, once `state` is `refused`. */
  code = "";
  /** The last event that was seen. */
  afterSeq = 0;

  /** @type {number | null} when a server that stops told to come back (ms) */
  #asked = null;
  #stop = new AbortController();
  /** @type {WebSocket | null} */
  #socket = null;

  /**
   * @param {object} options
   * @param {string} options.session id
   * @param {string} [options.link] secret of a viewer link
   * @param {readonly string[]} [options.languages] only translations into these; every one if absent
   * @param {(message: ServerMessage) => void} options.onMessage each message once, in order
   * @param {(state: LiveState, code: string) => void} [options.onState]
   */
  constructor(options) {
    this.options = options;
  }

  /** Watch until the session has ended, the server refuses, or `close` is called. */
  async run() {
    const backoff = new Backoff();
    let stale = false;
    while (!this.#stop.signal.aborted) {
      if (!stale) this.#become(this.afterSeq || this.state === "waiting" ? "waiting" : "connecting");
      const outcome = await this.#connect(() => backoff.reset());
      stale = outcome === "stale";
      if (stale) continue; // nothing is known to be missing: nothing is said of it
      if (outcome === "finished") return this.#become("ended");
      if (FINAL.has(outcome) && !this.#stop.signal.aborted) return this.#become("refused", outcome);
      if (outcome === "session_closed") return this.#become("ended");
      if (this.#stop.signal.aborted) return;
      this.#become("waiting", outcome);
      await pause(backoff.next(this.#asked), this.#stop.signal);
    }
  }

  /** Watch no longer. */
  close() {
    this.#stop.abort();
    this.#socket?.close();
  }

  /**
   * One connection to its end; returns `finished`, the code of an error, `stale` or `lost`.
   * @param {() => void} onGreeted
   * @returns {Promise<string>}
   */
  #connect(onGreeted) {
    return new Promise((resolve) => {
      const offered = [SUBPROTOCOL];
      if (this.options.link) offered.push(`link.${this.options.link}`);
      const socket = new WebSocket(liveAddress(), offered);
      this.#socket = socket;
      let outcome = "lost";
      this.#asked = null;
      socket.onopen = () => {
        /** @type {Record<string, unknown>} */
        const watch = { type: "watch", session: this.options.session, after_seq: this.afterSeq };
        if (this.options.languages) watch.languages = [...this.options.languages];
        socket.send(JSON.stringify(watch));
      };
      socket.onmessage = (event) => {
        /** @type {ServerMessage} */
        const message = JSON.parse(event.data);
        this.#asked = message.type === "error" ? message.retry_after_ms : null;
        if (message.type === "started") {
          onGreeted();
          this.#become("live");
        } else if (message.type === "error") {
          outcome = message.code; // of a stage that failed, unless the close follows
        } else if (message.type === "finished") {
          outcome = "finished";
        } else {
          outcome = "lost";
        }
        if ("seq" in message && message.type !== "started") {
          this.afterSeq = Math.max(this.afterSeq, message.seq);
        }
        this.options.onMessage(message);
      };
      /** @param {boolean} stale */
      const over = (stale) => {
        leave();
        socket.onmessage = null;
        resolve(stale ? "stale" : outcome);
      };
      const leave = whenDead(socket, over);
      socket.onclose = () => over(false);
    });
  }

  /**
   * @param {LiveState} state
   * @param {string} [code]
   */
  #become(state, code = "") {
    if (state === this.state && code === this.code) return;
    this.state = state;
    this.code = code;
    this.options.onState?.(state, code);
  }
}
