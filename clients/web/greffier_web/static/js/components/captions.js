/**
 * `<g-captions>`: captions as they come. Committed text is only ever added to, and set right in its
 * place by editors; the tail behind it is quiet and replaced. Who scrolls back stays there until they ask for the live edge.
 *
 * @typedef {import("../core/transcript.js").Segment} Segment
 * @typedef {import("../core/transcript.js").Notice} Notice
 * @typedef {import("../core/patches.js").Part} Part
 *
 * @typedef {object} View
 * @property {"original" | "translation" | "both"} kind
 * @property {string} language of the translation; empty for the original alone
 */

import { find, h, icon } from "../core/dom.js";
import { clock, direction, has, number, t } from "../core/i18n.js";
import { parts } from "../core/patches.js";
import { Announcer } from "./announcer.js";

/** Blocks drawn, or left out while out of sight, together. */
const PAGE_BLOCKS = 40;
/** Nearer to the end than this counts as the live edge. */
const EDGE_PX = 48;
/** No message for so long after the first ones: the history has come, what follows is live. */
const SETTLED_MS = 400;

/**
 * @typedef {object} Cell
 * @property {HTMLElement} element
 * @property {Text} said grows
 * @property {HTMLElement} tail
 * @property {string} text committed, as it is shown
 * @property {unknown} fixes what tells one state of its corrections from the next
 *
 * @typedef {object} Block
 * @property {Segment} segment
 * @property {HTMLElement} element
 * @property {HTMLElement} who
 * @property {Cell} original
 * @property {Cell} translation
 * @property {number} tallest pixels, while it is open
 * @property {Block | undefined} before
 * @property {Block | undefined} after
 */

export class Captions extends HTMLElement {
  /** @type {View} */
  #view = { kind: "original", language: "" };
  /** @type {Map<number, Block>} */
  #blocks = new Map();
  /** @type {Set<Segment | Notice>} in the order in which they came */
  #dirty = new Set();
  #frame = 0;
  #live = true;
  #unseen = 0;
  #announcer = new Announcer();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #settling;
  /** @type {HTMLElement} */
  #scroller = h("div", { class: "captions__scroller" });
  #list = h("div", { class: "captions__list" });
  /** The part that is added to; older ones cost nothing while they are out of sight. */
  #page = h("div", { class: "captions__page" });
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
    this.#settle();
    for (const block of this.#blocks.values()) {
      clear(block.translation);
      this.#dirty.add(block.segment);
    }
    this.dataset.view = view.kind;
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
    this.#frame ||= requestAnimationFrame(() => this.#draw());
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
    this.#showBack();
  }

  /** @param {Segment} segment */
  #drawSegment(segment) {
    let block = this.#blocks.get(segment.id);
    if (!block) {
      if (!segment.text && !segment.tail) return;
      block = this.#open(segment);
    }
    const { kind, language } = this.#view;
    const translated = language ? segment.translations.get(language) : undefined;
    const untranslated = translated?.closed === true && !translated.text.trim() && segment.text !== "";
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
    if (kind === "translation" && !untranslated) {
      this.#announcer.say(segment.id, translated?.text ?? "", translated?.closed ?? false, language);
    } else this.#announcer.say(segment.id, segment.text, segment.closed, segment.language);
    this.#hold(block);
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

  /** @param {Segment} segment */
  #open(segment) {
    const original = cell("captions__cell captions__cell--original");
    const translation = cell("captions__cell captions__cell--translation");
    const who = h("p", { class: "captions__who", hidden: true });
    const texts = h("div", { class: "captions__texts" }, original.element, translation.element);
    const element = h("div", { class: "captions__block" }, who, texts);
    /** @type {Block} */
    const block = { segment, element, who, original, translation, tallest: 0, before: this.#last, after: undefined };
    this.#empty.hidden = true;
    if (this.#last) {
      this.#last.element.style.minBlockSize = "";
      this.#last.after = block;
    }
    this.#last = block;
    this.#append(element);
    this.#blocks.set(segment.id, block);
    if (!this.#live) this.#unseen += 1;
    return block;
  }

  /** @param {HTMLElement} element */
  #append(element) {
    if (this.#page.childElementCount >= PAGE_BLOCKS || !this.#page.isConnected) {
      this.#page = h("div", { class: "captions__page" });
      this.#list.append(this.#page);
    }
    this.#page.append(element);
  }

  /** @param {Block} block */
  #speaker(block) {
    const { speaker } = block.segment;
    const label = speaker === null ? "" : /^\d+$/.test(speaker) ? t("captions.speaker", { name: speaker }) : speaker;
    const changed = block.who.textContent !== label;
    if (changed) block.who.textContent = label;
    block.who.hidden = label === "" || block.before?.who.textContent === label;
    if (changed && block.after) {
      block.after.who.hidden = block.after.who.textContent === "" || block.after.who.textContent === label;
    }
  }

  /** @param {Notice} notice */
  #drawNotice(notice) {
    this.#empty.hidden = true;
    const length = Math.max(0, notice.to_ms - notice.from_ms);
    const cause = `captions.cause.${notice.cause}`;
    const text = t(`captions.${notice.kind}`, {
      seconds: number(length / 1000, { maximumFractionDigits: 1 }),
      at: clock(notice.from_ms),
      cause: has(cause) ? t(cause) : t("captions.cause.other"),
    });
    const line = h("p", { class: `captions__notice captions__notice--${notice.kind}` }, text);
    // The open block stays the last one.
    if (this.#last && !this.#last.segment.closed) this.#last.element.before(line);
    else this.#append(line);
    this.#announcer.note(notice.kind === "gap" ? text : "");
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    const live = scrollHeight - scrollTop - clientHeight < EDGE_PX;
    if (live === this.#live) return;
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
  }

  #resized() {
    if (this.#last) this.#last.tallest = 0;
    for (const block of [this.#last, ...this.#held]) {
      if (block) block.element.style.minBlockSize = "";
    }
    this.#held.clear();
    if (this.#live) this.#stick();
  }
}

/**
 * @param {string} name
 * @returns {Cell}
 */
function cell(name) {
  const said = document.createTextNode("");
  const tail = h("span", { class: "captions__tail" });
  return { element: h("p", { class: name }, said, tail), said, tail, text: "", fixes: null };
}

/** @param {Cell} target */
function clear(target) {
  write(target, []);
  target.tail.textContent = "";
  target.text = "";
  target.fixes = null;
}

/**
 * Put these parts in the place of the committed text.
 * @param {Cell} target
 * @param {readonly Part[]} shown
 */
function write(target, shown) {
  const plain = shown.at(-1)?.heard === null ? shown.at(-1)?.text ?? "" : "";
  target.said = document.createTextNode(shown.length > 1 ? plain : plain.trimStart());
  const before = plain ? shown.slice(0, -1) : shown;
  target.element.replaceChildren(...before.flatMap(drawn), target.said, target.tail);
}

/** @param {Part} part @param {number} index @returns {(string | HTMLElement)[]} */
function drawn({ text, heard }, index) {
  if (heard === null) return [index ? text : text.trimStart()];
  const word = text.trim();
  const title = t("captions.corrected", { heard });
  const space = index && word !== text ? " " : "";
  return word ? [space, h("span", { class: "captions__fix", title }, word)] : [];
}

/**
 * Replace the tail, and say in which language all of it is.
 * @param {Cell} target
 * @param {string} tail
 * @param {string} language
 */
function finish(target, tail, language) {
  const shown = target.text ? tail : tail.trimStart();
  if (target.tail.textContent !== shown) target.tail.textContent = shown;
  if (language && target.element.lang !== language) {
    target.element.lang = language;
    target.element.dir = direction(language);
  }
}

customElements.define("g-captions", Captions);

/**
 * The captions of a page.
 * @param {string} selector
 */
export const findCaptions = (selector) => find(selector, Captions);
