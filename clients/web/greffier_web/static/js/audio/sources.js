/**
 * Where sound comes from: a microphone, a shared tab, a recording. All give 16 kHz mono, 100 ms at a
 * time.
 *
 * @typedef {object} Source
 * @property {() => void} stop
 * @property {Promise<void>} ended the sound is over by itself
 * @property {MediaStream | undefined} stream as the browser has it; none of a recording
 */

import { peakOf, toInt16 } from "./resampler.js";

export const RATE = 16_000;
const CHUNK = 1_600;
const STUCK_MS = 20_000;
const WORKLET = new URL("./worklet.js", import.meta.url);

/** Why there is no sound; `code` has a text. */
export class NoSound extends Error {
  /** @param {"insecure" | "refused" | "absent" | "silent-tab" | "unreadable" | "unsupported" | "stuck"} code */
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** Microphones there are; their names are known once one was allowed. */
export async function microphones() {
  if (!navigator.mediaDevices) throw new NoSound("insecure");
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "audioinput" && device.deviceId !== "");
}

/**
 * @param {string} deviceId empty for the browser's own choice
 * @param {(pcm: Int16Array, peak: number) => void} onAudio
 * @returns {Promise<Source>}
 */
export async function microphone(deviceId, onAudio) {
  if (!navigator.mediaDevices) throw new NoSound("insecure");
  // The recogniser was trained on plain sound: only the volume is evened out.
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: true };
  const wanted = deviceId ? { ...audio, deviceId: { exact: deviceId } } : audio;
  return fromStream(() => allowed(navigator.mediaDevices.getUserMedia({ audio: wanted })), onAudio);
}

/**
 * The sound of a tab or a screen that the visitor chooses.
 * @param {(pcm: Int16Array, peak: number) => void} onAudio
 * @returns {Promise<Source>}
 */
export async function sharedTab(onAudio) {
  if (!navigator.mediaDevices?.getDisplayMedia) {
    throw new NoSound(navigator.mediaDevices ? "unsupported" : "insecure");
  }
  return fromStream(async () => {
    const stream = await allowed(
      navigator.mediaDevices.getDisplayMedia({
        video: true, // no browser shares sound alone
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      }),
    );
    if (stream.getAudioTracks().length > 0) return stream;
    for (const track of stream.getTracks()) track.stop();
    throw new NoSound("silent-tab");
  }, onAudio);
}

/**
 * A recording, in whatever form the browser reads, mixed to one channel.
 * @param {ArrayBuffer} bytes
 * @returns {Promise<Int16Array>}
 */
export async function decode(bytes) {
  try {
    const buffer = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes);
    const mixed = new Float32Array(buffer.length);
    for (let c = 0; c < buffer.numberOfChannels; c += 1) {
      const channel = buffer.getChannelData(c);
      for (let i = 0; i < mixed.length; i += 1) {
        mixed[i] = (mixed[i] ?? 0) + (channel[i] ?? 0) / buffer.numberOfChannels;
      }
    }
    return toInt16(mixed);
  } catch {
    throw new NoSound("unreadable");
  }
}

/**
 * Play a decoded recording into a session.
 * @param {Int16Array} pcm
 * @param {object} options
 * @param {boolean} options.realTime else as fast as `ready` lets it
 * @param {() => Promise<void>} options.ready resolves when more can be taken
 * @param {(pcm: Int16Array, peak: number) => void} options.onAudio
 * @returns {Source}
 */
export function recording(pcm, { realTime, ready, onAudio }) {
  let stopped = false;
  const run = async () => {
    const began = performance.now();
    for (let at = 0; at < pcm.length && !stopped; at += CHUNK) {
      const chunk = pcm.slice(at, at + CHUNK);
      onAudio(chunk, peakOf(chunk));
      const due = began + ((at + CHUNK) / RATE) * 1000;
      if (realTime) await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
      else await ready();
    }
  };
  return { ended: run(), stop: () => (stopped = true), stream: undefined };
}

/**
 * Everything is ready before the stream is asked for, so that its first words are not missed.
 * @param {() => Promise<MediaStream>} ask
 * @param {(pcm: Int16Array, peak: number) => void} onAudio
 * @returns {Promise<Source>}
 */
async function fromStream(ask, onAudio) {
  const context = new AudioContext({ latencyHint: "balanced" });
  await context.audioWorklet.addModule(WORKLET);
  let stream;
  try {
    stream = await ask();
  } catch (error) {
    void context.close();
    throw error;
  }
  const input = context.createMediaStreamSource(stream);
  const recorder = new AudioWorkletNode(context, "greffier-recorder", { numberOfOutputs: 0 });
  recorder.port.onmessage = ({ data }) => onAudio(data, peakOf(data));
  input.connect(recorder);
  // Without any output for sound, Firefox waits for one for ever, and says nothing.
  const runs = await Promise.race([
    context.resume().then(() => true),
    new Promise((resolve) => setTimeout(() => resolve(false), STUCK_MS)),
  ]);
  if (!runs) {
    for (const track of stream.getTracks()) track.stop();
    void context.close();
    throw new NoSound("stuck");
  }
  const tracks = stream.getAudioTracks();
  const ended = Promise.race(
    tracks.map((track) => new Promise((resolve) => track.addEventListener("ended", resolve))),
  ).then(() => undefined);
  let stopped = false;
  const stop = () => {
    if (stopped) return; // a context closes once, and is not told to be closed at once
    stopped = true;
    for (const track of stream.getTracks()) track.stop();
    void context.close();
  };
  return { ended, stop, stream };
}

/**
 * @param {Promise<MediaStream>} asked
 */
async function allowed(asked) {
  try {
    return await asked;
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    throw new NoSound(name === "NotFoundError" || name === "OverconstrainedError" ? "absent" : "refused");
  }
}
