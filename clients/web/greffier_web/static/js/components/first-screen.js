/**
 * The first screen of captions, while it fills from below. Room above the words makes each new line scroll
 * them up, as all later lines do, and where they stand among each other never changes. The room
 * goes when the words need it no more; there is nothing to scroll to until then.
 */

const FILLING = "captions__scroller--filling";

export class FirstScreen {
  #scroller;
  #list;
  #stick;
  #frame = 0;
  #stirred = false;
  #watch = new ResizeObserver(() => this.#stir());

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} list in it
   * @param {() => void} stick goes to the live edge
   */
  constructor(scroller, list, stick) {
    this.#scroller = scroller;
    this.#list = list;
    this.#stick = stick;
  }

  /** The first words come. */
  begin() {
    this.#scroller.classList.add(FILLING);
    this.#watch.observe(this.#list);
    this.#watch.observe(this.#scroller);
  }

  stop() {
    this.#watch.disconnect();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  #stir() {
    this.#stirred = true;
    this.#frame ||= requestAnimationFrame(() => this.#look());
  }

  /** The room goes in a frame in which the words stand still: nothing is seen of it. */
  #look() {
    this.#frame = 0;
    const stirred = this.#stirred;
    this.#stirred = false;
    if (this.#list.clientHeight < this.#scroller.clientHeight) return;
    if (stirred) {
      this.#frame = requestAnimationFrame(() => this.#look());
      return;
    }
    this.stop();
    this.#scroller.classList.remove(FILLING);
    this.#stick();
  }
}
