/** What went wrong: `code` is stable, programs decide by it. */
export class GreffierError extends Error {
  /** As the server names it, or one of this client's own: see the reference. */
  readonly code: string;
  /** The same may work later, or on a new connection. */
  readonly retryable: boolean;
  /** Where the server told when to try again (ms). */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: string,
    message: string,
    retryable = false,
    cause?: unknown,
    retryAfterMs?: number | null,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "GreffierError";
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs ?? undefined;
  }
}
