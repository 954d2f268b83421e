import type { Socket } from "./wire.js";

// What is used of Node, so that its types are needed by nobody.
interface Stream {
  readonly writableLength: number;
  write(bytes: Uint8Array): void;
  end(): void;
  destroy(): void;
  on(event: "data", listener: (bytes: Uint8Array) => void): void;
  on(event: "close" | "error", listener: () => void): void;
}
interface Answer {
  readonly headers: Record<string, string | undefined>;
}
interface Request {
  on(event: "upgrade", listener: (answer: Answer, stream: Stream, head: Uint8Array) => void): void;
  on(event: "response" | "error", listener: () => void): void;
  end(): void;
  destroy(): void;
}
interface Http {
  request(url: string, options: { headers: Record<string, string> }): Request;
}
interface Crypto {
  createHash(name: string): { update(text: string): { digest(form: "base64"): string } };
}
interface Runtime {
  getBuiltinModule?(name: string): unknown;
}

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const LONGEST = 1 << 24;
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** A WebSocket (RFC 6455) for Node before 22, which has none of its own; text and binary frames. */
export class NodeSocket implements Socket {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  protocol = "";
  #stream: Stream | undefined;
  #request: Request | undefined;
  #held = new Uint8Array();
  #parts: Uint8Array[] = [];
  #code = 1006;
  #over = false;

  constructor(url: string, protocols: string[]) {
    const runtime = (globalThis as { process?: Runtime }).process;
    const load = <T>(name: string): T => {
      const module = runtime?.getBuiltinModule?.(name);
      if (module === undefined) throw new Error("there is no WebSocket here");
      return module as T;
    };
    const key = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
    const expected = load<Crypto>("node:crypto").createHash("sha1").update(key + GUID);
    const accept = expected.digest("base64");
    const http = load<Http>(url.startsWith("wss:") ? "node:https" : "node:http");
    const request = http.request(url.replace(/^ws/, "http"), {
      headers: {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Protocol": protocols.join(", "),
      },
    });
    this.#request = request;
    request.on("upgrade", (answer, stream, head) => {
      if (answer.headers["sec-websocket-accept"] !== accept) {
        stream.destroy();
        this.#end();
        return;
      }
      this.protocol = answer.headers["sec-websocket-protocol"] ?? "";
      this.#stream = stream;
      stream.on("data", (bytes) => this.#take(bytes));
      stream.on("error", () => this.#end());
      stream.on("close", () => this.#end());
      this.onopen?.(undefined as never);
      if (head.byteLength > 0) this.#take(head);
    });
    request.on("response", () => this.close()); // refused: an ordinary answer
    request.on("error", () => this.#end());
    request.end();
  }

  get bufferedAmount(): number {
    return this.#stream?.writableLength ?? 0;
  }

  send(data: string | Uint8Array): void {
    if (typeof data === "string") this.#write(TEXT, new TextEncoder().encode(data));
    else this.#write(BINARY, data);
  }

  close(code?: number): void {
    if (this.#stream === undefined) this.#request?.destroy();
    if (this.#stream !== undefined && !this.#over && code !== undefined) {
      this.#write(CLOSE, new Uint8Array([code >> 8, code & 255]));
      this.#stream.end();
    } else {
      this.#stream?.destroy();
    }
    this.#end();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    queueMicrotask(() => this.onclose?.({ code: this.#code }));
  }

  #write(opcode: number, payload: Uint8Array): void {
    if (this.#over || this.#stream === undefined) return;
    const size = payload.byteLength;
    const extra = size < 126 ? 0 : size < 65_536 ? 2 : 8;
    const frame = new Uint8Array(6 + extra + size);
    const view = new DataView(frame.buffer);
    frame[0] = 0x80 | opcode;
    frame[1] = 0x80 | (extra === 0 ? size : extra === 2 ? 126 : 127);
    if (extra === 2) view.setUint16(2, size);
    if (extra === 8) view.setUint32(6, size);
    const mask = crypto.getRandomValues(new Uint8Array(4));
    frame.set(mask, 2 + extra);
    for (let at = 0; at < size; at += 1) frame[6 + extra + at] = payload[at]! ^ mask[at & 3]!;
    this.#stream.write(frame);
  }

  #take(bytes: Uint8Array): void {
    const held = new Uint8Array(this.#held.byteLength + bytes.byteLength);
    held.set(this.#held);
    held.set(bytes, this.#held.byteLength);
    let at = 0;
    for (;;) {
      const size = frameSize(held.subarray(at));
      if (size === undefined) break;
      if (size.header + size.payload > LONGEST) {
        this.close(1009);
        return;
      }
      if (held.byteLength - at < size.header + size.payload) break;
      const payload = held.subarray(at + size.header, at + size.header + size.payload);
      this.#frame(held[at]!, payload);
      at += size.header + size.payload;
    }
    this.#held = held.subarray(at);
  }

  #frame(head: number, payload: Uint8Array): void {
    const opcode = head & 15;
    if (opcode === PING) {
      this.#write(10, payload);
    } else if (opcode === CLOSE) {
      this.#code = payload.byteLength >= 2 ? (payload[0]! << 8) | payload[1]! : 1005;
      this.close(this.#code === 1005 ? 1000 : this.#code);
    } else if (opcode < 8) {
      this.#parts.push(payload.slice());
      if ((head & 0x80) === 0) return;
      const whole = this.#parts.length === 1 ? this.#parts[0]! : joined(this.#parts);
      this.#parts = [];
      this.onmessage?.({ data: new TextDecoder().decode(whole) });
    }
  }
}

function frameSize(bytes: Uint8Array): { header: number; payload: number } | undefined {
  if (bytes.byteLength < 2) return undefined;
  const short = bytes[1]! & 127;
  const extra = short < 126 ? 0 : short === 126 ? 2 : 8;
  if (bytes.byteLength < 2 + extra) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (extra === 0) return { header: 2, payload: short };
  if (extra === 2) return { header: 4, payload: view.getUint16(2) };
  return { header: 10, payload: view.getUint32(2) * 2 ** 32 + view.getUint32(6) };
}

function joined(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
