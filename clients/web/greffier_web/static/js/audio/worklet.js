/** In the audio thread: any rate and channels to 16 kHz mono, 100 ms at a time. */

import { Resampler, toInt16 } from "./resampler.js";

/**
 * @typedef {object} Scope what an audio worklet's global scope has
 * @property {number} sampleRate
 * @property {(name: string, processor: unknown) => void} registerProcessor
 * @property {new () => { port: MessagePort }} AudioWorkletProcessor
 */
const scope = /** @type {Scope} */ (/** @type {unknown} */ (globalThis));

const RATE = 16_000;
const CHUNK = 1_600;

class Recorder extends scope.AudioWorkletProcessor {
  #resampler = new Resampler(scope.sampleRate, RATE);
  #chunk = new Float32Array(CHUNK);
  #filled = 0;

  /**
   * @param {Float32Array[][]} inputs
   * @returns {boolean} whether to go on
   */
  process(inputs) {
    const [channels = []] = inputs;
    const [first] = channels;
    if (!first) return true;
    const mixed = new Float32Array(first.length);
    for (const channel of channels) {
      for (let i = 0; i < mixed.length; i += 1) mixed[i] = (mixed[i] ?? 0) + (channel[i] ?? 0) / channels.length;
    }
    for (const sample of this.#resampler.push(mixed)) {
      this.#chunk[this.#filled] = sample;
      this.#filled += 1;
      if (this.#filled === CHUNK) {
        const pcm = toInt16(this.#chunk);
        this.port.postMessage(pcm, [pcm.buffer]);
        this.#filled = 0;
      }
    }
    return true;
  }
}

scope.registerProcessor("greffier-recorder", Recorder);
