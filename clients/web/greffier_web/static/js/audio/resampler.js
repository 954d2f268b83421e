/**
 * Changes the sample rate by windowed-sinc interpolation (Smith and Gossett, *A flexible
 * sampling-rate conversion method*, 1984), block by block.
 */

const ZERO_CROSSINGS = 16;
/** Keeps what lies just below half the lower rate. */
const ROLL_OFF = 0.94;

export class Resampler {
  #step;
  #cutoff;
  #half;
  /** @type {Float32Array} input not yet wholly used */
  #held = new Float32Array(0);
  /** Place of the next output sample in `#held`. */
  #at;

  /**
   * @param {number} from samples a second
   * @param {number} to samples a second
   */
  constructor(from, to) {
    this.#step = from / to;
    this.#cutoff = Math.min(1, to / from) * ROLL_OFF;
    this.#half = Math.ceil(ZERO_CROSSINGS / this.#cutoff);
    this.#at = this.#half;
    this.#held = new Float32Array(this.#half); // silence before the first sample
  }

  /**
   * Take a block; return what can be said for good by now.
   * @param {Float32Array} block
   * @returns {Float32Array}
   */
  push(block) {
    const input = new Float32Array(this.#held.length + block.length);
    input.set(this.#held);
    input.set(block, this.#held.length);
    const count = Math.max(0, Math.ceil((input.length - this.#half - this.#at) / this.#step));
    const output = new Float32Array(count);
    let at = this.#at;
    for (let n = 0; n < count; n += 1, at += this.#step) output[n] = this.#sample(input, at);
    const drop = Math.max(0, Math.floor(at) - this.#half);
    this.#held = input.slice(drop);
    this.#at = at - drop;
    return output;
  }

  /**
   * @param {Float32Array} input
   * @param {number} at
   */
  #sample(input, at) {
    const first = Math.max(0, Math.ceil(at - this.#half));
    const last = Math.min(input.length - 1, Math.floor(at + this.#half));
    let sum = 0;
    for (let i = first; i <= last; i += 1) {
      const x = at - i;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * x) / this.#half);
      sum += (input[i] ?? 0) * window * sinc(this.#cutoff * x);
    }
    return sum * this.#cutoff;
  }
}

/** @param {number} x */
function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/**
 * Samples of -1 … 1 as 16-bit integers.
 * @param {Float32Array} samples
 */
export function toInt16(samples) {
  const pcm = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i += 1) {
    pcm[i] = Math.round(Math.max(-1, Math.min(1, samples[i] ?? 0)) * 32_767);
  }
  return pcm;
}

/**
 * The loudest of some samples, 0 … 1.
 * @param {Int16Array} pcm
 */
export function peakOf(pcm) {
  let peak = 0;
  for (const sample of pcm) peak = Math.max(peak, Math.abs(sample));
  return peak / 32_768;
}
