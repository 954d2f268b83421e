/**
 * Speaking by WebRTC (WHIP, RFC 9725): a tenth of the bytes, for weak networks. What is lost on the
 * way is sent again while there is time, or a gap; where nothing may be lost, `LiveSpeaker` is the way.
 *
 * @typedef {import("./messages.js").ServerMessage} ServerMessage
 * @typedef {import("./messages.js").Start} Start
 */

import { Backoff, pause } from "./backoff.js";
import { LiveWatch } from "./live.js";

const GATHERING_MS = 2_000;
const CONNECTING_MS = 8_000;
/** A path that is gone for so long is not waited for. */
const PATIENCE_MS = 3_000;
/** So long the session is gone on with by WebRTC; the server keeps it for two minutes. */
const RESUMING_MS = 60_000;

export class WhipSpeaker {
  session = "";
  #stream;
  #start;
  #onMessage;
  #location = "";
  #token = "";
  #peer = new RTCPeerConnection();
  #finished = new AbortController();

  /**
   * @param {object} options
   * @param {MediaStream} options.stream
   * @param {Start} options.start
   * @param {(message: ServerMessage) => void} options.onMessage
   */
  constructor({ stream, start, onMessage }) {
    this.#stream = stream;
    this.#start = start;
    this.#onMessage = onMessage;
  }

  /**
   * Connect.
   * @returns {Promise<boolean>} false where the server or the network takes no WebRTC
   */
  async open() {
    try {
      await this.#publish();
    } catch {
      // Whatever it was, there is another way.
    }
    if (this.#peer.connectionState === "connected") return true;
    await this.finish();
    return false;
  }

  /**
   * Follow the session to its end. When the connection or the server dies, it is gone on with.
   * @returns {Promise<"ended" | "failed">} `failed`: the connection broke while it was live
   */
  async run() {
    const watch = new LiveWatch({ session: this.session, onMessage: this.#onMessage });
    const ended = watch.run().then(() => /** @type {const} */ ("ended"));
    while ((await Promise.race([ended, this.#broken()])) === "broken") {
      if (this.#finished.signal.aborted) return ended;
      if (await this.#resume()) continue;
      if (this.#finished.signal.aborted) return ended;
      watch.close();
      await this.finish();
      return "failed";
    }
    return "ended";
  }

  /** No more will be said. */
  async finish() {
    this.#finished.abort();
    this.#peer.close();
    if (!this.#location) return;
    const location = this.#location;
    this.#location = "";
    await fetch(location, { method: "DELETE", credentials: "same-origin" }).catch(() => undefined);
  }

  /**
   * Offer the microphone; resolves when it is connected, or will not be.
   * @returns {Promise<number>} status of the answer
   */
  async #publish() {
    const [track] = this.#stream.getAudioTracks();
    if (!track) return 0;
    this.#peer.addTransceiver(track, { direction: "sendonly", streams: [this.#stream] });
    await this.#offer();
    await settled(this.#peer, "icegatheringstatechange", GATHERING_MS, () => this.#peer.iceGatheringState === "complete");
    /** @type {Record<string, string>} */
    const headers = { "Content-Type": "application/sdp" };
    if (this.#token) headers["Greffier-Resume"] = this.#token;
    const answer = await fetch(`/v1/whip?${this.#query()}`, {
      method: "POST",
      headers,
      credentials: "same-origin",
      body: this.#peer.localDescription?.sdp ?? "",
    });
    if (answer.status !== 201) return answer.status;
    this.#location = answer.headers.get("Location") ?? "";
    this.session = answer.headers.get("Greffier-Session") ?? "";
    this.#token = answer.headers.get("Greffier-Resume") ?? "";
    await this.#peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    await settled(this.#peer, "connectionstatechange", CONNECTING_MS, () => this.#peer.connectionState === "connected");
    return answer.status;
  }

  /** Say in the offer that what is lost can be sent again: browsers can, and do not say so for sound. */
  async #offer() {
    const { sdp = "" } = await this.#peer.createOffer();
    const resending = sdp.replace(/^a=rtpmap:(\d+) opus\/48000\/2\r\n/gim, (line, type) => `${line}a=rtcp-fb:${type} nack\r\n`);
    try {
      await this.#peer.setLocalDescription({ type: "offer", sdp: resending });
    } catch {
      await this.#peer.setLocalDescription();
    }
  }

  /**
   * Publish anew into the same session.
   * @returns {Promise<boolean>} false: it has ended, or is out of reach for too long
   */
  async #resume() {
    const until = performance.now() + RESUMING_MS;
    const backoff = new Backoff();
    while (this.#token && performance.now() < until && !this.#finished.signal.aborted) {
      this.#peer.close();
      this.#peer = new RTCPeerConnection();
      const status = await this.#publish().catch(() => 0);
      if (this.#finished.signal.aborted) {
        await this.finish();
        return false;
      }
      if (this.#peer.connectionState === "connected") return true;
      if (status >= 400 && status < 500) return false;
      await pause(backoff.next(), this.#finished.signal);
    }
    return false;
  }

  /**
   * Wait until the connection is lost for good, or for longer than it is worth to wait.
   * @returns {Promise<"broken">}
   */
  #broken() {
    const peer = this.#peer;
    return new Promise((resolve) => {
      let timer = 0;
      const look = () => {
        clearTimeout(timer);
        if (peer.connectionState === "failed" || peer.connectionState === "closed") resolve("broken");
        else if (peer.connectionState === "disconnected") timer = setTimeout(() => resolve("broken"), PATIENCE_MS);
      };
      peer.addEventListener("connectionstatechange", look);
      this.#finished.signal.addEventListener("abort", () => resolve("broken"));
      look();
    });
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
    if (this.#token) query.set("session", this.session);
    return query;
  }
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
