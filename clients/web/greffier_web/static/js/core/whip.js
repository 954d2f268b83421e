/**
 * Speaking by WebRTC (WHIP, RFC 9725): a tenth of the bytes, for weak networks. Beside the sound, the
 * channel `captions` brings the messages of the session and says what is on the server's disk, so that
 * `LiveSpeaker` can go on by WebSocket, in the same session, where the way breaks off.
 *
 * @typedef {import("./messages.js").ServerMessage} ServerMessage
 * @typedef {import("./messages.js").Start} Start
 *
 * @typedef {object} Opened
 * @property {string} session
 * @property {string} token
 */

import { remove } from "./api.js";

/** Of the session's samples: the clock of Opus (RFC 7587). */
export const WHIP_RATE = 48_000;
const GATHERING_MS = 2_000;
const CONNECTING_MS = 5_000;
/** Away for so long, the way counts as broken. */
const AWAY_MS = 3_000;
/** Sound goes all the time, and so should what the server says of it. */
const SILENCE_MS = 6_000;
const LOOK_MS = 500;

export class WhipSpeaker {
  #stream;
  #start;
  #onConnected;
  #onMessage;
  #location = "";
  #session = "";
  #peer = new RTCPeerConnection();
  #channel = this.#peer.createDataChannel("captions");
  /** @type {Promise<Opened>} */
  #greeted;
  #ended = false;
  #finishing = false;
  #heardMs = 0;

  /**
   * @param {object} options
   * @param {MediaStream} options.stream
   * @param {Start} options.start
   * @param {() => void} options.onConnected from now on the sound goes out
   * @param {(message: ServerMessage) => void} options.onMessage those behind `started`
   */
  constructor({ stream, start, onConnected, onMessage }) {
    this.#stream = stream;
    this.#start = start;
    this.#onConnected = onConnected;
    this.#onMessage = onMessage;
    this.#greeted = new Promise((greet) => {
      this.#channel.onmessage = ({ data }) => this.#take(JSON.parse(data), greet);
    });
  }

  /**
   * Connect.
   * @returns {Promise<Opened | null>} null where the server or the network takes no WebRTC
   */
  async open() {
    try {
      if (await this.#connect()) {
        this.#onConnected();
        const opened = await within(this.#greeted, CONNECTING_MS);
        if (opened?.token) return opened;
      }
    } catch {
      // Whatever it was, there is another way.
    }
    await this.abandon();
    return null;
  }

  /**
   * Speak to the end.
   * @returns {Promise<"ended" | "broken">} `broken`: leave it open until somebody else has the session
   */
  async run() {
    this.#heardMs = performance.now();
    /** @type {number | null} */
    let awaySince = null;
    while (!this.#ended) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      const now = performance.now();
      const { connectionState } = this.#peer;
      if (connectionState === "connected") awaySince = null;
      else awaySince ??= now;
      const lost = ["failed", "closed"].includes(connectionState) || this.#channel.readyState === "closed";
      const away = awaySince !== null && now - awaySince > AWAY_MS;
      const silent = !this.#finishing && now - this.#heardMs > SILENCE_MS;
      if (!this.#ended && (lost || away || silent)) return "broken";
    }
    this.close();
    return "ended";
  }

  /** No more will be said; the server writes down the rest. */
  finish() {
    this.#finishing = true;
    if (this.#channel.readyState === "open") this.#channel.send(JSON.stringify({ type: "finish" }));
  }

  /** Let it go: the session has ended, or somebody else speaks into it. */
  close() {
    this.#peer.close();
  }

  /** Nothing is to be said this way: the session that was opened for it goes. */
  async abandon() {
    this.close();
    if (!this.#location) return;
    await remove(this.#location).catch(() => undefined);
    await remove(`/v1/sessions/${encodeURIComponent(this.#session)}`).catch(() => undefined);
  }

  async #connect() {
    const [track] = this.#stream.getAudioTracks();
    if (!track) return false;
    this.#peer.addTransceiver(track, { direction: "sendonly", streams: [this.#stream] });
    await this.#peer.setLocalDescription();
    await settled(this.#peer, "icegatheringstatechange", GATHERING_MS, () => this.#peer.iceGatheringState === "complete");
    const answer = await fetch(`/v1/whip?${this.#query()}`, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      credentials: "same-origin",
      body: this.#peer.localDescription?.sdp ?? "",
    });
    if (answer.status !== 201) return false;
    this.#location = answer.headers.get("Location") ?? "";
    this.#session = answer.headers.get("Greffier-Session") ?? "";
    await this.#peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    const decided = () => ["connected", "failed", "closed"].includes(this.#peer.connectionState);
    await settled(this.#peer, "connectionstatechange", CONNECTING_MS, decided);
    return this.#peer.connectionState === "connected";
  }

  /** @param {ServerMessage} message @param {(opened: Opened) => void} greet */
  #take(message, greet) {
    this.#heardMs = performance.now();
    if (message.type === "started") return greet({ session: message.session, token: message.token });
    if (message.type === "finished") this.#ended = true;
    this.#onMessage(message);
  }

  #query() {
    const { language = "auto", translate_to = [], title = "", minutes = true, profile } = this.#start;
    const query = new URLSearchParams({
      language,
      translate_to: translate_to.join(","),
      title,
      minutes: String(minutes),
    });
    if (profile) query.set("profile", profile);
    return query;
  }
}

/**
 * What is promised, if it comes in time.
 * @template T
 * @param {Promise<T>} coming
 * @param {number} most_ms
 * @returns {Promise<T | null>}
 */
function within(coming, most_ms) {
  return Promise.race([coming, new Promise((resolve) => setTimeout(() => resolve(null), most_ms))]);
}

/**
 * Wait until something holds, at most so long.
 * @param {RTCPeerConnection} peer
 * @param {string} event
 * @param {number} most_ms
 * @param {() => boolean} holds
 * @returns {Promise<void>}
 */
function settled(peer, event, most_ms, holds) {
  return new Promise((resolve) => {
    if (holds()) return resolve();
    const timer = setTimeout(resolve, most_ms);
    peer.addEventListener(event, () => {
      if (!holds()) return;
      clearTimeout(timer);
      resolve();
    });
  });
}
