import { liveUrl } from "./address.js";
import { Attempts, DEFAULT_RETRY, sleep } from "./backoff.js";
import type { Reconnection, RetryPolicy } from "./backoff.js";
import { Backlog } from "./backlog.js";
import { GreffierError } from "./errors.js";
import { Inbox } from "./inbox.js";
import type { AudioFormat, Resume, ServerMessage, Start, Started } from "./messages.js";
import { Dropped, platformDial, Wire } from "./wire.js";
import type { Dial } from "./wire.js";

const FRAME_MS = 250;
const NETWORK_BYTES = 1 << 20;
const LOOK_MS = 25;
/** While audio waits to be acknowledged, a server that says nothing for so long is gone. */
const SILENCE_MS = 45_000;
const UNREAD_MESSAGES = 10_000;

/** How a session is opened: the fields of `start`, and how this client behaves. */
export interface ConnectOptions extends Partial<Omit<Start, "type" | "resume">> {
  /** API token of the server. */
  readonly token?: string;
  /** Audio kept until the server has it on disk (ms); beyond it, see `overflow`. */
  readonly maxUnacknowledgedMs?: number;
  /** `wait`: `send` waits for room. `gap`: the oldest audio is given up, and the record says so. */
  readonly overflow?: "wait" | "gap";
  readonly retry?: RetryPolicy;
  readonly onReconnect?: (reconnection: Reconnection) => void;
  /** Another way to open sockets. */
  readonly dial?: Dial;
}

/**
 * Open a session at a server and speak into it.
 *
 * @param server `wss://host`, or `ws://host:port`
 * @throws GreffierError the server cannot be reached, or refuses
 */
export async function connect(
  server: string | URL,
  options: ConnectOptions = {},
): Promise<LiveSession> {
  const session = new LiveSession(liveUrl(server), options);
  await session.open();
  return session;
}

/** A session to speak into: one backlog of audio, one stream of messages, many sockets. */
export class LiveSession implements AsyncIterable<ServerMessage> {
  readonly #start: Omit<Start, "type">;
  readonly #frameBytes: number;
  readonly #rate: number;
  readonly #limit: number;
  readonly #backlog: Backlog;
  readonly #attempts: Attempts;
  readonly #inbox = new Inbox<ServerMessage>(UNREAD_MESSAGES);
  readonly #stop = new AbortController();
  #changed: { promise: Promise<void>; resolve: () => void } = signal();
  #wire: Wire | undefined;
  #started: Started | undefined;
  #cursor = 0;
  #seq = 0;
  #finishing = false;
  #finishSent = false;
  #readingOnly = false;
  #ended = false;
  #failure: GreffierError | undefined;

  /** Use `connect`. */
  constructor(
    private readonly url: string,
    private readonly options: ConnectOptions,
  ) {
    const { token, maxUnacknowledgedMs, overflow, retry, onReconnect, dial, ...start } = options;
    void [token, overflow, dial];
    this.#start = start;
    const format: AudioFormat = start.format ?? {};
    this.#rate = format.rate ?? 16_000;
    this.#frameBytes = sampleBytes(format) * (format.channels ?? 1);
    this.#limit = Math.floor(((maxUnacknowledgedMs ?? 30_000) * this.#rate) / 1000);
    this.#backlog = new Backlog(this.#frameBytes);
    this.#attempts = new Attempts(retry ?? DEFAULT_RETRY, onReconnect);
  }

  /** Session id: `watch`, the HTTP interface and exports take it. */
  get id(): string {
    return this.#started?.session ?? "";
  }

  /** Resumes the session; a secret. */
  get token(): string {
    return this.#started?.token ?? "";
  }

  /** Samples a second, of each channel. */
  get rate(): number {
    return this.#rate;
  }

  /** Audio given to `send` so far (ms). */
  get sentMs(): number {
    return Math.floor((this.#backlog.endSample * 1000) / this.#rate);
  }

  /** Audio that is on the server's disk, or was given up (ms). */
  get acknowledgedMs(): number {
    return Math.floor((this.#backlog.firstSample * 1000) / this.#rate);
  }

  /** @internal Connect for the first time. */
  async open(): Promise<void> {
    const wire = await this.#dial();
    this.#accept(await wire.greet({ type: "start", ...this.#start }));
    this.#wire = wire;
    void this.#run(wire);
  }

  /**
   * Take audio in the session's format, whole samples of every channel.
   *
   * @throws GreffierError `misaligned_audio`, `session_closed`, or why the session broke off
   */
  async send(audio: ArrayBuffer | ArrayBufferView): Promise<void> {
    const bytes = ArrayBuffer.isView(audio)
      ? new Uint8Array(audio.buffer, audio.byteOffset, audio.byteLength).slice()
      : new Uint8Array(audio).slice();
    if (bytes.byteLength % this.#frameBytes !== 0) {
      const message = `audio must come in whole frames of ${this.#frameBytes} bytes`;
      throw new GreffierError("misaligned_audio", message);
    }
    const step = Math.max(1, Math.floor((this.#rate * FRAME_MS) / 1000)) * this.#frameBytes;
    for (let at = 0; at < bytes.byteLength; at += step) {
      const piece = bytes.subarray(at, at + step);
      await this.#room(piece.byteLength / this.#frameBytes);
      this.#backlog.append(piece);
      this.#notify();
    }
  }

  /** Say that no more audio comes; resolves when all of it is handed over. Go on reading. */
  async finish(): Promise<void> {
    this.#finishing = true;
    this.#notify();
    while (!this.#finishSent && !this.#ended) await this.#changed.promise;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Close the socket, whatever state the session is in. The server waits a while for a return. */
  close(): void {
    this.#stop.abort();
    this.#end();
  }

  /** The messages to the end of the session; `ack` and `started` are kept from you. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ServerMessage> {
    for (;;) {
      const message = await this.#inbox.next();
      if (message === undefined) return;
      yield message;
    }
  }

  async #room(samples: number): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended || this.#finishing) {
        throw new GreffierError("session_closed", "the session takes no more audio");
      }
      const held = this.#backlog.samples;
      if (held === 0 || held + samples <= this.#limit) return;
      if (this.options.overflow === "gap") {
        this.#backlog.dropBefore(this.#backlog.firstSample + samples);
        // What was never sent is missing in the stream: only a resume can say so.
        if (this.#backlog.firstSample > this.#cursor) this.#wire?.drop();
        continue;
      }
      await this.#changed.promise;
    }
  }

  async #run(first: Wire): Promise<void> {
    let wire = first;
    try {
      for (;;) {
        try {
          await this.#converse(wire);
          break;
        } catch (error) {
          wire.close();
          if (!(error instanceof Dropped)) throw error;
          wire = await this.#resume(error);
          this.#wire = wire;
        }
      }
    } catch (error) {
      this.#failure =
        error instanceof GreffierError
          ? error
          : new GreffierError("internal_error", "the client failed", false, error);
    } finally {
      this.#end();
    }
  }

  async #converse(wire: Wire): Promise<void> {
    const over = new AbortController();
    const writing = this.#write(wire, over.signal);
    writing.catch(() => wire.drop()); // the reader learns it, too
    try {
      await this.#read(wire);
    } finally {
      over.abort();
      this.#notify();
      await writing.catch(() => undefined);
    }
  }

  async #write(wire: Wire, over: AbortSignal): Promise<void> {
    if (this.#readingOnly) return;
    const most = Math.floor((this.#rate * FRAME_MS) / 1000) || 1;
    while (!over.aborted) {
      const changed = this.#changed.promise;
      if (wire.buffered > NETWORK_BYTES) {
        await sleep(LOOK_MS, over);
      } else if (this.#cursor < this.#backlog.endSample) {
        const audio = this.#backlog.read(this.#cursor, most);
        this.#cursor += audio.byteLength / this.#frameBytes;
        wire.send(audio);
      } else if (this.#finishing) {
        wire.say({ type: "finish" });
        this.#finishSent = true;
        this.#notify();
        return;
      } else {
        await changed;
      }
    }
  }

  async #read(wire: Wire): Promise<void> {
    const replayedTo = this.#seq;
    const watchdog = setInterval(() => {
      const waiting = this.#backlog.firstSample < this.#cursor && !this.#finishSent;
      if (waiting && performance.now() - wire.heardAt > SILENCE_MS) wire.drop();
    }, SILENCE_MS / 3);
    try {
      for (;;) {
        const message = await wire.receive();
        this.#attempts.succeed();
        if (message.type === "ack") {
          this.#backlog.dropBefore(message.samples);
          this.#notify();
        } else if (message.type !== "started" && this.#unseen(message, replayedTo)) {
          this.#keep(message);
          if (message.type === "finished") return;
        }
      }
    } finally {
      clearInterval(watchdog);
    }
  }

  #unseen(message: ServerMessage, replayedTo: number): boolean {
    if (!("seq" in message)) return true;
    const { seq } = message;
    const before = this.#seq;
    this.#seq = Math.max(before, seq);
    return seq > replayedTo || isVolatile(message) || message.type === "finished";
  }

  #keep(message: ServerMessage): void {
    if (this.#inbox.put(message)) return;
    const text = "read the session's messages: for await (const message of session)";
    throw new GreffierError("messages_unread", text);
  }

  async #resume(cause: unknown): Promise<Wire> {
    let last = cause;
    for (;;) {
      await this.#attempts.wait(last, this.#stop.signal);
      try {
        return await this.#reopen();
      } catch (error) {
        if (error instanceof GreffierError && !error.retryable) throw error;
        last = error;
      }
    }
  }

  async #reopen(): Promise<Wire> {
    const wire = await this.#dial();
    const resume: Resume = {
      session: this.id,
      token: this.token,
      from_sample: this.#backlog.firstSample,
      after_seq: this.#seq,
    };
    try {
      this.#accept(await wire.greet({ type: "start", ...this.#start, resume }));
      return wire;
    } catch (error) {
      wire.close();
      // All audio had arrived before the socket broke: only the events are left to read.
      const closed = error instanceof GreffierError && error.code === "session_closed";
      if (!closed || !this.#finishSent) throw error;
      return this.#watchRest();
    }
  }

  async #watchRest(): Promise<Wire> {
    const wire = await this.#dial();
    wire.say({ type: "watch", session: this.id, after_seq: this.#seq });
    this.#readingOnly = true;
    return wire;
  }

  #dial(): Promise<Wire> {
    return Wire.open(this.url, {
      token: this.options.token,
      dial: this.options.dial ?? platformDial,
      signal: this.#stop.signal,
    });
  }

  #accept(started: Started): void {
    if (started.samples < this.#backlog.firstSample) {
      throw new GreffierError("audio_lost", "the server lost audio that it had acknowledged");
    }
    this.#backlog.dropBefore(started.samples);
    this.#cursor = started.samples;
    this.#started = this.#started ?? started;
    this.#notify();
  }

  #end(): void {
    this.#ended = true;
    this.#wire?.close();
    this.#inbox.end(this.#failure);
    this.#notify();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = signal();
  }
}

/** Text that may still change: it borrows the number of the event before. */
export function isVolatile(message: ServerMessage): boolean {
  if (message.type === "caption") return message.committed === "" && !message.closed;
  return message.type === "translation" && message.committed === "" && !message.closed;
}

function signal(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

function sampleBytes(format: AudioFormat): number {
  const encoding = format.encoding ?? "pcm_s16le";
  if (encoding === "encoded") {
    // What is kept until the server has it is counted in samples, which a container does not show.
    throw new GreffierError("unsupported_audio", "this client sends samples: decode containers first");
  }
  return encoding === "mulaw" || encoding === "alaw" ? 1 : Number(encoding.slice(5, 7)) / 8;
}
