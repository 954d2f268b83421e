/**
 * Speaking by WebRTC (WHIP, RFC 9725): a tenth of the bytes, for weak networks. What is lost on the
 * way is a gap; where nothing may be lost, `LiveSpeaker` is the way.
 *
 * @typedef {import("./messages.js").ServerMessage} ServerMessage
 * @typedef {import("./messages.js").Start} Start
 */

import { LiveWatch } from "./live.js";

const GATHERING_MS = 2_000;
const CONNECTING_MS = 8_000;

export class WhipSpeaker {
  session = "";
  #stream;
  #start;
  #onMessage;
  #location = "";
  #peer = new RTCPeerConnection();

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
      this.session = answer.headers.get("Greffier-Session") ?? "";
      await this.#peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
      await settled(this.#peer, "connectionstatechange", CONNECTING_MS, () => this.#peer.connectionState === "connected");
    } catch {
      // Whatever it was, there is another way.
    }
    if (this.#peer.connectionState === "connected") return true;
    await this.finish();
    return false;
  }

  /**
   * Follow the session to its end.
   * @returns {Promise<"ended" | "failed">} `failed`: the connection broke while it was live
   */
  async run() {
    const watch = new LiveWatch({ session: this.session, onMessage: this.#onMessage });
    const broken = new Promise((resolve) => {
      this.#peer.addEventListener("connectionstatechange", () => {
        if (this.#peer.connectionState === "failed") resolve("failed");
      });
    });
    const outcome = await Promise.race([watch.run().then(() => "ended"), broken]);
    if (outcome === "ended") return "ended";
    watch.close();
    await this.finish();
    return "failed";
  }

  /** No more will be said. */
  async finish() {
    this.#peer.close();
    if (!this.#location) return;
    const location = this.#location;
    this.#location = "";
    await fetch(location, { method: "DELETE", credentials: "same-origin" }).catch(() => undefined);
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
