/** How long to wait before the next try: doubling, with chance, so that viewers do not come at once. */

const FIRST_MS = 400;
const MOST_MS = 10_000;
/** A server that asks for more is asked again after so long. */
const MOST_ASKED_MS = 60_000;

export class Backoff {
  #tries = 0;

  /** It worked: begin again from the shortest wait. */
  reset() {
    this.#tries = 0;
  }

  /**
   * Milliseconds until the next try.
   * @param {number | null} [askedMs] a server that stops told to come back after so long
   */
  next(askedMs) {
    const most = Math.min(MOST_MS, FIRST_MS * 2 ** this.#tries);
    this.#tries += 1;
    const own = most / 2 + Math.random() * (most / 2);
    const asked = Math.min(askedMs ?? 0, MOST_ASKED_MS) * (1 + Math.random() / 2);
    return Math.max(own, asked);
  }
}

/**
 * Wait; sooner when the network is back or the page is seen again.
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      document.removeEventListener("visibilitychange", seen);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const seen = () => {
      if (document.visibilityState === "visible") done();
    };
    const timer = setTimeout(done, ms);
    window.addEventListener("online", done);
    document.addEventListener("visibilitychange", seen);
    signal.addEventListener("abort", done);
  });
}
