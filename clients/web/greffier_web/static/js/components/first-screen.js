/**
 * The first screen of captions, while it fills from below. Room above the words makes each new line scroll
 * them up, as all later lines do, and where they stand among each other never changes. The room
 * goes when the words need it no more; there is nothing to scroll to until then.
 */

const FILLING = "captions__scroller--filling";

export class FirstScreen {
  #scroller;
  #list;

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} list in it
   */
  constructor(scroller, list) {
    this.#scroller = scroller;
    this.#list = list;
  }

  /** The first words come. */
  begin() {
    this.#scroller.classList.add(FILLING);
  }

  /** Whether the words need no room any more, and it is still there. */
  get over() {
    return this.#scroller.classList.contains(FILLING) && this.#list.clientHeight >= this.#scroller.clientHeight;
  }

  /** The room goes: to be done at the live edge, in a frame in which nothing else is changed. */
  end() {
    this.#scroller.classList.remove(FILLING);
  }
}
