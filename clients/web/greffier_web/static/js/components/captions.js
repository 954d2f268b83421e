/**
 * `<g-captions>`: captions as they come. Committed text is only ever added to, and set right in its
 * place by editors; the tail behind it is quiet and replaced. Who scrolls back stays there until they ask for the live edge.
 *
 * @typedef {import("../core/transcript.js").Segment} Segment
 * @typedef {import("../core/transcript.js").Notice} Notice
 * @typedef {import("../core/patches.js").Part} Part
 * @typedef {import("./cells.js").Cell} Cell
 * @typedef {import("./blocks.js").Block} Block
 *
 * @typedef {object} View
 * @property {"original" | "translation" | "both"} kind
 * @property {string} language of the translation; empty for the original alone
 */

import { find, h, icon } from "../core/dom.js";
import { direction, t } from "../core/i18n.js";
import { parts } from "../core/patches.js";
import { Announcer } from "./announcer.js";
import { labelOf, line, made, told } from "./blocks.js";
import { clear, finish, write } from "./cells.js";
import { FirstScreen } from "./first-screen.js";
import { Sheets } from "./sheets.js";

/** Nearer to the end than this counts as the live edge. */
const EDGE_PX = 48;
/** No message for so long after the first ones: the history has come, what follows is live. */
const SETTLED_MS = 400;

export class Captions extends HTMLElement {
  /** @type {View} */
  #view = { kind: "original", language: "" };
  /** @type {Map<number, Block>} those that are drawn */
  #blocks = new Map();
  /** @type {Segment[]} all that were shown, in order */
  #order = [];
  /** @type {Map<number, number>} places in that order */
  #places = new Map();
  /** @type {Map<number, Notice>} by a number below zero, as segments have those above */
  #notices = new Map();
  /** @type {Set<Segment | Notice>} in the order in which they came */
  #dirty = new Set();
  #frame = 0;
  #live = true;
  #unseen = 0;
  #begun = false;
  /** Where the live edge was when it was last gone to. */
  #stuckAt = 0;
  #announcer = new Announcer();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #settling;
  /** @type {HTMLElement} */
  #scroller = h("div", { class: "captions__scroller" });
  #list = h("div", { class: "captions__list" });
  #sheets = new Sheets(this.#scroller, this.#list, {
    draw: (item) => this.#redraw(item),
    text: (item) => this.#plain(item),
    drop: (item) => this.#drop(item),
  });
  #firstScreen = new FirstScreen(this.#scroller, this.#list);
  #empty = h("p", { class: "captions__empty" });
  #back = h("button", { class: "button captions__back", type: "button", hidden: true });
  /** @type {Set<Block>} those that keep the height they had before they were set right */
  #held = new Set();
  /** @type {Block | undefined} the last one with text */
  #last;

  connectedCallback() {
    if (this.classList.contains("captions")) return;
    this.classList.add("captions");
    this.#empty.textContent = this.getAttribute("empty") ?? t("captions.empty");
    this.#scroller.setAttribute("role", "region");
    this.#scroller.setAttribute("aria-label", t("captions.label"));
    this.#scroller.tabIndex = 0;
    this.#scroller.append(this.#empty, this.#list);
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#back.addEventListener("click", () => this.backToLive());
    this.append(this.#scroller, this.#back, this.#announcer.element);
    new ResizeObserver(() => this.#resized()).observe(this.#scroller);
    this.#announcer.quiet = true;
  }

  /** The connection is there: the history comes, and then what is live. Later calls do nothing. */
  begin() {
    if (this.#begun) return;
    this.#begun = true;
    this.#settle();
  }

  disconnectedCallback() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#settling);
  }

  /** What is shown: the original, a translation, or both side by side. */
  get view() {
    return this.#view;
  }

  set view(view) {
    if (view.kind === this.#view.kind && view.language === this.#view.language) return;
    this.#view = view;
    this.#announcer.forget();
    if (this.#begun) this.#settle();
    for (const block of this.#blocks.values()) {
      clear(block.translation);
      this.#dirty.add(block.segment);
    }
    this.dataset.view = view.kind;
    this.#sheets.reflow();
    this.#draw();
  }

  /**
   * A segment has changed.
   * @param {Segment} segment
   */
  update(segment) {
    this.#dirty.add(segment);
    this.#schedule();
  }

  /**
   * A gap or a withheld passage is to be shown where it came.
   * @param {Notice} notice
   */
  notify(notice) {
    this.#dirty.add(notice);
    this.#schedule();
  }

  /** Follow what is said again. */
  backToLive() {
    this.#live = true;
    this.#unseen = 0;
    this.#showBack();
    this.#stick();
    this.#scroller.focus({ preventScroll: true });
  }

  /** Nothing more will come: no room is kept for it. */
  rest() {
    this.#draw();
    if (this.#last) this.#last.element.style.minBlockSize = "";
    this.#last = undefined;
    if (this.#live) this.#stick();
  }

  #schedule() {
    if (this.#settling !== undefined) this.#settle();
    this.#frame ||= requestAnimationFrame(() => this.#frameCame());
  }

  #frameCame() {
    this.#frame = 0;
    if (this.#firstScreen.over) {
      this.#firstScreen.end();
      this.#stick();
      this.#schedule(); // alone in its frame, it is not seen
    } else this.#draw();
  }

  #settle() {
    clearTimeout(this.#settling);
    this.#announcer.quiet = true;
    this.toggleAttribute("data-settled", false);
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      this.#announcer.quiet = false;
      this.toggleAttribute("data-settled", true);
    }, SETTLED_MS);
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    for (const changed of this.#dirty) {
      if ("kind" in changed) this.#drawNotice(changed);
      else this.#drawSegment(changed);
    }
    this.#dirty.clear();
    if (this.#live) this.#stick();
    if (this.#firstScreen.over) this.#schedule();
    this.#showBack();
  }

  /** @param {Segment} segment */
  #drawSegment(segment) {
    if (this.#sheets.changed(segment.id)) return;
    let block = this.#blocks.get(segment.id);
    if (!block) {
      if (!segment.text && !segment.tail) return;
      block = this.#open(segment);
    }
    this.#write(block);
    this.#announce(segment);
    this.#hold(block);
  }

  /** Put into a block what its segment says. @param {Block} block */
  #write(block) {
    const { segment } = block;
    const { kind, language } = this.#view;
    const { translated, untranslated } = this.#translation(segment);
    const shown = kind === "original" || kind === "both" || untranslated;
    block.original.element.hidden = !shown;
    if (shown) {
      this.#put(block, block.original, segment.text, segment.patches, () =>
        parts(segment.words, segment.patches),
      );
      finish(block.original, segment.tail, segment.language);
    }
    block.translation.element.hidden = kind === "original" || (untranslated && kind === "translation");
    if (kind !== "original") {
      const waiting = !translated && segment.text !== "";
      const text = translated?.text ?? "";
      const heard = translated?.heard ?? null;
      this.#put(block, block.translation, text, heard === null ? null : text, () => [{ text, heard }]);
      finish(block.translation, translated?.tail ?? "", language);
      block.translation.element.classList.toggle("captions__cell--waiting", waiting);
    }
    block.element.classList.toggle("captions__block--untranslated", untranslated);
    block.element.dir = kind === "translation" && !untranslated ? direction(language) : direction(segment.language);
    this.#speaker(block);
    const text = kind === "translation" && !untranslated ? translated?.text : segment.text;
    block.element.hidden = !(text || segment.tail || translated?.tail || kind === "both");
  }

  /** Its translation into the language of the view, and whether there turned out to be none. @param {Segment} segment */
  #translation(segment) {
    const { language } = this.#view;
    const translated = language ? segment.translations.get(language) : undefined;
    const untranslated = translated?.closed === true && !translated.text.trim() && segment.text !== "";
    return { translated, untranslated };
  }

  /** @param {Segment} segment */
  #announce(segment) {
    const { kind, language } = this.#view;
    const { translated, untranslated } = this.#translation(segment);
    if (kind === "translation" && !untranslated) {
      this.#announcer.say(segment.id, translated?.text ?? "", translated?.closed ?? false, language);
    } else this.#announcer.say(segment.id, segment.text, segment.closed, segment.language);
  }

  /**
   * Add what is new of the committed text; where an editor has changed it, write it anew in its place.
   * @param {Block} block
   * @param {Cell} target
   * @param {string} text
   * @param {unknown} fixes
   * @param {() => Part[]} made
   */
  #put(block, target, text, fixes, made) {
    const { text: before } = target;
    target.text = text;
    if (target.fixes === fixes) {
      const added = text.slice(before.length);
      if (added) target.said.appendData(before ? added : added.trimStart());
      return;
    }
    target.fixes = fixes;
    if (before && before !== text) {
      this.#keepHeight(block);
      const read = block.original.element.hidden ? block.translation : block.original;
      if (target === read) this.#announcer.mend(block.segment.id, before, text);
    }
    write(target, made());
  }

  /**
   * Shorter words must not pull the lines around them together.
   * @param {Block} block
   */
  #keepHeight(block) {
    if (this.#settling !== undefined || block === this.#last) return;
    block.element.style.minBlockSize = `${block.element.getBoundingClientRect().height}px`;
    this.#held.add(block);
  }

  /**
   * A tail that becomes shorter must not pull committed lines down: while a block is the last one, it
   * keeps its height.
   * @param {Block} block
   */
  #hold(block) {
    if (!this.#live || block !== this.#last) return;
    const { height } = block.element.getBoundingClientRect();
    if (height > block.tallest) {
      block.tallest = height;
      block.element.style.minBlockSize = `${height}px`;
    }
  }

  /** There is something to show. */
  #fill() {
    if (this.#empty.hidden) return;
    this.#empty.hidden = true;
    this.#firstScreen.begin();
  }

  /** A segment that is shown for the first time. @param {Segment} segment */
  #open(segment) {
    const block = made(segment);
    this.#fill();
    if (this.#last) this.#last.element.style.minBlockSize = "";
    this.#last = block;
    this.#places.set(segment.id, this.#order.length);
    this.#order.push(segment);
    this.#blocks.set(segment.id, block);
    this.#sheets.append(segment.id, block.element);
    if (!this.#live) this.#unseen += 1;
    return block;
  }

  /** The element of what comes near again. @param {number} item */
  #redraw(item) {
    const notice = this.#notices.get(item);
    if (notice) return line(notice);
    const segment = /** @type {Segment} */ (this.#order[this.#places.get(item) ?? -1]);
    const block = made(segment);
    this.#blocks.set(segment.id, block);
    this.#write(block);
    return block.element;
  }

  /** @param {number} item */
  #plain(item) {
    const notice = this.#notices.get(item);
    if (notice) return told(notice);
    const segment = this.#order[this.#places.get(item) ?? -1];
    if (!segment) return "";
    const { kind } = this.#view;
    const { translated, untranslated } = this.#translation(segment);
    const original = kind === "translation" && !untranslated ? "" : segment.text.trim();
    const translation = kind === "original" ? "" : (translated?.text.trim() ?? "");
    return [original, translation].filter(Boolean).join("\n");
  }

  /** @param {number} item */
  #drop(item) {
    const block = this.#blocks.get(item);
    if (block) this.#held.delete(block);
    this.#blocks.delete(item);
  }

  /** @param {Block} block */
  #speaker(block) {
    const label = labelOf(block.segment);
    const place = this.#places.get(block.segment.id) ?? 0;
    const changed = block.who.textContent !== label;
    if (changed) block.who.textContent = label;
    block.who.hidden = label === "" || labelOf(this.#order[place - 1]) === label;
    const after = changed && this.#order[place + 1];
    const next = after && this.#blocks.get(after.id);
    if (next) next.who.hidden = next.who.textContent === "" || next.who.textContent === label;
  }

  /** @param {Notice} notice */
  #drawNotice(notice) {
    this.#fill();
    const item = -1 - this.#notices.size;
    this.#notices.set(item, notice);
    const last = this.#last;
    // The open block stays the last one.
    const next = last && !last.segment.closed ? { item: last.segment.id, element: last.element } : undefined;
    this.#sheets.append(item, line(notice), next);
    this.#announcer.note(notice.kind === "gap" ? told(notice) : "");
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    const live = scrollHeight - scrollTop - clientHeight < EDGE_PX;
    if (live === this.#live) return;
    // Text that came, or took another height, is no wish to read in history: only going back is.
    if (!live && scrollTop >= this.#stuckAt) return this.#stick();
    this.#live = live;
    if (live) this.#unseen = 0;
    this.#scroller.classList.toggle("captions__scroller--history", !live);
    this.#showBack();
  }

  #showBack() {
    this.#back.hidden = this.#live;
    if (this.#live) return;
    const text = this.#unseen ? t("captions.back.unseen", { count: this.#unseen }) : t("captions.back");
    if (this.#back.dataset.text !== text) {
      this.#back.dataset.text = text;
      this.#back.replaceChildren(icon("down"), text);
    }
  }

  #stick() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#stuckAt = this.#scroller.scrollTop;
  }

  #resized() {
    if (this.#last) this.#last.tallest = 0;
    for (const block of [this.#last, ...this.#held]) {
      if (block) block.element.style.minBlockSize = "";
    }
    this.#held.clear();
    this.#sheets.reflow();
    if (this.#live) this.#stick();
    if (this.#firstScreen.over) this.#schedule();
  }
}

customElements.define("g-captions", Captions);

/**
 * The captions of a page.
 * @param {string} selector
 */
export const findCaptions = (selector) => find(selector, Captions);
