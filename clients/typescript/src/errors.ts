/** What went wrong: `code` is stable, programs decide by it. */
export class GreffierError extends Error {
  /** As the server names it, or one of this client's own: see the reference. */
  readonly code: string;
  /** The same may work later, or on a new connection. */
  readonly retryable: boolean;

  constructor(code: string, message: string, retryable = false, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "GreffierError";
    this.code = code;
    this.retryable = retryable;
  }
}
