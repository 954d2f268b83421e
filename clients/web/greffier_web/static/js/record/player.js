/** Plays any stretch of a recording: sound comes in pieces of a minute and a half, ahead of need. */

import { h } from "../core/dom.js";
import { clock, t } from "../core/i18n.js";

const PIECE_MS = 90_000;
const AHEAD_MS = 20_000;
const LEAD_MS = 120;
const SPEEDS = [0.75, 1, 1.25, 1.5, 2];

/**
 * @typedef {object} Stretch
 * @property {number} fromMs
 * @property {number} toMs
 * @property {string} address of a blob
 */

export class Player extends EventTarget {
  /**
   * @param {string} session
   * @param {number} durationMs
   * @param {boolean} kept whether there is a recording
   */
  constructor(session, durationMs, kept) {
    super();
    this.session = session;
    this.durationMs = durationMs;
    this.audio = h("audio", { preload: "auto" });
    this.kept = kept;
    /** @type {Map<number, Promise<Stretch | null>>} */
    this.stretches = new Map();
    /** @type {Stretch | null} */
    this.stretch = null;
    this.wantedMs = 0;
    /** Where playing stops by itself; null = at the end. @type {number | null} */
    this.stopMs = null;
    this.asked = 0;
    this.audio.addEventListener("timeupdate", () => this.#moved());
    this.audio.addEventListener("ended", () => this.#goOn());
    for (const name of ["play", "pause"]) {
      this.audio.addEventListener(name, () => this.dispatchEvent(new Event("state")));
    }
  }

  get positionMs() {
    if (!this.stretch) return this.wantedMs;
    return this.stretch.fromMs + Math.round(this.audio.currentTime * 1000);
  }

  get playing() {
    return !this.audio.paused;
  }

  /**
   * Play from a place.
   * @param {number} ms
   * @param {number | null} [stopMs]
   */
  async play(ms, stopMs = null) {
    await this.seek(ms - LEAD_MS);
    this.stopMs = stopMs;
    if (this.stretch) await this.audio.play().catch(() => undefined);
  }

  /** Play or pause, where it stands. */
  async toggle() {
    if (this.playing) {
      this.audio.pause();
      return;
    }
    this.stopMs = null;
    if (!this.stretch) await this.seek(this.wantedMs);
    if (this.stretch) await this.audio.play().catch(() => undefined);
  }

  /**
   * Go to a place without beginning to play.
   * @param {number} ms
   */
  async seek(ms) {
    const at = Math.max(0, Math.min(ms, Math.max(0, this.durationMs - 200)));
    this.wantedMs = at;
    this.asked += 1;
    const turn = this.asked;
    this.dispatchEvent(new Event("move"));
    const stretch = await this.#fetch(Math.floor(at / PIECE_MS));
    if (turn !== this.asked) return; // somewhere else was asked for meanwhile
    if (!stretch) {
      this.audio.pause();
      return;
    }
    await this.#load(stretch);
    this.audio.currentTime = (at - stretch.fromMs) / 1000;
    this.dispatchEvent(new Event("move"));
  }

  /** @param {number} rate */
  setRate(rate) {
    this.audio.defaultPlaybackRate = rate;
    this.audio.playbackRate = rate;
  }

  /** @param {Stretch} stretch */
  async #load(stretch) {
    if (this.stretch === stretch) return;
    const went = this.playing;
    this.stretch = stretch;
    this.audio.src = stretch.address;
    this.audio.dataset.fromMs = String(stretch.fromMs);
    await new Promise((done) => {
      this.audio.addEventListener("loadedmetadata", done, { once: true });
      this.audio.addEventListener("error", done, { once: true });
    });
    if (went) await this.audio.play().catch(() => undefined);
  }

  #moved() {
    this.wantedMs = this.positionMs;
    this.dispatchEvent(new Event("move"));
    if (this.stopMs !== null && this.positionMs >= this.stopMs) {
      this.stopMs = null;
      this.audio.pause();
    }
    if (this.stretch && this.positionMs > this.stretch.toMs - AHEAD_MS) {
      void this.#fetch(Math.floor(this.stretch.toMs / PIECE_MS));
    }
  }

  async #goOn() {
    const next = this.stretch?.toMs ?? this.durationMs;
    if (next >= this.durationMs - 200) return;
    await this.seek(next);
    if (this.stretch) await this.audio.play().catch(() => undefined);
  }

  /** @param {number} number @returns {Promise<Stretch | null>} */
  #fetch(number) {
    if (!this.kept) return Promise.resolve(null);
    const known = this.stretches.get(number);
    if (known) return known;
    const fromMs = number * PIECE_MS;
    const toMs = fromMs + PIECE_MS;
    const coming = fetch(
      `/v1/sessions/${this.session}/audio?from_ms=${fromMs}&to_ms=${toMs}`,
      { credentials: "same-origin" },
    )
      .then(async (answer) => {
        if (!answer.ok) throw new Error(String(answer.status));
        const address = URL.createObjectURL(await answer.blob());
        return { fromMs, toMs, address };
      })
      .catch(() => {
        this.stretches.delete(number); // it may come later: the session may be live
        this.dispatchEvent(new Event("silent"));
        return null;
      });
    this.stretches.set(number, coming);
    this.#forget(number);
    return coming;
  }

  /** Keep a few pieces: one takes three megabytes. @param {number} near */
  #forget(near) {
    for (const [number, coming] of this.stretches) {
      if (this.stretches.size <= 6) return;
      if (Math.abs(number - near) < 3) continue;
      this.stretches.delete(number);
      void coming.then((old) => {
        if (old && old !== this.stretch) URL.revokeObjectURL(old.address);
      });
    }
  }
}

/** A select of speeds. @param {Player} player */
export function speedSelect(player) {
  return h(
    "select",
    {
      class: "select select--small",
      "aria-label": t("record.speed"),
      onchange: (event) => player.setRate(Number(event.target.value)),
    },
    ...SPEEDS.map((speed) =>
      h("option", { value: speed, selected: speed === 1 }, `${speed.toLocaleString()} ×`),
    ),
  );
}

/** A place and the length. @param {number} ms @param {number} durationMs */
export function place(ms, durationMs) {
  return `${clock(ms)} / ${clock(durationMs)}`;
}
