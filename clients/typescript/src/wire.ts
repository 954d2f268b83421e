import { GreffierError } from "./errors.js";
import { Inbox } from "./inbox.js";
import type { ClientMessage, ErrorMessage, ServerMessage, Started } from "./messages.js";
import { SERVER_TYPES } from "./messages.js";
import { NodeSocket } from "./node_socket.js";

const SUBPROTOCOL = "greffier.v1";
const OPEN_TIMEOUT_MS = 15_000;
const QUEUED_MESSAGES = 100_000;
const STARTED_TIMEOUT_MS = 30_000;
/** Close codes that have nothing to do with an error sent before. */
const BREAKS: readonly number[] = [1001, 1006, 1012];
/** Close codes after which the session is still there to be resumed. */
const GOING_AWAY: readonly number[] = [1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014];

/** The socket is gone; the session may be resumed. */
export class Dropped extends Error {}

/** What is used of a WebSocket, a browser's or Node's. */
export interface Socket {
  readonly protocol: string;
  readonly bufferedAmount: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

/** Opens a socket; the platform's own way unless another is given. */
export type Dial = (url: string, protocols: string[]) => Socket;

/** A browser's WebSocket, or Node's; before Node 22 there is none, and ours is used. */
export const platformDial: Dial = (url, protocols) => {
  const Native = (globalThis as { WebSocket?: new (url: string, protocols: string[]) => unknown })
    .WebSocket;
  return Native === undefined
    ? new NodeSocket(url, protocols)
    : (new Native(url, protocols) as Socket);
};

/** A connected socket that speaks `greffier.v1`. */
export class Wire {
  readonly #inbox = new Inbox<ServerMessage>(QUEUED_MESSAGES);
  #complaint: ErrorMessage | undefined;
  /** When anything last came (ms, `performance.now`). */
  heardAt = performance.now();

  private constructor(private readonly socket: Socket) {
    socket.onmessage = (event) => this.#take(event.data);
    socket.onclose = (event) => this.#inbox.end(this.#ending(event.code));
  }

  /** Connect; the token goes as a subprotocol, since browsers cannot set headers. */
  static open(
    url: string,
    options: { token?: string | undefined; dial: Dial; signal: AbortSignal },
  ): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const protocols = [SUBPROTOCOL];
      if (options.token !== undefined) protocols.push(`token.${options.token}`);
      const failed = (cause?: unknown): void => {
        stop();
        socket?.close();
        const message = "cannot reach the server; is it running, and may this page connect to it?";
        reject(new GreffierError("connection_failed", message, true, cause));
      };
      const timer = setTimeout(failed, OPEN_TIMEOUT_MS);
      const stop = (): void => {
        clearTimeout(timer);
        options.signal.removeEventListener("abort", failed);
      };
      options.signal.addEventListener("abort", failed, { once: true });
      let socket: Socket | undefined;
      try {
        socket = options.dial(url, protocols);
      } catch (error) {
        failed(error);
        return;
      }
      const opened = socket;
      opened.onerror = () => undefined; // a close always follows, and says more
      opened.onclose = () => failed();
      opened.onopen = () => {
        stop();
        if (opened.protocol === SUBPROTOCOL) {
          resolve(new Wire(opened));
          return;
        }
        opened.onclose = null;
        opened.close(1002);
        const message = `the server does not speak ${SUBPROTOCOL}`;
        reject(new GreffierError("not_greffier", message));
      };
    });
  }

  /** Bytes that the network has not taken yet. */
  get buffered(): number {
    return this.socket.bufferedAmount;
  }

  /** Send the first message and wait for `started`. */
  async greet(message: ClientMessage): Promise<Started> {
    this.say(message);
    const timer = setTimeout(() => this.drop(), STARTED_TIMEOUT_MS);
    let answer: ServerMessage;
    try {
      answer = await this.receive();
    } catch (error) {
      this.close();
      if (!(error instanceof Dropped)) throw error;
      const text = "the server closed the connection before answering";
      throw new GreffierError("connection_failed", text, true, error);
    } finally {
      clearTimeout(timer);
    }
    if (answer.type === "started") return answer;
    this.close();
    if (answer.type === "error") {
      throw refusal(answer);
    }
    throw new GreffierError("not_greffier", "the server did not answer with started");
  }

  /** Send a message. */
  say(message: ClientMessage): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Send audio. */
  send(audio: Uint8Array): void {
    this.socket.send(audio as Uint8Array<ArrayBuffer>);
  }

  /** The next message; rejects with `Dropped` or with why the server ended it for good. */
  async receive(): Promise<ServerMessage> {
    const message = await this.#next();
    if (message === undefined) throw new Dropped();
    return message;
  }

  async #next(): Promise<ServerMessage | undefined> {
    try {
      return await this.#inbox.next();
    } catch (error) {
      if (error instanceof GreffierError && error.retryable) throw new Dropped("", { cause: error });
      throw error;
    }
  }

  /** Cut it, as a network would. */
  drop(): void {
    this.#inbox.end(new GreffierError("dropped", "the connection was given up", true));
    this.socket.close();
  }

  /** Close the socket. */
  close(): void {
    this.#inbox.end();
    this.socket.close(1000);
  }

  #take(data: unknown): void {
    this.heardAt = performance.now();
    const message = typeof data === "string" ? parsed(data) : undefined;
    if (message === undefined) {
      const text = "the server sent what is no message";
      this.#inbox.end(new GreffierError("malformed_message", text));
      this.socket.close(1003);
      return;
    }
    if (!SERVER_TYPES.includes(message.type)) return; // of a newer server
    // An error explains the close that follows it, and nothing later.
    this.#complaint = message.type === "error" ? message : undefined;
    // What is not kept is asked for again, on a new connection.
    if (!this.#inbox.put(message)) this.drop();
  }

  #ending(code: number): GreffierError {
    const said = this.#complaint;
    if (said !== undefined && !BREAKS.includes(code)) {
      return refusal(said);
    }
    const message = `the server closed the connection (code ${code})`;
    const again = said !== undefined || GOING_AWAY.includes(code);
    return new GreffierError("closed", message, again, undefined, said?.retry_after_ms);
  }
}

function refusal(said: ErrorMessage): GreffierError {
  const { code, message, retryable, retry_after_ms } = said;
  return new GreffierError(code, message, retryable, undefined, retry_after_ms);
}

function parsed(text: string): ServerMessage | undefined {
  try {
    const value = JSON.parse(text) as { type?: unknown } | null;
    return typeof value === "object" && typeof value?.type === "string"
      ? (value as ServerMessage)
      : undefined;
  } catch {
    return undefined;
  }
}
