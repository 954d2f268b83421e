/** The transcript as it is read: passages in order of time, moved through by mouse, finger and keyboard. */

import { clock, t } from "../core/i18n.js";
import { textOf } from "./model.js";
import { doubtIn, furnish, gapRow, isWhole, plainRow, rowOf, withheldRow } from "./row.js";
import { writeIn } from "./writing.js";

/** @typedef {import("./model.js").Segment} Segment */

/**
 * What the page does with what people ask for.
 * @typedef {object} Acts
 * @property {(ms: number, stopMs?: number) => void} hear
 * @property {(segment: Segment, text: string) => Promise<boolean>} correct
 * @property {(segment: Segment, language: string, text: string) => Promise<boolean>} translate
 * @property {(segment: Segment) => void} rename
 *
 * @typedef {{segment: Segment, element: HTMLElement}} Shown
 *
 * @typedef {object} Doubt a place that is worth hearing again
 * @property {number} atMs
 * @property {number} endMs
 * @property {() => void} show
 */

/** Rows on the first screen have all their parts before it is painted. */
const FIRST = 16;
const AFTER_MS = 800;
/** Rows around one that is gone to have their height before. */
const AROUND = 10;
/** So long it is held in view while rows come near and take their height. */
const FRAMES = 8;

export class TranscriptView {
  /**
   * @param {HTMLElement} list
   * @param {Acts} acts
   */
  constructor(list, acts) {
    this.list = list;
    this.acts = acts;
    /** @type {Map<number, Shown>} */
    this.shown = new Map();
    this.beside = "";
    /** @type {number[]} */
    this.order = [];
    this.activeId = 0;
    this.playingId = 0;
    /** Rows between the passages that have no place yet, by time. @type {{at: number, element: HTMLElement}[]} */
    this.asides = [];
    /** @type {{start_ms: number, end_ms: number}[]} */
    this.withheld = [];
    this.near = new IntersectionObserver(
      (seen) => {
        for (const { target, isIntersecting } of seen) {
          if (isIntersecting && target instanceof HTMLElement) this.#furnish(target);
        }
      },
      { rootMargin: "600px" },
    );
    list.addEventListener("click", (event) => this.#clicked(event));
    list.addEventListener("dblclick", (event) => this.#doubleClicked(event));
    list.addEventListener("keydown", (event) => this.#pressed(event));
    list.addEventListener("focusin", (event) => {
      const row = rowOf(event.target);
      if (row) this.#activate(Number(row.dataset.segment), false);
    });
    window.addEventListener("beforeprint", () => {
      for (const { element } of this.shown.values()) this.#furnish(element);
    });
  }

  /**
   * What is between the passages; told before them.
   * @param {{start_ms: number, end_ms: number, reason: string, text: string}[]} withheld
   * @param {{from_ms: number, lost_ms: number, cause: string}[]} gaps
   */
  between(withheld, gaps) {
    this.withheld = withheld;
    this.asides = [
      ...withheld.map((doubt) => ({
        at: doubt.start_ms,
        element: withheldRow(doubt, () => this.acts.hear(doubt.start_ms, doubt.end_ms + AFTER_MS)),
      })),
      ...gaps.map((gap) => ({ at: gap.from_ms, element: gapRow(gap) })),
    ].sort((one, other) => one.at - other.at);
  }

  /**
   * Show further passages, in order of time.
   * @param {Segment[]} segments
   */
  add(segments) {
    /** @type {HTMLElement[]} */
    const rows = [];
    for (const segment of segments) {
      while (this.asides[0] && this.asides[0].at < segment.startMs) this.#aside(rows);
      this.order.push(segment.id);
      const row = this.#row(segment);
      if (this.order.length <= FIRST) this.#furnish(row);
      rows.push(row);
    }
    this.list.append(...rows);
    if (!this.activeId && this.order[0] !== undefined) this.#activate(this.order[0], false);
  }

  /** All passages are there: so is what comes behind the last one. */
  end() {
    /** @type {HTMLElement[]} */
    const rows = [];
    while (this.asides.length) this.#aside(rows);
    this.list.append(...rows);
  }

  /**
   * Show a segment that is new, or has changed.
   * @param {Segment} segment
   */
  put(segment) {
    const known = this.shown.get(segment.id);
    if (!known) {
      this.order.push(segment.id);
      this.list.append(this.#row(segment));
      return;
    }
    const held = known.element.contains(document.activeElement);
    if (held && document.activeElement instanceof HTMLTextAreaElement) {
      known.segment = segment;
      return; // somebody writes here; what they save is checked by the server
    }
    const element = this.#again(known, segment);
    if (held) element.focus({ preventScroll: true });
  }

  /** @param {string} language */
  setBeside(language) {
    this.beside = language;
    this.list.classList.toggle("segments--beside", language !== "");
    for (const known of [...this.shown.values()]) {
      if (isWhole(known.element)) this.#again(known, known.segment);
    }
  }

  /**
   * Mark what is heard now.
   * @param {number} ms
   * @param {boolean} follow bring it into view
   */
  mark(ms, follow) {
    const id = this.#at(ms);
    if (id !== this.playingId) {
      this.shown.get(this.playingId)?.element.classList.remove("segment--playing");
      this.playingId = id;
      const now = this.shown.get(id);
      now?.element.classList.add("segment--playing");
      if (follow && now) now.element.scrollIntoView({ block: "nearest" });
    }
    this.list.querySelector(".word--playing")?.classList.remove("word--playing");
    const playing = this.shown.get(id);
    if (playing) this.#furnish(playing.element);
    const index = playing?.segment.pieces.findIndex((p) => p.startMs <= ms && ms < p.endMs + 60);
    if (playing && index !== undefined && index >= 0) {
      playing.element.querySelector(`[data-piece="${index}"]`)?.classList.add("word--playing");
    }
  }

  /** Bring a segment into view and mark it. @param {number} id */
  show(id) {
    const found = this.shown.get(id);
    if (!found) return;
    const place = this.order.indexOf(id);
    for (const near of this.order.slice(Math.max(0, place - AROUND), place + AROUND)) {
      const row = this.shown.get(near)?.element;
      if (row) this.#furnish(row);
    }
    this.#activate(id, false);
    centre(found.element, FRAMES);
  }

  /** Places that are worth hearing again: uncertain words, and what was withheld; in order of time. */
  doubts() {
    /** @type {Doubt[]} */
    const found = [];
    for (const { segment } of this.shown.values()) {
      const doubt = doubtIn(segment);
      if (doubt) {
        const { startMs: atMs } = doubt;
        found.push({ atMs, endMs: segment.endMs + AFTER_MS, show: () => this.#point(segment.id) });
      }
    }
    for (const { start_ms: atMs, end_ms } of this.withheld) {
      found.push({ atMs, endMs: end_ms + AFTER_MS, show: () => this.#pointAside(atMs) });
    }
    return found.sort((one, other) => one.atMs - other.atMs);
  }

  /** @param {number} id */
  #point(id) {
    this.show(id);
    this.shown.get(id)?.element.focus({ preventScroll: true });
  }

  /** @param {number} atMs */
  #pointAside(atMs) {
    const row = this.list.querySelector(`.aside--withheld[data-at="${atMs}"]`);
    if (!(row instanceof HTMLElement)) return;
    const text = row.querySelector("details");
    if (text) text.open = true;
    row.scrollIntoView({ block: "center" });
    row.focus({ preventScroll: true });
  }

  /** @param {number} ms */
  #at(ms) {
    let found = 0;
    for (const { segment } of this.shown.values()) {
      if (segment.startMs <= ms && ms < segment.endMs + 1500) found = segment.id;
    }
    return found;
  }

  /** @param {HTMLElement[]} rows */
  #aside(rows) {
    const next = this.asides.shift();
    if (next) rows.push(next.element);
  }

  /** @param {Segment} segment */
  #row(segment) {
    const element = plainRow(segment);
    if (segment.id === this.activeId) element.tabIndex = 0;
    if (segment.id === this.playingId) element.classList.add("segment--playing");
    this.shown.set(segment.id, { segment, element });
    this.near.observe(element);
    return element;
  }

  /** @param {Shown} known @param {Segment} segment */
  #again(known, segment) {
    const element = this.#row(segment);
    if (isWhole(known.element)) this.#furnish(element);
    known.element.replaceWith(element);
    this.near.unobserve(known.element);
    return element;
  }

  /** @param {HTMLElement} row */
  #furnish(row) {
    this.near.unobserve(row);
    const found = this.shown.get(Number(row.dataset.segment));
    if (found?.element === row && !isWhole(row)) furnish(row, found.segment, this.beside);
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const target = event.target;
    if (!(target instanceof Element)) return;
    const row = rowOf(target);
    const found = row && this.shown.get(Number(row.dataset.segment));
    if (!found) return;
    const act = target.closest("[data-act]")?.getAttribute("data-act");
    if (act === "hear") this.acts.hear(found.segment.startMs);
    else if (act === "rename") this.acts.rename(found.segment);
    else if (act === "edit") this.#edit(found, 0);
    else if (act === "edit-translation") this.#editTranslation(found);
    else {
      const one = target.closest("[data-piece]");
      const piece = one && found.segment.pieces[Number(one.getAttribute("data-piece"))];
      if (piece && String(getSelection()) === "") this.acts.hear(piece.startMs);
    }
  }

  /** @param {MouseEvent} event */
  #doubleClicked(event) {
    const target = event.target;
    const row = rowOf(target);
    const found = row && this.shown.get(Number(row.dataset.segment));
    if (!found || !(target instanceof Element)) return;
    if (target.closest("[data-translation]")) this.#editTranslation(found);
    const one = target.closest("[data-piece]");
    if (one) this.#edit(found, Number(one.getAttribute("data-piece")));
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const row = rowOf(event.target);
    if (!row || event.target instanceof HTMLTextAreaElement) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const id = Number(row.dataset.segment);
    const found = this.shown.get(id);
    if (!found) return;
    const inRow = event.target === row;
    switch (event.key) {
      case "ArrowDown":
        this.#step(id, 1);
        break;
      case "ArrowUp":
        this.#step(id, -1);
        break;
      case "Home":
        this.#activate(this.order[0] ?? id, true);
        break;
      case "End":
        this.#activate(this.order.at(-1) ?? id, true);
        break;
      case "Enter":
        if (!inRow) return;
        this.acts.hear(found.segment.startMs);
        break;
      case "e":
        this.#edit(found, 0);
        break;
      case "t":
        if (!this.beside) return;
        this.#editTranslation(found);
        break;
      case "n":
        this.acts.rename(found.segment);
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {number} id @param {number} by */
  #step(id, by) {
    const next = this.order[this.order.indexOf(id) + by];
    if (next !== undefined) this.#activate(next, true);
  }

  /** @param {number} id @param {boolean} focus */
  #activate(id, focus) {
    const before = this.shown.get(this.activeId)?.element;
    if (before) before.tabIndex = -1;
    this.activeId = id;
    const now = this.shown.get(id)?.element;
    if (!now) return;
    now.tabIndex = 0;
    if (focus) {
      this.#furnish(now);
      now.focus({ preventScroll: true });
      now.scrollIntoView({ block: "nearest" });
    }
  }

  /** @param {Shown} found @param {number} piece where to put the cursor */
  #edit(found, piece) {
    const { segment, element } = found;
    this.#furnish(element);
    const at = segment.pieces
      .slice(0, piece)
      .map((one) => one.text)
      .join("")
      .trim().length;
    writeIn({
      row: element,
      place: element.querySelector(".segment__words"),
      label: t("record.correct-at", { time: clock(segment.startMs) }),
      current: () => textOf(this.shown.get(segment.id)?.segment ?? segment),
      cursor: at + (piece ? 1 : 0),
      language: segment.language,
      save: (text) => this.acts.correct(segment, text),
      done: () => this.#written(found),
    });
  }

  /** @param {Shown} found */
  #editTranslation(found) {
    const { segment, element } = found;
    const translated = segment.translations[this.beside];
    if (!translated?.closed) return;
    writeIn({
      row: element,
      place: element.querySelector("[data-translation]"),
      label: t("record.correct-translation", { time: clock(segment.startMs) }),
      current: () => translated.text,
      cursor: 0,
      language: this.beside,
      save: (text) => this.acts.translate(segment, this.beside, text),
      done: () => this.#written(found),
    });
  }

  /** The field goes; what stands there now comes. @param {Shown} found */
  #written(found) {
    const known = this.shown.get(found.segment.id);
    if (!known) return;
    this.#again(known, known.segment);
    this.#activate(known.segment.id, true);
  }
}

/** Bring a row to the middle, and keep it there for some frames. @param {Element} row @param {number} frames */
function centre(row, frames) {
  if (!row.isConnected) return;
  row.scrollIntoView({ block: "center" });
  if (frames > 0) requestAnimationFrame(() => centre(row, frames - 1));
}
