import { GreffierError } from "./errors.js";
import type { LiveSession } from "./live.js";

/** What a microphone is asked for. */
export interface MicrophoneOptions {
  /** Which one, as `navigator.mediaDevices.enumerateDevices` names it. */
  readonly deviceId?: string;
  /** Another source: a tab, an element, a room's mixer. */
  readonly stream?: MediaStream;
  /** Where the worklet's module is served, where the page's policy forbids `blob:` scripts. */
  readonly workletUrl?: string | URL;
  /** Told the loudest sample of each piece, 0 to 1. */
  readonly onLevel?: (level: number) => void;
  /** Told once when the session takes no more, and the microphone is let go. */
  readonly onError?: (error: unknown) => void;
}

/** An open microphone. */
export interface Microphone {
  /** Let it go; the session stays open until `finish`. Resolves when the last piece is handed over. */
  stop(): Promise<void>;
}

/** The worklet's module: joins the channels, and hands 100 ms of 16-bit samples over at a time. */
export const WORKLET_SOURCE = `
class GreffierCapture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = Math.round(sampleRate / 10);
    this.held = new Int16Array(this.size);
    this.at = 0;
    this.port.onmessage = () => { this.hand(this.held.slice(0, this.at)); this.over = true; };
  }
  hand(piece) { this.port.postMessage(piece.buffer, [piece.buffer]); this.at = 0; }
  process(inputs) {
    const channels = inputs[0];
    const length = channels.length === 0 ? 0 : channels[0].length;
    for (let i = 0; i < length; i += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      const value = Math.max(-1, Math.min(1, sum / channels.length));
      this.held[this.at] = Math.round(value * 32767);
      this.at += 1;
      if (this.at === this.size) this.hand(this.held.slice());
    }
    return !this.over;
  }
}
registerProcessor("greffier-capture", GreffierCapture);
`;

/**
 * Speak a microphone into a session, of format `pcm_s16le` with one channel. Browsers only.
 *
 * Open the session with `overflow: "gap"`: a microphone cannot wait.
 *
 * @throws GreffierError `no_microphone`: none there, or the user said no
 */
export async function speakMicrophone(
  session: LiveSession,
  options: MicrophoneOptions = {},
): Promise<Microphone> {
  const own = options.stream === undefined;
  const stream = options.stream ?? (await ask(options.deviceId));
  const context = new AudioContext({ sampleRate: session.rate });
  const release = async (): Promise<void> => {
    if (own) for (const track of stream.getTracks()) track.stop();
    await context.close();
  };
  try {
    await load(context, options.workletUrl);
  } catch (error) {
    await release();
    throw error;
  }
  let source: MediaStreamAudioSourceNode;
  try {
    source = context.createMediaStreamSource(stream);
  } catch (error) {
    await release();
    const message = "this browser does not resample: open the session at microphoneRate()";
    throw new GreffierError("rate_not_supported", message, false, error);
  }
  const capture = new AudioWorkletNode(context, "greffier-capture", { numberOfOutputs: 0 });
  let handed: Promise<void> = Promise.resolve();
  let failed = false;
  let last: () => void = () => undefined;
  capture.port.onmessage = (event: MessageEvent<ArrayBuffer>) => {
    const piece = new Int16Array(event.data);
    options.onLevel?.(piece.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0) / 32_767);
    handed = handed
      .then(() => (failed ? undefined : session.send(piece)))
      .catch((error: unknown) => {
        failed = true;
        source.disconnect();
        void release().then(() => options.onError?.(error));
      });
    last();
  };
  source.connect(capture);
  await context.resume();
  return {
    async stop() {
      if (failed) return;
      const flushed = new Promise<void>((resolve) => {
        last = resolve;
      });
      capture.port.postMessage("stop");
      await flushed;
      await handed;
      source.disconnect();
      if (context.state !== "closed") await release();
    },
  };
}

/** The rate of the machine's sound; for browsers that capture at no other (Firefox). */
export async function microphoneRate(): Promise<number> {
  const context = new AudioContext();
  await context.close();
  return context.sampleRate;
}

async function ask(deviceId: string | undefined): Promise<MediaStream> {
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: {
        channelCount: 1,
        echoCancellation: false,
        noiseSuppression: false,
        ...(deviceId === undefined ? {} : { deviceId: { exact: deviceId } }),
      },
    });
  } catch (error) {
    const message = "no microphone is there, or the page may not use it (it needs https)";
    throw new GreffierError("no_microphone", message, false, error);
  }
}

async function load(context: AudioContext, given: string | URL | undefined): Promise<void> {
  if (given !== undefined) {
    await context.audioWorklet.addModule(given);
    return;
  }
  const url = URL.createObjectURL(new Blob([WORKLET_SOURCE], { type: "text/javascript" }));
  try {
    await context.audioWorklet.addModule(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
