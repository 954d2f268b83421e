import { liveUrl } from "./address.js";
import { Attempts, DEFAULT_RETRY } from "./backoff.js";
import type { Reconnection, RetryPolicy } from "./backoff.js";
import { GreffierError } from "./errors.js";
import { isVolatile } from "./live.js";
import type { ServerMessage } from "./messages.js";
import { Dropped, platformDial, Wire } from "./wire.js";
import type { Dial } from "./wire.js";

/** How a session is read. */
export interface WatchOptions {
  readonly session: string;
  /** The last event already seen. */
  readonly afterSeq?: number;
  /** Only translations into these languages; every one when absent. */
  readonly languages?: readonly string[];
  /** API token of the server. */
  readonly token?: string;
  readonly retry?: RetryPolicy;
  readonly onReconnect?: (reconnection: Reconnection) => void;
  /** Ends the reading. */
  readonly signal?: AbortSignal;
  /** Another way to open sockets. */
  readonly dial?: Dial;
}

/**
 * Read a session, its history first, to its end; after a lost socket, from where it broke.
 *
 * @throws GreffierError there is no such session, or the connection could not be taken up again
 */
export async function* watch(
  server: string | URL,
  options: WatchOptions,
): AsyncGenerator<ServerMessage> {
  const url = liveUrl(server);
  const attempts = new Attempts(options.retry ?? DEFAULT_RETRY, options.onReconnect);
  const stop = new AbortController();
  let wire: Wire | undefined;
  const leave = (): void => {
    stop.abort();
    wire?.close();
  };
  if (options.signal?.aborted === true) leave();
  options.signal?.addEventListener("abort", leave, { once: true });
  let seq = options.afterSeq ?? 0;
  let first = true;
  try {
    while (!stop.signal.aborted) {
      try {
        wire = await Wire.open(url, {
          token: options.token,
          dial: options.dial ?? platformDial,
          signal: stop.signal,
        });
        const replayedTo = seq;
        const languages = options.languages === undefined ? {} : { languages: options.languages };
        await wire.greet({ type: "watch", session: options.session, after_seq: seq, ...languages });
        first = false;
        for (;;) {
          const message = await wire.receive();
          attempts.succeed();
          if ("seq" in message) {
            const unseen = message.seq > replayedTo || isVolatile(message);
            seq = Math.max(seq, message.seq);
            if (!unseen && message.type !== "finished") continue;
          }
          yield message;
          if (message.type === "finished") return;
        }
      } catch (error) {
        wire?.close();
        if (stop.signal.aborted) return;
        const again = error instanceof Dropped || (error instanceof GreffierError && error.retryable);
        if (!again || first) throw asError(error);
        await attempts.wait(error, stop.signal).catch((reason: unknown) => {
          if (!stop.signal.aborted) throw reason;
        });
      }
    }
  } finally {
    options.signal?.removeEventListener("abort", leave);
    wire?.close();
  }
}

function asError(error: unknown): unknown {
  if (!(error instanceof Dropped)) return error;
  return new GreffierError("connection_failed", "the server closed the connection", true, error);
}
