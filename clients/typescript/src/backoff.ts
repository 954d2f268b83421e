import { GreffierError } from "./errors.js";

/** A server that asks for more is asked again after so long. */
const LONGEST_ASKED_MS = 60_000;
/** All clients of a server that stops are told the same time: they spread over so much of it. */
const SPREAD = 0.5;

/**
 * Delays double from `firstMs` to `longestMs`; each is drawn between half and all of its length.
 * Where the server told when to come back, it is that long at least, and up to half as long again.
 */
export interface RetryPolicy {
  /** In a row; then the session fails with `connection_lost`. */
  readonly attempts: number;
  readonly firstMs: number;
  readonly longestMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 12, firstMs: 250, longestMs: 15_000 };

/** Told before each attempt, and once when the session goes on. */
export interface Reconnection {
  /** 1 for the first. */
  readonly attempt: number;
  /** Until the attempt; 0 once resumed. */
  readonly delayMs: number;
  readonly resumed: boolean;
}

/** Counts the attempts since the connection last did something useful. */
export class Attempts {
  #made = 0;

  constructor(
    private readonly policy: RetryPolicy,
    private readonly notify: (reconnection: Reconnection) => void = () => undefined,
  ) {}

  /** Sleep before the next attempt; rejects when none is left, or `signal` says stop. */
  async wait(cause: unknown, signal: AbortSignal): Promise<void> {
    if (this.#made >= this.policy.attempts) {
      const message = "the connection to the server broke and could not be taken up again";
      throw new GreffierError("connection_lost", message, true, cause);
    }
    const length = Math.min(this.policy.firstMs * 2 ** this.#made, this.policy.longestMs);
    const asked = Math.min(askedMs(cause), LONGEST_ASKED_MS) * (1 + SPREAD * Math.random());
    const delayMs = Math.max(length * (0.5 + 0.5 * Math.random()), asked);
    this.#made += 1;
    this.notify({ attempt: this.#made, delayMs, resumed: false });
    await sleep(delayMs, signal);
  }

  /** The connection works: the next break starts a new count. */
  succeed(): void {
    if (this.#made === 0) return;
    this.notify({ attempt: this.#made, delayMs: 0, resumed: true });
    this.#made = 0;
  }
}

/** When the server told to come back, by what ended the last connection; 0 = it told nothing. */
function askedMs(cause: unknown): number {
  if (cause instanceof GreffierError && cause.retryAfterMs !== undefined) return cause.retryAfterMs;
  return cause instanceof Error && cause.cause !== undefined ? askedMs(cause.cause) : 0;
}

/** Resolve after a while; reject when `signal` is aborted. */
export function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new GreffierError("closed", "the session was closed"));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, delayMs);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
