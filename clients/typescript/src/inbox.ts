import { GreffierError } from "./errors.js";

/** Messages between the socket and whoever iterates; bounded. */
export class Inbox<T> {
  #waiting: T[] = [];
  #reader: (() => void) | undefined;
  #ended = false;
  #failure: GreffierError | undefined;

  constructor(private readonly limit: number) {}

  /** Add one; false when nobody has read for too long. */
  put(message: T): boolean {
    if (this.#ended) return true;
    if (this.#waiting.length >= this.limit) return false;
    this.#waiting.push(message);
    this.#wake();
    return true;
  }

  /** Nothing more will come; what waits is still read, then `failure` is thrown. */
  end(failure?: GreffierError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    this.#wake();
  }

  /** The next message; undefined at the end. */
  async next(): Promise<T | undefined> {
    while (this.#waiting.length === 0) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#reader = resolve;
      });
    }
    return this.#waiting.shift();
  }

  #wake(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.();
  }
}
