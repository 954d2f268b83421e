/** The picture of the sound: the whole session as stretches of speech, and a minute as a wave. */

import { get } from "../core/api.js";
import { h } from "../core/dom.js";
import { clock, t } from "../core/i18n.js";

const SPAN_MS = 60_000;
const POINTS = 600;

/** @typedef {import("./model.js").Segment} Segment */
/** @typedef {import("./player.js").Player} Player */

export class Wave {
  /**
   * @param {string} session
   * @param {Player} player
   * @param {() => Iterable<Segment>} segments
   */
  constructor(session, player, segments) {
    this.session = session;
    this.player = player;
    this.segments = segments;
    this.whole = h("canvas", { class: "wave__whole", "aria-hidden": "true" });
    this.part = h("canvas", { class: "wave__part", "aria-hidden": "true" });
    this.slider = h("input", {
      class: "wave__slider",
      type: "range",
      min: 0,
      max: Math.max(1, player.durationMs),
      step: 100,
      value: 0,
      "aria-label": t("record.position"),
      oninput: () => void player.seek(Number(this.slider.value)),
    });
    this.element = h(
      "div",
      { class: "wave" },
      this.part,
      h("div", { class: "wave__line" }, this.whole, this.slider),
    );
    /** @type {{fromMs: number, toMs: number, peaks: number[]} | null} */
    this.outline = null;
    this.part.hidden = !player.kept;
    this.askedFor = -1;
    this.awake = false;
    this.part.addEventListener("click", (event) => {
      const box = this.part.getBoundingClientRect();
      const span = Math.min(SPAN_MS, player.durationMs || SPAN_MS);
      void player.seek(this.#fromMs() + ((event.clientX - box.left) / box.width) * span);
    });
    player.addEventListener("move", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.element);
    new MutationObserver(() => this.draw()).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });
  }

  /** The text is there: now the sound may be looked at. */
  wake() {
    this.awake = true;
    this.draw();
  }

  draw() {
    const at = this.player.positionMs;
    if (document.activeElement !== this.slider || !this.slider.matches(":active")) {
      this.slider.value = String(at);
    }
    this.slider.setAttribute("aria-valuetext", clock(at));
    this.#whole(at);
    this.#part(at);
    void this.#fetch();
  }

  #fromMs() {
    const last = Math.max(0, this.player.durationMs - SPAN_MS);
    const page = Math.floor(this.player.positionMs / (SPAN_MS / 2)) * (SPAN_MS / 2);
    return Math.min(last, Math.max(0, page - SPAN_MS / 4));
  }

  async #fetch() {
    const fromMs = this.#fromMs();
    if (!this.awake || this.askedFor === fromMs || this.player.durationMs === 0 || !this.player.kept) return;
    this.askedFor = fromMs;
    const found = await get(
      `/v1/sessions/${this.session}/waveform?from_ms=${fromMs}&to_ms=${fromMs + SPAN_MS}&points=${POINTS}`,
    ).catch(() => null);
    if (this.askedFor !== fromMs) return;
    this.outline = found && { fromMs, toMs: found.to_ms, peaks: found.peaks };
    this.part.hidden = !found;
    this.draw();
  }

  /** @param {number} at */
  #whole(at) {
    const { context, width, height } = prepare(this.whole);
    if (!context) return;
    const scale = width / Math.max(1, this.player.durationMs);
    context.fillStyle = colour("--line");
    context.fillRect(0, height / 2 - 0.5, width, 1);
    context.fillStyle = colour("--line-strong");
    for (const segment of this.segments()) {
      const wide = Math.max(1, (segment.endMs - segment.startMs) * scale);
      context.fillRect(segment.startMs * scale, height * 0.25, wide, height * 0.5);
    }
    context.fillStyle = colour("--accent");
    context.fillRect(at * scale - 1, 0, 2, height);
  }

  /** @param {number} at */
  #part(at) {
    const { context, width, height } = prepare(this.part);
    const outline = this.outline;
    if (!context || !outline) return;
    const span = Math.min(SPAN_MS, this.player.durationMs);
    const step = (width / span) * (SPAN_MS / POINTS);
    const before = colour("--accent");
    const after = colour("--line-strong");
    outline.peaks.forEach((peak, index) => {
      const ms = outline.fromMs + (index * SPAN_MS) / POINTS;
      const high = Math.max(1, (Math.sqrt(peak / 100) * height) / 1.1);
      context.fillStyle = ms <= at ? before : after;
      context.fillRect(index * step, (height - high) / 2, Math.max(1, step - 0.6), high);
    });
    context.fillStyle = colour("--ink");
    context.fillRect(((at - outline.fromMs) / span) * width - 1, 0, 2, height);
  }
}

/** @param {HTMLCanvasElement} canvas */
function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  context?.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** @param {string} token */
function colour(token) {
  return getComputedStyle(document.documentElement).getPropertyValue(token).trim();
}
