/** The transcript as it is read: segments with words to hear, doubts to see, and fields to correct. */

import { h } from "../core/dom.js";
import { clock, direction, has, languageName, number, t } from "../core/i18n.js";
import { textOf } from "./model.js";

/** @typedef {import("./model.js").Segment} Segment */
/** @typedef {import("./model.js").Piece} Piece */

const DOUBT = 50;

/**
 * What the page does with what people ask for.
 * @typedef {object} Acts
 * @property {(ms: number) => void} hear
 * @property {(segment: Segment, text: string) => Promise<boolean>} correct
 * @property {(segment: Segment, language: string, text: string) => Promise<boolean>} translate
 * @property {(segment: Segment) => void} rename
 */

export class TranscriptView {
  /**
   * @param {HTMLElement} list
   * @param {Acts} acts
   */
  constructor(list, acts) {
    this.list = list;
    this.acts = acts;
    /** @type {Map<number, {segment: Segment, element: HTMLElement}>} */
    this.shown = new Map();
    this.beside = "";
    /** @type {number[]} */
    this.order = [];
    this.activeId = 0;
    this.playingId = 0;
    // Four hours are forty thousand words: a word becomes an element when it comes near.
    this.near = new IntersectionObserver(
      (seen) => {
        for (const { target, isIntersecting } of seen) {
          if (isIntersecting) this.#spell(target);
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
  }

  /**
   * Show everything anew.
   * @param {Segment[]} segments
   * @param {{start_ms: number, end_ms: number, reason: string, text: string}[]} withheld
   * @param {{from_ms: number, lost_ms: number, cause: string}[]} gaps
   */
  fill(segments, withheld, gaps) {
    this.shown.clear();
    this.near.disconnect();
    this.order = segments.map((segment) => segment.id);
    /** @type {{at: number, element: HTMLElement}[]} */
    const rows = segments.map((segment) => ({ at: segment.startMs, element: this.#row(segment) }));
    for (const doubt of withheld) {
      rows.push({ at: doubt.start_ms, element: this.#withheld(doubt) });
    }
    for (const gap of gaps) rows.push({ at: gap.from_ms, element: missing(gap) });
    rows.sort((one, other) => one.at - other.at);
    this.list.replaceChildren(...rows.map((row) => row.element));
    const first = this.order[0];
    if (first !== undefined) this.#activate(this.shown.has(this.activeId) ? this.activeId : first, false);
  }

  /**
   * Show a segment that is new, or has changed.
   * @param {Segment} segment
   */
  put(segment) {
    const known = this.shown.get(segment.id);
    const element = this.#row(segment);
    if (known) {
      if (known.element.contains(document.activeElement)) {
        const inField = document.activeElement instanceof HTMLTextAreaElement;
        if (inField) return; // somebody writes here; what they save is checked by the server
        known.element.replaceWith(element);
        element.focus({ preventScroll: true });
      } else known.element.replaceWith(element);
      return;
    }
    this.order.push(segment.id);
    this.list.append(element);
  }

  /** @param {string} language */
  setBeside(language) {
    this.beside = language;
    this.list.classList.toggle("segments--beside", language !== "");
    for (const { segment, element } of [...this.shown.values()]) {
      element.replaceWith(this.#row(segment));
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
    if (playing) this.#spell(playing.element);
    const index = playing?.segment.pieces.findIndex((p) => p.startMs <= ms && ms < p.endMs + 60);
    if (playing && index !== undefined && index >= 0) {
      playing.element.querySelector(`[data-piece="${index}"]`)?.classList.add("word--playing");
    }
  }

  /** Bring a segment into view and mark it. @param {number} id */
  show(id) {
    const found = this.shown.get(id);
    if (!found) return;
    this.#activate(id, false);
    found.element.scrollIntoView({ block: "center" });
  }

  /** @param {number} ms */
  #at(ms) {
    let found = 0;
    for (const { segment } of this.shown.values()) {
      if (segment.startMs <= ms && ms < segment.endMs + 1500) found = segment.id;
    }
    return found;
  }

  /** @param {Segment} segment */
  #row(segment) {
    const element = h(
      "li",
      {
        class: `segment${segment.confirmed ? "" : " segment--unconfirmed"}`,
        "data-segment": segment.id,
        tabindex: segment.id === this.activeId ? 0 : -1,
      },
      h(
        "div",
        { class: "segment__margin" },
        h(
          "button",
          {
            class: "segment__time number",
            type: "button",
            tabindex: -1,
            "data-act": "hear",
            "aria-label": t("record.hear-from", { time: clock(segment.startMs) }),
          },
          clock(segment.startMs),
        ),
        h(
          "button",
          {
            class: segment.speaker ? "segment__speaker" : "segment__speaker segment__speaker--unknown",
            type: "button",
            tabindex: -1,
            "data-act": "rename",
            "aria-label": t("record.rename-of", { name: nameOf(segment) }),
          },
          nameOf(segment),
        ),
      ),
      h(
        "div",
        { class: "segment__body" },
        h(
          "p",
          { class: "segment__words", lang: segment.language, dir: direction(segment.language) },
          textOf(segment),
        ),
        segment.confirmed ? null : h("p", { class: "hint" }, t("record.unconfirmed")),
      ),
      h(
        "button",
        {
          class: "segment__edit",
          type: "button",
          tabindex: -1,
          "data-act": "edit",
          "aria-label": t("record.correct-at", { time: clock(segment.startMs) }),
        },
        "✎",
      ),
      this.beside ? this.#translation(segment) : null,
    );
    if (segment.id === this.playingId) element.classList.add("segment--playing");
    this.shown.set(segment.id, { segment, element });
    this.near.observe(element);
    return element;
  }

  /** Make elements of a row's words. @param {Element} row */
  #spell(row) {
    this.near.unobserve(row);
    const found = this.shown.get(Number(row.getAttribute("data-segment")));
    const place = row.querySelector(".segment__words");
    if (!found || found.element !== row || !place || row.hasAttribute("data-spelt")) return;
    row.setAttribute("data-spelt", "");
    place.replaceChildren(...found.segment.pieces.flatMap((piece, index) => word(piece, index)));
  }

  /** @param {Segment} segment */
  #translation(segment) {
    const translated = segment.translations[this.beside];
    if (!translated) return h("p", { class: "segment__translation hint" }, "…");
    return h(
      "div",
      { class: "segment__translation" },
      h(
        "p",
        { lang: this.beside, dir: direction(this.beside), "data-translation": true },
        translated.text,
      ),
      translated.dated ? h("p", { class: "hint hint--warn" }, t("record.dated")) : null,
      translated.corrected ? h("p", { class: "hint" }, t("record.corrected")) : null,
      h(
        "button",
        {
          class: "segment__edit segment__edit--translation",
          type: "button",
          tabindex: -1,
          "data-act": "edit-translation",
          "aria-label": t("record.correct-translation", { time: clock(segment.startMs) }),
        },
        "✎",
      ),
    );
  }

  /** @param {{start_ms: number, end_ms: number, reason: string, text: string}} doubt */
  #withheld(doubt) {
    return h(
      "li",
      { class: "aside aside--withheld" },
      h(
        "button",
        {
          class: "segment__time number",
          type: "button",
          "aria-label": t("record.hear-from", { time: clock(doubt.start_ms) }),
          onclick: () => this.acts.hear(doubt.start_ms),
        },
        clock(doubt.start_ms),
      ),
      h(
        "div",
        {},
        h("p", { class: "aside__what" }, t("record.withheld", { reason: reasonOf(doubt.reason) })),
        doubt.text ? h("details", {}, h("summary", {}, t("record.withheld.show")), h("p", {}, doubt.text)) : null,
      ),
    );
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
      now.focus({ preventScroll: true });
      now.scrollIntoView({ block: "nearest" });
    }
  }

  /**
   * @param {{segment: Segment, element: HTMLElement}} found
   * @param {number} piece where to put the cursor
   */
  #edit(found, piece) {
    const { segment, element } = found;
    const at = segment.pieces
      .slice(0, piece)
      .map((one) => one.text)
      .join("")
      .trim().length;
    this.#write({
      row: element,
      place: element.querySelector(".segment__words"),
      label: t("record.correct-at", { time: clock(segment.startMs) }),
      current: () => textOf(segment),
      cursor: at + (piece ? 1 : 0),
      language: segment.language,
      save: (text) => this.acts.correct(segment, text),
      done: () => this.#again(segment),
    });
  }

  /** @param {{segment: Segment, element: HTMLElement}} found */
  #editTranslation({ segment, element }) {
    const translated = segment.translations[this.beside];
    if (!translated?.closed) return;
    this.#write({
      row: element,
      place: element.querySelector("[data-translation]"),
      label: t("record.correct-translation", { time: clock(segment.startMs) }),
      current: () => translated.text,
      cursor: 0,
      language: this.beside,
      save: (text) => this.acts.translate(segment, this.beside, text),
      done: () => this.#again(segment),
    });
  }

  /** @param {Segment} segment */
  #again(segment) {
    const known = this.shown.get(segment.id);
    const element = this.#row(segment);
    known?.element.replaceWith(element);
    this.#activate(segment.id, true);
  }

  /**
   * @param {object} field
   * @param {HTMLElement} field.row
   * @param {Element | null} field.place
   * @param {string} field.label
   * @param {() => string} field.current what stands there now: others correct, too
   * @param {number} field.cursor
   * @param {string} field.language
   * @param {(text: string) => Promise<boolean>} field.save
   * @param {() => void} field.done
   */
  #write({ row, place, label, current, cursor, language, save, done }) {
    if (!place || row.querySelector("textarea")) return;
    let before = current();
    const changed = h("p", { class: "notice notice--warn", role: "alert", hidden: true });
    const area = h("textarea", {
      class: "textarea segment__field",
      "aria-label": label,
      lang: language,
      dir: direction(language),
      rows: Math.min(6, 1 + Math.ceil(before.length / 70)),
      spellcheck: "true",
      maxlength: 2000,
    });
    area.value = before;
    const finish = async () => {
      if (current() !== before) {
        before = current();
        changed.textContent = t("record.changed", { text: before });
        changed.hidden = false;
        return;
      }
      area.disabled = true;
      if (area.value.trim() === before.trim() || (await save(area.value))) done();
      else {
        area.disabled = false;
        area.focus();
      }
    };
    const form = h(
      "form",
      {
        class: "segment__form",
        onsubmit: (event) => {
          event.preventDefault();
          void finish();
        },
        onkeydown: (event) => {
          event.stopPropagation();
          if (event.key === "Escape") done();
          if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            void finish();
          }
        },
      },
      area,
      changed,
      h(
        "div",
        { class: "row" },
        h("button", { class: "button button--small" }, t("record.save")),
        h(
          "button",
          { class: "button button--small button--quiet", type: "button", onclick: done },
          t("common.cancel"),
        ),
        h("span", { class: "hint" }, t("record.edit-hint")),
      ),
    );
    place.replaceWith(form);
    area.focus();
    area.setSelectionRange(cursor, cursor);
  }
}

/** @param {Segment} segment */
export function nameOf(segment) {
  if (!segment.speaker) return t("record.nobody");
  return /^\d+$/.test(segment.speaker)
    ? t("record.voice", { number: segment.speaker })
    : segment.speaker;
}

/** @param {Piece} piece @param {number} index */
function word(piece, index) {
  const corrected = piece.heard !== null;
  const doubt = !corrected && piece.percent < DOUBT;
  const kind = corrected ? " word--corrected" : doubt ? " word--doubt" : "";
  const title = corrected
    ? t("record.heard", { text: piece.heard ?? "" })
    : doubt
      ? t("record.doubt", { percent: number(piece.percent) })
      : null;
  const text = piece.text.trimStart();
  const span = h("span", { class: `word${kind}`, "data-piece": index, title }, text);
  return text === piece.text || index === 0 ? [span] : [" ", span];
}

/** @param {{from_ms: number, lost_ms: number, cause: string}} gap */
function missing(gap) {
  const seconds = number(gap.lost_ms / 1000, { maximumFractionDigits: 1 });
  return h(
    "li",
    { class: "aside aside--gap" },
    h("span", { class: "segment__time number" }, clock(gap.from_ms)),
    h("p", { class: "aside__what" }, t("record.gap", { seconds, cause: causeOf(gap.cause) })),
  );
}

/** @param {string} reason */
function reasonOf(reason) {
  return has(`record.reason.${reason}`) ? t(`record.reason.${reason}`) : reason;
}

/** @param {string} cause */
function causeOf(cause) {
  return has(`record.cause.${cause}`) ? t(`record.cause.${cause}`) : cause;
}

/** @param {EventTarget | null} target */
function rowOf(target) {
  if (!(target instanceof Element)) return null;
  const row = target.closest("[data-segment]");
  return row instanceof HTMLElement ? row : null;
}

/** The name of a language for a select. @param {string} code */
export const languageOption = (code) => h("option", { value: code }, languageName(code));
